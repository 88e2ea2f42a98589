#!/bin/bash
# make scaling: a step's messages on a fat tree of 64 simulated nodes (100 Gb/s, 0.5 us a link), by SimGrid's SMPI (Debian:
# libsimgrid-dev). SIZES="RANKS:RANKS-A-NODE ...", CHUNKS of a gradient, COMPUTE seconds of a shard. Prints a table. A rank that
# waits for those of its node takes 1 us for each look at messages.
set -eu
here=tests/bench/smpi SIZES=${SIZES:-4:1 8:1 16:1 32:1 64:1 64:16 128:16 256:16 512:16} CHUNKS=${CHUNKS:-64} COMPUTE=${COMPUTE:-0.01}
command -v smpicc >/dev/null || { echo "SimGrid's smpicc is not here (Debian: libsimgrid-dev)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
smpicc -std=c11 -ffp-contract=off -D_GNU_SOURCE -include "$PWD/$here/wait.h" -Isrc -O2 -pthread -o "$work/step" $here/step.c \
    src/comm/comm.c src/comm/job_limits.c src/comm/reduce.c src/comm/watchdog.c src/base/error.c src/base/log.c src/base/mem.c src/base/heartbeat.c src/base/text.c src/base/utf8.c -lm
echo "ranks a-node compute-ms exchange-ms update-ms efficiency-%"
for size in $SIZES; do
    np=${size%:*} a_node=${size#*:}
    for node in $(seq 0 63); do for _ in $(seq "$a_node"); do echo "n$node"; done; done >"$work/hosts"
    # one image for all ranks: what these files keep in static variables is the same for each
    smpirun -np "$np" -platform $here/fat_tree.xml -hostfile "$work/hosts" --log=root.thres:error --cfg=smpi/privatization:no \
        --cfg=smpi/simulate-computation:no --cfg=smpi/iprobe:1e-6 --cfg=smpi/grow-injected-times:no --cfg=smpi/coll-selector:ompi --cfg=smpi/host-speed:1Gf "$work/step" "$CHUNKS" "$COMPUTE" 2>"$work/error" >"$work/line" ||
        { cat "$work/error"; exit 1; }
    awk 'NF == 5 { printf "%d %d %.3f %.3f %.3f %.1f\n", $1, $2, 1e3*$3, 1e3*$4, 1e3*$5, 100*$3/($3+$4+$5) }' "$work/line"
done
