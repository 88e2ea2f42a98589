/* attention.h - causal attention over a prefix trie, forward and backward.
 *
 * Matrices have one row per distinct prefix ("node"). A path is one distinct prompt of T positions;
 * its rows are node[0 .. T-1]. The first `shared` positions are common with the previous path and
 * are computed there. The queries of this path are positions shared .. T-1; each attends to all
 * positions up to its own. Keys and values stay in the scratch memory from one path to the next, so
 * paths must be visited in order, beginning with one that shares nothing.
 *
 * Dropout of the softmax weights: a mask has a row per query and multiplies them; NULL: none. prob
 * stays as before the dropout.
 *
 * Functions take raw pointers and sizes, allocate nothing, and have no state except the scratch
 * memory. The order of every sum is fixed in the source, so the result depends on the shapes alone.
 */
#ifndef T2I_ATTENTION_H
#define T2I_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint32_t *node; /* T */
    size_t T, shared;
} t2i_path;

/* Floats of a row of softmax weights: T, padded. There is one such row per query and head. */
size_t t2i_attention_row(size_t T);
/* Floats of a row that t2i_attention keeps for the backward pass: as many for paths of up to
 * T2I_ATTENTION_SHORT positions; 2 for longer ones, so that memory grows as T does: the largest
 * score and the inverse of the sum of exponentials, from which weights are computed again. */
enum { T2I_ATTENTION_SHORT = 128 };
size_t t2i_attention_kept(size_t T);

/* Masks of a path. rows: t2i_attention_row floats per query, for paths of up to T2I_ATTENTION_SHORT
 * positions. draw, for longer ones: writes `count` elements of the row of a query, from element
 * `begin` on, a multiple of 32. Queries are counted from the first of the path's own. Both passes
 * call it for all that they use. */
typedef struct {
    const float *rows;
    void (*draw)(const void *source, size_t query, size_t begin, float *out, size_t count);
    const void *source;
} t2i_attention_mask;

/* Floats of scratch memory of t2i_attention and t2i_attention_back (one head at a time) for paths
 * of up to `longest` positions. */
size_t t2i_attention_scratch(size_t longest, size_t dk);

/* Forward pass of one head and one path. qkv: [q k v] of this head for node 0, each dk wide; the
 * nodes are `stride` floats apart. out: dk floats per node, out_stride apart, from node 0; those of
 * the queries are set. prob: (T - shared) rows of t2i_attention_kept, needed by the backward pass.
 */
void t2i_attention(float *out, float *prob, const t2i_attention_mask *mask, const float *qkv,
                   float *scratch, const t2i_path *path, size_t longest, size_t dk, size_t stride,
                   size_t out_stride);
/* Backward pass. out: as set by the forward pass. dqkv has the layout of qkv; it is set for the
 * path's own nodes and accumulated for shared ones. */
void t2i_attention_back(float *dqkv, const float *out, const float *dout, const float *prob,
                        const t2i_attention_mask *mask, const float *qkv, float *scratch,
                        const t2i_path *path, size_t longest, size_t dk, size_t stride,
                        size_t out_stride);

/* Attention of the last layer, where only the last position of a path has a query. Keys and values
 * need not be formed: q . (Wk h) = (Wk^T q) . h, and Wv applies to the weighted sum of h. All heads
 * of one path: query (heads, d) = Wk^T q of the last position; h: d floats per node, from node 0.
 * sum (heads, d): softmax-weighted sums of h; prob: `heads` rows; scale: factor of the scores
 * before the softmax. */
void t2i_attention_reach(float *sum, float *prob, const float *mask, const float *query,
                         const float *h, float *scratch, const t2i_path *path, size_t heads,
                         size_t d, float scale);
/* Backward pass. dsum: gradient of sum. dquery (heads, d) is set; dh is accumulated for all nodes
 * of the path. */
void t2i_attention_reach_back(float *dquery, float *dh, const float *dsum, const float *prob,
                              const float *mask, const float *query, const float *h, float *scratch,
                              const t2i_path *path, size_t heads, size_t d, float scale);
size_t t2i_attention_reach_scratch(size_t longest, size_t heads, size_t d);

#endif
