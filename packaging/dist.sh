#!/bin/sh
# dist.sh FILE.tar.gz: writes the source archive of a release. It has the same bytes from any checkout and from an unpacked archive.
# From a checkout it takes the files that git tracks; from an unpacked archive all but build products. VERSION is set by the Makefile.
set -eu
out=$1
name=t2i-train-$VERSION
date=$(sed -n 's/^#define T2I_RELEASED "\([^"]*\)".*/\1/p' src/tools/help.h)
list=$(mktemp)
trap 'rm -f "$list" "$out.tmp"' EXIT
export LC_ALL=C
if [ -e .git ]; then
    git ls-files >"$list"
    git diff --quiet HEAD || echo "dist: includes changes that are not committed" >&2
else
    find . \( -path ./build -o -path ./runs \) -prune -o -path './data/*' ! -name README.md -prune -o -type f -print | sed 's|^\./||' >"$list"
fi
sort -o "$list" "$list"
mkdir -p "$(dirname "$out")"
tar --create --format=ustar --files-from="$list" --transform="s|^|$name/|" --mtime="$date 00:00:00 UTC" --owner=0 --group=0 --numeric-owner \
    --mode=u=rwX,go=rX >"$out.tmp"
gzip -n -9 <"$out.tmp" >"$out"
echo "$out: $(wc -l <"$list") files, $(wc -c <"$out") bytes, sha256 $(sha256sum <"$out" | cut -c1-64)"
