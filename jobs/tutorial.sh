#!/bin/sh
# make tutorial: the tutorial's run from its own files to its own file, without Python. Variables, with defaults:
#   MODEL    text model to start from                         (saved_models/multimodal_model.pt)
#   WEIGHTS  torchvision's ResNet-18 weights: .pth, .pt or safetensors (in torchvision's cache)
#   PICTURES folder of the three pictures                     (jobs/tutorial)
#   OUT      folder for the results                           (runs)
set -eu
B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun} OUT=${OUT:-runs}
MODEL=${MODEL:-saved_models/multimodal_model.pt} PICTURES=${PICTURES:-jobs/tutorial}
WEIGHTS=${WEIGHTS:-$HOME/.cache/torch/hub/checkpoints/resnet18-f37072fd.pth}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
for file in "$MODEL" "$WEIGHTS"; do
    [ -e "$file" ] && continue
    echo "jobs/tutorial.sh: $file does not exist: set MODEL=multimodal_model.pt and WEIGHTS=resnet18-....pth" >&2
    exit 66
done
if [ -e "$OUT/tutorial" ]; then # it may be the run of another model or of other pictures
    echo "jobs/tutorial.sh: $OUT/tutorial holds a run: remove it, or set another OUT" >&2
    exit 64
fi
mkdir -p "$OUT"
"$B/t2i-data" build --pairs jobs/tutorial/pairs.tsv --images "$PICTURES" --encoder resnet18 --weights "$WEIGHTS" \
    --out "$OUT/tutorial.h5"
# shellcheck disable=SC2086
$MPIRUN -np 1 "$B/t2i-train" jobs/tutorial.ini --data "$OUT/tutorial.h5" --out "$OUT/tutorial" --init "$MODEL"
"$B/t2i-model" export "$OUT/tutorial" --to "$OUT/text_to_image_model.pt"
"$B/t2i-generate" "$OUT/text_to_image_model.pt" --data "$OUT/tutorial.h5" "a blue square shape" --out "$OUT/generated.png" --force
cat <<END

$OUT/text_to_image_model.pt is the file of the tutorial's last step; the tutorial's code can load it.
$OUT/generated.png shows the pictures nearest to "a blue square shape", and $OUT/generated-drawn-1.png the decoded picture.
END
