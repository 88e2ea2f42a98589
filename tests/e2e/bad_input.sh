#!/bin/bash
# TIMEOUT: 300
# Everything a user can get wrong before and while training: one line, the right exit code, all ranks alike.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
run="$MPIRUN -np 3 $B/t2i-train $small_model --steps 3 --out $scratch/out"
d="--data $scratch/d.h5"

expect 66 "cannot open $scratch/none.h5" $run --data "$scratch/none.h5"
echo "no HDF5" >"$scratch/text.h5"
expect 65 "text.h5" $run --data "$scratch/text.h5"
head -c 9000 "$scratch/d.h5" >"$scratch/cut.h5"
expect 65 "cut.h5" $run --data "$scratch/cut.h5"
: >"$scratch/empty.h5"
expect 65 "empty.h5" $run --data "$scratch/empty.h5"
expect 66 "$scratch" $run --data "$scratch"
expect 64 "batch must be" $run $d --batch 0
expect 64 "not a power of two" $run $d --shards 3
expect 64 "below the 3 ranks" $run $d --shards 2
expect 64 "above batch" $run $d --shards 16
expect 64 "did you mean '--steps'" $run $d --stepz 4
expect 64 "lr must be" $run $d --lr nan
expect 64 "lr must be" $run $d --lr -1
expect 64 "schedule must be" $run $d --schedule linear
expect 64 "not a multiple of heads" $run $d --heads 5
expect 64 "eps must be" $run $d --eps 0
expect 64 "min-lr" $run $d --min-lr 1
expect 64 "data is not given" $run
expect 64 'T2I_VECTORS is "sse9"; this CPU has plain' env T2I_VECTORS=sse9 $run $d
expect 64 "out is not given" "$B/t2i-train" $d
expect 66 "cannot open $scratch/none.ini" "$B/t2i-train" "$scratch/none.ini"
printf 'stepz = 3\n' >"$scratch/bad.ini"
expect 64 "bad.ini:1" $MPIRUN -np 3 "$B/t2i-train" "$scratch/bad.ini"
expect 73 "cannot create" $run $d --quiet --out /proc/t2i-out
: >"$scratch/file"
expect 73 "cannot create" $run $d --quiet --out "$scratch/file"
expect 66 "cannot open $scratch/none" $run $d --init "$scratch/none"
expect 65 "no_model" sh -c "echo hello >$scratch/no_model; exec $run $d --init $scratch/no_model"
expect 66 "cannot open $scratch/none" $run $d --sampler "$scratch/none"
printf '1 2 3\n' >"$scratch/short.txt"
expect 65 "3 row numbers, but batch is 12" $run $d --sampler "$scratch/short.txt"
for i in 1 2; do echo 0 1 2 3 4 5 6 7 8 9 10 11; done >"$scratch/few.txt"
expect 65 "has 2 lines" $run $d --sampler "$scratch/few.txt"
for i in 1 2 3; do echo 0 1 2 3 4 5 6 7 8 9 10 999; done >"$scratch/range.txt"
expect 65 "names row 999" $run $d --sampler "$scratch/range.txt"
for i in 1 2 3; do echo 0 1 2 3 4 5 6 7 8 9 10 x; done >"$scratch/letters.txt"
expect 65 "'x' is not a row number" $run $d --sampler "$scratch/letters.txt"

# ranks that were told different things do not wait for one another
one="-np 1 $B/t2i-train $d $small_model --out $scratch/out"
expect 64 "different options" $MPIRUN $one --steps 3 : $one --steps 5
expect 64 "different options" $MPIRUN $one --steps 3 --sampler "$scratch/range.txt" : $one --steps 3

# a model whose feature size differs, and one whose vocabulary lacks a character
"$B/t2i-data" seed --out "$scratch/seed.h5" >/dev/null 2>&1
expect 65 "features" $MPIRUN -np 3 "$B/t2i-train" --data "$scratch/seed.h5" --steps 3 --init tests/golden/seed/initial.safetensors --out "$scratch/out" --quiet
sed 's/a the/a ÿ the/; 1s/^/ÿ/' "$scratch/pairs.tsv" >"$scratch/other.tsv"
"$B/t2i-data" build --pairs "$scratch/other.tsv" --features tests/golden/seed/features.safetensors --out "$scratch/other.h5" >/dev/null 2>&1
expect 65 "U+00FF" $MPIRUN -np 3 "$B/t2i-train" --data "$scratch/other.h5" --steps 3 --init tests/golden/seed/initial.safetensors --out "$scratch/out" --quiet

# nothing was left by any of them, and a dry run leaves nothing either
[ ! -e "$scratch/out" ] || fail "a failed start left $(ls -R "$scratch/out")"
expect 0 "dry run" $run $d --dry-run
[ ! -e "$scratch/out" ] || fail "a dry run left something"
for tool in t2i-train t2i-data t2i-generate t2i-eval; do
    "$B/$tool" --help | grep -q '^Usage: ' || fail "$tool --help"
    "$B/$tool" --version | grep -q "^$tool " || fail "$tool --version"
done
finish
