#!/bin/bash
# TIMEOUT: 300
# t2i-data merge: datasets put together are the dataset of their lists put together; what does not fit is refused.
. tests/e2e/lib.sh.inc
data=$(cd "$B" && pwd)/t2i-data
formula=$(cd "$B" && pwd)/tests/helper/formula_weights
pictures=$PWD/tests/golden/resnet18/images
features=$PWD/tests/golden/seed/features.safetensors
cd "$scratch"

quiet() { "$data" "$@" >log 2>&1 || { cat log; fail "t2i-data $*: exit code $?"; }; }
field() { "$data" info "$2" | sed -n "s/^$1  *//p"; }
row() { printf '{"prompt":"%s","image_path":"%s.png","split":"%s"%s}\n' "$1" "$2" "$3" "${4:+,\"group\":\"$4\"}"; }

{
    row "a red square" red_square train a
    row "a stripe" big_900x40 train
    row zebra red_square "unseen prompts"
    row "a blue square" blue_square validation
    row "" bit_90x70 train a
} >a.jsonl
{
    row "a tower" tall_31x77 train b
    row "a red square" red_square train # in both
    row "a disc" green_circle "unseen pictures"
    row apple half_256x257 train b
} >b.jsonl
row grey grey_50x50 train >c.jsonl
cat a.jsonl b.jsonl c.jsonl >all.jsonl

# ---- pca: fitted again ----
for list in a b c all; do quiet build --pairs $list.jsonl --images "$pictures" --out $list.h5; done
expect 0 "1 pictures are in several datasets, with the same name and the same pixels; they are joined" "$data" merge a.h5 b.h5 c.h5 --out m.h5
cmp m.h5 all.h5 || fail "the merged dataset is not that of the merged lists"
"$data" verify m.h5 >/dev/null || fail "the merged dataset is not sound"
quiet merge a.h5 b.h5 c.h5 --dim 2 --out m.h5
[ "$("$data" info m.h5 --json | sed -n 's/.*"features": \([0-9]*\).*/\1/p')" -eq 2 ] || fail "--dim 2 gives others"

# ---- ResNet-18: copied; ready features: copied ----
"$formula" weights.safetensors
for list in a b c all; do quiet build --pairs $list.jsonl --images "$pictures" --encoder resnet18 --weights weights.safetensors --out r$list.h5; done
quiet merge ra.h5 rb.h5 rc.h5 --out m.h5
cmp m.h5 rall.h5 || fail "ResNet-18: the merged dataset is not that of the merged lists"
printf 'red\tred_square\ngreen\tgreen_circle\n' >fa.tsv
printf 'blue\tblue_square\nred\tred_square\n' >fb.tsv
cat fa.tsv fb.tsv >fall.tsv
for list in fa fb fall; do quiet build --pairs $list.tsv --features "$features" --out $list.h5; done
quiet merge fa.h5 fb.h5 --out m.h5
cmp m.h5 fall.h5 || fail "features: the merged dataset is not that of the merged lists"

# ---- groups stay apart, and are joined by a picture of both ----
{ row one red_square train a && row two blue_square train a; } >g.jsonl
{ row three green_circle train a && row four grey_50x50 train x && row five blue_square train x; } >h.jsonl
for list in g h; do quiet build --pairs $list.jsonl --images "$pictures" --out $list.h5; done
quiet merge g.h5 h.h5 --out m.h5
quiet export m.h5 --out groups
sed 's/.*"prompt":"\([a-z]*\)".*"group":\([0-9]*\).*/\1 \2/' groups/pairs.jsonl >found
printf '%s\n' "one 0" "two 0" "three 1" "four 0" "five 0" | cmp - found || fail "other groups: $(cat found)"

# ---- the same name of other pictures; the same picture under two names, which trains and validates ----
mkdir other
cp "$pictures/green_circle.png" other/red_square.png
cp "$pictures/blue_square.png" other/sea.png
{ row other red_square train && row sea sea train; } >o.jsonl
quiet build --pairs o.jsonl --images other --out o.h5
expect_warned 0 "wrote m.h5: 7 pairs, 6 pictures of 2 datasets" "$data" merge a.h5 o.h5 --out m.h5
grep -q "warning: 1 pairs of the split validation have a picture or group that is in training too" stderr || fail "a leak is not told: $(cat stderr)"

# ---- refusals ----
cp a.h5 before.h5
expect 64 "--out would overwrite the input a.h5" "$data" merge b.h5 a.h5 --out a.h5
ln a.h5 link.h5
expect 64 "--out would overwrite the input a.h5" "$data" merge b.h5 a.h5 --out link.h5
cmp a.h5 before.h5 || fail "a refused merge changed its input"
quiet build --pairs b.jsonl --images "$pictures" --size 32 --out small.h5
expect 65 "a.h5 and ra.h5 have different encoders" "$data" merge a.h5 ra.h5 --out no.h5
expect 65 "a.h5 and small.h5 have pictures of different sizes" "$data" merge a.h5 small.h5 --out no.h5
expect 65 "a.h5 and fa.h5 have different encoders" "$data" merge a.h5 fa.h5 --out no.h5
cp "$pictures/red_square.png" no.h5
expect 73 "no.h5 exists and is not a dataset" "$data" merge a.h5 b.h5 --out no.h5
rm no.h5
expect 66 "none.h5" "$data" merge a.h5 none.h5 --out no.h5
head -c 3000 b.h5 >cut.h5
expect 65 "cut.h5" "$data" merge a.h5 cut.h5 --out no.h5
expect 64 "merge" "$data" merge a.h5 --out no.h5
(ulimit -f 8 && expect 74 "cannot" "$data" merge a.h5 b.h5 --quiet --out no.h5 && finish) || fail "a full disk"
[ -z "$(ls no.h5* 2>/dev/null)" ] || fail "a refused merge left something"
finish
