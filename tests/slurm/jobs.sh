#!/bin/bash
# TIMEOUT: 300
# The job scripts on a real Slurm with two nodes: a preemption, a killed rank, a node that is reset, the loss of one after which the
# run goes on at half its size, an array; each run ends in the bits of one that nobody disturbed. A job that is lost at the same step
# again and again ends; a dataset is built. The long form is night.sh.
nodes=2
. tests/slurm/slurm.sh.inc
for script in slurm/{train,array,build} examples/sweep; do
    sbatch --test-only $script.sbatch 2>"$scratch/log" || { fail "sbatch does not take $script.sbatch"; cat "$scratch/log"; }
done

small_job "steps = 2500" "validate-every = 0" "keep = 99"

# what t2i-doctor sees from two nodes: a folder that both have, and each one's own /tmp
doctor() { srun -N2 --ntasks-per-node=2 "$B/t2i-doctor" --threads 1 "$@" >"$scratch/doctor.log" 2>&1 || fail "t2i-doctor $*: $?"; }
says() { grep -q "^$1" "$scratch/doctor.log" || { fail "no '$1'"; cat "$scratch/doctor.log"; }; }
doctor --data "$scratch/d.h5" --out "$scratch/none"
says "ok *launcher *4 ranks on 2 hosts, started by srun"
says "ok *shared-folder *.* is visible on all hosts"
says "ok *folder *"
says "ok *clock *at most 0"
says "ok *dead-links *not detected by mpirun"
doctor --out /tmp/none
says "warning *shared-folder */tmp of rank 0 is not visible on n2"
train 1 "$scratch/job.ini" --out "$scratch/whole"
train 1 "$scratch/job.ini" --seed 2 --out "$scratch/seed2"
edited train.sbatch
cp "$scratch/train.sbatch" "$scratch/elastic.sbatch"
sed -i -e '/^#SBATCH --ntasks=/d' -e 's/^RANKS_PER_NODE=/RANKS_PER_NODE=2/' "$scratch/elastic.sbatch"
edited array.sbatch -e "s|^JOBS=.*|JOBS=($scratch/job.ini)|; s|^SEEDS=.*|SEEDS=(1 2)|; s|^RUNS=[^ ]*|RUNS=$scratch/sweep|" -e 's|^#SBATCH --ntasks=.*|#SBATCH --ntasks=1|'
edited build.sbatch -e "s|^PAIRS=[^ ]*|PAIRS=jobs/tutorial/pairs.tsv|; s|^IMAGES=[^ ]*|IMAGES=jobs/tutorial|; s|^OUT=[^ ]*|OUT=$scratch/built.h5|" -e 's|^#SBATCH --ntasks=.*|#SBATCH --ntasks=2|'
# a start that dies before it saves
cat >"$scratch/lost" <<'END'
#!/bin/bash
printf '{\n "state": "running",\n "step": 0\n}\n' >"$3/status.json"
exit 71
END
chmod +x "$scratch/lost"
sed "s|^TRAIN=[^ ]*|TRAIN=$scratch/lost|" "$scratch/train.sbatch" >"$scratch/lost.sbatch"
rank_of() { pgrep -f -- "^[^ ]*t2i-train .*--out $1" | head -n 1; }
array_ended() { [ -z "$(squeue -h -j "$array" 2>/dev/null)" ]; }
run=$scratch/run
job=$(JOB=$scratch/job.ini OUT=$run submit --nodes=1-2 --mincpus=2 "$scratch/elastic.sbatch")
wait_until 60 "the first start" past "$run" 150
note "USR1 at step $(step_of "$run")"
scancel --signal=USR1 --batch "$job"
wait_until 30 "a requeue" is_state "$job" PENDING
saved=$(newest "$run")
grep -q '"exit": 75' "$run/status.json" && [ "$saved" -ge 150 ] && [ $((saved % 100)) -ne 0 ] || fail "no checkpoint after USR1: $(cat "$run/status.json")"
note "requeued, saved at step $saved"
wait_until 60 "the second start" past "$run" $((saved + 200))
kill -KILL "$(rank_of "$run")"
again() { grep -q 'starting the ranks again on the same nodes' "$scratch/shapes-$job.log"; }
wait_until 20 "the ranks again after one was killed" again
saved=$(newest "$run")
wait_until 30 "steps after a rank was killed" past "$run" $((saved + 120))
note "a rank was killed, at step $(step_of "$run") again"
testbed kill n2 # and is back before Slurm notices: what ran there never ends for Slurm
testbed revive n2
wait_until 60 "a requeue after a node was reset" is_state "$job" PENDING
grep -q 'a node does not end what ran there; requeueing' "$scratch/shapes-$job.log" || fail "the job was not requeued by the script"
saved=$(newest "$run")
wait_until 60 "the third start" past "$run" $((saved + 120))
note "n2 was reset, at step $(step_of "$run") again"
testbed kill n2
note "n2 lost at step $(step_of "$run")"
array=$(submit --array=0-1 "$scratch/array.sbatch") # meanwhile, on n1
wait_until 60 "task 0" past "$scratch/sweep/job-seed1" 20
held=$(rank_of "$scratch/sweep/job-seed1")
[ -z "$held" ] || kill -STOP "$held" # the steps of task 0 are not those of task 1
wait_until 60 "task 1" past "$scratch/sweep/job-seed2" 20
kill -KILL "$(rank_of "$scratch/sweep/job-seed2")"
again_in_task() { grep -q 'starting the ranks again on the same nodes' "$scratch/sweep-$array-1.log"; }
wait_until 20 "task 1 again after its rank was killed" again_in_task
[ -z "$held" ] || kill -CONT "$held"
wait_until 30 "steps of task 1" past "$scratch/sweep/job-seed2" 300
scancel --signal=USR1 --batch "${array}_1"
lost=$(JOB=$scratch/job.ini OUT=$scratch/never submit --job-name=lost --nodes=1 --ntasks=1 "$scratch/lost.sbatch")
build=$(submit "$scratch/build.sbatch")
wait_until 60 "a requeue after the loss" is_state "$job" PENDING
note "requeued, the newest checkpoint is of step $(newest "$run")"
wait_until 90 "its end" is_state "$job" "COMPLETED FAILED CANCELLED"
wait_until 90 "the array's end" array_ended
wait_until 60 "the end of what is lost again and again" is_state "$lost" "FAILED CANCELLED"
note "no fourth start"
wait_until 30 "the dataset" is_state "$build" "COMPLETED FAILED"
scontrol -o show job "$lost" | grep -q ' ExitCode=70:0 ' && grep -q 'three starts got no further than step 0' "$scratch/lost-$lost.log" &&
    [ "$(grep -c '; starting the ranks again' "$scratch/lost-$lost.log")" -eq 1 ] && [ "$(grep -c '; requeueing' "$scratch/lost-$lost.log")" -eq 2 ] ||
    { fail "three lost starts"; cat "$scratch/lost-$lost.log"; }
"$B/t2i-data" build --pairs jobs/tutorial/pairs.tsv --images jobs/tutorial --out "$scratch/alone.h5" >/dev/null 2>&1
cmp "$scratch"/{alone,built}.h5 || fail "build.sbatch made something else"
cmp "$scratch"/{whole,run}/checkpoints/step-2500.safetensors || fail "other bits"
cmp "$scratch"/{whole,sweep/job-seed1}/checkpoints/step-2500.safetensors || fail "other bits in task 0"
cmp "$scratch"/{seed2,sweep/job-seed2}/checkpoints/step-2500.safetensors || fail "other bits in task 1"
grep -q "^train.sbatch: .* start 2: .*seed2" "$scratch/sweep-$array-1.log" || fail "task 1 was not requeued"
grep '^train.sbatch: .* start [1-9]:' "$scratch/shapes-$job.log" | sed 's/.*start \([0-9]*: [0-9]* ranks on [^;]*\);.*/\1/' >"$scratch/starts"
printf '%s\n' "1: 4 ranks on n[1-2]" "2: 4 ranks on n[1-2]" "3: 4 ranks on n[1-2]" "4: 2 ranks on n1" | cmp - "$scratch/starts" || { fail "starts:"; cat "$scratch/starts"; }
note "ended"
[ "$failures" -eq 0 ] || show
finish
