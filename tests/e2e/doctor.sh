#!/bin/bash
# CORES: 2
# t2i-doctor: each warning and failure that can be provoked here, its exit codes, its JSON; the short form when a run starts;
# and --dry-run, which tries three steps and writes nothing.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
job="--data $scratch/d.h5 $small_model --steps 50"
mkdir "$scratch/out"

# doctor CODE [word of env or launcher...] -- ARGUMENT...: runs it; its report lies in $scratch/report
doctor() {
    code=$1 before=()
    shift
    while [ "$1" != -- ]; do before+=("$1"); shift; done
    shift
    rc=0
    timeout 60 ${before[@]+"${before[@]}"} "$B/t2i-doctor" "$@" >"$scratch/report" 2>"$scratch/stderr" || rc=$?
    [ "$rc" -eq "$code" ] || { fail "exit code $rc, not $code: ${before[*]} t2i-doctor $*"; cat "$scratch/report" "$scratch/stderr"; }
}
# says GRADE NAME TEXT: the last report has this line, and TEXT in it or in the two after it
says() { grep -A 2 "^$1 *$2 " "$scratch/report" | grep -q -F -- "$3" || { fail "no $1 of $2 with '$3'"; cat "$scratch/report"; }; }

doctor 0 -- --out "$scratch/out"
says ok launcher "1 rank on 1 host, started by hand"
says ok save "written and fsynced"
tail -n 1 "$scratch/report" | grep -q '^12 checks: .* 0 failures$' || { fail "not 12 checks"; cat "$scratch/report"; }

doctor 71 env T2I_READER=/none -- --out "$scratch/out"
says failure reader "t2i-reader cannot be started"

doctor 0 $MPIRUN -np 3 -- $job --out "$scratch/out/new"
says ok launcher "3 ranks on 1 host, started by "
says ok sum "over 3 ranks: 0.25 MiB"
says ok job "8 shards, batch 12"
says ok memory "the run needs about"
says ok shared-memory "and the run needs"
says ok space "per checkpoint"
[ -z "$(ls -A "$scratch/out")" ] || fail "it left something behind: $(ls -A "$scratch/out")"

# cores
cores=$(env -u OMP_NUM_THREADS nproc) # run.sh sets it, and nproc obeys it
more=$((cores + 1))
if [ "$cores" -le 8 ]; then
    doctor 0 $MPIRUN -np $more -- --threads 1
    says warning threads "$more ranks x 1 thread share $cores core"
    says warning threads "start $cores rank"
fi
if [ "$cores" -gt 1 ] && mpirun --version 2>/dev/null | grep -q 'Open MPI'; then
    doctor 0 env -u OMP_NUM_THREADS $MPIRUN --bind-to core -np 1 --
    says warning binding "--bind-to none"
    doctor 0 $MPIRUN --bind-to core -np 1 -- --threads 1
    says ok binding "may use 1 core" # that much was asked for
fi
doctor 0 $MPIRUN -np 1 env T2I_VECTORS=plain "$B/t2i-doctor" : -np 1 --
if grep -q 'vectors plain, .*; avx' "$scratch/report"; then
    says warning cpu "--constraint"
    says warning speed "every step waits for rank 0"
fi

# memory to share; files
doctor 0 env T2I_NODE_MEMORY=100000 $MPIRUN -np 2 -- $job
says warning shared-memory "has 0.1 MB, and the run needs"
doctor 73 -- --out /dev/null/x
says failure folder "it is not a folder"
grep -q 't2i-doctor: 1 of 12 checks failed, the first of them folder' "$scratch/stderr" || fail "no line on stderr"
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ]; then
    doctor 0 -- --out /dev/shm/no-such-run
    says warning folder "on tmpfs"
fi
mkdir "$scratch/tiny"
if mount -t tmpfs -o size=400k none "$scratch/tiny" 2>/dev/null; then
    doctor 73 -- $job --d-model 64 --out "$scratch/tiny/run"
    says failure space "no checkpoint fits"
    says warning folder "on tmpfs"
    says failure save "No space left" # for 4 MB to try it
    umount "$scratch/tiny"
fi

# jobs that would not start
doctor 66 $MPIRUN -np 2 -- --data "$scratch/none.h5"
says failure job "none.h5"
doctor 64 -- $job --shards 3
says failure job "shards"
expect 64 "did you mean '--heads'" "$B/t2i-doctor" --head 3
expect 64 "d-model 30 is not a multiple of heads 4" "$B/t2i-doctor" --d-model 30
"$B/t2i-doctor" --help | grep -q '^  --json' || fail "--help has no --json"
"$B/t2i-doctor" --help | grep -- '--dry-run' && fail "--help lists what it does not do"

# ranks that do not see one another
for variable in OMPI_COMM_WORLD_SIZE=4 SLURM_STEP_NUM_TASKS=3; do
    doctor 71 env "$variable" --
    says failure launcher "MPI sees only this one"
    doctor 71 env "$variable" -- --json
    grep -q '"verdict": "failure"' "$scratch/report" || fail "$variable: no failure in JSON"
done
doctor 0 env SLURM_NTASKS=3 --
says warning launcher "Slurm allocated 3 tasks to this job"

# JSON
doctor 0 $MPIRUN -np 2 -- $job --json
if command -v python3 >/dev/null; then
    python3 - "$scratch/report" <<'END' || fail "the JSON is not as it should be"
import json, sys
d = json.load(open(sys.argv[1]))
assert d["ranks"] == 2 and d["hosts"] == 1 and d["failures"] == 0, d
assert d["ok"] + d["warnings"] == len(d["checks"]) == 19, len(d["checks"])
for c in d["checks"]:
    assert set(c) == {"name", "verdict", "found", "why", "todo"} and c["found"] and c["why"], c
    assert (c["verdict"] == "ok") == (c["todo"] == ""), c
assert [r["rank"] for r in d["rank"]] == [0, 1] and all(r["gflops"] > 0 and r["cores"] > 0 for r in d["rank"]), d["rank"]
assert [s["bytes"] for s in d["sum"]] == [1 << 18, 1 << 20, 1 << 22] and all(s["seconds"] > 0 for s in d["sum"]), d["sum"]
END
else
    grep -q '"gflops": [1-9]' "$scratch/report" || fail "no GF/s in the JSON"
fi

# the short form: once, by rank 0, and the run goes on
if [ "$cores" -le 7 ]; then
    timeout 60 $MPIRUN -np $more "$B/t2i-train" $job --threads 1 --steps 3 --out "$scratch/run" 2>"$scratch/stderr" || fail "no run"
    [ "$(grep -c "warning: threads: $more ranks x 1 thread share $cores core" "$scratch/stderr")" -eq 1 ] || { fail "not warned of once"; cat "$scratch/stderr"; }
fi
"$B/t2i-train" $job --threads 1 --steps 3 --out "$scratch/quiet" 2>"$scratch/stderr" || fail "no run"
grep 'warning' "$scratch/stderr" && fail "a warning, where all is well"

# --dry-run: the plan and the time to expect; neither a file more nor one that changed
touch "$scratch/now"
for np in 1 3; do
    timeout 60 $MPIRUN -np $np "$B/t2i-train" $job --out "$scratch/dry" --dry-run 2>"$scratch/stderr" || fail "no dry run at np $np"
    grep -q 'trial of 3 steps, .* ms per step.*; estimated time for 50 steps: ' "$scratch/stderr" || { fail "no time to expect"; cat "$scratch/stderr"; }
    [ $np -gt 1 ] || ! grep -e 'private per rank' -e 'between ranks' "$scratch/stderr" || fail "one rank is told of others"
done
grep -q 'shards: rank 0: 0..1, rank 1: 2..4, rank 2: 5..7' "$scratch/stderr" || { fail "no shards"; cat "$scratch/stderr"; }
grep -q 'memory in use: ' "$scratch/stderr" || fail "no memory"
train 1 $job --steps 9 --out "$scratch/half"
touch "$scratch/now"
expect 0 "trial of 1 step, discarded" "$B/t2i-train" $job --steps 10 --out "$scratch/half" --dry-run
changed=$(find "$scratch" -newer "$scratch/now" ! -name std* ! -name said ! -path "$scratch")
[ -z "$changed" ] && [ ! -e "$scratch/dry" ] || fail "a dry run wrote: $changed"
finish
