#!/bin/sh
# make showcase: makes what README.md shows of the demo, from a new run of it, in docs/images:
#   shapes.png  the sheet of its prompts, written in DejaVu Sans, which ./bootstrap installs
#   shapes.txt  its dataset, the digest of its model, its scores, and the nearest pictures of the sheet
#   report.png  its report.html in a browser, where chromium is and FOLDER is not given
# and the model of make taste, jobs/shapes-small.safetensors; all of them in FOLDER if that is given.
# Then names the figures of README.md that are others. Usage: jobs/showcase.sh [FOLDER]
set -eu
B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun} out=${1:-docs/images}
for run in runs/shapes runs/shapes-small; do
    [ ! -e $run ] || { echo "showcase: $run is there, perhaps of another job or program: remove it" >&2; exit 73; }
done
sh jobs/demo.sh
"$B/t2i-eval" runs/shapes --split unseen-pictures --json >runs/shapes/score.json
"$B/t2i-generate" runs/shapes --top 3 --out runs/shapes/demo.png --force --json --prompts jobs/shapes-prompts.txt >runs/shapes/demo.json
cp runs/shapes/demo.png "$out/shapes.png"
if [ $# -eq 0 ] && command -v chromium >/dev/null; then
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir=runs/shapes/browser \
        --virtual-time-budget=2000 --window-size=1000,1860 --screenshot="$out/report.png" "file://$PWD/runs/shapes/report.html" 2>/dev/null ||
        echo "showcase: chromium made no $out/report.png" >&2
    rm -rf runs/shapes/browser
fi
# shellcheck disable=SC2086
OMP_NUM_THREADS=1 $MPIRUN -np "$(sh jobs/cores.sh 8)" "$B/t2i-train" jobs/shapes-small.ini
cp runs/shapes-small/model.safetensors "${1:-jobs}/shapes-small.safetensors"
{
    "$B/t2i-data" info data/shapes.h5 | awk '
        $1 == "pairs" { n = $2 } $1 == "pictures" { m = $2 } $1 == "digest" { d = $2 }
        END { print "dataset:", n, "captions,", m, "pictures, digest", d }'
    echo "model.safetensors: sha256 $(sha256sum runs/shapes/model.safetensors | cut -d' ' -f1)"
    tr -d ' \n' <runs/shapes/score.json |
        sed 's/.*"gallery":\([0-9]*\),"euclidean":{"r1":\([0-9.]*\),.*"decoded_psnr":\([0-9.]*\),.*"nearest_psnr":\([0-9.]*\),.*/\1 \2 \3 \4\n/' |
        awk '{ printf "unseen pictures: R@1 %.1f %% of %d, PSNR %.1f dB, of the nearest training picture %.1f dB\n", 100 * $2, $1, $3, $4 }'
    awk -F'"' '/"prompt":/ { print $4 } /"image":/ { image = $4 } /"distance":/ { sub(/.*: */, ""); printf "%9.3f  %s\n", $0, image }' runs/shapes/demo.json
} >"$out/shapes.txt"
cat "$out/shapes.txt"

# 1296 -> 1,296
set -- $(sed -n '1s/\([0-9]\)\([0-9]\{3\} [cp]\)/\1,\2/gp' "$out/shapes.txt")
model=$(sed -n '2s/.* //p' "$out/shapes.txt" | cut -c1-16)
score=$(sed -n '3s/.* PSNR \([0-9.]* dB\), .*/\1/p' "$out/shapes.txt")
nearest=$(sed -n '3s/.* picture \([0-9.]* dB\)$/\1/p' "$out/shapes.txt")
wrong=0
for figure in "has $4 pictures of shapes with $2 captions" "begins with \`$model\`" "has $score PSNR" "picture has $nearest"; do
    tr '\n' ' ' <README.md | grep -q -F -e "$figure" || { echo "showcase: README.md does not say \"$figure\"" >&2 && wrong=1; }
done
exit $wrong
