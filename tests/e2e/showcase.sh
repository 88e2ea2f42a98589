#!/bin/bash
# CORES: 2, TIMEOUT: 600
# The demo gives what README shows: the digest of its model (the same bits on every machine), its scores, and the names
# and distances of its sheet in docs/images/shapes.txt. The model of make taste has the bits that its job gives, and
# answers.
. tests/e2e/lib.sh.inc
mkdir -p "$scratch/project/build" "$scratch/project/data" "$scratch/made"
cp -r README.md jobs "$scratch/project/"
ln -s "$PWD/$B" "$scratch/project/build/release"
expected=$PWD/docs/images/shapes.txt
cd "$scratch/project"
B=build/release sh jobs/showcase.sh "$scratch/made" >"$scratch/said" 2>&1 || { tail -n 20 "$scratch/said"; fail "jobs/showcase.sh"; }
diff "$expected" "$scratch/made/shapes.txt" || fail "not what docs/images/shapes.txt says: run make showcase"
grep -q "^The model has the same bits as in README: sha256 " "$scratch/said" || fail "the demo ends with: $(grep '^The model' "$scratch/said")"
! grep ' warning: ' "$scratch/said" || fail "the demo warns"
awk 'length > 80 && /^t2i-train: step/ { print; bad = 1 } END { exit bad }' "$scratch/said" || fail "progress in more than 80 columns"
cmp "$OLDPWD/jobs/shapes-small.safetensors" "$scratch/made/shapes-small.safetensors" || fail "jobs/shapes-small.ini gives another model"
[ "$(wc -c <"$scratch/made/shapes-small.safetensors")" -lt 3000000 ] || fail "the model of make taste is large"
B=build/release sh jobs/taste.sh >"$scratch/said" 2>&1 || { cat "$scratch/said"; fail "jobs/taste.sh"; }
grep -q '^ *1 .*large_purple_star_left.png$' "$scratch/said" || { cat "$scratch/said"; fail "make taste: another answer"; }
[ -s "$scratch/made/shapes.png" ] || fail "no sheet"
finish
