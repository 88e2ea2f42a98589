#!/bin/bash
# TIMEOUT: 300
# Ready features in all forms give one dataset: by name, by position, in parts; what does not fit is refused. With NumPy
# (PYTHON names a Python that has it) also the files that it writes.
. tests/e2e/lib.sh.inc
data=$(realpath "$B")/t2i-data
golden=$(realpath tests/golden/seed/features.safetensors)
cd "$scratch"

# content NAME OPTIONS...: builds NAME.h5; prints its digest of pairs
content() {
    local name=$1
    shift
    "$data" build "$@" --out "$name.h5" >"$name.log" 2>&1 || { cat "$name.log" >&2; echo "no dataset $name"; return; }
    "$data" info "$name.h5" | sed -n 's/^content *//p'
}
# same NAME OPTIONS...: the dataset has the same pairs and features as the one by name
same() {
    local got
    got=$(content "$@")
    [ "$got" = "$wanted" ] || fail "content $got, not $wanted: $*"
}
refuses() { # TEXT OPTIONS...
    local text=$1
    shift
    expect_warned_or_not 65 "$text" "$data" build "$@" --out no.h5
}
expect_warned_or_not() {
    local rc=0
    timeout 60 "${@:3}" >stdout 2>stderr || rc=$?
    [ "$rc" -eq "$1" ] || { fail "exit code $rc, not $1: ${*:3}"; cat stderr; }
    grep -q -F -- "$2" stderr || { fail "'$2' is not in the message: ${*:3}"; cat stderr; }
}
log_says() { grep -q -F -- "$2" "$1.log" || { fail "$1 does not say '$2'"; cat "$1.log"; }; }

# npy FILE ROWS <DATA: a table of 512 columns, float32
npy() {
    local header="{'descr': '<f4', 'fortran_order': False, 'shape': ($2, 512), }"
    { printf '\223NUMPY\1\0v\0%-117s\n' "$header"; cat; } >"$1"
}
# The three vectors, in the order of the file.
size=$(od -An -tu8 -N8 "$golden" | tr -d ' ')
tail -c +$((9 + size)) "$golden" >vectors
row() { tail -c +$(($1 * 2048 + 1)) vectors | head -c 2048; }
names=$(head -c $((8 + size)) "$golden" | tail -c +9 | tr ',{' '\n\n' | grep -o '"[a-z_]*":$' | tr -d '":' | head -3)
[ "$(echo "$names" | wc -l)" -eq 3 ] || fail "three names: $names"

i=0
for name in $names; do
    printf 'a %s\t%s.png\ttrain\nthe %s\t%s.png\ttrain\n' "$name" "$name" "$name" "$name"
done >pairs.tsv
wanted=$(content named --pairs pairs.tsv --features "$golden")
[ "${#wanted}" -eq 32 ] || fail "no digest: $wanted"
log_says named "features by name: of all 3 pictures"

# ---- by position ----
npy pictures.npy 3 <vectors
same by_picture --pairs pairs.tsv --features pictures.npy
log_says by_picture "3 rows of 512 features: in the order of the list's distinct pictures"
for i in 0 0 1 1 2 2; do row $i; done | npy rows.npy 6
same by_row --pairs pairs.tsv --features rows.npy
log_says by_row "in the order of the list's rows"
i=0
for name in $names; do printf 'a %s\t%d\ttrain\nthe %s\t%d\ttrain\n' "$name" $i "$name" $i; i=$((i + 1)); done >numbers.tsv
tac numbers.tsv >turned.tsv
{ cat vectors; row 0; } | npy four.npy 4
same by_number --pairs turned.tsv --features four.npy
log_says by_number "by number, from 0"
# parts, in the order of their numbers: two have none of it as text
mkdir -p clip/img_emb clip/text_emb
: | npy clip/img_emb/img_emb_0.npy 0
for i in 1 2 3 4 5 6 7 8 9; do : | npy clip/img_emb/img_emb_$i.npy 0; done
row 0 | npy clip/img_emb/img_emb_2.npy 1
{ row 1; row 2; } | npy clip/img_emb/img_emb_10.npy 2
row 1 | npy clip/text_emb/text_emb_0.npy 1
row 1 | npy clip/img_emb/text_emb_0.npy 1
same folder --pairs pairs.tsv --features clip
same inner --pairs pairs.tsv --features clip/img_emb
same braces --pairs pairs.tsv --features "clip/img_emb/img_emb_{0..10}.npy"
same glob --pairs pairs.tsv --features "clip/img_emb/img_emb_*.npy"
rm clip/img_emb/img_emb_3.npy
refuses "a file between them is missing" --pairs pairs.tsv --features clip
# a table in a safetensors file, alone and beside another
st() { printf '%s' "$(printf '%016x' ${#1} | sed 's/../& /g' | awk '{ for (i = 8; i; i--) printf "\\x%s", $i }')" | xargs -0 printf; printf '%s' "$1"; }
{ st '{"image_features":{"dtype":"F32","shape":[3,512],"data_offsets":[0,6144]}}'; cat vectors; } >table.safetensors
same table --pairs pairs.tsv --features table.safetensors
{ st '{"image_features":{"dtype":"F32","shape":[3,512],"data_offsets":[0,6144]},"text":{"dtype":"F32","shape":[3,512],"data_offsets":[6144,12288]}}'
    cat vectors vectors; } >two.safetensors
refuses "two.safetensors has 2 tables" --pairs pairs.tsv --features two.safetensors
same choice --pairs pairs.tsv --features two.safetensors:image_features
refuses "has no part 'image'; its parts are image_features, text" --pairs pairs.tsv --features two.safetensors:image

# ---- several networks in a file of weights ----
entry() { printf '"%slayer1.0.conv1.weight":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}' "$1" "$2" "$(($2 + 4))"; }
{ st "{$(entry ema. 0),$(entry model.net. 4)}"; printf 'abcdefgh'; } >nets.safetensors
{ st "{$(entry '' 0),$(entry ema. 4)}"; printf 'abcdefgh'; } >top.safetensors
weights="--pairs pairs.tsv --encoder resnet18 --weights"
refuses "holds several networks (ema, model.net): name one, as in --weights nets.safetensors:model.net" $weights nets.safetensors
refuses "lacks tensor conv1.weight" $weights nets.safetensors:ema
refuses "lacks tensor conv1.weight" $weights nets.safetensors:model.net
refuses "lacks tensor net.conv1.weight" $weights nets.safetensors:model
refuses "has no part 'average'; its parts are ema, model" $weights nets.safetensors:average
refuses "holds several networks (., ema)" $weights top.safetensors
refuses "lacks tensor conv1.weight" $weights top.safetensors:.
refuses "lacks tensor conv1.weight" $weights top.safetensors:ema
expect_warned_or_not 66 "cannot open none:ema" "$data" build $weights none:ema --out no.h5

# ---- what does not fit ----
{ cat vectors; row 0; } | npy four.npy 4
refuses "four.npy has 4 rows, but pairs.tsv has 6 rows that name 3 pictures" --pairs pairs.tsv --features four.npy
for i in 0 1 1 1 2 2; do row $i; done | npy differ.npy 6
refuses "rows 0 and 1 of the list name" --pairs pairs.tsv --features differ.npy
{ row 0; row 1; } | npy two.npy 2
refuses "turned.tsv names row 2, but two.npy has 2 rows" --pairs turned.tsv --features two.npy
head -c 4096 pictures.npy >cut.npy
refuses "its data is shorter than its shape says" --pairs pairs.tsv --features cut.npy
printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '<i8', 'fortran_order': False, 'shape': (0, 4), }" >integers.npy
refuses "integers.npy holds integers (<i8)" --pairs pairs.tsv --features integers.npy
mkdir none
expect_warned_or_not 66 "none holds no .npy file" "$data" build --pairs pairs.tsv --features none --out no.h5

# ---- names ----
{ st '{"1":{"dtype":"F32","shape":[512],"data_offsets":[0,2048]},"dog/2.jpg":{"dtype":"F32","shape":[512],"data_offsets":[2048,4096]},"cat/2":{"dtype":"F32","shape":[512],"data_offsets":[4096,6144]}}'
    cat vectors; } >names.safetensors
printf 'a cat\tcat/1.jpg\na dog\tdog/1.jpg\n' >same.tsv
refuses "but dog/1.jpg shares it" --pairs same.tsv --features names.safetensors
refuses "but cat/1.jpg shares it" --pairs same.tsv --features names.safetensors
printf 'a cat\tcat/1.jpg\na dog\tdog/2.jpg\nanother cat\tcat/2.jpg\n' >whole.tsv
content whole --pairs whole.tsv --features names.safetensors >/dev/null
log_says whole "features by name: of all 3 pictures"
printf 'a cat\tcat/1.jpg\na dog\tdog/1.png\n' >stems.tsv
refuses "shares it" --pairs stems.tsv --features names.safetensors
printf 'a cat\tx.jpg\n' >other.tsv
refuses "has no tensor named like a picture of other.tsv (such as x.jpg)" --pairs other.tsv --features names.safetensors

# ---- files of NumPy ----
python=${PYTHON:-python3}
if "$python" -c 'import numpy' 2>/dev/null; then
    "$python" - <<'END'
import numpy
a = numpy.fromfile("vectors", "<f4").reshape(3, 512)
numpy.save("f4.npy", a)
numpy.save("fortran.npy", numpy.asfortranarray(a))
numpy.save("big.npy", a.astype(">f4"))
numpy.save("f8.npy", a.astype("f8"))
numpy.save("half.npy", a.astype("f2"))
numpy.save("half8.npy", numpy.asfortranarray(a.astype("f2").astype(">f8")))
END
    for form in f4 fortran big f8; do same "np_$form" --pairs pairs.tsv --features "$form.npy"; done
    wanted=$(content np_half --pairs pairs.tsv --features half.npy)
    same np_half8 --pairs pairs.tsv --features half8.npy
fi
finish
