/* wait.h - included before comm.c: where it polls on a real machine, a simulated rank just waits.
 * One request after the other, as SMPI's own wait for many takes quadratic time. */
#include <mpi.h>
static inline int wait_one_by_one(int count, MPI_Request *request, int *done)
{
    for (int i = 0; i < count; i++) MPI_Wait(&request[i], MPI_STATUS_IGNORE);
    *done = 1;
    return MPI_SUCCESS;
}
#define MPI_Testall(count, request, done, statuses) wait_one_by_one(count, request, done)
/* Nor its collectives that do not block: each takes as many messages as ranks squared. They only
 * set up what is measured. */
#define MPI_Iallreduce(in, out, count, type, op, comm, request)                                    \
    (*(request) = MPI_REQUEST_NULL, MPI_Allreduce(in, out, count, type, op, comm))
#define MPI_Ibcast(data, count, type, root, comm, request)                                         \
    (*(request) = MPI_REQUEST_NULL, MPI_Bcast(data, count, type, root, comm))
#define MPI_Ibarrier(comm, request) (*(request) = MPI_REQUEST_NULL, MPI_Barrier(comm))
#define MPI_Iallgatherv(in, n, itype, out, count, start, type, comm, request)                      \
    (*(request) = MPI_REQUEST_NULL, MPI_Allgatherv(in, n, itype, out, count, start, type, comm))
