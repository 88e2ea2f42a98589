#!/bin/bash
# CORES: 2
# TIMEOUT: 900
# The same bits on x86-64 and aarch64: programs that are cross-built for aarch64 and run under qemu make the same
# datasets and checkpoints, and each continues the runs of the other. The first run builds them.
. tests/e2e/lib.sh.inc
sysroot=${SYSROOT:-$PWD/build/arm64-sysroot}
skip() { echo "$*"; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "this machine is no x86-64"
type aarch64-linux-gnu-gcc qemu-aarch64 >/dev/null 2>&1 || skip "gcc-aarch64-linux-gnu or qemu-user is not installed"
[ -e "$sysroot/complete" ] || skip "no libraries for aarch64 in $sysroot (tests/helper/arm64_sysroot)"
env -u MAKEFLAGS make arm64 SYSROOT="$sysroot" >"$scratch/make.log" 2>&1 || { tail -n 30 "$scratch/make.log"; fail "make arm64"; finish; }

# Programs that start those for aarch64, under qemu; t2i-reader, too, which others start.
mkdir -p "$scratch/arm"
for program in build/arm64/t2i-{data,reader,train} build/arm64/tests/unit/kernels/vectors; do
    printf '#!/bin/sh\nexec qemu-aarch64 -L "%s" "%s/%s" "$@"\n' "$sysroot" "$PWD" "$program" >"$scratch/arm/${program##*/}"
    chmod +x "$scratch/arm/${program##*/}"
done
arm() { T2I_READER=$scratch/arm/t2i-reader B=$scratch/arm "$@"; }

# ---- kernels ----
"$B/tests/unit/kernels/vectors" --digests >"$scratch/expected"
[ "$(wc -l <"$scratch/expected")" -ge 100 ] || fail "no digests of kernels"
for level in plain neon; do
    T2I_VECTORS=$level "$scratch/arm/vectors" --digests >"$scratch/got"
    cmp "$scratch/expected" "$scratch/got" || { diff "$scratch/expected" "$scratch/got" | head; fail "kernels at $level"; }
done

# ---- datasets ----
small_dataset "$scratch/d.h5"
arm small_dataset "$scratch/arm.h5"
cmp "$scratch/d.h5" "$scratch/arm.h5" || fail "another dataset"

# ---- runs ----
# widths that fill no vector, and enough columns that the zeros of the ReLU are skipped
model="--data $scratch/d.h5 --d-model 132 --heads 3 --layers 1 --d-ff 42 --block-size 20 --batch 8 --shards 4 --lr 1e-3 --clip 1
       --schedule cosine --warmup 1 --loss contrastive --augment 0.5 --dropout 0.1 --ema 0.9 --validate-every 1
       --steps 2 --checkpoint-every 1"
half=checkpoints/step-1.safetensors
alike() {
    for file in checkpoints/step-2.safetensors model.safetensors; do
        cmp "$scratch/x86/$file" "$scratch/$1/$file" || fail "$1: another $file"
    done
}
train 1 $model --out "$scratch/x86"
arm train 1 $model --out "$scratch/arm1"
T2I_VECTORS=plain arm train 2 $model --out "$scratch/plain2"
timeout 100 $MPIRUN -np 1 "$B/t2i-train" $model --out "$scratch/mixed" : \
    -np 1 env T2I_READER="$scratch/arm/t2i-reader" "$scratch/arm/t2i-train" $model --out "$scratch/mixed" >"$scratch/train.log" 2>&1 ||
    { cat "$scratch/train.log"; fail "ranks of both architectures in one job"; }
for run in arm1 plain2 mixed; do alike $run; done

# ---- continued on the other ----
arm train 2 $model --resume "$scratch/x86/$half" --out "$scratch/on_arm"
grep -q 'vectors neon' "$scratch/train.log" || { cat "$scratch/train.log"; fail "NEON is not taken by itself"; }
train 2 $model --resume "$scratch/arm1/$half" --out "$scratch/on_x86"
for run in on_arm on_x86; do alike $run; done
finish
