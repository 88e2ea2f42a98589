#!/bin/bash
# TIMEOUT: 300
# What a job of 3 nodes x 2 ranks does when a rank dies or stops, a node dies, a link is cut: how long until it has ended, who
# is named, and that the same command then ends in the bits of an undisturbed run. SOAK=1 make check-slurm.
[ -n "${SOAK:-}" ] || { echo "takes ten minutes: SOAK=1"; exit 77; }
nodes=3
. tests/slurm/slurm.sh.inc
set +e
small_dataset "$scratch/d.h5"
options="--data $scratch/d.h5 $small_model --checkpoint-every 50 --validate-every 0 --watchdog ${WATCHDOG:-10}"
train 1 $options --steps 400 --out "$scratch/whole"
mpirun="mpirun --bind-to none --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3"
victim() { # a rank's process on n3
    ps -eo pid,args | sed -n 's/^ *\([0-9]*\) [^ ]*t2i-train .*/\1/p' | while read -r pid; do
        [ "$(nsenter -t "$pid" --uts hostname)" = n3 ] && echo "$pid"
    done | head -n 1 # its reader comes after it
}
for launcher in "srun --mpi=pmix --kill-on-bad-exit=0 --wait=1" "$mpirun"; do
    for fault in KILL STOP kill cut; do
        run=$scratch/run
        rm -rf "$run"
        salloc -Q --nodes=3 --ntasks=6 --ntasks-per-node=2 --no-kill $launcher "$B/t2i-train" $options --steps 100000 --out "$run" >"$scratch/said" 2>&1 &
        job=$!
        wait_until 90 "$launcher, $fault: some steps" past "$run" 80
        at=$(date +%s%N)
        case $fault in
        KILL | STOP) kill -$fault "$(victim)" ;;
        *) testbed $fault n3 ;;
        esac
        for ((i = 0; i < 600; i++)); do kill -0 $job 2>/dev/null || break; sleep 0.1; done
        [ $i -lt 600 ] || { fail "$launcher, $fault: has not ended after 60 s"; scancel --me 2>/dev/null || scancel -u root; }
        wait $job
        echo "${launcher%% *}, $fault: code $?, $((($(date +%s%N) - at) / 1000000)) ms; $(grep -a -h -o 'rank [0-9]* on n[0-9] .*;\|ORTE has lost.*\|.*lost connection.*' "$scratch/said" | head -n 1)"
        case $fault in kill) testbed revive n3 ;; cut) testbed mend n3 ;; esac
        for ((i = 0; i < 90; i++)); do [ "$(sinfo -h -t idle -o %D)" != 3 ] || break; sleep 1; done
        train 2 $options --steps $(($(newest "$run") + 50 > 400 ? $(newest "$run") + 50 : 400)) --out "$run" || fail "$launcher, $fault: does not go on"
        [ ! -e "$run/checkpoints/step-400.safetensors" ] || cmp "$scratch"/{whole,run}/checkpoints/step-400.safetensors || fail "other bits"
    done
done
finish
