#!/bin/bash
# TIMEOUT: 300
# onnxruntime computes from exported models what the library and t2i-generate predict: 1,000 prompts, alone and in padded
# batches, by the functions of docs/pytorch.md. PYTHON names a Python that has onnxruntime and numpy; with onnx, its checker is run.
. tests/e2e/lib.sh.inc
python=${PYTHON:-python3}
"$python" -c 'import numpy, onnxruntime' 2>/dev/null || { echo "no numpy or onnxruntime in $python (PYTHON names another)"; exit 77; }
case $B in *asan*) echo "Python cannot load a library with sanitizers"; exit 77 ;; esac
T2I_LIBRARY=$(cd "$B" && pwd)/libt2i.so.1 PYTHONPATH=$PWD/examples
export T2I_LIBRARY PYTHONPATH OMP_NUM_THREADS=1

# 300 pictures, each with a prompt; features are sums of vectors of the prompt's words.
"$python" - "$scratch" <<'MAKE'
import json, sys
import numpy as np
random, lists = np.random.default_rng(1), ["small large tiny huge old".split(), "red green blue pink grey".split(),
                                           "square circle star heart".split(), "above below beside".split()]
vector = {word: random.normal(size=24) for words in lists for word in words}
prompts = [[a, b, c, d] for a in lists[0] for b in lists[1] for c in lists[2] for d in lists[3]]
features = np.array([sum(vector[w] for w in p) + 0.1 * random.normal(size=24) for p in prompts], np.float32)
header = json.dumps({str(i): {"dtype": "F32", "shape": [24], "data_offsets": [96 * i, 96 * i + 96]} for i in range(300)}).encode()
with open(sys.argv[1] + "/f.safetensors", "wb") as out:
    out.write(len(header).to_bytes(8, "little") + header + features.tobytes())
np.save(sys.argv[1] + "/gallery.npy", features)
with open(sys.argv[1] + "/pairs.tsv", "w") as out:
    for i, (a, b, c, d) in enumerate(prompts):
        print(f"a {a} {b} {c} {d}", i, "validation" if i % 9 == 4 else "train", sep="\t", file=out)
MAKE
"$B/t2i-data" build --pairs "$scratch/pairs.tsv" --features "$scratch/f.safetensors" --out "$scratch/d.h5" 2>/dev/null
steps="--data $scratch/d.h5 $small_model --batch 32 --lr 3e-3 --steps 120 --validate-every 0"
train 1 $steps --out "$scratch/characters"
train 1 $steps --loss contrastive --embed-dim 12 --ngram-buckets 512 --ngram-hidden 16 --out "$scratch/space"
train 1 $steps --ngram-buckets 100 --ngram-hidden 16 --out "$scratch/ngrams"

check() { # NAME MODEL [DATASET GALLERY]
    "$B/t2i-model" export "$2" --to "$scratch/$1.onnx" 2>/dev/null || fail "$1: not exported"
    ! "$python" -c 'import onnx' 2>/dev/null || "$python" -c 'import onnx, sys; onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)' "$scratch/$1.onnx" ||
        fail "$1: onnx.checker"
    "$python" tests/golden/onnx_compare.py "$2" "$scratch/$1.onnx" "${3-}" "${4-}" 2>&1 | tee "$scratch/compared"
    [ "${PIPESTATUS[0]}" -eq 0 ] || fail "$1: other numbers"
    # onnxruntime warns of tensors that nothing needs
    [ "$(wc -l <"$scratch/compared")" -eq 1 ] || fail "$1: more than one line"
}
check seed tests/golden/seed/text_to_image_model.pt
check golden tests/golden/ngrams/initial.safetensors
check characters "$scratch/characters" "$scratch/d.h5" "$scratch/gallery.npy"
check ngrams "$scratch/ngrams" "$scratch/d.h5" "$scratch/gallery.npy"
check space "$scratch/space" "$scratch/d.h5" "$scratch/gallery.npy"
finish
