#!/bin/bash
# goodput.sh: what is kept of a run whose ranks are killed. Usage: [CELLS="60:5 60:30 300:5 300:30"] [MINUTES=20] goodput.sh
# (make goodput). Trains captioned shapes on two ranks in the loop of docs/cluster.md. In a cell K:C one of the ranks, drawn at
# random, gets SIGKILL once in every K seconds, at a random moment of them (kills exactly K seconds apart would all fall into the
# same phase of the checkpoints), and a checkpoint is written about every C seconds. The speed of an undisturbed minute turns
# steps into seconds. What a kill costs is the time until the run has reached the step of the kill again. With SLOW=200 a step
# has 8 prompts and takes 200 ms more, in which the cores are idle: several of these scripts, with a cell each, can run side by side.
set -eu
B=${B:-build/release} MPIRUN=${MPIRUN:-mpirun} MINUTES=${MINUTES:-20} CELLS=${CELLS:-60:5 60:30 300:5 300:30}
RANDOM=${SEED:-1}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$B/t2i-data" shapes --out "$scratch/d.h5" >/dev/null 2>&1
. tests/bench/goodput.sh.inc
train="$MPIRUN -np 2 $(program) jobs/shapes.ini --data $scratch/d.h5 --threads 1 --steps 100000000 --schedule constant --sample-every 0
    --validate-every 0 --log-every 1 ${SLOW:+--batch 8}"
held() { echo $(($(now) - begun)); }
last_step() { tail -n 5 "$run/log.jsonl" 2>/dev/null | sed -n 's/^{"step":\([0-9]*\),"loss".*/\1/p' | tail -n 1 | grep . || echo 0; }

# job CHECKPOINT_EVERY: one start, in the background
job() { $train --checkpoint-every "$1" --out "$run" >>"$scratch/log" 2>&1 & }

run=$scratch/undisturbed
job 0
until [ "$(last_step)" -gt 20 ]; do sleep 0.1; done
first=$(last_step) begun=$(now)
sleep 60
rate=$(rate_of $(($(last_step) - first)) "$(held)")
# shellcheck disable=SC2046
kill -USR1 $(ranks) && wait || true
echo "undisturbed: $rate steps/s on 2 ranks; $MINUTES minutes per cell"
echo "| killed every | checkpoint every | kills | steps kept of computed | seconds kept of held | a kill costs | bound |"
echo "|---|---|---|---|---|---|---|"
for cell in $CELLS; do
    every=${cell%:*} seconds=${cell#*:}
    steps=$(steps_in "$seconds") end=$((MINUTES * 60000000))
    run=$scratch/run-$every-$seconds losses=0 waiting=0 regained=0 cost=0 computed=0 from=0 begun=$(now)
    draw_next
    while :; do
        : >"$scratch/log"
        job "$steps"
        while jobs -r | grep -q . && [ "$(held)" -lt "$next" ] && [ "$(held)" -lt "$end" ]; do
            sleep 0.2
            [ $waiting -gt 0 ] || continue
            step=$(last_step)
            [ "$step" -ge "$before" ] || back=yes # the log was cut
            if [ -n "$back" ] && [ "$step" -ge "$before" ]; then
                regained=$((regained + waiting)) cost=$((cost + $(held) - killed)) waiting=0
            fi
        done
        [ "$(held)" -lt "$end" ] || break
        until one=$(victim) && [ -n "$one" ]; do sleep 0.1; done
        # a second kill before the step of the first was reached is a part of the same loss
        [ $waiting -gt 0 ] || before=$(last_step) back='' killed=$(held)
        [ "$before" -gt 0 ] || before=1 # killed before the first step
        kill -KILL "$one" && losses=$((losses + 1)) waiting=$((waiting + 1))
        draw_next
        wait || true
        from=$(sed -n 's/.*resuming from .*step-\([0-9]*\)\.safetensors.*/\1/p' "$scratch/log" | grep . || echo 0)
        computed=$((computed + $(last_step) - from))
    done
    # shellcheck disable=SC2046
    kill -USR1 $(ranks) && wait || true
    from=$(sed -n 's/.*resuming from .*step-\([0-9]*\)\.safetensors.*/\1/p' "$scratch/log" | grep . || echo 0)
    computed=$((computed + $(last_step) - from))
    row "$every s" "$seconds" "$(last_step)" $computed "$(held)"
done
