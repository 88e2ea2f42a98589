#!/bin/bash
# TIMEOUT: 240
# t2i-generate as people use it: answers before files, nothing overwritten, any folder, the run's own dataset, its metric,
# formats of pictures, lists of prompts, vectors.
. tests/e2e/lib.sh.inc
B=$(cd "$B" && pwd)
generate=$B/t2i-generate
python=${PYTHON:-python3}
export OMP_NUM_THREADS=1
mkdir -p "$scratch/start/data" "$scratch/else" "$scratch/far"
cd "$scratch/start"
"$B/t2i-data" seed --out data/seed.h5 2>/dev/null
small="--d-model 32 --heads 2 --layers 1 --d-ff 48 --block-size 40 --batch 4 --steps 3 --validate-every 0"
train 1 --data data/seed.h5 $small --out runs/mse
train 1 --data data/seed.h5 $small --loss contrastive --out runs/contrastive
train 1 --data data/seed.h5 $small --out "$scratch/far/run"
files() { find . -path ./data -prune -o \( -name '*.png' -o -name '*.jp*g' -o -name '*.webp' -o -name '*.npy' -o -name '*.html' \) -newer mark -print | LC_ALL=C sort | tr '\n' ' '; }
# makes SUFFIXED-NAMES COMMAND...: the files that a command makes
makes() {
    want=$1
    shift
    touch mark
    sleep 0.02
    "$@" >"$scratch/stdout" 2>"$scratch/stderr" || { fail "exit code $?: $*"; cat "$scratch/stderr"; }
    [ "$(files)" = "$want " ] || fail "made $(files), not $want: $*"
}

# ---- names: from the prompt, numbered, replaced ----
g=./runs/mse/generated
makes "$g/a-red-square-drawn-1.png $g/a-red-square.png" "$generate" runs/mse "a red square"
grep -qx 'Sheet: runs/mse/generated/a-red-square.png' "$scratch/stdout" && grep -qx 'Drawing: runs/mse/generated/a-red-square-drawn-1.png' "$scratch/stdout" ||
    { fail "not said where the pictures are"; cat "$scratch/stdout"; }
[ ! -s "$scratch/stderr" ] || { fail "words on stderr"; cat "$scratch/stderr"; }
makes "$g/a-red-square-2-drawn-1.png $g/a-red-square-2.png" "$generate" runs/mse "a red square"
makes "$g/a-red-square-3-drawn-1.png $g/a-red-square-3.png" "$generate" runs/mse "a red square"
makes "$g/a-red-square-drawn-1.png $g/a-red-square.png" "$generate" runs/mse "a red square" --force
makes "$g/x-and-1-more-drawn-1.png $g/x-and-1-more-drawn-2.png $g/x-and-1-more.png" "$generate" runs/mse "../x" "a blue square"
grep -qx 'Last drawing: runs/mse/generated/x-and-1-more-drawn-2.png' "$scratch/stdout" || fail "the last drawing is not named"
makes "./a-red-square-drawn-1.png ./a-red-square.png" "$generate" runs/mse/model.safetensors --data data/seed.h5 "a red square"

# ---- --out: refused if it exists; formats by the suffix; a folder ----
for suffix in png jpg jpeg webp; do
    makes "./out-drawn-1.$suffix ./out.$suffix" "$generate" runs/mse "a red square" --out out.$suffix
    for file in out.$suffix out-drawn-1.$suffix; do
        case $suffix,$(head -c 12 $file | tr -d '\0') in
        png,?PNG* | webp,RIFF*WEBP) ;;
        jp*) [ "$(head -c 3 $file | od -An -tx1 | tr -d ' ')" = ffd8ff ] || fail "$file is no JPEG" ;;
        *) fail "$file is of another format" ;;
        esac
    done
done
expect 73 "out.png exists: give another name, or --force" "$generate" runs/mse "a red square" --out out.png
[ ! -s "$scratch/stdout" ] || fail "answers before the refusal"
rm out.png
expect 73 "out-drawn-1.png exists" "$generate" runs/mse "a red square" --out out.png
makes "./out-drawn-1.png ./out.png" "$generate" runs/mse "a red square" --out out.png --force
for name in out out.gif out.png.txt; do expect 64 "let the name end in .png, .jpg, .jpeg or .webp" "$generate" runs/mse "a red square" --out $name; done
expect 64 "let the name end in .png, .jpg, .jpeg or .webp" "$B/t2i-data" preview data/seed.h5 --out sheet.gif
mkdir here
makes "./here/a-red-square-drawn-1.png ./here/a-red-square.png" "$generate" runs/mse "a red square" --out here
makes "./here/a-red-square-2-drawn-1.png ./here/a-red-square-2.png" "$generate" runs/mse "a red square" --out here/
makes "./page.html" "$generate" runs/mse --html page.html
expect 73 "page.html exists" "$generate" runs/mse --html page.html
makes "./page.html" "$generate" runs/mse --html page.html --force

# ---- answers are printed though the picture cannot be written ----
expect 73 "cannot create /nonexistent/x-drawn-1.png" "$generate" runs/mse "a red square" --out /nonexistent/x.png
grep -q '^   1 .*_.*\.png$' "$scratch/stdout" && ! grep -q Sheet "$scratch/stdout" || { fail "no answers without a picture"; cat "$scratch/stdout"; }
expect 73 "cannot create /nonexistent/x-drawn-1.png" "$generate" runs/mse "a red square" --json --out /nonexistent/x.png
"$python" -c 'import json, sys; a, = json.load(sys.stdin); assert len(a["nearest"]) == 3 and a["decoded"] is None' <"$scratch/stdout" || fail "no JSON without a picture"
# a run that cannot be written: the current folder
cp -r runs/mse runs/other
rm -r runs/other/generated
touch runs/other/generated
(cd ../else && expect 0 "generated cannot be written: pictures go to the current folder" "$generate" ../start/runs/other "a red square" &&
    [ -s a-red-square.png ] && [ -s a-red-square-drawn-1.png ] && finish) || fail "a run that cannot be written"
if [ "$(id -u)" -eq 0 ] && setpriv --reuid 65534 --clear-groups test -r "${generate%/*}/t2i-reader" 2>/dev/null; then
    chmod 755 "$scratch" && chmod -R a+rX "$scratch/start" && rm runs/other/generated
    mkdir -m 777 "$scratch/theirs"
    (cd "$scratch/theirs" && expect 0 "pictures go to the current folder" setpriv --reuid 65534 --clear-groups "$generate" ../start/runs/other "a red square" &&
        [ -s a-red-square.png ] && finish) || fail "somebody else's run"
    (cd "$scratch/else" && expect 73 "cannot create" setpriv --reuid 65534 --clear-groups "$generate" --quiet ../start/runs/other "a red circle" &&
        grep -q '^   1 .*\.png$' "$scratch/stdout" && finish) || fail "nowhere to write, and no answers"
fi

# ---- from any folder; the dataset that has moved ----
answers() { (cd "$1" && "$generate" "$2" "a red square" --json --out "$scratch/x.png" --force "${@:3}" 2>"$scratch/stderr" | grep distance); }
right=$(answers . runs/mse)
[ "$(grep -c distance <<<"$right")" -eq 3 ] || fail "no distances"
same() { # WHAT FOLDER RUN
    [ "$(answers "$2" "$3")" = "$right" ] && [ ! -s "$scratch/stderr" ] || { fail "not found: $1"; cat "$scratch/stderr"; }
}
far=$(cd ../else && "$generate" "$scratch/far/run" "a red square" --json --out "$scratch/x.png" --force 2>/dev/null | grep -c distance)
[ "$far" -eq 3 ] || fail "not found from the folder of the first start"
grep -qx "; started in $PWD" runs/mse/job.ini || fail "job.ini lacks the folder"
same "from another folder" ../else ../start/runs/mse
"$B/t2i-eval" runs/mse >"$scratch/here" 2>&1
(cd ../else && "$B/t2i-eval" ../start/runs/mse 2>&1) | diff "$scratch/here" - || fail "t2i-eval from another folder"
cp -r "$scratch/start" "$scratch/moved"
mv data/seed.h5 "$scratch/kept.h5"
same "below the run's folder, moved as a whole" / "$scratch/moved/runs/mse"
expect 66 "data/seed.h5, which runs/mse/job.ini names as its dataset, does not exist: give the dataset with --data" "$generate" runs/mse "a"
cp "$scratch/kept.h5" seed.h5
same "by its name in the current folder" . runs/mse
mv seed.h5 runs/mse/
same "by its name in the run" ../else ../start/runs/mse
rm runs/mse/seed.h5

# ---- another dataset ----
"$B/t2i-data" shapes --seed 2 --out other.h5 >/dev/null 2>&1
dim=$("$B/t2i-data" info "$scratch/kept.h5" --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["features"])')
train 1 --data other.h5 $small --out runs/shapes
"$B/t2i-data" shapes --seed 3 --out other.h5 >/dev/null 2>&1
for program in "$generate" "$B/t2i-eval"; do
    prompt=$([ "$program" = "$generate" ] && echo "red star" || true)
    expect 65 "other.h5 is not the dataset that runs/shapes was trained on (the digests differ)" "$program" runs/shapes ${prompt:+"$prompt"}
    [ ! -s "$scratch/stdout" ] || fail "answers about another dataset"
done
"$generate" runs/shapes "red star" --data other.h5 >"$scratch/stdout" 2>"$scratch/stderr" && grep -q 'warning: .*was trained on another dataset' "$scratch/stderr" ||
    { fail "--data names another dataset"; cat "$scratch/stderr"; }
mkdir -p data && cp "$scratch/kept.h5" data/seed.h5

# ---- the metric of the loss ----
metric() { "$generate" "$@" "a red square" --out x.png --force | grep -o '^[A-Z][a-z]* distance'; }
[ "$(metric runs/mse)" = "Euclidean distance" ] || fail "another metric for mse"
[ "$(metric runs/contrastive)" = "Cosine distance" ] || fail "another metric for contrastive"
[ "$(metric runs/contrastive/model.safetensors --data data/seed.h5)" = "Cosine distance" ] || fail "another metric for a model file"
[ "$(metric runs/contrastive --metric euclidean)" = "Euclidean distance" ] || fail "--metric is not obeyed"
"$generate" runs/contrastive --html page.html --force 2>/dev/null
grep -q 'by cosine distance' page.html || fail "another metric on the page"

# ---- prompts: quotes, empty ones, lists, vectors ----
"$generate" runs/mse a red square here >/dev/null 2>"$scratch/stderr" || fail "words without quotes"
grep -q 'warning: these are 4 prompts of one word each; one prompt of 4 words has quotes around it: "a red square here"$' "$scratch/stderr" ||
    { fail "no hint at quotes"; cat "$scratch/stderr"; }
expect 64 "prompt 1 is empty: a prompt says in words what the picture shows" "$generate" runs/mse ""
printf 'a red square\na blue square\r\nred' >list
makes "./v.npy" "$generate" runs/mse --prompts list --vectors v.npy
grep -qx 'Vectors: v.npy' "$scratch/stdout" && [ "$(grep -c '^   1 ' "$scratch/stdout")" -eq 3 ] || { fail "--prompts"; cat "$scratch/stdout"; }
makes "./w-drawn-1.png ./w-drawn-2.png ./w-drawn-3.png ./w-drawn-4.png ./w.npy ./w.png" sh -c "tail -n 2 list | '$generate' runs/mse 'a red square' red --prompts - --vectors w.npy --out w.png"
expect 73 "v.npy exists" "$generate" runs/mse red --vectors v.npy
expect 64 "let the name end in .npy" "$generate" runs/mse red --vectors v.txt
printf 'a\n\nb\n' >gap
expect 65 "gap: prompt 2 is empty" "$generate" runs/mse --prompts gap
expect 65 "is an HDF5 dataset, not a list of prompts" "$generate" runs/mse --prompts data/seed.h5
expect 66 "none" "$generate" runs/mse --prompts none
[ "$(stat -c %s v.npy)" -eq $((128 + 3 * 4 * dim)) ] && [ "$(stat -c %s w.npy)" -eq $((128 + 4 * 4 * dim)) ] || fail "sizes of the vectors"
grep -q "'shape': (3, $dim)" v.npy || fail "the shape of the vectors"
[ "$(tail -c +129 v.npy | head -c $((8 * dim)) | md5sum)" != "$(tail -c +129 v.npy | head -c $((4 * dim)) | md5sum)" ] || fail "no numbers"
cmp -n $((4 * dim)) -i 128 v.npy w.npy || fail "the first prompt has other numbers"
if "$python" -c 'import numpy' 2>/dev/null; then
    "$python" -c 'import numpy, sys; v = numpy.load("v.npy"); assert v.dtype == "float32" and v.shape == (3, int(sys.argv[1])) and numpy.isfinite(v).all()' "$dim" || fail "numpy reads something else"
fi
# more prompts than pictures are kept of
seq 300 | sed 's/$/ red/' >many
makes "$(seq 300 | sed 's/.*/.\/m-drawn-&.png/' | cat - <(echo ./m.png) | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')" "$generate" runs/mse --prompts many --out m.png
"$generate" runs/mse "300 red" --out one.png >/dev/null && cmp one-drawn-1.png m-drawn-300.png || fail "the last of many is drawn otherwise"

# ---- something else in place of a run ----
printf 'prompt,image_path\na cat,tom.jpg\n' >pets.csv
for program in "$generate" "$B/t2i-eval"; do
    prompt=$([ "$program" = "$generate" ] && echo "a cat" || true)
    expect 65 "data/seed.h5 is an HDF5 dataset, not a" "$program" data/seed.h5 ${prompt:+"$prompt"}
    expect 65 "pets.csv is a" "$program" pets.csv ${prompt:+"$prompt"}
done
finish
