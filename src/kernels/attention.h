/* attention.h - causal attention over a prefix trie, forward and backward.
 *
 * A path is one distinct prompt: its T positions are rows of matrices that hold a row for each
 * distinct prefix ("node"), given by node[0 .. T-1]. The first `shared` positions belong to the
 * path before it too, and are computed there: this path's queries are positions shared .. T-1,
 * which see all positions up to their own. Keys and values stay in the scratch from one path to the
 * next, so paths must be visited in order, beginning with one that shares nothing.
 *
 * Raw pointers and sizes, no allocation, no state but the scratch. Every sum has an order written
 * in the source, so the result depends on shapes alone.
 */
#ifndef T2I_ATTENTION_H
#define T2I_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint32_t *node; /* T */
    size_t T, shared;
} t2i_path;

/* Floats of a row of softmax weights: T, padded. Such a row is kept for each query (and head). */
size_t t2i_attention_row(size_t T);
/* Floats of scratch for paths of up to `longest` positions; of t2i_attention and its backward pass,
 * one head at a time. */
size_t t2i_attention_scratch(size_t longest, size_t dk);

/* One head of one path. qkv: [q k v] of this head for node 0, each dk wide; nodes lie `stride`
 * floats apart. out: node 0's dk floats, nodes out_stride apart; those of the queries are set.
 * prob: (T - shared) rows, kept for the backward pass. */
void t2i_attention(float *out, float *prob, const float *qkv, float *scratch, const t2i_path *path,
                   size_t longest, size_t dk, size_t stride, size_t out_stride);
/* dqkv has qkv's layout: set for the path's own nodes, added to for those that it shares. */
void t2i_attention_back(float *dqkv, const float *dout, const float *prob, const float *qkv,
                        float *scratch, const t2i_path *path, size_t longest, size_t dk,
                        size_t stride, size_t out_stride);

/* The last layer, where only a path's last position asks. There keys and values need not be formed:
 * q . (Wk h) = (Wk^T q) . h, and Wv applies to the weighted sum of h. For all heads of one path:
 * query (heads, d) = Wk^T q of the last position; h: node 0's d floats. sum (heads, d) = softmax-
 * weighted sums of h; prob: `heads` rows; scale: of the scores before the softmax. */
void t2i_attention_reach(float *sum, float *prob, const float *query, const float *h,
                         float *scratch, const t2i_path *path, size_t heads, size_t d, float scale);
/* dquery (heads, d) is set; dh += for all nodes of the path. dsum: gradient of sum. */
void t2i_attention_reach_back(float *dquery, float *dh, const float *dsum, const float *prob,
                              const float *query, const float *h, float *scratch,
                              const t2i_path *path, size_t heads, size_t d, float scale);
size_t t2i_attention_reach_scratch(size_t longest, size_t heads, size_t d);

#endif
