#!/bin/bash
# TIMEOUT: 200
# Two processes write to one run folder. On the same host the second one waits and is then refused. A process that was
# believed dead and resumes after another has taken over changes nothing and ends.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --checkpoint-every 5 --log-every 5 --validate-every 0 --keep 3"
everything() { (cd "$scratch/run" && find . -type f ! -name .writer -exec md5sum {} + | sort -k 2); }

# saved RUN: waits until it has a checkpoint, for a minute at most
saved() {
    for i in $(seq 600); do
        [ -z "$(ls "$1/checkpoints" 2>/dev/null | grep 'safetensors$')" ] || return 0
        sleep 0.1
    done
    fail "$1 has no checkpoint"
}

train 1 $common --steps 400 --out "$scratch/right"

# an old one, told to take its time by a stop as soon as it has saved; without a launcher, so that the stop reaches it
"$B/t2i-train" $common --steps 400000 --max-time 30 --out "$scratch/run" >"$scratch/old.log" 2>&1 &
old=$!
saved "$scratch/run"
kill -STOP $old
expect 73 "is being written by process $old of this host" "$B/t2i-train" $common --steps 400 --out "$scratch/run" --quiet

# the same on another host, as far as its successor can see: it takes over, and ends in the bits of a run that was not disturbed
sed -i 's/^[^ ]*/elsewhere/' "$scratch/run/.writer"
train 2 $common --steps 400 --out "$scratch/run"
cmp "$scratch/run/checkpoints/step-400.safetensors" "$scratch/right/checkpoints/step-400.safetensors" || fail "other bits after a takeover"
[ ! -e "$scratch/run/.writer" ] || fail "a finished run is still claimed"
everything >"$scratch/before"

# the old one comes back
kill -CONT $old
rc=0
wait $old || rc=$?
[ $rc -eq 73 ] || { fail "the old process ended with $rc, not 73"; cat "$scratch/old.log"; }
[ "$(grep -v warning "$scratch/old.log" | grep -c 'writes nothing more')" -eq 1 ] || { fail "the old process does not say why it ends, once"; cat "$scratch/old.log"; }
everything >"$scratch/after"
cmp "$scratch/before" "$scratch/after" || { fail "the old process changed the folder"; diff "$scratch/before" "$scratch/after"; }

# while the newer one runs, it is named
"$B/t2i-train" $common --steps 400000 --max-time 30 --out "$scratch/other" >"$scratch/old.log" 2>&1 &
old=$!
saved "$scratch/other"
echo "elsewhere 4711 1" >"$scratch/other/.writer"
rc=0
wait $old || rc=$?
[ $rc -eq 73 ] && grep -q 'taken over by process 4711 of host elsewhere' "$scratch/old.log" || { fail "exit code $rc after a takeover"; cat "$scratch/old.log"; }
grep -q '"state": "running"' "$scratch/other/status.json" || fail "status.json, which is the successor's, was changed"
finish
