#include "kernels/ops.h"

#include <math.h>
#include <string.h>

#include "kernels/lanes.h"

T2I_KERNEL(void, t2i_ops_embed,
           (float *out, const float *embedding, const float *position, const uint16_t *ids,
            const uint16_t *pos, size_t T, size_t C),
           (out, embedding, position, ids, pos, T, C))
{
    for (size_t t = 0; t < T; t++) {
        const float *e = embedding + (size_t)ids[t] * C, *p = position + (size_t)pos[t] * C;
        for (size_t c = 0; c < C; c++) out[t * C + c] = e[c] + p[c];
    }
}

T2I_KERNEL(void, t2i_ops_embed_back,
           (float *dembedding, const float *dout, const uint16_t *ids, size_t T, size_t C),
           (dembedding, dout, ids, T, C))
{
    for (size_t t = 0; t < T; t++) {
        float *d = dembedding + (size_t)ids[t] * C;
        for (size_t c = 0; c < C; c++) d[c] += dout[t * C + c];
    }
}

T2I_KERNEL(void, t2i_ops_embed_bag,
           (float *restrict out, const float *restrict table, const uint32_t *ids, size_t T,
            size_t G, size_t C, float scale),
           (out, table, ids, T, G, C, scale))
{
    for (size_t t = 0; t < T; t++) {
        float *to = out + t * C;
        memset(to, 0, C * sizeof *to);
        for (size_t g = 0; g < G; g++) {
            if (ids[t * G + g] == T2I_NO_ROW) continue;
            const float *row = table + (size_t)ids[t * G + g] * C;
            for (size_t c = 0; c < C; c++) to[c] += row[c];
        }
        for (size_t c = 0; c < C; c++) to[c] *= scale;
    }
}

T2I_KERNEL(void, t2i_ops_embed_bag_back,
           (float *restrict dtable, const float *restrict dout, const uint32_t *ids, size_t T,
            size_t G, size_t C, float scale),
           (dtable, dout, ids, T, G, C, scale))
{
    for (size_t t = 0; t < T; t++)
        for (size_t g = 0; g < G; g++) {
            if (ids[t * G + g] == T2I_NO_ROW) continue;
            float *row = dtable + (size_t)ids[t * G + g] * C;
            for (size_t c = 0; c < C; c++) row[c] += scale * dout[t * C + c];
        }
}

T2I_KERNEL(void, t2i_ops_layer_norm,
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
        float m = t2i_reduce_lanes(sum) / (float)C;
        for (c = 0; c + LANES <= C; c += LANES)
            for (size_t l = 0; l < LANES; l++) square[l] += (row[c + l] - m) * (row[c + l] - m);
        for (size_t l = 0; c + l < C; l++) square[l] += (row[c + l] - m) * (row[c + l] - m);
        float r = 1.0f / sqrtf(t2i_reduce_lanes(square) / (float)C + 1e-5f);
        for (c = 0; c < C; c++) out[t * C + c] = (row[c] - m) * r * weight[c] + bias[c];
        mean[t] = m;
        rstd[t] = r;
    }
}

T2I_KERNEL(void, t2i_ops_layer_norm_back,
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
        float mean_g = t2i_reduce_lanes(sum) / (float)C,
              mean_dot = t2i_reduce_lanes(dot) / (float)C;
        for (c = 0; c < C; c++) {
            float normal = (row[c] - m) * r;
            dx[t * C + c] += r * (d[c] * weight[c] - mean_g - normal * mean_dot);
            dweight[c] += d[c] * normal;
            dbias[c] += d[c];
        }
    }
}

T2I_KERNEL(void, t2i_ops_bias_back,
           (float *restrict dbias, const float *restrict dout, size_t dout_row, size_t T, size_t C,
            int add),
           (dbias, dout, dout_row, T, C, add))
{
    if (!add) memset(dbias, 0, C * sizeof *dbias);
    for (size_t t = 0; t < T; t++)
        for (size_t c = 0; c < C; c++) dbias[c] += dout[t * dout_row + c];
}

T2I_KERNEL(void, t2i_ops_add, (float *restrict x, const float *restrict y, size_t count),
           (x, y, count))
{
    for (size_t i = 0; i < count; i++) x[i] += y[i];
}

T2I_KERNEL(void, t2i_ops_mask, (float *out, const float *x, const float *mask, size_t count),
           (out, x, mask, count))
{
    for (size_t i = 0; i < count; i++) out[i] = x[i] * mask[i];
}

T2I_KERNEL(void, t2i_ops_mask_add,
           (float *restrict x, const float *restrict mask, const float *restrict residual,
            size_t count),
           (x, mask, residual, count))
{
    for (size_t i = 0; i < count; i++) x[i] = residual[i] + x[i] * mask[i];
}

T2I_KERNEL(void, t2i_ops_exp, (float *x, size_t count), (x, count))
{
    t2i_part part = {0};
    size_t i = 0;
    for (; i + T2I_PART <= count; i += T2I_PART) {
        memcpy(&part, x + i, sizeof part);
        t2i_exp_part(&part);
        memcpy(x + i, &part, sizeof part);
    }
    if (i == count) return;
    memcpy(&part, x + i, (count - i) * sizeof *x);
    t2i_exp_part(&part);
    memcpy(x + i, &part, (count - i) * sizeof *x);
}

T2I_KERNEL(double, t2i_ops_squared_error,
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
    return t2i_fold_lanes(sum);
}

T2I_KERNEL(double, t2i_ops_dot, (const float *a, const float *b, size_t count), (a, b, count))
{
    double sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += (double)a[i + l] * (double)b[i + l];
    for (size_t l = 0; i + l < count; l++) sum[l] += (double)a[i + l] * (double)b[i + l];
    return t2i_fold_lanes(sum);
}

T2I_KERNEL(void, t2i_ops_scale, (float *out, const float *x, double factor, size_t count),
           (out, x, factor, count))
{
    for (size_t i = 0; i < count; i++) out[i] = (float)((double)x[i] * factor);
}

void t2i_ops_normalise(float *out, const float *x, size_t count)
{
    double length = sqrt(t2i_ops_dot(x, x, count));
    t2i_ops_scale(out, x, length > 1e-12 ? 1 / length : 0, count);
}
