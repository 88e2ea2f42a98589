#!/bin/sh
# emoji-scores.sh [SEED...]: the figures of docs/emoji.md. For each split seed (1 and 2 by default) builds the
# English emoji, trains jobs/emoji-en.ini and evaluates every split. Call it from the top folder; what exists is
# used again.
set -eu
B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun -np 2}
[ $# -gt 0 ] || set -- 1 2
for seed in "$@"; do
    data=data/emoji-en-$seed.h5 run=runs/emoji-en-$seed
    [ -e "$data" ] || "$B/t2i-data" emoji --join 15 --seed "$seed" --out "$data"
    # shellcheck disable=SC2086
    $MPIRUN "$B/t2i-train" jobs/emoji-en.ini --data "$data" --out "$run"
    echo "== split seed $seed"
    # shellcheck disable=SC2086
    $MPIRUN "$B/t2i-eval" "$run" --split all
done
