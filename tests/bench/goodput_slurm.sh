#!/bin/bash
# goodput_slurm.sh: goodput.sh under Slurm. Usage: [CELLS="rank:60:5 ..."] [MINUTES=20] goodput_slurm.sh (make goodput)
# In a cell KIND:K:C slurm/train.sbatch trains on two nodes of one rank each (rank) or loses one of two nodes (node) once in every
# K seconds that it runs, at a random moment of them, with a checkpoint about every C seconds. Only time is counted in which the job
# holds nodes, not its wait in the queue. What a loss costs is the time until the run has reached the step of the loss again.
nodes=2
. tests/slurm/slurm.sh.inc
set +e
MINUTES=${MINUTES:-20} CELLS=${CELLS:-rank:60:5 rank:60:30 rank:300:5 rank:300:30 node:300:5 node:300:30}
RANDOM=${SEED:-1}
"$B/t2i-data" shapes --out "$scratch/d.h5" >/dev/null 2>&1
. tests/bench/goodput.sh.inc
edited train.sbatch -e "s|^TRAIN=[^ ]*|TRAIN=$(program)|" -e "s|^MPI=[^ ]*|MPI=${MPI:-pmix}|" -e "s|^OPTIONS+=()|OPTIONS+=(\$T2I_OPTIONS)|"
# start STEPS: a job that writes a checkpoint every so many
start() {
    job=$(JOB=jobs/shapes.ini OUT=$run T2I_OPTIONS="--data $scratch/d.h5 --threads 1 --steps 100000000 --schedule constant
        --sample-every 0 --validate-every 0 --log-every 1 --keep 3 ${SLOW:+--batch 8} --checkpoint-every $1" \
        submit --nodes=2 --ntasks=2 --ntasks-per-node=1 --mincpus=1 "$scratch/train.sbatch")
}
running() { is_state "$job" RUNNING; }

run=$scratch/undisturbed
start 0
wait_until 60 "some steps" past "$run" 20
first=$(step_of "$run") begun=$(now)
sleep 60
rate=$(rate_of $(($(step_of "$run") - first)) $(($(now) - begun)))
scancel "$job"
wait_until 60 "its end" is_state "$job" "COMPLETED FAILED CANCELLED"
echo "undisturbed: $rate steps/s on 2 nodes of one rank; $MINUTES minutes held per cell"
echo "| loss | checkpoint every | losses | steps kept of computed | seconds kept of held | a loss costs | of it lost steps | bound |"
echo "|---|---|---|---|---|---|---|---|"
for cell in $CELLS; do
    IFS=: read -r kind every seconds <<<"$cell"
    run=$scratch/run-$kind-$every-$seconds held=0 last=$(now) back_again=''
    no_loss
    draw_next
    start "$(steps_in "$seconds")"
    wait_until 60 "the first step" past "$run" 1 # a start that fails before it is not made again
    last=$(now)
    while [ $((held / 60000000)) -lt "$MINUTES" ]; do
        sleep 0.2
        at=$(now)
        if running; then
            held=$((held + at - last))
            regain $held
            [ "$held" -lt "$next" ] || ! one=$(victim) || [ -z "$one" ] || {
                lose $held
                draw_next
                case $kind in
                rank) kill -KILL "$one" ;;
                node)
                    wait $back_again
                    testbed kill n2
                    (sleep 60 && testbed revive n2) &
                    back_again=$!
                    ;;
                esac
            }
        fi
        last=$at
    done
    kept=$(step_of "$run")
    scancel "$job"
    wait_until 60 "its end" is_state "$job" "COMPLETED FAILED CANCELLED"
    wait $back_again
    row "a $kind every $every s" "$seconds" "$kept" $((kept + $(lost))) "$held"
done
finish
