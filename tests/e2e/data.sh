#!/bin/bash
# t2i-data from the outside: what it makes, what it refuses, what it leaves behind.
. tests/e2e/lib.sh.inc
tool=$(cd "$B" && pwd)/t2i-data
golden=$PWD/tests/golden
cd "$scratch"
mkdir work
cd work

# says TEXT ARGUMENT...: succeeds, and prints TEXT
says() {
    local text=$1
    shift
    "$tool" "$@" >out 2>&1 || fail "t2i-data $*: exit code $?: $(cat out)"
    grep -qF -- "$text" out || fail "t2i-data $*: \"$text\" is not in: $(cat out)"
    nothing_left "$@"
}
# refuses, warns_and_refuses CODE TEXT ARGUMENT...: fails with one line, and leaves no dataset
refuses() {
    expect "$1" "$2" "$tool" "${@:3}"
    nothing_left "${@:3}"
}
warns_and_refuses() {
    expect_warned "$1" "$2" "$tool" "${@:3}"
    nothing_left "${@:3}"
}
nothing_left() {
    local left
    left=$(find . -name 'no.h5' -o -name '*.tmp*' -o -name '*.pixels*')
    [ -z "$left" ] || fail "t2i-data $*: $left was left"
}

# ---- the built-in datasets ----
says "7 pairs, 3 pictures" seed --out seed.h5
says "seed.h5: sound" verify seed.h5
says "6480 pairs, 1296 pictures" shapes --out shapes.h5
says "shapes.h5: sound" verify shapes.h5
says "sound" verify shapes.h5
says '"decoder": true' info shapes.h5 --json
says "unseen pictures      1295        259" info shapes.h5
says "shapes.png" preview shapes.h5
[ "$(head -c 4 shapes.png | tail -c 3)" = PNG ] || fail "shapes.png is no PNG"
says "sheet.png" preview seed.h5 --out sheet.png
says "1296 pictures" shapes --out again.h5 --seed 1
cmp shapes.h5 again.h5 || fail "the same seed gave another file"
says "1296 pictures" shapes --seed 2 --out other.h5
! cmp -s shapes.h5 other.h5 || fail "another seed gave the same file"
rm -f again.h5 other.h5

# ---- build: the same pairs as TSV, CSV and JSONL are the same dataset ----
cp -r "$golden/resnet18/images" pictures
cp "$golden/seed/pairs.tsv" .
{ echo "image_path,prompt" && sed 's/\(.*\)\t\(.*\)/\2,"\1"/' pairs.tsv; } >pairs.csv
sed 's/\(.*\)\t\(.*\)/{"prompt": "\1", "image_path": "\2"}/' pairs.tsv >pairs.jsonl
for kind in tsv csv jsonl; do
    says "7 pairs, 3 pictures" build --pairs pairs.$kind --images pictures --out $kind.h5
    cmp seed.h5 $kind.h5 || fail "pairs.$kind makes another dataset than seed"
done
cp pairs.tsv pictures
says "7 pairs, 3 pictures" build --pairs pictures/pairs.tsv --out beside.h5
cmp seed.h5 beside.h5 || fail "pictures beside the pairs file make another dataset"
# every kind of PNG, splits, and pictures outside the encoder's training
(cd pictures && ls -- *.png) | awk '{ print "picture number " NR "\t" $1 "\t" (NR % 3 ? "train" : "unseen-pictures") }' >all.tsv
says "15 pairs, 15 pictures" build --pairs all.tsv --images pictures --dim 4 --out all.h5
says "all.h5: sound" verify all.h5
says "features         4, from pca" info all.h5
says "all.png" preview all.h5
T2I_FONT=shapes.h5 says "T2I_FONT: shapes.h5 is no font" preview all.h5 --out other.png

# ---- build: bad rows ----
: >pictures/empty.png
printf 'no tab\nx\tmissing.png\nx\tempty.png\nx\tred_square.png\tfold1\n\xff\tred_square.png\n' >bad.tsv
cat pairs.tsv >>bad.tsv
warns_and_refuses 65 "bad.tsv: 5 of 12 rows are bad" build --pairs bad.tsv --images pictures --out no.h5
[ "$(grep -c 'warning: bad.tsv:' "$scratch/stderr")" -eq 5 ] || fail "not every bad row is named: $(cat "$scratch/stderr")"
for n in 1 2 3 4 5; do
    grep -q "warning: bad.tsv:$n: row $((n - 1)): " "$scratch/stderr" || fail "row $((n - 1)) is not named"
done
says "5 of 12 rows are bad and left out" build --pairs bad.tsv --images pictures --skip-bad --out skip.h5
says '"pairs": 7' info skip.h5 --json
warns_and_refuses 65 "all 7 rows are bad" build --pairs pairs.tsv --images . --skip-bad --out no.h5
refuses 65 "split train" build --pairs <(printf 'a\tred_square.png\tval\n') --images pictures --out no.h5

# ---- build from ready features ----
says "7 pairs, 3 pictures" build --pairs pairs.tsv --features "$golden/seed/features.safetensors" --out features.h5
says "features.h5: sound" verify features.h5
says '"features": 512' info features.h5 --json
refuses 65 "no pictures to show" preview features.h5
printf 'x\twhat.png\n' | cat pairs.tsv - >more.tsv
warns_and_refuses 65 "1 of 8 rows" build --pairs more.tsv --features "$golden/seed/features.safetensors" --out no.h5
grep -q "more.tsv:8: row 7: .* has no features for what.png" "$scratch/stderr" || fail "the row is not named"

# ---- what cannot be ----
refuses 64 "give a command: seed, shapes,"
refuses 64 "unknown command 'bild': did you mean 'build'?" bild
refuses 64 "seed needs --out" seed
refuses 64 "takes no --json" seed --out no.h5 --json
refuses 64 "--pairs" build --out no.h5
refuses 64 "must be a whole number" shapes --out no.h5 --dim 0
refuses 64 "--features and --images exclude each other" build --pairs pairs.tsv --features x --images pictures --out no.h5
refuses 64 "would overwrite" build --pairs pairs.tsv --images pictures --out pairs.tsv
refuses 66 "missing.tsv" build --pairs missing.tsv --out no.h5
refuses 66 "nowhere" build --pairs pairs.tsv --images nowhere --out no.h5
refuses 66 "missing.h5" info missing.h5
refuses 65 "pairs.tsv" verify pairs.tsv
refuses 65 "pairs.tsv" build --pairs pairs.tsv --features pairs.tsv --out no.h5
refuses 73 "nowhere/no.h5" seed --out nowhere/no.h5
refuses 73 "nowhere/no.h5" build --pairs pairs.tsv --images pictures --out nowhere/no.h5
head -c 20000 seed.h5 >cut.h5
refuses 65 "cut.h5" verify cut.h5
# full disk: here a limit on the length of files
(
    trap '' XFSZ
    failures=0
    ulimit -f 20
    refuses 74 "no.h5" seed --out no.h5
    refuses 74 "no.h5" build --pairs pairs.tsv --images pictures --out no.h5
    exit $((failures > 0))
) || fail "a full disk was not handled"

finish
