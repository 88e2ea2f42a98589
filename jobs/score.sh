#!/bin/sh
# make score: after make demo, how close the decoded pictures of all held-out captions are to the true ones (PSNR),
# beside the nearest training picture.
set -eu
"${B:-build/release}/t2i-eval" runs/shapes --split unseen-pictures
