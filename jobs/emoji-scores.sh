#!/bin/sh
# emoji-scores.sh [SEED...]: the figures of docs/emoji.md, and with seed 1 its sheet, docs/images/emoji-en.png. For
# each split seed (1 and 2 by default) builds the English emoji, trains jobs/emoji-en.ini and evaluates every split.
# Call it from the top folder; what exists is used again.
set -eu
B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun -np 2}
[ $# -gt 0 ] || set -- 1 2
for seed in "$@"; do
    data=data/emoji-en-$seed.h5 run=runs/emoji-en-$seed
    [ -e "$data" ] || "$B/t2i-data" emoji --join 15 --with de,fr,es,it,nl --seed "$seed" --out "$data"
    # shellcheck disable=SC2086
    $MPIRUN "$B/t2i-train" jobs/emoji-en.ini --data "$data" --out "$run"
    echo "== split seed $seed"
    "$B/t2i-generate" "$run" "smiling cat" "birthday cake" "blue car" "snow mountain" "sad face" \
        --out "$run/sheet.png" --force # and the drawings beside it
    [ "$seed" != 1 ] || cp "$run/sheet.png" docs/images/emoji-en.png
    # shellcheck disable=SC2086
    $MPIRUN "$B/t2i-eval" "$run" --split all --ranks "$run/ranks.tsv"
    awk -F'\t' '$1 == "unseen prompts" && $2 !~ / / && $2 !~ /^-/ { n++; model += $3 == 1; words += $5 == 1; both += $6 == 1 }
        END { if (n > 0) printf "single unseen words: %d; R@1 of the model %.1f %%, the text index %.1f %%, both %.1f %%\n",
            n, 100 * model / n, 100 * words / n, 100 * both / n }' "$run/ranks.tsv"
done
