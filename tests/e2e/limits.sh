#!/bin/bash
# Limits of the machine are the job's: what Slurm and control groups allow decides threads, is told by t2i-doctor and --dry-run,
# and refuses a run that does not fit before it takes its memory. (Each kind of group: tests/unit/comm/job_limits.c.)
. tests/e2e/lib.sh.inc
unset OMP_NUM_THREADS SLURM_CPUS_PER_TASK # run.sh sets the first
small_dataset "$scratch/d.h5"
job="--data $scratch/d.h5 $small_model --steps 3 --threads 1"
out=$scratch/run

# does not fit: one line with what is needed, allowed, by which limit, and what to do; the same code everywhere; no folder
for np in 1 2; do
    [ "$(nproc)" -ge $np ] || continue
    expect 71 "that SLURM_MEM_PER_NODE allows; use more nodes" env SLURM_MEM_PER_NODE=20 $MPIRUN -np $np "$B/t2i-train" $job --out "$out"
    grep -q 'memory: the run needs about [1-9][0-9.]* MB, and .* has 21.0 MB free of 21.0 MB that' "$scratch/said" || { fail "np $np: no figures"; cat "$scratch/said"; }
    [ ! -e "$out" ] || fail "np $np: a refused run left a folder"
done
$MPIRUN -np 2 sh -c "env SLURM_MEM_PER_NODE=20 $B/t2i-train $job --out $out 2>/dev/null; echo \$? >>$scratch/codes" >/dev/null 2>&1
[ "$(paste -s -d ' ' "$scratch/codes")" = "71 71" ] || fail "exit codes of ranks: $(cat "$scratch/codes")"
expect 71 "SLURM_MEM_PER_CPU" env SLURM_MEM_PER_CPU=10 SLURM_CPUS_ON_NODE=2 "$B/t2i-train" $job --dry-run
# what is larger than the limit is not even allocated
big="--data $scratch/d.h5 --d-model 1024 --heads 4 --layers 6 --threads 1"
expect 71 "the weights and moments need" env SLURM_MEM_PER_NODE=200 "$B/t2i-train" $big --out "$out"
expect 71 "job" env SLURM_MEM_PER_NODE=200 "$B/t2i-doctor" $big
grep -q '^failure  job .*the weights and moments need .* (SLURM_MEM_PER_NODE)' "$scratch/stdout" || { fail "the doctor does not say it"; cat "$scratch/stdout"; }
expect 71 "the weights and moments need" env SLURM_MEM_PER_NODE=0.1 "$B/t2i-train" $job --out "$out"
mv "$scratch/said" "$scratch/four"
"$B/t2i-train" $job --out "$out" 2>"$scratch/log" || fail "no run: $(cat "$scratch/log")"
expect 71 "the weights and moments need" env SLURM_MEM_PER_NODE=0.1 "$B/t2i-train" $job --steps 9 --out "$out"
expect 71 "the weights and moments need" env SLURM_MEM_PER_NODE=0.1 "$B/t2i-train" $job --init "$out" --out "$scratch/init"
expect 0 "where the job may use 2097.2 MB (SLURM_MEM_PER_NODE)" env SLURM_MEM_PER_NODE=2000 "$B/t2i-train" $job --steps 9 --out "$out" --dry-run

# numbers that are none
expect 0 "SLURM_CPUS_PER_TASK=x is no number of threads and is ignored" \
    env SLURM_CPUS_PER_TASK=x "$B/t2i-train" --data "$scratch/d.h5" $small_model --dry-run
expect 0 "OMP_NUM_THREADS=99999999999 is no number of threads and is ignored" \
    env OMP_NUM_THREADS=99999999999 "$B/t2i-train" --data "$scratch/d.h5" $small_model --dry-run

# the CPUs of Slurm, also where nothing binds to them
SLURM_CPUS_ON_NODE=1 "$B/t2i-doctor" --json --out "$scratch" >"$scratch/report" 2>"$scratch/stderr" || fail "$(cat "$scratch/stderr")"
grep -q '"cores_limit": "SLURM_CPUS_ON_NODE"' "$scratch/report" || fail "the CPUs of Slurm are no limit: $(cat "$scratch/report")"
SLURM_CPUS_ON_NODE=1 "$B/t2i-train" --data "$scratch/d.h5" $small_model --steps 3 --out "$scratch/one" 2>"$scratch/log" || fail "$(cat "$scratch/log")"
grep -q '1 core available to each), 1 thread each' "$scratch/log" || fail "more threads than CPUs of Slurm: $(cat "$scratch/log")"

# four ranks have their weights four times; three times, with the moments, is what one rank says
three=$(sed -n 's/.* moments need \([0-9.]*\) MB.*/\1/p' "$scratch/four" | head -n 1)
mib=$(awk -v three="$three" 'BEGIN { print three * 1.15e6 / 1048576 }')
expect 71 "the weights of the ranks need" env SLURM_MEM_PER_NODE="$mib" $MPIRUN -np 4 "$B/t2i-train" $job --out "$scratch/four ranks"
# many rows
awk 'BEGIN { split("red_square blue_square green_circle", n, " "); for (i = 0; i < 60000; i++) printf "a prompt of some length %d\t%s.png\n", i, n[i % 3 + 1] }' >"$scratch/many.tsv"
"$B/t2i-data" build --pairs "$scratch/many.tsv" --features tests/golden/seed/features.safetensors --out "$scratch/many.h5" >/dev/null 2>&1
expect 71 "the training rows of the ranks need" env SLURM_MEM_PER_NODE=2 "$B/t2i-train" --data "$scratch/many.h5" --d-model 8 --heads 2 --layers 1 --d-ff 8 --threads 1 --out "$scratch/many"

# half a core and 300 MB in a control group of version 2: a mount name space of our own has it
mkdir "$scratch/group"
echo "50000 100000" >"$scratch/group/cpu.max"
echo 300000000 >"$scratch/group/memory.max"
echo 1000 >"$scratch/group/memory.current"
for unshare in "unshare -m" "unshare -rm"; do
    $unshare mount --bind "$scratch/group" /sys/fs/cgroup 2>/dev/null && break
    unshare=
done
[ -n "$unshare" ] || { finish; echo "skipped in part: no mount name space for a control group"; exit 77; }
inside() { $unshare sh -c "mount --bind $scratch/group /sys/fs/cgroup; $*"; }
says() { grep -q -- "$1" "$2" || { fail "no '$1'"; cat "$2"; }; }
inside "$B/t2i-doctor --json --out $scratch" >"$scratch/report" 2>"$scratch/stderr" || fail "$(cat "$scratch/stderr")"
says '"cores_granted": 0.5' "$scratch/report"
says '"cores_limit": "cpu.max of /sys/fs/cgroup"' "$scratch/report"
says '"memory": 300000000.0' "$scratch/report"
inside "$B/t2i-doctor --out $scratch" >"$scratch/report" 2>"$scratch/stderr" || fail "$(cat "$scratch/stderr")"
says '^warning  threads  *1 rank x 1 thread share 0.5 of [0-9]* cores* on .* (cpu.max of /sys/fs/cgroup)' "$scratch/report"
says '^warning  memory .*300.0 MB free of 300.0 MB that memory.max of /sys/fs/cgroup allows' "$scratch/report"
inside "$B/t2i-train --data $scratch/d.h5 $small_model --steps 3 --out $scratch/half" 2>"$scratch/log" || fail "$(cat "$scratch/log")"
says '1 core available to each), 1 thread each' "$scratch/log"
[ "$(inside sh jobs/cores.sh)" = 1 ] || fail "cores.sh: $(inside sh jobs/cores.sh) cores of a half"
rc=0
inside "$B/t2i-train $big --out $scratch/big" 2>"$scratch/log" || rc=$?
[ $rc -eq 71 ] || fail "exit code $rc, not 71"
says 'this job may use 300.0 MB on this machine (memory.max of /sys/fs/cgroup)' "$scratch/log"
# the same of version 1
rm "$scratch/group/cpu.max"
mkdir "$scratch/group/cpu"
echo 50000 >"$scratch/group/cpu/cpu.cfs_quota_us"
echo 100000 >"$scratch/group/cpu/cpu.cfs_period_us"
[ "$(inside sh jobs/cores.sh)" = 1 ] || fail "cores.sh: $(inside sh jobs/cores.sh) cores of a half, version 1"
echo -1 >"$scratch/group/cpu/cpu.cfs_quota_us"
[ "$(inside sh jobs/cores.sh)" = "$(sh jobs/cores.sh)" ] || fail "cores.sh: a quota of -1 is a limit"
finish
