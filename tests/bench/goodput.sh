#!/bin/bash
# goodput.sh: what is kept of a run whose ranks are killed. Usage: [CELLS="60:5 60:30 300:5 300:30"] [MINUTES=20] goodput.sh
# (make goodput). Trains captioned shapes on two ranks in the loop of docs/cluster.md. In a cell K:C one of the ranks, drawn at
# random, gets SIGKILL once in every K seconds, at a random moment of them (kills exactly K seconds apart would all fall into the
# same phase of the checkpoints), and a checkpoint is written about every C seconds. The speed of an undisturbed minute turns
# steps into seconds. What a kill costs is the time until the run has reached the step of the kill again; stderr has it of each.
# With SLOW=200 a step has 8 prompts and takes 200 ms more, in which the cores are idle: several of these scripts, with a cell each,
# can run side by side.
. tests/e2e/lib.sh.inc
MINUTES=${MINUTES:-20} CELLS=${CELLS:-60:5 60:30 300:5 300:30}
RANDOM=${SEED:-1}
"$B/t2i-data" shapes --out "$scratch/d.h5" >/dev/null 2>&1
. tests/bench/goodput.sh.inc
train="$MPIRUN -np 2 $(program) jobs/shapes.ini --data $scratch/d.h5 --threads 1 --steps 100000000 --schedule constant --sample-every 0
    --validate-every 0 --log-every 1 ${SLOW:+--batch 8}"
held() { echo $(($(now) - begun)); }

# job CHECKPOINT_EVERY: one start, in the background
job() { $train --checkpoint-every "$1" --out "$run" >>"$scratch/log" 2>&1 & }

run=$scratch/undisturbed
job 0
until [ "$(step_of "$run")" -gt 20 ]; do
    jobs -r | grep -q . || { cat "$scratch/log" && exit 1; }
    sleep 0.1
done
first=$(step_of "$run") begun=$(now)
sleep 60
rate=$(rate_of $(($(step_of "$run") - first)) "$(held)")
# shellcheck disable=SC2046
kill -USR1 $(ranks) && wait || true
echo "undisturbed: $rate steps/s on 2 ranks; $MINUTES minutes per cell"
echo "| killed every | checkpoint every | kills | steps kept of computed | seconds kept of held | a kill costs | of it lost steps | bound |"
echo "|---|---|---|---|---|---|---|---|"
for cell in $CELLS; do
    every=${cell%:*} seconds=${cell#*:}
    steps=$(steps_in "$seconds") end=$((MINUTES * 60000000))
    run=$scratch/run-$every-$seconds begun=$(now)
    no_loss
    draw_next
    while :; do
        job "$steps"
        while jobs -r | grep -q . && [ "$(held)" -lt "$next" ] && [ "$(held)" -lt "$end" ]; do
            sleep 0.2
            regain "$(held)"
        done
        [ "$(held)" -lt "$end" ] || break
        until one=$(victim) && [ -n "$one" ]; do sleep 0.1; done
        lose "$(held)"
        kill -KILL "$one" || true
        draw_next
        wait || true
    done
    # shellcheck disable=SC2046
    kill -USR1 $(ranks) && wait || true
    kept=$(step_of "$run")
    row "$every s" "$seconds" "$kept" $((kept + $(lost))) "$(held)"
done
