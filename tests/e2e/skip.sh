#!/bin/bash
# A learning rate that ruins the run: steps whose loss or gradient is not finite change nothing, are counted and logged
# without a loss, alike at any number of ranks and after a resume; and every checkpoint can be loaded again.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --lr 1000 --clip 0 --checkpoint-every 5 --keep 9 --log-every 1"
train 1 $common --steps 30 --out "$scratch/one"
train 3 $common --steps 17 --out "$scratch/three"
train 5 $common --steps 30 --out "$scratch/three"
grep -q "resuming from .*step-17" "$scratch/train.log" || { fail "a ruined run cannot be resumed"; cat "$scratch/train.log"; }
cmp "$scratch"/{one,three}/checkpoints/step-30.safetensors || fail "skipped steps: other bits at another number of ranks"
skipped=$(grep -c '"skipped":' "$scratch/one/log.jsonl")
[ "$skipped" -gt 10 ] && [ "$skipped" -lt 30 ] || fail "$skipped steps were skipped: the test means nothing"
grep '"skipped":' "$scratch/one/log.jsonl" | grep -q '"loss":' && fail "a skipped step has a loss"
grep -q "\"skipped\":$skipped," "$scratch/three/log.jsonl" || fail "the skipped steps are not counted through a resume"
grep -q 'not finite' "$scratch/train.log" || fail "a skipped step was not mentioned"

# the weights of the last update stay: from the first skipped step on all checkpoints have the same tensors
tensors() { tail -c +$((9 + $(od -An -tu8 -N8 "$1"))) "$1" | md5sum; }
[ "$(tensors "$scratch/one/checkpoints/step-25.safetensors")" = "$(tensors "$scratch/one/checkpoints/step-30.safetensors")" ] ||
    fail "a skipped step changed something"

# a loss that jumps (a picture that was not there for 700 steps, now and then) is told, and skipped if that is asked
"$B/t2i-data" seed --out "$scratch/seed.h5" 2>/dev/null
lines() { for ((i = 1; i <= 800; i++)); do [ $i -ge 701 ] && { [ $((i % 20)) -eq 1 ] || [ $i -ge "$1" ]; } && echo "$2" || echo "0 0 1 0"; done; }
lines 999 "6 6 6 6" >"$scratch/rows"
jumps="--data $scratch/seed.h5 $small_model --lr 3e-3 --batch 4 --shards 4 --sampler $scratch/rows --steps 800 --checkpoint-every 50 --log-every 20 --validate-every 0"
train 1 $jumps --out "$scratch/jumps"
grep -q 'warning: step 701: the loss jumps to ' "$scratch/train.log" || { fail "a jump is not told"; cat "$scratch/train.log"; }
grep -q '^{"step":701,"loss":[^,]*,"spike":' "$scratch/jumps/log.jsonl" || fail "a jump is not logged"
train 1 $jumps --skip-spikes 8 --out "$scratch/skips"
[ "$(grep -c 'the loss jumps .*; the step is skipped' "$scratch/train.log")" -eq 5 ] || { fail "not five jumps were skipped"; cat "$scratch/train.log"; }
grep -q '^{"step":701,"skipped":1,"spike":' "$scratch/skips/log.jsonl" || fail "a skipped jump is not logged"
rc=0
train 3 $jumps --skip-spikes 8 --max-time 0.02 --out "$scratch/parts" || rc=$?
[ $rc -eq 75 ] || fail "not stopped: $rc"
train 2 $jumps --skip-spikes 8 --out "$scratch/parts"
cmp "$scratch"/{skips,parts}/checkpoints/step-800.safetensors || fail "skipped jumps: other bits at another number of ranks, or after a resume"
lines 710 "6 6 6 6" >"$scratch/rows"
expect_warned 65 "training diverged: the loss was far above the recent mean in each of the last 50 steps" $MPIRUN -np 2 "$B/t2i-train" $jumps --skip-spikes 8 --out "$scratch/stays" --quiet

# a run that can only skip is given up, alike on all ranks; what it says fits its folder
expect_warned 65 "training diverged: the gradient was not finite in each of the last 50 steps" $MPIRUN -np 2 "$B/t2i-train" $common --steps 1000 --out "$scratch/two" --quiet
grep -q '"state": "failed"' "$scratch/two/status.json" && grep -q '"exit": 65' "$scratch/two/status.json" || fail "status.json does not tell that it failed"
finish
