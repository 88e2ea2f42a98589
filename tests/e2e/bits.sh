#!/bin/bash
# CORES: 2
# TIMEOUT: 600
# The same bits at any number of ranks, and after a stop at one number and a resume at another in the middle of an epoch.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --validate-every 7 --checkpoint-every 10 --keep 3"
last=checkpoints/step-25.safetensors

for sampler in sharded uniform; do
    for np in 1 2 3 4 5 6 7 8; do
        [ $sampler = uniform ] && case $np in 2 | 4 | 5 | 6 | 7) continue ;; esac
        train $np $common --sampler $sampler --steps 25 --out "$scratch/$sampler$np"
        cmp "$scratch/$sampler"{1,$np}/$last || fail "$sampler: np $np differs from np 1"
        cmp "$scratch/$sampler"{1,$np}/model.safetensors || fail "$sampler: the model at np $np differs"
    done
done
cmp -s "$scratch"/{sharded,uniform}1/$last && fail "two samplers gave the same bits: the comparison means nothing"

# np 8 to step 13 (no multiple of anything), then np 2; steps may grow under a constant schedule
train 8 $common --steps 13 --out "$scratch/resumed"
train 2 $common --steps 25 --out "$scratch/resumed"
cmp "$scratch"/{sharded1,resumed}/$last || fail "stopped at np 8, resumed at np 2: other bits"
diff <(losses "$scratch/sharded1") <(losses "$scratch/resumed" | grep -v -e '^13 ' -e '"step":13,') >/dev/null || fail "another log after the resume"

# the contrastive loss over a sample of the pictures, changed prompts and averaged weights
extras="--loss contrastive --negatives 2 --augment 0.5 --ema 0.9"
for np in 1 3 8; do
    train $np $common $extras --steps 25 --out "$scratch/extras$np"
    cmp "$scratch"/extras{1,$np}/$last || fail "$extras: np $np differs from np 1"
    cmp "$scratch"/extras{1,$np}/best.safetensors || fail "$extras: the best model at np $np differs"
    cmp "$scratch"/extras{1,$np}/model.safetensors || fail "$extras: the model at np $np differs"
    diff <(losses "$scratch/extras1") <(losses "$scratch/extras$np") >/dev/null || fail "$extras: another log at np $np"
done
train 8 $common $extras --steps 13 --out "$scratch/extras"
train 2 $common $extras --steps 25 --out "$scratch/extras"
grep -q '"mrr":0.[0-9]' "$scratch/extras1/log.jsonl" || fail "no scores of a validation"
# the best model is the first of those that find most
best=$(sed -n '/"val_loss"/s/.*"step":\([0-9]*\),.*"mrr":\([0-9.]*\),.*"chain.*/\1 \2/p' "$scratch/extras1/log.jsonl" |
    awk '$1 % 7 == 0 && $2 > most { most = $2; step = $1 } END { print step }')
"$B/t2i-model" show "$scratch/extras1/best.safetensors" | grep -q "step $best," || fail "best.safetensors is not of step $best"
cmp "$scratch"/{extras1,extras}/best.safetensors || fail "$extras: another best model after a resume"
cmp "$scratch"/{extras1,extras}/$last || fail "$extras: other bits after a resume"
"$B/t2i-model" show "$scratch/extras1/$last" --json | grep -q '"ema.head.weight"' || fail "a checkpoint without averaged weights"
expect 64 "another run" $MPIRUN -np 1 "$B/t2i-train" $common $extras --ema 0.8 --steps 30 --out "$scratch/extras"

# pieces of words, a space to search in, negatives that are a sample of the pictures and those of
# the batch
"$B/tests/helper/eval_set" "$scratch/set" 40 8 24
pieces="--data $scratch/set/set.h5 $small_model --ngram-buckets 5000 --ngram-hidden 20 --embed-dim 16
    --loss contrastive --augment 0.5 --ema 0.9 --shards 8 --log-every 1 --validate-every 7
    --checkpoint-every 10 --keep 3"
for negatives in 5 batch; do
    new="$pieces --negatives $negatives" one=$scratch/new$negatives out=$scratch/case
    train 1 $new --steps 25 --out "$one"
    for case in "A=1 2 1" "A=1 3 2" "A=1 4 1" "A=1 8 1" "T2I_NODE_RANKS=1 2 2" \
        "T2I_NODE_RANKS=2 5 1"; do
        train_case "$case" $new --steps 25 --out "$out"
        case="negatives $negatives, $case (a variable, np, threads)"
        for file in $last best.safetensors model.safetensors; do
            cmp "$one/$file" "$out/$file" || fail "$case: another $file"
        done
        diff <(losses "$one") <(losses "$out") >/dev/null || fail "$case: another log"
        rm -r "$out"
    done
    train 8 $new --steps 13 --out "$out"
    train 2 $new --steps 25 --out "$out"
    cmp "$one/$last" "$out/$last" || fail "negatives $negatives: other bits after a resume"
    rm -r "$out"
    # shared prefixes are computed once, or per prompt: the same up to rounding
    train 1 $new --trie off --steps 10 --out "$out"
    paste <(losses "$one" | grep -v val) <(losses "$out" | grep -v val) |
        awk 'NF == 4 { n += $1 == $3; d = $2 / $4 - 1; if (d > 1e-5 || d < -1e-5) wrong = 1 }
            END { exit wrong || n != 10 }' || fail "negatives $negatives: other losses, no trie"
    cmp -s "$one/checkpoints/step-10.safetensors" "$out/checkpoints/step-10.safetensors" &&
        fail "the trie changed no bit: the comparison means nothing"
    "$B/t2i-model" verify "$out/model.safetensors" >"$scratch/log" 2>&1 ||
        { cat "$scratch/log"; fail "negatives $negatives: verify"; }
    rm -r "$out"
done
cmp -s "$scratch"/{new5,newbatch}/$last && fail "two kinds of negatives gave the same bits"

# a node holds the pictures of its own rows if the negatives are those of the batch, else all
"$B/tests/helper/eval_set" "$scratch/set" 20000 0 64
for case in "batch 1 5.1" "batch 4 1.3" "4096 4 5.1"; do
    read -r negatives np megabytes <<<"$case"
    T2I_NODE_RANKS=1 train "$np" --data "$scratch/set/set.h5" $small_model --embed-dim 16 \
        --loss contrastive --negatives "$negatives" --dry-run
    grep -q "picture features on its node $megabytes MB" "$scratch/train.log" ||
        { cat "$scratch/train.log"; fail "$case: other pictures are held"; }
done

# threads; several nodes (as T2I_NODE_RANKS makes them of one); no room to share
for case in "A=1 1 2" "A=1 1 4" "A=1 2 2" "A=1 3 1" "A=1 3 2" "T2I_NODE_RANKS=1 3 1" "T2I_NODE_RANKS=2 3 2" "T2I_NODE_RANKS=2 5 1" \
    "T2I_NODE_MEMORY=0 2 2"; do
    train_case "$case" $common $extras --shards 8 --steps 25 --out "$scratch/case"
    cmp "$scratch"/{extras1,case}/$last || fail "$case (a variable, np, threads): other bits"
    grep -q "$threads threads\? each" "$scratch/train.log" || fail "$case: the threads were not mentioned"
    case $case in T2I_NODE_MEMORY*) [ "$(grep -c 'has no space for' "$scratch/train.log")" -eq 1 ] || fail "missing room was not said once" ;; esac
    rm -r "$scratch/case"
done
train 1 $common --threads 16 --steps 3 --out "$scratch/case"
grep -q 'using 8 threads' "$scratch/train.log" || fail "idle threads were not mentioned"

# 3 shards' worth of idle ranks: V = 4 at np 7
train 1 $common --steps 5 --shards 4 --out "$scratch/v4"
train 7 $common --steps 25 --out "$scratch/v4"
grep -q 'will be idle' "$scratch/train.log" || fail "idle ranks were not mentioned"
train 2 $common --steps 25 --shards 4 --out "$scratch/v4np2"
cmp "$scratch"/{v4,v4np2}/$last || fail "idle ranks changed bits"
finish
