/* comm.h - the ranks of a job. The only module that sees MPI.
 *
 * Why: a function is collective if and only if it takes a t2i_comm *, so collectivity is visible in
 * every signature. MPI only moves bytes and folds integers here: no MPI operation ever adds
 * floating-point numbers, since their order would depend on the number of ranks. Between
 * t2i_comm_open and t2i_comm_close nothing exits or returns early between collectives: local work,
 * then t2i_comm_agree, then branch.
 *
 * Waiting never blocks inside MPI: nonblocking calls are polled with a clock. Where there are more
 * ranks than cores, a waiting rank yields its core at once.
 */
#ifndef T2I_COMM_H
#define T2I_COMM_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct t2i_comm t2i_comm;

/* Starts MPI. Collective over all processes of the job. T2I_SYSTEM when MPI does not start, or when
 * the launcher started several tasks that do not see one another (each would be rank 0 of 1). */
T2I_CHECKED t2i_status t2i_comm_open(t2i_comm **out, int *argc, char ***argv, t2i_error *err);
/* Collective: a barrier, then MPI_Finalize; only return from main comes after it. NULL is legal. */
void t2i_comm_close(t2i_comm *comm);

/* For programs that run alone as well as under a launcher. Did mpirun, srun or another launcher
 * that we know start this process? */
int t2i_comm_launched(void);
/* One rank, without starting MPI: all functions here work, and move nothing. */
T2I_CHECKED t2i_status t2i_comm_alone(t2i_comm **out, t2i_error *err);

int t2i_comm_rank(const t2i_comm *comm);
int t2i_comm_size(const t2i_comm *comm);
/* Ranks on this rank's node, and the lowest of them. */
int t2i_comm_node_size(const t2i_comm *comm);
int t2i_comm_node_first(const t2i_comm *comm);

/* Collective. Threads of each rank: `wanted`, or where that is 0 what suits it: OMP_NUM_THREADS,
 * else the cores that the node's ranks may use divided by these ranks, and SLURM_CPUS_PER_TASK at
 * most. All ranks get the smallest number. Only the main thread may call what is collective. */
enum { T2I_THREADS_MAX = 1024 };
int t2i_comm_threads(t2i_comm *comm, int wanted);
/* After that: do ranks x threads of this node exceed the cores? Then whoever waits must not spin.
 */
int t2i_comm_crowded(const t2i_comm *comm);

/* The rank that the launcher gave this process, before MPI starts (0 when there is no launcher).
 * For messages only. */
int t2i_comm_rank_before_start(void);

/* For a process that fails before MPI starts: 1 when it should say why. Rank 0 should, at once.
 * Another rank waits for two seconds first, so that its end does not make the launcher kill rank 0
 * before it has spoken; under mpirun, which ends all when one fails, a rank that is still there
 * then failed alone, and should speak. */
int t2i_comm_speaks_before_start(void);

/* The MPI library that is at work, and the one that this was built with ("Open MPI v4.1.4"; ""
 * where its header does not say). */
enum { T2I_MPI_NAME = 64 };
void t2i_comm_library(char running[T2I_MPI_NAME], char built[T2I_MPI_NAME]);
/* Bytes that a node's ranks could share now, by what this node's /dev/shm has left. */
uint64_t t2i_comm_shareable(void);

/* Collective over each node by itself: the bits of its ranks put together. */
void t2i_comm_node_or(t2i_comm *comm, uint8_t *bits, size_t bytes);
/* Collective. Memory that the ranks of a node share: zeroed, 64-byte aligned, the comm's until it
 * closes. NULL on all ranks of a node of one rank, or that has no room (said once, by rank 0's
 * node). What was written is seen by the others after the next t2i_comm_meet or t2i_comm_agree. */
void *t2i_comm_share_memory(t2i_comm *comm, size_t bytes);
/* Collective over each node by itself, after it got such memory: goes on when all its ranks have
 * come here. No call of MPI: flags in shared memory. */
void t2i_comm_meet(t2i_comm *comm);
/* Collective. Memory for a node: zeroed, 64-byte aligned, the comm's until it closes. Its ranks
 * share it, this one being number *turn of *sharers; where there is no room to share, each has its
 * own (0 of 1). What was written is seen by the others after the next
 * t2i_comm_agree. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_comm_node_memory(t2i_comm *comm, size_t bytes, void **out, int *turn,
                                            int *sharers, t2i_error *err);

/* Collective. The lowest rank that failed speaks for all: the same status and text everywhere;
 * T2I_OK when none did. With more than one rank, its rank and host are put behind the text when it
 * is not rank 0. */
T2I_CHECKED t2i_status t2i_comm_agree(t2i_comm *comm, t2i_status mine, t2i_error *err);

/* Puts this rank and its host behind a text, for rank 0 where it matters that it is that one. */
void t2i_comm_sign(const t2i_comm *comm, t2i_error *err);

/* Collective: size bytes from rank `root` to all. */
void t2i_comm_bcast(t2i_comm *comm, int root, void *bytes, size_t size);
/* Collective: are these bytes (at most 256) the same on all ranks? */
int t2i_comm_same(t2i_comm *comm, const void *bytes, size_t size);
/* Collective: largest value over the ranks. */
int64_t t2i_comm_max(t2i_comm *comm, int64_t value);
int64_t t2i_comm_sum(t2i_comm *comm, int64_t value);
void t2i_comm_barrier(t2i_comm *comm);

/* items are cut among the ranks: rank r has items t2i_comm_share(items, r, size) ..
 * t2i_comm_share(items, r + 1, size). */
size_t t2i_comm_share(size_t items, int rank, int size);

/* Collective: `all` holds `items` items of item_bytes each; each rank has filled its share;
 * afterwards everyone has all. */
void t2i_comm_share_all(t2i_comm *comm, void *all, size_t item_bytes, size_t items);
/* Collective: the shares of all ranks come together in `all` on rank 0; mine is this rank's share.
 * all is used on rank 0 only, where mine may lie in its place within it. */
void t2i_comm_gather(t2i_comm *comm, const void *mine, void *all, size_t item_bytes, size_t items);
/* The reverse: rank 0's `all` is dealt out, each rank gets its share. */
void t2i_comm_scatter(t2i_comm *comm, const void *all, void *mine, size_t item_bytes, size_t items);

/* Point to point, between matching calls of all ranks (so collective as a group): start any number
 * of these, then t2i_comm_wait for all of them. The buffers are borrowed until then. items of
 * item_bytes each. */
void t2i_comm_send(t2i_comm *comm, int to, const void *items, size_t item_bytes, size_t count);
void t2i_comm_receive(t2i_comm *comm, int from, void *items, size_t item_bytes, size_t count);
void t2i_comm_wait(t2i_comm *comm);
/* What this rank has sent so far by t2i_comm_send (so also by gather and scatter). */
typedef struct {
    uint64_t messages, bytes;
} t2i_traffic;
t2i_traffic t2i_comm_sent(const t2i_comm *comm);

/* Collective. From here to t2i_comm_unwatch the ranks look after one another, unless floor is 0 or
 * this is one rank without MPI. One that is gone, that gives no sign of life (heartbeat.h, which
 * knows what floor, in seconds, means) or that has come to another call than the others is named in
 * one line, and MPI_Abort ends the job with T2I_SYSTEM, or T2I_BUG for the last. If rank 0 lives
 * and is on the node where that was found, its teller (context is passed on) may note it down
 * first, in a thread of its own that is not waited for longer than three seconds. All ranks must
 * enter phases at the same places between calls here. T2I_SYSTEM. */
typedef void t2i_comm_teller(void *context, const t2i_error *what);
T2I_CHECKED t2i_status t2i_comm_watch(t2i_comm *comm, double floor, t2i_comm_teller *teller,
                                      void *context, t2i_error *err);
/* Collective. Legal when nobody watches. */
void t2i_comm_unwatch(t2i_comm *comm);

#endif
