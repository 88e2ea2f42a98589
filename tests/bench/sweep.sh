#!/bin/bash
# sweep.sh: samples/s beside PyTorch's over sizes of model, batch, prompts and shards, on one core. Usage: PYTHON=python-with-torch
# [CORE=1] tests/bench/sweep.sh [TABLE] (make sweep: 84 points, 35 minutes). Each line of the table is a point: its
# sizes, characters/s of both sides, their ratio. PyTorch sorts the prompts by length into as many groups (1, 4 or 8) as suit it
# best. sweep_plot.awk makes the picture of the table.
set -eu
B=${B:-build/release} CORE=${CORE:-1} table=${1:-$B/sweep.txt}
. tests/bench/measure.sh.inc
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# varied d-model heads layers d-ff batch lengths V
points() {
    for d in 32 64 96 128 192 256 384 512 768 1024; do
        heads=$((d < 64 ? 2 : d / 32))
        for batch in 1 8 64; do echo "d-model $d $heads 2 $((4 * d)) $batch 8..48 $((batch < 8 ? batch : 8))"; done
    done
    for d in 32 64 128; do
        for batch in 512 4096; do echo "batch $d $((d / 32 > 1 ? d / 32 : 2)) 2 $((4 * d)) $batch 8..48 8"; done
    done
    for layers in 1 4 12; do echo "layers 128 4 $layers 512 64 8..48 8"; done
    for heads in 1 2 8 16 32; do
        echo "heads 128 $heads 2 512 64 8..48 8"
        echo "heads 256 $heads 2 1024 64 8..48 8"
    done
    for ff in 32 128 384 1024 4096; do echo "d-ff 128 4 2 $ff 64 8..48 8"; done
    for lengths in 1..1 1..8 16..16 64..64 128..128 256..256 1..128 1..512; do
        echo "lengths 64 2 2 256 16 $lengths 8"
        echo "lengths 128 4 2 512 64 $lengths 8"
    done
    for lengths in 512..512 128..512; do echo "lengths 128 4 2 512 16 $lengths 8"; done
    for V in 1 2 4 16 32 64; do
        echo "V 128 4 2 512 64 8..48 $V"
        echo "V 64 2 2 256 512 8..48 $V"
    done
}

: >"$table"
points >"$scratch/points"
while read -r varied d heads layers ff batch lengths V; do
    data=$scratch/$lengths.h5 longest=${lengths#*..}
    [ -e "$data" ] || "$B/tests/bench/random_set" "$data" 4096 4096 512 "${lengths%..*}" "$longest"
    # as many steps as take about two seconds at 40 GF/s
    steps=$(awk "BEGIN { n = 80e9 / (6 * (4 * $d * $d + 2 * $d * $ff) * $layers * $batch * (${lengths%..*} + $longest) / 2); \
        print (n < 2 ? 2 : n > 400 ? 400 : int(n)) }")
    warmup=$((steps / 4 + 1))
    rm -rf "$scratch/run"
    on "$CORE" "$B/t2i-train" --data "$data" --d-model "$d" --heads "$heads" --layers "$layers" --d-ff "$ff" --clip 1 \
        --batch "$batch" --shards "$V" --threads 1 --block-size $((longest > 64 ? longest : 64)) --steps $((warmup + steps)) --log-every 1 \
        --validate-every 0 --checkpoint-every 0 --sample-every 0 --out "$scratch/run" 2>"$scratch/error" </dev/null || { cat "$scratch/error" >&2 && exit 1; }
    read -r ours _ <<<"$(of_log "$scratch/run" "$batch" "$warmup")"
    groups=1,4,8
    [ "$batch" -ge 8 ] || groups=1
    theirs=$(on "$CORE" "$PYTHON" tests/bench/time_torch.py large --mode varlen --d-model "$d" --heads "$heads" --layers "$layers" \
        --d-ff "$ff" --batch "$batch" --lengths "$lengths" --warmup $warmup --steps "$steps" --groups $groups </dev/null | number characters_per_s)
    echo "$varied $d $heads $layers $ff $batch $lengths $V $ours $theirs $(awk "BEGIN { printf \"%.2f\", $ours / $theirs }")" | tee -a "$table"
done <"$scratch/points"
awk '{ ratio = $11; n++; if (ratio < 1) slow++; if (n == 1 || ratio < least) least = ratio } END { printf "%d points, %d slower than PyTorch, least ratio %.2f\n", n, slow, least }' "$table"
