#!/bin/bash
# TIMEOUT: 300
# The node of srun is cut off from the others for longer than the watchdog waits, and back before Slurm gives it up: the ranks have
# ended, and srun never learns of it. train.sbatch does, and the run ends in the bits of an undisturbed one. SOAK=1 make check-slurm.
[ -n "${SOAK:-}" ] || { echo "takes four minutes: SOAK=1"; exit 77; }
export SLURMD_TIMEOUT=200
nodes=3
. tests/slurm/slurm.sh.inc
small_job "steps = 3000" "validate-every = 0" "watchdog = 5"
train 1 "$scratch/job.ini" --out "$scratch/whole"
edited train.sbatch
run=$scratch/run
job=$(JOB=$scratch/job.ini OUT=$run submit --nodes=3 --ntasks=6 --ntasks-per-node=2 "$scratch/train.sbatch")
wait_until 90 "some steps" past "$run" 300
testbed cut n1
sleep 75
note "n1 was cut off at step $(step_of "$run"), and is back"
testbed mend n1
wait_until 240 "the end" is_state "$job" "COMPLETED FAILED CANCELLED"
grep -q 'srun does not notice' "$scratch/shapes-$job.log" || fail "srun ended by itself"
cmp "$scratch"/{whole,run}/checkpoints/step-3000.safetensors || fail "other bits"
note "ended"
[ "$failures" -eq 0 ] || show
finish
