#!/bin/bash
# PyTorch reads what t2i-model exports, by the tutorial's own loading code, and predicts the same; and we read what PyTorch
# saves of it, as an archive and as a legacy stream. PYTHON names a Python that has torch.
. tests/e2e/lib.sh.inc
python=${PYTHON:-python3}
"$python" -c 'import torch' 2>/dev/null || { echo "no PyTorch in $python (PYTHON names another)"; exit 77; }
g=tests/golden/seed
"$B/t2i-data" build --pairs $g/pairs.tsv --features $g/features.safetensors --out "$scratch/seed.h5" 2>/dev/null
long="the circle, it is green and it goes on until it is longer than the block"

# check NAME MODEL: MODEL (a run or a file), exported
check() {
    mkdir "$scratch/$1"
    "$B/t2i-model" export "$2" --to "$scratch/$1/text_to_image_model.pt"
    "$B/t2i-generate" "$2" --data "$scratch/seed.h5" --json --out "$scratch/$1/x.png" \
        "a blue square shape" "the circle, it is green" "a red square" "e" "$long" >"$scratch/$1/answers.json"
    "$python" tests/golden/tutorial_torch.py "$scratch/$1/text_to_image_model.pt" $g/features.safetensors "$scratch/$1/answers.json" \
        "$scratch/$1" || fail "$1: PyTorch does not agree"
    for file in text_to_image_model zip legacy; do
        "$B/t2i-model" diff "$2" "$scratch/$1/$file.pt" || fail "$1: $file.pt is another model"
        "$B/t2i-model" verify "$scratch/$1/$file.pt" || fail "$1: $file.pt is not sound"
    done
}

check final $g/text_to_image_model.pt
# one of ours, whose vocabulary has <UNK>, and more positions than torch's own table is exact for
train 1 --data "$scratch/seed.h5" --steps 30 --lr 1e-3 --d-model 128 --heads 2 --layers 2 --d-ff 96 --block-size 600 --out "$scratch/run"
check own "$scratch/run"
finish
