#!/bin/sh
# unpack.sh DIR PACKAGE...: the part of ./bootstrap --prefix. Without root, fetches these Debian packages and the
# dependencies that are not installed, unpacks them below DIR, and writes
#   DIR/env.sh  for a shell: `. DIR/env.sh` before make and the programs
#   config.mk   for the Makefile, which then needs no such thing
# No script of a package is run; what they would set up and is needed here is done below.
set -eu
fail() {
    echo "bootstrap: $*" >&2
    exit 1
}
mkdir -p "$1" && prefix=$(cd "$1" && pwd) || fail "cannot create $1"
shift
case $prefix in *[!-A-Za-z0-9_./+]*) fail "make needs a folder without spaces and special characters, not '$prefix'" ;; esac
apt=$prefix/apt new=$prefix/new
rm -rf "$new"
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$new"
touch "$prefix/packages"

get() {
    LC_ALL=C apt-get -q -y -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Acquire::Retries=2 \
        -o Dir::State::status="${DPKG_ADMINDIR:-/var/lib/dpkg}/status" -o Dir::State::lists="$apt/lists" \
        -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives" "$@"
}
quietly() {
    get "$@" >"$apt/log" 2>&1 || { cat "$apt/log" >&2; return 1; }
}
echo "Unpacking Debian's packages below $prefix, without root:"
echo "1. apt-get update, into that folder"
quietly -o APT::Update::Error-Mode=any update || echo "   had errors; what was fetched may do" >&2
# What would be installed, less what is only newer there than here.
get -s install --no-install-recommends "$@" >"$apt/plan" 2>&1 || { cat "$apt/plan" >&2; fail "apt-get cannot install $*"; }
awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }' "$apt/plan" | grep -vxFf "$prefix/packages" >"$apt/names" || true
if [ -s "$apt/names" ]; then
    # shellcheck disable=SC2046
    size=$(get --print-uris download $(cat "$apt/names") 2>/dev/null | awk '{ sum += $3 } END { printf "%.0f", sum / 1e6 }')
    echo "2. apt-get download of $(wc -l <"$apt/names") packages, $size MB; about five times that when unpacked"
    # shellcheck disable=SC2046
    (cd "$apt/archives" && quietly download $(cat "$apt/names")) ||
        fail "apt-get could not download them (see above). Check the network and http_proxy, then run this again."
    echo "3. dpkg -x"
    for package in "$apt"/archives/*.deb; do
        dpkg -x "$package" "$new" || fail "cannot unpack $package"
        rm "$package"
    done
fi

triplet=$(uname -m)-linux-gnu
lib=$prefix/usr/lib/$triplet
# One folder of each name, as on a merged system.
for folder in bin sbin lib lib64; do
    [ -d "$new/$folder" ] || continue
    mkdir -p "$new/usr/$folder"
    cp -a "$new/$folder/." "$new/usr/$folder/"
    rm -rf "${new:?}/$folder"
done
# Absolute paths in what the compiler and pkg-config read.
find "$new" -type f \( -name '*.pc' -o -name libc.so \) -exec \
    sed -i -E "s,(^|[= I(L])/usr/,\1$prefix/usr/,g; s,(= ?)/usr\$,\1$prefix/usr," {} +
cp -al "$new/." "$prefix/"
rm -rf "$new"
# Alternatives.
for name in cc:gcc mpirun:mpirun.openmpi mpiexec:mpiexec.openmpi mpicc:mpicc.openmpi; do
    [ ! -e "$prefix/usr/bin/${name#*:}" ] || ln -sf "${name#*:}" "$prefix/usr/bin/${name%:*}"
done
for psm in "$prefix"/usr/lib/libpsm1/libpsm_infinipath.so.1.*; do
    [ ! -e "$psm" ] || ln -sf "$psm" "$lib/libpsm_infinipath.so.1"
done
# Links to libraries that are installed, or that begin at the root.
find "$prefix/usr/lib" -xtype l | while read -r link; do
    target=$(readlink "$link")
    case $target in /*) ;; *) target=${link%/*}/$target && target=${target#"$prefix"} ;; esac
    for place in "$prefix$target" "$prefix/usr$target" "$target"; do
        [ ! -e "$place" ] || { ln -sfn "$place" "$link" && break; }
    done
done

libs=$lib:$lib/openblas-pthread:$lib/openmpi/lib:$lib/pmix2/lib:$lib/hdf5/serial
cat >"$prefix/env.sh" <<TEXT
# Written by ./bootstrap --prefix: . $prefix/env.sh
export PATH="$prefix/usr/bin:\$PATH"
export PKG_CONFIG_PATH="$lib/pkgconfig:$lib/openblas-pthread/pkgconfig:$prefix/usr/share/pkgconfig\${PKG_CONFIG_PATH:+:\$PKG_CONFIG_PATH}"
export C_INCLUDE_PATH="$prefix/usr/include:$prefix/usr/include/$triplet\${C_INCLUDE_PATH:+:\$C_INCLUDE_PATH}"
export LIBRARY_PATH="$libs\${LIBRARY_PATH:+:\$LIBRARY_PATH}"
export LD_LIBRARY_PATH="$libs\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
TEXT
# Where Open MPI and PMIx look for their plugins.
[ ! -e "$lib/openmpi" ] || echo "export OPAL_PREFIX=$prefix/usr PMIX_MCA_mca_base_component_path=$lib/pmix2/lib/pmix" >>"$prefix/env.sh"
font=$prefix/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
[ ! -e "$font" ] || echo "export T2I_FONT=\"\${T2I_FONT:-$font}\"" >>"$prefix/env.sh"
printf '#!/bin/sh\n. %s/env.sh\nexec /bin/sh "$@"\n' "$prefix" >"$prefix/shell"
chmod +x "$prefix/shell"
cat >config.mk <<TEXT
# Written by ./bootstrap --prefix, for the Makefile.
SHELL := $prefix/shell
override LDFLAGS += -Wl,--disable-new-dtags,-rpath,$libs
TEXT
cat "$apt/names" >>"$prefix/packages"
rm -rf "$apt"
echo "4. wrote $prefix/env.sh, and config.mk for the Makefile; $(du -sm "$prefix" | cut -f1) MB in all"
echo "ready (the first command in every new shell): . $prefix/env.sh && make demo"
