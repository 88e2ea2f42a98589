#!/bin/bash
# TIMEOUT: 300
# Early stopping ends at the same step with the same bits at any number of ranks and after an interruption; log, status, report
# and best.safetensors name one best step; and a run leaves samples of its last step, if it has something to draw.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --lr 0.05 --log-every 7 --threads 1"
job="$common --steps 400 --validate-every 5 --patience 3"
number() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$2" | tail -n 1; }
# best_is RUN STEP: everywhere
best_is() {
    [ "$(number best "$1/status.json")" = "$2" ] || fail "$1: best in status.json: $(number best "$1/status.json"), not $2"
    [ "$(grep val_loss "$1/log.jsonl" | tail -n 1 | sed 's/.*"best":\([0-9]*\).*/\1/')" = "$2" ] || fail "$1: best in log.jsonl is not $2"
    grep -q "best step</dt><dd>$2 <" "$1/report.html" || fail "$1: best in report.html is not $2"
    "$B/t2i-model" show --json "$1/best.safetensors" >"$scratch/shown" 2>&1
    [ "$(number step "$scratch/shown")" = "$2" ] || fail "$1: best.safetensors is of step $(number step "$scratch/shown"), not $2"
}
# same RUN: the bits of `whole`, and its end
same() {
    for file in model.safetensors best.safetensors "checkpoints/step-$end.safetensors"; do
        cmp "$scratch/whole/$file" "$1/$file" || fail "$1: another $file"
    done
    [ "$(number step "$1/status.json")" = "$end" ] || fail "$1 ended at step $(number step "$1/status.json"), not $end"
    best_is "$1" "$best"
}

train 1 $job --out "$scratch/whole"
end=$(number step "$scratch/whole/status.json") best=$(number best "$scratch/whole/status.json")
[ "$end" -lt 400 ] && [ "$end" -eq $((best + 15)) ] || fail "it ended at step $end, best at $best"
grep -q "stopped early at step $end of 400: 3 validations in a row without a better score" "$scratch/train.log" || { fail "not said"; cat "$scratch/train.log"; }
grep -q "best.safetensors is of step $best" "$scratch/train.log" || fail "the best step is not said"
grep -q '"state": "finished"' "$scratch/whole/status.json" && grep -q '"message": "stopped early' "$scratch/whole/status.json" || fail "status.json"
grep -q "\"step\":$end,\"val_loss\".*\"waited\":3" "$scratch/whole/log.jsonl" || fail "log.jsonl does not count"
grep -q "^{\"step\":$end,\"loss\"" "$scratch/whole/log.jsonl" || fail "the last step is not logged"
grep -q 'stopped early' "$scratch/whole/report.html" || fail "report.html does not say it"
same "$scratch/whole"
train 2 $job --out "$scratch/two"
same "$scratch/two"
expect 0 "is finished: stopped early at step $end of 400" "$B/t2i-train" $job --out "$scratch/two"

# interrupted while it counts, at a validation and between two; other numbers of ranks
train 2 $common --steps $((best + 5)) --validate-every 5 --patience 3 --out "$scratch/broken"
[ "$(number waited <("$B/t2i-model" show --json "$scratch/broken/checkpoints/step-$((best + 5)).safetensors" 2>&1))" = 1 ] || fail "the checkpoint does not count"
train 1 $common --steps $((best + 12)) --validate-every 5 --patience 3 --out "$scratch/broken"
train 2 $job --out "$scratch/broken"
same "$scratch/broken"

# a checkpoint that counts nothing, as of an older version: it begins to count; more patience goes on
train 1 $common --steps $((best + 10)) --validate-every 5 --out "$scratch/older"
train 1 $job --out "$scratch/older"
[ "$(number step "$scratch/older/status.json")" -ge $((best + 25)) ] || fail "a checkpoint without a count: $(cat "$scratch/older/status.json")"
train 1 $job --patience 4 --out "$scratch/two"
[ "$(number step "$scratch/two/status.json")" -gt "$end" ] || fail "more patience does not go on"
expect 64 "patience = 2 counts validations" "$B/t2i-train" $common --patience 2 --validate-every 0 --out "$scratch/none"

# equal scores are not better: the first stays; the MRR decides with the contrastive loss
train 2 $common --lr 0 --steps 100 --validate-every 5 --patience 2 --out "$scratch/equal"
[ "$(number step "$scratch/equal/status.json")" = 15 ] || fail "equal scores: $(cat "$scratch/equal/status.json")"
best_is "$scratch/equal" 5
train 1 $common --loss contrastive --steps 400 --validate-every 5 --patience 2 --out "$scratch/mrr"
best_is "$scratch/mrr" "$(number best "$scratch/mrr/status.json")"
[ "$(number step "$scratch/mrr/status.json")" -eq $(($(number best "$scratch/mrr/status.json") + 10)) ] || fail "by MRR: $(cat "$scratch/mrr/status.json")"

# a better validation after the last step, which is no multiple of validate-every: told, and one truth
train 1 --data "$scratch/d.h5" $small_model --steps 25 --validate-every 10 --out "$scratch/last"
best_is "$scratch/last" 20
grep -q 'step 25 validates better than step 20, which is in best.safetensors' "$scratch/train.log" || { fail "not told"; cat "$scratch/train.log"; }
grep -q 'The last validation is better than that of step 20' "$scratch/last/report.html" || fail "not in the report"

# samples of the last step, where there are pictures
[ -z "$(ls "$scratch/last/samples")" ] || fail "samples without pictures"
"$B/t2i-data" shapes --out "$scratch/s.h5" >/dev/null 2>&1
train 2 --data "$scratch/s.h5" $small_model --steps 3 --validate-every 0 --out "$scratch/drawn"
[ "$(ls "$scratch/drawn/samples")" = step-3.png ] || fail "no samples of the last step: $(ls "$scratch/drawn/samples")"
grep -q 'Samples over time' "$scratch/drawn/report.html" && grep -q '<b>step 3</b>' "$scratch/drawn/report.html" || fail "no samples in the report"
train 1 --data "$scratch/s.h5" $small_model --steps 5 --sample-every 4 --loss contrastive --embed-dim 8 --out "$scratch/drawn2"
[ "$(ls "$scratch/drawn2/samples" | paste -s -d ' ')" = "step-4.png step-5.png" ] || fail "samples: $(ls "$scratch/drawn2/samples")"
finish
