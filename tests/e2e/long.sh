#!/bin/bash
# CORES: 2
# TIMEOUT: 300
# Prompts of up to 512 characters, beside short ones and with common beginnings: the same bits at any number of ranks and threads,
# at every vector level, and as a large model; activations grow as the length does and not as its square.
. tests/e2e/lib.sh.inc
awk 'BEGIN { split("red_square blue_square green_circle", n, " "); split("a the one big small old new", w, " ")
    for (i = 0; i < 48; i++) { p = ""; for (k = 0; length(p) < (i % 8 < 2 ? 30 : i * 11 + 90); k++) p = p (k ? " " : "") w[(k < 30 ? k * k : i * 3 + k * k) % 7 + 1]
        printf "%s\t%s.png\t%s\n", p, n[i % 3 + 1], i % 12 == 4 ? "validation" : "train" } }' >"$scratch/pairs.tsv"
"$B/t2i-data" build --pairs "$scratch/pairs.tsv" --features tests/golden/seed/features.safetensors --out "$scratch/d.h5" >/dev/null 2>&1 ||
    fail "no dataset"
base="--data $scratch/d.h5 --d-model 32 --heads 2 --layers 3 --d-ff 48 --batch 16 --shards 4 --lr 1e-3 --clip 1 --validate-every 3"
last=checkpoints/step-4.safetensors
levels=plain
! grep -q -w avx2 /proc/cpuinfo || levels="$levels avx2"
! grep -q -w avx512f /proc/cpuinfo || levels="$levels avx512"
[ "$(uname -m)" != aarch64 ] || levels="plain neon"

for options in "" "--dropout 0.1 --trie off"; do
    train 1 $base $options --block-size 512 --steps 4 --out "$scratch/one"
    grep -q 'truncated' "$scratch/train.log" && grep -q 'block-size 512' "$scratch/train.log" || fail "no prompt has 512 characters"
    for case in "A=1 1 2" "A=1 2 1" "A=1 3 1" "T2I_LARGE_MB=0 1 1" "T2I_LARGE_MB=0 2 1" $(printf ' T2I_VECTORS=%s,1,1' $levels); do
        train_case "${case//,/ }" $base $options --block-size 512 --steps 4 --out "$scratch/case"
        cmp "$scratch"/{one,case}/$last || fail "$options $case (a variable, np, threads): other bits"
        rm -r "$scratch/case"
    done
    rm -r "$scratch/one"
done

# activations LENGTH OPTIONS...: MB of a dry run
activations() {
    train 1 $base --threads 1 --block-size "$@" --dry-run
    sed -n 's/.*activations \([0-9.]*\) MB.*/\1/p' "$scratch/train.log"
}
for options in "" "--dropout 0.1"; do
    short=$(activations 160 $options) long=$(activations 480 $options)
    awk "BEGIN { exit !($long < 3.1 * $short) }" || fail "$options activations of $short MB for 160 characters, $long MB for 480"
done
# of a head a long path keeps two numbers per position, not a row of weights
few=$(activations 480 --dropout 0.1 --heads 2) many=$(activations 480 --dropout 0.1 --heads 8)
awk "BEGIN { exit !($many < 1.8 * $few) }" || fail "activations of $few MB with 2 heads, $many MB with 8"
finish
