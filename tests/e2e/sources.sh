#!/bin/bash
# TIMEOUT: 300
# The same pictures and prompts in every form that t2i-data build reads give the same pairs: equal
# digests `content`. Wrong sources are refused with what to do.
. tests/e2e/lib.sh.inc
data=$(cd "$B" && pwd)/t2i-data
"$B/tests/helper/picture_set" "$scratch/photos" 200
cd "$scratch"

# build NAME SOURCE OPTIONS...
build() {
    out=$1.h5 source=$2
    shift 2
    timeout 60 ${np:+$MPIRUN -np $np} "$data" build --pairs "$source" --out "$out" --dim 8 "$@" >"$out.said" 2>&1 ||
        { fail "build --pairs $source $*: exit code $?"; cat "$out.said"; }
}
content() { "$data" info "$1.h5" | awk '$1 == "content" { print $2 }'; }
# same NAME AS: the datasets hold the same pairs
same() {
    one=$(content "$1") other=$(content "$2")
    [ -n "$one" ] && [ "$one" = "$other" ] || { fail "$1 and $2 hold other pairs: $one $other"; cat "$1.h5.said"; }
}
said() { grep -q -F -- "$2" "$1.h5.said" || { fail "$1: '$2' was not said"; cat "$1.h5.said"; }; }

# ---- the pairs: one to three prompts a picture, as file TAB number TAB prompt ----
awk 'BEGIN { for (i = 0; i < 200; i++) for (k = 0; k <= i % 3; k++) {
        prompt = k == 0 ? "picture " i : k == 1 ? "a \"quoted\" word, and " i ". " : "größe " i "; schön"
        printf "%04d.png\t%d\t%s\n", i, k, prompt } }' >pairs

# lists
form() { awk -F '\t' "$2 $4" pairs >"$1"; [ -z "${3:-}" ] || sed -i "1i\\$3" "$1"; }
quoted='function q(t) { gsub(/"/, "\"\"", t); return "\"" t "\"" }'
json='function q(t) { gsub(/"/, "\\\"", t); return "\"" t "\"" }'
form comma.csv "$quoted" prompt,image_path '{ print q($3) "," $1 }'
form bare.tsv "" "" '{ print $3 "\t" $1 }'
build csv comma.csv --images photos
[ "$(content csv | wc -c)" -eq 33 ] || fail "no digest"
for list in bare.tsv; do
    build list "$list" --images photos
    same list csv
done
# other pairs give another digest
sed '2s/picture/pictures/' comma.csv >changed.csv
build changed changed.csv --images photos
[ "$(content changed)" != "$(content csv)" ] || fail "one letter changes no digest"

# a folder with texts: one line for each prompt
cp -r photos texts
awk -F '\t' '{ sub(/png$/, "txt", $1); print $3 >>("texts/" $1); close("texts/" $1) }' pairs
build texts texts
same texts csv
said texts "reads texts: texts beside pictures, 200 pictures"
np=2 build ranks texts/
cmp texts.h5 ranks.h5 || fail "two ranks make another file of a folder"
mkdir -p deep/a/b && cp texts/00* deep/a/ && cp texts/01* deep/a/b/ && cp texts/0001.txt deep/lonely.txt
for text in deep/a/*.txt; do mv "$text" "${text%.txt}.caption"; done
build deep deep
same deep csv
said deep "1 texts have no picture of their name"
rm deep/a/0000.caption
build fewer deep
said fewer "1 of 200 pictures have no text beside them and are left out; the first is a/0000.png"

# Hugging Face's imagefolder: one file, and one for each split
cp -r photos hub
form hub/metadata.csv "$quoted" image_path,prompt '{ print $1 "," q($3) }'
build hub hub
same hub csv
said hub "imagefolder of Hugging Face, 200 pictures"
mkdir -p splits/train splits/validation splits/test
for file in photos/*; do
    case $file in *8.png) to=validation ;; *9.png) to=test ;; *) to=train ;; esac
    cp "$file" "splits/$to/"
done
awk -F '\t' "$json"'{ to = $1 ~ /8.png/ ? "validation" : $1 ~ /9.png/ ? "test" : "train"
    print "{\"image_path\": " q($1) ", \"prompt\": " q($3) "}" >("splits/" to "/metadata.jsonl") }' pairs
build splits splits
same splits csv
said splits "rows of the split test are read as unseen pictures"
"$data" info splits.h5 | grep -q 'unseen pictures' || fail "no unseen pictures"

# COCO, whose pictures are beside its annotations, and Karpathy's splits of it
mkdir -p coco/annotations && cp -r photos coco/train2017
awk -F '\t' "$json"'BEGIN { printf "{\"info\": {\"year\": 2017}, \"images\": [" }
    !($1 in id) { id[$1] = ++n; printf "%s{\"license\": 1, \"file_name\": %s, \"id\": %d}", (n > 1 ? ", " : ""), q($1), n + 500000 }
    { notes = notes (NR > 1 ? ", " : "") "{\"image_id\": " id[$1] + 500000 ", \"id\": " NR ", \"caption\": " q($3) "}" }
    END { print "], \"licenses\": [], \"annotations\": [" notes "]}" }' pairs >coco/annotations/captions_train2017.json
build coco coco/annotations/captions_train2017.json
same coco csv
said coco "captions of COCO, $(wc -l <pairs) captions of 200 pictures"
said coco "pictures are taken from coco/annotations/../train2017/"
build coco coco/annotations/captions_train2017.json --images photos
same coco csv
gzip -c coco/annotations/captions_train2017.json >captions.json.gz
build coco captions.json.gz --images photos
same coco csv
said coco "captions of COCO"
awk -F '\t' "$json"'BEGIN { printf "{\"images\": [" }
    $1 != last { printf "%s{\"filepath\": \"train2017\", \"filename\": %s, \"imgid\": %d, \"split\": \"%s\", \"sentences\": [", (n++ ? "]}, " : ""),
        q($1), n, (n % 9 == 0 ? "test" : n % 9 == 1 ? "val" : n % 9 == 2 ? "restval" : "train") }
    { printf "%s{\"tokens\": [], \"raw\": %s}", ($1 == last ? ", " : ""), q($3); last = $1 }
    END { print "]}], \"dataset\": \"coco\"}" }' pairs >coco/dataset_coco.json
build karpathy coco/dataset_coco.json
same karpathy csv
said karpathy "restval are read as train"

# a folder per class, and tar shards: one prompt a picture
for i in $(seq 0 199); do
    name=$(printf '%04d.png' "$i") class="class $((i % 7))"
    mkdir -p "classes/$class" shard
    cp "photos/$name" "classes/$class/" && cp "photos/$name" shard/ && echo "$class" >"shard/${name%.png}.txt"
    printf '%s\t%s\n' "$class" "$name" >>one.tsv
done
build one one.tsv --images photos
build classes classes
same classes one
said classes "prompts are the names of 7 folders: 'class 0', 'class 1'"
mkdir shards
(cd shard && tar cf ../shards/00000.tar 00* && tar cf ../shards/00001.tar 01*)
build shards shards
same shards one
build shards 'shards/{00000..00001}.tar'
same shards one

# ---- what is refused, with what to do ----
refused() { expect 65 "$1" "$data" build --out no.h5 --pairs "$2"; }
refused "holds 200 pictures without prompts: looked for" photos
sed 's/"caption": "[^"]*/"bbox": "/g' coco/annotations/captions_train2017.json >coco/annotations/instances_train2017.json
refused "captions_train2017.json or captions_val2017.json is wanted" coco/annotations/instances_train2017.json
refused "give it by --pairs coco/annotations/captions_train2017.json" coco
mkdir nothing
refused "holds no pictures: looked for" nothing
expect 64 "--images is for lists" "$data" build --pairs texts --images photos --out no.h5
expect 66 "give the folder of the pictures" "$data" build --pairs comma.csv --images comma.csv --out no.h5
expect 66 "--from coco needs a file" "$data" build --pairs photos --from coco --out no.h5
expect 64 "did you mean 'karpathy'" "$data" build --pairs photos --from karpaty --out no.h5

# ---- a folder goes on where it was stopped; names of any bytes ----
printf 'a snowman\n' >"texts/$(printf 'line\nend').txt" && cp photos/0000.png "texts/$(printf 'line\nend').png"
printf 'x\n' >"texts/$(printf 'latin\344').txt" && cp photos/0001.png "texts/$(printf 'latin\344').png"
"$data" build --pairs texts --out odd.h5 >odd.h5.said 2>&1 && fail "a bad name is no failure"
build odd texts --skip-bad --resume
said odd "pictures are done already"
said odd "its file name is not UTF-8"
ln -s ../texts deep/loop && ln -s .. texts/up
refused "is a link to a folder that holds it" deep
finish
