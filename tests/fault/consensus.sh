#!/bin/bash
# TIMEOUT: 300
# All ranks make the same MPI calls in the same order (shim_mpi.c, collectives.awk). If an operation fails on one rank, in
# any agreement, all ranks end alike: one error line, one exit code, the same calls. SOAK=1 tests each agreement on each
# rank, and each allocation.
. tests/fault/fault.sh.inc
shim_mpi=${shim%.so}_mpi.so
mkdir -p "$below"
out=$below/run
options="$tiny --steps 6 --checkpoint-every 2 --validate-every 3 --sample-every 6 --shards 4"

# run NP NAME=VALUE...: with logs; its exit code
run() {
    local np=$1
    shift
    rm -f "$scratch"/mpi.*
    timeout 60 $MPIRUN -np "$np" env "$@" T2I_MPI_LOG="$scratch/mpi" LD_PRELOAD="$shim_mpi" "$B/t2i-train" $options --out "$out" $more >"$scratch/said" 2>&1
}
fits() { awk -f tests/fault/collectives.awk "$scratch"/mpi.*; }

more=
for case in "2 A=1" "3 A=1" "4 A=1" "4 T2I_NODE_RANKS=2" "2 T2I_NODE_MEMORY=0"; do
    rm -rf "$out"
    [ "$case" != "4 A=1" ] || more="--loss contrastive --augment 0.5 --ema 0.9 --threads 1 --sampler uniform"
    [ "$case" != "4 T2I_NODE_RANKS=2" ] ||
        more="--loss contrastive --negatives batch --ngram-buckets 50 --embed-dim 4"
    run $case || { fail "$case: no run"; cat "$scratch/said"; }
    says=$(fits) || fail "$case"
    echo "np $case: $says"
    [ "$(grep -c ' agree ' "$scratch/mpi.0")" -gt 15 ] || fail "$case: hardly an agreement"
    more=
done
run 3 A=1 || fail "a finished run" # another path
fits >/dev/null || fail "a finished run: $(fits)"

# an error on one rank in the N-th agreement
rm -rf "$out"
run 3 A=1
agreements=$(grep -c ' agree ' "$scratch/mpi.0") cases=0 went_on=0 unsaid=0
for ((n = 2; n <= agreements; n++)); do # the first is t2i_comm_open's
    for rank in 0 1 2; do
        [ -n "$SOAK" ] || [ $((n % 9)) -eq $((3 * rank + 2)) ] || continue
        rm -rf "$out"
        rc=0
        what="agreement $n of $agreements, rank $rank"
        run 3 T2I_MPI_FAIL="$n $rank" || rc=$?
        cases=$((cases + 1))
        [ "$(grep -c 'made to fail' "$scratch/said")" -eq 1 ] || { fail "$what: not said once"; cat "$scratch/said"; }
        fits >/dev/null || fail "$what: $(fits)"
        if [ $rc -eq 0 ]; then # a checkpoint that was not needed
            grep -q 'made to fail.*; training continues$' "$scratch/said" || fail "$what: exit code 0"
            went_on=$((went_on + 1))
        else
            [ $rc -eq 74 ] || fail "$what: exit code $rc"
        fi
        # but for the two agreements that follow the writing of status.json itself, in which rank 0 alone can fail
        [ ! -e "$out/status.json" ] || grep -q "\"exit\": $rc" "$out/status.json" || unsaid=$((unsaid + 1))
    done
done
echo "$cases errors in $agreements agreements, $went_on of them in a save that could be left out"
[ $unsaid -le $(long_or 6 2) ] || fail "status.json says otherwise $unsaid times"
[ $went_on -gt 0 ] && [ $cases -gt 8 ] || fail "hardly an error"

# memory that one rank does not get
cases=0 n=3
while :; do
    rm -rf "$out" "$hit"
    rc=0 rank=$((n % 3)) what="allocation $n of rank $((n % 3))"
    timeout 60 $MPIRUN -np 3 env T2I_SHIM_FAIL="alloc $n NULL" T2I_SHIM_RANK=$rank T2I_SHIM_HIT="$hit" LD_PRELOAD="$shim" \
        "$B/t2i-train" $options --out "$out" >"$scratch/said" 2>&1 || rc=$?
    [ -e "$hit" ] || break
    cases=$((cases + 1))
    case $rc in
    0) ;;
    71) [ "$(grep -c 'memory' "$scratch/said")" -eq 1 ] || { fail "$what: not said once"; cat "$scratch/said"; } ;;
    *) fail "$what: exit code $rc"; cat "$scratch/said" ;;
    esac
    n=$((n + ${SOAK:-n / 2 + 7}))
done
echo "$cases allocations"
finish
