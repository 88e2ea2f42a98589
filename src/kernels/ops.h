/* ops.h - the transformer's element-wise kernels, forward and backward.
 *
 * Free functions on raw pointers and sizes: no structs, no allocation, no state. T is tokens (rows
 * of a row-major matrix), C its columns. Gradients are prefixed d. Every sum has an order written
 * in the source (16 lanes, then the lanes in pairs), so the result depends on the shapes alone, not
 * on the vector width.
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

/* Layer norm over C with eps 1e-5 (Ba, Kiros, Hinton 2016): out = (x - mean) * rstd * weight +
 * bias. mean, rstd (T) are kept for the backward pass. */
void t2i_ops_layer_norm(float *out, float *mean, float *rstd, const float *x, const float *weight,
                        const float *bias, size_t T, size_t C);
/* dx (T, C) += the gradient; dweight, dbias (C) are set. */
void t2i_ops_layer_norm_back(float *dx, float *dweight, float *dbias, const float *dout,
                             const float *x, const float *mean, const float *rstd,
                             const float *weight, size_t T, size_t C);

/* dbias (C) = column sums of dout (T, C), rows in order and dout_row floats apart; add: to
 * what is there. */
void t2i_ops_bias_back(float *dbias, const float *dout, size_t dout_row, size_t T, size_t C,
                       int add);
/* x += y */
void t2i_ops_add(float *x, const float *y, size_t count);

/* Sum over count of (prediction - target)^2 in double; dprediction = scale * (prediction - target).
 */
double t2i_ops_squared_error(float *dprediction, const float *prediction, const float *target,
                             float scale, size_t count);

/* exp(x) for x <= 0, as lanes.h has it. */
void t2i_ops_exp(float *x, size_t count);

#endif
