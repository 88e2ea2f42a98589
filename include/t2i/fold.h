/* fold.h - adding the gradients of all shards in one fixed binary tree, whatever the number of
 * ranks.
 *
 * Why: floating-point addition depends on its order. V shards (a power of two) are the leaves of a
 * complete binary tree; a node is the sum of its left and right child, in float, element by
 * element. A rank that owns shards [first, end) adds up its maximal complete subtrees (at most 2
 * log2 V of them) and publishes those, never a sum over the rank; the rest of the tree is folded by
 * the rank that owns a slice of the parameters. So the same additions are made in the same order at
 * every number of ranks. Loss, rows and tokens of a shard ride along in the same tree.
 *
 * Slices are whole chunks of T2I_CHUNK floats: rank r owns chunks t2i_share(chunks, r, size) ...
 */
#ifndef T2I_FOLD_H
#define T2I_FOLD_H

#include <stddef.h>
#include <stdint.h>
#include "t2i/comm.h"
#include "t2i/error.h"

/* The numbers of a shard besides its gradient. */
typedef struct {
    double loss; /* sum of squared errors */
    double rows;
    double tokens;
} t2i_leaf;

/* Votes of a rank, added as integers over all ranks. */
typedef struct {
    int64_t stop, late; /* told by a signal; out of time */
} t2i_votes;

typedef struct t2i_fold t2i_fold;

/* shards: V, a power of two; floats: length of a gradient, whole chunks. */
T2I_CHECKED t2i_status t2i_fold_new(t2i_fold **out, int rank, int size, size_t shards,
                                    size_t floats, t2i_error *err);
void t2i_fold_free(t2i_fold *fold);
/* Bytes that t2i_fold_new takes on this rank. */
size_t t2i_fold_bytes(int rank, int size, size_t shards, size_t floats);

/* Shards of a rank: [first, end). */
size_t t2i_fold_first(size_t shards, int rank, int size);

/* For each of this rank's shards in ascending order: a buffer (not cleared) for its gradient, then
 * add. */
float *t2i_fold_leaf(t2i_fold *fold);
void t2i_fold_add(t2i_fold *fold, const t2i_leaf *leaf);

/* Collective. After all leaves: folds the tree. Returns this rank's slice of the sum over all
 * shards (its first chunk is t2i_share(chunks, rank, size)), *total the numbers of all shards,
 * *votes the sums; the same on all ranks. The slice may be changed and lies in the fold until the
 * next t2i_fold_leaf. */
float *t2i_fold_exchange(t2i_fold *fold, t2i_comm *comm, t2i_leaf *total, t2i_votes *votes);

/* Collective. Sum of squares of the whole gradient: each chunk of the slice in a fixed order, then
 * all chunks in order, in double; the same on all ranks. */
double t2i_fold_sum_squares(t2i_fold *fold, t2i_comm *comm, const float *slice);

#endif
