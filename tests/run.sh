#!/bin/bash
# run.sh: runs tests side by side and sums up.
# Usage: [B=build/MODE] [MPIRUN="mpirun ..."] [JOBS=cores] tests/run.sh TEST...
#
# TEST is a script (*.sh) or a built program; one of B/tests/mpi/ is run once for each number in the
# first line of its source, as in "/* NP: 1 2 4 */". Exit code 77 means skipped: the last line
# printed says why. Output goes to B/log/TEST.log and is shown when the test fails.
#
# The first ten lines of a test's source may say
#   TIMEOUT: 300   seconds that it may take, 120 if not said; three times that under sanitizers,
#                  a hundred times with SOAK=1
#   CORES: 2       cores that it keeps busy, 1 if not said; ranks in tests/mpi
#   ALONE          no other test runs meanwhile, because it measures time
# and tests start as soon as JOBS has room for them: the cores and one more, if not said, because
# most scripts wait half of their time. Those that need most room and time come first.
set -u
B=${B:-build/release}
JOBS=${JOBS:-$(($(env -u OMP_NUM_THREADS nproc) + 1))}
export B MPIRUN="${MPIRUN:-mpirun}"
# No test leaves anything beside itself.
export PYTHONDONTWRITEBYTECODE=1
ulimit -c 0
# Pictures do not depend on the fonts of the machine.
export T2I_FONT=builtin
# Ranks and threads of the libraries must not fight for the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
passed=0 failed=0 skipped=0

# said WORD SOURCE: what its first ten lines say of it
said() { sed -n "1,10s/.*$1: *\([0-9][0-9]*\).*/\1/p" "$2" 2>/dev/null | head -n 1; }

# ---- what there is to run: of each its label, cores, seconds and command ----

labels=() cores=() limits=() commands=()
# add LABEL SOURCE CORES COMMAND
add() {
    local wants limit
    wants=$(said CORES "$2")
    wants=${wants:-$3}
    ! head -n 10 "$2" 2>/dev/null | grep -q '^[#/* ]*ALONE' || wants=$JOBS
    [ "$wants" -le "$JOBS" ] || wants=$JOBS
    limit=$(said TIMEOUT "$2")
    limit=${limit:-120}
    case $B in *asan*) limit=$((limit * 3)) ;; esac
    [ -z "${SOAK:-}" ] || limit=$((limit * 100))
    labels+=("$1") cores+=("$wants") limits+=("$limit") commands+=("$4")
}

for test in "$@"; do
    name=${test#"$B"/}
    name=${name#tests/}
    source=tests/$name.c
    case $test in
    *.sh)
        shell=$(sed -n '1s/^#! *//p' "$test")
        add "${name%.sh}" "$test" 1 "${shell:-sh} $test"
        ;;
    "$B"/tests/mpi/*)
        numbers=$(sed -n '1s/.*NP:\([ 0-9]*\).*/\1/p' "$source")
        # Open MPI itself leaks; our own allocations are counted in the tests.
        for np in ${numbers:-NP-line-missing}; do
            add "$name np $np" "$source" "$np" \
                "env ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} $MPIRUN -np $np $test"
        done
        ;;
    *) add "$name" "$source" 1 "$test" ;;
    esac
done

# ---- running ----

pipe=$(mktemp -u) && mkfifo -m 600 "$pipe" && exec 3<>"$pipe" && rm "$pipe" || exit 1
mkdir -p "$B/log"
log_of() { echo "$B/log/${labels[$1]// /-}.log"; }

# run INDEX: under a clock, as a test that waits for another must fail. Writes one line to the pipe:
# index, exit code, milliseconds, then what bash's times says.
run() {
    local log child code begun
    log=$(log_of "$1")
    mkdir -p "${log%/*}"
    begun=${EPOCHREALTIME//[!0-9]/}
    # shellcheck disable=SC2086
    timeout -k 10 "${limits[$1]}" ${commands[$1]} </dev/null >"$log" 2>&1 3>&- &
    child=$!
    trap 'kill $child; wait $child; exit 130' TERM INT
    wait $child
    code=$?
    times >"$log.cpu"
    echo "$1 $code $(((${EPOCHREALTIME//[!0-9]/} - begun) / 1000)) $(tail -n 1 "$log.cpu")" >&3
    rm "$log.cpu"
}

# ended INDEX CODE MILLISECONDS USER SYSTEM: says how it went
took=()
ended() {
    local label=${labels[$1]} log why
    log=$(log_of "$1")
    took+=("$(echo "$4 $5" | awk -v ms="$3" -v label="$label" '{
        split($1, u, /[ms]/); split($2, s, /[ms]/)
        cpu = u[1] * 60 + u[2] + s[1] * 60 + s[2]
        printf "%9.1f s  %7.1f s of CPU  %s", ms / 1000, cpu, label }')")
    case $2 in
    0) passed=$((passed + 1)) && echo "ok   $label" && return ;;
    77) skipped=$((skipped + 1)) && echo "skip $label: $(tail -n 1 "$log")" && return ;;
    esac
    failed=$((failed + 1))
    why="exit code $2"
    [ "$2" -gt 128 ] && why="signal $(($2 - 128))"
    [ "$2" -eq 124 ] && why=timeout
    [ "$2" -eq 137 ] && why="killed, or a timeout that it ignored"
    echo "FAIL $label ($why)"
    tail -n 100 "$log" | sed 's/^/     /'
    echo "     (all of it: $log)"
}

stop() {
    trap '' INT TERM
    # shellcheck disable=SC2046
    kill $(jobs -p) 2>/dev/null
    wait
    echo "stopped"
    exit 130
}
trap stop INT TERM

# shellcheck disable=SC2207
waiting=($(for i in "${!labels[@]}"; do echo "${cores[i]} ${limits[i]} $i"; done |
    sort -s -k1,1nr -k2,2nr | cut -d' ' -f3))
room=$JOBS running=0
while [ ${#waiting[@]} -gt 0 ] || [ $running -gt 0 ]; do
    for at in "${!waiting[@]}"; do
        index=${waiting[at]}
        [ "${cores[index]}" -le "$room" ] || continue
        unset "waiting[at]"
        room=$((room - cores[index])) running=$((running + 1))
        run "$index" &
        [ $room -gt 0 ] || break
    done
    read -r index code ms user system <&3 || continue
    room=$((room + cores[index])) running=$((running - 1))
    ended "$index" "$code" "$ms" "$user" "$system"
done

if [ ${#took[@]} -gt 1 ]; then
    echo "the slowest, of $SECONDS s in all:"
    printf '%s\n' "${took[@]}" | sort -rn | tee "$B/log/times" | head -n 10
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
