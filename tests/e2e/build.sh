#!/bin/bash
# TIMEOUT: 300
# t2i-data build over ranks, with ResNet-18, stopped and gone on, with pictures of all kinds and some that are bad.
. tests/e2e/lib.sh.inc
data=$(cd "$B" && pwd)/t2i-data
formula=$(cd "$B" && pwd)/tests/helper/formula_weights
pictures=$PWD/tests/golden/resnet18/images
others=$PWD/tests/golden/pictures
cd "$scratch"

# build NAME OPTIONS...: alone; over NP ranks with np=NP before it.
build() {
    out=$1
    shift
    run=
    [ "${np:-0}" -eq 0 ] || run="$MPIRUN -np $np"
    # shellcheck disable=SC2086
    timeout 100 $run "$data" build --out "$out" "$@" >"$scratch/stdout" 2>"$scratch/stderr"
}
must() { build "$@" || { fail "build $*: exit code $?"; cat "$scratch/stderr"; }; }
said() { grep -q -F -- "$1" "$scratch/stderr" || { fail "'$1' was not said"; cat "$scratch/stderr"; }; }
nothing_left() { [ -z "$(ls -d ./*.parts ./*.tmp 2>/dev/null)" ] || fail "left: $(ls -d ./*.parts ./*.tmp)"; }

# ---- the same bytes at any number of ranks, with both encoders ----
mkdir many
n=0
for file in "$pictures"/*.png; do
    n=$((n + 1))
    cp "$file" many/
    printf 'picture number %d\t%s\nonce more %d\t%s\n' $n "$(basename "$file")" $n "$(basename "$file")"
done >pairs.tsv
"$formula" resnet18.pth
for encoder in pca "resnet18 --weights resnet18.pth"; do
    # shellcheck disable=SC2086
    must alone.h5 --pairs pairs.tsv --images many --encoder $encoder
    said "1 of $n picture groups (2 of $((2 * n)) pairs) are held out"
    said "PSNR of decoded pictures"
    for ranks in 1 3; do
        # shellcheck disable=SC2086
        np=$ranks must ranks.h5 --pairs pairs.tsv --images many --encoder $encoder
        cmp alone.h5 ranks.h5 || fail "np $ranks makes another file with $encoder"
    done
    nothing_left
done
"$data" info alone.h5 --json >info.json
grep -q '"encoder": "resnet18"' info.json && grep -q '"features": 512' info.json && grep -q '"decoder": true' info.json ||
    { fail "info does not tell"; cat info.json; }

# ---- weights as others keep them give the same features ----
for kind in "module.|.pth" "backbone.|.safetensors" "model.|.safetensors"; do
    "$formula" "other${kind#*|}" "${kind%|*}"
    must other.h5 --pairs pairs.tsv --images many --encoder resnet18 --weights "other${kind#*|}"
    "$data" info other.h5 --json | grep -v -e digest -e '"file"' -e encoder_weights >other.json
    grep -v -e digest -e '"file"' -e encoder_weights info.json | cmp - other.json || fail "$kind gives another dataset"
done
# the last one again, as the part of its file
must other.h5 --pairs pairs.tsv --images many --encoder resnet18 --weights other.safetensors:model
"$data" info other.h5 --json | grep -v -e digest -e '"file"' -e encoder_weights | cmp - other.json || fail "a part gives another dataset"
"$formula" damaged.pth module. layer2.0.bn1.weight
expect 65 "lacks tensor module.layer2.0.bn1.weight" "$data" build --pairs pairs.tsv --images many --out no.h5 --encoder resnet18 --weights damaged.pth
head -c 1000000 resnet18.pth >cut.pth
expect 65 "cut.pth" "$data" build --pairs pairs.tsv --images many --out no.h5 --encoder resnet18 --weights cut.pth
expect 65 "pairs.tsv" "$data" build --pairs pairs.tsv --images many --out no.h5 --encoder resnet18 --weights pairs.tsv
expect 66 "none.pth" "$data" build --pairs pairs.tsv --images many --out no.h5 --encoder resnet18 --weights none.pth
expect 64 "--weights" "$data" build --pairs pairs.tsv --images many --out no.h5 --encoder resnet18
expect 64 "--weights needs --encoder resnet18" "$data" build --pairs pairs.tsv --images many --out no.h5 --weights resnet18.pth
expect 64 "512" "$data" build --pairs pairs.tsv --images many --out no.h5 --encoder resnet18 --weights resnet18.pth --dim 4
expect 66 "none.pth" $MPIRUN -np 2 "$data" build --pairs pairs.tsv --images many --out no.h5 --encoder resnet18 --weights none.pth
nothing_left

# ---- stopped, and gone on: the same file, and what was done is not done again ----
for i in $(seq 60); do cp "$pictures/wide_500x333.png" "many/w$i.png" && printf 'wide %d\tw%d.png\n' "$i" "$i"; done >long.tsv
full="--pairs long.tsv --images many --encoder resnet18 --weights resnet18.pth"
must long.h5 $full
"$data" build $full --out again.h5 >/dev/null 2>stopped & # the signal goes to it, not to a shell
child=$!
for i in $(seq 200); do [ "$(cat again.h5.parts/000000.part 2>/dev/null | wc -c)" -lt 40000 ] || break; sleep 0.05; done
kill -TERM $child
rc=0
wait $child || rc=$?
[ $rc -eq 75 ] || { fail "stopped with exit code $rc, not 75"; cat stopped; }
grep -q "pictures done, which are kept in again.h5.parts; run it again with --resume" stopped || { fail "said nothing"; cat stopped; }
[ ! -e again.h5 ] || fail "a stopped build left a dataset"
touch -d '1999-01-01' many/w1.png # changed meanwhile: to be taken anew
np=2 must again.h5 $full --resume
grep -q 'of 60 pictures are done already' "$scratch/stderr" || { fail "nothing was kept"; cat "$scratch/stderr"; }
cmp long.h5 again.h5 || fail "a resumed build makes another file"
nothing_left
# killed at once: a torn journal does no harm
"$data" build $full --out again.h5 >/dev/null 2>&1 &
child=$!
for i in $(seq 200); do [ "$(cat again.h5.parts/000000.part 2>/dev/null | wc -c)" -lt 20000 ] || break; sleep 0.05; done
kill -KILL $child
wait $child 2>/dev/null || true
printf 'torn' >>again.h5.parts/000000.part
must again.h5 $full --resume
cmp long.h5 again.h5 || fail "a build resumed after a kill makes another file"
# what another encoder left is no use, and not thrown away; nor is it when the weights are not there
mkdir -p pca.h5.parts && : >pca.h5.parts/000000.part
expect 64 "of another encoder" "$data" build --pairs long.tsv --images many --out pca.h5 --resume
expect 66 "none.pth" "$data" build --pairs long.tsv --images many --out pca.h5 --encoder resnet18 --weights none.pth --resume
[ -e pca.h5.parts/000000.part ] || fail "journals were thrown away"
must pca.h5 --pairs long.tsv --images many
nothing_left
# two at once: the second is told, and harms nothing
"$data" build $full --out again.h5 >/dev/null 2>first &
child=$!
for i in $(seq 200); do [ ! -e again.h5.parts/000000.part ] || break; sleep 0.05; done
expect 73 "another build is running" "$data" build $full --out again.h5
wait $child || { fail "the first of two builds failed"; cat first; }
cmp long.h5 again.h5 || fail "the first of two builds makes another file"
# one rank without room: told once, all ends alike, and what was done is kept
expect 74 "stuck.h5.parts/000001.part" $MPIRUN -np 1 "$data" build $full --out stuck.h5 --quiet : \
    -np 1 bash -c 'ulimit -f 60; exec "$@"' - "$data" build $full --out stuck.h5 --quiet
np=2 must stuck.h5 $full --resume
said "pictures are done already"
cmp long.h5 stuck.h5 || fail "a build resumed after a full disk makes another file"
nothing_left
# files that must not be overwritten, and one that would keep us for ever
cp long.tsv notes.txt
expect 73 "is not a dataset" "$data" build --pairs long.tsv --images many --out notes.txt
expect 73 "is not a dataset" "$data" build --pairs long.tsv --images many --out many/w1.png
mkfifo many/pipe.png
printf 'x\tpipe.png\ny\tred_square.png\n' >pipe.tsv
expect_warned 65 "1 of 2 rows" "$data" build --pairs pipe.tsv --images many --out pipe.h5
grep -q 'not a regular file' pipe.h5.bad.tsv || fail "the pipe is not named"
rm -r pipe.h5.parts

# ---- JPEG and WebP, and bad files: each told once, whatever many rows name it ----
mkdir mixed
find "$others" -name '*.jpg' -o -name '*.webp' | head -n 6 | while read -r file; do cp "$file" mixed/; done
: >mixed/empty.jpg
head -c 300 "$pictures/wide_500x333.png" >mixed/cut.png
echo 'GIF89a' >mixed/no.gif
echo 'prompt,image_path,group' >mixed.csv
for file in mixed/*; do
    for k in 1 2; do echo "\"caption $k, of it\",$(basename "$file"),${k%?}g"; done
done >>mixed.csv
expect_warned 65 "mixed.csv: 6 of" "$data" build --pairs mixed.csv --images mixed --out no.h5
[ "$(wc -l <no.h5.bad.tsv)" -eq 4 ] || { fail "the report"; cat no.h5.bad.tsv; }
[ "$(grep -c '1 more rows name it' no.h5.bad.tsv)" -eq 3 ] || { fail "rows are not counted"; cat no.h5.bad.tsv; }
must no.h5 --pairs mixed.csv --images mixed --skip-bad --resume --validation 0
said "6 of 9 pictures are done already"
"$data" info no.h5 --json | grep -q '"groups": 1,' || fail "one group was said"
nothing_left
awk 'BEGIN { for (i = 0; i < 50; i++) print "x\tnot-there-" i ".png" }' >missing.tsv
expect_warned 65 "all 50 rows are bad" "$data" build --pairs missing.tsv --images many --out none.h5
[ "$(grep -c 'warning: missing.tsv:' "$scratch/stderr")" -eq 20 ] && [ "$(wc -l <none.h5.bad.tsv)" -eq 51 ] ||
    { fail "20 warnings and a whole report"; cat "$scratch/stderr"; }
nothing_left

# ---- splits ----
expect 64 "leave --validation out" "$data" build --pairs <(printf 'a\tred_square.png\ttrain\n') --images many --out no2.h5 --validation 0.2
must split.h5 --pairs <(printf 'a\tred_square.png\nb\tred_square.png\tunseen-pictures\na\tred_square.png\n') --images many
said "1 of 3 pairs are given more than once"
said "1 pairs of the split unseen pictures"
expect 73 "its folder does not exist; make it first" "$data" build --pairs pairs.tsv --images many --out nowhere/x.h5
[ ! -e nowhere ] || fail "a folder was made"
finish
