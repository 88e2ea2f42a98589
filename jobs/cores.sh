#!/bin/sh
# cores.sh [MOST]: prints how many cores this process may use, by its affinity and the limits of its
# control groups (version 1 and 2), or MOST if that is less.
set -eu
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) # nproc obeys these two
root=/sys/fs/cgroup
# limit QUOTA PERIOD: of microseconds
limit() { [ "$1" -le 0 ] || [ $(($1 / $2)) -ge "$cores" ] || cores=$(($1 / $2)); }
# the groups of this process: that of version 2, that of version 1 with the CPU time
for group in "$root$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)" \
    "$root/cpu$(sed -n 's/^[0-9]*:\(.*,\)\{0,1\}cpu\(,.*\)\{0,1\}://p' /proc/self/cgroup 2>/dev/null)"; do
    while [ "$group" != "${root%/*}" ]; do
        if read -r quota period 2>/dev/null <"$group/cpu.max" && [ "$quota" != max ]; then
            limit "$quota" "$period"
        elif read -r quota 2>/dev/null <"$group/cpu.cfs_quota_us" &&
            read -r period 2>/dev/null <"$group/cpu.cfs_period_us"; then
            limit "$quota" "$period"
        fi
        group=${group%/*}
    done
done
[ "$cores" -le "${1:-$cores}" ] || cores=$1
[ "$cores" -ge 1 ] || cores=1
echo "$cores"
