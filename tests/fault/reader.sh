#!/bin/bash
# TIMEOUT: 200
# The process that reads a dataset for a rank dies, hangs, or reads a file that crashes HDF5: one error line, 65 or 74 on
# all ranks, no hang, and no process remains.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"

# the process ids of readers of this test: their command lines name the dataset
readers() {
    for comm in $(grep -l -s -x t2i-reader /proc/[0-9]*/comm); do
        p=${comm%/comm}
        if grep -q -s -a -F -- "$scratch/" "$p/cmdline"; then echo "${p#/proc/}"; fi
    done
}
none_left() {
    for _ in $(seq 50); do
        [ -z "$(readers)" ] && return
        sleep 0.1
    done
    fail "readers are left after $1"
    kill -9 $(readers)
}

# crash.h5.gz crashes HDF5 1.10 when it is opened (division by zero)
gzip -dc tests/fault/crash.h5.gz >"$scratch/crash.h5"
expect 65 "$scratch/crash.h5" $MPIRUN -np 3 "$B/t2i-train" --data "$scratch/crash.h5" --steps 2 --batch 2 --out "$scratch/out"
expect 65 "$scratch/crash.h5" "$B/t2i-data" verify "$scratch/crash.h5"

# The reader of one rank waits before it answers, so that it can be got at.
cat >"$scratch/waits" <<END
#!/bin/bash
echo \$\$ >$scratch/pid
while [ ! -e $scratch/go ]; do sleep 0.1; done
exec -a t2i-reader $PWD/$B/t2i-reader "\$@"
END
chmod +x "$scratch/waits"
hurt() { # SIGNAL TEXT
    options="--data $scratch/d.h5 --out $scratch/out --steps 3 --batch 12"
    rm -f "$scratch/pid" "$scratch/go"
    rc=0
    T2I_READER_SECONDS=3 timeout 60 $MPIRUN -np 2 "$B/t2i-train" $options : -np 1 env T2I_READER="$scratch/waits" "$B/t2i-train" $options \
        >"$scratch/log" 2>&1 &
    for _ in $(seq 300); do
        [ -s "$scratch/pid" ] && break
        sleep 0.1
    done
    reader=$(cat "$scratch/pid")
    kill -"$1" $reader || { fail "no reader was there to be hurt"; cat "$scratch/log"; kill $!; return; }
    wait $! || rc=$?
    [ $rc -eq 74 ] || { fail "exit code $rc, not 74, after SIG$1"; cat "$scratch/log"; }
    [ "$(grep -c "^t2i-train: .*d.h5.*$2" "$scratch/log")" -eq 1 ] || { fail "'$2' was not said once"; cat "$scratch/log"; }
    ! kill -0 $reader 2>/dev/null || fail "its reader is left after SIG$1"
    none_left "SIG$1"
}
hurt KILL "was killed"
hurt STOP "no answer for 3 s"

# a rank is killed: its reader goes at once
(
    ulimit -s unlimited 2>/dev/null || true # as on clusters; the reader's is limited all the same
    exec "$B/tests/fault/alone" --data "$scratch/d.h5" --out "$scratch/killed" --steps 1000000 --batch 12 >"$scratch/log" 2>&1
) &
for _ in $(seq 100); do
    reader=$(readers)
    [ -n "$reader" ] && break
    sleep 0.1
done
kill -0 $reader || { fail "no reader at work"; cat "$scratch/log"; }
sleep 1
grep -q '^Max stack size  *[0-9]' /proc/$reader/limits || fail "the stack of the reader has no limit"
kill -9 $!
none_left "the death of its parent"

# A reader that is stopped cannot go with its parent; it holds none of its files all the same: who reads their pipe sees the end.
mkfifo "$scratch/pipe"
"$B/tests/fault/alone" --data "$scratch/d.h5" --out "$scratch/piped" --steps 1000000 --batch 12 >"$scratch/log" 2>&1 9>"$scratch/pipe" &
exec 8<"$scratch/pipe"
for _ in $(seq 100); do
    reader=$(readers)
    [ -n "$reader" ] && [ -e "$scratch/piped/log.jsonl" ] && break
    sleep 0.1
done
kill -STOP $reader || { fail "no reader at work"; cat "$scratch/log"; }
kill -9 $!
timeout 10 cat <&8 || fail "the reader holds a pipe of its parent"
kill -KILL $reader
none_left "SIGKILL"
finish
