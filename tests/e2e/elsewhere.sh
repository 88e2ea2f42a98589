#!/bin/bash
# ./bootstrap on a system without apt-get and make there: libraries without a .pc file (OpenBLAS on
# Fedora, HDF5, the MPI of openSUSE) are found by their headers and mpicc; what is missing is named,
# with packages of other distributions.
. tests/e2e/lib.sh.inc
case $B in *mpich*) echo "mpicc is that of Open MPI"; exit 77 ;; esac

# The tools of this system without apt-get, and a pkg-config that knows none of $hidden
mkdir "$scratch/bin"
for tool in sh dirname make mpirun mpicc cat tr; do ln -s "$(command -v $tool)" "$scratch/bin/$tool"; done
printf '#!/bin/sh\nPATH=%s exec cc "$@"\n' "$PATH" >"$scratch/bin/cc"
cat >"$scratch/bin/pkg-config" <<TEXT
#!/bin/sh
for name; do case " \$hidden " in *" \$name "*) exit 1 ;; esac; done
exec $(command -v pkg-config) "\$@"
TEXT
chmod +x "$scratch"/bin/{cc,pkg-config}
C_INCLUDE_PATH=$(pkg-config --cflags-only-I hdf5-serial hdf5 2>/dev/null | sed 's/^-I//; s/ .*//')
LIBRARY_PATH=$(pkg-config --libs-only-L hdf5-serial hdf5 2>/dev/null | sed 's/^-L//; s/ .*//')
export C_INCLUDE_PATH LIBRARY_PATH
# elsewhere HIDDEN: ./bootstrap where pkg-config does not know these
elsewhere() { (export hidden="$1"; PATH=$scratch/bin ./bootstrap) >"$scratch/said" 2>&1; }
no_pc="ompi-c ompi mpich openblas openblas-pthread hdf5-serial hdf5"

elsewhere "" && grep -qx 'ready: make demo' "$scratch/said" || fail "nothing is missing: $(cat "$scratch/said")"
elsewhere "$no_pc" && grep -qx 'ready: make CC=mpicc demo' "$scratch/said" || fail "without .pc files: $(cat "$scratch/said")"
rm "$scratch/bin/mpicc"
elsewhere "$no_pc jansson" && fail "ready without MPI and jansson"
grep -q 'these are missing: ompi-c jansson$' "$scratch/said" || fail "what is missing: $(cat "$scratch/said")"
for packages in openmpi-devel openmpi4-devel libjpeg-turbo-devel libjpeg8-devel; do
    grep -q -w -e "$packages" "$scratch/said" || fail "packages: no $packages"
done
C_INCLUDE_PATH='' elsewhere "openblas hdf5-serial hdf5" && fail "ready without hdf5.h"
grep -q 'these are missing: hdf5-serial$' "$scratch/said" || fail "hdf5.h: $(cat "$scratch/said")"

# make: flags in place of those of the .pc files; programs are linked with what was built here
flags() { make -s --no-print-directory --eval 'flags: ; @echo $(INCLUDES) $(LIBS)' flags "$@" 2>&1; }
flags | grep -q -e -isystem.*hdf5 || fail "with .pc files: $(flags)"
export hidden="$no_pc"
said=$(PATH=$scratch/bin:$PATH flags CC=mpicc)
case $said in *"-isystem /usr/include/openblas "*" -ljansson "*"-lopenblas -lhdf5 "*) ;; *) fail "without .pc files: $said" ;; esac
mkdir -p "$scratch/build"
cp -p "$B/libt2i-internal.a" "$scratch/build/"
cp -rp "$B/src" "$scratch/build/"
for test in tests/unit/kernels/ridge tests/unit/dataset/dataset_hostile; do
    PATH=$scratch/bin:$PATH make -s B="$scratch/build" MODE="${B##*/}" CC=mpicc "$scratch/build/$test" >"$scratch/said" 2>&1 &&
        "$scratch/build/$test" >"$scratch/said" 2>&1 || { cat "$scratch/said"; fail "$test, without .pc files"; }
done
finish
