#!/bin/bash
# Code that got into t2i-reader (shim_escape.c) tries to escape in fifty ways, in the reader's own thread and in another one,
# once the reader touches a dataset: every attempt is refused, and the dataset is read as without it. Without the filter of
# system calls (a build with sanitizers, or without libseccomp) that goes for what Landlock refuses by itself.
. tests/fault/fault.sh.inc
export T2I_ESCAPE_OUT=$scratch/escapes

"$B/t2i-data" info "$scratch/d.h5" >"$scratch/plain"
LD_PRELOAD=$PWD/$B/tests/fault/shim_escape.so "$B/t2i-data" info "$scratch/d.h5" >"$scratch/escaped" || fail "exit code $?"
cmp "$scratch/plain" "$scratch/escaped" || fail "the dataset was read differently"
[ ! -e "$T2I_ESCAPE_OUT.new" ] || fail "a file was created"

tr -d '\0' <"$T2I_ESCAPE_OUT" >"$scratch/said"
of='.*'
if ! ldd "$B/t2i-reader" | grep -q libseccomp; then
    of='reader 1 .*'
    "$B/t2i-doctor" >"$scratch/doctor" 2>/dev/null || true
    grep -q "Landlock confines" "$scratch/doctor" ||
        { cat "$scratch/doctor"; echo "skipped: the reader has no filter here (sanitizers, or no libseccomp), and the kernel no Landlock"; exit 77; }
elif ! grep -q '^Seccomp' /proc/self/status; then
    echo "skipped: this kernel has no seccomp"
    exit 77
fi
for thread in reader thread; do
    [ "$(grep -c "^$thread " "$scratch/said")" -eq 49 ] || fail "the attempts of the $thread are not there"
done
grep "^$of" "$scratch/said" | grep -v ': refused$' && fail "these were not refused"
echo "$(grep "^$of" "$scratch/said" | grep -c ': refused$') attempts refused"
finish
