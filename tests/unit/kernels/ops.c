/* Kernels against plain loops in double, at sizes around the 16 lanes; and the same bits whenever
 * and wherever they are called. Where a kernel does one operation an element, or sums in a written
 * order, its bits are compared. */
#include "test.h"

#include <math.h>
#include <stdint.h>

#include "kernels/ops.h"
#include "base/rng.h"

enum { SIZES = 7, TOKENS = 4, MOST = 100 * 19 };
static const size_t sizes[SIZES] = {1, 2, 15, 16, 17, 33, 100};
static const size_t tokens[TOKENS] = {1, 2, 3, 19};
static uint64_t stream;

/* Numbers about 1, never the same twice. */
static void fill(float *out, size_t count)
{
    stream++;
    for (size_t i = 0; i < count; i++) out[i] = (float)t2i_rng_normal(11, stream, i);
}

/* A number that a kernel must overwrite, or leave alone. */
static void taint(float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = 12345.0f;
}

static int same(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

/* Largest difference, relative to the largest number; what is not a number is as far off as can be.
 */
static double off(const float *got, const double *right, size_t count)
{
    double most = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(got[i])) return INFINITY;
        most = fmax(most, fabs(right[i]));
        worst = fmax(worst, fabs((double)got[i] - right[i]));
    }
    return most > 0 ? worst / most : worst;
}

static void each_size(void (*check)(size_t T, size_t C))
{
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t c = 0; c < SIZES; c++) check(tokens[t], sizes[c]);
}

/* ---- element by element: bits ---- */

static void check_embed(size_t T, size_t C)
{
    enum { VOCAB = 3, BLOCK = 5 };
    static float embedding[VOCAB * 100], position[BLOCK * 100], out[MOST], right[MOST],
        gradient[VOCAB * 100], summed[VOCAB * 100];
    uint16_t ids[19], pos[19];
    for (size_t t = 0; t < T; t++) {
        ids[t] = (uint16_t)(t * 2 % VOCAB);
        pos[t] = (uint16_t)(t * 3 % BLOCK);
    }
    fill(embedding, VOCAB * C);
    fill(position, BLOCK * C);
    fill(gradient, VOCAB * C);
    memcpy(summed, gradient, sizeof summed);
    taint(out, MOST);
    t2i_ops_embed(out, embedding, position, ids, pos, T, C);
    for (size_t t = 0; t < T; t++)
        for (size_t c = 0; c < C; c++) {
            right[t * C + c] = embedding[ids[t] * C + c] + position[pos[t] * C + c];
            summed[ids[t] * C + c] += out[t * C + c];
        }
    CU_ASSERT_TRUE(same(out, right, T * C));
    t2i_ops_embed_back(gradient, out, ids, T, C);
    CU_ASSERT_TRUE(same(gradient, summed, VOCAB * C));
}

static void check_bias(size_t T, size_t C)
{
    static float x[MOST], bias[100], sum[100];
    fill(x, T * C);
    taint(bias, C);
    t2i_ops_bias_back(bias, x, C, T, C, 0); /* set, not added to */
    memset(sum, 0, sizeof sum);
    for (size_t i = 0; i < T * C; i++) sum[i % C] += x[i];
    CU_ASSERT_TRUE(same(bias, sum, C));
}

static void check_flat(size_t T, size_t C)
{
    static float x[MOST], y[MOST], out[MOST], right[MOST];
    size_t count = T * C;
    fill(x, count);
    fill(y, count);
    memcpy(out, x, sizeof out);
    t2i_ops_add(out, y, count);
    for (size_t i = 0; i < count; i++) right[i] = x[i] + y[i];
    CU_ASSERT_TRUE(same(out, right, count));
}

static void test_elements(void)
{
    each_size(check_embed);
    each_size(check_bias);
    each_size(check_flat);
}

/* A loss that is not a number must stay one: a step is skipped by it. */
static void test_nan(void)
{
    float x[17], weight[17], bias[17], out[17], mean, rstd;
    fill(x, 17);
    fill(weight, 17);
    fill(bias, 17);
    x[16] = NAN;
    t2i_ops_layer_norm(out, &mean, &rstd, x, weight, bias, 1, 17);
    CU_ASSERT_TRUE(isnan(out[0]) && isnan(out[16]));
    t2i_ops_exp(x, 17);
    CU_ASSERT_TRUE(isnan(x[16]));
    float target = 1.0f, prediction = NAN, gradient;
    CU_ASSERT_TRUE(isnan(t2i_ops_squared_error(&gradient, &prediction, &target, 1.0f, 1)) &&
                   isnan(gradient));
}

/* ---- layer norm ---- */

/* The gradient through normal = (x - mean) r by its whole Jacobian: r (delta - 1/C - normal normal'
 * / C). */
static void norm_back_row(double *dx, const float *dout, const float *weight, const double *normal,
                          double r, size_t C)
{
    for (size_t j = 0; j < C; j++)
        for (size_t c = 0; c < C; c++)
            dx[j] += (double)dout[c] * (double)weight[c] * r *
                     ((c == j ? 1.0 : 0.0) - 1.0 / (double)C - normal[c] * normal[j] / (double)C);
}

static void check_layer_norm(size_t T, size_t C)
{
    static float x[MOST], weight[100], bias[100], out[MOST], dout[MOST], dx[MOST], dweight[100],
        dbias[100];
    static double right[MOST], rdx[MOST], normal[100];
    float mean[19], rstd[19];
    double rdweight[100] = {0}, rdbias[100] = {0}, rmean[19], rrstd[19];
    fill(x, T * C);
    fill(weight, C);
    fill(bias, C);
    fill(dout, T * C);
    fill(dx, T * C);
    for (size_t t = 0; t < T; t++) {
        double sum = 0, square = 0;
        for (size_t c = 0; c < C; c++)
            sum += (double)(x[t * C + c] += 3.0f); /* a mean to take away */
        rmean[t] = sum / (double)C;
        for (size_t c = 0; c < C; c++) square += pow((double)x[t * C + c] - rmean[t], 2);
        rrstd[t] = 1.0 / sqrt(square / (double)C + 1e-5);
        for (size_t c = 0; c < C; c++) {
            normal[c] = ((double)x[t * C + c] - rmean[t]) * rrstd[t];
            right[t * C + c] = normal[c] * (double)weight[c] + (double)bias[c];
            rdweight[c] += (double)dout[t * C + c] * normal[c];
            rdbias[c] += (double)dout[t * C + c];
            rdx[t * C + c] = (double)dx[t * C + c];
        }
        norm_back_row(rdx + t * C, dout + t * C, weight, normal, rrstd[t], C);
    }
    taint(out, MOST);
    taint(dweight, C);
    taint(dbias, C);
    t2i_ops_layer_norm(out, mean, rstd, x, weight, bias, T, C);
    CU_ASSERT_TRUE(off(mean, rmean, T) < 1e-6);
    CU_ASSERT_TRUE(off(rstd, rrstd, T) < 1e-5);
    CU_ASSERT_TRUE(off(out, right, T * C) < 1e-5);
    t2i_ops_layer_norm_back(dx, dweight, dbias, dout, x, mean, rstd, weight, T, C);
    /* with one or two columns r is large and its factor all but nothing: what is left is rounding
     */
    if (C > 2) CU_ASSERT_TRUE(off(dx, rdx, T * C) < 2e-5);
    CU_ASSERT_TRUE(off(dweight, rdweight, C) < 2e-5 || C == 1);
    CU_ASSERT_TRUE(off(dbias, rdbias, C) < 1e-5);
}

static void test_layer_norm(void)
{
    each_size(check_layer_norm);
}

/* ---- the exponential ---- */

static void test_exp(void)
{
    enum { COUNT = 870001 };
    float *x = t2i_alloc(COUNT, sizeof *x), *y = t2i_alloc(COUNT, sizeof *y);
    double worst = 0;
    for (size_t i = 0; i < COUNT; i++) y[i] = x[i] = -(float)i * 1e-4f;
    t2i_ops_exp(y, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        double right = exp((double)x[i]);
        double unit = ldexp(1.0, ilogb(right) - 23);
        double units = fabs((double)y[i] - right) / unit;
        worst = units <= worst ? worst : isnan(units) ? INFINITY : units;
    }
    CU_ASSERT_TRUE(worst <= 2.0);
    CU_ASSERT_EQUAL(y[0], 1.0f);
    float far[] = {-0.0f, -87.0f, -87.1f, -1000.0f, -INFINITY, -1e-30f};
    t2i_ops_exp(far, 6);
    CU_ASSERT_EQUAL(far[0], 1.0f);
    CU_ASSERT_DOUBLE_EQUAL((double)far[1] / exp(-87.0), 1.0, 1e-6);
    CU_ASSERT_TRUE(far[2] == 0.0f && far[3] == 0.0f && far[4] == 0.0f && far[5] == 1.0f);
    t2i_free(x);
    t2i_free(y);
}

/* ---- the loss ---- */

static void test_squared_error(void)
{
    static float p[1000], t[1000], d[1000];
    for (size_t k = 0; k <= SIZES; k++) {
        size_t count = k < SIZES ? sizes[k] : 1000;
        double right = 0;
        fill(p, count);
        fill(t, count);
        double got = t2i_ops_squared_error(d, p, t, 0.375f, count);
        for (size_t i = 0; i < count; i++) {
            float difference = p[i] - t[i];
            right += (double)difference * (double)difference;
            CU_ASSERT_EQUAL(d[i], 0.375f * difference);
        }
        CU_ASSERT_DOUBLE_EQUAL(got / right, 1.0, 1e-14);
    }
    CU_ASSERT_EQUAL(t2i_ops_squared_error(d, p, t, 1.0f, 0), 0.0);
}

/* ---- bits that depend on nothing but the shape ---- */

/* The sums of layer norm, softmax and loss, with all operands `shift` floats beyond a cache line.
 */
static void sums(float *result, size_t shift, size_t C)
{
    float *room = t2i_alloc(8 * 128, sizeof *room), *part[8];
    for (size_t i = 0; i < 8; i++) part[i] = room + 128 * i + shift;
    stream = 1000;
    for (size_t i = 0; i < 4; i++) fill(part[i], C);
    t2i_ops_layer_norm(part[4], result, result + 1, part[0], part[1], part[2], 1, C);
    t2i_ops_layer_norm_back(part[3], part[5], part[6], part[4], part[0], result, result + 1,
                            part[1], 1, C);
    result[2] = (float)t2i_ops_squared_error(part[7], part[4], part[3], 1.0f, C);
    memcpy(result + 3, part[3], C * sizeof *result);
    memcpy(result + 3 + C, part[4], C * sizeof *result);
    t2i_free(room);
}

static void test_same_bits(void)
{
    for (size_t c = 0; c < SIZES; c++) {
        float first[203], other[203];
        sums(first, 0, sizes[c]);
        for (size_t shift = 0; shift < 17; shift++) {
            sums(other, shift, sizes[c]);
            CU_ASSERT_TRUE(same(first, other, 3 + 2 * sizes[c]));
        }
    }
}

/* 16 lanes, then the lanes in pairs: 8, 4, 2, 1. */
static void test_order_of_sums(void)
{
    enum { C = 50 };
    float x[C], weight[C], bias[C], out[C], mean, rstd, lane[16] = {0};
    fill(x, C);
    fill(weight, C);
    fill(bias, C);
    for (size_t c = 0; c < C; c++) lane[c % 16] += x[c];
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    t2i_ops_layer_norm(out, &mean, &rstd, x, weight, bias, 1, C);
    CU_ASSERT_EQUAL(mean, lane[0] / (float)C);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"embedding, biases, residual, ReLU: the very bits", test_elements},
        {"what is not a number stays so", test_nan},
        {"layer norm forward and backward", test_layer_norm},
        {"exp within two units in the last place", test_exp},
        {"squared error and its gradient", test_squared_error},
        {"bits do not depend on addresses", test_same_bits},
        {"sums are added in 16 lanes", test_order_of_sums},
    };
    return t2i_test_main("ops", tests, sizeof tests / sizeof *tests);
}
