#include "comm/comm.h"

#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/heartbeat.h"
#include "comm/job_limits.h"
#include "comm/single_copy.h"
#include "comm/watchdog.h"

#define TEXT_OF(number)  #number
#define TEXT_OF_(number) TEXT_OF(number)
#if defined(OMPI_MAJOR_VERSION)
#define BUILT_WITH                                                                                 \
    "Open MPI v" TEXT_OF_(OMPI_MAJOR_VERSION) "." TEXT_OF_(OMPI_MINOR_VERSION) "." TEXT_OF_(       \
        OMPI_RELEASE_VERSION)
#elif defined(MPICH_VERSION) && !defined(I_MPI_VERSION)
#define BUILT_WITH "MPICH Version: " MPICH_VERSION
#else
#define BUILT_WITH ""
#endif

enum { WINDOWS = 32 };

/* Kinds of calls that wait. */
enum { AGREE = 1, BCAST, NUMBERS, SHARE_ALL, BARRIER, MESSAGES, NODE_BARRIER, NODE_OR, NODE_ROOM };
static const char *const call_name[] = {"an agreement",   "a broadcast",      "a reduction",
                                        "an allgather",   "a barrier",        "messages",
                                        "a node barrier", "a node reduction", "a node's memory"};

enum { HOST = 64 };

/* Heartbeat message between rank 0 and the first rank of another node. */
typedef struct {
    unsigned beat, allowed;
    int pid, last;
    unsigned long long where;
    long long step;
} remote_heartbeat;

typedef struct {
    t2i_heartbeat copy; /* its record, according to its newest message */
    int rank, over;     /* over: its last message has arrived */
    remote_heartbeat in, out;
    MPI_Request receive, send;
} peer;

/* Report of the error that ends a job. */
typedef struct {
    t2i_comm_reporter *reporter; /* NULL: another rank reports */
    void *context;
    const t2i_error *what;
    int aborts;
    atomic_int done;
} report;

/* Ranks that share memory read each other's records there. Rank 0 watches the first rank of every
 * other node by messages, and these watch rank 0. */
typedef struct {
    t2i_heartbeat *record, own; /* own: used without shared memory */
    t2i_verdict verdict;        /* likewise */
    int *first;                 /* owned: the first rank of every rank's node */
    char (*host)[HOST];         /* owned: of every rank */
    t2i_watched *watched;
    peer *peer; /* owned, like watched */
    size_t peers;
    MPI_Comm heartbeats;
    double sent;      /* time of the last messages */
    unsigned allowed; /* their contents */
    t2i_liveness liveness;
    t2i_watchdog *watchdog;
    report report;
} watching;

struct t2i_comm {
    MPI_Comm mpi, node;
    int rank, size, node_size, node_rank;
    int node_first;    /* lowest rank of the node */
    double node_cores; /* cores that its ranks may use together; less than 1: a part of one */
    int funnels;       /* does MPI allow threads? */
    int crowded;       /* more ranks x threads on the node than cores: yield while waiting */
    char host[MPI_MAX_PROCESSOR_NAME + 1];
    MPI_Request *request; /* started and not completed */
    size_t requests, request_room;
    t2i_traffic sent;
    int *count, *start;      /* size each: shares, for MPI_Iallgatherv */
    MPI_Win window[WINDOWS]; /* shared memory of the node */
    size_t windows;
    void *private[WINDOWS]; /* its replacement if there is no space */
    size_t privates;
    uint64_t room, shared;  /* bytes: /dev/shm at first; in all windows. Of node_rank 0 */
    int reported;           /* that there is no space */
    t2i_heartbeat *records; /* node_size, in the first window; NULL: none */
    unsigned barriers;      /* of the node */
    double beaten;          /* time of the last heartbeat while waiting */
    int watches;
    watching watching; /* empty without a watchdog */
};

#ifdef OPEN_MPI
static const char hint[] = "with Slurm use `srun --mpi=pmix` (Debian's Open MPI has no PMI-2), "
                           "else the mpirun of the Open "
                           "MPI that this program was built with";
static const int knows_pmix_alone = 1; /* mostly */
#else
static const char hint[] = "with Slurm use `srun --mpi=pmi2`, else the mpiexec of the MPI library "
                           "that this program was built with";
static const int knows_pmix_alone = 0;
#endif

static int number_in_environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text == NULL || *text == '\0' ? otherwise : atoi(text);
}

int t2i_comm_rank_before_start(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]) != NULL) return number_in_environment(names[i], 0);
    return 0;
}

int t2i_comm_prints_before_start(void)
{
    if (t2i_comm_rank_before_start() == 0) return 1;
    int interrupted = nanosleep(&(struct timespec){.tv_sec = 2}, NULL) != 0;
    return !interrupted && getenv("OMPI_COMM_WORLD_RANK") != NULL;
}

/* Without a PMI that it supports, in a Slurm step, Open MPI ends the process with a long message.
 */
static void warn_without_pmix(void)
{
    if (knows_pmix_alone && getenv("SLURM_STEP_NUM_TASKS") != NULL && getenv("PMIX_RANK") == NULL &&
        t2i_comm_rank_before_start() == 0)
        t2i_log_warn("this step of Slurm has no PMIx; should MPI not start now: %s", hint);
}

/* If launcher and MPI library do not match, each of N processes is rank 0 of 1. */
static t2i_status check_launch(const t2i_comm *comm, t2i_error *err)
{
    int slurm = number_in_environment("SLURM_STEP_NUM_TASKS", comm->size);
    int hydra = number_in_environment("PMI_SIZE", slurm);
    int started = number_in_environment("OMPI_COMM_WORLD_SIZE", hydra);
    if (comm->size == 1 && started == 1 && getenv("SLURM_STEP_NUM_TASKS") == NULL &&
        number_in_environment("SLURM_NTASKS", 1) > 1)
        t2i_log_warn("Slurm gave this job %s tasks, but this is one rank alone; %s",
                     getenv("SLURM_NTASKS"), hint);
    if (comm->size > 1 || started <= 1) return T2I_OK;
    return t2i_fail(err, T2I_SYSTEM,
                    "the launcher started %d tasks, but MPI sees only this one; %s", started, hint);
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
    comm->node_cores = t2i_job_limits_cores();
    return T2I_OK;
}

static void abort_all(int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
}

/* Collective over the node. Number of cores in the union of its ranks' affinity masks, and no more
 * than the tightest control group of a rank grants. */
static double node_cores(MPI_Comm node)
{
    unsigned char mask[T2I_CPU_MASK];
    t2i_job_limits limits;
    int cores = 0;
    t2i_cpu_mask(mask);
    t2i_job_limits_look(&limits, "");
    int granted = limits.cores > 0 && limits.cores < 1e6 ? (int)(100 * limits.cores) : INT_MAX;
    MPI_Allreduce(MPI_IN_PLACE, mask, T2I_CPU_MASK, MPI_UNSIGNED_CHAR, MPI_BOR, node);
    MPI_Allreduce(MPI_IN_PLACE, &granted, 1, MPI_INT, MPI_MIN, node);
    for (int bit = 0; bit < 8 * T2I_CPU_MASK; bit++) cores += mask[bit / 8] >> bit % 8 & 1;
    return granted < 100 * cores ? granted / 100.0 : cores;
}

/* Collective over the node. The environment variable T2I_NODE_RANKS splits it into nodes of that
 * many ranks or, if negative, distributes its ranks cyclically over that many nodes, so that one
 * machine can test several nodes. */
static void split_node(t2i_comm *comm)
{
    int ranks = number_in_environment("T2I_NODE_RANKS", 0);
    MPI_Comm whole = comm->node;
    if (ranks == 0) return;
    int node = ranks > 0 ? comm->node_rank / ranks : comm->node_rank % -ranks;
    MPI_Comm_split(whole, node, comm->rank, &comm->node);
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
    /* see comm.h */
    setenv("HWLOC_COMPONENTS", "-gl", 0);
    t2i_single_copy_prepare();
    int threads;
    warn_without_pmix();
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &threads) != MPI_SUCCESS) {
        t2i_free(comm);
        *out = NULL;
        return t2i_fail(err, T2I_SYSTEM, "MPI does not start");
    }
    comm->funnels = threads >= MPI_THREAD_FUNNELED;
    t2i_set_abort_hook(abort_all);
    t2i_status status = t2i_comm_agree(comm, start(comm, err), err);
    if (status == T2I_OK) status = check_launch(comm, err); /* each such task fails by itself */
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
    t2i_comm_unwatch(comm);
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

/* First line, with words separated by single blanks. */
static void tidy(char out[T2I_MPI_NAME], const char *text)
{
    size_t size = 0, length = strcspn(text, ",\n");
    for (size_t i = 0; i < length && size + 1 < T2I_MPI_NAME; i++) {
        int blank = text[i] == ' ' || text[i] == '\t';
        if (!blank || (size > 0 && out[size - 1] != ' ')) out[size++] = blank ? ' ' : text[i];
    }
    out[size] = '\0';
}

void t2i_comm_library(char running[T2I_MPI_NAME], char built[T2I_MPI_NAME])
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length;
    MPI_Get_library_version(version, &length);
    tidy(running, version);
    snprintf(built, T2I_MPI_NAME, "%s", BUILT_WITH);
}

/* ---- threads ---- */

/* A number of threads in the environment, of a list "4,2" the first. What is none is ignored. */
static int threads_in_environment(const t2i_comm *comm, const char *name, int otherwise)
{
    const char *text = getenv(name);
    if (text == NULL || *text == '\0') return otherwise;
    long long number = strtoll(text, NULL, 10);
    if (number > 0 && number <= INT_MAX) return (int)number;
    if (comm->rank == 0)
        t2i_log_warn(
            "%s=%s is no number of threads and is ignored; set it to 1 or more, or unset it", name,
            text);
    return otherwise;
}

/* Threads according to environment and machine; at least 1. */
static int own_threads(const t2i_comm *comm)
{
    int omp = threads_in_environment(comm, "OMP_NUM_THREADS", 0);
    if (omp > 0) return omp;
    int share = (int)(comm->node_cores / comm->node_size); /* of half a core: 0 */
    int slurm = threads_in_environment(comm, "SLURM_CPUS_PER_TASK", share);
    int threads = slurm < share ? slurm : share; /* mpirun within a job may bind to fewer */
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

/* Called between two polls; *began is 0 before the first. Spinning is fastest while each rank has a
 * core of its own. If ranks share cores, or if the wait is long, the core is yielded. */
static void pause_polling(t2i_comm *comm, double *began)
{
    static const double spin = 2e-4, patience = 5e-3, nap = 1e-4, heart = 0.05;
    double now = t2i_cpu_seconds();
    if (*began == 0.0) *began = now;
    if (now - *began > patience) {
        if (now - comm->beaten > heart) {
            t2i_heartbeat_beat();
            comm->beaten = now;
        }
        t2i_cpu_sleep(nap);
    } else if (comm->crowded || now - *began > spin)
        t2i_cpu_sleep(0.0);
}

/* Polls until all started requests are done. */
static void wait_for(t2i_comm *comm, unsigned call, MPI_Request *request, size_t count)
{
    double began = 0.0;
    int done = count == 0;
    T2I_ASSERT(count <= INT_MAX);
    t2i_heartbeat_wait(call);
    while (!done) {
        MPI_Testall((int)count, request, &done, MPI_STATUSES_IGNORE);
        if (!done) pause_polling(comm, &began);
    }
    t2i_heartbeat_resume();
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
    wait_for(comm, MESSAGES, comm->request, comm->requests);
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
        wait_for(comm, NODE_OR, &request, 1);
        at += part;
        bytes -= part;
    }
}

/* The environment variable T2I_NODE_MEMORY overrides the number of bytes, for tests. */
uint64_t t2i_comm_shareable(void)
{
    struct statvfs info;
    int limit = number_in_environment("T2I_NODE_MEMORY", -1);
    uint64_t now = limit >= 0                        ? (uint64_t)limit
                   : statvfs("/dev/shm", &info) == 0 ? (uint64_t)info.f_bavail * info.f_frsize
                                                     : 0;
    struct rlimit largest; /* of a file: a window is one */
    if (getrlimit(RLIMIT_FSIZE, &largest) == 0 && largest.rlim_cur < now)
        now = (uint64_t)largest.rlim_cur;
    return now;
}

/* Collective over the node. Is there enough shared memory? A window that does not fit aborts or
 * hangs the job when it is written to. Open MPI allocates it in /dev/shm, which counts pages that
 * were never written to as free. */
static int node_has_room(t2i_comm *comm, uint64_t bytes)
{
    static const uint64_t slack = 16 << 20;
    int fits = 1, all = 0;
    if (comm->node_rank == 0) {
        uint64_t now = t2i_comm_shareable();
        if (comm->windows == 0) comm->room = now;
        fits = now > bytes + slack && comm->room > comm->shared + bytes + slack;
    }
    MPI_Request request;
    MPI_Iallreduce(&fits, &all, 1, MPI_INT, MPI_MIN, comm->node, &request);
    wait_for(comm, NODE_ROOM, &request, 1);
    return all;
}

void *t2i_comm_shared_memory(t2i_comm *comm, size_t bytes)
{
    if (comm->node_size == 1) return NULL;
    size_t record_bytes =
        comm->records == NULL ? (size_t)comm->node_size * sizeof *comm->records : 0;
    bytes += record_bytes + 64;
    if (!node_has_room(comm, bytes)) {
        if (!comm->reported)
            t2i_log_note("/dev/shm has no space for %.1f MB: ranks keep copies of their own and "
                         "exchange messages",
                         (double)bytes / 1e6);
        comm->reported = 1;
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
    if (record_bytes > 0) comm->records = (t2i_heartbeat *)(void *)begin;
    return begin + record_bytes;
}

t2i_status t2i_comm_node_memory(t2i_comm *comm, size_t bytes, void **out, int *turn, int *sharers,
                                t2i_error *err)
{
    *out = t2i_comm_shared_memory(comm, bytes);
    *turn = *out != NULL ? comm->node_rank : 0;
    *sharers = *out != NULL ? comm->node_size : 1;
    if (*out == NULL && (*out = t2i_alloc(bytes, 1)) != NULL) {
        T2I_ASSERT(comm->privates < WINDOWS);
        comm->private[comm->privates++] = *out;
    }
    t2i_status mine =
        *out == NULL ? t2i_fail_memory(err, bytes, "the shared memory of a node") : T2I_OK;
    return t2i_comm_agree(comm, mine, err);
}

/* With several nodes messages may be in transit, which progress only within MPI calls. */
static void progress_mpi(const t2i_comm *comm)
{
    enum { NOBODYS_TAG = 1 };
    int found;
    if (comm->node_size < comm->size)
        MPI_Iprobe(MPI_ANY_SOURCE, NOBODYS_TAG, comm->mpi, &found, MPI_STATUS_IGNORE);
}

void t2i_comm_node_barrier(t2i_comm *comm)
{
    double began = 0.0;
    if (comm->node_size == 1) return;
    T2I_ASSERT(comm->records != NULL);
    unsigned barrier = ++comm->barriers;
    t2i_heartbeat_wait(NODE_BARRIER);
    atomic_store_explicit(&comm->records[comm->node_rank].barrier, barrier, memory_order_release);
    for (int r = 0; r < comm->node_size;) {
        unsigned theirs = atomic_load_explicit(&comm->records[r].barrier, memory_order_acquire);
        if (theirs - barrier < UINT_MAX / 2) { /* it has arrived, or is already beyond */
            r++;
            continue;
        }
        progress_mpi(comm);
        pause_polling(comm, &began);
    }
    t2i_heartbeat_resume();
}

/* ---- collectives ---- */

/* Makes earlier writes to shared memory visible to the ranks of the node. */
static void sync_memory(t2i_comm *comm)
{
    for (size_t i = 0; i < comm->windows; i++) MPI_Win_sync(comm->window[i]);
}

void t2i_comm_add_host(const t2i_comm *comm, t2i_error *err)
{
    size_t used = strlen(err->text);
    if (used < sizeof err->text)
        snprintf(err->text + used, sizeof err->text - used, " (rank %d on %s)", comm->rank,
                 comm->host);
}

t2i_status t2i_comm_agree(t2i_comm *comm, t2i_status mine, t2i_error *err)
{
    t2i_error agreed = {.status = T2I_OK};
    if (comm->size == 1) return mine;
    sync_memory(comm);
    int first = mine == T2I_OK ? comm->size : comm->rank, lowest = comm->size;
    MPI_Request request;
    MPI_Iallreduce(&first, &lowest, 1, MPI_INT, MPI_MIN, comm->mpi, &request);
    wait_for(comm, AGREE, &request, 1);
    sync_memory(comm);
    if (lowest == comm->size) return T2I_OK;
    if (comm->rank == lowest) {
        agreed = *err;
        agreed.status = mine;
        if (comm->rank != 0) t2i_comm_add_host(comm, &agreed);
    }
    t2i_comm_bcast(comm, lowest, &agreed, sizeof agreed);
    *err = agreed;
    return agreed.status;
}

void t2i_comm_bcast(t2i_comm *comm, int root, void *bytes, size_t size)
{
    static const size_t most = 1u << 30;
    if (comm->size == 1) return;
    for (char *at = bytes; size > 0;) {
        size_t part = size < most ? size : most;
        MPI_Request request;
        MPI_Ibcast(at, (int)part, MPI_BYTE, root, comm->mpi, &request);
        wait_for(comm, BCAST, &request, 1);
        at += part;
        size -= part;
    }
}

static int64_t reduce_integer(t2i_comm *comm, int64_t value, MPI_Op op)
{
    int64_t result = 0;
    MPI_Request request;
    if (comm->size == 1) return value;
    MPI_Iallreduce(&value, &result, 1, MPI_INT64_T, op, comm->mpi, &request);
    wait_for(comm, NUMBERS, &request, 1);
    return result;
}

int64_t t2i_comm_max(t2i_comm *comm, int64_t value)
{
    return reduce_integer(comm, value, MPI_MAX);
}

int64_t t2i_comm_sum(t2i_comm *comm, int64_t value)
{
    return reduce_integer(comm, value, MPI_SUM);
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
    wait_for(comm, BARRIER, &request, 1);
}

size_t t2i_comm_share(size_t items, int rank, int size)
{
    size_t whole = items / (size_t)size,
           rest = items % (size_t)size; /* no overflow in rank * items */
    return whole * (size_t)rank + rest * (size_t)rank / (size_t)size;
}

static size_t share_size(size_t items, int rank, int size)
{
    return t2i_comm_share(items, rank + 1, size) - t2i_comm_share(items, rank, size);
}

/* An MPI type of item_bytes, so that the count of large items fits an int. */
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
        comm->start[r] = (int)t2i_comm_share(items, r, comm->size);
        comm->count[r] = (int)t2i_comm_share(items, r + 1, comm->size) - comm->start[r];
    }
}

void t2i_comm_allgather(t2i_comm *comm, void *all, size_t item_bytes, size_t items)
{
    if (comm->size == 1) return;
    MPI_Datatype type = item_type(item_bytes);
    MPI_Request request;
    fill_shares(comm, items);
    MPI_Iallgatherv(MPI_IN_PLACE, 0, type, all, comm->count, comm->start, type, comm->mpi,
                    &request);
    wait_for(comm, SHARE_ALL, &request, 1);
    MPI_Type_free(&type);
}

/* In pieces: while a long message goes through shared memory, every poll moves a part of it, and
 * naps between polls (pause_polling) would be most of the time. Pieces of a few ranks end before
 * the first nap. */
void t2i_comm_gather(t2i_comm *comm, const void *mine, void *all, size_t item_bytes, size_t items)
{
    static const size_t piece_bytes = 4u << 20;
    const char *from = mine;
    char *place = all; /* rank 0's share comes first */
    size_t piece = item_bytes < piece_bytes ? piece_bytes / item_bytes : 1;
    if (comm->rank == 0 && place != from)
        memcpy(place, from, t2i_comm_share(items, 1, comm->size) * item_bytes);
    for (size_t done = 0; done <= items / (size_t)comm->size; done += piece) {
        for (int r = 1; r < comm->size; r++) {
            size_t first = t2i_comm_share(items, r, comm->size) + done;
            size_t left = share_size(items, r, comm->size), count = 0;
            if (left > done) count = left - done < piece ? left - done : piece;
            if (comm->rank == 0)
                t2i_comm_receive(comm, r, place + first * item_bytes, item_bytes, count);
            else if (comm->rank == r)
                t2i_comm_send(comm, 0, from + done * item_bytes, item_bytes, count);
        }
        t2i_comm_wait(comm);
    }
}

void t2i_comm_scatter(t2i_comm *comm, const void *all, void *mine, size_t item_bytes, size_t items)
{
    const char *from = all;
    if (comm->rank == 0 && from != mine)
        memcpy(mine, from, t2i_comm_share(items, 1, comm->size) * item_bytes);
    if (comm->rank == 0)
        for (int r = 1; r < comm->size; r++) {
            size_t first = t2i_comm_share(items, r, comm->size);
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
    comm->sent.messages++;
    comm->sent.bytes += item_bytes * count;
    MPI_Isend(items, (int)count, type, to, 0, comm->mpi, &request);
    MPI_Type_free(&type); /* freed by MPI when the message is complete */
    add_request(comm, request);
}

t2i_traffic t2i_comm_sent(const t2i_comm *comm)
{
    return comm->sent;
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

/* ---- heartbeats between nodes ---- */

static void receive_heartbeats(watching *w, peer *p)
{
    int arrived = 1;
    while (!p->over) {
        MPI_Test(&p->receive, &arrived, MPI_STATUS_IGNORE);
        if (!arrived) return;
        atomic_store_explicit(&p->copy.allowed, p->in.allowed, memory_order_relaxed);
        atomic_store_explicit(&p->copy.step, p->in.step, memory_order_relaxed);
        atomic_store_explicit(&p->copy.where, p->in.where, memory_order_relaxed);
        atomic_store_explicit(&p->copy.beat, p->in.beat, memory_order_relaxed);
        atomic_store_explicit(&p->copy.pid, p->in.pid, memory_order_relaxed);
        p->over = p->in.last;
        if (!p->over)
            MPI_Irecv(&p->in, sizeof p->in, MPI_BYTE, p->rank, 0, w->heartbeats, &p->receive);
    }
}

/* Does nothing while the previous message is in transit. */
static void send_heartbeat(const watching *w, peer *p, int last)
{
    int sent;
    MPI_Test(&p->send, &sent, MPI_STATUS_IGNORE);
    if (!sent) return;
    p->out = (remote_heartbeat){
        .beat = atomic_load_explicit(&w->record->beat, memory_order_relaxed),
        .allowed = atomic_load_explicit(&w->record->allowed, memory_order_relaxed),
        .pid = last ? 0 : atomic_load_explicit(&w->record->pid, memory_order_relaxed),
        .last = last,
        .where = atomic_load_explicit(&w->record->where, memory_order_relaxed),
        .step = atomic_load_explicit(&w->record->step, memory_order_relaxed)};
    MPI_Isend(&p->out, sizeof p->out, MPI_BYTE, p->rank, 0, w->heartbeats, &p->send);
}

/* Called with each heartbeat. A longer limit is announced before its phase begins, a shorter one
 * within a tenth of a second: a rank that dies is waited for as long as the last one says. */
static void exchange_heartbeats(void *context)
{
    static const double often = 0.1, every = 0.5;
    watching *w = context;
    double now = t2i_cpu_seconds(), since = now - w->sent;
    unsigned allowed = atomic_load_explicit(&w->record->allowed, memory_order_relaxed);
    if (since < often && allowed <= w->allowed) return;
    for (size_t i = 0; i < w->peers; i++) receive_heartbeats(w, &w->peer[i]);
    if (since < every && allowed == w->allowed) return;
    for (size_t i = 0; i < w->peers; i++) send_heartbeat(w, &w->peer[i], 0);
    w->sent = now;
    w->allowed = allowed;
}

/* ---- the end of a job ---- */

static void *run_report(void *self)
{
    report *t = self;
    if (t->reporter != NULL) t->reporter(t->context, t->what);
    atomic_store(&t->done, 1);
    if (t->aborts) abort_all((int)t->what->status);
    return NULL;
}

/* Called in the watchdog thread of every rank of the node. The reporter and MPI_Abort run in a
 * thread of their own: the former may write to a disk that hangs, and the latter does not return
 * before mpirun kills the process, which takes two seconds while ranks are left. */
static void end_job(void *context, const t2i_error *what, int first)
{
    watching *w = context;
    report *t = &w->report;
    pthread_t thread;
    if (what == NULL) _Exit(T2I_SYSTEM);
    if (first) t2i_log_alarm(what);
    if (first) t2i_watchdog_reported(w->liveness.verdict);
    t->what = what;
    t->aborts = first;
    if (pthread_create(&thread, NULL, run_report, t) == 0)
        for (int i = 0; i < 300 && !atomic_load(&t->done); i++) t2i_cpu_sleep(0.01);
    if (first) t2i_cpu_sleep(0.1); /* MPI_Abort must reach the other nodes */
    _Exit((int)what->status);
}

/* ---- start and end of the watchdog ---- */

/* Allocates memory and fills in what is local. */
static t2i_status prepare_watchdog(t2i_comm *comm, t2i_error *err)
{
    watching *w = &comm->watching;
    size_t size = (size_t)comm->size;
    w->first = t2i_alloc(size, sizeof *w->first);
    w->host = t2i_alloc(size, sizeof *w->host);
    w->watched = t2i_alloc(size, sizeof *w->watched);
    w->peer = t2i_alloc(size, sizeof *w->peer);
    if (w->first == NULL || w->host == NULL || w->watched == NULL || w->peer == NULL)
        return t2i_fail_memory(err, size * sizeof *w->peer, "the watchdog");
    w->first[comm->rank] = comm->records != NULL ? comm->node_first : comm->rank;
    snprintf(w->host[comm->rank], HOST, "%.*s", HOST - 1, comm->host);
    w->record = comm->records != NULL ? &comm->records[comm->node_rank] : &w->own;
    return T2I_OK;
}

static void choose_watched(t2i_comm *comm)
{
    watching *w = &comm->watching;
    int mine = w->first[comm->rank], near_ranks = 0;
    t2i_liveness *l = &w->liveness;
    l->watched = w->watched;
    l->kind = call_name;
    for (int r = 0; r < comm->size; r++) {
        int near = w->first[r] == mine;
        int far = !near && w->first[r] == r && (comm->rank == 0 || (r == 0 && mine == comm->rank));
        if (r == comm->rank) l->self = l->count;
        if (near || far)
            l->watched[l->count++] =
                (t2i_watched){.rank = r,
                              .host = w->host[r],
                              .same_node = near,
                              .record = far             ? &w->peer[w->peers].copy
                                        : comm->records ? &comm->records[near_ranks]
                                                        : w->record};
        near_ranks += near;
        if (far)
            w->peer[w->peers++] =
                (peer){.rank = r, .receive = MPI_REQUEST_NULL, .send = MPI_REQUEST_NULL};
    }
    l->all = comm->rank == 0 || l->count == (size_t)comm->size;
}

t2i_status t2i_comm_watch(t2i_comm *comm, double floor, t2i_comm_reporter *reporter, void *context,
                          t2i_error *err)
{
    if (comm->mpi == MPI_COMM_NULL || floor <= 0.0) return T2I_OK;
    t2i_verdict *verdict = t2i_comm_shared_memory(comm, sizeof *verdict);
    watching *w = &comm->watching;
    comm->watches = 1;
    *w = (watching){.heartbeats = MPI_COMM_NULL, .report = {.context = context}};
    if (comm->rank == 0) w->report.reporter = reporter;
    w->liveness.verdict = verdict != NULL ? verdict : &w->verdict;
    t2i_status status = t2i_comm_agree(comm, prepare_watchdog(comm, err), err);
    if (status == T2I_OK) {
        t2i_comm_allgather(comm, w->first, sizeof *w->first, (size_t)comm->size);
        t2i_comm_allgather(comm, w->host, sizeof *w->host, (size_t)comm->size);
        MPI_Comm_dup(comm->mpi, &w->heartbeats);
        choose_watched(comm);
        for (size_t i = 0; i < w->peers; i++)
            MPI_Irecv(&w->peer[i].in, sizeof w->peer[i].in, MPI_BYTE, w->peer[i].rank, 0,
                      w->heartbeats, &w->peer[i].receive);
        t2i_heartbeat_begin(w->record, floor, w->peers > 0 ? exchange_heartbeats : NULL, w);
        t2i_comm_barrier(comm); /* all records are initialised */
        status = t2i_comm_agree(
            comm, t2i_watchdog_start(&w->watchdog, &w->liveness, end_job, w, err), err);
    }
    if (status != T2I_OK) t2i_comm_unwatch(comm);
    return status;
}

void t2i_comm_unwatch(t2i_comm *comm)
{
    watching *w = &comm->watching;
    if (!comm->watches) return;
    t2i_heartbeat_end();
    for (size_t i = 0; i < w->peers; i++) {
        wait_for(comm, MESSAGES, &w->peer[i].send, 1);
        send_heartbeat(w, &w->peer[i], 1);
    }
    t2i_comm_barrier(comm); /* the watchdog runs until all ranks are here */
    t2i_watchdog_stop(w->watchdog);
    for (size_t i = 0; i < w->peers; i++) {
        while (!w->peer[i].over) receive_heartbeats(w, &w->peer[i]);
        wait_for(comm, MESSAGES, &w->peer[i].send, 1);
    }
    if (w->heartbeats != MPI_COMM_NULL) MPI_Comm_free(&w->heartbeats);
    t2i_free(w->first);
    t2i_free(w->host);
    t2i_free(w->watched);
    t2i_free(w->peer);
    comm->watches = 0;
}
