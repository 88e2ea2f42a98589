#!/bin/bash
# Started by something that does not fit: N programs that would each be alone are refused, with what to do.
. tests/e2e/lib.sh.inc
for name in $(env | sed -n 's/^\(\(SLURM\|PMI\|PMIX\|OMPI\)_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done # of what runs this test
small_dataset "$scratch/d.h5"
options="--data $scratch/d.h5 $small_model --steps 2"
refused() { # NAME=VALUE...
    expect 71 "the launcher started 3 tasks, but MPI sees only this one; with Slurm use" env "$@" "$B/t2i-train" $options --out "$scratch/none"
}
refused OMPI_COMM_WORLD_SIZE=3
refused PMI_SIZE=3 PMI_RANK=0
refused SLURM_STEP_NUM_TASKS=3 PMIX_RANK=0
[ ! -e "$scratch/none" ] || fail "a refused start made its run folder"
# Fewer tasks than the job has, and mpirun inside of a step.
SLURM_NTASKS=3 train 2 $options --out "$scratch/two" || fail "SLURM_NTASKS alone may differ"
SLURM_STEP_NUM_TASKS=3 train 1 $options --out "$scratch/one" || fail "mpirun -np 1 in a step of three tasks"
SLURM_NTASKS=3 timeout 60 "$B/t2i-train" $options --out "$scratch/bare" >"$scratch/log" 2>&1 || fail "one program alone in a job of three"
grep -q "warning: Slurm gave this job 3 tasks, but this is one rank alone" "$scratch/log" || { fail "no warning"; cat "$scratch/log"; }
cmp "$scratch/one/model.safetensors" "$scratch/bare/model.safetensors" || fail "other bits"
finish
