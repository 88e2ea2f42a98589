/* host_info.h - properties of the machine that a rank runs on.
 *
 * Why: the struct has no pointers, so that the information of all ranks is gathered in one call and
 * then checked by functions that need no machine (doctor_checks.c).
 */
#ifndef T2I_HOST_INFO_H
#define T2I_HOST_INFO_H

#include <stdint.h>
#include "comm/comm.h"
#include "comm/job_limits.h"
#include "base/cpu.h"
#include "dataset/reader.h"

/* T2I_BY_OTHER: none, or an unknown one. */
typedef enum { T2I_BY_OTHER, T2I_BY_MPIRUN, T2I_BY_SRUN, T2I_BY_HYDRA } t2i_launcher;

typedef struct {
    char host[64];
    char mpi[T2I_MPI_NAME], mpi_built[T2I_MPI_NAME];
    char blas[32], cpu[16]; /* names of OpenBLAS's kernels and of our vector level */
    unsigned hdf5[3], hdf5_built[3];
    t2i_launcher launcher;
    int threads_set;  /* is OMP_NUM_THREADS set? */
    int tasks;        /* Slurm tasks of the step or allocation; 0: no Slurm */
    double dead_link; /* seconds until mpirun's daemons detect a dead link; 0: not mpirun */
    int cores, parent_cores;
    unsigned char mask[T2I_CPU_MASK]; /* of cores */
    double processes;                 /* most processes and threads of this user; 0: no limit */
    double lockable;                  /* bytes that may be locked, if there is InfiniBand; else 0 */
    t2i_job_limits limits;
    double shared; /* bytes available as shared memory; 0: not known */
    /* of the job, set by doctor.c */
    int node_first, threads, crowded;
    /* measured (doctor_measure.c); 0: not measured */
    double gflops, core_share; /* matrix products of one thread; its fraction of a core's time */
    double clock;              /* seconds by which this host's clock is ahead of rank 0's */
    int64_t pid;               /* this process, */
    uint64_t place;            /* and the address of a byte in it, which others may read */
    int copy_error;            /* errno of reading it in the node's first rank; 0: it can be read */
    int blind;                 /* a file in rank 0's run folder is not visible here */
    int no_reader;             /* t2i-reader cannot be started */
    t2i_reader_confinement reader;
} t2i_host_info;

/* Collects what this process can determine by itself, in about a millisecond. Cannot fail: unknown
 * values stay empty. */
void t2i_host_info_look(t2i_host_info *out);

#endif
