#!/bin/bash
# CORES: 2
# TIMEOUT: 600
# The same datasets and checkpoints on any CPU: at every vector level, with whatever kernels OpenBLAS picks, and when
# ranks differ in them.
. tests/e2e/lib.sh.inc

# Datasets: PCA of few pictures (shapes) and of many (emoji), ResNet-18 with its ridge decoder.
"$B/tests/helper/formula_weights" "$scratch/w.safetensors"
printf 'red\tred_square.png\n' >"$scratch/one.tsv"
datasets() {
    "$B/t2i-data" shapes --dim 8 --out "$scratch/shapes.h5" &&
        "$B/t2i-data" emoji --dim 4 --out "$scratch/emoji.h5" &&
        "$B/t2i-data" build --pairs "$scratch/one.tsv" --images tests/golden/resnet18/images --encoder resnet18 \
            --weights "$scratch/w.safetensors" --out "$scratch/resnet.h5" || return
    for name in shapes emoji resnet; do
        echo "$name $("$B/t2i-data" info "$scratch/$name.h5" | sed -n 's/^digest *//p')"
    done
} 2>"$scratch/data.log"
datasets >"$scratch/expected" || { cat "$scratch/data.log"; fail "datasets"; }
[ "$(grep -c ' [0-9a-f]\{32\}$' "$scratch/expected")" -eq 3 ] || { cat "$scratch/expected"; fail "no digests"; }
for how in T2I_VECTORS=plain T2I_VECTORS=avx2 T2I_VECTORS=neon OPENBLAS_CORETYPE=Prescott; do
    env "$how" "$B/t2i-data" --version >/dev/null 2>&1 || continue
    export "${how?}"
    datasets >"$scratch/got" && rc=0 || rc=$?
    unset "${how%=*}"
    [ $rc -eq 64 ] && grep -q 'this CPU has' "$scratch/data.log" && continue
    cmp "$scratch/expected" "$scratch/got" || { cat "$scratch/expected" "$scratch/got" "$scratch/data.log"; fail "$how: other datasets"; }
done
rm -f "$scratch"/*.h5 "$scratch/w.safetensors"

small_dataset "$scratch/d.h5"
"$B/tests/helper/eval_set" "$scratch/set" 40 8 24
# everything that a step may do
common="--layers 2 --block-size 40 --lr 1e-3 --clip 1 --schedule cosine --warmup 5 --loss contrastive --augment 0.5 --ema 0.9
        --validate-every 7 --steps 20"
last=checkpoints/step-20.safetensors

# alike NAME: the run of that name ended as the one at T2I_VECTORS=plain and np 1 did.
alike() {
    for file in $last model.safetensors best.safetensors; do
        cmp "$scratch/plain1/$file" "$scratch/$1/$file" || fail "$1: another $file"
    done
}

# all pictures, a sample of them; the last two with pieces of words and a space to search in
for negatives in 4096 2 5 batch; do
    # widths that fill no vector; and such that zeros are skipped, forward and backward, in shards of many rows
    case $negatives in
        2) model="--data $scratch/d.h5 --d-model 132 --heads 3 --d-ff 150 --batch 52 --shards 4 --trie off" ;;
        4096) model="--data $scratch/d.h5 --d-model 36 --heads 3 --d-ff 50 --batch 12" ;;
        *)
            model="--data $scratch/set/set.h5 --d-model 36 --heads 3 --d-ff 50 --batch 12
                --ngram-buckets 500 --ngram-hidden 21 --embed-dim 17"
            ;;
    esac
    rm -rf "$scratch"/{plain,avx2,avx512,neon,Haswell,Prescott,mixed}*
    levels=
    for level in plain avx2 avx512 neon; do
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
