#!/bin/bash
# TIMEOUT: 240
# No text of a file or a command line reaches a terminal with its control characters: a dataset full of them goes through every
# program. JSON holds them, escaped.
. tests/e2e/lib.sh.inc
here=$PWD B=$PWD/$B
cd "$scratch"
alm=$'\330\234' lrm=$'\342\200\216' rlm=$'\342\200\217' bad=$'\377' line=$'\n'
esc=$'\e' bel=$'\a' del=$'\177' csi=$'\302\233' rlo=$'\342\200\256' lri=$'\342\201\246' separator=$'\342\200\250'
raw='[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xd8\x9c'

# clean NAME CODE COMMAND...: the exit code, or "failure" for any of ours, and nothing raw in what it prints; it is in said
clean() {
    local name=$1 code=$2 rc=0
    shift 2
    timeout 100 "$@" >out 2>err || rc=$?
    [ "$code" != failure ] || code=$((rc == 0 || rc > 127 ? 1 : rc))
    [ $rc -eq "$code" ] || { fail "$name: exit code $rc, not $code"; cat err; }
    cat out err >said
    ! LC_ALL=C grep -n -a -P "$raw" said >found || fail "$name prints raw: $(head -n 3 found | cat -v)"
    ! grep -q '^forged' said || fail "$name prints a forged line"
    [ "$(iconv -f UTF-8 -t UTF-8 said 2>/dev/null | wc -c)" -eq "$(wc -c <said)" ] || fail "$name prints what is not UTF-8"
}
printf 'a\033b\n' >out
LC_ALL=C grep -q -a -P "$raw" out || { echo "skipped: grep -P does not find control characters"; exit 77; }

mkdir pictures
names=("e${esc}[31m.png" "d$del.png" "c${csi}31m.png" "r${rlo}gnp.png" "l$lri.png" "s${separator}forged.png" "b$bel.png")
colours=(red blue green red blue green red)
for i in "${!names[@]}"; do
    case ${colours[i]} in red) picture=red_square ;; blue) picture=blue_square ;; *) picture=green_circle ;; esac
    cp "$here/tests/golden/resnet18/images/$picture.png" "pictures/${names[i]}"
done
{
    echo "prompt,image_path,split"
    for i in $(seq 0 41); do
        k=$((i % 7)) split=train
        [ $((i % 6)) -ne 5 ] || split=validation
        [ $i -lt 40 ] || split="unseen prompts"
        echo "p$i $esc]0;owned$bel $del $csi $rlo$lri$alm x,${names[k]},train" | sed "s/,train$/,$split/"
    done
} | sed 's/,unseen prompts$/,train/' >pairs.csv

clean build 0 "$B/t2i-data" build --pairs pairs.csv --images pictures --out d.h5
clean "build of bad rows" 65 "$B/t2i-data" build --pairs <(cat pairs.csv; echo "x,none$esc$rlo.png,train"; echo "y$esc,no$csi.png,train"; echo "z,..$bel,oth${esc}er") --images pictures --out bad.h5
grep -q 'rows are bad' said || fail "bad rows are not told"
clean info 0 "$B/t2i-data" info d.h5
grep -q 'U+001B.*U+007F.*U+009B.*U+202E' said || fail "info does not name the characters"
clean "info --json" 0 "$B/t2i-data" info --json d.h5
mv out info.json
clean verify 0 "$B/t2i-data" verify d.h5
clean preview 0 "$B/t2i-data" preview d.h5 --out sheet.png
small="--d-model 16 --heads 2 --layers 1 --d-ff 16 --block-size 60 --batch 14 --lr 1e-2 --steps 20 --threads 1 --sample-every 10"
clean train 0 "$B/t2i-train" --data d.h5 $small --out run --verbose
clean "a run resumed otherwise" 64 "$B/t2i-train" --data d.h5 $small --lr 1 --out run
clean "a run with an odd name" 0 "$B/t2i-train" --data d.h5 $small --out "other${rlo}run"
clean "options" 64 "$B/t2i-train" "--data$esc$rlo" x
clean "an operand" 64 "$B/t2i-train" "x$csi$esc[2J"
clean "a value" 64 "$B/t2i-train" --schedule "cosin$esc$rlo"
clean doctor 0 "$B/t2i-doctor" --data d.h5 $small --out "other${rlo}run"
clean "doctor --json" 0 "$B/t2i-doctor" --data d.h5 $small --out "other${rlo}run" --json
clean generate 0 "$B/t2i-generate" run "p3 $esc[31m$rlo" "p4 $csi" --out "g$rlo.png"
clean "generate --json" 0 "$B/t2i-generate" run "p3 $esc$del$csi$rlo" --json --out g.png
mv out generate.json
# on a terminal: pictures of coloured blocks, but no other sequence
if command -v script >/dev/null; then
    env -u NO_COLOR -u KITTY_WINDOW_ID -u TMUX -u STY TERM=xterm timeout 60 \
        script -qec "$B/t2i-generate run 'p3 $esc[31m$rlo' --top 7 --out t.png 2>/dev/null" /dev/null >drawn || { fail "on a terminal"; cat -v drawn; }
    grep -q "48;2;" drawn || { fail "no picture on a terminal"; cat -v drawn; }
    sed "s/$esc\[[34]8;2;[0-9;]*m//g; s/$esc\[0m//g; s/\r//g" drawn >told
    clean "generate on a terminal" 0 cat told
fi
clean eval 0 "$B/t2i-eval" run
clean "eval --json" 0 "$B/t2i-eval" run --json
cp run/model.safetensors "m${esc}[31m$rlo"$'\n'"forged.safetensors"
odd="m${esc}[31m$rlo"$'\n'"forged.safetensors"
clean show 0 "$B/t2i-model" show run "$odd"
clean "show --json" 0 "$B/t2i-model" show run --json
mv out show.json
clean "verify of models" 0 "$B/t2i-model" verify run "$odd"
clean diff 0 "$B/t2i-model" diff "$odd" "other${rlo}run"
clean "no file" 66 "$B/t2i-model" show "none$esc$rlo"$'\n'"forged"
clean report 0 "$B/t2i-model" report run

# what else comes from elsewhere: keys, columns, names of tensors and tools, values of options and of the environment
foreign="x$esc[2J$bel$del$csi$rlo$lri$alm$lrm$rlm$separator$bad${line}forged"
printf '{"prompt": "a", "image": "%s.png", "x\\u001b[2J\\u009b\\u202e\\u200f\\nforged": 1}\n' red >keys.jsonl
clean "keys of JSON" 65 "$B/t2i-data" build --pairs keys.jsonl --images pictures --out k.h5
printf '{"info": 1, "images": [{"id": 1, "file_name": "\\u001b\\u202e\\nforged.png"}], "annotations": [{"image_id": 1, "id": 1, "caption": "a\\u001b"}, {"image_id": 7, "id": 2, "caption": "b"}]}' >coco.json
clean "captions of COCO" 65 "$B/t2i-data" build --pairs coco.json --images pictures --out k.h5
printf 'prompt,image_path,a%sb%s\n"a",x%s.png,1\n' "$esc$csi" "$rlo$bad" "$rlm" >columns.csv
clean "columns of a list" 65 "$B/t2i-data" build --pairs columns.csv --images pictures --out k.h5
printf '{"__metadata__": {"tool\\u001b\\nforged": "\\u202e\\u009b"}, "token\\u001b[2J\\u202e\\u200e\\nforged": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}' >header
size=$(wc -c <header)
{ printf "\\$(printf %o $((size % 256)))\\$(printf %o $((size / 256)))\\0\\0\\0\\0\\0\\0"; cat header; printf '\0\0\0\0'; } >tensors.safetensors
clean "names of tensors" 0 "$B/t2i-model" show tensors.safetensors
clean "weights with such names" 65 "$B/t2i-train" --data d.h5 $small --init tensors.safetensors --out none
clean "features with such names" 65 "$B/t2i-data" build --pairs pairs.csv --features tensors.safetensors --out k.h5
for program in train data generate eval model doctor; do
    clean "t2i-$program FILE" failure "$B/t2i-$program" "$foreign"
    clean "t2i-$program JOB.ini" failure "$B/t2i-$program" "$foreign.ini"
    clean "t2i-$program --OPTION" 64 "$B/t2i-$program" "--$foreign" 1
done
for option in data out init resume sampler loss lr steps; do
    clean "--$option VALUE" failure "$B/t2i-train" --$option "$foreign"
done
printf 'data = d.h5\nst%seps = 3\n[se%sction]\nlr = %s\n' "$esc" "$csi" "$rlo$bad" >job.ini
clean "a job file" 64 "$B/t2i-train" job.ini
clean "T2I_VECTORS" 64 env "T2I_VECTORS=$foreign" "$B/t2i-train" --data d.h5 $small --out none
clean "T2I_READER" 71 env "T2I_READER=/none$foreign" "$B/t2i-data" info d.h5
cp -r run "f$foreign"
clean "a run folder shown" 0 "$B/t2i-model" show "f$foreign"
clean "a run folder asked" 0 "$B/t2i-generate" "f$foreign" "p3"
clean "a run folder evaluated" 0 "$B/t2i-eval" "f$foreign"
clean "a run folder with another dataset" failure "$B/t2i-generate" "f$foreign" --data "g$foreign.h5" "p3"
python=${PYTHON:-python3}
if "$python" -c 'import h5py' 2>/dev/null; then
    cp d.h5 tool.h5
    "$python" - "${foreign/$bad/}" <<'END'
import os, sys, h5py, numpy
with h5py.File("tool.h5", "a") as f:
    del f.attrs["tool"]
    f.attrs.create("tool", numpy.bytes_(os.fsencode(sys.argv[1])[:48]), dtype=h5py.string_dtype("utf-8", 48))
END
    clean "a tool's name" 0 "$B/t2i-data" info tool.h5
fi

for file in run/{status.json,{log,events}.jsonl,job.ini} other*run/events.jsonl bad.h5.bad.tsv; do
    [ -s "$file" ] || fail "no $file"
    ! LC_ALL=C grep -n -a -P "$raw" "$file" >found || fail "$file holds raw: $(head -n 3 found | cat -v)"
done

# JSON is lossless
if command -v python3 >/dev/null; then
    python3 - <<'END' || fail "JSON is not what was meant"
import json
info = json.load(open("info.json"))
assert set("\x1b\x07\x7f\x9b\u202e\u2066") <= set(info["alphabet"]), info["alphabet"]
answer = json.load(open("generate.json"))
assert answer[0]["prompt"] == "p3 \x1b\x7f\x9b\u202e", answer
names = {n if isinstance(n, str) else n["image"] for n in answer[0]["nearest"]}
assert any("\x1b" in n or "\u202e" in n or "\x7f" in n for n in names), names
json.load(open("show.json"))
END
fi
finish
