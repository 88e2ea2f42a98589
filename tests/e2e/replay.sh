#!/bin/bash
# CORES: 2
# TIMEOUT: 300
# t2i-model verify RUN --replay: a stretch of a run computed again, at any number of ranks, agrees
# with its log and checkpoint, or the first step that differs is named; the run is not changed.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --shards 8 --log-every 2 --validate-every 5 --checkpoint-every 10 --keep 3"
run=$scratch/run
verify="$B/t2i-model verify"

# agrees LINES NP RANGE RUN OPTIONS...
agrees() {
    lines=$1 np=$2 range=$3 of=$4
    shift 4
    timeout 100 $MPIRUN -np "$np" $verify "$of" --replay "$range" "$@" >"$scratch/said" 2>"$scratch/stderr" || { fail "np $np, $range: it does not agree"; cat "$scratch/stderr"; }
    [ "$(cat "$scratch/said")" = "$of: the bits agree: steps $range, $lines" ] || { fail "np $np, $range: $(cat "$scratch/said")"; }
}

# differs TEXT NP RANGE RUN OPTIONS...: exit code 65; the last line has TEXT.
differs() {
    text=$1 np=$2 range=$3 of=$4 rc=0
    shift 4
    timeout 100 $MPIRUN -np "$np" $verify "$of" --replay "$range" "$@" >"$scratch/stdout" 2>"$scratch/stderr" || rc=$?
    ours "$scratch/stderr" | grep '^t2i-model' >"$scratch/said"
    [ $rc -eq 65 ] && [ ! -s "$scratch/stdout" ] && tail -n 1 "$scratch/said" | grep -q -F -- "$text" ||
        { fail "exit code $rc, not 65 and '$text'"; cat "$scratch/stderr"; }
}

# np 2, stopped at 13 in the middle of an epoch, resumed at np 3: every step once in the log
train 2 $common --steps 13 --out "$run"
train 3 $common --steps 30 --out "$run"
end=", model.safetensors, best.safetensors" # both are of step 30
before=$(find "$run" -type f -exec md5sum {} + | sort)
agrees "15 lines, checkpoint 30$end" 2 13..30 "$run"
agrees "5 lines" 1 20..29 "$run"
agrees "8 lines, checkpoint 30$end" 3 20..30 "$run"
agrees "20 lines, checkpoint 20" 2 0..20 "$run"
T2I_VECTORS=plain agrees "8 lines, checkpoint 30$end" 1 20..30 "$run"
$verify "$run" --replay 20..30 >"$scratch/said" 2>&1 || { fail "without a launcher"; cat "$scratch/said"; }
chmod -R a-w "$run"
agrees "8 lines, checkpoint 30$end" 2 20..30 "$run"
chmod -R u+w "$run"
[ "$before" = "$(find "$run" -type f -exec md5sum {} + | sort)" ] || fail "the run was changed"

# what cannot be replayed says what could
expect 64 "there is 0 (the beginning), 13, 20, 30" $verify "$run" --replay 10..20
expect 64 "ends at step 30" $verify "$run" --replay 20..40
expect 64 "there is nothing to compare" $verify "$run" --replay 20..21
for range in 20 20.. ..30 20-30 30..20 20..20 x..30 -1..30 20..30x 20..99999999999999999999; do
    expect 64 "give two steps as FROM..TO" $verify "$run" --replay=$range
done
expect 64 "one RUN" $verify "$run" "$run" --replay 20..30
expect 64 "--data is for --replay" $verify "$run" --data "$scratch/d.h5"
expect 66 "job.ini" $verify "$scratch" --replay 20..30

# edited: a loss, a norm, a validation, by somebody who also made the chain anew
forge() {
    rm -rf "$scratch/forged"
    cp -r "$run" "$scratch/forged"
    sed "$1" "$run/log.jsonl" >"$scratch/edited"
    cmp -s "$run/log.jsonl" "$scratch/edited" && fail "nothing was edited: $1"
    chain=$(sha256sum </dev/null | cut -c 1-64)
    while IFS= read -r line; do
        chain=$(printf '%s%s' "$chain" "${line%,\"chain\":*}" | sha256sum | cut -c 1-64)
        printf '%s,"chain":"%s"}\n' "${line%,\"chain\":*}" "$chain"
    done <"$scratch/edited" >"$scratch/forged/log.jsonl"
    $verify "$scratch/forged" >"$scratch/log" 2>&1 || { fail "the forged chain is not whole: $1"; cat "$scratch/log"; }
}
forge '/^{"step":24,"loss"/s/"loss":\([0-9]*\)\.\([0-9]\)/"loss":\1.9\2/'
differs "step 24 differs: loss is" 2 20..30 "$scratch/forged"
grep -q "; 1 line before it agrees" "$scratch/said" || { fail "how many lines agree"; cat "$scratch/said"; }
agrees "1 line" 2 20..23 "$scratch/forged"
forge '/^{"step":26,"loss"/s/"grad_norm":[0-9]/"grad_norm":7/'
differs "step 26 differs: grad_norm is 7" 1 20..30 "$scratch/forged"
forge '/^{"step":25,"val_loss"/s/"r1":[0-9.]*/"r1":0.99/'
differs "step 25 differs: r1 is 0.99" 3 20..30 "$scratch/forged"
forge '/^{"step":10,"checkpoint"/s/:"[0-9a-f]\{4\}/:"0000/' # whose file is gone
differs "step 10 differs: the digest of the checkpoint is 0000" 2 0..20 "$scratch/forged"
forge '/^{"step":24,"loss"/{h;d};/^{"step":26,"loss"/G' # two are swapped
differs "1 lines of its log are not in the order of steps" 1 20..30 "$scratch/forged"
# lines that training does not write, each with a number that is wrong: none is passed over
for edit in '/^{"step":24,"loss"/{s/"loss":[0-9.]*/"loss":0.1/;s/"lr":[0-9.e-]*,//}' \
    '/^{"step":24,"loss"/{s/24/24.0/;s/"loss":[0-9.]*/"loss":0.1/}' \
    '/^{"step":24,"loss"/s/24/0/' \
    '/^{"step":25,"val_loss"/s/"val_loss":[0-9.]*/"r3":0.9/' \
    '/^{"step":25,"val_loss"/s/,"r1"/,"loss":0.1&/' \
    '/^{"step":25,"val_loss"/s/.*,"chain/{"step":25,"dataset":"","chain/'; do
    forge "$edit"
    differs "of its log was edited or damaged: training writes no such line" 1 20..30 "$scratch/forged"
done
forge '1s/,"network":"[0-9a-f]*","weights":"[0-9a-f]*"//' # a head of an older version
agrees "20 lines, checkpoint 20" 1 0..20 "$scratch/forged"
forge '/^{"step":28,"loss"/d' # a line less is no number that is wrong
agrees "7 lines, checkpoint 30$end" 2 20..30 "$scratch/forged"

# edited and the chain not made anew: both are told
cp "$run/log.jsonl" "$scratch/kept"
sed -i '/^{"step":24,"loss"/s/"samples_per_s":[0-9]/"samples_per_s":7/' "$run/log.jsonl"
differs "agree, but the log or a file was edited" 2 20..30 "$run"
grep -q "warning: .*log.jsonl was edited or damaged: line" "$scratch/said" || { fail "no warning"; cat "$scratch/said"; }
cp "$scratch/kept" "$run/log.jsonl"

# another checkpoint, sound by itself and with the same options, of a run with another beginning
train 1 $common --init "$run" --steps 30 --out "$scratch/other"
cp -r "$run" "$scratch/swapped"
cp "$scratch/other/checkpoints/step-20.safetensors" "$scratch/swapped/checkpoints/"
differs "step 22 differs: loss is" 2 20..30 "$scratch/swapped"
cp "$run/checkpoints/step-20.safetensors" "$scratch/swapped/checkpoints/"
cp "$scratch/other/checkpoints/step-30.safetensors" "$scratch/swapped/checkpoints/"
differs "step 30 differs: the digest of $scratch/swapped/checkpoints/step-30.safetensors is" 2 20..30 "$scratch/swapped"

cp "$run/checkpoints/step-30.safetensors" "$scratch/swapped/checkpoints/"
for name in model best; do # whose checkpoint is gone
    rm -f "$scratch/swapped/checkpoints/step-30.safetensors"
    cp "$scratch/other/model.safetensors" "$scratch/swapped/$name.safetensors"
    differs "step 30 differs: the digest of $scratch/swapped/$name.safetensors is" 1 20..30 "$scratch/swapped"
    cp "$run/$name.safetensors" "$scratch/swapped/"
done

# a checkpoint of another number of heads, which is in no tensor and no option that the head has
train 1 $common --heads 4 --steps 20 --out "$scratch/heads"
cp "$scratch/heads/checkpoints/step-20.safetensors" "$scratch/swapped/checkpoints/"
sed 's/^heads = .*/heads = 4/' "$run/job.ini" >"$scratch/swapped/job.ini"
differs "its checkpoint of step 20 has another network" 1 20..30 "$scratch/swapped"

# the beginning: init counts at the first start only, whatever a resume names, or where it was started
mkdir "$scratch/below"
(B=$(realpath "$B") && cd "$scratch/below" && train 1 $common --init ../run --steps 12 --out ../init)
train 2 $common --steps 20 --out "$scratch/init"
agrees "19 lines, checkpoint 20$end" 2 0..20 "$scratch/init"
agrees "19 lines, checkpoint 20$end" 2 0..20 "$scratch/init" --init "$run"
differs "the initial weights are not those of the run (init = $scratch/other)" 2 0..20 "$scratch/init" --init "$scratch/other"
cp "$scratch/init/job.ini" "$scratch/kept"
sed -i 's/^init = .*/init =/' "$scratch/init/job.ini"
differs "the initial weights are not those of the run (init = none)" 1 0..20 "$scratch/init"
agrees "10 lines, checkpoint 20$end" 2 10..20 "$scratch/init"
expect 64 "--init is for --replay" $verify "$run" --init "$run"
train 1 $common --resume "$run" --steps 40 --out "$scratch/fork"
expect 64 "its log does not begin there; there is 40" $verify "$scratch/fork" --replay 0..40

# job.ini was edited
for edit in 's/^heads = .*/heads = 4/' 's/^shards = .*/shards = 4/' 's/^steps = .*/steps = 15/'; do
    rm -rf "$scratch/edited"
    cp -r "$run" "$scratch/edited"
    sed -i "$edit" "$scratch/edited/job.ini"
    differs "job.ini was edited, or is of another run" 1 20..30 "$scratch/edited"
done
sed "s/^heads = .*/heads = 4/" "$run/job.ini" >"$scratch/edited/job.ini"
differs "the initial weights are not those of the run (init = none)" 1 0..20 "$scratch/edited"

# another dataset, other options
sed 's/^the /a /' "$scratch/pairs.tsv" >"$scratch/pairs2.tsv"
"$B/t2i-data" build --pairs "$scratch/pairs2.tsv" --features tests/golden/seed/features.safetensors --out "$scratch/d2.h5" >/dev/null 2>&1
differs "was trained on another dataset" 2 20..30 "$run" --data "$scratch/d2.h5"
cp "$scratch/d.h5" "$scratch/moved.h5"
agrees "8 lines, checkpoint 30$end" 2 20..30 "$run" --data "$scratch/moved.h5"
sed -i 's/^lr = .*/lr = 0.002/' "$run/job.ini"
differs "job.ini was edited: it has another lr" 2 20..30 "$run"

# all that a run may have, and a V that no other number of workers gives: contrastive loss, averages, dropout, augmented prompts, skipped spikes, init
extras="--loss contrastive --negatives 2 --augment 0.5 --ema 0.9 --dropout 0.1 --skip-spikes 3 --schedule cosine --warmup 5"
train 1 $common $extras --init "$scratch/other" --batch 32 --threads 16 --shards 0 --steps 30 --out "$scratch/extras" # V = 16
agrees "25 lines, checkpoint 30, model.safetensors" 3 0..30 "$scratch/extras"
agrees "8 lines, checkpoint 30, model.safetensors" 1 20..30 "$scratch/extras"

# a log of an older version has no chain: a replay from a checkpoint compares its numbers
sed -i -e '/"checkpoint":"/d' -e '/"dataset"/d' -e 's/,"chain":.*/}/' "$scratch/other/log.jsonl"
agrees "7 lines, checkpoint 30$end" 2 20..30 "$scratch/other"
expect 64 "as an older version began it; there is 10, 20, 30" $verify "$scratch/other" --replay 0..20
finish
