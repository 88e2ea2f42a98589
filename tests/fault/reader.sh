#!/bin/bash
# TIMEOUT: 200
# What reads a dataset for a rank dies, hangs, or meets a file that crashes HDF5: one line, 65 or 74 on all ranks, no hang,
# and nothing of it is left.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"

# readers [TEXT]: the process ids of readers of this test whose command line has TEXT
readers() {
    for comm in $(grep -l -s -x t2i-reader /proc/[0-9]*/comm); do
        p=${comm%/comm}
        if grep -q -s -a -F -- "${1:-$scratch/}" "$p/cmdline"; then echo "${p#/proc/}"; fi
    done
}
none_left() {
    for _ in $(seq 50); do
        [ -z "$(readers)" ] && return
        sleep 0.1
    done
    fail "readers are left after $1"
}

# crash.h5.gz crashes HDF5 1.10 when it is opened (division by zero)
gzip -dc tests/fault/crash.h5.gz >"$scratch/crash.h5"
expect 65 "$scratch/crash.h5" $MPIRUN -np 3 "$B/t2i-train" --data "$scratch/crash.h5" --steps 2 --batch 2 --out "$scratch/out"
expect 65 "$scratch/crash.h5" "$B/t2i-data" verify "$scratch/crash.h5"

# A rank waits for its job file, so that its reader can be got at before it is asked.
mkfifo "$scratch/waits.ini"
hurt() { # SIGNAL TEXT
    cat >"$scratch/job.ini" <<END
data = $scratch/d.h5
out = $scratch/out
steps = 3
batch = 12
END
    rc=0
    T2I_READER_SECONDS=3 timeout 60 $MPIRUN -np 2 "$B/t2i-train" "$scratch/job.ini" : -np 1 "$B/t2i-train" "$scratch/waits.ini" \
        >"$scratch/log" 2>&1 &
    for _ in $(seq 300); do
        reader=$(readers "$scratch/waits.ini")
        [ -n "$reader" ] && break
        sleep 0.1
    done
    kill -"$1" $reader || { fail "no reader was there to be hurt"; cat "$scratch/log"; kill $!; return; }
    timeout 20 sh -c "cat $scratch/job.ini >$scratch/waits.ini" || fail "the job file was not read"
    wait $! || rc=$?
    [ $rc -eq 74 ] || { fail "exit code $rc, not 74, after SIG$1"; cat "$scratch/log"; }
    [ "$(grep -c "^t2i-train: .*d.h5.*$2" "$scratch/log")" -eq 1 ] || { fail "'$2' was not said once"; cat "$scratch/log"; }
    none_left "SIG$1"
}
hurt KILL "was killed"
hurt STOP "nothing came for 3 s"
finish
