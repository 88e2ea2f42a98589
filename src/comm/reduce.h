/* reduce.h - reduction of the gradients of all shards in a fixed binary tree, independent of the
 * number of ranks and threads. docs/determinism.md has a figure.
 *
 * Why: the result of floating-point addition depends on the order. V shards (a power of two) are
 * the leaves of a complete binary tree; a node is the sum of its left and right child, element-wise
 * in float. The job has W = ranks x threads workers. Worker w = rank x threads + thread owns the
 * shards from t2i_comm_share(V, w, W) to before t2i_comm_share(V, w + 1, W). It adds up its maximal
 * complete subtrees (at most 2 log2 V) and publishes these, never a sum over all its shards. The
 * rest of the tree is added, chunk by chunk, by the worker that owns the slice of the parameters.
 * So the same additions are made in the same order for every W. Loss, rows and tokens of the shards
 * are added in the same tree.
 *
 * Slices consist of chunks of T2I_CHUNK floats: worker w owns the chunks from
 * t2i_comm_share(chunks, w, W), hence rank r those from t2i_comm_share(chunks, r, ranks). Ranks of
 * a node read each other's subtrees in shared memory. Between nodes, a node first adds the subtrees
 * that are complete within it, which are nodes of the same tree, and the owners of slices receive
 * these by messages: rank i of a node serves the i-th rank of every other node. Without space in
 * /dev/shm every rank is a group of its own. Chunks that a shard does not use cost nothing, for
 * example most of an embedding of thousands of characters.
 *
 * A worker needs log2 V + 1 gradients for its V shards. For a large model the gradient is computed
 * in sections (the layers, one after the other), each for all shards of a bundle: a complete
 * subtree of the worker's shards. The sum of a bundle's section is at once added to that of the
 * sibling to its left, so a worker needs whole gradients for the siblings that wait, log2 V of them
 * at most, one for a bundle of half of V, and for the shards of a bundle only sections. The
 * additions are the same, in the same order.
 *
 * A step has four node barriers: after the gradients, the squares, the weights and the packed
 * weights; with several nodes one more, before the node's own subtrees are added. The sum of a
 * slice replaces the owner's own subtree there, which no other rank reads.
 */
#ifndef T2I_REDUCE_H
#define T2I_REDUCE_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "base/error.h"
#include "base/thread_pool.h"

/* Quantities of a shard that are summed with its gradient. */
typedef struct {
    double loss; /* sum of squared errors */
    double rows;
    double tokens;
    double prefixes; /* of the tokens, those computed */
} t2i_leaf;

/* Status that a rank sends with its gradient, and the combination over all ranks. */
typedef struct {
    int64_t stop, late; /* stop signal received; time limit reached: sums over the ranks */
    int64_t saved;      /* the checkpoint in progress is complete or has failed: sum */
    int64_t damaged;    /* a checksum of this rank's memory is wrong: sum */
    uint64_t
        replica;     /* if t2i_reduce_compares: hash of this copy of the weights; 0: not compared */
    int64_t culprit; /* result: lowest rank that is damaged, or whose weights differ from those of
                        the majority; T2I_NOBODY; T2I_UNKNOWN: they differ without a majority */
    uint64_t shard;  /* hash of the shard that rank `by` recomputed; 0: none (audit.h) */
    uint64_t again;  /* hash of the shard that this rank recomputed for another rank */
    int64_t by;
    int64_t disputed; /* result: lowest rank whose shard was recomputed with a different hash
                         (shard, again and by are then its values); T2I_NOBODY */
} t2i_step_status;
enum { T2I_NOBODY = -1, T2I_UNKNOWN = -2 };

typedef struct t2i_reduce t2i_reduce;

/* Collective. pool (borrowed): the threads of this rank, equally many on all ranks. shards: V, a
 * power of two; floats: length of a gradient, a multiple of T2I_CHUNK. T2I_SYSTEM. *out is NULL on
 * failure. */
T2I_CHECKED t2i_status t2i_reduce_new(t2i_reduce **out, t2i_comm *comm, t2i_thread_pool *pool,
                                      size_t shards, size_t floats, t2i_error *err);
void t2i_reduce_free(t2i_reduce *reduce); /* NULL is legal */
/* Bytes allocated, without the weights: this rank's own memory and the node's shared memory. */
size_t t2i_reduce_bytes(const t2i_reduce *reduce);
/* Does this rank read other ranks' gradients in shared memory? */
int t2i_reduce_shares(const t2i_reduce *reduce);

/* The same with gradients in sections. bundle: maximum number of shards of a bundle, a power of
 * two; most: maximum floats of a section. */
typedef struct {
    size_t bundle, most;
} t2i_reduce_sections;
T2I_CHECKED t2i_status t2i_reduce_new_by_section(t2i_reduce **out, t2i_comm *comm,
                                                 t2i_thread_pool *pool, size_t shards,
                                                 size_t floats, t2i_reduce_sections sections,
                                                 t2i_error *err);

/* The gradient buffers of worker w of `workers`: `blocks` of `all` hold a whole gradient, the
 * others a section; of the blocks, `published` are in shared memory. For estimates before the tree
 * exists. */
typedef struct {
    size_t all, blocks, published;
} t2i_reduce_buffers;
t2i_reduce_buffers t2i_reduce_count(size_t shards, int w, int workers, size_t bundle);

/* Shards of a thread of this rank: [*first, *end). */
void t2i_reduce_shards(const t2i_reduce *reduce, int thread, size_t *first, size_t *end);

/* Called by each thread for each of its shards in ascending order: returns a buffer (not cleared)
 * for the gradient, to be followed by t2i_reduce_add. used: one byte per chunk, all 1. If the
 * caller sets a byte to 0, the chunk counts as zero, is never read, and takes part in no addition
 * (its sum with a used chunk is a copy). */
float *t2i_reduce_leaf(t2i_reduce *reduce, int thread, uint8_t **used);
void t2i_reduce_add(t2i_reduce *reduce, int thread, const t2i_leaf *leaf);

/* The same in sections, for each shard of a bundle in ascending order the first section, then for
 * each of them the second, and so on to the last. The number of shards of the thread's next bundle;
 * the place of a shard's floats from .. to - 1, as if the whole gradient were there; then
 * t2i_reduce_add, with leaf NULL for all sections but the last. */
size_t t2i_reduce_bundle(const t2i_reduce *reduce, int thread);
float *t2i_reduce_section(t2i_reduce *reduce, int thread, size_t from, size_t to, uint8_t **used);

/* Collective. After all leaves: adds up the tree. *total: sums of the shards' quantities;
 * *step_status: that of this rank on entry, the combination on return; *squares: sum of squares of
 * the whole gradient in double, each chunk in a fixed order, then all chunks in order. The results
 * are the same on all ranks. */
void t2i_reduce_exchange(t2i_reduce *reduce, t2i_comm *comm, t2i_leaf *total,
                         t2i_step_status *step_status, double *squares);
/* This rank's slice of the sum, valid until its next t2i_reduce_leaf. */
const float *t2i_reduce_slice(const t2i_reduce *reduce);

/* The weights (a whole block, zero at first), valid until t2i_reduce_free. There is one copy per
 * group of ranks that share memory; its first rank fills it before the first update. */
float *t2i_reduce_weights(t2i_reduce *reduce);
/* Is this the first rank of its copy? Are there other copies to compare it with? */
int t2i_reduce_first(const t2i_reduce *reduce);
int t2i_reduce_compares(const t2i_reduce *reduce);
/* Collective. Updates the weights: calls update(context, ...) on the threads for each chunk of this
 * rank's slice (`chunk` counts from the slice's first); afterwards all ranks have the new weights.
 * They must not be read between t2i_reduce_exchange and this call. */
typedef void t2i_reduce_change(void *context, size_t chunk, float *weights, const float *gradient);
void t2i_reduce_update(t2i_reduce *reduce, t2i_comm *comm, t2i_reduce_change *update,
                       void *context);

#endif
