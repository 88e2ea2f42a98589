#!/bin/bash
# TIMEOUT: 300
# The long form of jobs.sh: SOAK=1 make check-slurm, or SOAK=1 CYCLES=50 SEED=7 tests/slurm/night.sh. On three nodes runs are
# stopped by their walltime, by scancel --signal, by scontrol requeue, and lose nodes (killed, or cut off from the network), until so
# many starts had to go on from what was there; an array runs beside them. Every run ends in the bits of one that nobody disturbed.
[ -n "${SOAK:-}" ] || { echo "takes an hour: SOAK=1"; exit 77; }
nodes=3
. tests/slurm/slurm.sh.inc
cycles=${CYCLES:-50} SEED=${SEED:-$(date +%s)}
RANDOM=$SEED
echo "seed $SEED"
set +e # a run that goes wrong is counted, and the night goes on

steps=20000
small_job "steps = $steps" "validate-every = 500" "watchdog = ${WATCHDOG:-15}" "keep = 2"
for seed in 1 2 3; do train 1 "$scratch/job.ini" --seed $seed --out "$scratch/whole$seed" || fail "the undisturbed run"; done
edited train.sbatch -e "s|^MPI=[^ ]*|MPI=${MPI:-pmix}|"
edited array.sbatch -e "s|^JOBS=.*|JOBS=($scratch/job.ini)|; s|^SEEDS=.*|SEEDS=(2 3)|; s|^RUNS=[^ ]*|RUNS=$scratch/sweep|"

# Told apart from wait_until of the short form: the caller goes on.
soon() { # SECONDS WHAT COMMAND...
    local limit=$1 what=$2 i
    shift 2
    for ((i = 0; i < limit * 4; i++)); do
        ! "$@" || return 0
        sleep 0.25
    done
    fail "$what: not within $limit s"
    show
    return 1
}
starts() { grep -c "^train.sbatch: .* start [0-9]*:" "$1" 2>/dev/null; }
started() { [ "$(starts "$1")" -gt "$2" ]; }
stopped() { grep -q '"stopped"' "$1/status.json"; }
gone() { [ -z "$(squeue -h -j "$1" 2>/dev/null)" ]; }
not_running() { ! is_state "$1" RUNNING; }
minutes() { scontrol -o show job "$1" | sed -n 's/.* RunTime=\([0-9]*\):\([0-9]*\):.*/\1 \2/p' | awk '{ print $1 * 60 + $2 }'; }

declare -A count
slowest=0
cycle() { # KIND: disturbs $job, whose run folder is $run, and waits until it goes on
    local kind=$1 log=$scratch/shapes-$job.log had before node begun_ms ms held i
    had=$(starts "$log") before=$(newest "$run")
    case $kind in
    signal)
        begun_ms=$(($(date +%s%N) / 1000000))
        scancel --signal=USR1 --batch "$job"
        for ((i = 0; i < 1200; i++)); do ! stopped "$run" || break; sleep 0.05; done
        ms=$(($(date +%s%N) / 1000000 - begun_ms))
        [ $ms -le $slowest ] || slowest=$ms ;;
    walltime) scontrol update JobId="$job" TimeLimit=$(($(minutes "$job") + 1)) ;;
    requeue) scontrol requeue "$job" ;;
    kill | cut)
        node=n$((RANDOM % nodes + 1))
        testbed $kind $node
        kind="$kind $node"
        soon 120 "$kind: that Slurm notices" not_running "$job"
        # On a node that comes back what ran there lives on until Slurm has ended it. It has two minutes for that, as a requeued job
        # is held so long by default (10 s on the testbed); a start before then finds a "duplicate jobid" and drains the node.
        for held in "$job" "$array"; do scontrol update JobId="$held" StartTime=now+45 2>/dev/null; done
        case $kind in kill*) testbed revive $node ;; *) testbed mend $node ;; esac ;;
    esac
    soon 240 "$kind: another start" started "$log" "$had" || return 1
    scontrol update JobId="$job" TimeLimit=240
    soon 120 "$kind: that it goes on" past "$run" $((before + 1)) || return 1
    count[${kind% *}]=$((${count[${kind% *}]:-0} + 1))
    done_cycles=$((done_cycles + 1))
    note "$done_cycles: $kind at a checkpoint of step $before, then start $(starts "$log")"
}

restore() { # after a round that went wrong
    scancel "$job" "$array"
    for node in n1 n2 n3; do testbed kill $node; testbed revive $node; done 2>/dev/null
    sleep 40
    scontrol update NodeName=n[1-3] State=RESUME
    sleep 5
}

done_cycles=0 runs=0 requeued=0
while [ $done_cycles -lt "$cycles" ]; do
    run=$scratch/run
    rm -rf "$run" "$scratch/sweep"
    job=$(JOB=$scratch/job.ini OUT=$run submit --nodes=3 --ntasks=6 --ntasks-per-node=2 "$scratch/train.sbatch")
    array=$(submit --array=0-1 --ntasks=2 "$scratch/array.sbatch")
    soon 120 "the array" past "$scratch/sweep/job-seed3" 20 && scancel --signal=USR1 --batch "${array}_1"
    whole=yes
    for kind in $(printf '%s\n' signal walltime requeue kill cut | sort -R --random-source=<(yes "$SEED $runs")); do
        soon 120 "some steps" past "$run" $(($(newest "$run") + RANDOM % 250 + 1)) && cycle "$kind" || { whole=; break; }
    done
    [ -n "$whole" ] && soon 900 "the end" gone "$job" && soon 900 "the array's end" gone "$array" || { restore; continue; }
    cmp "$scratch/whole1/checkpoints/step-$steps.safetensors" "$run/checkpoints/step-$steps.safetensors" &&
        cmp "$scratch"/{whole1,run}/model.safetensors || { fail "other bits"; cat "$scratch/shapes-$job.log"; }
    for seed in 2 3; do
        cmp "$scratch/whole$seed/checkpoints/step-$steps.safetensors" "$scratch/sweep/job-seed$seed/checkpoints/step-$steps.safetensors" ||
            { fail "other bits in the array, seed $seed"; cat "$scratch/sweep-$array"-*.log; }
        requeued=$((requeued + $(starts "$scratch/sweep-$array-$((seed - 2)).log") - 1))
    done
    runs=$((runs + 3))
    rm -f "$scratch"/*-"$job".log "$scratch"/*-"$array"-*.log
done
for kind in signal walltime requeue kill cut; do echo "$kind: ${count[$kind]:-0}"; done
echo "$done_cycles disturbed starts and $requeued of array tasks, $runs runs ended; from USR1 to the saved checkpoint at most $slowest ms"
finish
