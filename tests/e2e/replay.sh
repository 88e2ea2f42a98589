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

# edited and the chain not made anew: both are told
cp "$run/log.jsonl" "$scratch/kept"
sed -i '/^{"step":24,"loss"/s/"samples_per_s":[0-9]/"samples_per_s":7/' "$run/log.jsonl"
differs "agree, but the log or a file was edited" 2 20..30 "$run"
grep -q "warning: .*log.jsonl was edited or damaged: line" "$scratch/said" || { fail "no warning"; cat "$scratch/said"; }
cp "$scratch/kept" "$run/log.jsonl"

train 1 $common --init "$run" --steps 30 --out "$scratch/other"

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
