#!/bin/bash
# Lists of pairs as users have them: one dataset from every form; what is trimmed, mapped, found and told.
. tests/e2e/lib.sh.inc
data=$(cd "$B" && pwd)/t2i-data
pictures=$PWD/tests/golden/resnet18/images
cd "$scratch"
n=0
for file in "$pictures"/*.png; do
    n=$((n + 1))
    [ $n -gt 3 ] || cp "$file" $n.png
done
mv 1.png cat.png && mv 2.png dog.png && mv 3.png cow.png

content() { "$data" info "$1" | awk '$1 == "content" { print $2 }'; }
# build FILE OPTIONS...: into FILE.out.h5
build() {
    file=$1
    shift
    rc=0
    "$data" build --pairs "$file" --out "$file.out.h5" "$@" >stdout 2>stderr || rc=$?
    return $rc
}
said() { grep -q -F -- "$1" stderr || { fail "$file: '$1' was not said"; cat stderr; }; }
# same FILE OPTIONS...: the list on standard input is that of plain.tsv
same() {
    cat >"$1"
    build "$@" || { fail "$*: exit code $?"; cat stderr; return; }
    [ "$(content "$file.out.h5")" = "$wanted" ] || { fail "$*: another content"; cat "$1" stderr; }
}
# refused CODE TEXT FILE OPTIONS...: the list on standard input
refused() {
    code=$1 text=$2
    shift 2
    cat >"$1"
    rc=0
    build "$@" || rc=$?
    [ "$rc" -eq "$code" ] || fail "$*: exit code $rc"
    said "$text"
}

printf 'a cat\tcat.png\na dog, wet\tdog.png\n' >plain.tsv
build plain.tsv || fail "plain.tsv"
wanted=$(content plain.tsv.out.h5)
[ -n "$wanted" ] || fail "no content"

# ---- every form ----
printf 'prompt,image_path\na cat,cat.png\n"a dog, wet",dog.png\n\n\n' | same end.csv
printf 'a cat\tcat.png\na dog, wet\tdog.png\n\n' | same end.tsv
printf 'image,caption\ncat.png,a cat\ndog.png,"a dog, wet"\n' | same captions.txt
printf '\357\273\277Caption;File Name\r\n"a cat ";cat.png\r\na dog, wet;dog.png\r\n;\r\n' | same excel.csv
said "trimmed blanks at the ends of 1 prompts"
printf 'sep=|\nprompt|image\na cat|cat.png\na dog, wet|dog.png\n' | same sep.csv
printf 'image_name| comment_number| comment\ncat.png| 0| a cat \ndog.png| 4   a dog, wet\n' | same results.csv
printf 'cat.png#0\ta cat\ndog.png#0\ta dog, wet\n' | same token.txt
printf 'caption\timage\na cat\tcat.png\na dog, wet\tdog.png\n' | same header.tsv
printf ',title,path,score\n0,a cat,cat.png,1\n1,"a dog, wet",dog.png,2\n' | same index.csv
printf '{"prompt":"a cat","image_path":"cat.png"}\n{"prompt":"a dog, wet","image_path":"dog.png"}\n\n' | same lines.ndjson
printf '[{"text":"a cat","file":"cat.png"},\n{"text":"a dog, wet","file":"dog.png"}]\n' | same array.json
printf '[{"captions":["a cat"],"file":"cat.png"},{"captions":["a dog, wet"],"file":"dog.png"}]' | same several.json
gzip -c array.json | same array.json.gz
gzip -c excel.csv | same excel.csv.gz
printf 'words,text,bild\na cat,x,cat.png\n"a dog, wet",y,dog.png\n' | same own.csv --prompt-column words --image-column Bild

printf 'file;caption\ncat.png;a cat\ndog.png;a dog\n' >names.txt
build names.txt
said 'reads names.txt: table with semicolons, prompts from "caption", pictures from "file"'
printf '[{"text": "a cat", "image": "cat.png"}, {"text": "a dog", "image": "dog.png"}]' >names.json
build names.json
said 'reads names.json: JSON array, prompts from "text", pictures from "image"'
printf 'prompt,image_path\na cat,cat.png\na dog,dog.png\n' >names.csv
build names.csv
grep -q "reads" stderr && fail "the usual columns were told"

# ---- names of files ----
mkdir sub
cp dog.png "sub/$(printf 'caf\303\251').png" # composed
printf 'prompt,image\na cat, ./cat.png\n"a dog, wet",sub\\cafe\314\201.png \n' | same names.csv
said "1 file names were found in another Unicode normalisation"
said "1 file names were found without blanks"

# ---- splits ----
printf 'prompt,image_path,split\na cat,cat.png,train\na tom,cat.png,val\na dog,dog.png,Train\na rex,dog.png,dev\n' >splits.csv
build splits.csv || fail "splits.csv"
said "2 pairs of the split validation have a picture or group that is in training too"
said "1 rows of the split dev are read as validation"
cp cat.png twin.png
printf 'prompt,image_path,split\na cat,cat.png,train\na cow,cow.png,train\na tom,twin.png,test\n' >twin.csv
build twin.csv || fail "twin.csv"
said "1 pairs of the split unseen pictures have a picture or group that is in training too"
said "1 rows of the split test are read as unseen pictures"

# ---- what is refused ----
printf 'prompt,image_path\na dog, wet,dog.png\n' | refused 65 "has 3 columns, but the header has 2 (quote a field that holds a comma)" comma.csv
printf 'title,text,image\na,b,cat.png\n' | refused 65 'each of "title", "text" can be the prompt: choose one with --prompt-column NAME' two.csv
printf 'url,caption\nhttp://x/y.jpg,a cat\n' | refused 65 "nothing is downloaded" url.csv
printf 'caption,image\na cat,cat.png\n' | refused 64 "has no such column" none.csv --group-column owner
printf 'prompt,image_path,split\na cat,cat.png,fold1\n' | refused 65 'unknown split "fold1": use train, validation' fold.csv
printf 'PAR1\25\4' | refused 65 "is a Parquet table, not a list of pairs" a.parquet
printf 'PK\3\4\24\0\6\0\10\0' | refused 65 "is a zip archive, not a list of pairs" pets.xlsx
printf 'SQLite format 3\0' | refused 65 "is an SQLite database, not a list of pairs" pets.csv
head -c 40 array.json.gz | refused 65 "is cut off" cut.json.gz
finish
