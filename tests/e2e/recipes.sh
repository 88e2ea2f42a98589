#!/bin/bash
# The Python recipes of data/README.md, run as they stand there. PYTHON names a Python that has h5py, numpy and safetensors.
. tests/e2e/lib.sh.inc
python=${PYTHON:-python3}
"$python" -c 'import h5py, numpy, safetensors' 2>/dev/null || { echo "no h5py, numpy and safetensors in $python (PYTHON names another)"; exit 77; }
mkdir "$scratch/data" "$scratch/recipes"
"$B/t2i-data" shapes --out "$scratch/data/shapes.h5" >/dev/null 2>&1
train 1 --data "$scratch/data/shapes.h5" $small_model --steps 3 --log-every 1 --out "$scratch/runs/shapes"
awk -v to="$scratch/recipes/" '/^```python/ { file = to (++n) ".py"; next } /^```/ { file = "" } file != "" { print > file }' data/README.md
[ "$(ls "$scratch/recipes" | wc -l)" -eq "$(grep -c '^```python' data/README.md)" ] || fail "not all recipes were found"
for recipe in "$scratch"/recipes/*.py; do
    (cd "$scratch" && "$python" "$recipe") >>"$scratch/said" 2>&1 || { fail "$recipe"; cat "$recipe"; tail -n 5 "$scratch/said"; }
done
cat "$scratch/said"
for text in "a large black circle" "-> (64, 64, 3)" "nearest to picture 0: [" "32 " " of 3 validations 1"; do
    grep -q -F -- "$text" "$scratch/said" || fail "no recipe said '$text'"
done
# what a recipe wrote is taken
printf 'a cat\tcat.png\na dog\tdog.png\n' >"$scratch/pairs.tsv"
"$B/t2i-data" build --pairs "$scratch/pairs.tsv" --features "$scratch/features.safetensors" --out "$scratch/f.h5" >/dev/null 2>&1 || fail "features from Python"
finish
