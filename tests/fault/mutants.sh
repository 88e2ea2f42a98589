#!/bin/bash
# TIMEOUT: 300
# A dataset with every seventh byte changed, and many damaged at random: told in one line, or without effect; no crash, no
# hang, nothing wrong. It also says how many of them crashed HDF5 in the process that reads.
. tests/fault/fault.sh.inc
"$B/tests/fault/mutants" "$(long_or 20000 2000)" "$SEED" >"$scratch/log" 2>&1 || { fail "a mutant lies"; cat "$scratch/log"; }
grep -a ' told ' "$scratch/log" || fail "nothing was looked at"
finish
