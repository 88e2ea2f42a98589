#!/bin/bash
# tensorboard = on: a file a session, and what the real TensorBoard reads from them is what log.jsonl says, each step once,
# also where a resume goes back. PYTHON names a Python that has tensorboard.
. tests/e2e/lib.sh.inc
small_dataset "$scratch/d.h5"
common="--data $scratch/d.h5 $small_model --validate-every 10 --sample-every 10 --log-every 1 --checkpoint-every 10"
out=$scratch/run

train 1 $common --steps 15 --out "$out"
[ ! -e "$out/tensorboard" ] || fail "there is a folder that nobody asked for"
rm -rf "$out"
train 2 $common --tensorboard on --steps 25 --out "$out"
[ "$(ls "$out/tensorboard" | wc -l)" -eq 1 ] || fail "not one file: $(ls "$out/tensorboard")"
# as if killed after step 25, between two checkpoints: the run goes back to 20
rm "$out/checkpoints/step-25.safetensors" "$out/model.safetensors"
sed -i 's/finished/running/' "$out/status.json"
head -c -7 "$out"/tensorboard/* >"$scratch/torn" && cat "$scratch/torn" >"$(ls "$out"/tensorboard/*)"
train 1 $common --tensorboard on --steps 40 --out "$out"
[ "$(ls "$out/tensorboard" | wc -l)" -eq 2 ] || fail "not two files: $(ls "$out/tensorboard")"
[ "$(grep -c '"loss"' "$out/log.jsonl")" -eq 40 ] || fail "log.jsonl has other steps"
[ "$failures" -eq 0 ] || finish

python=${PYTHON:-python3}
"$python" -c 'import tensorboard' 2>/dev/null || { echo "no tensorboard in $python (PYTHON names another)"; exit 77; }
"$python" - "$out" <<'END' || fail "TensorBoard reads something else"
import json, math, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
run = sys.argv[1]
board = EventAccumulator(run + "/tensorboard", size_guidance={"scalars": 0, "images": 0})
board.Reload()
wanted = {}
for line in map(json.loads, open(run + "/log.jsonl")):
    for key in ("loss", "lr", "grad_norm", "samples_per_s", "val_loss", "r1", "r10", "mrr"):
        if key in line:
            wanted.setdefault(key, []).append((line["step"], line[key]))
assert sorted(wanted) == sorted(board.Tags()["scalars"]), board.Tags()
for key, points in wanted.items():
    seen = [(e.step, e.value) for e in board.Scalars(key)]
    assert [s for s, _ in seen] == [s for s, _ in points], (key, seen)
    # what was logged again after the resume has the same loss, but not the same speed
    assert all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) for (_, a), (_, b) in zip(seen, points)), key
pictures = board.Images("samples")
assert [p.step for p in pictures] == [10, 20, 30, 40], [p.step for p in pictures]
for p in pictures:
    assert p.encoded_image_string == open(f"{run}/samples/step-{p.step}.png", "rb").read() and p.width > 100 and p.height > 100
print(len(wanted["loss"]), "steps,", len(pictures), "pictures")
END
finish
