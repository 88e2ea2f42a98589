#!/bin/bash
# TIMEOUT: 360
# A bit flips in the weights or moments of a rank, or in the gradient of a shard: the run stops before the value is used,
# names the rank and saves nothing of it; run again, the same command ends in the bits of an undisturbed run.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --steps 20 --checkpoint-every 5 --validate-every 0 --verify-every 1 --audit-every 4 --shards 8"
train 3 $common --out "$scratch/right"
right="$scratch/right/checkpoints/step-20.safetensors" new=

# flipped NP RANK STEP WHAT EXIT TEXT: then the rest of the run, unharmed
flipped() {
    np=$1 rank=$2 step=$3 what=$4 rc=0
    rm -rf "$scratch/run"
    T2I_FLIP="$rank:$step:$what" timeout 100 $MPIRUN -np "$np" "$B/tests/helper/train_flips" $common $new --out "$scratch/run" >"$scratch/log" 2>&1 || rc=$?
    [ "$rc" -eq "$5" ] || { fail "exit code $rc, not $5: $what of rank $rank at step $step, np $np"; cat "$scratch/log"; }
    [ "$(grep -c -F -- "$6" "$scratch/log")" -eq 1 ] || { fail "not told once: $6 ($what of rank $rank at step $step, np $np)"; cat "$scratch/log"; }
    [ ! -e "$scratch/run/model.safetensors" ] || fail "a model was saved after a $what flipped"
    [ "$(newest "$scratch/run")" -lt "$step" ] || fail "step $(newest "$scratch/run") was saved after a $what flipped at step $step"
    train "$np" $common $new --out "$scratch/run"
    cmp "$scratch/run/checkpoints/step-20.safetensors" "$right" || fail "other bits after a $what flipped"
}
flipped 3 1 7 weights 75 "rank 1 on"
flipped 3 2 7 moment 75 "a bit flipped in memory before step 8: weights or moments do not match the checksums of the last step; run the same command again to resume from the checkpoint of step 5"
# the weights of a node lie there once: their owner finds it, of whichever rank it came
flipped 3 2 7 replica 75 "a bit flipped in memory before step 9: weights or moments do not match the checksums of the last step"
flipped 2 1 7 replica 75 "a bit flipped in memory before step 9"
# copies of several nodes are compared
T2I_NODE_RANKS=2 flipped 5 3 7 replica 75 "a bit flipped in memory before step 8: the weights of this rank differ from those of the other ranks"
grep -q "(rank 2 on" "$scratch/log" || fail "the wrong copy was named"
T2I_NODE_RANKS=1 flipped 3 2 7 replica 75 "a bit flipped in memory before step 8: the weights of this rank differ from those of the other ranks"
T2I_NODE_RANKS=1 flipped 2 1 7 replica 75 "there is no majority to tell which are correct"
flipped 1 0 7 moment 75 "before step 8"
flipped 2 1 3 weights 71 "no checkpoint has been saved yet"
flipped 2 1 10 moment 75 "before step 11" # a save is due: it must not happen
flipped 2 0 20 moment 71 "nothing is saved"
grep -q '"state": "' "$scratch/run/status.json" || fail "no status.json"
train 2 $common --out "$scratch/off" --verify-every 0 --audit-every 0
cmp "$scratch/off/checkpoints/step-20.safetensors" "$right" || fail "verify-every or audit-every changes bits"

# of ranks that compute a shard twice a third says which one is wrong; a flip between audits is not seen
wrong="recomputing a shard of step 8 gave a different result"
flipped 3 1 8 own 75 "$wrong: rank 1 is wrong, because two other ranks agree; run the same command again to resume from the checkpoint of step 5"
flipped 3 1 8 other 75 "$wrong: rank 1 is wrong"
flipped 4 0 8 core 75 "(rank 0 on "
flipped 4 2 8 core 75 "(rank 2 on "
flipped 2 1 8 core 75 "$wrong: there is no third rank to tell whether rank "
flipped 1 0 8 other 75 "$wrong: one of the two results is wrong"
flipped 2 0 4 own 71 "no checkpoint has been saved yet"

# the gradients of the query, of picture.weight and of the direct layer
for negatives in 2 batch; do
    new="--ngram-buckets 500 --ngram-hidden 20 --embed-dim 16
        --loss contrastive --negatives $negatives"
    train 1 $common $new --out "$scratch/right$negatives"
    right="$scratch/right$negatives/checkpoints/step-20.safetensors"
    for what in query picture ngram; do
        flipped 3 1 8 $what 75 "$wrong: rank 1 is wrong, because two other ranks agree"
    done
done
new=

# every step audited, whatever a shard is computed from: no word of it, and the same bits
for more in "--sampler uniform --augment 0.5" "--loss contrastive --shards 4 --augment 0.5 --ema 0.9 --threads 2" "--batch 2 --shards 0 --trie off" \
    "--loss contrastive --negatives 2 --ngram-buckets 500 --embed-dim 16" \
    "--loss contrastive --negatives batch --ngram-buckets 500 --embed-dim 16 --threads 2"; do
    options="$common $more --steps 9 --checkpoint-every 0"
    train 1 $options --audit-every 0 --out "$scratch/none$more" || fail "$more: no run"
    for case in "1 0" "3 0" "4 2"; do
        T2I_NODE_RANKS=${case#* } train ${case% *} $options --audit-every 1 --out "$scratch/all$more" || fail "$more, np and ranks a node $case: no run"
        cmp "$scratch/all$more/checkpoints/step-9.safetensors" "$scratch/none$more/checkpoints/step-9.safetensors" || fail "$more, $case: other bits"
        rm -rf "$scratch/all$more"
    done
done
finish
