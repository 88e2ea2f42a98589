#!/bin/sh
# dist.sh FILE.tar.gz: the source as a release hands it out; the same bytes from any checkout, and from what such an archive holds.
# Of a checkout it takes what git knows, as it lies there; of an unpacked archive all but what was built or run. VERSION is set.
set -eu
out=$1
name=t2i-train-$VERSION
date=$(sed -n 's/^#define T2I_RELEASED "\([^"]*\)".*/\1/p' src/base/help.h)
list=$(mktemp)
trap 'rm -f "$list" "$out.tmp"' EXIT
export LC_ALL=C
if [ -e .git ]; then
    git ls-files >"$list"
    git diff --quiet HEAD || echo "dist: with changes that are not committed" >&2
else
    find . \( -path ./build -o -path ./runs \) -prune -o -path './data/*' ! -name README.md -prune -o -type f -print | sed 's|^\./||' >"$list"
fi
sort -o "$list" "$list"
mkdir -p "$(dirname "$out")"
tar --create --format=ustar --files-from="$list" --transform="s|^|$name/|" --mtime="$date 00:00:00 UTC" --owner=0 --group=0 --numeric-owner \
    --mode=u=rwX,go=rX >"$out.tmp"
gzip -n -9 <"$out.tmp" >"$out"
echo "$out: $(wc -l <"$list") files, $(wc -c <"$out") bytes, sha256 $(sha256sum <"$out" | cut -c1-64)"
