#!/bin/bash
# TIMEOUT: 300
# The tutorial from its own files to its own file: multimodal_model.pt, three pictures and ResNet-18 weights in, a dataset, 5,000
# steps, the right picture and text_to_image_model.pt out. ImageNet's weights cannot be had here: the formula's take their place.
. tests/e2e/lib.sh.inc
"$B/tests/helper/formula_weights" "$scratch/resnet18.pth" "" none 0.5
MODEL=tests/golden/seed/multimodal_model.pt WEIGHTS=$scratch/resnet18.pth OUT=$scratch timeout 250 sh jobs/tutorial.sh \
    >"$scratch/stdout" 2>"$scratch/stderr" || { fail "jobs/tutorial.sh"; cat "$scratch/stderr"; }
grep -q '^ *1 .* blue_square.png$' "$scratch/stdout" || { fail "not the blue square"; cat "$scratch/stdout"; }
for file in generated.png generated-drawn-1.png tutorial/model.safetensors; do [ -s "$scratch/$file" ] || fail "no $file"; done
grep -q 'head.weight and head.bias are initialised at random' "$scratch/stderr" || { fail "the initialised head was not reported"; cat "$scratch/stderr"; }
grep -q 'over 80 dB' "$scratch/stderr" || fail "the decoder does not draw the three pictures that it was fitted to"
# the loss of the last steps is a small part of the first
awk -F'[:,]' '/"loss"/ { for (i = 1; i < NF; i++) if ($i ~ /"loss"/) { if (!first) first = $(i + 1); last = $(i + 1) } }
    END { exit !(first > 0.1 && last < first / 100) }' "$scratch/tutorial/log.jsonl" || fail "it did not learn: $(tail -n 1 "$scratch/tutorial/log.jsonl")"
"$B/t2i-model" diff "$scratch/tutorial" "$scratch/text_to_image_model.pt" >"$scratch/stdout" || { fail "the file differs"; cat "$scratch/stdout"; }
again=0
MODEL=tests/golden/seed/multimodal_model.pt WEIGHTS=$scratch/resnet18.pth OUT=$scratch sh jobs/tutorial.sh >/dev/null 2>"$scratch/stderr" || again=$?
[ $again -eq 64 ] && grep -q "holds a run" "$scratch/stderr" || fail "a second run in one folder"
expect 66 "resnet18" env MODEL=tests/golden/seed/multimodal_model.pt WEIGHTS="$scratch/none" OUT="$scratch" bash -c \
    'sh jobs/tutorial.sh 2>&1 | sed "s/^jobs.tutorial.sh/t2i-tutorial/" >&2; exit ${PIPESTATUS[0]}'
finish
