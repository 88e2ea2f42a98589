#!/bin/sh
# make demo: builds a dataset, trains a model and draws pictures. A second call resumes where the first one stopped.
set -eu
B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# For Open MPI, which counts no hardware threads: ranks for these, too; and for containers.
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
mkdir -p data
[ -e data/shapes.h5 ] || "$B/t2i-data" shapes --out data/shapes.h5
# shellcheck disable=SC2086
$MPIRUN -np "$(sh jobs/cores.sh 8)" "$B/t2i-train" jobs/shapes.ini
# No training picture shows the last two combinations (with seed 1; tested by tests/unit/prepare/shapes.c).
"$B/t2i-generate" runs/shapes --top 3 --out runs/shapes/demo.png --force --prompts jobs/shapes-prompts.txt
cat <<END

No training picture shows the combinations of the last two prompts. Open
  runs/shapes/demo.png          the five prompts, each with the decoded picture and the nearest pictures
  runs/shapes/demo-drawn-4.png  the decoded picture of an unseen combination
  runs/shapes/report.html       in a browser: loss curves, samples, and where the time went
Next: make score, and "Your own pictures" in README.md

END
model=$(sha256sum runs/shapes/model.safetensors | cut -c1-16)
shown=$(sed -n 's/.*begins with `\([0-9a-f]\{16\}\)`.*/\1/p' README.md 2>/dev/null || true)
if [ "$model" = "$shown" ]; then
    echo "The model has the same bits as in README: sha256 $model..."
elif [ -z "$shown" ]; then # as where documents are not installed
    echo "The model: sha256 $model... README of the source names what it should be."
else
    echo "The model has other bits than in README: sha256 $model..., not $shown..."
    echo "Its job or its dataset was changed, or this is a bug of t2i-train."
fi
