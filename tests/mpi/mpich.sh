#!/bin/bash
# TIMEOUT: 300
# The program with MPICH: builds, adds up alike, trains and resumes to the same bits as with Open MPI.
. tests/e2e/lib.sh.inc
command -v mpicc.mpich >/dev/null && command -v mpirun.mpich >/dev/null || { echo "needs MPICH (libmpich-dev)"; exit 77; }
case $B in *-mpich) echo "compares MPICH with Open MPI: run it for a build with that"; exit 77 ;; esac
unset MAKEFLAGS MAKELEVEL
make -s -j2 MODE="${B##*/}" CC=mpicc.mpich V=1 "$B-mpich/t2i-train" "$B-mpich/tests/mpi/comm" "$B-mpich/tests/mpi/reduce" || fail "does not build"
[ "$(ldd "$B-mpich/t2i-train" | grep -c 'libmpi')" -eq 1 ] || fail "libraries: $(ldd "$B-mpich/t2i-train" | grep libmpi)"

other=$MPIRUN
for test in comm reduce; do
    for case in "T2I_NODE_RANKS=0 1" "T2I_NODE_RANKS=0 3" "T2I_NODE_RANKS=2 5" "T2I_NODE_MEMORY=0 2"; do
        env "${case% *}" timeout 100 mpirun.mpich -np "${case#* }" "$B-mpich/tests/mpi/$test" >"$scratch/log" 2>&1 ||
            { fail "$test: $case"; cat "$scratch/log"; }
    done
done
small_dataset "$scratch/d.h5"
options="--data $scratch/d.h5 $small_model --checkpoint-every 5"
train 2 $options --steps 20 --out "$scratch/openmpi"
for step in 10 20; do
    timeout 100 mpirun.mpich -np $((step / 10 + 1)) "$B-mpich/t2i-train" $options --steps $step --out "$scratch/mpich" >"$scratch/log" 2>&1 ||
        { fail "to step $step"; cat "$scratch/log"; }
done
cmp "$scratch"/{openmpi,mpich}/checkpoints/step-20.safetensors || fail "other bits than with Open MPI"

# One's programs under the other's launcher.
expect 71 "with Slurm use \`srun --mpi=pmi2\`" env OMPI_COMM_WORLD_SIZE=2 "$B-mpich/t2i-train" $options --steps 1 --out "$scratch/none"
timeout 60 mpirun.mpich -np 2 "$B/t2i-train" $options --steps 1 --out "$scratch/none" >"$scratch/log" 2>&1 && fail "Open MPI under MPICH's launcher"
grep -q 'the launcher started 2 tasks, but MPI sees only this one; with Slurm use `srun --mpi=pmix`' "$scratch/log" || { fail "not said:"; cat "$scratch/log"; }
timeout 60 $other -np 2 "$B-mpich/t2i-train" $options --steps 1 --out "$scratch/none" >"$scratch/log" 2>&1 && fail "MPICH under Open MPI's launcher"
grep -q 'the launcher started 2 tasks, but MPI sees only this one; with Slurm use `srun --mpi=pmi2`' "$scratch/log" || { fail "not said:"; cat "$scratch/log"; }
[ ! -e "$scratch/none" ] || fail "a refused start made its run folder"
finish
