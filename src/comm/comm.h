/* comm.h - the ranks of a job. The only module that uses MPI.
 *
 * A function is collective if and only if it takes a t2i_comm * (queries of rank and size
 * excepted), so that collectivity is visible in every signature. MPI only moves bytes and reduces
 * integers here. No MPI operation adds floating-point numbers, since their order would depend on
 * the number of ranks. Between t2i_comm_open and t2i_comm_close nothing exits or returns early
 * between collective calls: local work first, then t2i_comm_agree, then branch.
 *
 * Waiting never blocks inside MPI: nonblocking calls are polled. With a core per rank, a waiting
 * rank spins for 0.2 ms and then yields; if ranks share cores, it yields at once; after 5 ms it
 * sleeps briefly between polls. Ranks of a node synchronise (t2i_comm_node_barrier) by flags in
 * shared memory, without MPI calls.
 *
 * HWLOC_COMPONENTS=-gl is set before MPI starts, unless the user has set it: otherwise hwloc looks
 * for X displays, which takes seconds where localhost is not in /etc/hosts.
 *
 * A process that MPI reports as rank 0 of 1 is refused if OMPI_COMM_WORLD_SIZE, else PMI_SIZE, else
 * SLURM_STEP_NUM_TASKS is more than one; SLURM_NTASKS alone only causes a warning.
 */
#ifndef T2I_COMM_H
#define T2I_COMM_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct t2i_comm t2i_comm;

/* Starts MPI. Collective over all processes of the job. T2I_SYSTEM if MPI does not start, or if the
 * launcher started several tasks that are not connected (each would be rank 0 of 1). */
T2I_CHECKED t2i_status t2i_comm_open(t2i_comm **out, int *argc, char ***argv, t2i_error *err);
/* Collective: a barrier, then MPI_Finalize. Call it last in main. NULL is legal. */
void t2i_comm_close(t2i_comm *comm);

/* Was this process started by mpirun, srun or another known launcher? For programs that also run
 * without one. */
int t2i_comm_launched(void);
/* One rank, without starting MPI. All functions here work, without communication. */
T2I_CHECKED t2i_status t2i_comm_alone(t2i_comm **out, t2i_error *err);

int t2i_comm_rank(const t2i_comm *comm);
int t2i_comm_size(const t2i_comm *comm);
/* Number of ranks on this rank's node, and the lowest of them. */
int t2i_comm_node_size(const t2i_comm *comm);
int t2i_comm_node_first(const t2i_comm *comm);

/* Collective. Number of threads per rank: `wanted` or, if 0, OMP_NUM_THREADS, else the cores that
 * the ranks of the node may use (job_limits.h) divided by these ranks, and at most
 * SLURM_CPUS_PER_TASK. All ranks get the smallest number. Only the main thread may make collective
 * calls. */
enum { T2I_THREADS_MAX = 1024 };
int t2i_comm_threads(t2i_comm *comm, int wanted);
/* After t2i_comm_threads: does ranks x threads of this node exceed its cores? Then waiting threads
 * must not spin. */
int t2i_comm_crowded(const t2i_comm *comm);

/* Rank of this process according to the launcher, before MPI starts (0 without a launcher). For
 * messages only. */
int t2i_comm_rank_before_start(void);

/* Should a process that fails before MPI starts print its error? Rank 0 should, at once. Another
 * rank first waits for two seconds, so that the launcher does not kill rank 0 before it has
 * printed. mpirun ends all ranks when one fails, so a rank that still runs after that time has
 * failed alone and should print. */
int t2i_comm_prints_before_start(void);

/* Names of the MPI library in use and of the one at build time ("Open MPI v4.1.4"; "" if its header
 * has no version). */
enum { T2I_MPI_NAME = 64 };
void t2i_comm_library(char running[T2I_MPI_NAME], char built[T2I_MPI_NAME]);
/* Bytes of shared memory that are available to this node's ranks: the free space of /dev/shm. */
uint64_t t2i_comm_shareable(void);

/* Collective over each node separately: bitwise OR over its ranks. */
void t2i_comm_node_or(t2i_comm *comm, uint8_t *bits, size_t bytes);
/* Collective. Allocates memory that the ranks of a node share: zeroed, 64-byte aligned, owned by
 * comm. Returns NULL on all ranks of a node with one rank, or without enough space (reported once,
 * by the node of rank 0). Writes are visible to the others after the next t2i_comm_node_barrier or
 * t2i_comm_agree. */
void *t2i_comm_shared_memory(t2i_comm *comm, size_t bytes);
/* Barrier of each node that has such memory. Collective over each node separately. Uses flags in
 * shared memory and no MPI call. */
void t2i_comm_node_barrier(t2i_comm *comm);
/* Collective. Allocates memory per node: zeroed, 64-byte aligned, owned by comm. The ranks of the
 * node share it, this one as number *turn of *sharers; without enough shared memory each rank has
 * its own (0 of 1). Writes are visible to the others after the next t2i_comm_agree. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_comm_node_memory(t2i_comm *comm, size_t bytes, void **out, int *turn,
                                            int *sharers, t2i_error *err);

/* Collective. Agrees on the error of the lowest rank that failed: the same status and text on all
 * ranks; T2I_OK if none failed. If that is not rank 0, its rank and host are appended to the text.
 */
T2I_CHECKED t2i_status t2i_comm_agree(t2i_comm *comm, t2i_status mine, t2i_error *err);

/* Appends this rank and its host to the text. */
void t2i_comm_add_host(const t2i_comm *comm, t2i_error *err);

/* Collective: broadcasts size bytes from rank `root`. */
void t2i_comm_bcast(t2i_comm *comm, int root, void *bytes, size_t size);
/* Collective: are these bytes (at most 256) the same on all ranks? */
int t2i_comm_same(t2i_comm *comm, const void *bytes, size_t size);
/* Collective: maximum or sum over the ranks. */
int64_t t2i_comm_max(t2i_comm *comm, int64_t value);
int64_t t2i_comm_sum(t2i_comm *comm, int64_t value);
/* Collective. */
void t2i_comm_barrier(t2i_comm *comm);

/* Distribution of items over ranks: rank r has the items from t2i_comm_share(items, r, size) to
 * before t2i_comm_share(items, r + 1, size). */
size_t t2i_comm_share(size_t items, int rank, int size);

/* Collective, as MPI_Allgatherv: `all` has `items` items of item_bytes each, of which each rank has
 * filled its share; afterwards all ranks have all items. */
void t2i_comm_allgather(t2i_comm *comm, void *all, size_t item_bytes, size_t items);
/* Collective: gathers the shares of all ranks in `all` on rank 0; mine is this rank's share. all is
 * used on rank 0 only, where mine may be its own part of all. */
void t2i_comm_gather(t2i_comm *comm, const void *mine, void *all, size_t item_bytes, size_t items);
/* The inverse of gather: each rank gets its share of rank 0's `all`. */
void t2i_comm_scatter(t2i_comm *comm, const void *all, void *mine, size_t item_bytes, size_t items);

/* Nonblocking messages: start any number of them, then t2i_comm_wait for all. Every send must match
 * a receive, so the calls are collective as a whole. The buffers are borrowed until t2i_comm_wait
 * returns. count items of item_bytes each. */
void t2i_comm_send(t2i_comm *comm, int to, const void *items, size_t item_bytes, size_t count);
void t2i_comm_receive(t2i_comm *comm, int from, void *items, size_t item_bytes, size_t count);
void t2i_comm_wait(t2i_comm *comm);
/* Number of messages and bytes that this rank has sent by t2i_comm_send, gather and scatter. */
typedef struct {
    uint64_t messages, bytes;
} t2i_traffic;
t2i_traffic t2i_comm_sent(const t2i_comm *comm);

/* Collective. Starts the watchdog, which runs until t2i_comm_unwatch; not if floor is 0 or with one
 * rank without MPI. If a rank has died, sends no heartbeat (heartbeat.h; floor is that of
 * t2i_heartbeat_begin, in seconds), or is in a different collective call than the others, one line
 * names it, and MPI_Abort ends the job with T2I_SYSTEM (T2I_BUG in the last case). If rank 0 is
 * alive and on the node that has found this, its reporter (called with context) can record it
 * first, in a thread of its own, for at most three seconds. All ranks must enter phases at the same
 * places between collective calls. T2I_SYSTEM. */
typedef void t2i_comm_reporter(void *context, const t2i_error *what);
T2I_CHECKED t2i_status t2i_comm_watch(t2i_comm *comm, double floor, t2i_comm_reporter *reporter,
                                      void *context, t2i_error *err);
/* Collective. Legal without a watchdog. */
void t2i_comm_unwatch(t2i_comm *comm);

#endif
