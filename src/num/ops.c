#include "t2i/ops.h"

#include <math.h>
#include <string.h>

#include "t2i/cpu.h"

enum { LANES = 16 };

/* The lanes in pairs: 8, 4, 2, 1. */
T2I_INLINE float fold_lanes(float lane[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

T2I_KERNEL(void, t2i_embed,
           (float *out, const float *embedding, const float *position, const uint16_t *ids,
            const uint16_t *pos, size_t T, size_t C),
           (out, embedding, position, ids, pos, T, C))
{
    for (size_t t = 0; t < T; t++) {
        const float *e = embedding + (size_t)ids[t] * C, *p = position + (size_t)pos[t] * C;
        for (size_t c = 0; c < C; c++) out[t * C + c] = e[c] + p[c];
    }
}

T2I_KERNEL(void, t2i_embed_back,
           (float *dembedding, const float *dout, const uint16_t *ids, size_t T, size_t C),
           (dembedding, dout, ids, T, C))
{
    for (size_t t = 0; t < T; t++) {
        float *d = dembedding + (size_t)ids[t] * C;
        for (size_t c = 0; c < C; c++) d[c] += dout[t * C + c];
    }
}

T2I_KERNEL(void, t2i_layer_norm,
           (float *restrict out, float *restrict mean, float *restrict rstd,
            const float *restrict x, const float *restrict weight, const float *restrict bias,
            size_t T, size_t C),
           (out, mean, rstd, x, weight, bias, T, C))
{
    for (size_t t = 0; t < T; t++) {
        const float *row = x + t * C;
        float sum[LANES] = {0}, square[LANES] = {0};
        size_t c = 0;
        for (; c + LANES <= C; c += LANES)
            for (size_t l = 0; l < LANES; l++) sum[l] += row[c + l];
        for (size_t l = 0; c + l < C; l++) sum[l] += row[c + l];
        float m = fold_lanes(sum) / (float)C;
        for (c = 0; c + LANES <= C; c += LANES)
            for (size_t l = 0; l < LANES; l++) square[l] += (row[c + l] - m) * (row[c + l] - m);
        for (size_t l = 0; c + l < C; l++) square[l] += (row[c + l] - m) * (row[c + l] - m);
        float r = 1.0f / sqrtf(fold_lanes(square) / (float)C + 1e-5f);
        for (c = 0; c < C; c++) out[t * C + c] = (row[c] - m) * r * weight[c] + bias[c];
        mean[t] = m;
        rstd[t] = r;
    }
}

T2I_KERNEL(void, t2i_layer_norm_back,
           (float *restrict dx, float *restrict dweight, float *restrict dbias,
            const float *restrict dout, const float *restrict x, const float *restrict mean,
            const float *restrict rstd, const float *restrict weight, size_t T, size_t C),
           (dx, dweight, dbias, dout, x, mean, rstd, weight, T, C))
{
    memset(dweight, 0, C * sizeof *dweight);
    memset(dbias, 0, C * sizeof *dbias);
    for (size_t t = 0; t < T; t++) {
        const float *row = x + t * C, *d = dout + t * C;
        float m = mean[t], r = rstd[t];
        float sum[LANES] = {0}, dot[LANES] = {0};
        size_t c = 0;
        for (; c + LANES <= C; c += LANES)
            for (size_t l = 0; l < LANES; l++) {
                float g = d[c + l] * weight[c + l];
                sum[l] += g;
                dot[l] += g * ((row[c + l] - m) * r);
            }
        for (size_t l = 0; c + l < C; l++) {
            float g = d[c + l] * weight[c + l];
            sum[l] += g;
            dot[l] += g * ((row[c + l] - m) * r);
        }
        float mean_g = fold_lanes(sum) / (float)C, mean_dot = fold_lanes(dot) / (float)C;
        for (c = 0; c < C; c++) {
            float normal = (row[c] - m) * r;
            dx[t * C + c] += r * (d[c] * weight[c] - mean_g - normal * mean_dot);
            dweight[c] += d[c] * normal;
            dbias[c] += d[c];
        }
    }
}

T2I_KERNEL(void, t2i_add_bias, (float *restrict x, const float *restrict bias, size_t T, size_t C),
           (x, bias, T, C))
{
    if (bias == NULL) return;
    for (size_t t = 0; t < T; t++)
        for (size_t c = 0; c < C; c++) x[t * C + c] += bias[c];
}

T2I_KERNEL(void, t2i_add_bias_relu,
           (float *restrict x, const float *restrict bias, size_t T, size_t C), (x, bias, T, C))
{
    for (size_t t = 0; t < T; t++)
        for (size_t c = 0; c < C; c++) {
            float y = bias == NULL ? x[t * C + c] : x[t * C + c] + bias[c];
            x[t * C + c] = y < 0.0f ? 0.0f : y; /* written so that a NaN stays one */
        }
}

T2I_KERNEL(void, t2i_add_residual,
           (float *restrict out, const float *restrict x, const float *restrict y,
            const float *restrict bias, size_t T, size_t C),
           (out, x, y, bias, T, C))
{
    for (size_t t = 0; t < T; t++)
        for (size_t c = 0; c < C; c++)
            out[t * C + c] = x[t * C + c] + (bias == NULL ? y[t * C + c] : y[t * C + c] + bias[c]);
}

T2I_KERNEL(void, t2i_relu_back, (float *restrict dx, const float *restrict out, size_t count),
           (dx, out, count))
{
    for (size_t i = 0; i < count; i++) dx[i] = out[i] == 0.0f ? 0.0f : dx[i];
}

T2I_KERNEL(void, t2i_bias_back,
           (float *restrict dbias, const float *restrict dout, size_t T, size_t C),
           (dbias, dout, T, C))
{
    memset(dbias, 0, C * sizeof *dbias);
    for (size_t t = 0; t < T; t++)
        for (size_t c = 0; c < C; c++) dbias[c] += dout[t * C + c];
}

T2I_KERNEL(void, t2i_add, (float *restrict x, const float *restrict y, size_t count), (x, y, count))
{
    for (size_t i = 0; i < count; i++) x[i] += y[i];
}

T2I_KERNEL(void, t2i_exp, (float *x, size_t count), (x, count))
{
    for (size_t i = 0; i < count; i++) {
        float v = x[i] < -87.0f ? -87.0f : x[i];
        /* 2^n with n = round(v / ln 2); adding and taking away 1.5 * 2^23 rounds to a whole number
         */
        float n = (v * 1.44269504f + 12582912.0f) - 12582912.0f;
        float r = (v - n * 0.693359375f) + n * 2.12194440e-4f;
        float p = 1.9875691500e-4f;
        p = p * r + 1.3981999507e-3f;
        p = p * r + 8.3334519073e-3f;
        p = p * r + 4.1665795894e-2f;
        p = p * r + 1.6666665459e-1f;
        p = p * r + 5.0000001201e-1f;
        p = p * (r * r) + r + 1.0f;
        uint32_t bits = (uint32_t)((int32_t)(n == n ? n : 0.0f) + 127)
                        << 23; /* a NaN goes on in p */
        float power;
        memcpy(&power, &bits, sizeof power);
        x[i] = x[i] < -87.0f ? 0.0f : p * power;
    }
}

/* Tokens rounded up to whole groups of lanes: the row length of transposed keys or values. */
T2I_INLINE size_t padded(size_t T)
{
    return (T + LANES - 1) / LANES * LANES;
}

size_t t2i_attention_scratch(size_t T, size_t dk)
{
    return (dk + 1) * padded(T) + T * T;
}

/* across (dk, padded T) = the transpose of T vectors of dk floats, `stride` apart; padding is zero.
 */
T2I_INLINE void transpose(float *across, const float *from, size_t T, size_t dk, size_t stride)
{
    size_t width = padded(T);
    for (size_t c = 0; c < dk; c++) {
        for (size_t t = 0; t < T; t++) across[c * width + t] = from[t * stride + c];
        for (size_t t = T; t < width; t++) across[c * width + t] = 0.0f;
    }
}

/* out[j] = sum over c of x[c] * across[c][j], for j < count rounded up to lanes; `width` is
 * across's row length. */
T2I_INLINE void dots(float *restrict out, const float *restrict x, const float *restrict across,
                     size_t count, size_t dk, size_t width)
{
    for (size_t j = 0; j < count; j += LANES) {
        float sum[LANES] = {0};
        for (size_t c = 0; c < dk; c++)
            for (size_t l = 0; l < LANES; l++) sum[l] += x[c] * across[c * width + j + l];
        for (size_t l = 0; l < LANES; l++) out[j + l] = sum[l];
    }
}

/* out[c] = sum over j < count of weight[j * weight_stride] * from[j * stride + c], for c < dk. */
T2I_INLINE void mix(float *restrict out, const float *restrict weight, size_t weight_stride,
                    const float *restrict from, size_t stride, size_t count, size_t dk)
{
    size_t c = 0;
    for (; c + LANES <= dk; c += LANES) {
        float sum[LANES] = {0};
        for (size_t j = 0; j < count; j++)
            for (size_t l = 0; l < LANES; l++)
                sum[l] += weight[j * weight_stride] * from[j * stride + c + l];
        for (size_t l = 0; l < LANES; l++) out[c + l] = sum[l];
    }
    for (; c < dk; c++) {
        float sum = 0.0f;
        for (size_t j = 0; j < count; j++) sum += weight[j * weight_stride] * from[j * stride + c];
        out[c] = sum;
    }
}

T2I_KERNEL(void, t2i_attention,
           (float *restrict out, float *restrict prob, const float *restrict qkv,
            float *restrict scratch, size_t T, size_t first_query, size_t dk, size_t stride,
            size_t out_stride),
           (out, prob, qkv, scratch, T, first_query, dk, stride, out_stride))
{
    size_t width = padded(T);
    float *keys = scratch, *score = scratch + dk * width;
    float scale = 1.0f / sqrtf((float)dk);
    transpose(keys, qkv + dk, T, dk, stride);
    for (size_t i = first_query; i < T; i++) {
        float *p = prob + (i - first_query) * T;
        dots(score, qkv + i * stride, keys, i + 1, dk, width);
        float most = score[0];
        for (size_t j = 1; j <= i; j++) most = score[j] > most ? score[j] : most;
        for (size_t j = 0; j <= i; j++) score[j] = (score[j] - most) * scale;
        t2i_exp(score, i + 1);
        float sum[LANES] = {0};
        size_t j = 0;
        for (; j + LANES <= i + 1; j += LANES)
            for (size_t l = 0; l < LANES; l++) sum[l] += score[j + l];
        for (size_t l = 0; j + l <= i; l++) sum[l] += score[j + l];
        float inverse = 1.0f / fold_lanes(sum);
        for (j = 0; j <= i; j++) p[j] = score[j] * inverse;
        for (; j < T; j++) p[j] = 0.0f;
        mix(out + (i - first_query) * out_stride, p, 1, qkv + 2 * dk, stride, i + 1, dk);
    }
}

T2I_KERNEL(void, t2i_attention_back,
           (float *restrict dqkv, const float *restrict dout, const float *restrict prob,
            const float *restrict qkv, float *restrict scratch, size_t T, size_t first_query,
            size_t dk, size_t stride, size_t out_stride),
           (dqkv, dout, prob, qkv, scratch, T, first_query, dk, stride, out_stride))
{
    size_t width = padded(T), queries = T - first_query;
    float *values = scratch, *dprob = scratch + dk * width;
    float *dscore = dprob + width; /* (queries, T) */
    float scale = 1.0f / sqrtf((float)dk);
    transpose(values, qkv + 2 * dk, T, dk, stride);
    for (size_t i = 0; i < queries; i++) {
        const float *p = prob + i * T;
        float *ds = dscore + i * T;
        size_t seen = first_query + i + 1, j = 0;
        dots(dprob, dout + i * out_stride, values, seen, dk, width);
        float sum[LANES] = {0};
        for (; j + LANES <= seen; j += LANES)
            for (size_t l = 0; l < LANES; l++) sum[l] += p[j + l] * dprob[j + l];
        for (size_t l = 0; j + l < seen; l++) sum[l] += p[j + l] * dprob[j + l];
        float mean = fold_lanes(sum);
        for (j = 0; j < seen; j++) ds[j] = p[j] * (dprob[j] - mean) * scale;
        for (; j < T; j++) ds[j] = 0.0f;
        mix(dqkv + (first_query + i) * stride, ds, 1, qkv + dk, stride, seen, dk);
    }
    for (size_t i = 0; i < first_query; i++) memset(dqkv + i * stride, 0, dk * sizeof *dqkv);
    for (size_t j = 0; j < T; j++) {
        size_t from = j > first_query ? j - first_query : 0; /* queries before j do not see it */
        mix(dqkv + j * stride + dk, dscore + from * T + j, T, qkv + (first_query + from) * stride,
            stride, queries - from, dk);
        mix(dqkv + j * stride + 2 * dk, prob + from * T + j, T, dout + from * out_stride,
            out_stride, queries - from, dk);
    }
}

T2I_KERNEL(double, t2i_squared_error,
           (float *restrict dprediction, const float *restrict prediction,
            const float *restrict target, float scale, size_t count),
           (dprediction, prediction, target, scale, count))
{
    double sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            float d = prediction[i + l] - target[i + l];
            dprediction[i + l] = scale * d;
            sum[l] += (double)d * (double)d;
        }
    for (size_t l = 0; i + l < count; l++) {
        float d = prediction[i + l] - target[i + l];
        dprediction[i + l] = scale * d;
        sum[l] += (double)d * (double)d;
    }
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) sum[l] += sum[l + half];
    return sum[0];
}
