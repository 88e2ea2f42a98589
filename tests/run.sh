#!/bin/sh
# run.sh: runs tests and sums up. Usage: [B=build/MODE] [MPIRUN="mpirun ..."] tests/run.sh TEST...
# TEST is a script (*.sh) or a built program; one of B/tests/mpi/ is run once for each number in the
# first line of its source, as in "/* NP: 1 2 4 */". A test has 120 s, or what a "TIMEOUT: 300" in
# its source's first ten lines says (a hundred times that with SOAK=1). Exit code 77 means skipped: the last line
# printed says why. Output goes to B/log/TEST.log and is shown when the test fails.
set -u
B=${B:-build/release}
export B MPIRUN="${MPIRUN:-mpirun}"
# Ranks and threads of the libraries must not fight for the cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
passed=0 failed=0 skipped=0

# verdict LABEL CODE LOG
verdict() {
    case $2 in
    0) passed=$((passed + 1)) && echo "ok   $1" && return ;;
    77) skipped=$((skipped + 1)) && echo "skip $1: $(tail -n 1 "$3")" && return ;;
    esac
    failed=$((failed + 1))
    why="exit code $2"
    [ "$2" -gt 128 ] && why="signal $(($2 - 128))"
    [ "$2" -eq 124 ] && why=timeout
    [ "$2" -eq 137 ] && why="killed, or a timeout that it ignored"
    echo "FAIL $1 ($why)"
    tail -n 100 "$3" | sed 's/^/     /'
    echo "     (all of it: $3)"
}

# run LABEL SOURCE COMMAND...: under a clock, as a test that waits for another must fail.
run() {
    label=$1 source=$2
    shift 2
    log=$B/log/$(echo "$label" | tr ' ' -).log
    mkdir -p "$(dirname "$log")"
    seconds=$(sed -n '1,10s/.*TIMEOUT: *\([0-9][0-9]*\).*/\1/p' "$source" 2>/dev/null | head -n 1)
    limit=${seconds:-120}
    [ -z "${SOAK:-}" ] || limit=$((limit * 100))
    timeout -k 10 "$limit" "$@" </dev/null >"$log" 2>&1
    verdict "$label" $? "$log"
}

trap 'exit 130' INT TERM
for test in "$@"; do
    name=${test#"$B"/}
    name=${name#tests/}
    source=tests/$name.c
    case $test in
    *.sh)
        shell=$(sed -n '1s/^#! *//p' "$test")
        # shellcheck disable=SC2086
        run "${name%.sh}" "$test" ${shell:-sh} "$test"
        ;;
    "$B"/tests/mpi/*)
        numbers=$(sed -n '1s/.*NP:\([ 0-9]*\).*/\1/p' "$source")
        # Open MPI itself leaks; our own allocations are counted in the tests.
        for np in ${numbers:-NP-line-missing}; do
            # shellcheck disable=SC2086
            run "$name np $np" "$source" env ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" \
                $MPIRUN -np "$np" "$test"
        done
        ;;
    *) run "$name" "$source" "$test" ;;
    esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
