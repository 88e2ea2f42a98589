#!/bin/bash
# TIMEOUT: 200
# t2i-model, and models in the tutorial's files wherever a model is read: shown, verified, compared, turned into one another,
# trained from, asked; and everything a user can get wrong with them.
. tests/e2e/lib.sh.inc
g=tests/golden/seed
model=$B/t2i-model
"$B/t2i-data" build --pairs $g/pairs.tsv --features $g/features.safetensors --out "$scratch/seed.h5" 2>/dev/null
common="--data $scratch/seed.h5 --sampler $g/batches.txt --log-every 1"

# quietly CODE COMMAND...: its standard output stays in $scratch/stdout.
quietly() {
    code=$1 rc=0
    shift
    timeout 60 "$@" >"$scratch/stdout" 2>"$scratch/stderr" || rc=$?
    [ "$rc" -eq "$code" ] || { fail "exit code $rc, not $code: $*"; cat "$scratch/stdout" "$scratch/stderr"; }
}
# says TEXT...: each stands in what the last command printed.
says() {
    for text in "$@"; do grep -q -F -- "$text" "$scratch/stdout" || { fail "'$text' was not printed"; cat "$scratch/stdout"; }; done
}
notes() {
    for text in "$@"; do grep -q -F -- "$text" "$scratch/stderr" || { fail "'$text' was not noted"; cat "$scratch/stderr"; }; done
}

# ---- training from the tutorial's files, and asking them ----

# the text part is taken as it is: with a rate of zero nothing moves, and only the head is new
quietly 0 "$B/t2i-train" $common --init $g/multimodal_model.pt --lr 0 --steps 2 --out "$scratch/still"
notes "not verified" "2 entries are not used: output_linear_layer, vision_projection_layer" "has no head: head.weight and head.bias are initialised at random"
quietly 65 "$model" diff "$scratch/still" $g/multimodal_model.pt
says "tensor head.weight: only in A" "tensor head.bias: only in A" "36 tensors are equal, 0 have different values"
[ "$(grep -c 'only in' "$scratch/stdout")" -eq 2 ] || { fail "more than the head differs"; cat "$scratch/stdout"; }

# the golden start, through a .pt and back, trains to the same bits
quietly 0 "$model" export $g/initial.safetensors --to "$scratch/initial.pt"
notes "wrote $scratch/initial.pt: 38 tensors"
train 1 $common --init $g/initial.safetensors --steps 20 --out "$scratch/run"
train 2 $common --init "$scratch/initial.pt" --steps 20 --out "$scratch/run_pt"
cmp "$scratch"/run{,_pt}/model.safetensors || fail "a .pt trains to other bits"
quietly 0 "$model" diff "$scratch/run" "$scratch/run_pt/checkpoints/step-20.safetensors"
says "only B has AdamW's moments (does not count)" "no difference was found"

# from run folders
quietly 0 "$B/t2i-train" $common --init "$scratch/run" --steps 1 --out "$scratch/from_run"
quietly 0 "$B/t2i-train" $common --resume "$scratch/run" --steps 20 --out "$scratch/resumed"
notes "resuming from $scratch/run/checkpoints/step-20.safetensors"
cmp "$scratch"/{run,resumed}/checkpoints/step-20.safetensors || fail "a run folder is resumed to other bits"
mkdir "$scratch/empty"
expect 66 "holds no checkpoint to resume from" "$B/t2i-train" $common --resume "$scratch/empty" --steps 20 --out "$scratch/none"
expect 66 "holds no model yet" "$B/t2i-train" $common --init "$scratch/empty" --steps 20 --out "$scratch/none"
for file in $g/multimodal_model.pt $g/text_to_image_model.pt $g/initial.safetensors; do
    expect 65 "use --init" $MPIRUN -np 2 "$B/t2i-train" $common --resume $file --steps 20 --out "$scratch/none"
done
[ ! -e "$scratch/none" ] || fail "a refused start left something"

# the tutorial's result answers as in PyTorch
quietly 0 "$B/t2i-generate" $g/text_to_image_model.pt --data "$scratch/seed.h5" "a blue square shape" --json --out "$scratch/x.png"
notes "has no checksums"
[ "$(grep -c '"distance"' "$scratch/stdout")" -eq 3 ] || fail "not three pictures"
paste -d ' ' <(sed -n 's/.*"distance": *\([0-9.]*\).*/\1/p' "$scratch/stdout") <(sed -n 's/.*"euclidean": *\([0-9.]*\).*/\1/p' $g/expected.json) |
    awk '{ d = ($1 - $2) / $2; if (NF != 2 || d > 1e-5 || d < -1e-5) { print; bad = 1 } } END { exit bad || NR != 3 }' || fail "other distances than PyTorch's"
quietly 0 "$B/t2i-eval" $g/text_to_image_model.pt --data "$scratch/seed.h5" --split train --json
expect 65 "has no text_to_image_feature_layer.weight: it cannot predict" "$B/t2i-generate" $g/multimodal_model.pt --data "$scratch/seed.h5" "a red square"

# ---- show ----

quietly 0 "$model" show "$scratch/run" $g/multimodal_model.pt $g/features.safetensors
says "$scratch/run/model.safetensors: a model of t2i-train" "yes: header and tensors match their digests" "step 20, updates 20" \
    "d_model 64, n_heads 4" "36 <IMG>, 37 <PAD>, 38 <EOS>" "185472 in 38 tensors" "152192 in 36 tensors; no head" \
    "a torch model in the tutorial's layout" "mha_qkv_linears.2.weight" "a safetensors file that is not a t2i model" "blue_square"
quietly 0 "$model" show --json "$scratch/run/checkpoints/step-20.safetensors" $g/text_to_image_model.pt
says '"kind": "model"' '"kind": "tutorial"' '"verified": true' '"verified": false' '"step": 20' '"name": "adamw.v.head.bias"' '"mean_abs"'
[ "$(grep -c '"dtype"' "$scratch/stdout")" -eq $((114 + 39)) ] || fail "not every tensor is in the JSON"

# ---- verify ----

quietly 0 "$model" verify "$scratch/run" $g/text_to_image_model.pt $g/initial.safetensors
says "$scratch/run/model.safetensors: sound (38 tensors, 39 digests)" "step-20.safetensors: sound (114 tensors, 115 digests)" \
    "text_to_image_model.pt: readable: a torch model" "archive entries match; has no checksums" "a safetensors model of another program"
spoil() { # FROM TO BYTES_FROM_THE_END
    cp "$1" "$2"
    printf '\xff\xff\xff' | dd of="$2" bs=1 seek=$(($(stat -c %s "$1") - $3)) conv=notrunc 2>/dev/null
}
spoil "$scratch/run/model.safetensors" "$scratch/bad.safetensors" 2100
expect 65 "tensor head.weight does not match its checksum" "$model" verify "$scratch/bad.safetensors"
spoil "$scratch/run/model.safetensors" "$scratch/header.safetensors" $(($(stat -c %s "$scratch/run/model.safetensors") - 3000))
expect 65 "header.safetensors" "$model" verify "$scratch/header.safetensors"
spoil $g/text_to_image_model.pt "$scratch/bad.pt" 100000
expect 65 "bad.pt" "$model" verify "$scratch/bad.pt"
# one bad file does not hide the next, and the first failure is the exit code
quietly 66 "$model" verify "$scratch/none" "$scratch/bad.safetensors" "$scratch/run/model.safetensors"
says "model.safetensors: sound"
notes "cannot open $scratch/none" "bad.safetensors is damaged" "2 of 3 files are not sound"
cp -r "$scratch/run" "$scratch/hurt"
cp "$scratch/bad.safetensors" "$scratch/hurt/model.safetensors"
quietly 65 "$model" verify "$scratch/hurt"
says "step-20.safetensors: sound"
notes "hurt/model.safetensors is damaged"

# ---- diff ----

quietly 0 "$model" diff $g/initial.safetensors "$scratch/initial.pt"
says "38 tensors are equal" "no difference was found"
quietly 65 "$model" diff "$scratch/run" $g/initial.safetensors
says "run: only A has the state of its run" "38 have different values"
notes "$scratch/run and $g/initial.safetensors differ"
awk '$1 == "tensor" { on = 1; next } on && NF == 4 { if (n++ && $4 > last) bad = 1; last = $4 } END { exit bad || n != 20 }' "$scratch/stdout" ||
    { fail "the worst is not first"; cat "$scratch/stdout"; }
train 1 $common --lr 1e-3 --d-ff 32 --steps 2 --out "$scratch/other"
quietly 65 "$model" diff "$scratch/run" "$scratch/other"
says "configuration: d_ff is 256 in A, 32 in B" "vocabulary: " "run: step is 20 in A, 2 in B" "run: lr is 0.0001 in A, 0.001 in B" \
    "tensor layers.0.ffn1.weight: different shapes"
quietly 65 "$model" diff $g/features.safetensors $g/edge.safetensors
says "tensor red_square: only in A" "tensor empty: only in B"
quietly 0 "$model" diff $g/features.safetensors $g/features.safetensors

# ---- export and import ----

quietly 0 "$model" export "$scratch/run" --to "$scratch/out.safetensors"
cmp "$scratch/out.safetensors" "$scratch/run/model.safetensors" || fail "a run's model is exported with other bytes"
quietly 0 "$model" export "$scratch/run/checkpoints/step-20.safetensors" --to "$scratch/out.safetensors"
cmp "$scratch/out.safetensors" "$scratch/run/model.safetensors" || fail "a checkpoint's model is not the run's"
quietly 0 "$model" import $g/text_to_image_model.pt --to "$scratch/in.safetensors"
mkdir "$scratch/again"
quietly 0 "$model" export "$scratch/in.safetensors" --to "$scratch/again/text_to_image_model.pt"
quietly 0 "$model" import "$scratch/again/text_to_image_model.pt" --to "$scratch/in2.safetensors"
cmp "$scratch"/in{,2}.safetensors || fail "a round trip through .pt changes the model"
quietly 0 "$model" diff $g/text_to_image_model.pt "$scratch/in2.safetensors"
quietly 0 "$model" verify "$scratch/in.safetensors"
says "sound (38 tensors, 39 digests)"
quietly 0 "$model" export "$scratch/in2.safetensors" --to "$scratch/text_to_image_model.pt"
cmp "$scratch"/{,again/}text_to_image_model.pt || fail "the same model under the same name has other bytes"
quietly 0 "$model" import $g/multimodal_model.pt --to "$scratch/text.safetensors"
notes "has no head, so"
quietly 0 "$B/t2i-train" $common --init "$scratch/text.safetensors" --lr 0 --steps 2 --out "$scratch/still2"
quietly 0 "$model" diff "$scratch/still" "$scratch/still2"

# an ONNX graph needs a head; tests/e2e/onnx.sh has what it computes
quietly 0 "$model" export "$scratch/run" --to "$scratch/run.onnx"
notes "wrote $scratch/run.onnx: 38 tensors, 185472 parameters" "does not keep step and options of the run"
quietly 0 "$model" export "$scratch/in2.safetensors" --to "$scratch/in2.onnx"
quietly 0 "$model" export $g/text_to_image_model.pt --to "$scratch/pt.onnx"
cmp "$scratch"/{in2,pt}.onnx || fail "the same model has other bytes as ONNX"
expect 65 "multimodal_model.pt has no head" "$model" export $g/multimodal_model.pt --to "$scratch/none.onnx"
[ ! -e "$scratch/none.onnx" ] || fail "a refused export left a file"

# ---- what can be wrong ----

for verb in show verify; do
    expect 66 "cannot open $scratch/none" "$model" $verb "$scratch/none"
    expect 66 "$scratch/empty holds no model" "$model" $verb "$scratch/empty"
done
expect 66 "cannot open $scratch/none" "$model" diff $g/initial.safetensors "$scratch/none"
expect 66 "cannot open $scratch/none" "$model" export "$scratch/none" --to "$scratch/x.pt"
expect 66 "$scratch/empty holds no model" "$model" export "$scratch/empty" --to "$scratch/x.pt"
expect 64 "import reads a file" "$model" import "$scratch/run" --to "$scratch/x.safetensors"
head -c 50000 $g/text_to_image_model.pt >"$scratch/cut.pt"
head -c 50000 "$scratch/run/model.safetensors" >"$scratch/cut.safetensors"
echo "hello" >"$scratch/hello.pt"
: >"$scratch/nothing.pt"
for file in cut.pt cut.safetensors hello.pt nothing.pt seed.h5; do
    for what in show verify "diff $g/initial.safetensors"; do expect 65 "$file" "$model" $what "$scratch/$file"; done
    expect 65 "$file" "$model" export "$scratch/$file" --to "$scratch/x.pt"
    expect 65 "$file" "$B/t2i-train" $common --init "$scratch/$file" --steps 2 --out "$scratch/x"
done
expect 65 "features.safetensors has no t2i.config" "$model" export $g/features.safetensors --to "$scratch/x.pt"
expect 64 "must end in .safetensors, .pt or .pth" "$model" export "$scratch/run" --to "$scratch/x.bin"
expect 64 "must end in .safetensors, .pt or .pth" "$model" export "$scratch/run" --to .pt
expect 64 "export writes .pt files" "$model" import "$scratch/initial.pt" --to "$scratch/x.pt"
expect 64 "needs --to" "$model" export "$scratch/run"
ln "$scratch/run/model.safetensors" "$scratch/link.safetensors"
ln -s "$scratch/run/model.safetensors" "$scratch/symlink.safetensors"
before=$(md5sum <"$scratch/run/model.safetensors")
for to in run/model link symlink; do
    expect 64 "is the input" "$model" export "$scratch/run" --to "$scratch/$to.safetensors"
done
[ "$before" = "$(md5sum <"$scratch/run/model.safetensors")" ] || fail "the file that was read has changed"
mkdir "$scratch/folder.pt"
expect 73 "folder.pt: it is a folder" "$model" export "$scratch/run" --to "$scratch/folder.pt"
expect 73 "cannot create $scratch/nowhere/x.pt" "$model" export "$scratch/run" --to "$scratch/nowhere/x.pt"
expect 64 "unknown command 'verfy': did you mean 'verify'?" "$model" verfy "$scratch/run"
expect 64 "show, verify, diff, export, import or report" "$model" frobnicate "$scratch/run"
expect 64 "give a command: show, verify, diff, export, import or report" "$model"
expect 64 "diff takes two files" "$model" diff "$scratch/run"
expect 64 "show takes one file or more" "$model" show
expect 64 "verify takes no --json" "$model" verify "$scratch/run" --json
expect 64 "did you mean" "$model" show "$scratch/run" --jsn
[ -z "$(ls "$scratch" | grep -e '^x' -e '\.tmp$' | grep -v -e '^x\.png$')" ] || fail "something was left: $(ls "$scratch")"
"$model" --help >"$scratch/stdout"
says "Usage: t2i-model COMMAND" "Commands:" "Example:"
# ---- what PyTorch and safetensors read by default is shown ----
for file in tests/fuzz/corpus/torchfile/allowed_* tests/fuzz/corpus/safetensors/allowed_*; do
    quietly 0 "$model" show "$file"
    says "tensors  "
done

finish
