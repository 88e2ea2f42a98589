/* reduce.h - adding the gradients of all shards in one fixed binary tree, whatever the number of
 * ranks and threads.
 *
 * Why: floating-point addition depends on its order. V shards (a power of two) are the leaves of a
 * complete binary tree; a node is the sum of its left and right child, in float, element by
 * element. The job has W = ranks x threads workers; worker w = rank x threads + thread owns shards
 * t2i_comm_share(V, w, W) .. t2i_comm_share(V, w + 1, W). It adds up its maximal complete subtrees
 * (at most 2 log2 V of them) and publishes those, never a sum over its shards; the rest of the tree
 * is folded, chunk by chunk, by the worker that owns a slice of the parameters. So the same
 * additions are made in the same order at every W. Loss, rows and tokens of a shard ride along in
 * the same tree.
 *
 * Slices are whole chunks of T2I_CHUNK floats: worker w owns chunks t2i_comm_share(chunks, w, W)
 * .., hence rank r chunks t2i_comm_share(chunks, r, ranks) .. Ranks of a node read each other's
 * subtrees where they lie, in shared memory. Between nodes (and between ranks, where there is no
 * room for that) a node first folds what is complete within it, which is the same tree, and the
 * owners get their slices of that by messages, which the ranks of the node share out among
 * themselves. An embedding of thousands of characters is mostly not touched by a shard: chunks that
 * are not used cost nothing.
 */
#ifndef T2I_REDUCE_H
#define T2I_REDUCE_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "base/error.h"
#include "base/thread_pool.h"

/* The numbers of a shard besides its gradient. */
typedef struct {
    double loss; /* sum of squared errors */
    double rows;
    double tokens;
    double prefixes; /* of them computed */
} t2i_leaf;

/* What a rank says beside its gradient, and what all said together. */
typedef struct {
    int64_t stop, late; /* told by a signal; out of time: added over the ranks */
    int64_t saved;      /* a checkpoint that was being written is now there, or failed: added */
    int64_t damaged;    /* this rank's memory changed by itself: added */
    uint64_t replica; /* of a rank that t2i_reduce_compares: a hash of its weights, 0: not looked at
                       */
    int64_t culprit;  /* comes out: the lowest rank that is damaged, or whose weights differ from
                         those of most; T2I_NOBODY, or T2I_UNKNOWN when they differ and no
                         majority tells which are right */
    uint64_t shard;   /* a hash of a shard that rank `by` computed again, 0: of none (audit.h) */
    uint64_t again;   /* of the shard that this rank computed again, for another one */
    int64_t by;
    int64_t disputed; /* comes out: the lowest rank whose shard came out otherwise at another one,
                         whose numbers shard, again and by then are; T2I_NOBODY */
} t2i_step_status;
enum { T2I_NOBODY = -1, T2I_UNKNOWN = -2 };

typedef struct t2i_reduce t2i_reduce;

/* Collective. pool (borrowed): this rank's threads, as many on all ranks. shards: V, a power of
 * two; floats: length of a gradient, whole chunks. T2I_SYSTEM. NULL on failure. */
T2I_CHECKED t2i_status t2i_reduce_new(t2i_reduce **out, t2i_comm *comm, t2i_thread_pool *pool,
                                      size_t shards, size_t floats, t2i_error *err);
void t2i_reduce_free(t2i_reduce *reduce); /* NULL is legal */
/* What it took besides the weights: this rank's own memory, and what its node shares. */
size_t t2i_reduce_bytes(const t2i_reduce *reduce);
/* Does this rank read other ranks' gradients in shared memory? */
int t2i_reduce_shares(const t2i_reduce *reduce);

/* Gradients that worker w of `workers` keeps, of which *published lie where its node reads them:
 * for those who ask before there is a tree. */
size_t t2i_reduce_buffers(size_t shards, int w, int workers, size_t *published);

/* Shards of a thread of this rank: [*first, *end). */
void t2i_reduce_shards(const t2i_reduce *reduce, int thread, size_t *first, size_t *end);

/* By each thread, for each of its shards in ascending order: a buffer (not cleared) for its
 * gradient, then add. used: a byte a chunk, all 1; a chunk whose byte the caller makes 0 is never
 * read, counts as zero, and takes part in no addition (the sum of it and a used one is a copy). */
float *t2i_reduce_leaf(t2i_reduce *reduce, int thread, uint8_t **used);
void t2i_reduce_add(t2i_reduce *reduce, int thread, const t2i_leaf *leaf);

/* Collective. After all leaves: folds the tree. *total the numbers of all shards, *step_status
 * (this rank's) become the sums, *squares the sum of squares of the whole gradient: each chunk in a
 * fixed order, then all chunks in order, in double. The same on all ranks. */
void t2i_reduce_exchange(t2i_reduce *reduce, t2i_comm *comm, t2i_leaf *total,
                         t2i_step_status *step_status, double *squares);
/* This rank's slice of the sum: until it calls t2i_reduce_leaf again. */
const float *t2i_reduce_slice(const t2i_reduce *reduce);

/* The weights (a whole block, zeros at first), until t2i_reduce_free: one copy for all ranks that
 * share memory, which its first rank fills before the first update. */
float *t2i_reduce_weights(t2i_reduce *reduce);
/* Is this the first rank of its copy? And are there other copies, so that it should be compared
 * with them? */
int t2i_reduce_first(const t2i_reduce *reduce);
int t2i_reduce_compares(const t2i_reduce *reduce);
/* Collective. Changes the weights: on its threads, calls update(context, ...) for each chunk of
 * this rank's slice, `chunk` counting from the slice's first; afterwards all ranks have the new
 * weights. Between t2i_reduce_exchange and this nobody reads them. */
typedef void t2i_reduce_change(void *context, size_t chunk, float *weights, const float *gradient);
void t2i_reduce_update(t2i_reduce *reduce, t2i_comm *comm, t2i_reduce_change *update,
                       void *context);

#endif
