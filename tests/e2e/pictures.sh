#!/bin/bash
# TIMEOUT: 300
# t2i-data build: formats, orientation, transparency, damage, sides and sizes of pictures: pixels by the digest
# `content`, and what is said. tests/golden/pictures.c compares every format with Pillow, pixel by pixel.
. tests/e2e/lib.sh.inc
B=$(cd "$B" && pwd)
data=$B/t2i-data
formula=$B/tests/helper/formula_weights
golden=$PWD/tests/golden/pictures
cases=$PWD/tests/e2e/pictures
cd "$scratch"

# build NAME OPTIONS...: NAME.h5 from NAME.tsv
build() {
    name=$1
    shift
    "$data" build --pairs "$name.tsv" --images . --out "$name.h5" "$@" >"$scratch/stdout" 2>"$scratch/stderr" ||
        { fail "build $name $*: exit code $?"; cat "$scratch/stderr"; }
}
said() { grep -q -F -- "$1" "$scratch/stderr" || { fail "'$1' was not said"; cat "$scratch/stderr"; }; }
silent() { ! grep -q -F -- "$1" "$scratch/stderr" || { fail "'$1' was said"; cat "$scratch/stderr"; }; }
# content FILE OPTIONS...: the digest of a dataset of this picture and the prompt "a"
content() {
    cp "$1" one.picture
    printf 'a\tone.picture\n' >one.tsv
    shift
    build one --validation 0 "$@"
    "$data" info one.h5 --json | sed -n 's/.*"content": "\([0-9a-f]*\)".*/\1/p'
}
# alike A B OPTIONS...: file A, read with these options, has the pixels of file B
alike() {
    a=$1 b=$2
    shift 2
    ours=$(content "$a" "$@") theirs=$(content "$b")
    [ -n "$ours" ] && [ "$ours" = "$theirs" ] || fail "$a with '$*' is not as $b"
}

# ---- orientation ----
for turn in 2 3 4 5 6 7 8; do alike "$golden/turned_$turn.jpg" "$golden/upright/turned_$turn.jpg.png"; done
for file in turned_6_cmyk.jpg turned_8.png turned_5.webp; do
    alike "$golden/$file" "$golden/upright/$file.png"
    alike "$golden/$file" "$golden/expected/$file.png" --orientation ignore
done
alike "$golden/turned_6.tif" "$golden/expected/turned_6.tif.png" --orientation ignore
cp "$cases"/* .
cp "$golden/444.jpg" .
printf 'a\texif6.jpg\nb\tupright.png\n' >phone.tsv
build phone
said "1 of 2 pictures have an EXIF orientation: they are turned upright (--orientation ignore"
said "all training pictures are equal"
build phone --orientation ignore
said "1 of 2 pictures have an EXIF orientation: it is ignored (--orientation exif"
silent "are equal"

# ---- transparency ----
for file in rgba_8.png palette_4_interlaced.png grey_alpha_16_interlaced.png lossy_alpha.webp clear.gif rgba.tif \
    rgba_premultiplied.tif; do
    alike "$golden/$file" "$golden/on_ground/$file.png" --background '#0aC85a'
    alike "$golden/$file" "$golden/expected/$file.png" --background none
done
printf 'a\tlogo.png\nb\tblack.png\n' >logo.tsv
build logo
said "1 of 2 pictures have transparent parts: they are put on #ffffff (--background"
silent "are equal"
build logo --background none
said "1 of 2 pictures have transparent parts: transparency is dropped, as in torchvision"
said "all training pictures are equal"
build logo --background black
said "are put on #000000"

# ---- formats: the same picture in each ----
for file in plain.gif frame_inside_clear.gif bits_8.bmp os2_4.bmp 565.bmp tiled.tif tiff_lzw.tif pages.tif palette_8.tif; do
    alike "$golden/$file" "$golden/expected/$file.png" --background none
done
alike "$golden/dark_16.tif" "$golden/expected/dark_16.tif.png"
content "$golden/grey_16.png" >/dev/null
said "1 of 1 pictures are 16-bit grey; values above 255 are white"

# ---- damaged JPEGs: named, also by a build that is resumed ----
printf 'a\thalfeoi.jpg\nb\tflip.jpg\nc\t444.jpg\nd\tnone.jpg\n' >damaged.tsv
expect_warned 65 "1 of 4 rows are bad" "$data" build --pairs damaged.tsv --images . --out damaged.h5
silent "is a JPEG with damaged data" # told of a dataset that is made
build damaged --resume --skip-bad
said "3 of 4 pictures are done already"
for file in halfeoi.jpg flip.jpg; do said "warning: $file is a JPEG with damaged data"; done
silent "444.jpg is a JPEG"
said "2 of 3 pictures are JPEGs with damaged data"
for i in $(seq 25); do cp flip.jpg "many$i.jpg" && printf '%d\tmany%d.jpg\n' "$i" "$i"; done >many.tsv
build many
[ "$(grep -c 'is a JPEG with damaged data' "$scratch/stderr")" -eq 20 ] || { fail "not 20 are named"; cat "$scratch/stderr"; }
said "25 of 25 pictures are JPEGs with damaged data"

# ---- sides that differ, sizes ----
build many --fit pad --size 32
said "25 of 25 pictures are not square: they are padded (--fit crop"
build many
said "25 of 25 pictures are not square: the middle square is kept (--fit pad"
printf 'a\tlogo.png\n' >square.tsv
build square
silent "are not square"
for i in $(seq 12); do
    cp "$golden/$(sed -n "${i}p" <<END
444.jpg
440.jpg
grey.jpg
rgb_8.png
tiled.tif
plain.gif
bits_24.bmp
lossy.webp
palette_8.png
cmyk.jpg
rgba.tif
turned_6.jpg
END
)" "p$i.picture"
    for word in red blue; do printf '%s thing number %d\tp%d.picture\n' $word "$i" "$i"; done
done >mixed.tsv
for size in 16 80; do
    build mixed --size $size --fit pad --dim 8
    "$data" info mixed.h5 --json >info.json
    grep -q "\"height\": $size" info.json && grep -q "\"width\": $size" info.json || { fail "size $size"; cat info.json; }
    "$data" verify mixed.h5 >/dev/null || fail "size $size is not verified"
    "$data" preview mixed.h5 --out sheet.png 2>/dev/null || fail "size $size has no preview"
    cp mixed.h5 alone.h5
    $MPIRUN -np 2 "$data" build --pairs mixed.tsv --images . --out mixed.h5 --size $size --fit pad --dim 8 2>/dev/null
    cmp alone.h5 mixed.h5 || fail "2 ranks make another file of size $size"
done
rm -rf run
"$B/t2i-train" --data mixed.h5 --out run --steps 3 --batch 4 --d-model 16 --heads 2 --layers 1 --d-ff 16 \
    >/dev/null 2>"$scratch/stderr" || { fail "a dataset of 80 x 80 cannot be trained on"; cat "$scratch/stderr"; }
"$B/t2i-generate" run "red thing number 3" --out drawn.png >/dev/null 2>"$scratch/stderr" ||
    { fail "a model of 80 x 80 does not draw"; cat "$scratch/stderr"; }
[ -s drawn.png ] || fail "no drawing"

# ---- resnet18: the defaults are torchvision's; the features do not depend on how pixels are kept ----
"$formula" resnet18.pth
features() { h5dump -d /images/features "$1" 2>/dev/null | sed 1d; }
build phone --encoder resnet18 --weights resnet18.pth --validation 0
said "it is ignored (--orientation exif"
build logo --encoder resnet18 --weights resnet18.pth --validation 0
said "transparency is dropped, as in torchvision"
if command -v h5dump >/dev/null; then
    build mixed --encoder resnet18 --weights resnet18.pth
    features mixed.h5 >plain.txt
    build mixed --encoder resnet18 --weights resnet18.pth --size 32 --fit pad
    features mixed.h5 | cmp -s - plain.txt || fail "--size and --fit change the features of resnet18"
fi

# ---- refused ----
expect 64 "--size" "$data" build --pairs mixed.tsv --images . --out no.h5 --size 8
expect 64 "--size" "$data" build --pairs mixed.tsv --images . --out no.h5 --size 300
expect 64 "makes a decoder of 768 MiB" "$data" build --pairs mixed.tsv --images . --out no.h5 --size 256 --dim 1024
expect 64 '--background "bleu" is neither' "$data" build --pairs mixed.tsv --images . --out no.h5 --background bleu
expect 64 "--features excludes --fit" "$data" build --pairs mixed.tsv --features x.pt --out no.h5 --fit pad
printf 'a\tnone.jpg\nb\tlogo.png\n' >other.tsv
expect_warned 65 "1 of 2 rows are bad" "$data" build --pairs other.tsv --images . --out other.h5
expect 64 "other options of pictures" "$data" build --pairs other.tsv --images . --out other.h5 --resume --skip-bad --fit pad
finish
