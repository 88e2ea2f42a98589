#!/bin/bash
# TIMEOUT: 300
# The model of a step; and the messages of a step on four simulated nodes, where SimGrid is: the sum is right, and takes simulated time.
. tests/e2e/lib.sh.inc
# the model finds the numbers again that its input was made of: 1 ms + 0.5 ms a row, 0.05 ms + 1 us a node
printf '%s\n' "compute 32 0.017" "compute 64 0.033" "compute 128 0.065" "two 64 0.033" "sum 1000000 0.0001" "sum 2000000 0.0002" "parameters 250000" \
    "network 4 0.11591 0.11591" "network 64 0.19558 0.19558" >"$scratch/measured"
awk -f tests/bench/smpi/model.awk "$scratch/measured" >"$scratch/model"
grep -q '^fitted: a 1.000 ms, b 0.5000 ms a row .* s 0.000 ms, g 0.1000 ms a MB .* c 0.0500 ms, k 1.00 us' "$scratch/model" && grep -q '^| 64 | 16 | 12 | 16 | 9.43 ms | 95 % | 10.27 ms ' "$scratch/model" ||
    { fail "another model"; cat "$scratch/model"; }
command -v smpicc >/dev/null || { echo "SimGrid's smpicc is not here (Debian: libsimgrid-dev)"; exit 77; }
SIZES="3:1 4:1 4:2" CHUNKS=3 COMPUTE=0.001 tests/bench/smpi/run.sh >"$scratch/table" 2>&1 || fail "tests/bench/smpi/run.sh"
awk '$1 == 4 && $2 == 1 && $3 == "1.000" && $4 > 0 && $5 > 0 && $6 > 50 && $6 < 100 { good++ } $1 == 4 && $2 == 2 && $3 == "1.000" && $4 > 0 && $5 > 0 && $6 > 50 && $6 < 100 { good++ } $1 == 3 && $3 == "1.000" && $4 > 0.9 { good++ } END { exit good != 3 }' \
    "$scratch/table" || { fail "another table"; cat "$scratch/table"; } # of three ranks one has two of the four shards, and rank 0 waits for it
finish
