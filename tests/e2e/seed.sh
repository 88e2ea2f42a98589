#!/bin/bash
# CORES: 2, TIMEOUT: 300
# The tutorial's own job on its own prompts, with fresh weights: "a blue square shape" must find the blue square; and with the
# built-in dataset it must also draw it.
. tests/e2e/lib.sh.inc
g=tests/golden/seed
"$B/t2i-data" build --pairs $g/pairs.tsv --features $g/features.safetensors --out "$scratch/ready.h5"
"$B/t2i-data" seed --out "$scratch/seed.h5"
for set in ready seed; do
    train 2 jobs/seed.ini --data "$scratch/$set.h5" --out "$scratch/$set"
    "$B/t2i-generate" "$scratch/$set" "a blue square shape" --top 1 --json >"$scratch/answer.json"
    tr -d ' \n' <"$scratch/answer.json" | grep -q '"nearest":\[{"image":"blue_square.png","distance":[0-9.]*}\],"decoded":' ||
        { fail "$set: not the blue square"; cat "$scratch/answer.json"; }
    [ -s "$scratch/$set/generated/a-blue-square-shape.png" ] || fail "$set: no sheet"
    for file in job.ini log.jsonl loss.png model.safetensors status.json; do [ -s "$scratch/$set/$file" ] || fail "$set: no $file"; done
done
grep -q '"decoded": null' <("$B/t2i-generate" "$scratch/ready" "a red square" --json) || fail "decoded without a decoder"
[ -s "$scratch/seed/generated/a-blue-square-shape-drawn-1.png" ] || fail "no drawing"
"$B/t2i-generate" "$scratch/seed" "a blue square!" --out "$scratch/x.png" >/dev/null 2>"$scratch/stderr" || fail "an unknown character is no error"
grep -q "'!'" "$scratch/stderr" || { fail "the unknown character was not named"; cat "$scratch/stderr"; }
finish
