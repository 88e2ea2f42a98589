#!/bin/bash
# CORES: 1
# TIMEOUT: 300
# A replay tells what a forger did who also computed all chains anew: numbers, lines, checkpoints and models of another run, another
# beginning, another job.ini. On one rank without MPI, as all ranks compare alike (replay.sh).
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --shards 8 --log-every 2 --validate-every 5 --checkpoint-every 10"
run=$scratch/run
verify="$B/t2i-model verify"
train() { "$B/tests/fault/alone" "$@" >"$scratch/train.log" 2>&1 || { rc=$?; cat "$scratch/train.log"; return $rc; }; }

# agrees LINES RANGE RUN OPTIONS...
agrees() {
    lines=$1 range=$2 of=$3
    shift 3
    timeout 100 $verify "$of" --replay "$range" "$@" >"$scratch/said" 2>"$scratch/stderr" || { fail "$range: it does not agree"; cat "$scratch/stderr"; }
    [ "$(cat "$scratch/said")" = "$of: the bits agree: steps $range, $lines" ] || { fail "$range: $(cat "$scratch/said")"; }
}

# differs TEXT RANGE RUN OPTIONS...: exit code 65; the last line has TEXT.
differs() {
    text=$1 range=$2 of=$3 rc=0
    shift 3
    timeout 100 $verify "$of" --replay "$range" "$@" >"$scratch/stdout" 2>"$scratch/stderr" || rc=$?
    [ $rc -eq 65 ] && [ ! -s "$scratch/stdout" ] && tail -n 1 "$scratch/stderr" | grep -q -F -- "$text" ||
        { fail "exit code $rc, not 65 and '$text'"; cat "$scratch/stderr"; }
}

train $common --keep 2 --steps 30 --out "$run"
end=", model.safetensors, best.safetensors" # both are of step 30
agrees "25 lines, checkpoint 30$end" 0..30 "$run"

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
differs "step 24 differs: loss is" 20..30 "$scratch/forged"
grep -q "; 1 line before it agrees" "$scratch/stderr" || { fail "how many lines agree"; cat "$scratch/stderr"; }
agrees "1 line" 20..23 "$scratch/forged"
forge '/^{"step":26,"loss"/s/"grad_norm":[0-9]/"grad_norm":7/'
differs "step 26 differs: grad_norm is 7" 20..30 "$scratch/forged"
forge '/^{"step":25,"val_loss"/s/"r1":[0-9.]*/"r1":0.99/'
differs "step 25 differs: r1 is 0.99" 20..30 "$scratch/forged"
forge '/^{"step":10,"checkpoint"/s/:"[0-9a-f]\{4\}/:"0000/' # whose file is gone
differs "step 10 differs: the digest of the checkpoint is 0000" 0..20 "$scratch/forged"
forge '/^{"step":24,"loss"/{h;d};/^{"step":26,"loss"/G' # two are swapped
differs "1 lines of its log are not in the order of steps" 20..30 "$scratch/forged"
# lines that training does not write, each with a number that is wrong: none is passed over
for edit in '/^{"step":24,"loss"/{s/"loss":[0-9.]*/"loss":0.1/;s/"lr":[0-9.e-]*,//}' \
    '/^{"step":24,"loss"/{s/24/24.0/;s/"loss":[0-9.]*/"loss":0.1/}' \
    '/^{"step":24,"loss"/s/24/0/' \
    '/^{"step":25,"val_loss"/s/"val_loss":[0-9.]*/"r3":0.9/' \
    '/^{"step":25,"val_loss"/s/,"r1"/,"loss":0.1&/' \
    '/^{"step":25,"val_loss"/s/.*,"chain/{"step":25,"dataset":"","chain/'; do
    forge "$edit"
    differs "of its log was edited or damaged: training writes no such line" 20..30 "$scratch/forged"
done
forge '1s/,"network":"[0-9a-f]*","weights":"[0-9a-f]*"//' # a head of an older version
agrees "17 lines, checkpoint 20" 0..20 "$scratch/forged"
forge '/^{"step":28,"loss"/d' # a line less is no number that is wrong
agrees "7 lines, checkpoint 30$end" 20..30 "$scratch/forged"

# another checkpoint, sound by itself and with the same options, of a run with another beginning
train $common --init "$run" --steps 30 --out "$scratch/other"
cp -r "$run" "$scratch/swapped"
cp "$scratch/other/checkpoints/step-20.safetensors" "$scratch/swapped/checkpoints/"
differs "step 22 differs: loss is" 20..30 "$scratch/swapped"
cp "$run/checkpoints/step-20.safetensors" "$scratch/swapped/checkpoints/"
cp "$scratch/other/checkpoints/step-30.safetensors" "$scratch/swapped/checkpoints/"
differs "step 30 differs: the digest of $scratch/swapped/checkpoints/step-30.safetensors is" 20..30 "$scratch/swapped"
cp "$run/checkpoints/step-30.safetensors" "$scratch/swapped/checkpoints/"
for name in model best; do # whose checkpoint is gone
    rm -f "$scratch/swapped/checkpoints/step-30.safetensors"
    cp "$scratch/other/model.safetensors" "$scratch/swapped/$name.safetensors"
    differs "step 30 differs: the digest of $scratch/swapped/$name.safetensors is" 20..30 "$scratch/swapped"
    cp "$run/$name.safetensors" "$scratch/swapped/"
done

# a checkpoint of another number of heads, which is in no tensor and no option that the head has
train $common --heads 4 --steps 20 --out "$scratch/heads"
cp "$scratch/heads/checkpoints/step-20.safetensors" "$scratch/swapped/checkpoints/"
sed 's/^heads = .*/heads = 4/' "$run/job.ini" >"$scratch/swapped/job.ini"
differs "its checkpoint of step 20 has another network" 20..30 "$scratch/swapped"

# the beginning: init counts at the first start only, whatever a resume names, or where it was started
mkdir "$scratch/below"
(B=$(realpath "$B") && cd "$scratch/below" && train $common --init ../run --steps 12 --out ../init)
train $common --steps 20 --out "$scratch/init"
agrees "19 lines, checkpoint 20$end" 0..20 "$scratch/init"
agrees "19 lines, checkpoint 20$end" 0..20 "$scratch/init" --init "$run"
differs "the initial weights are not those of the run (init = $scratch/other)" 0..20 "$scratch/init" --init "$scratch/other"
cp "$scratch/init/job.ini" "$scratch/kept"
sed -i 's/^init = .*/init =/' "$scratch/init/job.ini"
differs "the initial weights are not those of the run (init = none)" 0..20 "$scratch/init"
agrees "7 lines, checkpoint 20$end" 12..20 "$scratch/init"
expect 64 "--init is for --replay" $verify "$run" --init "$run"
train $common --resume "$run" --steps 40 --out "$scratch/fork"
expect 64 "its log does not begin there; there is 40" $verify "$scratch/fork" --replay 0..40

# job.ini was edited
for edit in 's/^heads = .*/heads = 4/' 's/^shards = .*/shards = 4/' 's/^steps = .*/steps = 15/'; do
    rm -rf "$scratch/edited"
    cp -r "$run" "$scratch/edited"
    sed -i "$edit" "$scratch/edited/job.ini"
    differs "job.ini was edited, or is of another run" 20..30 "$scratch/edited"
done
sed "s/^heads = .*/heads = 4/" "$run/job.ini" >"$scratch/edited/job.ini"
differs "the initial weights are not those of the run (init = none)" 0..20 "$scratch/edited"
finish
