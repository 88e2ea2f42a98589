#!/bin/bash
# make scaling-model: what a step takes on 1 to 1,024 ranks, by a model (model.awk) of what is measured here: a rank's computing (in processor time)
# and a node's sum of gradients. What messages between nodes cost is in network.txt, by SimGrid (run.sh).
set -eu
here=tests/bench/smpi B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$B/tests/bench/random_set" "$work/d.h5"
# run NP BATCH STEPS
run() {
    $MPIRUN -np "$1" "$B/t2i-train" --data "$work/d.h5" --d-model 128 --layers 4 --heads 4 --d-ff 512 --clip 1 --shards 8 --threads 1 \
        --batch "$2" --steps "$3" --log-every 1 --validate-every 0 --checkpoint-every 0 --out "$work/$1-$2-$3" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
}
# computes BATCH: processor seconds of a step of one rank; what else runs on the machine hardly shows in them
computes() {
    local TIMEFORMAT=%U few many
    few=$({ time run 1 "$1" 10; } 2>&1)
    many=$({ time run 1 "$1" 50; } 2>&1)
    awk -v few="$few" -v many="$many" 'BEGIN { print (many - few) / 40 }'
}
# both BATCH: the fastest step of two ranks
both() {
    run 2 "$1" 50
    sed -n 's/.*"samples_per_s":\([-+.0-9eE]*\).*/\1/p' "$work/2-$1-50/log.jsonl" | awk -v batch="$1" '$1 > most { most = $1 } END { print batch / most }'
}
{
    for batch in 32 64 128; do echo "compute $batch $(computes $batch)"; done
    echo "two 64 $(both 128)"
    $MPIRUN -np 2 "$B/t2i-doctor" --threads 1 --json | awk '/"bytes"/ { bytes = $2 + 0 } /"seconds"/ { print "sum", bytes, $2 + 0 }'
    sed 's/^[0-9]/network &/' $here/network.txt
    echo "parameters $(sed -n 's/.*model: \([0-9]*\) parameters.*/\1/p' "$work/said")"
} >"$work/measured"
awk -f $here/model.awk "$work/measured" | tee "$work/table"
"$B/tests/bench/model_plot" "$B/model.png" <"$work/table"
echo "drawn: $B/model.png"
