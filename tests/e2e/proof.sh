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
last=$(ls -v "$out/checkpoints" | sed -n "s/^step-\([0-9]*\)\.safetensors\$/\1/p" | tail -n 1) # a killed rank may leave a temporary file
train 1 $common --steps $((last + 7)) --out "$out"
whole "$out" "a resumed run"
[ "$(sed -n 's/^{"step":\([0-9]*\),"loss".*/\1/p' "$log" | sort -n | uniq -d | wc -l)" -eq 0 ] || fail "a step is there twice"
grep -q "^{\"step\":$last,\"checkpoint\"" "$log" || fail "the line of the checkpoint was cut off"

# edited
cp "$log" "$scratch/kept"
line=$(grep -n '"step":12,"loss"' "$log" | cut -d: -f1)
sed -i "${line}s/\"loss\":[0-9]/\"loss\":7/" "$log"
refused "log.jsonl was edited or damaged: line $line does not follow" "$out"
train 1 $common --steps $((last + 9)) --out "$out" # a resume does not heal it
refused "log.jsonl was edited or damaged: line $line does not follow" "$out"
train 1 $common --steps 12 --out "$scratch/short"
grep -v '"checkpoint":"' "$scratch/short/log.jsonl" >"$scratch/cut"
cp "$scratch/cut" "$scratch/short/log.jsonl"
refused "$scratch/short/log.jsonl was edited or damaged: line" "$scratch/short"

# a log of an older version: read, and protected from the next start on
sed -i -e '/"checkpoint":"/d' -e '/"dataset"/d' -e 's/,"chain":.*/}/' "$scratch/short/log.jsonl"
"$B/t2i-model" verify "$scratch/short" | grep -q 'no chain: written by an older version' || fail "an old log"
train 1 $common --steps 14 --out "$scratch/short"
whole "$scratch/short" "a log that an older version began"
sed -i '1s/"step":1,/"step":2,/' "$scratch/short/log.jsonl"
refused "does not follow" "$scratch/short"
finish
