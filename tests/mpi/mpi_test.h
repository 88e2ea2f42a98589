/* mpi_test.h - checks in programs of several ranks. CUnit's fatal asserts would leave the other
 * ranks waiting, and its summary would come once a rank: here a failed check is counted and named
 * with its rank, and all ranks end alike. */
#ifndef T2I_MPI_TEST_H
#define T2I_MPI_TEST_H

#include <stdio.h>
#include "comm/comm.h"
#include "base/mem.h"

static int mpi_failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            mpi_failures++;                                                                        \
            fprintf(stderr, "rank %d: %s:%d: %s\n", t2i_comm_rank(comm), __FILE__, __LINE__,       \
                    #condition);                                                                   \
        }                                                                                          \
    } while (0)

/* Collective. The exit code of main, the same on all ranks; closes comm. */
static inline int mpi_test_end(t2i_comm *comm)
{
    int failed = t2i_comm_max(comm, mpi_failures) > 0;
    t2i_comm_close(comm);
    if (t2i_alloc_live() != 0)
        fprintf(stderr, "%zu allocations were not freed\n", t2i_alloc_live());
    return failed || t2i_alloc_live() != 0;
}

#endif
