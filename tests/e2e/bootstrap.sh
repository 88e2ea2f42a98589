#!/bin/bash
# ./bootstrap --prefix: with some packages taken for missing, they are unpacked in a folder, and a program is built from there and
# runs with the libraries there; a second call fetches nothing. make check says what it lacks
# without --tests. Needs apt-get and a mirror of Debian.
# TIMEOUT: 600
. tests/e2e/lib.sh.inc
make -s -j2 B="$scratch/b" CC="cc -nostdinc" check >"$scratch/said" 2>&1 && fail "make check without CUnit"
grep -q '^CUnit is missing.*: run ./bootstrap --tests$' "$scratch/said" || fail "make check without CUnit: $(cat "$scratch/said")"
command -v apt-get >/dev/null || { echo "no apt-get here"; exit 77; }
./bootstrap --nonsense >"$scratch/said" && fail "an unknown option is taken"
grep -q -- '--prefix DIR' "$scratch/said" || fail "an unknown option: no usage"

# dpkg's own state, less these; others need the font
mkdir "$scratch/dpkg" "$scratch/project"
awk 'BEGIN { RS = ""; ORS = "\n\n" } !/^Package: (libcunit1|libcunit1-dev|libinih-dev|fonts-dejavu-core)\n/ { gsub(/fonts-dejavu-core( \([^)]*\))?/, "dpkg"); print }' /var/lib/dpkg/status >"$scratch/dpkg/status"
export DPKG_ADMINDIR=$scratch/dpkg
here=$(cd "$B" && pwd)
cp -a Makefile bootstrap packaging jobs include src tests "$scratch/project/"
cd "$scratch/project"
./bootstrap --tests --prefix "$scratch/a folder" 2>"$scratch/said" && fail "a folder with a space, which make cannot take"
grep -q 'without spaces' "$scratch/said" || fail "a folder with a space: $(cat "$scratch/said")"
./bootstrap --tests --prefix "$scratch/deps" >"$scratch/said" 2>&1 || {
    cat "$scratch/said"
    grep -q -e 'Could not resolve' -e 'Failed to fetch' -e 'Unable to locate' "$scratch/said" && { echo "no mirror of Debian can be reached"; exit 77; }
    fail "--prefix"
}
[ "$(wc -l <"$scratch/said")" -le 12 ] || fail "it says much"
for file in env.sh usr/lib/*/libcunit.so.1 usr/include/ini.h; do [ -e "$scratch/deps"/$file ] || fail "no $file"; done
[ -s "$(unset T2I_FONT; . "$scratch/deps/env.sh"; echo "$T2I_FONT")" ] || fail "env.sh names no font"
[ -z "$(find "$scratch/deps/usr/lib" -xtype l)" ] || fail "links to nothing: $(find "$scratch/deps/usr/lib" -xtype l)"
mv "$scratch/deps/packages" "$scratch/packages"
cp "$scratch/packages" "$scratch/deps/packages"
./bootstrap --tests --prefix "$scratch/deps" >"$scratch/said" 2>&1 || { cat "$scratch/said"; fail "--prefix again"; }
! grep download "$scratch/said" || fail "fetched again"
cmp "$scratch/packages" "$scratch/deps/packages" || fail "another list of packages"

# The library is taken as it was built here.
mkdir -p "$scratch/build"
cp -p "$here/libt2i-internal.a" "$scratch/build/"
cp -rp "$here/src" "$scratch/build/"
program=$scratch/build/tests/unit/formats/json
make -s B="$scratch/build" "$program" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "make with these packages"; }
echo '#include <ini.h>' >"$scratch/ini.c"
(. "$scratch/deps/env.sh" && cc -M "$scratch/ini.c") | grep -q -F "$scratch/deps/usr/include/ini.h" || fail "the compiler finds another ini.h"
ldd "$program" | grep -q -F "libcunit.so.1 => $scratch/deps/" || { ldd "$program"; fail "it runs with another libcunit"; }
"$program" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "what was built"; }
finish
