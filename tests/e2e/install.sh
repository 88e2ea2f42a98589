#!/bin/bash
# make install into a folder that is then read-only, and the demo's first steps from there, in an empty folder; the modulefile
# where modules are; the Spack recipe's syntax where Python is; make uninstall. CC, CFLAGS and LDFLAGS reach the commands.
. tests/e2e/lib.sh.inc
here=$PWD root=$scratch/opt
B=$(cd "$B" && pwd)
make -s B="$B" PREFIX="$root" install >"$scratch/said" || { cat "$scratch/said"; fail "make install"; }
home=$root/share/t2i
for file in bin/t2i-train bin/t2i-doctor libexec/t2i/t2i-reader include/t2i/t2i.h lib/libt2i.a lib/libt2i.so share/t2i/jobs/shapes.ini share/t2i/slurm/train.sbatch share/doc/t2i-train/README.md share/doc/t2i-train/docs/training-guide.md share/doc/t2i-train/docs/images/shapes.png; do
    [ -e "$root/$file" ] || fail "$file was not installed"
done
for program in "$root"/bin/*; do
    name=${program##*/}
    grep -q "^.TH " "$root/share/man/man1/$name.1" || fail "$name has no manual page"
    grep -q "$name" "$root/share/bash-completion/completions/$name" || fail "$name has no completion"
done
grep -q "^TRAIN=$root/bin/t2i-train" "$home/slurm/train.sbatch" || fail "train.sbatch names another program: $(grep ^TRAIN= "$home/slurm/train.sbatch")"
grep -q "$home/jobs/shapes.ini" "$home/slurm/train.sbatch" || fail "train.sbatch names another job file"
bash -n "$home/slurm/train.sbatch" || fail "train.sbatch is broken"
! grep -r -I -l -e "$scratch/opt.*$here" -e '@PREFIX@' "$root" || fail "a path that is not the installation's"

chmod -R a-w "$root"
mounted=
if mount --bind "$root" "$root" 2>/dev/null; then # root writes to what it may not, unless it is mounted so
    mounted=yes
    trap 'umount "$root"; chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
    mount -o remount,ro,bind "$root" 2>/dev/null
    touch "$root/x" 2>/dev/null && echo "it cannot be made read-only here: not shown that nothing is written to it"
else
    trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
fi
mkdir -p "$scratch/work/data"
cd "$scratch/work"
PATH=$root/bin:$PATH
t2i-data seed --out data/seed.h5 >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "t2i-data from the installation"; }
timeout 60 $MPIRUN -np 2 t2i-train "$home/jobs/seed.ini" --steps 6 --threads 1 >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "t2i-train from the installation"; }
t2i-generate runs/seed "a red square" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "t2i-generate from the installation"; }
[ -e runs/seed/model.safetensors ] || fail "no model in the folder where it was started"

# the small model of make taste, from any folder; jobs/demo.sh is run by packaging/debian/tests
mkdir elsewhere
(cd elsewhere && ln -s ../data data && env -u B sh "$home/jobs/taste.sh") >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "taste.sh from the installation"; }
[ -s elsewhere/runs/taste.png ] && grep -q "^  $root/bin/t2i-generate $home/jobs/" "$scratch/log" || { cat "$scratch/log"; fail "taste.sh: another path"; }
for script in "$home"/jobs/*.sh; do
    [ -x "$script" ] && sh -n "$script" && ! grep -q -e build/release -e '[^/]jobs/' "$script" || { cat "$script"; fail "$script"; }
done

# the library: by pkg-config, shared and static
export PKG_CONFIG_PATH=$root/lib/pkgconfig
[ "$(pkg-config --modversion t2i)" = "$(t2i-model --version | sed -n '1s/.* //p')" ] || fail "t2i.pc has another version"
case $B in *asan*) sanitizers=-fsanitize=address,undefined ;; *) sanitizers= ;; esac
# shellcheck disable=SC2046
${CC:-cc} $sanitizers "$home/examples/nearest.c" $(pkg-config --cflags --libs t2i) -o shared || fail "nearest.c, shared"
# shellcheck disable=SC2046
${CC:-cc} $sanitizers "$home/examples/nearest.c" "$root/lib/libt2i.a" $(pkg-config --cflags --libs --static t2i | sed 's/-lt2i//') -o static || fail "nearest.c, static"
LD_LIBRARY_PATH=$root/lib ./shared runs/seed data/seed.h5 "a red square" >"$scratch/shared" 2>&1 || { cat "$scratch/shared"; fail "the example from the installation"; }
T2I_READER=$root/libexec/t2i/t2i-reader ./static runs/seed data/seed.h5 "a red square" | cmp - "$scratch/shared" || fail "the static example"
[ "$(wc -l <"$scratch/shared")" -eq 3 ] || fail "the example says something else"

# modules: what a login shell would get
if modules=$(command -v modulecmd || ls /usr/lib/x86_64-linux-gnu/modulecmd* /usr/share/lmod/lmod/libexec/lmod 2>/dev/null | head -n 1) && [ -n "$modules" ]; then
    (
        PATH=/usr/bin:/bin
        # shellcheck disable=SC2030
        export MODULEPATH=$root/share/modulefiles
        eval "$("$modules" bash load t2i-train)"
        [ "$(command -v t2i-train)" = "$root/bin/t2i-train" ] && [ "$T2I_HOME" = "$home" ] && [ -e "$T2I_HOME/jobs/seed.ini" ]
    ) || fail "module load t2i-train"
    "$modules" bash help t2i-train 2>&1 | grep -q 'T2I_HOME' || true
else
    echo "environment modules are not here: the modulefile was not loaded"
fi
cd "$here"
if command -v python3 >/dev/null; then
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' packaging/spack/t2i-train/package.py || fail "the Spack recipe"
fi

[ -z "$mounted" ] || umount "$root"
chmod -R u+w "$root"
make -s B="$B" PREFIX="$root" uninstall || fail "make uninstall"
[ -z "$(find "$root" ! -type d 2>/dev/null)" ] || fail "make uninstall left $(find "$root" ! -type d)"
make -s B="$B" PREFIX="$root" uninstall 2>"$scratch/said" && fail "uninstalled twice"
grep -q 'nothing was installed below' "$scratch/said" || fail "no word of what is not there"
trap 'rm -rf "$scratch"' EXIT

# packed for another place
make -s B="$B" PREFIX=/opt/t2i LIBDIR=/opt/t2i/lib/here DESTDIR="$scratch/pack" install >/dev/null || fail "DESTDIR"
grep -q '^TRAIN=/opt/t2i/bin/' "$scratch/pack/opt/t2i/share/t2i/slurm/train.sbatch" || fail "DESTDIR is in a file"
! grep -rIl "$scratch" "$scratch/pack" || fail "a path of the packing"
[ -L "$scratch/pack/opt/t2i/lib/here/libt2i.so" ] && [ -e "$scratch/pack/opt/t2i/lib/here/libt2i.so" ] || fail "libt2i.so is no link to what is beside it"
pc() { PKG_CONFIG_PATH=$scratch/pack/opt/t2i/lib/here/pkgconfig pkg-config "$@" t2i; }
[ "$(pc --variable=prefix)" = /opt/t2i ] || fail "t2i.pc has another prefix"
# used from where it is packed
mkdir "$scratch/use"
# shellcheck disable=SC2046
${CC:-cc} $sanitizers examples/nearest.c $(pc --cflags --libs --define-variable=prefix="$scratch/pack/opt/t2i") -o "$scratch/use/nearest" || fail "nearest.c, packed"
LD_LIBRARY_PATH=$scratch/pack/opt/t2i/lib/here "$scratch/use/nearest" "$scratch/work/runs/seed" "$scratch/work/data/seed.h5" "a red square" |
    cmp - "$scratch/shared" || fail "the example, packed"

# variables: each in each command that it belongs to
make -n V=1 B="$scratch/b" CC=mycc CFLAGS=-DMINE LDFLAGS=-Wl,-mine all >"$scratch/commands" 2>/dev/null
[ "$(grep -c '^mycc .*-DMINE' "$scratch/commands")" -gt 100 ] || fail "CC or CFLAGS"
[ "$(grep -c '^mycc .*-Wl,-mine -o .*/t2i-' "$scratch/commands")" -eq "$(ls src/tools/t2i-*.c | wc -l)" ] || fail "LDFLAGS"
finish
