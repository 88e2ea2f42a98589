#!/bin/sh
# make demo: from nothing to drawn pictures. A second call goes on where the first one stopped, or says that all is done.
set -eu
B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
[ -e data/shapes.h5 ] || "$B/t2i-data" shapes --out data/shapes.h5
cores=$(nproc)
[ "$cores" -ge 8 ] || echo "demo: 8 ranks on $cores cores, which t2i-train will warn of: slower than $cores ranks, and the same to the bit"
# shellcheck disable=SC2086
$MPIRUN -np 8 "$B/t2i-train" jobs/shapes.ini
# No training picture shows the last two combinations (with seed 1; tests/unit/prepare/shapes.c holds us to it).
"$B/t2i-generate" runs/shapes --top 3 --out runs/shapes/demo.png \
    "a small red circle in the middle" \
    "on the left, a large purple diamond" \
    "the triangle on the right is medium and orange" \
    "a medium blue star in the top left corner" \
    "a large green square in the bottom left corner"
cat <<END

The last two name combinations that no training picture shows. Open
  runs/shapes/demo.png      the five prompts: what the model draws, and the nearest pictures
  runs/shapes/demo-4.png    a drawing of what it has never seen
  runs/shapes/report.html   in a browser: how it learned, what it drew on the way, where the time went
More: make score, and "Your own pictures" in README.md
END
