#!/bin/bash
# The table of `make bench`: medians, spread, and whether a goal was reached.
set -eu
cd "$(dirname "$0")/../.."
. tests/e2e/lib.sh.inc
rows() { printf '# a comment\nw | a | one | other | x | at least 2.0\nw | b | two | other | %% | at most 10\nw | c | three | other | x | within 10\nv | d | four | other | s | at most 1\nv | e | five | other | %% | -\n'; }
rows >"$scratch/rows.txt"
table() { awk -v json="$scratch/json" -v about='a "machine"' -f tests/bench/table.awk "$scratch/rows.txt" "$scratch/values" | tr -s ' ' >"$scratch/out"; }
line() { grep -qxF "$1" "$scratch/out" || { echo "expected: $1"; cat "$scratch/out"; exit 1; }; }

printf 'a 2.5 5 2\na 1.5 3 2\na 10 20 2\na 2.1 4 2\nb 11 - -\nb 10 - -\nb 9 - -\nc 0.92 1 1\nwhy d not here\ne 57 - -\n' >"$scratch/values"
table
line '| one | other | 2.30x (1.50 .. 10.00) | at least 2.0x | yes |'
line '| two | other | 10.0 % (9.0 .. 11.0) | at most 10 % | yes |'
line '| three | other | 0.92x (0.92 .. 0.92) | within 10 % | yes |'
line '| four | other | not here | at most 1 s | - |'
line '| five | other | 57.0 % (57.0 .. 57.0) | - | - |' # no goal
grep -qF '"median": 2.3, "low": 1.5, "high": 10, "ours": 4.5, "theirs": 2, "goal": "at least 2.0", "reached": true' "$scratch/json"
grep -qF '"about": "a \"machine\""' "$scratch/json"
grep -qF '"reached": null, "why": "not here"' "$scratch/json"

printf 'a 1.9 - -\nb 12 - -\nc 1.2 - -\nd - 3 -\n' >"$scratch/values"
table
line '| one | other | 1.90x (1.90 .. 1.90) | at least 2.0x | no |'
line '| two | other | 12.0 % (12.0 .. 12.0) | at most 10 % | no |'
line '| three | other | 1.20x (1.20 .. 1.20) | within 10 % | no |'
line '| four | other | nothing to compare with | at most 1 s | - |'

printf 'd 0.5 - -\n' >"$scratch/values" # what was not asked for is left out
table
[ "$(wc -l <"$scratch/out")" -eq 3 ] || { cat "$scratch/out"; exit 1; }
echo ok
