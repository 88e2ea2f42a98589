#!/bin/bash
# TIMEOUT: 300
# A dataset with every seventh byte changed, and many with random damage: the damage is reported in one line or has no
# effect; no crash, no hang, no wrong data. Also prints how many of them crashed HDF5 in t2i-reader.
. tests/fault/fault.sh.inc
"$B/tests/fault/mutants" "$(long_or 20000 2000)" "$SEED" >"$scratch/log" 2>&1 || { fail "a mutant lies"; cat "$scratch/log"; }
grep -a ' told ' "$scratch/log" || fail "nothing was looked at"
finish
