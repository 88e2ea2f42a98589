#!/bin/bash
# TIMEOUT: 300
# t2i-data export: what is written is built again into a dataset of the same content, and of the same digest where nothing is lost.
. tests/e2e/lib.sh.inc
data=$(cd "$B" && pwd)/t2i-data
pictures=$PWD/tests/golden/resnet18/images
documents=$PWD/docs
python=${PYTHON:-python3}
cd "$scratch"

quiet() { "$data" "$@" >log 2>&1 || { cat log; fail "t2i-data $*: exit code $?"; }; }
field() { "$data" info "$2" | sed -n "s/^$1  *//p"; }
same() {
    [ -n "$(field "$1" "$2")" ] && [ "$(field "$1" "$2")" = "$(field "$1" "$3")" ] || fail "$2 and $3 differ in their $1"
}

# pictures of all splits, one in two of them; groups; prompts of several lines, empty, beyond ASCII
mkdir -p source/sub
cp "$pictures"/*.png source/sub
cat >source/pairs.jsonl <<'END'
{"prompt":"zebra","image_path":"sub/red_square.png","split":"train","group":"g"}
{"prompt":"","image_path":"sub/big_900x40.png","split":"train"}
{"prompt":"two\nlines","image_path":"sub/bit_90x70.png","split":"train","group":"g"}
{"prompt":"größe \"1\"","image_path":"sub/blue_square.png","split":"validation"}
{"prompt":"apple","image_path":"sub/red_square.png","split":"train"}
{"prompt":"a","image_path":"sub/green_circle.png","split":"unseen pictures"}
{"prompt":"a","image_path":"sub/tall_31x77.png","split":"unseen pictures"}
{"prompt":"red apple","image_path":"sub/red_square.png","split":"unseen prompts"}
{"prompt":"apple","image_path":"sub/half_256x257.png","split":"train"}
{"prompt":"apple","image_path":"sub/grey_50x50.png","split":"train"}
END
quiet build --pairs source/pairs.jsonl --out a.h5

# ---- jsonl: nothing is lost ----
quiet export a.h5 --to jsonl --out list
quiet build --pairs list/pairs.jsonl --out list.h5
cmp a.h5 list.h5 || fail "a dataset built from its own list is another"
quiet export list.h5 --out again
diff -r list again || fail "the same dataset is exported in two ways"

# ---- folder, webdataset: the pairs stay ----
quiet export a.h5 --to folder --out folder
[ "$(cd folder && find . -name '*.png' | wc -l)" -eq 9 ] || fail "a picture of two splits is not in both folders"
[ "$(cat folder/*/metadata.jsonl | wc -l)" -eq 10 ] || fail "metadata.jsonl has not all pairs"
quiet build --pairs folder --out folder.h5
same content a.h5 folder.h5
splits() { "$data" info "$1" | sed -n 's/^\(train\|validation\|unseen [a-z]*\)  *\([0-9]*\) .*/\1 \2/p'; }
[ "$(splits a.h5)" = "$(splits folder.h5)" ] || fail "an imagefolder has other splits"
quiet export a.h5 --to webdataset --shard 4 --out shards
(cd shards && echo */*) >found
echo "train/00000.tar train/00001.tar unseen-pictures/00000.tar unseen-prompts/00000.tar validation/00000.tar" | cmp - found ||
    fail "other shards: $(cat found)"
quiet build --pairs shards --out shards.h5
same content a.h5 shards.h5
[ "$(splits a.h5)" = "$(splits shards.h5)" ] || fail "shards have other splits"
mkdir untar
for shard in shards/*/*.tar; do tar xf "$shard" -C untar; done
[ "$(cat untar/000000000.txt)" = zebra ] || fail "the first sample's text is not its prompt"
[ "$(find untar -name '*.txt' | wc -l)" -eq 8 ] || fail "a prompt that is not one line has a .txt"

# ---- names ----
mkdir odd
cp "$pictures/red_square.png" odd/a.jpg
cp "$pictures/blue_square.png" odd/A.jpg
cp "$pictures/green_circle.png" odd/green
printf 'red\t%s\nblue\tA.jpg\ngreen\tgreen\n' "../odd/a.jpg" >odd/odd.tsv
quiet build --pairs odd/odd.tsv --validation 0 --out odd.h5
expect 0 "3 of 3 pictures got another file name" "$data" export odd.h5 --out odd-list
(cd odd-list && find . -type f | sort) >found
printf '%s\n' ./A-1.png ./green.png ./odd/a.png ./pairs.jsonl >wanted
[ -e odd-list/A.png ] && sed -i 's/A-1/A/' wanted
cmp wanted found || fail "other names: $(cat found)"
quiet build --pairs odd-list/pairs.jsonl --out odd-list.h5
same content odd.h5 odd-list.h5

# ---- ready features ----
quiet seed --out seed.h5
printf 'red\tred_square\nblue\tblue_square\ngreen\tgreen_circle\na red one\tred_square\n' >features.tsv
quiet build --pairs features.tsv --features "$OLDPWD/tests/golden/seed/features.safetensors" --out ready.h5
expect 65 "ready.h5 has no pictures: it was built from ready features, which --to npy exports" "$data" export ready.h5 --out no
quiet export ready.h5 --to npy --out npy
[ "$(wc -l <npy/pairs.jsonl)" -eq 4 ] || fail "pairs.jsonl of the features has not all pairs"
quiet build --pairs npy/pairs.jsonl --features npy/features.npy --out npy.h5
same content ready.h5 npy.h5
[ "$(head -c 6 npy/features.npy | tail -c 5)" = NUMPY ] || fail "features.npy is no .npy"
[ "$(wc -c <npy/features.npy)" -eq $((128 + 3 * 4 * $("$data" info ready.h5 --json | sed -n 's/.*"features": \([0-9]*\).*/\1/p'))) ] ||
    fail "features.npy has another size"

# ---- refusals, and what is left ----
expect 73 "list exists and is not an empty folder" "$data" export a.h5 --out list
expect 66 "none.h5" "$data" export none.h5 --out no
expect 73 "cannot create the folder none/no" "$data" export a.h5 --out none/no
expect 64 "--shard applies to --to webdataset only" "$data" export a.h5 --shard 3 --out no
expect 64 "--out" "$data" export a.h5
for to in jsonl folder webdataset; do
    (ulimit -f 2 && expect 74 "cannot write" "$data" export a.h5 --to $to --out no && finish) || fail "a full disk: $to"
done
head -c 3000 a.h5 >cut.h5
expect 65 "cut.h5" "$data" export cut.h5 --out no
[ ! -e no ] && [ ! -e no.tmp ] || fail "a failed export left something"
mkdir no.tmp no
touch no.tmp/.t2i-lock no.tmp/old
quiet export a.h5 --out no
[ ! -e no.tmp ] && [ ! -e no/old ] && diff -r list no || fail "what a killed export left stays"

# ---- the content, by the script of docs/file-formats.md ----
sed -n '/^```python/,/^```$/p' "$documents/file-formats.md" | sed '/^```/d' >content.py
[ -s content.py ] || fail "docs/file-formats.md has no script"
if "$python" -c 'import h5py, xxhash' 2>/dev/null; then
    for file in a.h5 ready.h5 seed.h5; do
        [ "$("$python" content.py $file)" = "$(field content $file)" ] || fail "the script's content of $file is another"
    done
else
    echo "no h5py and xxhash in $python: the content was not compared with that of the script"
fi
finish
