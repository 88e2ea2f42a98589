/* shim_mpi.c - stands between a program and MPI (LD_PRELOAD): keeps a log of what each rank takes
 * part in, lets one rank fail in an agreement, or leave one call out.
 *
 * T2I_MPI_LOG=FILE        FILE.RANK gets a line for each collective call and message, for
 *                         collectives.awk
 * T2I_MPI_FAIL="N RANK"   in the N-th agreement (t2i_comm_agree) RANK says that something failed:
 *                         status 74, "made to fail"
 * T2I_MPI_SKIP="N RANK"   RANK leaves out its N-th collective call on the first copy of
 *                         MPI_COMM_WORLD
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { COMMS = 64 };

/* Only the main thread calls MPI. */
static struct {
    MPI_Comm comm[COMMS]; /* in the order in which they were made */
    int first[COMMS];     /* lowest rank of each */
    int comms, rank;
    FILE *log;
    long agreements, fail, calls, skip;
    int failing; /* the error is next to be sent */
} shim;

static void begin(void)
{
    const char *log = getenv("T2I_MPI_LOG"), *fail = getenv("T2I_MPI_FAIL"),
               *skip = getenv("T2I_MPI_SKIP");
    char name[4096];
    int who = -1;
    PMPI_Comm_rank(MPI_COMM_WORLD, &shim.rank);
    snprintf(name, sizeof name, "%s.%d", log == NULL ? "" : log, shim.rank);
    if (log != NULL) shim.log = fopen(name, "w");
    if (fail != NULL && (sscanf(fail, "%ld %d", &shim.fail, &who) != 2 || who != shim.rank))
        shim.fail = 0;
    if (skip != NULL && (sscanf(skip, "%ld %d", &shim.skip, &who) != 2 || who != shim.rank))
        shim.skip = 0;
}

/* ---- communicators ---- */

static int number_of(MPI_Comm comm)
{
    for (int i = 0; i < shim.comms; i++)
        if (shim.comm[i] == comm) return i;
    return -1;
}

static void note(MPI_Comm comm, const char *call, long bytes, int other)
{
    int i = number_of(comm);
    if (shim.log == NULL) return;
    fprintf(shim.log, "%d@%d %s %ld %d\n", i, i < 0 ? 0 : shim.first[i], call, bytes, other);
    fflush(shim.log); /* it may be killed */
}

static void add(MPI_Comm comm, const char *call)
{
    int size, i = number_of(MPI_COMM_NULL); /* one that was freed */
    if (i < 0) i = shim.comms++;
    if (i >= COMMS) abort();
    PMPI_Allreduce(&shim.rank, &shim.first[i], 1, MPI_INT, MPI_MIN, comm);
    PMPI_Comm_size(comm, &size);
    shim.comm[i] = comm;
    note(comm, call, size, 0);
}

int MPI_Init_thread(int *argc, char ***argv, int wanted, int *got)
{
    int result = PMPI_Init_thread(argc, argv, wanted, got);
    begin();
    return result;
}

int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *out)
{
    int result = PMPI_Comm_dup(comm, out);
    add(*out, "dup");
    return result;
}

int MPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm *out)
{
    int result = PMPI_Comm_split(comm, color, key, out);
    add(*out, "split");
    return result;
}

int MPI_Comm_split_type(MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm *out)
{
    int result = PMPI_Comm_split_type(comm, type, key, info, out);
    add(*out, "split_type");
    return result;
}

int MPI_Comm_free(MPI_Comm *comm)
{
    int i = number_of(*comm);
    note(*comm, "free", 0, 0);
    if (i >= 0) shim.comm[i] = MPI_COMM_NULL;
    return PMPI_Comm_free(comm);
}

/* ---- collective calls ---- */

static long bytes_of(int count, MPI_Datatype type)
{
    int size;
    PMPI_Type_size(type, &size);
    return (long)count * size;
}

/* Is this the call that is left out? */
static int left_out(MPI_Comm comm, MPI_Request *request)
{
    if (number_of(comm) != 0 || ++shim.calls != shim.skip) return 0;
    *request = MPI_REQUEST_NULL;
    return 1;
}

int MPI_Iallreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request *request)
{
    int agrees = number_of(comm) == 0 && type == MPI_INT && op == MPI_MIN && count == 1;
    if (left_out(comm, request)) return MPI_SUCCESS;
    note(comm, agrees ? "agree" : "iallreduce", bytes_of(count, type), 0);
    if (agrees && ++shim.agreements == shim.fail) {
        in = &shim.rank;
        shim.failing = 1;
    }
    return PMPI_Iallreduce(in, out, count, type, op, comm, request);
}

int MPI_Ibcast(void *bytes, int count, MPI_Datatype type, int root, MPI_Comm comm,
               MPI_Request *request)
{
    if (left_out(comm, request)) return MPI_SUCCESS;
    note(comm, "ibcast", bytes_of(count, type), root);
    if (shim.failing && root == shim.rank && count == (int)sizeof(t2i_error)) {
        const t2i_error err = {.status = T2I_IO, .text = "made to fail"};
        memcpy(bytes, &err, sizeof err);
    }
    shim.failing = 0;
    return PMPI_Ibcast(bytes, count, type, root, comm, request);
}

int MPI_Ibarrier(MPI_Comm comm, MPI_Request *request)
{
    if (left_out(comm, request)) return MPI_SUCCESS;
    note(comm, "ibarrier", 0, 0);
    return PMPI_Ibarrier(comm, request);
}

int MPI_Iallgatherv(const void *in, int count, MPI_Datatype in_type, void *out, const int *counts,
                    const int *starts, MPI_Datatype type, MPI_Comm comm, MPI_Request *request)
{
    int size;
    long bytes = 0;
    if (left_out(comm, request)) return MPI_SUCCESS;
    PMPI_Comm_size(comm, &size);
    for (int r = 0; r < size; r++) bytes += bytes_of(counts[r], type);
    note(comm, "iallgatherv", bytes, 0);
    return PMPI_Iallgatherv(in, count, in_type, out, counts, starts, type, comm, request);
}

int MPI_Allreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    note(comm, "allreduce", bytes_of(count, type), 0);
    return PMPI_Allreduce(in, out, count, type, op, comm);
}

int MPI_Win_allocate_shared(MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, void *out,
                            MPI_Win *window)
{
    note(comm, "window", 0, 0);
    return PMPI_Win_allocate_shared(size, unit, info, comm, out, window);
}

/* ---- messages ---- */

int MPI_Isend(const void *bytes, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    note(comm, "send", bytes_of(count, type), to);
    return PMPI_Isend(bytes, count, type, to, tag, comm, request);
}

int MPI_Irecv(void *bytes, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    note(comm, "receive", bytes_of(count, type), from);
    return PMPI_Irecv(bytes, count, type, from, tag, comm, request);
}

int MPI_Finalize(void)
{
    if (shim.log != NULL) fprintf(shim.log, "end\n");
    if (shim.log != NULL) fclose(shim.log);
    return PMPI_Finalize();
}
