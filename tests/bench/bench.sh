#!/bin/bash
# make bench: training and encoding on one core, beside PyTorch on the same core where $PYTHON has it, in turn, $ROUNDS times.
# Prints the median of the ratios with their spread, and writes $B/bench.json. WHAT="train encode" chooses.
set -eu
B=${B:-build/release} PYTHON=${PYTHON:-python3} ROUNDS=${ROUNDS:-7}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
pin=""
command -v taskset >/dev/null && pin="taskset -c 0"
MPIRUN=${MPIRUN:-mpirun} WHAT=${WHAT:-train encode}

have_torch=0
"$PYTHON" -c 'import torch' 2>/dev/null && have_torch=1
[ $have_torch -eq 1 ] || echo "PyTorch is not in $PYTHON (set PYTHON=...): only our own speed is measured"

# table FILE TITLE NAME KIND...: of each column of FILE (a line a round) the median and the spread
table() {
    file=$1 title=$2
    shift 2
    awk -v title="$title" -v names="$(printf '%s|' "$@")" -v out="$scratch/json" '
        function median(c,   i, j, t, b) { for (i = 1; i <= NR; i++) b[i] = v[i, c]
            for (i = 1; i <= NR; i++) for (j = i + 1; j <= NR; j++) if (b[j] < b[i]) { t = b[i]; b[i] = b[j]; b[j] = t }
            low = b[1]; high = b[NR]; return NR % 2 ? b[(NR + 1) / 2] : (b[NR / 2] + b[NR / 2 + 1]) / 2 }
        { for (c = 1; c <= NF; c++) v[NR, c] = $c }
        END { n = split(names, name, "|") - 1
            print "\n" title "; median (low .. high) of " NR " rounds"
            for (c = 1; c <= n; c++) { m = median(c); printf "%-58s %8.2f  (%.2f .. %.2f)\n", name[c], m, low, high
                printf "\"%s: %s\": {\"median\": %s, \"low\": %s, \"high\": %s}\n", title, name[c], m, low, high >>out } }' "$file"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { print a / b }'; }

# ---- training ----

# samples/s of 30 steps after 15 that are not counted
ours() {
    rm -rf "$scratch/run"
    $pin "$B/t2i-train" --data "$scratch/d.h5" --out "$scratch/run" --d-model 128 --layers 4 --heads 4 --d-ff 512 \
        --batch 64 --clip 1 --steps 45 --log-every 15 --validate-every 0 --checkpoint-every 0 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
    sed -n 's/.*"step":\(30\|45\),.*"samples_per_s":\([^,]*\),.*/\2/p' "$scratch/run/log.jsonl" | awk '{ s += 1 / $1 } END { print NR / s }'
}
torch() { # MODE
    (cd tests/bench && $pin "$PYTHON" time_torch.py large --mode "$1" --steps 30) | sed -n 's/.*"samples_per_s": \([^,]*\),.*/\1/p'
}

train() {
    "$B/tests/bench/random_set" "$scratch/d.h5"
    for round in $(seq "$ROUNDS"); do
        mine=$(ours)
        line=$mine
        if [ $have_torch -eq 1 ]; then
            sorted=$(torch varlen) padded=$(torch padded)
            line="$mine $(ratio "$mine" "$sorted") $(ratio "$mine" "$padded")"
            echo "round $round: t2i-train $mine, PyTorch sorted by length $sorted, padded $padded samples/s"
        else
            echo "round $round: t2i-train $mine samples/s"
        fi
        echo "$line" >>"$scratch/train"
    done
    set -- "samples/s"
    [ $have_torch -eq 0 ] || set -- "$@" "times PyTorch, sorted by length" "times PyTorch, padded"
    table "$scratch/train" "d 128, 4 layers, batch 64, lengths 8..48, one core" "$@"
}

# ---- ResNet-18 ----

encoded() { sed -n 's/.*"pictures_per_s": \([^,]*\),.*/\1/p'; }
# seconds NP: t2i-data build of 400 pictures, weights read and file written
seconds() {
    begin=$(date +%s%N)
    $MPIRUN -np "$1" "$B/t2i-data" build --pairs "$scratch/pairs.tsv" --images "$scratch" --out "$scratch/e.h5" --encoder resnet18 \
        --weights "$scratch/resnet18.pth" 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
    awk -v a="$begin" -v b="$(date +%s%N)" 'BEGIN { print (b - a) / 1e9 }'
}
encode() {
    "$B/tests/helper/formula_weights" "$scratch/resnet18.pth"
    for i in $(seq 400); do
        cp tests/golden/resnet18/images/wide_500x333.png "$scratch/$i.png"
        printf 'picture %d\t%d.png\n' "$i" "$i"
    done >"$scratch/pairs.tsv"
    for round in $(seq "$ROUNDS"); do
        mine=$($pin "$B/tests/bench/resnet" | encoded)
        one=$(seconds 1) two=$(seconds 2)
        line="$mine $(ratio "$one" "$two")"
        if [ $have_torch -eq 1 ]; then
            torch=$($pin "$PYTHON" tests/bench/time_resnet.py | encoded)
            line="$line $(ratio "$mine" "$torch")"
            echo "round $round: ResNet-18 $mine pictures/s, PyTorch $torch; 400 pictures $one s at np 1, $two s at np 2"
        else
            echo "round $round: ResNet-18 $mine pictures/s; 400 pictures $one s at np 1, $two s at np 2"
        fi
        echo "$line" >>"$scratch/encode"
    done
    set -- "pictures/s" "np 2 against np 1, whole build of 400 pictures"
    [ $have_torch -eq 0 ] || set -- "$@" "times PyTorch, its best of layouts and batches"
    table "$scratch/encode" "ResNet-18, 224 x 224, one core" "$@"
}

for what in $WHAT; do $what; done
{ echo "{" && sed '$!s/$/,/' "$scratch/json" && echo "}"; } >"$B/bench.json"
