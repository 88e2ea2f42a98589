#!/bin/sh
# make tutorial: the tutorial from its own files to its own file, without Python. What it reads:
#   MODEL    the text model it starts from                    (saved_models/multimodal_model.pt)
#   WEIGHTS  ResNet-18 weights of torchvision: .pth, .pt or safetensors (where torchvision keeps them)
#   PICTURES the three pictures                               (jobs/tutorial)
#   OUT      folder for what it makes                         (runs)
set -eu
B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun} OUT=${OUT:-runs}
MODEL=${MODEL:-saved_models/multimodal_model.pt} PICTURES=${PICTURES:-jobs/tutorial}
WEIGHTS=${WEIGHTS:-$HOME/.cache/torch/hub/checkpoints/resnet18-f37072fd.pth}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
for file in "$MODEL" "$WEIGHTS"; do
    [ -e "$file" ] && continue
    echo "jobs/tutorial.sh: there is no $file: give MODEL=multimodal_model.pt and WEIGHTS=resnet18-....pth" >&2
    exit 66
done
if [ -e "$OUT/tutorial" ]; then # it could come from another model or other pictures
    echo "jobs/tutorial.sh: $OUT/tutorial holds a run: remove it, or give another OUT" >&2
    exit 64
fi
mkdir -p "$OUT"
"$B/t2i-data" build --pairs jobs/tutorial/pairs.tsv --images "$PICTURES" --encoder resnet18 --weights "$WEIGHTS" \
    --out "$OUT/tutorial.h5"
# shellcheck disable=SC2086
$MPIRUN -np 1 "$B/t2i-train" jobs/tutorial.ini --data "$OUT/tutorial.h5" --out "$OUT/tutorial" --init "$MODEL"
"$B/t2i-model" export "$OUT/tutorial" --to "$OUT/text_to_image_model.pt"
"$B/t2i-generate" "$OUT/text_to_image_model.pt" --data "$OUT/tutorial.h5" "a blue square shape" --out "$OUT/generated.png"
cat <<END

$OUT/text_to_image_model.pt is what the tutorial's last step saves: its own loading code reads it.
$OUT/generated.png shows the answer to "a blue square shape", and $OUT/generated-1.png the picture drawn from the prediction.
END
