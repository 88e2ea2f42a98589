#!/bin/sh
# make score: after make demo, evaluates the model on all unseen pictures: recall, and PSNR of the decoded pictures
# beside that of the nearest training pictures.
set -eu
"${B:-build/release}/t2i-eval" runs/shapes --split unseen-pictures
