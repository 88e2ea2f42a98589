#!/bin/bash
# What version 1.0.0 left behind is of use today: its dataset and model open and answer with its numbers, and a run that it began
# goes on to its end, to the same bits at any number of ranks. AdamW rounds otherwise than in 1.0.0, so that these are not quite the
# weights that 1.0.0 reaches. tests/golden/version-1.0/make.sh made the files.
. tests/e2e/lib.sh.inc
B=$(cd "$B" && pwd) tutorial=$PWD/jobs/tutorial here=$PWD/tests/golden/version-1.0
cp -r "$here"/run "$here"/model.safetensors "$scratch/"
gzip -dc "$here/set.h5.gz" >"$scratch/set.h5"
cd "$scratch"
options=(--d-model 8 --heads 2 --layers 1 --d-ff 8 --batch 8 --lr 1e-2 --steps 30 --validate-every 10)

# the dataset
"$B/t2i-data" verify set.h5 >said 2>&1 || { fail "the dataset is not sound"; cat said; }
"$B/t2i-data" info set.h5 >said 2>&1 && grep -q '^pairs *7' said || { fail "t2i-data info"; cat said; }

# the model: its answers, to the last digit that is printed
numbers() { sed -n 's/^ *"\(prompt\|image\|distance\)": *\(.*[^,]\),*$/\1 \2/p' "$@"; }
"$B/t2i-model" verify model.safetensors >said 2>&1 || { fail "the model is not sound"; cat said; }
"$B/t2i-generate" model.safetensors "a blue square" "green, a circle" --data set.h5 --metric euclidean --json --out sheet.png >answers 2>said ||
    { fail "t2i-generate"; cat said; }
[ "$(numbers answers | wc -l)" -ge 8 ] || fail "no answers"
diff <(numbers "$here/answers.json") <(numbers answers) || fail "other answers than those of 1.0"
"$B/t2i-eval" model.safetensors --data set.h5 --split train --json >said 2>&1 || { fail "t2i-eval"; cat said; }
"$B/t2i-model" export model.safetensors --to model.pt && "$B/t2i-model" diff model.safetensors model.pt || fail "t2i-model export"

# a log without a chain, and a folder that a killed process of 1.0 left
"$B/t2i-model" verify run >said 2>&1 || { fail "the stopped run is not sound"; cat said; }
echo "elsewhere 1 1 boot" >run/.writer
cp -r run again

# the run goes on, by the same command and by its job file, at other numbers of ranks
ran=$(ls run/checkpoints | sed 's/step-0*\([0-9]*\).*/\1/' | sort -n | tail -n 1)
[ "$ran" -ge 1 ] && [ "$ran" -lt 30 ] || fail "the run is not in its middle, but at step $ran"
train 2 --data set.h5 "${options[@]}" --out run
grep -q "step $ran" train.log || { fail "it did not go on from step $ran"; cat train.log; }
"$B/t2i-model" diff run/model.safetensors model.safetensors >said 2>&1 || [ $? -eq 65 ] || { fail "t2i-model diff"; cat said; }
grep -q '^[0-9]* tensors are equal' said && awk 'NF == 4 && $3 ~ /^[0-9]/ && !($3 < 1e-5) { exit 1 }' said || { fail "other weights than those of 1.0"; cat said; }
head -n "$(wc -l <"$here/run/log.jsonl")" run/log.jsonl | cmp - "$here/run/log.jsonl" || fail "lines of 1.0 in the log were changed"
"$B/t2i-model" verify run >said 2>&1 || { fail "the run is not sound"; cat said; }
sed -e 's/^out = .*/out = again/' -e 's/^max-time = .*/max-time = 0/' again/job.ini >job.ini
train 1 job.ini
cmp again/model.safetensors run/model.safetensors || fail "other bits by its job file"
"$B/t2i-generate" run "a blue square" >said 2>&1 || { fail "the run does not answer"; cat said; }
"$B/t2i-model" report run >said 2>&1 || { fail "no report"; cat said; }

# another dataset: refused, with what to do
"$B/t2i-data" build --pairs "$tutorial/pairs.tsv" --images "$tutorial" --out other.h5 >/dev/null 2>&1
expect 64 "was trained on another dataset than other.h5" "$B/t2i-train" --data other.h5 "${options[@]}" --out again
finish
