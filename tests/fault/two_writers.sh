#!/bin/bash
# TIMEOUT: 300
# Two processes in one run folder. On the same host the second one waits, is then refused, and changes nothing, however
# it spells the folder, not even while the first one saves. One that waited sees what the first one saved meanwhile, and
# leaves a finished run alone. A process that was believed dead and comes back after another has taken over changes
# nothing and ends. (tests/unit/base/writer_lease_interleavings.c has every order of steps.)
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
programs=$(realpath "$B")
common="--data $scratch/d.h5 $small_model --checkpoint-every 5 --log-every 5 --validate-every 0 --keep 3"
everything() { (cd "$1" && find . ! -path './.writer*' -printf '%p %s %i\n' | sort && find . -type f -exec md5sum {} + | sort -k 2); }

# until SECONDS COMMAND...: waits for it to succeed
until_true() {
    local tries=$(($1 * 10))
    shift
    for _ in $(seq $tries); do
        ! eval "$*" || return 0
        sleep 0.1
    done
    fail "never: $*"
}
has_checkpoint() { [ -n "$(ls "$1/checkpoints" 2>/dev/null | grep 'safetensors$')" ]; }
# another process takes RUN over, as far as its owner can see
taken_over() { mv "$1"/.writer/* "$1/.writer/elsewhere,4711,1,1,1,0"; }

train 1 $common --steps 400 --out "$scratch/right"
[ ! -e "$scratch/right/.writer" ] || fail "a finished run is still owned"

# ---- refused ----

# without a launcher, so that the stop reaches it
"$B/t2i-train" $common --steps 400000 --max-time 60 --out "$scratch/run/" >"$scratch/old.log" 2>&1 &
old=$!
until_true 60 has_checkpoint "$scratch/run"
kill -STOP $old
touch "$scratch/run/checkpoints/step-3.safetensors.tmp" # what it writes at the moment
ln -s run "$scratch/link"
everything "$scratch/run" >"$scratch/before"
mkdir "$scratch/nowhere"
refused=() n=0
for spelled in run run/ ./run// link link/. nowhere/../run; do
    (cd "$scratch" && rc=0 && "$programs/t2i-train" $common --steps 400 --out "$spelled" --quiet 2>"refused.$n" || rc=$?
        [ "$rc" -eq 73 ] && grep -q "is being written by process $old of this host" "refused.$n") &
    refused+=($!)
    n=$((n + 1))
done
for i in "${!refused[@]}"; do
    wait "${refused[i]}" || { fail "spelling $i is not refused"; cat "$scratch/refused.$i"; }
done
everything "$scratch/run" >"$scratch/after"
cmp "$scratch/before" "$scratch/after" || { fail "a refused process changed the folder"; diff "$scratch/before" "$scratch/after" || true; }

# ---- taken over: the owner comes from another host, as far as its successor can see ----

taken_over "$scratch/run"
train 2 $common --steps 400 --out "$scratch/run"
cmp "$scratch/run/checkpoints/step-400.safetensors" "$scratch/right/checkpoints/step-400.safetensors" || fail "other bits after a takeover"
[ ! -e "$scratch/run/.writer" ] || fail "a finished run is still owned"
everything "$scratch/run" | grep -v 'report\.html\..*\.tmp' >"$scratch/before" # which it may have stopped in, and removes

# the old one comes back
kill -CONT $old
rc=0
wait $old || rc=$?
[ $rc -eq 73 ] || { fail "the old process ended with $rc, not 73"; cat "$scratch/old.log"; }
[ "$(grep -v warning "$scratch/old.log" | grep -c 'writes nothing more')" -eq 1 ] || { fail "the old process does not say why it ends, once"; cat "$scratch/old.log"; }
everything "$scratch/run" >"$scratch/after"
cmp "$scratch/before" "$scratch/after" || { fail "the old process changed the folder"; diff "$scratch/before" "$scratch/after" || true; }

# while the newer one runs, it is named
"$B/t2i-train" $common --steps 400000 --max-time 30 --out "$scratch/other/" >"$scratch/old.log" 2>&1 &
old=$!
until_true 60 has_checkpoint "$scratch/other"
taken_over "$scratch/other"
rc=0
wait $old || rc=$?
[ $rc -eq 73 ] && grep -q 'taken over by process 4711 of host elsewhere' "$scratch/old.log" || { fail "exit code $rc after a takeover"; cat "$scratch/old.log"; }
grep -q '"state": "running"' "$scratch/other/status.json" || fail "status.json, which is the successor's, was changed"

# taken over between the last look before a checkpoint gets its name and its rename: older ones stay
slow="env T2I_SHIM_UNDER=$scratch/slow LD_PRELOAD=$programs/tests/fault/shim.so"
T2I_SHIM_FAIL="rename 5 wait700 ever" $slow "$B/tests/fault/alone" $common --keep 1 --steps 400000 --max-time 60 --out "$scratch/slow" \
    >"$scratch/old.log" 2>&1 &
old=$!
until_true 60 '[ -e "$scratch/slow/checkpoints/step-5.safetensors" ] && ls "$scratch"/slow/checkpoints/step-10.*.tmp >/dev/null 2>&1'
taken_over "$scratch/slow"
rc=0
wait $old || rc=$?
[ $rc -eq 73 ] || { fail "exit code $rc after a takeover in a save"; cat "$scratch/old.log"; }
[ -e "$scratch/slow/checkpoints/step-5.safetensors" ] || fail "a process that was thought dead removed a checkpoint"

# ---- another folder in its place ----

# start LOG OPTIONS...; its process is $new
start() {
    local log=$1
    shift
    "$B/t2i-train" $common "$@" >"$log" 2>&1 &
    new=$!
}
# lost PROCESS LOG TEXT
lost() {
    local rc=0
    wait "$1" || rc=$?
    [ $rc -eq 73 ] && grep -q "$3" "$2" || { fail "exit code $rc, not 73 and '$3'"; cat "$2"; }
}

# a link that is turned to another run: that one is not touched
mkdir "$scratch/one"
train 1 $common --steps 10 --out "$scratch/two"
ln -s one "$scratch/turned"
start "$scratch/old.log" --steps 400000 --max-time 60 --out "$scratch/turned"
until_true 60 has_checkpoint "$scratch/one"
everything "$scratch/two" >"$scratch/before"
ln -sfn two "$scratch/turned"
lost $new "$scratch/old.log" "is another folder than it was"
everything "$scratch/two" >"$scratch/after"
cmp "$scratch/before" "$scratch/after" || { fail "a run changed another one's folder"; diff "$scratch/before" "$scratch/after" || true; }
[ ! -e "$scratch/one/.writer" ] || fail "the folder that was left is still owned"

# a copy: it is nobody's; in the place of the run it ends the run
start "$scratch/old.log" --steps 400000 --max-time 60 --out "$scratch/copied"
until_true 60 has_checkpoint "$scratch/copied"
cp -r "$scratch/copied" "$scratch/copy" 2>/dev/null || true # files come and go while it lives
rc=0
timeout 10 "$B/t2i-train" $common --steps 400000 --max-time 1 --out "$scratch/copy" >"$scratch/new.log" 2>&1 || rc=$?
[ $rc -eq 75 ] || { fail "a copy of a live run: exit code $rc, not 75"; cat "$scratch/new.log"; }
cp -r "$scratch/copied" "$scratch/copy2" 2>/dev/null || true # files come and go while it lives
mv "$scratch/copied" "$scratch/moved" && mv "$scratch/copy2" "$scratch/copied"
lost $new "$scratch/old.log" "no longer names this process\|cannot create" # between the two: there is no folder

# its log alone: nothing is lost
start "$scratch/old.log" --steps 400000 --max-time 60 --out "$scratch/logged"
until_true 60 has_checkpoint "$scratch/logged"
mv "$scratch/logged/log.jsonl" "$scratch/log.jsonl"
until_true 60 '[ -e "$scratch/logged/log.jsonl" ]'
kill -TERM $new
wait $new || true
[ "$(grep -c 'log.jsonl was moved or replaced' "$scratch/old.log")" -eq 1 ] || { fail "a log that was moved away is not told once"; cat "$scratch/old.log"; }
"$B/t2i-model" verify "$scratch/logged" >"$scratch/said" 2>&1 || { fail "a log that was moved away"; cat "$scratch/said"; }

# a file of another program in .writer hides no owner
start "$scratch/old.log" --steps 400000 --max-time 60 --out "$scratch/mac"
until_true 60 has_checkpoint "$scratch/mac"
touch "$scratch/mac/.writer/.DS_Store" "$scratch/mac/.writer/zzz"
expect 73 "is being written by process $new of this host" "$B/t2i-train" $common --steps 400 --out "$scratch/mac" --quiet
kill -TERM $new
wait $new || true
train 1 $common --max-time 0.001 --steps 400000 --out "$scratch/mac" >/dev/null || [ $? -eq 75 ] || fail "a start after it: $?"
[ ! -e "$scratch/mac/.writer" ] || fail "files of another program stay"

# ---- waited: what the predecessor saves meanwhile counts ----

"$B/t2i-train" $common --checkpoint-every 0 --steps 400000 --max-time 60 --out "$scratch/late" >"$scratch/old.log" 2>&1 &
old=$!
until_true 60 'grep -s -q "^{\"step\":[1-9]" "$scratch/late/log.jsonl"' # before the first step a signal ends it at once
kill -STOP $old
start "$scratch/new.log" --steps 400000 --max-time 1 --checkpoint-every 0 --out "$scratch/late/"
until_true 20 'grep -q "waiting for its end" "$scratch/new.log"'
kill -TERM $old
kill -CONT $old
rc=0
wait $old || rc=$?
[ $rc -eq 75 ] || fail "the predecessor ended with $rc, not 75"
rc=0
wait $new || rc=$?
[ $rc -eq 75 ] || fail "the successor ended with $rc, not 75"
saved=$(sed -n 's/.*stopped at step \([0-9]*\) .*/\1/p' "$scratch/old.log")
grep -q "resuming from .*/step-$saved.safetensors" "$scratch/new.log" || { fail "the successor does not resume from step $saved"; cat "$scratch/new.log"; }
[ "$(sed -n 's/^{"step":\([0-9]*\),"loss".*/\1/p' "$scratch/late/log.jsonl" | head -n 1)" = 1 ] || fail "the log lost its first line"

# two at one moment: one trains, the other finds a finished run and leaves it alone, or finds it being written
for i in 1 2 3 4 5; do
    start "$scratch/new.1" --steps 50 --out "$scratch/twins.$i"
    one=$new
    start "$scratch/new.2" --steps 50 --out "$scratch/twins.$i/."
    wait $one || fail "the first of two ended with $?"
    wait $new || fail "the second of two ended with $?"
    cat "$scratch"/new.[12] >"$scratch/both"
    [ "$(grep -c 'finished: wrote' "$scratch/both")" -eq 1 ] && [ "$(grep -c 'nothing to do' "$scratch/both")" -eq 1 ] || { fail "two starts at one moment"; cat "$scratch/both"; }
    [ "$(sed -n 's/^{"step":\([0-9]*\),"loss".*/\1/p' "$scratch/twins.$i/log.jsonl" | tr '\n' ' ')" = "1 5 10 15 20 25 30 35 40 45 50 " ] || fail "the log of two starts at one moment"
done

# a start that is refused for its options makes no folder
expect 66 "there is no such run folder" "$B/t2i-train" $common --steps 5 --init "$scratch/missing" --out "$scratch/fresh/a/b" --quiet
[ ! -e "$scratch/fresh" ] || fail "a refused start made a folder"

# ---- containers: processes that do not see each other, on one host ----

if unshare -Urpf true 2>/dev/null; then
    unshare -Urpf --kill-child "$B/t2i-train" $common --steps 400000 --max-time 60 --out "$scratch/pods" >"$scratch/old.log" 2>&1 &
    old=$!
    until_true 60 has_checkpoint "$scratch/pods"
    expect 73 "is being written by process 1 of this host" unshare -Urpf "$B/t2i-train" $common --steps 400 --out "$scratch/pods" --quiet
    kill -KILL $old
    wait $old 2>/dev/null || true
    rc=0
    unshare -Urpf "$B/t2i-train" $common --steps 400000 --max-time 1 --out "$scratch/pods" >"$scratch/new.log" 2>&1 || rc=$?
    [ $rc -eq 75 ] && grep -q "resuming from" "$scratch/new.log" || { fail "exit code $rc after a container that was killed"; cat "$scratch/new.log"; }
else
    echo "no PID namespaces here: containers are not tried"
fi
finish
