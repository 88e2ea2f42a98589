#!/bin/bash
# CORES: 2
# TIMEOUT: 300
# The same checkpoint whatever the CPU: at every vector level, with whatever kernels OpenBLAS picks, and when ranks differ in them.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
# everything that a step may do
common="--data $scratch/d.h5 --layers 2 --block-size 40 --lr 1e-3 --clip 1 --schedule cosine --warmup 5 --loss contrastive --augment 0.5 --ema 0.9
        --validate-every 7 --steps 20"
last=checkpoints/step-20.safetensors

# alike NAME: the run of that name ended as the one at T2I_VECTORS=plain and np 1 did.
alike() {
    for file in $last model.safetensors best.safetensors; do
        cmp "$scratch/plain1/$file" "$scratch/$1/$file" || fail "$1: another $file"
    done
}

for negatives in 4096 2; do # all pictures, a sample of them
    # widths that fill no vector; and such that zeros are skipped, forward and backward, in shards of many rows
    case $negatives in
        2) model="--d-model 132 --heads 3 --d-ff 150 --batch 52 --shards 4 --trie off" ;;
        *) model="--d-model 36 --heads 3 --d-ff 50 --batch 12" ;;
    esac
    rm -rf "$scratch"/{plain,avx2,avx512,Haswell,Prescott,mixed}*
    levels=
    for level in plain avx2 avx512; do
        T2I_VECTORS=$level train 1 $common $model --negatives $negatives --out "$scratch/${level}1" && rc=0 || rc=$?
        [ $rc -eq 64 ] && { grep -q 'this CPU has' "$scratch/train.log" || fail "$level: refused for another reason"; continue; }
        [ $rc -eq 0 ] || fail "$level: exit code $rc"
        levels="$levels $level"
        T2I_VECTORS=$level train 2 $common $model --negatives $negatives --out "$scratch/${level}2"
        alike ${level}1
        alike ${level}2
    done
    for core in Haswell Prescott; do
        [ $core = Haswell ] && [ "$levels" = " plain" ] && continue
        OPENBLAS_CORETYPE=$core train 1 $common $model --negatives $negatives --out "$scratch/$core"
        alike $core
    done
    # each rank its own level and BLAS, in one run
    cat >"$scratch/mixed.sh" <<END
#!/bin/bash
levels=($levels) cores=(Prescott Haswell Prescott)
i=\$((\${OMPI_COMM_WORLD_RANK:-\${PMI_RANK:-\${SLURM_PROCID:-0}}} % \${#levels[@]}))
T2I_VECTORS=\${levels[i]} OPENBLAS_CORETYPE=\${cores[i]} exec "$B/t2i-train" "\$@"
END
    chmod +x "$scratch/mixed.sh"
    timeout 100 $MPIRUN -np 3 "$scratch/mixed.sh" $common $model --negatives $negatives --out "$scratch/mixed" >"$scratch/train.log" 2>&1 ||
        { cat "$scratch/train.log"; fail "ranks that differ in their vectors and BLAS"; }
    alike mixed
done
finish
