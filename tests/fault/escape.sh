#!/bin/bash
# Code that got into t2i-reader (shim_escape.c) tries to escape in some fifty ways, in the reader's own thread and in another one,
# once the reader touches a dataset: every attempt is refused, and the dataset is read as without it. Without the filter of
# system calls (taken out, or a build with sanitizers, or without libseccomp) that goes for what Landlock refuses by itself.
. tests/fault/fault.sh.inc
export T2I_ESCAPE_OUT=$scratch/escapes
exec 9<"$scratch/d.h5" # which its parent passes on
"$B/t2i-data" info "$scratch/d.h5" >"$scratch/plain"

# attempt [COMMAND]: in the reader of a dataset, started by that; what became of it is in $scratch/said
attempt() {
    "$@" env LD_PRELOAD=$PWD/$B/tests/fault/shim_escape.so "$B/t2i-data" info "$scratch/d.h5" >"$scratch/escaped" || fail "exit code $?"
    cmp "$scratch/plain" "$scratch/escaped" || fail "the dataset was read differently"
    tr -d '\0' <"$T2I_ESCAPE_OUT" >"$scratch/said"
    for thread in reader thread; do
        [ "$(grep -c "^$thread " "$scratch/said")" -eq 52 ] || fail "the attempts of the $thread are not there"
    done
}
# refused BEGIN: all whose lines begin so
refused() {
    grep "^$1" "$scratch/said" | grep -v ': refused$' && fail "these were not refused"
    echo "$(grep "^$1" "$scratch/said" | grep -c ': refused$') attempts refused"
}

# The same where there is no /proc: a mount name space of its own has none.
for unshare in "unshare -m" "unshare -rm"; do
    $unshare mount -t tmpfs none /proc 2>/dev/null && break
    unshare=""
done
without_proc() { $unshare sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$@"; }

filter=yes
ldd "$B/t2i-reader" | grep -q libseccomp && grep -q '^Seccomp' /proc/self/status || filter=""
if [ -n "$filter" ]; then
    attempt
    refused '[rt]'
    [ ! -e "$T2I_ESCAPE_OUT.new" ] || fail "a file was created"
    [ -z "$unshare" ] || T2I_READER=$PWD/$B/t2i-reader attempt without_proc
    refused '[rt]'
fi
T2I_ESCAPE_NO_FILTER=1 attempt
landlock=$(sed -n 's/^kernel: Landlock \([1-9][0-9]*\)$/\1/p' "$scratch/said")
[ -z "$landlock" ] || refused 'reader 1 '
finish
[ -n "$landlock" ] || { echo "skipped${filter:+ in part}: this kernel has no Landlock"; exit 77; }
[ -n "$unshare" ] || { echo "skipped in part: no mount name space without /proc"; exit 77; }
