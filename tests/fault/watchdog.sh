#!/bin/bash
# ALONE
# TIMEOUT: 300
# A rank dies or stops: the job ends, one line names the rank and its phase, no process remains, and the same command
# resumes. A rank that is only slow, or waits for a slow disk, does not end the job. N=50 for more deaths and stops.
. tests/fault/fault.sh.inc
options="$tiny --keep 2 --checkpoint-every 5 --validate-every 0"
out=$below/run
mkdir -p "$below"
shim_mpi=${shim%.so}_mpi.so
now() { echo $(($(date +%s%N) / 1000000)); }
cat >"$scratch/rank.sh" <<'END'
echo $$ >"$1.$PMIX_RANK"
echo "$PMIX_NAMESPACE" >"$1"
shift
LD_PRELOAD=$SHIM exec "$@"
END

# begin NP OPTIONS...: in the background; "${with[@]}" (NAME=VALUE...) is in the ranks' environment
begin() {
    np=$1
    shift
    rm -f "$scratch"/pid*
    timeout 60 $MPIRUN -np "$np" env "${with[@]}" sh "$scratch/rank.sh" "$scratch/pid" "$B/t2i-train" $options --out "$out" "$@" \
        >"$scratch/said" 2>&1 &
    job=$!
}
alive() { # ranks that are left; zombies are for init to take away
    local pid
    for pid in $(cat "$scratch"/pid.*); do ! grep -sq '^State:.[^Z]' "/proc/$pid/status" || echo "$pid"; done
}
pid_of() { cat "$scratch/pid.$1"; }
until_step() {
    local i
    for ((i = 0; i < 400; i++)); do
        [ "$(step_of "$out")" -lt "$1" ] || return 0
        sleep 0.05
    done
    fail "$what: step $1 does not come"
}

# ended "CODES" TEXT: the job has ended so, with one such line, and nothing is left
ended() {
    local rc=0 left i
    wait $job || rc=$?
    for ((i = 0; i < 100; i++)); do
        [ -n "$(alive)" ] || break
        sleep 0.02
    done
    took=$(($(now) - begun))
    case " $1 " in *" $rc "*) ;; *) fail "$what: exit code $rc, not $1" ;; esac
    grep -a '^t2i-train: .*the same command goes on from the newest checkpoint$' "$scratch/said" >"$scratch/line" || true
    [ "$(grep -c -- "$2" "$scratch/line")" -eq 1 ] && [ "$(wc -l <"$scratch/line")" -eq 1 ] ||
        { fail "$what: not one line with '$2'"; cat "$scratch/said"; }
    [ -z "$(alive)" ] || fail "$what: left:" $(alive)
    left=$(ls /dev/shm | grep -- "$(printf '[._]%x\.' "$(cat "$scratch/pid")")" || true)
    [ -z "$left" ] || fail "$what: left in /dev/shm:" $left
    echo "$what: $took ms"
}
failed_status() { grep -q '"exit": 71' "$out/status.json" && grep -q "message.*$1" "$out/status.json" || fail "$what: $(cat "$out/status.json")"; }

# ---- a rank dies ----
deaths=${N:-$(long_or 200 3)} slowest=0 with=()
for ((i = 0; i < deaths; i++)); do
    np=$((2 + i % 3)) rank=$(((i + 1) % np)) signal=KILL
    [ $((i % 2)) -eq 0 ] || signal=SEGV
    what="SIG$signal, rank $rank of $np"
    rm -rf "$out"
    begin $np --steps 100000000
    until_step $((RANDOM % 40 + 2))
    begun=$(now)
    kill -$signal "$(pid_of $rank)"
    ended "137 139" "rank $rank on .* is gone: its process [0-9]* ended .*of step \|rank $rank on .* is gone: its process [0-9]* ended in step "
    [ $rank -eq 0 ] || failed_status "rank $rank on .* is gone"
    [ $took -le $slowest ] || slowest=$took
done
echo "$deaths deaths: every job was gone after $slowest ms"
[ $slowest -lt 10000 ] || fail "a job outlived its rank for $slowest ms"
what="exit 0 in a save"
rm -rf "$out"
with=(T2I_SHIM_UNDER="$below" T2I_SHIM_FAIL="write 40 exit" T2I_SHIM_RANK=0 SHIM="$shim")
begun=$(now)
begin 2 --steps 100
ended "1 71" "rank 0 on .* is gone: its process [0-9]* ended in the save of step 5;"

# ---- a rank stops ----
stops=${N:-$(long_or 200 5)} with=()
for ((i = 0; i < stops; i++)); do
    case $((i % 5)) in
    0) np=3 rank=1 nodes=0 ;; 1) np=2 rank=0 nodes=0 ;; 2) np=3 rank=2 nodes=1 ;; 3) np=2 rank=0 nodes=1 ;; 4) np=4 rank=3 nodes=2 ;;
    esac
    what="SIGSTOP, rank $rank of $np, $nodes a node"
    rm -rf "$out"
    with=(T2I_NODE_RANKS=$nodes)
    # Rank 0 of another node, which mpirun wakes a second before it kills it, must not report as well.
    begin $np --steps 100000000 --watchdog $((rank == 0 && nodes == 1 ? 2 : 1))
    until_step $((RANDOM % 40 + 12)) # every phase was seen twice, so that a second is allowed
    [ $nodes -eq 0 ] || sleep 1      # and rank 0 has been told
    begun=$(now)
    kill -STOP "$(pid_of $rank)"
    state="is stopped"
    [ $nodes -ne 1 ] || state="is there" # nobody on its node can look
    ended 71 "rank $rank on .* has given no sign of life for [0-9]* s in .*step.* (process $(pid_of $rank) $state);"
    [ $rank -eq 0 ] || [ $nodes -ne 0 ] || failed_status "no sign of life"
done
what="SIGSTOP after the first save, whose limit was longer"
rm -rf "$out"
with=(T2I_NODE_RANKS=1)
begin 2 --steps 100000000 --watchdog 2
until_step 6
sleep 0.3 # heartbeats come twice a second
begun=$(now)
kill -STOP "$(pid_of 0)"
ended 71 "rank 0 on .* has given no sign of life for [2-6] s in .*step.* (process $(pid_of 0) is there);"

with=()
what="the same command"
train 2 $options --steps $(($(step_of "$out") + 3)) --out "$out" || fail "does not go on"
steps=$(step_of "$out")

with=(T2I_SHIM_UNDER="$below" T2I_SHIM_RANK=0 SHIM="$shim")
for np in 1 $(long_or 2 ""); do
    what="an endless write at np $np"
    rm -rf "$out"
    begun=$(now)
    with[3]=T2I_SHIM_FAIL="write 40 wait50000"
    begin $np --steps 100 --watchdog 0.5
    ended 71 "rank 0 on .* has given no sign of life for [0-9]* s in the save of step 5 "
done
what="an endless read"
train 2 $options --steps 20 --out "$out"
begun=$(now)
with[3]=T2I_SHIM_FAIL="read 5 wait50000"
begin 2 --steps 100 --watchdog 0.5
ended 71 "rank 0 on .* has given no sign of life for [0-9]* s at the start "

what="a call left out"
rm -rf "$out"
begun=$(now)
with=(T2I_MPI_SKIP="60 1" SHIM="$shim_mpi")
begin 3 --steps 1000 --watchdog 0.5
ended "70 71" "rank 0 on .*, rank 1 on .* internal error"

# ---- no rank has stopped ----
quiet() { # CODE: the job ends so by itself
    local rc=0
    wait $job || rc=$?
    [ $rc -eq "$1" ] || { fail "$what: exit code $rc, not $1"; cat "$scratch/said"; }
    if grep -a 'no sign of life' "$scratch/said"; then fail "$what: a false alarm"; fi
}
for rank in 1 $(long_or 0 ""); do
    what="rank $rank at a fifth of its speed"
    rm -rf "$out"
    with=(T2I_NODE_RANKS=$rank) # with and without messages
    begin 2 --steps 100000000 --watchdog 2 --max-time 5
    until_step 2
    while kill -0 $job 2>/dev/null; do
        kill -STOP "$(pid_of $rank)" 2>/dev/null || true
        sleep 0.8
        kill -CONT "$(pid_of $rank)" 2>/dev/null || true
        sleep 0.2
    done
    quiet 75
done
what="a slow disk"
rm -rf "$out"
with=(T2I_SHIM_UNDER="$below" T2I_SHIM_RANK=0 SHIM="$shim" T2I_SHIM_FAIL="write 1 wait110 ever")
begin 2 --steps 6 --checkpoint-every 0 --watchdog 0.5
begun=$(now)
quiet 0
echo "$what: $(($(now) - begun)) ms"
what="a slow disk to read from"
with[3]=T2I_SHIM_FAIL="read 1 wait110 ever"
begin 2 --steps 7 --checkpoint-every 0 --watchdog 0.5
begun=$(now)
quiet 0
echo "$what: $(($(now) - begun)) ms"
finish
