#!/bin/bash
# make dist: the same bytes twice and from the archive itself, all that git knows is in it, and a program builds from it without git.
. tests/e2e/lib.sh.inc
VERSION=$("$B/t2i-model" --version | sed -n '1s/.* //p')
export VERSION
sh packaging/dist.sh "$scratch/a.tar.gz" >/dev/null 2>&1 || fail "make dist"
(umask 077 && sh packaging/dist.sh "$scratch/b.tar.gz" >/dev/null 2>&1)
cmp "$scratch/a.tar.gz" "$scratch/b.tar.gz" || fail "two archives differ"
tar xzf "$scratch/a.tar.gz" -C "$scratch"
home=$scratch/t2i-train-$VERSION
for file in README.md docs/training-guide.md docs/images/shapes.png LICENSE LICENSE.third-party CHANGELOG.md CITATION.cff Makefile bootstrap src/tools/t2i-model.c tests/run.sh jobs/shapes.ini; do
    [ -e "$home/$file" ] || fail "$file is not in the archive"
done
[ -x "$home/bootstrap" ] && [ -x "$home/tests/run.sh" ] || fail "what can be run cannot be run"
[ -z "$(find "$home" \( -name '*.o' -o -name '*.h5' -o -name build \))" ] || fail "the archive holds what was built"
if [ -e .git ]; then
    git ls-files | LC_ALL=C sort >"$scratch/known"
    (cd "$home" && find . -type f | sed 's|^\./||' | LC_ALL=C sort) | cmp - "$scratch/known" || fail "git knows other files"
fi
(cd "$home" && sh packaging/dist.sh "$scratch/c.tar.gz" >/dev/null) || fail "make dist from an archive"
cmp "$scratch/a.tar.gz" "$scratch/c.tar.gz" || fail "the archive of an archive differs"
# The library is taken as it was built here, which saves a minute; the program is compiled.
here=$(cd "$B" && pwd)
mkdir -p "$scratch/build"
cp -p "$here/libt2i-internal.a" "$scratch/build/"
cp -rp "$here/src" "$scratch/build/"
rm -rf "$scratch/build/src/tools"
(cd "$home" && make -s B="$scratch/build" "$scratch/build/t2i-model") >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "make from the archive"; }
"$scratch/build/t2i-model" --version >"$scratch/said" || fail "what was built does not run"
grep -q "^t2i-model $VERSION" "$scratch/said" && grep -q "^git: *unknown" "$scratch/said" || fail "--version: $(cat "$scratch/said")"
finish
