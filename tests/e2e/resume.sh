#!/bin/bash
# TIMEOUT: 300
# What a run folder does when a run is stopped, damaged, finished, grown, or another's.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --checkpoint-every 10 --log-every 1"
out=$scratch/run

# told to stop: saves, exit 75, says so; then goes on to the same bits
train 2 $common --steps 40 --out "$scratch/whole"
for signal in USR1 TERM INT HUP; do
    rm -rf "$out"
    timeout 60 $MPIRUN -np 2 sh -c "echo \$\$ >>$scratch/pids; exec $B/t2i-train $common --steps 1000000 --out $out" >"$scratch/log" 2>&1 &
    job=$!
    until [ -e "$out/log.jsonl" ] && [ "$(wc -l <"$out/log.jsonl")" -gt 3 ]; do sleep 0.05; done
    kill -$signal "$(tail -n 1 "$scratch/pids")"
    rc=0
    wait $job || rc=$?
    [ $rc -eq 75 ] || fail "$signal: exit code $rc, not 75"
    [ "$(grep -c 'stopped at step' "$scratch/log")" -eq 1 ] || { fail "$signal: not said once"; cat "$scratch/log"; }
    grep -q '"state": "stopped"' "$out/status.json" || fail "$signal: status.json"
    grep -q '"exit": 75' "$out/status.json" || fail "$signal: status.json has another exit"
    ls "$out"/checkpoints/*.tmp 2>/dev/null && fail "$signal: a temporary file was left"
done

# max-time ends alike, and a run is stopped and resumed again and again to the same bits
rm -rf "$out"
n=0
until train 2 $common --steps 40 --max-time 0.001 --out "$out"; do
    n=$((n + 1))
    [ $n -lt 60 ] || { fail "no end with max-time"; break; }
done >"$scratch/outs" 2>&1
[ $n -ge 3 ] || fail "max-time stopped it $n times only"
cmp "$scratch/whole/model.safetensors" "$out/model.safetensors" || fail "other bits after $n stops"
[ "$(sed -n 's/^{"step":\([0-9]*\),"loss".*/\1/p' "$out/log.jsonl" | uniq | wc -l)" -eq 40 ] || fail "the log has not each step once"

# finished: says so, changes nothing
before=$(find "$out" -type f -exec md5sum {} + | sort)
expect 0 "nothing to do" $MPIRUN -np 2 "$B/t2i-train" $common --steps 40 --out "$out"
[ "$before" = "$(find "$out" -type f -exec md5sum {} + | sort)" ] || fail "a finished run was changed"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then # also where nothing can be written
    chmod 755 "$scratch"
    expect 0 "nothing to do" setpriv --reuid 65534 --clear-groups "$B/t2i-train" $common --steps 40 --out "$out"
    expect 73 "cannot write to" setpriv --reuid 65534 --clear-groups "$B/t2i-train" $common --steps 41 --out "$out" --quiet
fi

# a run that has grown, killed between its last checkpoint and its model: the old model does not make it finished
train 2 $common --steps 42 --out "$out"
cp "$out/model.safetensors" "$scratch/model42"
cp "$scratch/whole/model.safetensors" "$out/model.safetensors"
train 2 $common --steps 42 --out "$out"
cmp "$scratch/model42" "$out/model.safetensors" || fail "an old model was taken for the last one"

# killed between its model and status.json: the end is written once more
sed -i "s/finished/running/" "$out/status.json"
train 2 $common --steps 42 --out "$out"
grep -q '"state": "finished"' "$out/status.json" || fail "status.json of a finished run says $(cat "$out/status.json")"
cmp "$scratch/model42" "$out/model.safetensors" || fail "the end written again has other bits"

# USR1 during the set-up, as soon as the program catches it: no early death, one step, a checkpoint
cat >"$scratch/early.sh" <<'END'
(until caught=$(awk '/SigCgt/ { print $2 }' /proc/$$/status) && ((0x$caught & 0x200)); do :; done; kill -USR1 $$) &
exec "$@"
END
rc=0
timeout 60 $MPIRUN -np 2 bash "$scratch/early.sh" "$B/t2i-train" $common --steps 1000000 --out "$scratch/early" >"$scratch/log" 2>&1 || rc=$?
[ $rc -eq 75 ] || { fail "an early USR1: exit code $rc, not 75"; cat "$scratch/log"; }
[ -e "$scratch/early/checkpoints/step-1.safetensors" ] || fail "an early USR1: $(ls "$scratch/early/checkpoints")"

# the newest checkpoint is damaged: the one before it, said aloud; the same bits in the end
train 2 $common --steps 45 --keep 3 --out "$out"
rm "$out/model.safetensors"
printf 'x' | dd of="$out/checkpoints/step-45.safetensors" bs=1 seek=$(($(stat -c %s "$out/checkpoints/step-45.safetensors") - 5000)) conv=notrunc 2>/dev/null
train 2 $common --steps 45 --keep 3 --out "$out"
grep -q 'step-45.*damaged.*trying the previous checkpoint' "$scratch/train.log" || { fail "damage was not mentioned"; cat "$scratch/train.log"; }
train 1 $common --steps 45 --out "$scratch/straight"
cmp "$scratch/straight/model.safetensors" "$out/model.safetensors" || fail "other bits after damage"
truncate -s 100 "$out"/checkpoints/*
rm "$out/model.safetensors"
expect_warned 65 "none of the" $MPIRUN -np 2 "$B/t2i-train" $common --steps 45 --out "$out"

# another run's folder
out=$scratch/whole
expect 64 "lr is" $MPIRUN -np 2 "$B/t2i-train" $common --lr 2e-3 --steps 40 --out "$out"
expect 64 "sampler is" $MPIRUN -np 2 "$B/t2i-train" $common --sampler uniform --steps 40 --out "$out"
expect 64 "shards = 16" $MPIRUN -np 2 "$B/t2i-train" $common --shards 16 --steps 40 --out "$out"
expect 64 "shards = 4" $MPIRUN -np 2 "$B/t2i-train" $common --shards 4 --steps 40 --out "$out"
expect 64 "d-model = 16" $MPIRUN -np 2 "$B/t2i-train" $common --d-model 16 --steps 40 --out "$out"
expect 64 "another dataset" sh -c "$B/t2i-data seed --out $scratch/s.h5 >/dev/null 2>&1; exec $B/t2i-train $common --data $scratch/s.h5 --steps 40 --out $out"
expect 64 "already holds" "$B/t2i-train" $common --resume never --steps 40 --out "$out"
expect 64 "beyond steps" "$B/t2i-train" $common --steps 30 --out "$out"
mkdir "$scratch/kept"
mv "$out"/checkpoints/* "$scratch/kept/"
expect 64 "no checkpoint to resume from" "$B/t2i-train" $common --steps 40 --out "$out" # nor is its model overwritten
mv "$scratch"/kept/* "$out/checkpoints/"
rm -rf "$out"/checkpoints/* # even without checkpoints it is somebody's
expect 64 "lr is" "$B/t2i-train" $common --lr 2e-3 --steps 40 --out "$out"

# a cosine schedule fixes the steps
train 1 $common --schedule cosine --steps 10 --out "$scratch/cosine"
expect 64 "steps is" "$B/t2i-train" $common --schedule cosine --steps 20 --out "$scratch/cosine"

# resume from a named checkpoint, and init from a run's model
train 1 $common --steps 40 --resume "$scratch/straight/checkpoints/step-40.safetensors" --out "$scratch/named"
cmp "$scratch"/{straight,named}/checkpoints/step-40.safetensors || fail "a run that began at its end has no checkpoint"
# which counts at the first start only: the same command goes on
again="$common --checkpoint-every 0 --keep 1 --steps 45 --max-time 0.001 --resume $scratch/straight/checkpoints/step-40.safetensors --out $scratch/again"
n=0
until "$B/t2i-train" $again >"$scratch/log" 2>&1; do
    n=$((n + 1))
    [ $n -lt 20 ] || { fail "the same command with a named checkpoint does not come to an end"; break; }
done
[ $n -ge 1 ] || fail "max-time did not stop it"
grep -q "resuming from .*again.*; resume counts at the first start only" "$scratch/log" || { fail "a named checkpoint is passed over in silence"; cat "$scratch/log"; }
cmp "$scratch"/{straight,again}/model.safetensors || fail "other bits after a named checkpoint and $n stops"
expect 0 "nothing to do" "$B/t2i-train" $again
"$B/t2i-model" verify "$scratch/again" >"$scratch/said" 2>&1 || { fail "a run from a named checkpoint"; cat "$scratch/said"; }
cp -r "$scratch/straight" "$scratch/back"
expect 64 "is not the newest checkpoint of its run, which has one of step 45: give another out" \
    "$B/t2i-train" $common --steps 50 --resume "$scratch/back/checkpoints/step-40.safetensors" --out "$scratch/back"
rm "$scratch/back/checkpoints/step-45.safetensors" # as it was told
train 1 $common --steps 45 --resume "$scratch/back/checkpoints/step-40.safetensors" --out "$scratch/back"
"$B/t2i-model" verify "$scratch/back" >"$scratch/said" 2>&1 || { fail "a run that went back"; cat "$scratch/said"; }
cmp "$scratch"/{straight,back}/model.safetensors || fail "a run that went back has other bits"
train 1 $common --lr 2e-3 --steps 2 --out "$scratch/lr"
expect 64 "lr is" "$B/t2i-train" $common --steps 45 --resume "$scratch/straight/checkpoints/step-45.safetensors" --out "$scratch/lr"
train 1 $common --steps 3 --init "$scratch/straight/model.safetensors" --out "$scratch/init"
sed -n 2p "$scratch/init/log.jsonl" | grep -q '^{"step":1,' || fail "init did not start at step 1"

# a run's job.ini resumes it, also if the sizes of the model came from a file
sizeless="--data $scratch/d.h5 --batch 12 --lr 1e-3 --threads 1"
train 1 $sizeless --init "$scratch/straight" --steps 3 --out "$scratch/sized"
grep -qx 'd-model = 32' "$scratch/sized/job.ini" || fail "job.ini has other sizes than the model: $(grep d-model "$scratch/sized/job.ini")"
expect 0 "nothing to do" "$B/t2i-train" "$scratch/sized/job.ini"
train 1 "$scratch/sized/job.ini" --steps 5 --init "$scratch/named" # which counted at the first start only
grep -qx "init = $scratch/straight" "$scratch/sized/job.ini" || fail "job.ini has another init: $(grep ^init "$scratch/sized/job.ini")"
train 1 $sizeless --init "$scratch/straight" --ngram-buckets 64 --ngram-hidden 16 --steps 3 --out "$scratch/parts"
expect 0 "nothing to do" "$B/t2i-train" "$scratch/parts/job.ini"
cp "$scratch/sized/job.ini" "$scratch/copy.ini"
train 1 "$scratch/copy.ini" --resume auto --out "$scratch/sized2" --steps 3
cmp "$scratch/sized2/model.safetensors" <(train 1 $sizeless --init "$scratch/straight" --steps 3 --out "$scratch/sized3" >/dev/null 2>&1; cat "$scratch/sized3/model.safetensors") ||
    fail "job.ini of a run with init does not repeat it"

# what is refused says what would work
expect 66 "cannot open latest: there is no such checkpoint or run folder (resume = latest; auto takes the newest" \
    "$B/t2i-train" $common --steps 3 --resume latest --out "$scratch/none"
expect 64 "start a new run in another out, with --init $scratch/init/checkpoints/step-3.safetensors for its weights" \
    "$B/t2i-train" $common --lr 2e-3 --batch 24 --steps 3 --out "$scratch/init"
train 1 $common --lr 2e-3 --batch 24 --steps 3 --init "$scratch/init/checkpoints/step-3.safetensors" --out "$scratch/advised"
expect 64 "give that dataset to resume it, or another out" "$B/t2i-train" $common --data "$scratch/s.h5" --steps 3 --out "$scratch/init"
expect 64 "omit the option to resume the run, or give another out" "$B/t2i-train" $common --d-model 16 --steps 3 --out "$scratch/init"
finish
