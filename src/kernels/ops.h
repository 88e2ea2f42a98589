/* ops.h - element-wise kernels of the transformer, forward and backward.
 *
 * Functions take raw pointers and sizes: no structs, no allocation, no state. T is the number of
 * tokens (rows of a row-major matrix), C the number of columns. Gradients are prefixed d. The order
 * of every sum is fixed in the source (16 lanes, then the lanes in pairs), so the result depends on
 * the shapes alone, not on the vector width.
 */
#ifndef T2I_OPS_H
#define T2I_OPS_H

#include <stddef.h>
#include <stdint.h>

/* out (T, C) = embedding row ids[t] + position row pos[t]; embedding (vocab, C), position (block,
 * C). */
void t2i_ops_embed(float *out, const float *embedding, const float *position, const uint16_t *ids,
                   const uint16_t *pos, size_t T, size_t C);
/* dembedding (vocab, C) += dout rows, in the order of t. */
void t2i_ops_embed_back(float *dembedding, const float *dout, const uint16_t *ids, size_t T,
                        size_t C);

/* out (T, C) = scale x the sum of up to G rows of table (rows, C), added in order: row ids[t * G]
 * .. ids[t * G + G - 1]; T2I_NO_ROW: none. As torch.nn.EmbeddingBag. */
#define T2I_NO_ROW UINT32_MAX
void t2i_ops_embed_bag(float *out, const float *table, const uint32_t *ids, size_t T, size_t G,
                       size_t C, float scale);
/* dtable (rows, C) += scale x dout rows, in the order of t. */
void t2i_ops_embed_bag_back(float *dtable, const float *dout, const uint32_t *ids, size_t T,
                            size_t G, size_t C, float scale);

/* Layer norm over C with eps 1e-5 (Ba, Kiros, Hinton 2016): out = (x - mean) * rstd * weight +
 * bias. mean, rstd (T) are kept for the backward pass. */
void t2i_ops_layer_norm(float *out, float *mean, float *rstd, const float *x, const float *weight,
                        const float *bias, size_t T, size_t C);
/* dx (T, C) is accumulated; dweight and dbias (C) are set. */
void t2i_ops_layer_norm_back(float *dx, float *dweight, float *dbias, const float *dout,
                             const float *x, const float *mean, const float *rstd,
                             const float *weight, size_t T, size_t C);

/* dbias (C) = [dbias +] column sums of dout (T, C), in the order of rows, which are dout_row floats
 * apart. add: with dbias. */
void t2i_ops_bias_back(float *dbias, const float *dout, size_t dout_row, size_t T, size_t C,
                       int add);
/* x += y */
void t2i_ops_add(float *x, const float *y, size_t count);

/* out = x * mask (out may be x), and x = residual + x * mask. */
void t2i_ops_mask(float *out, const float *x, const float *mask, size_t count);
void t2i_ops_mask_add(float *x, const float *mask, const float *residual, size_t count);

/* Returns the sum of (prediction - target)^2 in double; dprediction = scale * (prediction -
 * target). */
double t2i_ops_squared_error(float *dprediction, const float *prediction, const float *target,
                             float scale, size_t count);

/* Inner product of a and b in double. */
double t2i_ops_dot(const float *a, const float *b, size_t count);
/* out = factor x x, computed in double. out may be x. */
void t2i_ops_scale(float *out, const float *x, double factor, size_t count);
/* out = x / |x|, or 0 if |x| is 0. out may be x. */
void t2i_ops_normalise(float *out, const float *x, size_t count);

/* x = exp(x) for x <= 0, as t2i_exp_part of lanes.h. */
void t2i_ops_exp(float *x, size_t count);

#endif
