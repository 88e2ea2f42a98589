#!/bin/bash
# TIMEOUT: 600
# A file of the wrong sort, given to any program: one line that names what it is, and exit code 65 (66 for a folder).
. tests/e2e/lib.sh.inc
w=$scratch/w
mkdir "$w"
small_dataset "$scratch/d.h5"
train 1 --data "$scratch/d.h5" $small_model --steps 2 --out "$scratch/run"

bytes() { printf "$2" >"$w/$1"; }
cp "$scratch/d.h5" "$w/dataset"
cp "$scratch/run/model.safetensors" "$w/model"
cp tests/golden/seed/features.safetensors "$w/safetensors"
cp tests/golden/seed/text_to_image_model.pt "$w/torch"
cp tests/golden/pictures/grey_8.png "$w/png"
cp tests/golden/pictures/444.jpg "$w/jpeg"
cp "$B/t2i-model" "$w/elf"
cp "$scratch/pairs.tsv" "$w/tsv"
cp "$scratch/run/job.ini" "$w/job"
tar -cf "$w/tar" -C "$w" png tsv
gzip -c "$w/tsv" >"$w/gzip"
bytes empty ''
head -c 4096 /dev/zero >"$w/zeros"
bytes lfs 'version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 12345\n'
bytes page '\n<!DOCTYPE html>\n<html><title>404</title></html>\n'
bytes s3 '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'
bytes answer '{"message":"Not Found","status":"404"}'
bytes message 'Entry not found'
bytes json '[{"prompt": "a", "image": "b.png"}]\n'
bytes jsonl '{"prompt": "a", "image": "b.png"}\n{"prompt": "b", "image": "c.png"}\n'
bytes csv 'prompt,image\na,b.png\n'
bytes npy '\223NUMPY\1\0v\0{'"'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }%58s\\n" ''
bytes npz 'PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0a.npy'
bytes xlsx 'PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\23\0\0\0[Content_Types].xml'
bytes zip 'PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0a.jpg'
bytes pickle '\200\4\225\0\0\0\0\0\0\0\0.'
bytes parquet 'PAR1\25\4'
bytes arrow 'ARROW1\0\0'
bytes sqlite 'SQLite format 3\0'
bytes gguf 'GGUF\3\0\0\0'
bytes onnx '\10\7\22\7pytorch\32\0052.1.0'
bytes hdf5 '\211HDF\r\n\032\n\0\0\0\0'
bytes pdf '%%PDF-1.4\n'
bytes zstd '\050\265\057\375\0'
bytes sevenzip '7z\274\257\047\034\0\4'
bytes tfrecord '\030\0\0\0\0\0\0\0\243\177\113\042........'
bytes gif 'GIF89a\1\0\1\0'
head -c 3000 "$B/t2i-data" | tail -c 1000 >"$w/unknown"

# sort: the words that name it, and the readers that may take it (- for none)
sorts="dataset:an HDF5 dataset:data
model:a model of t2i-train:model tensors
safetensors:a safetensors file:tensors features
torch:a torch:model tensors
png:a PNG picture:picture
jpeg:a JPEG picture:picture
elf:an ELF program:-
tsv:a list (CSV or TSV):list
csv:a list (CSV or TSV):list
job:a job file:-
tar:a tar archive:list
gzip:a gzip archive:list
empty:empty:-
zeros:filled with zeros:-
lfs:a Git LFS pointer:-
page:a web page:-
s3:an error message of a server (XML):-
answer:an error message of a server (JSON):-
message:Entry not found:-
json:a JSON file:list
jsonl:a JSON Lines file:list
npy:a NumPy array:features
npz:NumPy arrays in a zip:-
xlsx:an Office document:-
zip:a zip archive:-
pickle:a Python pickle:-
parquet:a Parquet table:-
arrow:an Arrow table:-
sqlite:an SQLite database:-
gguf:a GGUF model:-
onnx:an ONNX model:-
hdf5:an HDF5 file:-
pdf:a PDF:-
zstd:a zstd archive:-
sevenzip:a 7z archive:-
tfrecord:a TFRecord file:-
gif:a GIF:picture
unknown:is not:-"

# refuse READER COMMAND...: for all sorts that the reader does not take; FILE in the command is the file
refuse() {
    reader=$1
    shift
    while IFS=: read -r sort words takes; do
        case " $takes " in *" $reader "*) continue ;; esac
        case $reader,$sort in list,empty | list,answer | list,unknown) continue ;; esac # read, and refused by content
        rc=0
        timeout 60 "${@//FILE/$w/$sort}" >"$scratch/stdout" 2>"$scratch/said" </dev/null || rc=$?
        ours "$scratch/said" | grep -v ' warning: ' >"$scratch/lines" || true
        [ "$rc" -eq 65 ] || fail "exit code $rc, not 65: ${*//FILE/$w/$sort}"
        case $reader,$sort in
        model,safetensors) words='not a model' ;;
        picture,message | sampler,message) words=message ;;
        sampler,unknown | sampler,tsv | sampler,csv | sampler,empty) continue ;;
        features,model | features,torch) continue ;;
        esac
        grep -q -F -- "$words" "$scratch/${words_in:-lines}" || { fail "'$words' is not in the message: ${*//FILE/$w/$sort}"; cat "$scratch/said"; }
        [ "$(grep -c . "$scratch/lines")" -eq "${lines:-1}" ] || { fail "not ${lines:-1} lines: ${*//FILE/$w/$sort}"; cat "$scratch/said"; }
    done <<<"$sorts"
}

refuse data "$B/t2i-train" --data FILE --out "$scratch/o"
for command in info verify preview; do refuse data "$B/t2i-data" $command FILE; done
refuse data "$B/t2i-generate" "$scratch/run" --data FILE "a"
refuse data "$B/t2i-eval" "$scratch/run" --data FILE
for command in show verify "export --to $scratch/x.pt" "import --to $scratch/x.safetensors"; do
    refuse tensors "$B/t2i-model" $command FILE
done
refuse tensors "$B/t2i-model" diff "$scratch/run" FILE
refuse model "$B/t2i-generate" FILE --data "$scratch/d.h5" "a"
refuse model "$B/t2i-eval" FILE --data "$scratch/d.h5"
refuse model "$B/t2i-train" --data "$scratch/d.h5" $small_model --steps 2 --quiet --out "$scratch/o" --init FILE
refuse list "$B/t2i-data" build --pairs FILE --out "$scratch/b.h5"
refuse sampler "$B/t2i-train" --data "$scratch/d.h5" $small_model --steps 2 --quiet --out "$scratch/o" --sampler FILE
expect 65 "is a model of t2i-train, not a run folder" "$B/t2i-model" report "$w/model"
expect 66 "it is no run folder" "$B/t2i-generate" "$w" "a"
expect 65 "is not a font, but an HDF5 dataset" "$B/t2i-data" emoji --font "$w/dataset" --out "$scratch/b.h5"
# a picture of a list: its row is bad, and named by a warning
while IFS=: read -r sort _; do printf 'a prompt\t%s\n' "$sort" >"$w/$sort.row"; done <<<"$sorts"
words_in=said refuse picture "$B/t2i-data" build --pairs FILE.row --out "$scratch/b.h5" --quiet
refuse tensors "$B/t2i-data" build --pairs "$scratch/pairs.tsv" --encoder resnet18 --weights FILE --out "$scratch/b.h5" --quiet
refuse features "$B/t2i-data" build --pairs "$scratch/pairs.tsv" --features FILE --out "$scratch/b.h5" --quiet
finish
