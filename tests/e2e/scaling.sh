#!/bin/bash
# TIMEOUT: 300
# The messages of a step on four simulated nodes, where SimGrid is: the sum is right, and takes simulated time.
. tests/e2e/lib.sh.inc
command -v smpicc >/dev/null || { echo "SimGrid's smpicc is not here (Debian: libsimgrid-dev)"; exit 77; }
SIZES="3:1 4:1" CHUNKS=3 COMPUTE=0.001 tests/bench/smpi/run.sh >"$scratch/table" 2>&1 || fail "tests/bench/smpi/run.sh"
awk '$1 == 4 && $2 == 1 && $3 == "1.000" && $4 > 0 && $5 > 0 && $6 > 50 && $6 < 100 { good++ } $1 == 3 && $3 == "1.000" && $4 > 0.9 { good++ } END { exit good != 2 }' \
    "$scratch/table" || { fail "another table"; cat "$scratch/table"; } # of three ranks one has two of the four shards, and rank 0 waits for it
finish
