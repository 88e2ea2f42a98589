/* host_info.h - what a rank sees of the machine it runs on.
 *
 * Why: plain bytes, so that all ranks' facts come together in one call and are judged by functions
 * that need no machine (doctor_checks.c).
 */
#ifndef T2I_HOST_INFO_H
#define T2I_HOST_INFO_H

#include <stdint.h>
#include "comm/comm.h"
#include "base/cpu.h"

/* T2I_BY_OTHER: none that we know. */
typedef enum { T2I_BY_OTHER, T2I_BY_MPIRUN, T2I_BY_SRUN, T2I_BY_HYDRA } t2i_launcher;

typedef struct {
    char host[64];
    char mpi[T2I_MPI_NAME], mpi_built[T2I_MPI_NAME];
    char blas[32], cpu[16]; /* names of kernels: OpenBLAS's, and our own vector level */
    unsigned hdf5[3], hdf5_built[3];
    t2i_launcher launcher;
    int told_threads; /* is OMP_NUM_THREADS set? */
    int tasks;        /* Slurm's of the step or allocation; 0: no Slurm */
    double dead_link; /* seconds after which mpirun's daemons notice one; 0: not mpirun */
    int cores, parent_cores;
    unsigned char mask[T2I_CPU_MASK];   /* of cores */
    double memory_free, memory, shared; /* of the node, bytes that this process could take; that
                                           there are; that ranks could share. 0: not known */
    /* of the job: filled by doctor.c */
    int node_first, threads, crowded;
    /* measured (doctor_measure.c); 0: not */
    double gflops, core_share; /* one thread's products; its part of a core's time */
    double clock;              /* seconds that this host's clock is ahead of rank 0's */
    int blind;                 /* a file in rank 0's run folder is not seen here */
} t2i_host_info;

/* What this process can find out by itself, in about a millisecond. Nothing fails: what is not
 * known stays empty. */
void t2i_host_info_look(t2i_host_info *out);

#endif
