#!/bin/bash
# CORES: 2
# TIMEOUT: 300
# The chain of a run's log: through stops, kills and resumes; edits are told.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --shards 8 --log-every 2 --validate-every 5 --checkpoint-every 10 --keep 2"
out=$scratch/run log=$scratch/run/log.jsonl

# $1: the run. What docs/proof.md has in Python says the same as the program.
whole() {
    "$B/t2i-model" verify "$1" >"$scratch/verified" 2>&1 || { fail "$2: verify"; cat "$scratch/verified"; }
    grep -q "log.jsonl: no line was edited" "$scratch/verified" || { fail "$2: the chain is not mentioned"; cat "$scratch/verified"; }
    ! command -v python3 >/dev/null || [ "$(python3 "$scratch/chain.py" "$1/log.jsonl")" = "$(sed -n 's/.*chain is //p' "$scratch/verified")" ] ||
        fail "$2: Python has another chain"
}
# refused TEXT RUN: a line with TEXT, before the one that counts the files that are not sound.
refused() {
    rc=0
    "$B/t2i-model" verify "$2" >/dev/null 2>"$scratch/said" || rc=$?
    [ $rc -eq 65 ] && [ "$(grep -c -F -- "$1" "$scratch/said")" -eq 1 ] && [ "$(wc -l <"$scratch/said")" -eq 2 ] ||
        { fail "exit code $rc, not one line with '$1'"; cat "$scratch/said"; }
}
sed -n '/^import hashlib/,/^print/p' docs/proof.md >"$scratch/chain.py"

# stopped at 13 of np 2, killed at np 3 behind a checkpoint, resumed at np 1
train 2 $common --steps 13 --out "$out"
whole "$out" "a run"
timeout 60 $MPIRUN -np 3 sh -c "echo \$\$ >>$scratch/pids; exec $B/t2i-train $common --steps 1000000 --out $out" >"$scratch/log" 2>&1 &
job=$!
until grep -q '^{"step":4[0-9],"checkpoint"' "$log"; do sleep 0.02; done
while read -r pid; do kill -9 "$pid" 2>/dev/null || true; done <"$scratch/pids"
wait $job || true
whole "$out" "a killed run"
last=$(newest "$out")
train 1 $common --steps $((last + 7)) --out "$out"
whole "$out" "a resumed run"
[ "$(sed -n 's/^{"step":\([0-9]*\),"loss".*/\1/p' "$log" | sort -n | uniq -d | wc -l)" -eq 0 ] || fail "a step is there twice"
grep -q "^{\"step\":$last,\"checkpoint\"" "$log" || fail "the line of the checkpoint was cut off"

# edited
cp "$log" "$scratch/kept"
cp -r "$out" "$scratch/stripped"
line=$(grep -n '"step":12,"loss"' "$log" | cut -d: -f1)
sed -i "${line}s/\"loss\":[0-9]/\"loss\":7/" "$log"
refused "log.jsonl was edited or damaged: line $line does not follow" "$out"
train 1 $common --steps $((last + 9)) --out "$out" # a resume does not heal it
refused "log.jsonl was edited or damaged: line $line does not follow" "$out"
train 1 $common --steps 12 --out "$scratch/short"
grep -v '"checkpoint":"' "$scratch/short/log.jsonl" >"$scratch/cut"
cp "$scratch/cut" "$scratch/short/log.jsonl"
refused "$scratch/short/log.jsonl was edited or damaged: line" "$scratch/short"

# all chains are gone, line ends of Windows, an empty log, none: it is not simply an old one
for edit in 's/,"chain":.*/}/' 's/$/\r/' d; do
    sed "$edit" "$scratch/kept" >"$scratch/stripped/log.jsonl"
    case $edit in d) said="has no lines, but" ;; *) said="line 1 has no chain" ;; esac
    refused "$said" "$scratch/stripped"
done
rm "$scratch/stripped/log.jsonl"
refused "has no lines, but" "$scratch/stripped"

# a tail that was cut: a resume goes on, says it, and does not launder it; nor if the whole log was removed
head -n 4 "$scratch/kept" >"$scratch/stripped/log.jsonl"
train 1 $common --steps $((last + 9)) --out "$scratch/stripped"
grep -q "warning: .*log.jsonl has no line of the checkpoint of step $((last + 7)): its lines after step 4 were lost" "$scratch/train.log" ||
    { fail "lost lines are not mentioned"; cat "$scratch/train.log"; }
refused "the lines between steps 4 and $((last + 7)) are missing" "$scratch/stripped"
train 1 $common --steps $((last + 11)) --out "$scratch/stripped"
refused "the lines between steps 4 and $((last + 7)) are missing" "$scratch/stripped"
rm "$scratch/stripped/log.jsonl"
train 1 $common --steps $((last + 13)) --out "$scratch/stripped"
whole "$scratch/stripped" "a run whose log was removed"
grep -q "; it begins after step $((last + 11));" "$scratch/verified" || { fail "where the log begins"; cat "$scratch/verified"; }

# what a kill leaves of a line is mentioned
printf '{"step":' >>"$scratch/stripped/log.jsonl"
whole "$scratch/stripped" "an unfinished line"
grep -q "the last 8 bytes are no whole line" "$scratch/verified" || { fail "an unfinished line"; cat "$scratch/verified"; }

# the line of a checkpoint cannot be written: nor is the checkpoint
train 1 $common --steps 25 --keep 9 --out "$scratch/noline"
line=$(grep -n '^{"step":10,"checkpoint"' "$scratch/noline/log.jsonl" | cut -d: -f1)
rm -rf "$scratch/noline"
export T2I_SHIM_UNDER="$scratch/noline/log.jsonl" T2I_SHIM_FAIL="write $line ENOSPC" T2I_SHIM_HIT="$scratch/hit"
LD_PRELOAD=$PWD/$B/tests/fault/shim.so "$B/tests/fault/alone" $common --steps 25 --keep 9 --out "$scratch/noline" >"$scratch/log" 2>&1 || { fail "no run"; cat "$scratch/log"; }
unset T2I_SHIM_UNDER T2I_SHIM_FAIL T2I_SHIM_HIT
[ -e "$scratch/hit" ] && [ "$(grep -c 'log.jsonl.*; training continues' "$scratch/log")" -eq 1 ] || { fail "no warning"; cat "$scratch/log"; }
[ "$(ls -v "$scratch/noline/checkpoints" | tr '\n' ' ')" = "step-20.safetensors step-25.safetensors " ] || fail "a checkpoint without its line: $(ls "$scratch/noline/checkpoints")"
whole "$scratch/noline" "a run whose line could not be written"

# the models of the folder are of this run, and have the weights of the checkpoint of their step
train 1 $common --seed 5 --steps 12 --out "$scratch/seed"
train 1 $common --init "$scratch/seed" --steps 25 --out "$scratch/init"
for name in model best; do
    cp "$scratch/noline/$name.safetensors" "$scratch/own"
    cp "$scratch/seed/$name.safetensors" "$scratch/noline/"
    refused "$name.safetensors is of another run" "$scratch/noline"
    cp "$scratch/init/model.safetensors" "$scratch/noline/$name.safetensors" # of the same options
    refused "$name.safetensors has other weights than the checkpoint of its step 25" "$scratch/noline"
    cp "$scratch/own" "$scratch/noline/$name.safetensors"
done
rm "$scratch/noline/checkpoints/step-25.safetensors"
whole "$scratch/noline" "without the last checkpoint"
grep -q "model.safetensors: of step 25, whose checkpoint is gone" "$scratch/verified" || { fail "what is not compared"; cat "$scratch/verified"; }
ln -s nowhere "$scratch/noline/checkpoints/step-15.safetensors" # removed after it was listed
whole "$scratch/noline" "a checkpoint that is gone"

# a log of an older version: read, and protected from the next start on
sed -i -e '/"checkpoint":"/d' -e '/"dataset"/d' -e 's/,"chain":.*/}/' "$scratch/short/log.jsonl"
"$B/t2i-model" verify "$scratch/short" | grep -q 'no chain: written by an older version' || fail "an old log"
train 1 $common --steps 14 --out "$scratch/short"
whole "$scratch/short" "a log that an older version began"
sed -i '1s/"step":1,/"step":2,/' "$scratch/short/log.jsonl"
refused "does not follow" "$scratch/short"
finish
