#!/bin/bash
# TIMEOUT: 400
# Signals, terminals that close, pipes without a reader and closed descriptors. (resume.sh stops runs at their steps.)
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"

few="--data $scratch/d.h5 $small_model --threads 1"
run="$B/t2i-train $few --steps 100000000 --checkpoint-every 0 --log-every 1"
out=$scratch/run

lines() { cat "$out/log.jsonl" 2>/dev/null | wc -l; }
until_steps() { for ((i = 0; i < 1200; i++)); do [ "$(lines)" -lt 4 ] || return 0; sleep 0.05; done; fail "$what: no steps"; }
# ends CODE PID: within 60 s
ends() {
    local rc=0
    for ((i = 0; i < 1200; i++)); do kill -0 "$2" 2>/dev/null || break; sleep 0.05; done
    kill -KILL "$2" 2>/dev/null || true
    wait "$2" 2>/dev/null || rc=$?
    [ $rc -eq "$1" ] || { fail "$what: exit code $rc, not $1"; cat "$scratch/log"; }
}
saved() { ls "$out"/checkpoints/step-*.safetensors >/dev/null 2>&1 || fail "$what: nothing is saved"; }

# a terminal that closes: the kernel and the shell send HUP once each
what=HUP
$run --out "$out" >"$scratch/log" 2>&1 &
until_steps
kill -HUP $!
kill -HUP $! 2>/dev/null || true
ends 75 $!
saved
grep -q '"state": "stopped"' "$out/status.json" || fail "$what: $(cat "$out/status.json")"
what="HUP under nohup"
rm -rf "$out"
nohup $run --out "$out" >"$scratch/log" 2>&1 &
until_steps
kill -HUP $!
before=$(lines)
sleep 0.5
[ "$(lines)" -gt "$before" ] || fail "$what: the run ended"
kill -TERM $!
ends 75 $!
what="signals that were blocked at the start"
rm -rf "$out"
env --block-signal $run --out "$out" >"$scratch/log" 2>&1 &
until_steps
kill -TERM $!
ends 75 $!
saved
what="HUP to a rank"
rm -rf "$out"
timeout 60 $MPIRUN -np 2 sh -c "echo \$\$ >>$scratch/pids; exec $run --out $out" >"$scratch/log" 2>&1 &
until_steps
kill -HUP "$(tail -n 1 "$scratch/pids")"
ends 75 $!
saved

# before the first step: the signal itself ends the process; here it waits for another one's end
what="before the first step"
rm -rf "$out"
$run --out "$out" >"$scratch/other" 2>&1 &
other=$!
until_steps
for signal in INT:130 TERM:143 HUP:129; do
    what="${signal%:*} before the first step"
    rm -f "$scratch/log" # an old line in it would send the signal to bash before its exec
    $run --out "$out" >"$scratch/log" 2>&1 &
    waits=$!
    for ((i = 0; i < 200; i++)); do ! grep -s -q "waiting for its end" "$scratch/log" || break; sleep 0.05; done
    kill -${signal%:*} $waits
    ends ${signal#*:} $waits
done
# the same under mpirun: to one rank, to all as srun does, to mpirun as a terminal does
ranks() { timeout 60 $MPIRUN -np 2 sh -c "echo \$\$ >>$scratch/pids; exec $*" >"$scratch/log" 2>&1; }
# gone: no rank lives 10 s later; one that nobody waits for stays as a zombie
gone() {
    local p
    for p in $(cat "$scratch/pids"); do
        for ((i = 0; i < 200; i++)); do grep -s -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$p/status" || continue 2; sleep 0.05; done
        fail "$what: rank $p stays"
    done
}
for signal in "INT one" "TERM one" "TERM all" "INT mpirun"; do
    what="$signal before the first step under mpirun"
    rm -f "$scratch/log" "$scratch/pids"
    ranks "$run --out $out" &
    waits=$!
    for ((i = 0; i < 400; i++)); do ! grep -s -q "waiting for its end" "$scratch/log" || break; sleep 0.05; done
    case $signal in
    *one) kill -${signal% *} "$(tail -n 1 "$scratch/pids")" ;;
    *all) kill -${signal% *} $(cat "$scratch/pids") ;;
    *) kill -${signal% *} "$(pgrep -P "$(pgrep -P $waits timeout)")" ;;
    esac
    rc=0
    wait $waits || rc=$?
    case $signal in *mpirun) code=1 ;; INT*) code=130 ;; *) code=143 ;; esac # Open MPI's own is 1
    [ $rc -eq $code ] || { fail "$what: exit code $rc, not $code"; cat "$scratch/log"; }
    gone
done
kill -0 $other || fail "another's signal ended the writer"
what="the writer" # timeout sends TERM twice at once
kill -TERM $other
kill -TERM $other 2>/dev/null || true
ends 75 $other
saved

# a second signal in the middle of a long step: at once, and the newest checkpoint stays. A step that ends between the two
# signals is saved, so then another try shows it.
what="a second signal"
big="$B/t2i-train --data $scratch/d.h5 --d-model 64 --heads 4 --layers 3 --threads 1 --trie off --batch 16384 --steps 1000 --log-every 1 --validate-every 0 --audit-every 0"
sums() { (cd "$out/checkpoints" && sha256sum *); }
rm -rf "$out"
$big --max-time 0.001 --out "$out" >"$scratch/log" 2>&1 || true # a step or two, then a checkpoint
saved
for way in alone "to the ranks of mpirun"; do
    what="a second signal, $way"
    for try in 1 2 3 4 5; do
        before=$(sums)
        rm -f "$scratch/log" "$scratch/pids" # as above
        if [ "$way" = alone ]; then
            $big --out "$out" >"$scratch/log" 2>&1 &
            echo $! >"$scratch/pids"
        else
            ranks "$big --out $out" &
        fi
        long=$!
        for ((i = 0; i < 1200; i++)); do ! grep -s -q "steps [0-9]*\.\." "$scratch/log" || break; sleep 0.05; done
        sleep 1
        kill -TERM $(cat "$scratch/pids") || true
        sleep 0.3
        early=""
        for rank in $(cat "$scratch/pids"); do kill -0 "$rank" 2>/dev/null || early="$early $rank"; done
        kill -TERM $(cat "$scratch/pids") 2>/dev/null || true
        rc=0
        wait $long || rc=$?
        gone
        [ "$(sums)" != "$before" ] || break
    done
    [ "$(sums)" = "$before" ] || fail "$what: in $try tries a step ended between the signals"
    [ -z "$early" ] || fail "$what: one TERM ended $early before its step"
    [ $rc -eq 143 ] || { fail "$what: exit code $rc, not 143"; cat "$scratch/log"; }
    "$B/t2i-model" verify "$out" >/dev/null 2>&1 || fail "$what: the checkpoint is damaged"
done

# the reader of our lines goes away
what="a pipe without a reader"
rm -rf "$out"
mkfifo "$scratch/pipe"
$run --max-time 2 --out "$out" 2>"$scratch/pipe" >"$scratch/log" &
head -c 1 <"$scratch/pipe" >/dev/null
ends 75 $!
saved
for command in "info $scratch/d.h5" "--help-all"; do
    rc=$("$B/t2i-data" $command 2>"$scratch/log" | true; echo "${PIPESTATUS[0]}")
    [ "$rc" -eq 0 ] || fail "t2i-data $command, read by nobody: exit code $rc"
    [ ! -s "$scratch/log" ] || fail "t2i-data $command, read by nobody: $(cat "$scratch/log")"
done

# closed descriptors: no file of ours gets the number of one of them
what="closed descriptors"
straight=$scratch/straight closed=$scratch/closed
few="$few --steps 5"
"$B/t2i-train" $few --out "$straight" >"$scratch/log" 2>&1 || fail "$what: $(cat "$scratch/log")"
for redirect in '<&-' '>&-' '2>&-' '<&- >&-' '<&- >&- 2>&-'; do
    rm -rf "$closed"
    eval "\"$B/t2i-train\" $few --out $closed $redirect" || fail "t2i-train $redirect: exit code $?"
    cmp "$straight/model.safetensors" "$closed/model.safetensors" || fail "t2i-train $redirect: other bits"
    for file in job.ini log.jsonl status.json; do
        ! grep -q "t2i-train: " "$closed/$file" || fail "t2i-train $redirect: messages are in $file"
    done
    eval "\"$B/t2i-data\" seed --out $scratch/s.h5 $redirect" || fail "t2i-data $redirect: exit code $?"
    "$B/t2i-data" verify "$scratch/s.h5" >/dev/null 2>&1 || fail "t2i-data $redirect: a damaged dataset"
done
finish
