#!/bin/bash
# TIMEOUT: 300
# One machine as several nodes, and without room in /dev/shm: the tree by messages, in part or throughout.
. tests/e2e/lib.sh.inc
for test in comm reduce; do
    for case in "T2I_NODE_RANKS=1 2" "T2I_NODE_RANKS=1 3" "T2I_NODE_RANKS=2 3" "T2I_NODE_RANKS=2 4" "T2I_NODE_RANKS=3 8" \
        "T2I_NODE_RANKS=4 8" "T2I_NODE_RANKS=2 8" "T2I_NODE_RANKS=3 7" "T2I_NODE_RANKS=-2 5" "T2I_NODE_RANKS=-3 8" \
        "T2I_NODE_MEMORY=0 2" "T2I_NODE_MEMORY=0 5"; do
        env "${case% *}" timeout 100 $MPIRUN -np "${case#* }" "$B/tests/mpi/$test" >"$scratch/log" 2>&1 ||
            { fail "$test: $case"; cat "$scratch/log"; }
    done
done
finish
