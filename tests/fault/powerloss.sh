#!/bin/bash
# TIMEOUT: 200
# Power loss after any file operation of a run: what was reported as saved is there and complete, whatever else reached the
# disk (powerloss.c). The run is killed at its first fsync, started again, and then extended, with checkpoints in the
# background. The same for a dataset.
. tests/fault/fault.sh.inc
mkdir "$below" "$scratch/states"
out=$below/run
run="$B/t2i-train $tiny --keep 1 --checkpoint-every 2 --validate-every 2 --sample-every 4"
record() { env T2I_SHIM_UNDER="$below" T2I_SHIM_LOG="$scratch/log" LD_PRELOAD="$shim" "$@" >"$scratch/said" 2>&1; }

rc=0
T2I_SHIM_FAIL="fsync-folder 1 kill" record $run --steps 4 --out "$out" || rc=$?
[ $rc -eq 137 ] || fail "the first fsync did not kill: $rc"
record $run --steps 4 --out "$out" || { fail "no run"; cat "$scratch/said"; }
T2I_ASIDE_MB=0 record $run --steps 8 --out "$out" || { fail "no further run"; cat "$scratch/said"; }
samples=$(long_or 100 3)
"$B/tests/fault/powerloss" "$scratch/log" "$below" "$scratch/states" "$out" "$(long_or 20 1)" "$samples" || fail "a run is not safe"

# some of these states are gone on from, to the same bits
for ((i = 0; i < samples; i++)); do
    state=$scratch/states/sample-$i/run
    $run --steps 8 --out "$state" >"$scratch/said" 2>&1 || { fail "state $i: no resume"; cat "$scratch/said"; }
    cmp "$out/checkpoints/step-8.safetensors" "$state/checkpoints/step-8.safetensors" || fail "state $i: other bits"
    cmp "$out/model.safetensors" "$state/model.safetensors" || fail "state $i: another model"
    [ -z "$(find "$state" -name '*.tmp')" ] || fail "state $i: a temporary file stays"
done

rm "$scratch/log"
record "$B/t2i-data" seed --out "$below/seed.h5" || { fail "no dataset"; cat "$scratch/said"; }
"$B/tests/fault/powerloss" "$scratch/log" "$below" "$scratch/states" || fail "a dataset is not safe"
finish
