#!/bin/bash
# TIMEOUT: 200
# Each byte of a small checkpoint is flipped, and random bits of a larger one (damage.c): the damage is detected before use,
# or has no effect. A run then resumes from the previous checkpoint and ends in the same bits.
. tests/fault/fault.sh.inc
mkdir "$below"
alone() { fault "none 0 none" "$B/tests/fault/alone" "$@" >"$scratch/said" 2>&1 || { rc=$?; cat "$scratch/said"; return $rc; }; }
damage() { "$B/tests/fault/damage" "$1" "$scratch/damaged" "${@:2}" || fail "damage was not found"; }
least="--data $scratch/d.h5 --d-model 2 --heads 1 --layers 1 --d-ff 2 --block-size 8 --batch 4 --checkpoint-every 1 --validate-every 1"
large="--data $scratch/d.h5 --d-model 32 --heads 2 --layers 2 --d-ff 64 --block-size 40 --batch 8"
alone $least --steps 2 --out "$below/least"
alone $large --steps 2 --ema 0.9 --out "$below/large"
damage "$below/least/checkpoints/step-2.safetensors" bytes
damage "$below/least/checkpoints/step-2.safetensors" cuts "$(long_or 1 29)"
damage "$below/large/checkpoints/step-2.safetensors" bits "$(long_or 100000 2000)" "$SEED"

# the length of the header, its text, its digests, numbers, the last byte; and a cut
file=checkpoints/step-2.safetensors
size=$(stat -c %s "$below/least/$file")
header=$(od -An -tu8 -N8 "$below/least/$file" | tr -d ' ')
cp -r "$below/least" "$below/sound"
for at in 0 5 9 $((header / 2)) $((header + 7)) $((header + 8)) $((size - 1)) cut; do
    rm -rf "$below/least"
    cp -r "$below/sound" "$below/least"
    if [ $at = cut ]; then
        truncate -s $((size - 1)) "$below/least/$file"
    else
        byte=$(od -An -tu1 -j "$at" -N 1 "$below/sound/$file")
        printf "\\x$(printf %x $((byte ^ 1 << RANDOM % 8)))" | dd of="$below/least/$file" bs=1 seek="$at" conv=notrunc 2>/dev/null
    fi
    rm "$below/least/model.safetensors"
    alone $least --steps 2 --out "$below/least" || fail "$at: no resume"
    grep -q "step-2.*; trying the previous checkpoint" "$scratch/said" && grep -q "resuming from .*step-1.safetensors" "$scratch/said" ||
        { fail "$at: not the checkpoint before"; cat "$scratch/said"; }
    cmp "$below"/{sound,least}/$file && cmp "$below"/{sound,least}/model.safetensors || fail "$at: other bits"
done
finish
