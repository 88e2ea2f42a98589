#!/bin/bash
# Models with pieces of words and a search space of their own (ngram-buckets, embed-dim) in all programs but t2i-eval: shown,
# compared, exported, verified, initialised from a model without them, asked, explored, and sampled in training.
. tests/e2e/lib.sh.inc
model=$B/t2i-model
export OMP_NUM_THREADS=1
"$B/t2i-data" shapes --dim 24 --out "$scratch/d.h5" 2>/dev/null
parts="--ngram-buckets 64 --ngram-hidden 8 --embed-dim 5 --loss contrastive"
train 1 --data "$scratch/d.h5" $small_model --batch 16 --lr 1e-2 --steps 6 --validate-every 0 --out "$scratch/plain"
train 1 --data "$scratch/d.h5" $small_model --batch 16 --lr 1e-2 --steps 6 --validate-every 3 --sample-every 3 $parts --out "$scratch/space"
! grep warning "$scratch/train.log" | grep -v 'longer than block-size' || fail "a warning"
grep -q 'ngram-buckets 64, ngram-hidden 8, embed-dim 5' "$scratch/train.log" || fail "the parts are not in the log"
for step in 3 6; do [ -s "$scratch/space/samples/step-$step.png" ] || fail "no samples of step $step"; done
cmp -s "$scratch"/space/samples/step-{3,6}.png && fail "the samples are always the same"

# ---- t2i-model ----
"$model" show "$scratch/space" >"$scratch/shown"
for text in 'ngram_buckets 64, ngram_hidden 8, embed_dim 5' 'ngram.weight  *64x' 'query.weight  *5x' 'picture.weight  *5x24 '; do
    grep -q "$text" "$scratch/shown" || { fail "show lacks $text"; cat "$scratch/shown"; }
done
"$model" show --json "$scratch/space" | grep -q '"embed_dim": 5' || fail "show --json lacks embed_dim"
"$model" show "$scratch/plain" | grep -e ngram -e embed_dim && fail "a model without the parts has them"
"$model" diff "$scratch/space" "$scratch/plain" >"$scratch/differ" 2>/dev/null && fail "no difference"
for text in 'embed_dim is 5 in A, 0 in B' 'ngram_buckets is 64 in A, 0 in B' 'tensor picture.weight: only in A'; do
    grep -q "$text" "$scratch/differ" || { fail "diff lacks $text"; cat "$scratch/differ"; }
done
expect 65 "for which the tutorial's layout has no place; export to a .safetensors file" "$model" export "$scratch/space" --to "$scratch/x.pt"
[ ! -e "$scratch/x.pt" ] || fail "a refused export left a file"
"$model" export "$scratch/space" --to "$scratch/x.safetensors" 2>/dev/null || fail "export"
"$model" diff "$scratch/space" "$scratch/x.safetensors" | grep -q 'no difference was found' || fail "another model was exported"
"$model" verify "$scratch/x.safetensors" | grep -q sound || fail "the exported model is not sound"

# ---- t2i-generate ----
prompts=("a small red circle" "blue star" "e")
answers() { # RUN NAME OPTION...
    "$B/t2i-generate" "$1" "${prompts[@]}" --data "$scratch/d.h5" --json --out "$scratch/$2.png" --force "${@:3}" 2>/dev/null | grep -v '"decoded"' >"$scratch/$2.json"
}
for metric in cosine euclidean; do
    answers "$scratch/space" $metric --metric $metric
    answers "$scratch/x.safetensors" x --metric $metric
    diff "$scratch/$metric.json" "$scratch/x.json" || fail "the exported model answers otherwise"
    # the page has the same distances, to four digits
    "$B/t2i-generate" "$scratch/space" "${prompts[@]}" --metric $metric --html "$scratch/page.html" --force 2>/dev/null || fail "--html"
    grep 'your prompt' "$scratch/page.html" | sed 's/<br/\n/g' | sed -n 's/.*<\/i>\([0-9.]*\)$/\1/p' >"$scratch/of_page"
    # sheet, report and page tell what is drawn: here a training picture or a mean of them
    grep '"drawn"' "$scratch/$metric.json" | grep -cE '"(found picture|mean of found pictures)"' | grep -qx 3 || fail "not told what was drawn, $metric"
    sed -n 's/.*"drawn": *"\(.*\)".*/drawn:<br\/>\1/p' "$scratch/$metric.json" | diff - <(grep 'your prompt' "$scratch/page.html" | grep -o 'drawn:<br/>[a-z ]*') || fail "the page draws otherwise"
    sed -n 's/.*"distance": *\([^,]*\).*/\1/p' "$scratch/$metric.json" | xargs printf '%.4f\n' | diff - "$scratch/of_page" || fail "the page has other distances, $metric"
    [ "$(wc -l <"$scratch/of_page")" -eq 15 ] || fail "not three prompts with five pictures"
done
# both have length 1: the Euclidean distance squared is twice the cosine distance
paste <(grep distance "$scratch/cosine.json") <(grep distance "$scratch/euclidean.json") | tr -d , |
    awk '{ d = $4 * $4 - 2 * $2; if (d > 1e-5 || d < -1e-5) { print; bad = 1 } } END { exit bad || NR != 15 }' || fail "places are not of length 1"
cmp "$scratch"/{cosine,euclidean}-drawn-1.png || fail "a drawing depends on the metric"

"$B/t2i-generate" "$scratch/space" "blue star" --out "$scratch/t.png" --force 2>/dev/null | grep -qE '^ *drawn: (found picture|mean of found pictures)$' || fail "the text does not tell what was drawn"
answers "$scratch/plain" plain
grep '"drawn"' "$scratch/plain.json" | grep -c '"prediction"' | grep -qx 3 || fail "a model without embed-dim does not draw its prediction"
"$B/t2i-generate" "$scratch/plain" "blue star" --out "$scratch/t.png" --force 2>/dev/null | grep 'drawn:' && fail "one way to draw, and it is told"

# ---- --init from a model without the parts: the first predictions are those of the file ----
begin() { "$B/t2i-train" --data "$scratch/d.h5" --lr 0 --steps 1 --validate-every 0 --out "$scratch/$1" --init "$scratch/$2" "${@:3}" >"$scratch/out" 2>&1 ||
    { fail "--init $*"; cat "$scratch/out"; }; }
begin ngrams plain --ngram-buckets 64 --ngram-hidden 8
grep -q 'has no n-grams: added' "$scratch/out" || fail "n-grams are added without a word"
answers "$scratch/ngrams" ngrams
diff "$scratch/plain.json" "$scratch/ngrams.json" || fail "n-grams change the first predictions"
begin both plain $parts
grep -q 'has no n-grams and no embed-dim: added' "$scratch/out" || fail "the parts are added without a word"
answers "$scratch/both" both
begin third ngrams --embed-dim 5 --loss contrastive
grep -q 'has no embed-dim: added' "$scratch/out" || fail "embed-dim is added without a word"
answers "$scratch/third" third
# of the decoded predictions, to the last digit
psnr() { "$B/t2i-eval" "$scratch/$1" --data "$scratch/d.h5" --json 2>/dev/null | grep '"decoded_psnr"'; }
psnr plain >"$scratch/plain.psnr"
[ -s "$scratch/plain.psnr" ] || fail "no PSNR"
for name in ngrams both third; do
    psnr $name | diff "$scratch/plain.psnr" - || fail "$name predicts otherwise"
done
for i in 1 2 3; do
    cmp "$scratch"/{plain,ngrams}-drawn-$i.png || fail "n-grams draw otherwise"
    cmp -s "$scratch"/{plain,both}-drawn-$i.png && fail "with embed-dim the prediction is drawn"
done
"$model" diff "$scratch/plain" "$scratch/both" 2>/dev/null | grep -q '0 have different values' || fail "other tensors moved"
# and they train: a step later the drawings differ
"$B/t2i-train" --data "$scratch/d.h5" --lr 1e-2 --steps 2 --validate-every 0 --out "$scratch/on" --init "$scratch/both" --loss contrastive >/dev/null 2>&1 || fail "--init"
"$model" diff "$scratch/both" "$scratch/on" 2>/dev/null | grep -q '^0 tensors are equal' || fail "some tensors do not train"

# ---- options that contradict the file ----
refused() { expect "$1" "$2" "$B/t2i-train" --data "$scratch/d.h5" --steps 1 --out "$scratch/none" "${@:3}"; }
refused 64 "ngram-buckets = 128, but the model in $scratch/both/model.safetensors has 64" --init "$scratch/both" --ngram-buckets 128 --loss contrastive
refused 64 "ngram-hidden = 9, but the model in $scratch/both/model.safetensors has 8" --init "$scratch/both" --ngram-hidden 9 --loss contrastive
refused 64 "embed-dim = 6, but the model in $scratch/both/model.safetensors has 5" --init "$scratch/both" --embed-dim 6 --loss contrastive
refused 64 "embed-dim = 0, but the model in $scratch/both/model.safetensors has 5" --init "$scratch/both" --embed-dim 0 --loss contrastive
refused 64 "ngram-hidden = 9, but the model in $scratch/plain/model.safetensors has no n-grams: give ngram-buckets" --init "$scratch/plain" --ngram-hidden 9
refused 64 "ngram-hidden = 9 needs n-grams: give ngram-buckets above 0" --ngram-hidden 9
"$B/t2i-train" "$scratch/plain/job.ini" >"$scratch/out" 2>&1 || { fail "the job.ini of a run without n-grams"; cat "$scratch/out"; }
refused 64 "which only loss = contrastive trains" --init "$scratch/both"
refused 64 "embed-dim needs loss = contrastive" --embed-dim 5
[ ! -e "$scratch/none" ] || fail "a refused start left something"
finish
