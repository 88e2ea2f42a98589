#!/bin/bash
# data.sh: t2i-data from the outside: what it makes, what it refuses, what it leaves behind.
set -u
B=${B:-build/release}
tool=$(cd "$B" && pwd)/t2i-data
golden=$PWD/tests/golden
work=$(mktemp -d "${TMPDIR:-/tmp}/t2i-data-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

wrong() {
    echo "data.sh: $*"
    failures=$((failures + 1))
}

# expect CODE TEXT ARGUMENT...: runs the tool; its exit code, and a text that it must print.
expect() {
    local code=$1 text=$2
    shift 2
    "$tool" "$@" >out 2>&1
    local got=$?
    [ $got -eq "$code" ] || wrong "t2i-data $*: exit code $got, not $code: $(cat out)"
    grep -qF -- "$text" out || wrong "t2i-data $*: \"$text\" is not in: $(cat out)"
    # a failure ends in one line, and leaves no dataset
    [ "$code" -eq 0 ] || [ "$(grep -vc 'warning: ' out)" -eq 1 ] || wrong "t2i-data $*: $(cat out)"
    [ "$code" -eq 0 ] || [ ! -e no.h5 ] || wrong "t2i-data $*: no.h5 was left"
    local left
    left=$(find . -name '*.tmp*' -o -name '*.pixels*')
    [ -z "$left" ] || wrong "t2i-data $*: $left was left"
}

# ---- the built-in datasets ----
expect 0 "7 pairs, 3 pictures" seed --out seed.h5
expect 0 "seed.h5: sound" verify seed.h5
expect 0 "6480 pairs, 1296 pictures" shapes --out shapes.h5
expect 0 "shapes.h5: sound" verify shapes.h5
expect 0 "sound" verify shapes.h5
expect 0 '"decoder": true' info shapes.h5 --json
expect 0 "unseen pictures      1295        259" info shapes.h5
expect 0 "shapes.png" preview shapes.h5
[ "$(head -c 4 shapes.png | tail -c 3)" = PNG ] || wrong "shapes.png is no PNG"
expect 0 "sheet.png" preview seed.h5 --out sheet.png
expect 0 "1296 pictures" shapes --out again.h5 --seed 1
cmp shapes.h5 again.h5 || wrong "the same seed gave another file"
expect 0 "1296 pictures" shapes --seed 2 --out other.h5
! cmp -s shapes.h5 other.h5 || wrong "another seed gave the same file"
rm -f again.h5 other.h5

# ---- build: the same pairs as TSV, CSV and JSONL are the same dataset ----
cp -r "$golden/resnet18/images" pictures
cp "$golden/seed/pairs.tsv" .
{ echo "image_path,prompt" && sed 's/\(.*\)\t\(.*\)/\2,"\1"/' pairs.tsv; } >pairs.csv
sed 's/\(.*\)\t\(.*\)/{"prompt": "\1", "image_path": "\2"}/' pairs.tsv >pairs.jsonl
for kind in tsv csv jsonl; do
    expect 0 "7 pairs, 3 pictures" build --pairs pairs.$kind --images pictures --out $kind.h5
    cmp seed.h5 $kind.h5 || wrong "pairs.$kind makes another dataset than seed"
done
cp pairs.tsv pictures
expect 0 "7 pairs, 3 pictures" build --pairs pictures/pairs.tsv --out beside.h5
cmp seed.h5 beside.h5 || wrong "pictures beside the pairs file make another dataset"
# every kind of PNG, splits, and pictures outside the encoder's training
(cd pictures && ls -- *.png) | awk '{ print "picture number " NR "\t" $1 "\t" (NR % 3 ? "train" : "unseen-pictures") }' >all.tsv
expect 0 "15 pairs, 15 pictures" build --pairs all.tsv --images pictures --dim 4 --out all.h5
expect 0 "all.h5: sound" verify all.h5
expect 0 "features         4, from pca" info all.h5
expect 0 "all.png" preview all.h5

# ---- build: bad rows ----
: >pictures/empty.png
printf 'no tab\nx\tmissing.png\nx\tempty.png\nx\tred_square.png\ttest\n\xff\tred_square.png\n' >bad.tsv
cat pairs.tsv >>bad.tsv
expect 65 "bad.tsv: 5 of 12 rows are bad" build --pairs bad.tsv --images pictures --out no.h5
[ "$(grep -c 'warning: bad.tsv:' out)" -eq 5 ] || wrong "not every bad row is named: $(cat out)"
for n in 1 2 3 4 5; do
    grep -q "warning: bad.tsv:$n: row $((n - 1)): " out || wrong "row $((n - 1)) is not named"
done
expect 0 "5 of 12 rows are bad and left out" build --pairs bad.tsv --images pictures --skip-bad --out skip.h5
expect 0 '"pairs": 7' info skip.h5 --json
expect 65 "all 7 rows are bad" build --pairs pairs.tsv --images . --skip-bad --out no.h5
expect 65 "split train" build --pairs <(printf 'a\tred_square.png\tval\n') --images pictures --out no.h5

# ---- build from ready features ----
expect 0 "7 pairs, 3 pictures" build --pairs pairs.tsv --features "$golden/seed/features.safetensors" --out features.h5
expect 0 "features.h5: sound" verify features.h5
expect 0 '"features": 512' info features.h5 --json
expect 65 "no pictures to show" preview features.h5
printf 'x\twhat.png\n' | cat pairs.tsv - >more.tsv
expect 65 "1 of 8 rows" build --pairs more.tsv --features "$golden/seed/features.safetensors" --out no.h5
grep -q "more.tsv:8: row 7: .* has no features for what.png" out || wrong "the row is not named: $(cat out)"

# ---- what cannot be ----
expect 64 "give a command: seed, shapes,"
expect 64 "unknown command 'bild': did you mean 'build'?" bild
expect 64 "seed needs --out" seed
expect 64 "takes no --json" seed --out no.h5 --json
expect 64 "--pairs" build --out no.h5
expect 64 "wants a whole number" shapes --out no.h5 --dim 0
expect 64 "--features and --images exclude each other" build --pairs pairs.tsv --features x --images pictures --out no.h5
expect 64 "would overwrite" build --pairs pairs.tsv --images pictures --out pairs.tsv
expect 66 "missing.tsv" build --pairs missing.tsv --out no.h5
expect 66 "nowhere" build --pairs pairs.tsv --images nowhere --out no.h5
expect 66 "missing.h5" info missing.h5
expect 65 "pairs.tsv" verify pairs.tsv
expect 65 "pairs.tsv" build --pairs pairs.tsv --features pairs.tsv --out no.h5
expect 73 "nowhere/no.h5" seed --out nowhere/no.h5
expect 73 "nowhere/no.h5" build --pairs pairs.tsv --images pictures --out nowhere/no.h5
head -c 20000 seed.h5 >cut.h5
expect 65 "cut.h5" verify cut.h5
# full disk: here a limit on the length of files
(
    trap '' XFSZ
    ulimit -f 20
    expect 74 "no.h5" seed --out no.h5
    expect 74 "no.h5" build --pairs pairs.tsv --images pictures --out no.h5
    exit $((failures > 0))
) || wrong "a full disk was not handled"

[ $failures -eq 0 ] && echo "data.sh: all well"
exit $((failures > 0))
