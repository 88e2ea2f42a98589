#!/bin/sh
# make taste: asks the small trained model that comes with the source (jobs/shapes-small.ini).
set -eu
B=${B:-build/release}
mkdir -p data runs
[ -e data/shapes.h5 ] || "$B/t2i-data" shapes --out data/shapes.h5 # the gallery
"$B/t2i-generate" jobs/shapes-small.safetensors --data data/shapes.h5 --top 3 --out runs/taste.png --force \
    "a large purple star on the left"
cat <<TEXT

The model knows circle, square, triangle, diamond, star, cross; small, medium, large; red, orange,
yellow, green, blue, purple, pink, black; the middle, the sides and the corners. Ask for yourself:
  $B/t2i-generate jobs/shapes-small.safetensors --data data/shapes.h5 \\
      "a small pink cross in the top right corner"
TEXT
