#!/bin/bash
# CORES: 2
# TIMEOUT: 200
# SIGKILL at a random moment of a run with 2 to 4 ranks: to one rank, to mpirun, or to all. The run resumes from its newest
# checkpoint every time and repeats at most one interval (with checkpoints in the background, at most one interval more). It
# ends in the bits of an undisturbed run, and no process remains. KILLS=1000 for more kills, KINDS="rank" for these only.
. tests/fault/fault.sh.inc
kills=${KILLS:-$(long_or 300 10)}
every=7
options="$tiny --ngram-buckets 50 --ngram-hidden 8 --embed-dim 4 --loss contrastive
    --negatives batch --ema 0.9 --keep 2 --checkpoint-every $every --steps 150 --validate-every 25"
out=$scratch/run
export TMPDIR=$scratch/tmp # Open MPI's own files
mkdir "$TMPDIR"
cat >"$scratch/rank.sh" <<'END'
echo "$$ $PMIX_NAMESPACE" >>"$1"
shift
exec "$@"
END
now() { echo $(($(date +%s%N) / 1000000)); }
begun=$(now)
train 2 $options --out "$scratch/whole"
whole_ms=$(($(now) - begun))

# mpirun, ranks, and whatever they started; readers, which name the dataset
alive() { pgrep -f -- "--out $out|^t2i-reader .* $scratch/" || true; }

# the victims of $kind; without ranks so far it is mpirun
choose() {
    local ranks
    ranks=$(cut -d' ' -f1 "$scratch/pids" 2>/dev/null | sort -R --random-source=<(yes "$SEED$killed") || true)
    [ -n "$ranks" ] || kind=mpirun
    case $kind in
    rank) victims=${ranks%%$'\n'*} ;;
    mpirun) victims=$mpirun ;;
    all) victims="$mpirun $ranks" ;;
    esac
}

# end: waits for mpirun. In about one of 400 it waits for itself (PMIx 4.2.2 stops in pmix_rte_finalize, at a mutex), all
# ranks long gone: then it is ended here, and counted.
end() {
    local without=0
    while kill -0 $job 2>/dev/null; do
        sleep 0.05
        without=$((without + 1))
        if pgrep -f -- "^[^ ]*t2i-train .*--out $out" >/dev/null; then without=0; fi
        [ $without -lt 200 ] || { stuck=$((stuck + 1)) without=0; kill -9 "$mpirun" || true; }
    done
    wait $job 2>/dev/null || rc=$?
}

# Open MPI's own files of this job that it did not remove
left_in_shm() {
    local job
    job=$(cut -d' ' -f2 "$scratch/pids" 2>/dev/null | head -n 1)
    [ -n "$job" ] && ls /dev/shm | grep -- "$(printf '[._]%x\.' "$job")" || true
}

# after_death KIND: nothing is left but what the next start needs
after_death() {
    local waited=0 left
    until [ -z "$(alive)" ] || [ $waited -ge 100 ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    [ -z "$(alive)" ] || { fail "$1: still alive after 10 s: $(alive)"; kill -9 $(alive); }
    [ $waited -le "$slowest" ] || slowest=$waited
    left=$(left_in_shm)
    shm[$1]=$((${shm[$1]:-0} + $(echo $left | wc -w)))
    ! echo "$left" | grep -v '^vader_segment\|^osc_sm' | grep . || fail "$1: left in /dev/shm"
    (cd /dev/shm && rm -f $left)
    # a start that was killed before it opened the log left the one of the start before
    [ "$out/log.jsonl" -nt "$scratch/begun" ] || return 0
    local repeated=$(($(step_of "$out") - $(newest "$out")))
    [ $repeated -le $(((1 + aside) * every)) ] || fail "$1: $repeated steps would be repeated"
    [ $repeated -le "${most[aside]}" ] || most[aside]=$repeated
}

declare -A shm count
killed=0 finished=0 slowest=0 most=(0 0) resumed=0 stuck=0
while [ $killed -lt $kills ]; do
    kinds=(${KINDS:-rank mpirun all})
    kind=${kinds[RANDOM % ${#kinds[@]}]} np=$((2 + RANDOM % 3)) delay=$((RANDOM * whole_ms / 32768))
    from=$(newest "$out") aside=$((RANDOM % 2))
    unset T2I_ASIDE_MB
    [ $aside -eq 0 ] || export T2I_ASIDE_MB=0
    rm -f "$scratch/pids"
    touch "$scratch/begun"
    timeout -k 5 100 $MPIRUN -np $np sh "$scratch/rank.sh" "$scratch/pids" "$B/t2i-train" $options --out "$out" >"$scratch/said" 2>&1 &
    job=$!
    until mpirun=$(pgrep -P $job) || ! kill -0 $job 2>/dev/null; do sleep 0.01; done
    sleep $((delay / 1000)).$(printf %03d $((delay % 1000)))
    rc=0
    choose
    kill -9 $victims 2>/dev/null || true
    end
    what="kill $killed: $kind of $np after $delay ms from step $from, aside $aside"
    if going=$(sed -n 's/.*resuming from .*step-\([0-9]*\)\.safetensors$/\1/p' "$scratch/said") && [ -n "$going" ]; then
        resumed=$((resumed + 1))
        [ "$going" -eq "$from" ] || fail "$what: it went on from $going"
    fi
    [ "$(newest "$out")" -ge "$from" ] && [ "$(step_of "$out")" -ge "$from" ] || fail "$what: lost; checkpoint $(newest "$out"), log $(step_of "$out")"
    if [ $rc -eq 0 ]; then
        finished=$((finished + 1))
        cmp "$scratch/whole/checkpoints/step-150.safetensors" "$out/checkpoints/step-150.safetensors" || fail "$what: other bits"
        cmp "$scratch"/{whole,run}/model.safetensors || fail "$what: another model"
        [ -z "$(find "$out" -name '*.tmp')" ] || fail "$what: $(find "$out" -name '*.tmp') is left"
        rm -rf "$out"
        continue
    fi
    [ $rc -ge 128 ] || { fail "$what: exit code $rc"; cat "$scratch/said"; }
    killed=$((killed + 1))
    count[$kind]=$((${count[$kind]:-0} + 1))
    after_death $kind
done
train 3 $options --out "$out" || fail "the last one does not resume"
cmp "$scratch/whole/checkpoints/step-150.safetensors" "$out/checkpoints/step-150.safetensors" || fail "other bits in the end"
cmp "$scratch"/{whole,run}/model.safetensors || fail "another model in the end"
for kind in rank mpirun all; do
    echo "$kind: ${count[$kind]:-0} kills; Open MPI left ${shm[$kind]:-0} files in /dev/shm"
done
# Open MPI loses one when a rank dies between its creation and the note that it is to be removed.
[ "${shm[rank]:-0}" -le $((1 + ${count[rank]:-0} / 50)) ] || fail "a rank's death leaves shared memory"
echo "$killed kills, $resumed starts from a checkpoint, $((finished + 1)) runs ended in the same bits; at most ${most[0]} steps repeated, ${most[1]} with checkpoints written aside;" \
    "the last process was gone $((slowest / 10)).$((slowest % 10)) s after mpirun; mpirun itself hung $stuck times"
finish
