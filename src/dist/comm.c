#include "t2i/comm.h"

#include <limits.h>
#include <mpi.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>

#include "t2i/cpu.h"
#include "t2i/log.h"
#include "t2i/mem.h"

enum { WINDOWS = 32 };

/* What a rank says to those of its node: a cache line of its own. */
typedef struct {
    _Alignas(64) atomic_uint meeting; /* how many it has come to */
} flag;

struct t2i_comm {
    MPI_Comm mpi, node;
    int rank, size, node_size, node_rank;
    int node_first; /* lowest rank of the node */
    int node_cores; /* that its ranks may use together */
    int funnels;    /* may ranks have threads? */
    int crowded;    /* more ranks x threads on the node than cores: yield while waiting */
    char host[MPI_MAX_PROCESSOR_NAME + 1];
    MPI_Request *request; /* started and not yet waited for */
    size_t requests, request_room;
    int *count, *start;      /* size each: shares, for the vector collectives */
    MPI_Win window[WINDOWS]; /* memory that the node's ranks share */
    size_t windows;
    void *private[WINDOWS]; /* where they cannot */
    size_t privates;
    uint64_t room, shared; /* bytes: in /dev/shm at first; in all windows. Of node_rank 0 */
    int told;              /* that there is no room */
    flag *flags;           /* node_size, in the first window; NULL: none is there */
    unsigned meetings;
};

static int number_in_environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text == NULL || *text == '\0' ? otherwise : atoi(text);
}

int t2i_comm_rank_before_start(void)
{
    int slurm = number_in_environment("SLURM_PROCID", 0);
    return number_in_environment("OMPI_COMM_WORLD_RANK", number_in_environment("PMIX_RANK", slurm));
}

int t2i_comm_speaks_before_start(void)
{
    if (t2i_comm_rank_before_start() == 0) return 1;
    int told_to_end = nanosleep(&(struct timespec){.tv_sec = 2}, NULL) != 0;
    return !told_to_end && getenv("OMPI_COMM_WORLD_RANK") != NULL;
}

/* A launcher and an MPI library that do not fit give N programs that are each "rank 0 of 1". */
static t2i_status check_launch(const t2i_comm *comm, t2i_error *err)
{
    int slurm = number_in_environment("SLURM_STEP_NUM_TASKS", comm->size);
    int started = number_in_environment("OMPI_COMM_WORLD_SIZE", slurm);
    if (comm->size == 1 && started == 1 && getenv("SLURM_STEP_NUM_TASKS") == NULL &&
        number_in_environment("SLURM_NTASKS", 1) > 1)
        t2i_log_warn("Slurm gave this job %s tasks, but this is one rank alone; start it with srun "
                     "--mpi=pmix",
                     getenv("SLURM_NTASKS"));
    if (comm->size > 1 || started <= 1) return T2I_OK;
    return t2i_fail(err, T2I_SYSTEM,
                    "the launcher started %d tasks, but MPI sees only this one; with Slurm use "
                    "`srun --mpi=pmix`, and "
                    "the mpirun that belongs to the MPI library this program was built with",
                    started);
}

int t2i_comm_launched(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE",
                                        "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]) != NULL) return 1;
    return 0;
}

t2i_status t2i_comm_alone(t2i_comm **out, t2i_error *err)
{
    t2i_comm *comm = *out = t2i_alloc(1, sizeof *comm);
    if (comm == NULL) return t2i_fail_memory(err, sizeof *comm, "the ranks");
    comm->mpi = MPI_COMM_NULL;
    comm->size = comm->node_size = comm->funnels = 1;
    comm->node_cores = t2i_cpu_usable();
    return T2I_OK;
}

static void abort_all(int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
}

/* Collective over the node. Cores that its ranks may use together: each may be bound to one of its
 * own. */
static int node_cores(MPI_Comm node)
{
    unsigned char mask[T2I_CPU_MASK];
    int cores = 0;
    t2i_cpu_mask(mask);
    MPI_Allreduce(MPI_IN_PLACE, mask, T2I_CPU_MASK, MPI_UNSIGNED_CHAR, MPI_BOR, node);
    for (int bit = 0; bit < 8 * T2I_CPU_MASK; bit++) cores += mask[bit / 8] >> bit % 8 & 1;
    return cores;
}

/* Collective over the node. The environment variable T2I_NODE_RANKS splits it into nodes of so many
 * ranks, so that one machine can test what several do. */
static void split_node(t2i_comm *comm)
{
    int ranks = number_in_environment("T2I_NODE_RANKS", 0);
    MPI_Comm whole = comm->node;
    if (ranks <= 0) return;
    MPI_Comm_split(whole, comm->node_rank / ranks, comm->rank, &comm->node);
    MPI_Comm_free(&whole);
    MPI_Comm_size(comm->node, &comm->node_size);
    MPI_Comm_rank(comm->node, &comm->node_rank);
}

static t2i_status start(t2i_comm *comm, t2i_error *err)
{
    int length = 0;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm->mpi);
    MPI_Comm_rank(comm->mpi, &comm->rank);
    MPI_Comm_size(comm->mpi, &comm->size);
    MPI_Get_processor_name(comm->host, &length);
    MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &comm->node);
    MPI_Comm_size(comm->node, &comm->node_size);
    MPI_Comm_rank(comm->node, &comm->node_rank);
    comm->node_cores = node_cores(comm->node);
    comm->crowded = comm->node_size > comm->node_cores;
    split_node(comm);
    MPI_Allreduce(&comm->rank, &comm->node_first, 1, MPI_INT, MPI_MIN, comm->node);
    comm->count = t2i_alloc((size_t)comm->size, sizeof *comm->count);
    comm->start = t2i_alloc((size_t)comm->size, sizeof *comm->start);
    comm->request_room = 64;
    comm->request = t2i_alloc(comm->request_room, sizeof *comm->request);
    if (comm->count == NULL || comm->start == NULL || comm->request == NULL)
        return t2i_fail_memory(err, (size_t)comm->size * 16, "the ranks' table");
    return T2I_OK;
}

t2i_status t2i_comm_open(t2i_comm **out, int *argc, char ***argv, t2i_error *err)
{
    t2i_comm *comm = *out = t2i_alloc(1, sizeof *comm);
    if (comm == NULL) return t2i_fail_memory(err, sizeof *comm, "the ranks");
    /* hwloc inside MPI looks for displays of graphics cards, which we have no use for; where
     * "localhost" has to be asked of a name server, that costs ten seconds a start (seen). */
    setenv("HWLOC_COMPONENTS", "-gl", 0);
    int threads;
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &threads) != MPI_SUCCESS) {
        t2i_free(comm);
        *out = NULL;
        return t2i_fail(err, T2I_SYSTEM, "MPI does not start");
    }
    comm->funnels = threads >= MPI_THREAD_FUNNELED;
    t2i_set_abort_hook(abort_all);
    t2i_status status = t2i_comm_agree(comm, start(comm, err), err);
    if (status == T2I_OK) status = check_launch(comm, err); /* each such task fails alike, alone */
    if (status != T2I_OK) {
        t2i_comm_close(comm);
        *out = NULL;
    }
    return status;
}

void t2i_comm_close(t2i_comm *comm)
{
    if (comm == NULL) return;
    int alone = comm->mpi == MPI_COMM_NULL;
    t2i_comm_barrier(comm);
    for (size_t i = 0; i < comm->windows; i++) {
        MPI_Win_unlock_all(comm->window[i]);
        MPI_Win_free(&comm->window[i]);
    }
    for (size_t i = 0; i < comm->privates; i++) t2i_free(comm->private[i]);
    if (!alone) MPI_Comm_free(&comm->node);
    if (!alone) MPI_Comm_free(&comm->mpi);
    t2i_free(comm->count);
    t2i_free(comm->start);
    t2i_free(comm->request);
    t2i_free(comm);
    if (alone) return;
    MPI_Finalize();
    t2i_set_abort_hook(NULL);
}

int t2i_comm_rank(const t2i_comm *comm)
{
    return comm->rank;
}

int t2i_comm_size(const t2i_comm *comm)
{
    return comm->size;
}

int t2i_comm_node_size(const t2i_comm *comm)
{
    return comm->node_size;
}

int t2i_comm_node_first(const t2i_comm *comm)
{
    return comm->node_first;
}

/* ---- threads ---- */

/* What the environment and the machine suggest; at least 1. */
static int own_threads(const t2i_comm *comm)
{
    int told = number_in_environment("OMP_NUM_THREADS", 0); /* of a list "4,2" the first */
    if (told > 0) return told;
    int share = comm->node_cores / comm->node_size;
    int slurm = number_in_environment("SLURM_CPUS_PER_TASK", share);
    int threads = slurm < share ? slurm : share; /* mpirun inside of a job may bind more tightly */
    return threads > 0 ? threads : 1;
}

int t2i_comm_threads(t2i_comm *comm, int wanted)
{
    int threads = wanted > 0 ? wanted : own_threads(comm);
    if (threads > T2I_THREADS_MAX) threads = T2I_THREADS_MAX;
    if (!comm->funnels) threads = 1;
    threads = -(int)t2i_comm_max(comm, -threads);
    comm->crowded = comm->node_size * threads > comm->node_cores;
    return threads;
}

int t2i_comm_crowded(const t2i_comm *comm)
{
    return comm->crowded;
}

/* ---- waiting ---- */

/* Between two looks at what is waited for; *began is 0 before the first. Spinning is fastest while
 * each rank has a core of its own; where they share cores, and in a wait that has become long, the
 * core goes to whoever needs it. */
static void be_patient(const t2i_comm *comm, double *began)
{
    static const double spin = 2e-4, patience = 5e-3, nap = 1e-4;
    double now = t2i_cpu_seconds();
    if (*began == 0.0) *began = now;
    if (now - *began > patience)
        t2i_cpu_rest(nap);
    else if (comm->crowded || now - *began > spin)
        t2i_cpu_rest(0.0);
}

/* Polls until all started requests are done. */
static void wait_for(const t2i_comm *comm, MPI_Request *request, size_t count)
{
    double began = 0.0;
    int done = 0;
    T2I_ASSERT(count <= INT_MAX);
    while (count > 0) {
        MPI_Testall((int)count, request, &done, MPI_STATUSES_IGNORE);
        if (done) return;
        be_patient(comm, &began);
    }
}

static void add_request(t2i_comm *comm, MPI_Request request)
{
    size_t room = comm->request_room;
    if (comm->requests == room) {
        T2I_ASSERT(t2i_grow(&comm->request, room, 2 * room, sizeof *comm->request) == 0);
        comm->request_room *= 2;
    }
    comm->request[comm->requests++] = request;
}

void t2i_comm_wait(t2i_comm *comm)
{
    wait_for(comm, comm->request, comm->requests);
    comm->requests = 0;
}

/* ---- the node ---- */

void t2i_comm_node_or(t2i_comm *comm, uint8_t *bits, size_t bytes)
{
    static const size_t most = 1u << 30;
    for (uint8_t *at = bits; comm->node_size > 1 && bytes > 0;) {
        size_t part = bytes < most ? bytes : most;
        MPI_Request request;
        MPI_Iallreduce(MPI_IN_PLACE, at, (int)part, MPI_UNSIGNED_CHAR, MPI_BOR, comm->node,
                       &request);
        wait_for(comm, &request, 1);
        at += part;
        bytes -= part;
    }
}

/* Collective over the node. Room to share: a window that does not fit aborts the job or hangs it
 * when it is written to, so this is looked at first. Open MPI takes it from /dev/shm, where what
 * was never written to is still counted as free. T2I_NODE_MEMORY: pretend there were so many
 * bytes. */
static int node_has_room(t2i_comm *comm, uint64_t bytes)
{
    static const uint64_t slack = 16 << 20;
    struct statvfs info;
    int fits = 1, all = 0;
    if (comm->node_rank == 0) {
        int limit = number_in_environment("T2I_NODE_MEMORY", -1);
        uint64_t now = limit >= 0                        ? (uint64_t)limit
                       : statvfs("/dev/shm", &info) == 0 ? (uint64_t)info.f_bavail * info.f_frsize
                                                         : 0;
        struct rlimit largest; /* of a file, which is what a window is made of */
        if (getrlimit(RLIMIT_FSIZE, &largest) == 0 && largest.rlim_cur < now)
            now = (uint64_t)largest.rlim_cur;
        if (comm->windows == 0) comm->room = now;
        fits = now > bytes + slack && comm->room > comm->shared + bytes + slack;
    }
    MPI_Request request;
    MPI_Iallreduce(&fits, &all, 1, MPI_INT, MPI_MIN, comm->node, &request);
    wait_for(comm, &request, 1);
    return all;
}

void *t2i_comm_share_memory(t2i_comm *comm, size_t bytes)
{
    if (comm->node_size == 1) return NULL;
    size_t flags = comm->flags == NULL ? (size_t)comm->node_size * sizeof *comm->flags : 0;
    bytes += flags + 64;
    if (!node_has_room(comm, bytes)) {
        if (!comm->told)
            t2i_log_note("/dev/shm has no room for %.1f MB: ranks keep copies of their own and "
                         "send messages",
                         (double)bytes / 1e6);
        comm->told = 1;
        return NULL;
    }
    void *mine, *of_first;
    MPI_Aint size;
    int unit;
    T2I_ASSERT(comm->windows < WINDOWS);
    MPI_Win *window = &comm->window[comm->windows++];
    MPI_Win_allocate_shared(comm->node_rank == 0 ? (MPI_Aint)bytes : 0, 1, MPI_INFO_NULL,
                            comm->node, &mine, window);
    MPI_Win_shared_query(*window, 0, &size, &unit, &of_first);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, *window);
    comm->shared += bytes;
    char *begin = (char *)of_first + (64 - (uintptr_t)of_first % 64) % 64;
    if (flags > 0) comm->flags = (flag *)(void *)begin;
    return begin + flags;
}

t2i_status t2i_comm_node_memory(t2i_comm *comm, size_t bytes, void **out, int *turn, int *sharers,
                                t2i_error *err)
{
    *out = t2i_comm_share_memory(comm, bytes);
    *turn = *out != NULL ? comm->node_rank : 0;
    *sharers = *out != NULL ? comm->node_size : 1;
    if (*out == NULL && (*out = t2i_alloc(bytes, 1)) != NULL) {
        T2I_ASSERT(comm->privates < WINDOWS);
        comm->private[comm->privates++] = *out;
    }
    t2i_status mine = *out == NULL ? t2i_fail_memory(err, bytes, "the pictures' features") : T2I_OK;
    return t2i_comm_agree(comm, mine, err);
}

/* With several nodes messages may still be under way, which only move when MPI is called. */
static void nudge(const t2i_comm *comm)
{
    enum { NOBODYS_TAG = 1 };
    int found;
    if (comm->node_size < comm->size)
        MPI_Iprobe(MPI_ANY_SOURCE, NOBODYS_TAG, comm->mpi, &found, MPI_STATUS_IGNORE);
}

void t2i_comm_meet(t2i_comm *comm)
{
    double began = 0.0;
    if (comm->node_size == 1) return;
    T2I_ASSERT(comm->flags != NULL);
    unsigned meeting = ++comm->meetings;
    atomic_store_explicit(&comm->flags[comm->node_rank].meeting, meeting, memory_order_release);
    for (int r = 0; r < comm->node_size;) {
        unsigned theirs = atomic_load_explicit(&comm->flags[r].meeting, memory_order_acquire);
        if (theirs - meeting < UINT_MAX / 2) { /* it is there, or has gone on */
            r++;
            continue;
        }
        nudge(comm);
        be_patient(comm, &began);
    }
}

/* ---- collectives ---- */

/* What ranks of the node wrote before is seen by those that read after. */
static void sync_memory(t2i_comm *comm)
{
    for (size_t i = 0; i < comm->windows; i++) MPI_Win_sync(comm->window[i]);
}

t2i_status t2i_comm_agree(t2i_comm *comm, t2i_status mine, t2i_error *err)
{
    t2i_error say = {.status = T2I_OK};
    if (comm->size == 1) return mine;
    sync_memory(comm);
    int first = mine == T2I_OK ? comm->size : comm->rank, lowest = comm->size;
    MPI_Request request;
    MPI_Iallreduce(&first, &lowest, 1, MPI_INT, MPI_MIN, comm->mpi, &request);
    wait_for(comm, &request, 1);
    sync_memory(comm);
    if (lowest == comm->size) return T2I_OK;
    if (comm->rank == lowest) {
        say = *err;
        say.status = mine;
        size_t used = strlen(say.text);
        if (comm->rank != 0 && used < sizeof say.text)
            snprintf(say.text + used, sizeof say.text - used, " (rank %d on %s)", comm->rank,
                     comm->host);
    }
    t2i_comm_bcast(comm, lowest, &say, sizeof say);
    *err = say;
    return say.status;
}

void t2i_comm_bcast(t2i_comm *comm, int root, void *bytes, size_t size)
{
    static const size_t most = 1u << 30;
    if (comm->size == 1) return;
    for (char *at = bytes; size > 0;) {
        size_t part = size < most ? size : most;
        MPI_Request request;
        MPI_Ibcast(at, (int)part, MPI_BYTE, root, comm->mpi, &request);
        wait_for(comm, &request, 1);
        at += part;
        size -= part;
    }
}

static int64_t fold(t2i_comm *comm, int64_t value, MPI_Op op)
{
    int64_t result = 0;
    MPI_Request request;
    if (comm->size == 1) return value;
    MPI_Iallreduce(&value, &result, 1, MPI_INT64_T, op, comm->mpi, &request);
    wait_for(comm, &request, 1);
    return result;
}

int64_t t2i_comm_max(t2i_comm *comm, int64_t value)
{
    return fold(comm, value, MPI_MAX);
}

int64_t t2i_comm_sum(t2i_comm *comm, int64_t value)
{
    return fold(comm, value, MPI_SUM);
}

int t2i_comm_same(t2i_comm *comm, const void *bytes, size_t size)
{
    char of_root[256];
    T2I_ASSERT(size <= sizeof of_root);
    memcpy(of_root, bytes, size);
    t2i_comm_bcast(comm, 0, of_root, size);
    return t2i_comm_max(comm, memcmp(of_root, bytes, size) != 0) == 0;
}

void t2i_comm_barrier(t2i_comm *comm)
{
    MPI_Request request;
    if (comm->size == 1) return;
    MPI_Ibarrier(comm->mpi, &request);
    wait_for(comm, &request, 1);
}

size_t t2i_share(size_t items, int rank, int size)
{
    size_t whole = items / (size_t)size,
           rest = items % (size_t)size; /* no overflow in rank * items */
    return whole * (size_t)rank + rest * (size_t)rank / (size_t)size;
}

static size_t share_size(size_t items, int rank, int size)
{
    return t2i_share(items, rank + 1, size) - t2i_share(items, rank, size);
}

/* An MPI type of item_bytes, so that counts of large things fit an int. */
static MPI_Datatype item_type(size_t item_bytes)
{
    MPI_Datatype type;
    T2I_ASSERT(item_bytes <= INT_MAX);
    MPI_Type_contiguous((int)item_bytes, MPI_BYTE, &type);
    MPI_Type_commit(&type);
    return type;
}

static void fill_shares(t2i_comm *comm, size_t items)
{
    T2I_ASSERT(items <= INT_MAX);
    for (int r = 0; r < comm->size; r++) {
        comm->start[r] = (int)t2i_share(items, r, comm->size);
        comm->count[r] = (int)t2i_share(items, r + 1, comm->size) - comm->start[r];
    }
}

void t2i_comm_share_all(t2i_comm *comm, void *all, size_t item_bytes, size_t items)
{
    if (comm->size == 1) return;
    MPI_Datatype type = item_type(item_bytes);
    MPI_Request request;
    fill_shares(comm, items);
    MPI_Iallgatherv(MPI_IN_PLACE, 0, type, all, comm->count, comm->start, type, comm->mpi,
                    &request);
    wait_for(comm, &request, 1);
    MPI_Type_free(&type);
}

void t2i_comm_gather(t2i_comm *comm, const void *mine, void *all, size_t item_bytes, size_t items)
{
    char *place = all; /* rank 0's share comes first */
    if (comm->rank == 0 && place != mine)
        memcpy(place, mine, t2i_share(items, 1, comm->size) * item_bytes);
    if (comm->rank == 0)
        for (int r = 1; r < comm->size; r++) {
            size_t first = t2i_share(items, r, comm->size);
            t2i_comm_receive(comm, r, place + first * item_bytes, item_bytes,
                             share_size(items, r, comm->size));
        }
    else
        t2i_comm_send(comm, 0, mine, item_bytes, share_size(items, comm->rank, comm->size));
    t2i_comm_wait(comm);
}

void t2i_comm_scatter(t2i_comm *comm, const void *all, void *mine, size_t item_bytes, size_t items)
{
    const char *from = all;
    if (comm->rank == 0 && from != mine)
        memcpy(mine, from, t2i_share(items, 1, comm->size) * item_bytes);
    if (comm->rank == 0)
        for (int r = 1; r < comm->size; r++) {
            size_t first = t2i_share(items, r, comm->size);
            t2i_comm_send(comm, r, from + first * item_bytes, item_bytes,
                          share_size(items, r, comm->size));
        }
    else
        t2i_comm_receive(comm, 0, mine, item_bytes, share_size(items, comm->rank, comm->size));
    t2i_comm_wait(comm);
}

void t2i_comm_send(t2i_comm *comm, int to, const void *items, size_t item_bytes, size_t count)
{
    if (count == 0) return;
    MPI_Datatype type = item_type(item_bytes);
    MPI_Request request;
    T2I_ASSERT(count <= INT_MAX);
    MPI_Isend(items, (int)count, type, to, 0, comm->mpi, &request);
    MPI_Type_free(&type); /* lives on until the message is done */
    add_request(comm, request);
}

void t2i_comm_receive(t2i_comm *comm, int from, void *items, size_t item_bytes, size_t count)
{
    if (count == 0) return;
    MPI_Datatype type = item_type(item_bytes);
    MPI_Request request;
    T2I_ASSERT(count <= INT_MAX);
    MPI_Irecv(items, (int)count, type, from, 0, comm->mpi, &request);
    MPI_Type_free(&type);
    add_request(comm, request);
}
