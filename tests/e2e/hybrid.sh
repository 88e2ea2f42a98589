#!/bin/bash
# Hybrid search: t2i-train chooses the weight of the text index and saves it with the model, t2i-generate --index on orders
# pictures by it, t2i-eval scores it; the same at any number of ranks. PYTHON names a Python.
. tests/e2e/lib.sh.inc
python=${PYTHON:-python3}
export OMP_NUM_THREADS=1
# pictures without training prompts: those of every third; each has its word in the validation split or is unseen
n=0
for file in tests/golden/resnet18/images/*.png; do
    name=$(basename "$file") word=$(basename "$file" .png | tr _ ' ') n=$((n + 1))
    case $((n % 3)) in
    0) printf 'unseen %s\t%s\tunseen-pictures\n' "$word" "$name" ;;
    *) printf 'a picture of %s\t%s\ttrain\nonce more %s\t%s\tvalidation\nagain %s\t%s\tunseen-prompts\n' \
        "$word" "$name" "$word" "$name" "$word" "$name" ;;
    esac
done >"$scratch/pairs.tsv"
"$B/t2i-data" build --pairs "$scratch/pairs.tsv" --images tests/golden/resnet18/images --out "$scratch/d.h5" >/dev/null 2>&1 || fail "no dataset"
options="--data $scratch/d.h5 --steps 3 --batch 4 --shards 4 --d-model 8 --heads 2 --layers 1 --d-ff 8 --checkpoint-every 2 --validate-every 1"
contrastive="--loss contrastive --embed-dim 4"
for np in 1 3; do train $np $options $contrastive --out "$scratch/np$np"; done
cmp "$scratch"/np{1,3}/model.safetensors || fail "another model at np 3"
grep -q 'weight of the text index, for t2i-generate --index on: ' "$scratch/train.log" || { fail "no note on the weight"; cat "$scratch/train.log"; }
weight=$("$B/t2i-model" show --json "$scratch/np1" | sed -n 's/.*"index_weight": *\([0-9.]*\).*/\1/p')
[ "${weight:-0}" != 0 ] || fail "no weight was saved"
"$B/t2i-model" show "$scratch/np1" | grep -q ", index weight $weight\$" || fail "show lacks the weight"
for file in "$scratch"/np1/{best,checkpoints/step-*}.safetensors; do
    grep -q index_weight "$file" && fail "$file has a weight, which was not chosen for it"
done
"$B/t2i-model" export "$scratch/np1" --to "$scratch/x.safetensors" 2>/dev/null || fail "export"
"$B/t2i-model" show --json "$scratch/x.safetensors" | grep -q '"index_weight"' || fail "the exported model has no weight"
# a run that stops on its way and resumes: the same
train 1 $options $contrastive --out "$scratch/on" --steps 2
train 1 $options $contrastive --out "$scratch/on"
cmp "$scratch"/{np1,on}/model.safetensors || fail "another model after a resume"

# ---- t2i-generate --index on: the order of the scores, pictures without a document at their places by cosine ----
prompts=("once more blue square" "a red one" "unseen green circle" "zzz" "zz")
for index in on off; do
    "$B/t2i-generate" "$scratch/np1" "${prompts[@]}" --top 100 --metric cosine --index $index --json --out "$scratch/g.png" --force \
        >"$scratch/$index.json" 2>/dev/null || fail "--index $index"
done
"$python" - "$scratch"/{on,off}.json "$weight" <<'END' || fail "--index on: another order"
import json, sys
on, off = (json.load(open(path)) for path in sys.argv[1:3])
moved = 0
for a, b in zip(on, off, strict=True):
    assert a["index_weight"] == float(sys.argv[3]) and a["metric"] == "cosine" and "index_weight" not in b
    of = {near["image"]: near for near in a["nearest"]}
    by_cosine = [near["image"] for near in b["nearest"]]
    assert len(of) == 15 and sorted(of) == sorted(by_cosine)
    for near in b["nearest"]:
        assert near["distance"] == of[near["image"]]["distance"] and "score" not in near
    for near in of.values():
        score = 1 - near["distance"] + a["index_weight"] * (near["index"] or 0)
        assert abs(score - near["score"]) < 1e-7, (near, score)
    known = sorted((name for name in by_cosine if of[name]["index"] is not None), key=lambda name: -of[name]["score"])
    assert len(known) == 10
    order = [name if of[name]["index"] is None else known.pop(0) for name in by_cosine]
    assert list(of) == order, (list(of), order)
    moved += order != by_cosine
assert on[0]["nearest"][0]["image"] == "blue_square.png" or on[0]["nearest"][1]["image"] == "blue_square.png"
assert moved >= 1, moved  # the last two prompts have no score
END
"$B/t2i-generate" "$scratch/np1" "blue square" --index on --out "$scratch/g.png" --force 2>/dev/null >"$scratch/text" || fail "the text"
grep -q "^Score among 15 pictures: cosine similarity + $weight x text index\.$" "$scratch/text" || { fail "the text"; cat "$scratch/text"; }
train 1 $options --out "$scratch/mse"
"$B/t2i-model" show --json "$scratch/mse" | grep index_weight && fail "loss = mse has a weight"
for model in "$scratch/mse" "$scratch/np1/best.safetensors"; do
    expect 64 "has no weight for the text index" "$B/t2i-generate" "$model" --data "$scratch/d.h5" red --index on --out "$scratch/g.png" --force
done
expect 64 "--html excludes --index on" "$B/t2i-generate" "$scratch/np1" red --index on --html "$scratch/page.html"

# ---- t2i-eval: the same at any number of ranks; what is not in the index keeps its rank by cosine ----
"$B/t2i-eval" "$scratch/np1" --split all --json >"$scratch/alone.json" 2>/dev/null || fail "t2i-eval"
for np in 1 3; do
    timeout 100 $MPIRUN -np $np "$B/t2i-eval" "$scratch/np1" --split all --json 2>/dev/null | cmp - "$scratch/alone.json" || fail "other scores at np $np"
done
"$python" - "$scratch/alone.json" "$weight" <<'END' || fail "t2i-eval: other scores than expected"
import json, sys
train, validation, prompts, pictures = json.load(open(sys.argv[1]))
for split in train, validation, prompts, pictures:
    hybrid, cosine, index = split["hybrid"], split["cosine"], split["baselines"]["text_index"]
    assert hybrid["index_weight"] == float(sys.argv[2])
    for key in "r1", "r5", "r10", "mrr", "median_rank":
        assert abs(hybrid["minus_cosine"][key] - (hybrid[key] - cosine[key])) < 1e-7
        assert abs(hybrid["minus_text_index"][key] - (hybrid[key] - index[key])) < 1e-7
        low, high = hybrid["minus_cosine"]["ci"][key]
        assert low <= hybrid["minus_cosine"][key] <= high
        if split is pictures: assert hybrid[key] == cosine[key] and low == high == 0
assert validation["hybrid"]["mrr"] > validation["cosine"]["mrr"]
END
"$B/t2i-eval" "$scratch/np1" --split val 2>/dev/null | grep -q '^cosine + index less cosine: R@1 +' || fail "the table lacks the difference"
"$B/t2i-eval" "$scratch/mse" --split val --json 2>/dev/null | grep -q '"hybrid": null' || fail "a model without a weight is scored with one"
finish
