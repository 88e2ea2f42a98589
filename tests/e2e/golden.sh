#!/bin/bash
# CORES: 2
# TIMEOUT: 300
# t2i-train replays the tutorial's run as PyTorch did it: the same losses in log.jsonl, the same picture at the end.
. tests/e2e/lib.sh.inc
g=tests/golden/seed
"$B/t2i-data" build --pairs $g/pairs.tsv --features $g/features.safetensors --out "$scratch/seed.h5"
for np in 1 2; do
    train $np --data "$scratch/seed.h5" --init $g/initial.safetensors --sampler $g/batches.txt --steps 500 --log-every 1 \
        --checkpoint-every 100 --keep 9 --out "$scratch/run$np"
    sed -n 's/^{"step":\([0-9]*\),"loss":\([^,]*\),.*/\1 \2/p' "$scratch/run$np/log.jsonl" >"$scratch/losses"
    [ "$(wc -l <"$scratch/losses")" -eq 500 ] || fail "$(wc -l <"$scratch/losses") losses in the log, not 500"
    paste -d ' ' "$scratch/losses" <(head -n 500 $g/losses.txt) | awk '
        $1 != NR { print "line " NR " is step " $1; bad = 1 }
        { d = ($2 - $3) / $3; if (d < 0) d = -d; if (d > (NR <= 100 ? 1e-5 : 3e-4)) { print; bad = 1 } }
        END { exit bad }' || fail "np $np: the log does not show PyTorch's losses"
done
cmp "$scratch"/run{1,2}/checkpoints/step-500.safetensors || fail "np 2 gave other bits"

# the whole run, and the question it is for
train 2 --data "$scratch/seed.h5" --init $g/initial.safetensors --sampler $g/batches.txt --steps 5000 --log-every 1 \
    --checkpoint-every 0 --out "$scratch/run"
sed -n 's/^{"step":[0-9]*,"loss":\([^,]*\),.*/\1/p' "$scratch/run/log.jsonl" | tail -n 500 | sort -g | sed -n 250p |
    awk '{ exit !($1 < 1e-5) }' || fail "the median of the last losses is not below 1e-5"
"$B/t2i-generate" "$scratch/run" "a blue square shape" --json --out "$scratch/x.png" >"$scratch/answer.json"
grep -q '"nearest":[[{]*"image":"blue_square.png"' <(tr -d ' \n' <"$scratch/answer.json") || { fail "not the blue square"; cat "$scratch/answer.json"; }
finish
