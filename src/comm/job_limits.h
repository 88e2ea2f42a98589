/* job_limits.h - the processor time and memory of its machine that a job may use.
 *
 * Why: in a container, a Kubernetes pod or a Slurm job the machine has more than the job gets. A
 * thread without a core slows the others down, and a process that takes more memory is killed.
 *
 * Limits are those of the control groups (version 1 and 2) of this process and of Slurm; the
 * smallest counts. A group is looked for along the path in /proc/self/cgroup up to its root, below
 * /sys/fs/cgroup, its folder `unified`, and the folders of the controllers. In a container that
 * path may not exist there; the root, which always counts, is then the container's own group.
 * Cores by affinity are in cpu.h. Slurm's number of CPUs counts, too: not every cluster binds to
 * them.
 */
#ifndef T2I_JOB_LIMITS_H
#define T2I_JOB_LIMITS_H

#include "base/error.h"

enum { T2I_LIMIT_NAME = 128 };

typedef struct {
    double cores;               /* whose time the job is granted, as 0.5 or 4; 0: no limit */
    double memory, memory_free; /* bytes that the job may use on this machine; of these free, where
                                   cached files count as free. 0: not known */
    /* the smallest limit, as "memory.max of /sys/fs/cgroup/job" or "SLURM_MEM_PER_NODE"; "": none
     */
    char cores_by[T2I_LIMIT_NAME], memory_by[T2I_LIMIT_NAME];
} t2i_job_limits;

/* Reads some dozen small files. root: in front of /proc and /sys; "" except in tests. Cannot fail:
 * what cannot be read does not limit. */
void t2i_job_limits_look(t2i_job_limits *out, const char *root);

/* Whole cores that this process may use: its affinity, its control groups and Slurm permit them. At
 * least 1. */
int t2i_job_limits_cores(void);

/* T2I_SYSTEM if so many bytes are more than the job may use. what: "the weights". */
T2I_CHECKED t2i_status t2i_job_limits_check_memory(double bytes, const char *what, t2i_error *err);

#endif
