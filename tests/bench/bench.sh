#!/bin/bash
# make bench: samples/s on one core, beside PyTorch on the same core where $PYTHON has it, in turn, $ROUNDS times.
# Prints the median of the ratios with their spread, and writes $B/bench.json.
set -eu
B=${B:-build/release} PYTHON=${PYTHON:-python3} ROUNDS=${ROUNDS:-7}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
pin=""
command -v taskset >/dev/null && pin="taskset -c 0"
"$B/tests/bench/random_set" "$scratch/d.h5"

# ours BATCH: samples/s of 30 steps after 15 that are not counted
ours() {
    rm -rf "$scratch/run"
    $pin "$B/t2i-train" --data "$scratch/d.h5" --out "$scratch/run" --d-model 128 --layers 4 --heads 4 --d-ff 512 \
        --batch 64 --clip 1 --steps 45 --log-every 15 --validate-every 0 --checkpoint-every 0 2>"$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
    sed -n 's/.*"step":\(30\|45\),.*"samples_per_s":\([^,]*\),.*/\2/p' "$scratch/run/log.jsonl" | awk '{ s += 1 / $1 } END { print NR / s }'
}
torch() { # MODE
    (cd tests/bench && $pin "$PYTHON" time_torch.py large --mode "$1" --steps 30) | sed -n 's/.*"samples_per_s": \([^,]*\),.*/\1/p'
}

have_torch=0
"$PYTHON" -c 'import torch' 2>/dev/null && have_torch=1
[ $have_torch -eq 1 ] || echo "PyTorch is not in $PYTHON (set PYTHON=...): only our own speed is measured"
for round in $(seq "$ROUNDS"); do
    mine=$(ours)
    if [ $have_torch -eq 1 ]; then sorted=$(torch varlen) padded=$(torch padded); else sorted=0 padded=0; fi
    echo "$mine $sorted $padded" >>"$scratch/rounds"
    echo "round $round: t2i-train $mine, PyTorch sorted by length $sorted, padded $padded samples/s"
done
awk -v n="$ROUNDS" -v out="$B/bench.json" -v torch=$have_torch '
    function median(a, k,   i, j, t, b) { for (i = 1; i <= k; i++) b[i] = a[i]
        for (i = 1; i <= k; i++) for (j = i + 1; j <= k; j++) if (b[j] < b[i]) { t = b[i]; b[i] = b[j]; b[j] = t }
        low = b[1]; high = b[k]; return k % 2 ? b[(k + 1) / 2] : (b[k / 2] + b[k / 2 + 1]) / 2 }
    function row(name, a) { m = median(a, NR); printf "%-58s %8.2f  (%.2f .. %.2f)\n", name, m, low, high
        json = json sep "\"" name "\": {\"median\": " m ", "; sep = ", "
        json = json "\"low\": " low ", \"high\": " high "}" }
    { mine[NR] = $1; if (torch) { s[NR] = $1 / $2; p[NR] = $1 / $3 } }
    END { print "\nd 128, 4 layers, batch 64, lengths 8..48, one core; median (low .. high) of " NR " rounds"
        row("samples/s", mine)
        if (torch) { row("times PyTorch, sorted by length", s); row("times PyTorch, padded", p) }
        print "{" json "}" >out }' "$scratch/rounds"
