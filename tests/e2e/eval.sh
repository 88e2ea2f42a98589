#!/bin/bash
# eval.sh: t2i-eval from the outside: the same figures alone and at any number of ranks, whatever is kept; splits; samples;
# what it refuses, in one line.
# TIMEOUT: 300
. tests/e2e/lib.sh.inc
"$B/tests/helper/eval_set" "$scratch" 1500 150 20
model=$scratch/model.safetensors data=$scratch/set.h5
eval_at() { # NP (0: alone) OPTIONS...
    np=$1
    shift
    if [ "$np" -eq 0 ]; then "$B/t2i-eval" "$model" --data "$data" "$@"; else
        timeout 100 $MPIRUN -np "$np" "$B/t2i-eval" "$model" --data "$data" "$@"
    fi
}

# ---- one answer ----
eval_at 0 --split all --json >"$scratch/alone.json" 2>"$scratch/alone.err" || { fail "alone"; cat "$scratch/alone.err"; }
for np in 1 2 3 7; do
    eval_at $np --split all --json >"$scratch/np.json" 2>"$scratch/np.err" || { fail "np $np"; cat "$scratch/np.err"; }
    cmp "$scratch/alone.json" "$scratch/np.json" || { fail "np $np says something else"; diff "$scratch/alone.json" "$scratch/np.json" | head; }
    cmp "$scratch/alone.err" <(grep '^t2i-eval:' "$scratch/np.err") || { fail "np $np warns of something else"; cat "$scratch/np.err"; }
done
for np in 0 2; do
    eval_at $np --split all --json --threads 3 2>/dev/null | cmp - "$scratch/alone.json" || fail "3 threads say something else, np $np"
done
OMP_NUM_THREADS=1 eval_at 0 --split all --json 2>/dev/null | cmp - "$scratch/alone.json" || fail "one thread says something else"
[ "$(grep -c '"split":' "$scratch/alone.json")" -eq 4 ] || fail "not four splits"
[ "$(grep -c '"text_index": {' "$scratch/alone.json")" -eq 4 ] && [ "$(grep -c '"minus_text_index": {' "$scratch/alone.json")" -eq 8 ] ||
    fail "no text index, or no difference"
grep -q 'train: by Euclidean distance, .* prompts have a wrong picture exactly as close' "$scratch/alone.err" ||
    { fail "ties were not told"; cat "$scratch/alone.err"; }
# a split says alone what it says among all
for split in train validation unseen-prompts unseen-pictures; do
    eval_at 2 --split $split --json 2>/dev/null >"$scratch/one.json"
    sed -n "/\"split\": \"${split/-/ }\"/,/^  }/p" "$scratch/alone.json" | sed 's/^  //; $s/,$//' >"$scratch/part.json"
    cmp <(sed 1d "$scratch/one.json") "$scratch/part.json" || fail "$split says something else alone"
done
eval_at 0 --json 2>/dev/null | grep -q '"split": "validation"' || fail "not validation by default"
eval_at 2 >"$scratch/table" 2>/dev/null || fail "no table"
# the first lines are sentences, held-out splits before the training split, with the figures of the tables
[ "$(sed -n '1,4s/^The model finds the right picture first for [0-9.]* % of [0-9]* \([a-z-]* prompts\) (split .*; chance [0-9.]* %)\.$/\1/p' "$scratch/table" | uniq | paste -s -d ' ')" = "held-out prompts training prompts" ] ||
    { fail "no sentences"; head -n 6 "$scratch/table"; }
[ "$(grep -c '^Split' "$scratch/table")" -eq 4 ] && grep -q '^nearest prompt' "$scratch/table" && [ "$(grep -c '^text index ' "$scratch/table")" -eq 4 ] &&
    [ "$(grep -c '^cosine less text index: R@1 ' "$scratch/table")" -eq 4 ] || { fail "not a table of all splits"; cat "$scratch/table"; }
eval_at 0 --split train --json 2>/dev/null | tr -d ' \n' | grep -q '"trigrams":{"r1":1.0,"r5":1.0,' || fail "training prompts do not find themselves"

# ---- a search space of its own ----
"$B/tests/helper/eval_set" "$scratch/space" 1500 150 1000 12 # three blocks of pictures
model=$scratch/space/model.safetensors data=$scratch/space/set.h5
eval_at 0 --split all --json --memory 1 >"$scratch/space.json" 2>/dev/null || fail "a search space"
for np in 1 3; do
    eval_at $np --split all --json 2>/dev/null | cmp - "$scratch/space.json" || fail "another search space at np $np"
done

# ---- ways to draw, from pictures that train ----
for file in tests/golden/resnet18/images/*.png; do
    printf 'picture %s\t%s\nonce more %s\t%s\n' "$(basename "$file" .png)" "$(basename "$file")" "$(basename "$file")" "$(basename "$file")"
done >"$scratch/drawn.tsv"
"$B/t2i-data" build --pairs "$scratch/drawn.tsv" --images tests/golden/resnet18/images --out "$scratch/drawn.h5" >/dev/null 2>&1 || fail "no drawn.h5"
train 1 --data "$scratch/drawn.h5" --out "$scratch/drawn" --steps 3 --batch 4 --d-model 8 --heads 2 --layers 1 --d-ff 8 --loss contrastive \
    --embed-dim 4 --validate-every 0 --checkpoint-every 0
model=$scratch/drawn data=$scratch/drawn.h5
eval_at 0 --split all --json >"$scratch/drawn.json" 2>/dev/null || fail "nothing drawn"
grep -q '"sure_first": [0-9]' "$scratch/drawn.json" || { fail "no PSNR of ways to draw"; cat "$scratch/drawn.json"; }
for np in 1 3; do
    eval_at $np --split all --json 2>/dev/null | cmp - "$scratch/drawn.json" || fail "other drawings at np $np"
done
model=$scratch/model.safetensors data=$scratch/set.h5

# ---- the rank of each prompt ----
eval_at 0 --split validation --json --ranks "$scratch/ranks.tsv" >"$scratch/ranked.json" 2>/dev/null || fail "no ranks"
eval_at 3 --split validation --json --ranks "$scratch/np.tsv" >/dev/null 2>&1 || fail "no ranks at np 3"
cmp "$scratch/ranks.tsv" "$scratch/np.tsv" || fail "other ranks at np 3"
for column in 3:cosine 4:euclidean 5:text_index; do
    key=${column#*:}
    awk -F'\t' -v c="${column%:*}" 'NR == 1 { next } { n++; one += $c == 1; mrr += 1 / $c } END { printf "%.6f %.6f\n", one / n, mrr / n }' \
        "$scratch/ranks.tsv" >"$scratch/said"
    tr -d ' \n' <"$scratch/ranked.json" | sed "s/.*\"$key\":{\"r1\":\([^,]*\),.*/\1/; s/\$/\n/" >"$scratch/r1"
    awk -v c="$(cat "$scratch/r1")" '{ d = $1 - c; exit d * d > 1e-10 }' "$scratch/said" || { fail "ranks of $key: another R@1"; cat "$scratch/said" "$scratch/r1"; }
done
[ "$(awk -F'\t' 'NF != 8' "$scratch/ranks.tsv" | wc -l)" -eq 0 ] || fail "not eight columns"
expect_warned 73 "cannot create" "$B/t2i-eval" "$model" --data "$data" --split train --ranks "$scratch/no/ranks.tsv"

# ---- a sample, said aloud ----
eval_at 1 --split train --sample 40 --json >"$scratch/a" 2>"$scratch/said" || fail "a sample"
grep -q 't2i-eval: train: evaluates 40 of [0-9]* prompts' "$scratch/said" || { fail "no note on the sample"; cat "$scratch/said"; }
grep -q '"prompts": 40' "$scratch/a" || fail "not 40 prompts"
eval_at 3 --split train --sample 40 --json 2>/dev/null | cmp - "$scratch/a" || fail "another sample at np 3"
eval_at 0 --split train --sample 40 --seed 2 --json 2>/dev/null | cmp -s - "$scratch/a" && fail "another seed drew the same"

# ---- what a run says of itself while it trains: every picture of this set trains, so the gallery is the same ----
train 3 --data "$data" --init "$model" --out "$scratch/watched" --steps 3 --batch 16 --lr 1e-2 --validate-every 2 --checkpoint-every 0
"$B/t2i-eval" "$scratch/watched" --split validation --json 2>/dev/null | tr -d ' \n' |
    sed 's/.*"cosine":{"r1":\([^,]*\),"r5":[^,]*,"r10":\([^,]*\),"mrr":\([^,]*\),.*/\1 \2 \3\n/' >"$scratch/said"
sed -n 's/.*"step":3,"val_loss".*"r1":\([^,]*\),"r10":\([^,]*\),"mrr":\([^,]*\),.*/\1 \2 \3/p' "$scratch/watched/log.jsonl" >>"$scratch/said"
awk '{ for (k = 1; k <= 3; k++) { d = $k - last[k]; if (NR == 2 && d * d > 1e-16) bad = 1; last[k] = $k } }
    END { exit bad || NR != 2 || last[3] <= 0 || last[3] >= 1 }' "$scratch/said" || { fail "a validation scores otherwise than t2i-eval"; cat "$scratch/said"; }

# ---- bad input: one line, alone and under mpirun ----
lines() { # NAME COUNT: a dataset of as many training pairs, of features of their own
    "$B/t2i-data" build --pairs <(head -n "$2" "$scratch/pairs.tsv") --features tests/golden/seed/features.safetensors --out "$scratch/$1" >/dev/null 2>&1 ||
        fail "no $1"
}
for picture in red_square blue_square green_circle; do printf 'a %s\t%s.png\n' $picture $picture; done >"$scratch/pairs.tsv"
lines train.h5 3
lines lone.h5 1
train 1 --data "$scratch/train.h5" --out "$scratch/run" --steps 1 --batch 2 --d-model 4 --heads 1 --layers 1 --d-ff 4 --validate-every 0
tool=$B/t2i-eval run=$scratch/run
for start in "" "$MPIRUN -np 2"; do
    expect 65 "train.h5 has no row in the split 'validation'; it has train (3)" $start "$tool" "$run" --split val
    expect_warned 65 "lone.h5 has one picture" $start "$tool" "$run" --data "$scratch/lone.h5"
    expect 64 "--split test: the splits are" $start "$tool" "$run" --split test
    expect 64 "names no dataset" $start "$tool" "$model"
    expect 66 "nothing.h5" $start "$tool" "$model" --data "$scratch/nothing.h5"
    expect 65 "predicts 20 features" $start "$tool" "$model" --data "$scratch/train.h5"
    expect 64 "give one run folder" $start "$tool"
    expect 64 "--sample" $start "$tool" "$run" --sample -1
done
"$tool" "$run" --json >/dev/full 2>"$scratch/stderr" && fail "a full disk is no success"
grep -q '^t2i-eval: ' "$scratch/stderr" || fail "a full disk was not told"

# damage in the features, which every rank may or may not come upon
cp "$data" "$scratch/bad.h5"
data=$scratch/bad.h5 size=$(stat -c %s "$scratch/bad.h5") rcs=""
for tenth in 2 4 6 8; do
    cp "$scratch/set.h5" "$data"
    printf '\377\000\377\000' | dd of="$data" bs=1 seek=$((size * tenth / 10)) conv=notrunc 2>/dev/null
    for np in 0 3; do
        rc=0
        eval_at $np --split all --json >/dev/null 2>"$scratch/stderr" || rc=$?
        [ $rc -eq 65 ] || [ $rc -eq 0 ] || { fail "exit code $rc of a damaged dataset"; cat "$scratch/stderr"; }
        [ "$(grep '^t2i-eval:' "$scratch/stderr" | grep -vc 'warning:')" -eq $((rc > 0)) ] || { fail "not one line"; cat "$scratch/stderr"; }
        rcs="$rcs $rc"
    done
done
case "$rcs" in *65*) ;; *) fail "no damage was found:$rcs" ;; esac
finish
