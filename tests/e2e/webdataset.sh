#!/bin/bash
# TIMEOUT: 600
# t2i-data build from tar shards: equal to a list of the same pictures, over ranks, stopped and gone on, damaged.
. tests/e2e/lib.sh.inc
data=$(cd "$B" && pwd)/t2i-data
make_shards=$(cd "$B" && pwd)/tests/helper/make_shards
cd "$scratch"

# build NAME OPTIONS...: alone; over NP ranks with np=NP before it.
build() {
    out=$1
    shift
    run=
    [ "${np:-0}" -eq 0 ] || run="$MPIRUN -np $np"
    # shellcheck disable=SC2086
    timeout 100 $run "$data" build --dim 8 --out "$out" "$@" >"$scratch/stdout" 2>"$scratch/stderr"
}
must() { build "$@" || { fail "build $*: exit code $?"; cat "$scratch/stderr"; }; }
said() { grep -q -F -- "$1" "$scratch/stderr" || { fail "'$1' was not said"; cat "$scratch/stderr"; }; }
nothing_left() { [ -z "$(ls -d ./*.parts ./*.tmp 2>/dev/null)" ] || fail "left: $(ls -d ./*.parts ./*.tmp)"; }
content() { "$data" info "$1" | sed -n 's/^content *//p'; }
same() { [ "$(content "$1")" = "$(content list.h5)" ] || fail "$1 has another content than the list${2:+: $2}"; }

# ---- shards in all forms have the content of a list of the same pictures, with the same bytes at any number of ranks ----
"$make_shards" files 4 25 20 files
must list.h5 --pairs files/list.tsv
for kind in txt json cls; do
    "$make_shards" $kind 4 25 20 $kind
    must $kind.h5 --pairs $kind
    said "reads $kind: WebDataset, 4 shards, captions from .$kind"
    same $kind.h5
done
cmp txt.h5 json.h5 || fail "captions in .json make another file than in .txt"
must one.h5 --pairs 'txt/{00000..00003}.tar'
cmp txt.h5 one.h5 || fail "a brace pattern makes another file than the folder"
for ranks in 1 2 3 6; do
    np=$ranks must ranks.h5 --pairs txt
    cmp txt.h5 ranks.h5 || fail "np $ranks makes another file"
done
mkdir gz
for shard in txt/*.tar; do gzip -c "$shard" >"gz/$(basename "$shard").gz"; done
must gz.h5 --pairs gz
same gz.h5
nothing_left

# ---- more pictures than one rank fits alone ----
"$make_shards" many 3 1700 8
must many.h5 --pairs many
np=2 must ranks.h5 --pairs many
cmp many.h5 ranks.h5 || fail "two ranks fit another encoder than one"

# ---- as img2dataset writes: .jpg, .txt and .json; statistics and keys beside; failed downloads ----
mkdir img2dataset
cp txt/0000?.tar img2dataset/
for i in 0 1 2 3; do
    echo '{"count": 26, "successes": 25}' >img2dataset/0000${i}_stats.json
    echo PAR1 >img2dataset/0000$i.parquet
done
printf '{"caption": "gone", "url": "http://a.b/c.png", "key": "x", "status": "failed_to_download"}' >zzz.json
tar --append -f img2dataset/00003.tar zzz.json
must img.h5 --pairs img2dataset
same img.h5
said "1 pictures could not be downloaded"

# ---- splits are folders ----
mkdir -p splits/train splits/test
cp txt/0000[012].tar splits/train/
cp txt/00003.tar splits/test/
must splits.h5 --pairs splits
same splits.h5
"$data" info splits.h5 | grep -q "unseen pictures.*25" || { fail "test is not the split unseen pictures"; "$data" info splits.h5; }
build no.h5 --pairs splits --validation 0.2 && fail "--validation is used although folders name the splits"
said "leave --validation out"

# ---- several prompts of a picture, names as Python writes them, a caption's column ----
mkdir several
cp files/000000000.png several/ä.b.png
printf 'one\r\n\n two \n' >several/ä.b.txt
cp files/000000001.png several/b.png
printf '{"title": "three", "text": "four"}' >several/b.json
tar --format=pax --sort=name -C several -cf several.tar .
build no.h5 --pairs several.tar && fail "two keys for the caption are no error"
said 'b.json has the keys "text" and "title": name the caption'
must column.h5 --pairs several.tar --prompt-column text
"$data" info column.h5 --json >info.json
grep -q '"pairs": 3,' info.json || { fail "--prompt-column is not used"; cat info.json; }
must both.h5 --pairs several.tar --skip-bad
"$data" info both.h5 --json >info.json
grep -q '"pairs": 2,' info.json || { fail "two lines are not two prompts"; cat info.json; }

# ---- ready features: as from a file of features; no mixture ----
one='\x00\x00\x80\x3f' two='\x00\x00\x00\x40'
npy() { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n'"$1" "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"; }
mkdir ready
npy "$one$two" >ready/a.npy
npy "$two$one" >ready/b.npy
echo first >ready/a.txt
echo second >ready/b.txt
tar --sort=name -C ready -cf ready.tar .
must ready.h5 --pairs ready.tar --dim 512
said "features from .npy, captions from .txt"
head='{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}    '
printf "\\x$(printf %x ${#head})"'\0\0\0\0\0\0\0%s'"$one$two$two$one" "$head" >ready.safetensors
printf 'first\ta.png\nsecond\tb.png\n' >ready.tsv
"$data" build --pairs ready.tsv --features ready.safetensors --out given.h5 2>stderr || { fail "given features"; cat stderr; }
[ "$(content ready.h5)" = "$(content given.h5)" ] || fail "features in shards have another content than in a file"
np=2 must ranks.h5 --pairs ready.tar
cmp ready.h5 ranks.h5 || fail "features at two ranks make another file"
cp files/000000000.png ready/c.png
echo third >ready/c.txt
printf 'short' >ready/d.npy
echo fourth >ready/d.txt
tar --sort=name -C ready -cf mixed.tar .
build no.h5 --pairs mixed.tar && fail "a mixture of pictures and features is no error"
said "mixed.tar/./c: it has a picture, but the first sample has features (.npy)"
said "mixed.tar/./d.npy"
said "2 of 4 rows are bad"
build no.h5 --pairs ready.tar --validation 0.5 && fail "--validation is taken with ready features"
said "leave --validation out"
rm -rf ./*.parts

# ---- bad samples are named, by shard and member ----
mkdir bad
cp txt/00000.tar bad/
head -c 50 files/000000000.png >cut.png
echo "a cut picture" >cut.txt
echo "no picture" >lonely.txt
tar --append -f bad/00000.tar cut.png cut.txt lonely.txt
size=$(stat -c %s txt/00001.tar)
head -c $((size * 2 / 3)) txt/00001.tar >bad/00001.tar
head -c $(($(stat -c %s gz/00002.tar.gz) / 2)) gz/00002.tar.gz >bad/00002.tar.gz
echo "<!DOCTYPE html>" >bad/00003.tar
build bad.h5 --pairs bad && fail "bad rows are no error"
said "00000.tar/cut.png"
said "00000.tar/lonely: lonely has no picture"
grep -q "00001.tar: it ends early, after 0000000[0-9]*\.[a-z]* (" stderr || { fail "a truncated shard"; cat stderr; }
grep -q "00002.tar.gz: it ends early, after 0000000[0-9]*\.[a-z]* (" stderr || { fail "a truncated .tar.gz"; cat stderr; }
said "00003.tar: it is no tar archive"
must bad.h5 --pairs bad --skip-bad --resume
said "4 of 4 shards are done already"
cp bad.h5 alone.h5
np=3 must bad.h5 --pairs bad --skip-bad
cmp alone.h5 bad.h5 || fail "bad shards make another file at np 3"
mkdir odd
cp txt/00000.tar odd/
cp files/000000000.png odd.png
echo "a word" >odd.txt
tar --format=gnu -cf odd/00001.tar --transform "s,^,$(printf '%05000d/' 0)," odd.png odd.txt
must odd.h5 --pairs odd --skip-bad
said "00001.tar: the name of a member is longer than 3000 bytes"
cat txt/00000.tar txt/00001.tar >joined.tar
build no.h5 --pairs joined.tar && fail "what follows the end of an archive is lost"
said "were archives joined by cat?"

# ---- keys in several shards, shards twice, what does not apply ----
mkdir twice
cp txt/00000.tar twice/a.tar
cp txt/00000.tar twice/b.tar
must twice.h5 --pairs twice
said "25 samples have the key of a sample in another shard"
expect 64 "is named twice" "$data" build --pairs 'txt/{00000,00000}.tar' --out no.h5
expect 66 "00004.tar" "$data" build --pairs 'txt/{00000..00004}.tar' --out no.h5
expect 64 "--images" "$data" build --pairs 'txt/{00000..00003}.tar' --images files --out no.h5
expect 64 "nothing is downloaded" "$data" build --pairs 'https://a.b/{0..3}.tar' --out no.h5
rm -rf ./*.parts

# ---- stopped, and gone on: finished shards are not read again, changed ones are ----
"$make_shards" long 12 60 600
must long.h5 --pairs long
"$data" build --dim 8 --pairs long --out again.h5 >/dev/null 2>stopped &
child=$!
for i in $(seq 400); do [ "$(ls again.h5.parts/*.rows 2>/dev/null | wc -l)" -lt 3 ] || break; sleep 0.05; done
kill -TERM $child
rc=0
wait $child || rc=$?
[ $rc -eq 75 ] || { fail "stopped with exit code $rc, not 75"; cat stopped; }
grep -q "of 12 shards done, which are kept in again.h5.parts; run it again with --resume" stopped || { fail "said nothing"; cat stopped; }
[ ! -e again.h5 ] || fail "a stopped build left a dataset"
cp long/00000.tar copy && cp copy long/00000.tar
first=$(ls -t again.h5.parts/*.part | tail -1)
before=$(stat -c %s "$first")
np=2 must again.h5 --pairs long --resume
grep -q "[1-9][0-9]* of 12 shards are done already" stderr || { fail "nothing was resumed"; cat stderr; }
cmp long.h5 again.h5 || fail "a resumed build makes another file"
[ "$before" -gt 0 ] || fail "no journal"
nothing_left
finish
