#!/bin/bash
# TIMEOUT: 300
# The examples that use no library of ours: a model in PyTorch finds what t2i-generate finds, a dataset from scratch is built,
# trained and asked, and each task of the sweep is a run. nearest.c and t2i.py: library.sh. PYTHON names a Python with torch.
. tests/e2e/lib.sh.inc
python=${PYTHON:-python3}
B=$(cd "$B" && pwd) examples=$PWD/examples
export PYTHONDONTWRITEBYTECODE=1

# the sweep, without Slurm: each task its own options and folder
cp jobs/shapes.ini "$scratch/"
sed -e "s|^JOB=.*|JOB=$scratch/shapes.ini|; s|^SCRIPT=[^ ]*|SCRIPT=$scratch/task|" "$examples/sweep.sbatch" >"$scratch/sweep"
echo 'echo "$JOB $OUT ${OPTIONS[*]}"' >"$scratch/task"
for task in 0 1 2 3 4 5; do SLURM_ARRAY_TASK_ID=$task bash "$scratch/sweep"; done >"$scratch/tasks" 2>&1
[ "$(sort -u -k2,2 "$scratch/tasks" | wc -l)" -eq 6 ] || { fail "not six run folders"; cat "$scratch/tasks"; }
SLURM_ARRAY_TASK_ID=6 bash "$scratch/sweep" 2>"$scratch/said" && fail "a seventh task"
grep -q "there is no task 6" "$scratch/said" || fail "the seventh task: $(cat "$scratch/said")"
bash "$scratch/sweep" 2>"$scratch/said" && fail "a task without Slurm"
grep -q '^#SBATCH --array=0-5' "$examples/sweep.sbatch" || fail "--array is not that of six tasks"
small_dataset "$scratch/d.h5"
while read -r job out options; do
    train 1 "$job" --data "$scratch/d.h5" --out "$scratch/$out" --steps 1 --batch 8 $options || fail "$out"
    grep -q "^d-model = ${out##*width}$" "$scratch/$out/job.ini" || fail "$out has another width"
done < <(sed -n '1p; 6p' "$scratch/tasks")

# a dataset from scratch, by the commands of its first lines
cd "$scratch"
if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null; then
    "$python" "$examples/own_dataset.py" stripes || fail "own_dataset.py"
    sed -n 's/^    t2i-\(.*\)/t2i-\1/p' "$examples/own_dataset.py" | sed 's/--steps [0-9]*/--steps 20/' >walk
    [ "$(wc -l <walk)" -eq 3 ] || fail "own_dataset.py shows other commands: $(cat walk)"
    PATH=$B:$PATH sh -ex walk >said 2>&1 || { fail "the commands of own_dataset.py"; cat said; }
    grep -q '96 pairs, 48 pictures' said || { fail "not 48 pictures"; cat said; }
    for file in examples/pytorch_model.py examples/clip_features.py; do
        "$python" -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$OLDPWD/$file" || fail "$file is no Python"
    done
else
    echo "Python: skipped, there is no $python"
fi

# PyTorch: plain, contrastive in a space of its own, pieces of words; prompts that are empty, unknown, repeated, too long
"$python" -c 'import torch, numpy' 2>/dev/null || { finish; echo "PyTorch: no torch and numpy in $python (PYTHON names another)"; exit 77; }
"$B/t2i-data" export d.h5 --to npy --out gallery 2>said || { fail "t2i-data export"; cat said; }
answers() { # RUN METRIC PROMPT...
    "$B/t2i-generate" "$1" "${@:3}" --data d.h5 --top 3 --metric "$2" --json --out sheet.png --force 2>said |
        sed -n 's/^ *"\(prompt\|distance\|image\)": "\{0,1\}\([^"]*\)"\{0,1\},\{0,1\}$/\1\t\2/p' |
        awk -F '\t' '$1 == "prompt" { p = $2 } $1 == "image" { i = $2 } $1 == "distance" { print p "\t" $2 "\t" i }'
}
prompts=("a one big" "the small ☃ one" "xyz" "the new old small big one a the new old small big one a the new")
model() { train 1 --data d.h5 --out "$1" $small_model --steps 20 "${@:2}"; }
model plain
model space --loss contrastive --embed-dim 5
model pieces --ngram-buckets 64 --ngram-hidden 16
model both --loss contrastive --embed-dim 5 --ngram-buckets 64
PYTHONPATH=$examples "$python" - "${prompts[@]}" >said 2>&1 <<'END' || { fail "pytorch_model.py"; cat said; } # torch starts slowly: once for all
import contextlib
import sys
import pytorch_model
for run in "plain", "space", "pieces", "both":
    for metric in "euclidean", "cosine":
        with open(f"{run}.{metric}", "w") as out, contextlib.redirect_stdout(out):
            pytorch_model.main(run + "/model.safetensors", "gallery", metric, 3, *sys.argv[1:])
END
for run in plain space pieces both; do
    for metric in euclidean cosine; do
        answers $run $metric "${prompts[@]}" >ours
        [ "$(wc -l <ours)" -eq 12 ] && [ "$(wc -l <$run.$metric)" -eq 12 ] || fail "$run, $metric: not 12 answers"
        paste ours $run.$metric | awk -F '\t' '{ d = $2 - $5; if (d < 0) d = -d; if ($1 != $4 || $3 != $6 || d > 1e-5) { print; bad = 1 } }
            END { exit bad }' || fail "$run, $metric: PyTorch finds something else"
    done
done
finish
