#!/bin/sh
# cores.sh [MOST]: prints how many cores this process may use, by its affinity and the limits of its
# control groups, or MOST if that is less.
set -eu
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) # nproc obeys these two
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
while [ "$group" != /sys/fs ]; do
    if read -r quota period 2>/dev/null <"$group/cpu.max" && [ "$quota" != max ]; then
        quota=$((quota / period))
        [ "$quota" -ge "$cores" ] || cores=$quota
    fi
    group=${group%/*}
done
[ "$cores" -le "${1:-$cores}" ] || cores=$1
[ "$cores" -ge 1 ] || cores=1
echo "$cores"
