#!/bin/bash
# CORES: 2
# TIMEOUT: 300
# A large model is computed layer by layer, for several shards at a time, with weights packed by layer, and at one rank with one
# copy of the moments: the same bits as when it is computed as a small one, at any number of ranks and threads. Its checkpoints,
# which a thread writes from that copy, are whole.
. tests/e2e/lib.sh.inc
"$B/tests/helper/eval_set" "$scratch/set" 600 8 24
base="--data $scratch/set/set.h5 --heads 2 --block-size 40 --lr 1e-3 --clip 1 --shards 8
    --verify-every 2 --audit-every 2 --log-every 1 --validate-every 5 --checkpoint-every 4 --keep 3"
last=checkpoints/step-9.safetensors
# megabytes WHAT: of the last dry run
megabytes() { sed -n "s/.*$1 \([0-9.]*\) MB.*/\1/p" "$scratch/train.log" | head -n 1; }

# prompts have 8 characters: packed by layer are those with 512 and more in a bundle; one rank computes 1, 1, 1, 2, and 4 shards
# side by side
narrow="--d-model 32 --d-ff 48"
number=0
for options in "$narrow --layers 3 --batch 1024" \
    "$narrow --layers 1 --batch 256 --dropout 0.1 --trie off" \
    "$narrow --layers 2 --batch 600 --loss contrastive --negatives batch --embed-dim 16 --ngram-buckets 500 --ngram-hidden 20 --ema 0.9" \
    "--d-model 64 --d-ff 128 --layers 2 --batch 30 --loss contrastive --negatives 20 --embed-dim 16 --dropout 0.1 --augment 0.5 --ema 0.9" \
    "--d-model 128 --d-ff 1024 --layers 4 --batch 128 --loss contrastive --negatives batch --embed-dim 16"; do
    number=$((number + 1)) small=$scratch/small$number out=$scratch/large
    train 1 $base $options --steps 9 --out "$small"
    export T2I_LARGE_MB=0
    for case in "A=1 1 1" "A=1 1 2" "A=1 1 3" "A=1 2 1" "A=1 3 2" "T2I_NODE_RANKS=1 3 1" "T2I_NODE_MEMORY=0 2 1"; do
        train_case "$case" $base $options --steps 9 --out "$out"
        for file in $last best.safetensors model.safetensors; do
            cmp "$small/$file" "$out/$file" || fail "$options: $case (a variable, np, threads): another $file"
        done
        diff <(losses "$small") <(losses "$out") >/dev/null || fail "$options: $case: another log"
        rm -r "$out"
    done
    # the disk is slower than the steps: a file is opened late, after its digests were taken
    T2I_ASIDE_MB=0 T2I_SHIM_UNDER=$out/checkpoints T2I_SHIM_FAIL="open 1 wait500 ever" LD_PRELOAD=$PWD/$B/tests/fault/shim.so \
        "$B/tests/fault/alone" $base $options --threads 1 --steps 9 --out "$out" >"$scratch/train.log" 2>&1 ||
        { fail "$options: a slow disk"; cat "$scratch/train.log"; }
    for step in 4 8 9; do
        cmp "$small/checkpoints/step-$step.safetensors" "$out/checkpoints/step-$step.safetensors" ||
            fail "$options: a slow disk: another checkpoint of step $step"
    done
    rm -r "$out"
    # one rank, stopped and resumed; then as a small model at two
    train 1 $base $options --steps 5 --out "$out"
    train 1 $base $options --steps 7 --out "$out"
    unset T2I_LARGE_MB
    train 2 $base $options --steps 9 --out "$out"
    cmp "$small/$last" "$out/$last" || fail "$options: other bits after a resume"
    rm -r "$out"
done

# what is not kept: without sections one worker has 4 gradients of its 8 shards; a small model has moments and averages twice,
# and the averages once more for validations
dry="$base --d-model 128 --d-ff 48 --batch 256 --layers 8 --threads 1 --ema 0.9 --dry-run"
train 1 $dry
whole=$(megabytes gradients) twice=$(megabytes "moments and averages")
T2I_LARGE_MB=0 train 1 $dry
awk "BEGIN { exit !($(megabytes gradients) < 0.95 * $whole) }" || fail "gradients of $(megabytes gradients) MB in sections, $whole MB without"
once=$(megabytes "moments and averages") weights=$(megabytes weights)
awk "BEGIN { exit !($once > 2.8 * $weights && $once < 3.2 * $weights && $twice > 6.8 * $weights && $twice < 7.2 * $weights) }" ||
    fail "moments and averages of $once MB in place, $twice MB otherwise, with weights of $weights MB"
finish
