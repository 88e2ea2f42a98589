#include "t2i/attention.h"

#include <math.h>
#include <string.h>

#include "lanes.h"

/* Everything here is made of one small product: a tile of up to ROWS x LANES. */
enum { ROWS = 4 };

/* out[r] (LANES wide) = sum over t < terms of weight[r * row_step + t * term_step] * (LANES floats
 * from from[t * from_step]), for ROWS rows. */
T2I_INLINE void full_tile(float out[ROWS][LANES], const float *restrict weight, size_t row_step,
                          size_t term_step, const float *restrict from, size_t from_step,
                          size_t terms)
{
    float sum0[LANES] = {0}, sum1[LANES] = {0}, sum2[LANES] = {0}, sum3[LANES] = {0};
    for (size_t t = 0; t < terms; t++) {
        const float *x = from + t * from_step, *w = weight + t * term_step;
        float w0 = w[0], w1 = w[row_step], w2 = w[2 * row_step], w3 = w[3 * row_step];
        for (size_t l = 0; l < LANES; l++) {
            sum0[l] = fmaf(x[l], w0, sum0[l]);
            sum1[l] = fmaf(x[l], w1, sum1[l]);
            sum2[l] = fmaf(x[l], w2, sum2[l]);
            sum3[l] = fmaf(x[l], w3, sum3[l]);
        }
    }
    memcpy(out[0], sum0, sizeof sum0);
    memcpy(out[1], sum1, sizeof sum1);
    memcpy(out[2], sum2, sizeof sum2);
    memcpy(out[3], sum3, sizeof sum3);
}

/* The same for `rows` of them: 1 .. ROWS. */
T2I_INLINE void tile(float out[ROWS][LANES], const float *restrict weight, size_t row_step,
                     size_t term_step, const float *restrict from, size_t from_step, size_t terms,
                     size_t rows)
{
    if (rows == ROWS) {
        full_tile(out, weight, row_step, term_step, from, from_step, terms);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        float sum[LANES] = {0};
        for (size_t t = 0; t < terms; t++) {
            const float *x = from + t * from_step;
            float w = weight[r * row_step + t * term_step];
            for (size_t l = 0; l < LANES; l++) sum[l] = fmaf(x[l], w, sum[l]);
        }
        memcpy(out[r], sum, sizeof sum);
    }
}

T2I_INLINE size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* score (0 .. seen-1) becomes softmax(scale * score), in place; the rest of its whole groups of
 * lanes becomes 0. */
T2I_INLINE void soften(float *score, size_t seen, float scale)
{
    size_t width = t2i_padded(seen);
    float top[LANES], sum[LANES] = {0};
    for (size_t j = seen; j < width; j++) score[j] = -INFINITY;
    for (size_t l = 0; l < LANES; l++) top[l] = score[l];
    for (size_t j = LANES; j < width; j += LANES)
        for (size_t l = 0; l < LANES; l++) top[l] = score[j + l] > top[l] ? score[j + l] : top[l];
    float most = top[0];
    for (size_t l = 1; l < LANES; l++) most = top[l] > most ? top[l] : most;
    for (size_t j = 0; j < width; j++) score[j] = (score[j] - most) * scale;
    t2i_exp_lanes(score, width);
    for (size_t j = 0; j < width; j += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += score[j + l];
    float inverse = 1.0f / t2i_fold_lanes(sum);
    for (size_t j = 0; j < width; j++) score[j] *= inverse;
}

/* dprob (0 .. seen-1) becomes the gradient of the scores; the rest of its groups of lanes 0. */
T2I_INLINE void soften_back(float *dprob, const float *prob, size_t seen, float scale)
{
    size_t width = t2i_padded(seen);
    float sum[LANES] = {0};
    for (size_t j = seen; j < width; j++) dprob[j] = 0.0f;
    for (size_t j = 0; j < width; j += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += prob[j + l] * dprob[j + l];
    float mean = t2i_fold_lanes(sum);
    for (size_t j = 0; j < width; j++) dprob[j] = prob[j] * (dprob[j] - mean) * scale;
}

size_t t2i_attention_row(size_t T)
{
    return t2i_padded(T);
}

size_t t2i_attention_scratch(size_t longest, size_t dk)
{
    size_t width = t2i_padded(longest), kp = t2i_padded(dk);
    return 2 * width * kp + 2 * longest * kp + longest * width;
}

/* The columns first .. T-1 of across (dk, width) = the nodes' dk floats at `from`. */
T2I_INLINE void put_across(float *across, const float *from, const t2i_path *path, size_t dk,
                           size_t width, size_t stride)
{
    for (size_t t = path->shared; t < path->T; t++) {
        const float *row = from + path->node[t] * stride;
        for (size_t c = 0; c < dk; c++) across[c * width + t] = row[c];
    }
}

/* The rows first .. T-1 of dense (.., kp), the first of them at row `at`. */
T2I_INLINE void put_dense(float *dense, const float *from, const t2i_path *path, size_t at,
                          size_t dk, size_t kp, size_t stride)
{
    for (size_t t = path->shared; t < path->T; t++)
        memcpy(dense + (at + t - path->shared) * kp, from + path->node[t] * stride,
               dk * sizeof *dense);
}

T2I_KERNEL(void, t2i_attention,
           (float *out, float *prob, const float *qkv, float *scratch, const t2i_path *path,
            size_t longest, size_t dk, size_t stride, size_t out_stride),
           (out, prob, qkv, scratch, path, longest, dk, stride, out_stride))
{
    size_t T = path->T, width = t2i_padded(longest), kp = t2i_padded(dk), P = t2i_padded(T);
    float *keys = scratch, *values = keys + kp * width, result[ROWS][LANES];
    float scale = 1.0f / sqrtf((float)dk);
    put_across(keys, qkv + dk, path, dk, width, stride);
    put_dense(values, qkv + 2 * dk, path, path->shared, dk, kp, stride);
    for (size_t i = path->shared; i < T; i += ROWS) {
        size_t rows = least(ROWS, T - i);
        float *p = prob + (i - path->shared) * P;
        const float *query = qkv + path->node[i] * stride; /* a path's own nodes are neighbours */
        for (size_t j = 0; j < i + rows; j += LANES) {
            tile(result, query, stride, 1, keys + j, width, dk, rows);
            for (size_t r = 0; r < rows; r++) memcpy(p + r * P + j, result[r], sizeof result[r]);
        }
        for (size_t r = 0; r < rows; r++) {
            soften(p + r * P, i + r + 1, scale);
            for (size_t j = t2i_padded(i + r + 1); j < i + rows; j++) p[r * P + j] = 0.0f;
        }
        for (size_t c = 0; c < dk; c += LANES) {
            tile(result, p, P, 1, values + c, kp, i + rows, rows);
            for (size_t r = 0; r < rows; r++)
                memcpy(out + path->node[i + r] * out_stride + c, result[r],
                       least(LANES, dk - c) * sizeof(float));
        }
    }
}

/* What keys (at 0) or values get: set for own nodes, added for shared ones. */
T2I_INLINE void give_back(float *to, float from[ROWS][LANES], const t2i_path *path, size_t j,
                          size_t rows, size_t stride, size_t count)
{
    for (size_t r = 0; r < rows; r++) {
        float *d = to + path->node[j + r] * stride;
        if (j + r >= path->shared)
            memcpy(d, from[r], count * sizeof *d);
        else
            for (size_t c = 0; c < count; c++) d[c] += from[r][c];
    }
}

T2I_KERNEL(void, t2i_attention_back,
           (float *dqkv, const float *dout, const float *prob, const float *qkv, float *scratch,
            const t2i_path *path, size_t longest, size_t dk, size_t stride, size_t out_stride),
           (dqkv, dout, prob, qkv, scratch, path, longest, dk, stride, out_stride))
{
    size_t T = path->T, first = path->shared, width = t2i_padded(longest), kp = t2i_padded(dk);
    size_t P = t2i_padded(T);
    float *values = scratch, *keys = values + kp * width, *query = keys + width * kp,
          *dresult = query + longest * kp, *dscore = dresult + longest * kp; /* (queries, P) */
    float result[ROWS][LANES], scale = 1.0f / sqrtf((float)dk);
    put_across(values, qkv + 2 * dk, path, dk, width, stride);
    put_dense(keys, qkv + dk, path, first, dk, kp, stride);
    put_dense(query, qkv, path, 0, dk, kp, stride);
    put_dense(dresult, dout, path, 0, dk, kp, out_stride);
    for (size_t i = first; i < T; i += ROWS) {
        size_t rows = least(ROWS, T - i);
        float *ds = dscore + (i - first) * P;
        for (size_t j = 0; j < i + rows; j += LANES) {
            tile(result, dresult + (i - first) * kp, kp, 1, values + j, width, dk, rows);
            for (size_t r = 0; r < rows; r++) memcpy(ds + r * P + j, result[r], sizeof result[r]);
        }
        for (size_t r = 0; r < rows; r++) {
            soften_back(ds + r * P, prob + (i - first + r) * P, i + r + 1, scale);
            for (size_t j = t2i_padded(i + r + 1); j < i + rows; j++) ds[r * P + j] = 0.0f;
        }
        for (size_t c = 0; c < dk; c += LANES) {
            tile(result, ds, P, 1, keys + c, kp, i + rows, rows);
            for (size_t r = 0; r < rows; r++)
                memcpy(dqkv + path->node[i + r] * stride + c, result[r],
                       least(LANES, dk - c) * sizeof(float));
        }
    }
    for (size_t j = 0; j < T; j += ROWS) {
        size_t rows = least(ROWS, T - j);
        size_t from = j > first ? j - first : 0; /* queries before j do not see it */
        for (size_t c = 0; c < dk; c += LANES) {
            size_t count = least(LANES, dk - c), terms = T - first - from;
            tile(result, dscore + from * P + j, 1, P, query + from * kp + c, kp, terms, rows);
            give_back(dqkv + dk + c, result, path, j, rows, stride, count);
            tile(result, prob + from * P + j, 1, P, dresult + from * kp + c, kp, terms, rows);
            give_back(dqkv + 2 * dk + c, result, path, j, rows, stride, count);
        }
    }
}

/* ---- the last layer ---- */

size_t t2i_reach_scratch(size_t longest, size_t heads, size_t d)
{
    return longest * t2i_padded(d) + 2 * heads * t2i_padded(d) + heads * t2i_padded(longest);
}

/* out (heads, P) = the heads' x (heads, dp) times each of T rows of h (T, dp). */
T2I_INLINE void all_dots(float *out, const float *x, const float *h, size_t heads, size_t T,
                         size_t P, size_t dp)
{
    for (size_t j = 0; j < T; j++)
        for (size_t a = 0; a < heads; a++) {
            const float *w = x + a * dp, *row = h + j * dp;
            float sum[LANES] = {0};
            for (size_t c = 0; c < dp; c += LANES)
                for (size_t l = 0; l < LANES; l++) sum[l] = fmaf(w[c + l], row[c + l], sum[l]);
            out[a * P + j] = t2i_fold_lanes(sum);
        }
}

/* out (heads, d) = sums over T rows of h (T, dp), weighted by weight (heads, P). */
T2I_INLINE void all_sums(float *out, const float *weight, const float *h, size_t heads, size_t T,
                         size_t P, size_t d, size_t dp)
{
    float result[ROWS][LANES];
    for (size_t a = 0; a < heads; a += ROWS)
        for (size_t c = 0; c < d; c += LANES) {
            size_t rows = least(ROWS, heads - a);
            tile(result, weight + a * P, P, 1, h + c, dp, T, rows);
            for (size_t r = 0; r < rows; r++)
                memcpy(out + (a + r) * d + c, result[r], least(LANES, d - c) * sizeof(float));
        }
}

/* (rows, dp) = (rows, d); what is beyond d stays 0. */
T2I_INLINE void widen(float *out, const float *x, size_t rows, size_t d, size_t dp)
{
    for (size_t r = 0; r < rows; r++) {
        memcpy(out + r * dp, x + r * d, d * sizeof *out);
        for (size_t c = d; c < dp; c++) out[r * dp + c] = 0.0f;
    }
}

/* The path's h, one row after the other; rows of shared positions are still there. */
T2I_INLINE void put_path(float *dense, const float *h, const t2i_path *path, size_t d, size_t dp)
{
    for (size_t t = path->shared; t < path->T; t++)
        widen(dense + t * dp, h + path->node[t] * d, 1, d, dp);
}

T2I_KERNEL(void, t2i_reach,
           (float *sum, float *prob, const float *query, const float *h, float *scratch,
            const t2i_path *path, size_t heads, size_t d, float scale),
           (sum, prob, query, h, scratch, path, heads, d, scale))
{
    size_t T = path->T, P = t2i_padded(T), dp = t2i_padded(d);
    float *wide = scratch, *dense = wide + 2 * heads * dp;
    put_path(dense, h, path, d, dp);
    widen(wide, query, heads, d, dp);
    all_dots(prob, wide, dense, heads, T, P, dp);
    for (size_t a = 0; a < heads; a++) soften(prob + a * P, T, scale);
    all_sums(sum, prob, dense, heads, T, P, d, dp);
}

T2I_KERNEL(void, t2i_reach_back,
           (float *dquery, float *dh, const float *dsum, const float *prob, const float *query,
            const float *h, float *scratch, const t2i_path *path, size_t heads, size_t d,
            float scale),
           (dquery, dh, dsum, prob, query, h, scratch, path, heads, d, scale))
{
    size_t T = path->T, P = t2i_padded(T), dp = t2i_padded(d);
    float *wide = scratch, *asked = wide + heads * dp, *dense = asked + heads * dp;
    float *dscore = dense + T * dp; /* behind the path: what lies there is of no use any more */
    put_path(dense, h, path, d, dp);
    widen(wide, dsum, heads, d, dp);
    widen(asked, query, heads, d, dp);
    all_dots(dscore, wide, dense, heads, T, P, dp);
    for (size_t a = 0; a < heads; a++) soften_back(dscore + a * P, prob + a * P, T, scale);
    all_sums(dquery, dscore, dense, heads, T, P, d, dp);
    for (size_t j = 0; j < T; j++) {
        float *to = dh + path->node[j] * d;
        for (size_t c = 0; c < d; c += LANES) {
            float more[LANES] = {0};
            for (size_t a = 0; a < heads; a++) {
                float p = prob[a * P + j], ds = dscore[a * P + j];
                const float *x = wide + a * dp + c, *y = asked + a * dp + c;
                for (size_t l = 0; l < LANES; l++) more[l] = fmaf(y[l], ds, fmaf(x[l], p, more[l]));
            }
            for (size_t l = 0; l < least(LANES, d - c); l++) to[c + l] += more[l];
        }
    }
}
