#!/bin/sh
# make.sh BUILD: made the files here, once, from the root of the source by version 1.0.0 (commit 08328f1, built in BUILD):
#   set.h5.gz          a dataset
#   run                a run that was told to stop after a few of its 30 steps
#   model.safetensors  the model of the same run without a stop
#   answers.json       what t2i-generate --json says of it
# events.jsonl is left out, as it names the machine. tests/e2e/version_1_0.sh opens them with the programs of today.
set -eu
B=$(cd "$1" && pwd) here=$(cd "$(dirname "$0")" && pwd)
pictures=$PWD/jobs/tutorial
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
awk -F '\t' '{ print $0 "\t" (NR % 3 == 2 ? "validation" : "train") }' "$pictures/pairs.tsv" >pairs.tsv
"$B/t2i-data" build --pairs pairs.tsv --images "$pictures" --out set.h5
train() { "$B/t2i-train" --data set.h5 --d-model 8 --heads 2 --layers 1 --d-ff 8 --batch 8 --lr 1e-2 --steps 30 --validate-every 10 "$@"; }
train --out whole
train --out run --max-time 0.001 || [ $? -eq 75 ]
"$B/t2i-generate" whole "a blue square" "green, a circle" --json --out sheet.png >"$here/answers.json"
rm -rf run/events.jsonl "$here/run"
gzip -n -9 <set.h5 >"$here/set.h5.gz"
cp -r run whole/model.safetensors "$here/"
