#!/bin/bash
# A bit flips in a rank's weights or moments: the run stops before it is used, names the rank, saves nothing of it, and the
# same command ends in the bits of a run in which nothing happened.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --steps 20 --checkpoint-every 5 --validate-every 0 --verify-every 1"
train 3 $common --out "$scratch/right"
right="$scratch/right/checkpoints/step-20.safetensors"

# flipped NP RANK STEP WHAT EXIT TEXT: then the rest of the run, unharmed
flipped() {
    np=$1 rank=$2 step=$3 what=$4 rc=0
    rm -rf "$scratch/run"
    T2I_FLIP="$rank:$step:$what" timeout 100 $MPIRUN -np "$np" "$B/tests/helper/train_flips" $common --out "$scratch/run" >"$scratch/log" 2>&1 || rc=$?
    [ "$rc" -eq "$5" ] || { fail "exit code $rc, not $5: $what of rank $rank at step $step, np $np"; cat "$scratch/log"; }
    [ "$(grep -c -F -- "$6" "$scratch/log")" -eq 1 ] || { fail "not told once: $6 ($what of rank $rank at step $step, np $np)"; cat "$scratch/log"; }
    [ ! -e "$scratch/run/model.safetensors" ] || fail "a model was saved after a $what flipped"
    newest=$(ls "$scratch/run/checkpoints" | sed -n 's/^step-\([0-9]*\)\.safetensors$/\1/p' | sort -n | tail -1)
    [ "${newest:-0}" -lt "$step" ] || fail "step $newest was saved after a $what flipped at step $step"
    train "$np" $common --out "$scratch/run"
    cmp "$scratch/run/checkpoints/step-20.safetensors" "$right" || fail "other bits after a $what flipped"
}
flipped 3 1 7 weights 75 "rank 1 on"
flipped 3 2 7 moment 75 "a bit flipped in memory before step 8: weights or moments are not as the last step left them; the checkpoint of step 5"
flipped 3 2 7 replica 75 "a bit flipped in memory before step 8: these weights are not those of the other ranks"
flipped 2 1 7 replica 75 "no majority tells which are right"
flipped 1 0 7 moment 75 "before step 8"
flipped 2 1 3 weights 71 "no checkpoint was saved yet"
flipped 2 1 10 moment 75 "before step 11" # a save is due: it must not happen
flipped 2 0 20 moment 71 "nothing is saved"
grep -q '"state": "' "$scratch/run/status.json" || fail "no status.json"
train 2 $common --out "$scratch/off" --verify-every 0
cmp "$scratch/off/checkpoints/step-20.safetensors" "$right" || fail "verify-every changes bits"
finish
