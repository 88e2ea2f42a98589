#!/bin/bash
# TIMEOUT: 200
# A checkpoint cannot be written: training continues with a warning, and the previous checkpoint stays intact. If the last
# checkpoint cannot be written, the run ends with 74 on all ranks; with free space it resumes and ends in the same bits.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 --d-model 192 --heads 4 --layers 3 --d-ff 768 --block-size 40 --batch 8 --checkpoint-every 10 --keep 9 --log-every 50"
train 2 $common --steps 40 --out "$scratch/whole"
size=$(stat -c %s "$scratch/whole/checkpoints/step-10.safetensors")

check_after() { # OUT STDERR STEP: the checkpoint that could not be written
    ls "$1"/checkpoints/*.tmp 2>/dev/null && fail "a temporary file was left"
    cmp "$scratch/whole/checkpoints/step-10.safetensors" "$1/checkpoints/step-10.safetensors" || fail "the old checkpoint is not intact"
    grep -q '"exit": 74' "$1/status.json" || fail "status.json: $(cat "$1/status.json")"
    grep -q "step-$3.*training continues" "$2" || { fail "the failed periodic checkpoint was not mentioned"; cat "$2"; }
}

# a file-size limit after the first checkpoint: every later one fails; MPI's own files are smaller
for aside in 64 0; do # as small files, then as large ones: past the page cache, while training goes on
    export T2I_ASIDE_MB=$aside
    rm -rf "$scratch/limited"
    train 2 $common --steps 10 --out "$scratch/limited"
    rc=0
    timeout 60 $MPIRUN -np 2 bash -c "ulimit -f $((size / 1024 - 8)); exec $B/t2i-train $common --steps 40 --out $scratch/limited" \
        >"$scratch/log" 2>&1 || rc=$?
    [ $rc -eq 74 ] || { fail "exit code $rc, not 74, with a file-size limit"; cat "$scratch/log"; }
    check_after "$scratch/limited" "$scratch/log" 20
    [ "$(grep -c '^t2i-train: cannot write' "$scratch/log")" -eq 1 ] || { fail "the end was not said once"; cat "$scratch/log"; }
    train 1 $common --steps 40 --out "$scratch/limited"
    cmp "$scratch"/{whole,limited}/checkpoints/step-40.safetensors || fail "other bits after the limit was gone"
done
unset T2I_ASIDE_MB

# a real full disk, where this user may mount one
mkdir "$scratch/disk"
if mount -t tmpfs -o size=$((size * 5 / 2 + 200000)) tmpfs "$scratch/disk" 2>/dev/null; then
    trap 'umount -l "$scratch/disk"; rm -rf "$scratch"' EXIT
    train 2 $common --steps 10 --out "$scratch/disk/run"
    rc=0 # one more fits, a third does not
    timeout 60 $MPIRUN -np 2 "$B/t2i-train" $common --steps 40 --out "$scratch/disk/run" >"$scratch/log" 2>&1 || rc=$?
    [ $rc -eq 74 ] || { fail "exit code $rc, not 74, on a full disk"; cat "$scratch/log"; }
    check_after "$scratch/disk/run" "$scratch/log" 30
    # a run that could not save a single checkpoint does not begin, at any number of ranks
    for np in 1 2; do
        expect 73 "no checkpoint fits" $MPIRUN -np $np "$B/t2i-train" $common --steps 40 --out "$scratch/disk/third"
        grep -q 'space: .*/third has [0-9.]* [kM]B free; the run needs [0-9.]* MB ([0-9.]* MB per checkpoint, keep 9); free disk space' "$scratch/said" ||
            { fail "np $np: no figures"; cat "$scratch/said"; }
    done
    expect 73 "no checkpoint fits" "$B/t2i-train" $common --steps 40 --out "$scratch/disk/third" --dry-run
    # a dataset does not fit either: nothing is left of it
    expect 74 "F.h5" "$B/t2i-data" shapes --out "$scratch/disk/F.h5" --quiet
    ls "$scratch"/disk/F.h5* 2>/dev/null && fail "half a dataset was left"
    # and not even the folder
    head -c 100000000 /dev/zero >>"$scratch/disk/other" 2>/dev/null || true
    rc=0
    timeout 60 $MPIRUN -np 2 "$B/t2i-train" $common --steps 3 --out "$scratch/disk/second" >"$scratch/log" 2>&1 || rc=$?
    case $rc in 73 | 74) ;; *) fail "exit code $rc, not 73 or 74, without any room"; cat "$scratch/log" ;; esac
else
    echo "note: no permission to mount a small disk; only the file-size limit was tried"
fi
finish
