/* ridge: the regression from features to pictures against a naive one, its choice of a penalty, and
 * the cases in which there is little or nothing to learn. */
#include "kernels/ridge.h"

#include <math.h>

#include "test.h"
#include "kernels/blas.h"
#include "base/rng.h"

static t2i_error err;

enum { WIDE = 40, MOST = 1300, DIM = 24 }; /* more pictures than a block has */

/* Pictures and features kept in memory; a count of the reads, to fail at one of them. */
typedef struct {
    size_t dim, width;
    float *feature;
    uint8_t *pixels;
    int reads, fail_at;
    double share; /* as last told */
} store;

static t2i_status read_store(void *context, size_t first, size_t count, float *feature,
                             uint8_t *pixels, t2i_error *error)
{
    store *s = context;
    if (++s->reads == s->fail_at) return t2i_fail(error, T2I_IO, "the disk is gone");
    memcpy(feature, s->feature + first * s->dim, count * s->dim * sizeof *feature);
    memcpy(pixels, s->pixels + first * s->width, count * s->width);
    return T2I_OK;
}

static void hear(void *context, double share)
{
    store *s = context;
    CU_ASSERT(share >= s->share && share <= 1 + 1e-9);
    s->share = share;
}

/* Pictures from features by a map of which `rows` rows are not zero, and noise. The features have a
 * mean far from zero and are of unlike sizes. */
static store new_store(size_t count, size_t dim, size_t width, size_t rows, double noise)
{
    store s = {.dim = dim, .width = width};
    s.feature = t2i_alloc(count * dim, sizeof *s.feature);
    s.pixels = t2i_alloc(count, width);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < dim; k++)
            s.feature[i * dim + k] = (float)(5 + (double)(1 + k % 3) * t2i_rng_normal(1, i, k));
        for (size_t j = 0; j < width; j++) {
            double x = 128 + noise * t2i_rng_normal(3, i, j);
            for (size_t k = 0; k < rows; k++)
                x += 25 / sqrt((double)rows) * t2i_rng_normal(2, k, j) *
                     ((double)s.feature[i * dim + k] - 5) / (double)(1 + k % 3);
            s.pixels[i * width + j] = (uint8_t)fmin(fmax(floor(x + 0.5), 0), 255);
        }
    }
    return s;
}

static void free_store(store *s)
{
    t2i_free(s->feature);
    t2i_free(s->pixels);
}

static t2i_ridge fit(store *s, size_t count, double penalty)
{
    t2i_ridge ridge;
    const t2i_ridge_source source = {count, s->dim, s->width, read_store, hear, s};
    s->share = 0;
    OK(t2i_ridge_fit(&ridge, &source, penalty, &err));
    CU_ASSERT(fabs(s->share - 1) < 1e-9);
    CU_ASSERT(ridge.dim == s->dim && ridge.width == s->width);
    return ridge;
}

/* Mean squared error, in bytes, of pictures [first, first + count). */
static double error_of(const t2i_ridge *ridge, const store *s, size_t first, size_t count)
{
    double sum = 0;
    for (size_t i = first; i < first + count; i++)
        for (size_t j = 0; j < s->width; j++) {
            double x = ridge->mean[j];
            for (size_t k = 0; k < s->dim; k++)
                x += (double)s->feature[i * s->dim + k] * ridge->basis[k * s->width + j];
            sum += pow(255 * x - s->pixels[i * s->width + j], 2);
        }
    return sum / (double)(count * s->width);
}

/* Gauss-Jordan on the normal equations, in double: basis (dim, width) and mean. */
static void naive(const store *s, size_t count, double penalty, double *basis, double *mean)
{
    size_t D = s->dim, W = s->width, row = D + W;
    double *a = t2i_alloc(D * row, sizeof *a), *x_mean = t2i_alloc(D, sizeof *x_mean);
    for (size_t k = 0; k < D; k++)
        for (size_t i = 0; i < count; i++) x_mean[k] += s->feature[i * D + k] / (double)count;
    for (size_t j = 0; j < W; j++) {
        mean[j] = 0;
        for (size_t i = 0; i < count; i++) mean[j] += s->pixels[i * W + j] / 255.0 / (double)count;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < D; k++) {
            double x = s->feature[i * D + k] - x_mean[k];
            for (size_t l = 0; l < D; l++)
                a[k * row + l] += x * (s->feature[i * D + l] - x_mean[l]);
            for (size_t j = 0; j < W; j++)
                a[k * row + D + j] += x * (s->pixels[i * W + j] / 255.0 - mean[j]);
        }
    for (size_t k = 0; k < D; k++) a[k * row + k] += penalty;
    for (size_t k = 0; k < D; k++)
        for (size_t l = 0; l < D; l++) {
            if (l == k) continue;
            double factor = a[l * row + k] / a[k * row + k];
            for (size_t j = k; j < row; j++) a[l * row + j] -= factor * a[k * row + j];
        }
    for (size_t k = 0; k < D; k++)
        for (size_t j = 0; j < W; j++) {
            basis[k * W + j] = a[k * row + D + j] / a[k * row + k];
            mean[j] -= x_mean[k] * basis[k * W + j];
        }
    t2i_free(a);
    t2i_free(x_mean);
}

static void as_naive(void)
{
    /* the last is wider than a tile */
    static const size_t counts[] = {30, MOST, 600}, widths[] = {WIDE, WIDE, 1100};
    static const double penalties[] = {0, 1e-3, 50, 1e5};
    for (size_t c = 0; c < 3; c++) {
        size_t W = widths[c];
        store s = new_store(counts[c], DIM, W, DIM, 10);
        double *basis = t2i_alloc(DIM * W, sizeof *basis), *mean = t2i_alloc(W, sizeof *mean);
        for (size_t p = 0; p < 4; p++) {
            t2i_ridge ridge = fit(&s, counts[c], penalties[p]);
            naive(&s, counts[c], penalties[p], basis, mean);
            double worst = 0, most = 0;
            for (size_t i = 0; i < DIM * W; i++) {
                worst = fmax(worst, fabs(ridge.basis[i] - basis[i]));
                most = fmax(most, fabs(basis[i]));
            }
            CU_ASSERT(ridge.penalty == penalties[p]);
            CU_ASSERT(worst < 2e-7 * most);
            for (size_t j = 0; j < W; j++)
                CU_ASSERT(fabs(ridge.mean[j] - mean[j]) < 2e-6 * fmax(1, 5 * DIM * most));
            double total = 0;
            for (size_t j = 0; j < W; j++) {
                double sum = 0, square = 0;
                for (size_t i = 0; i < counts[c]; i++) {
                    sum += s.pixels[i * W + j];
                    square += pow(s.pixels[i * W + j], 2);
                }
                total += square / (double)counts[c] - pow(sum / (double)counts[c], 2);
            }
            double left = error_of(&ridge, &s, 0, counts[c]) / (total / (double)W);
            CU_ASSERT(fabs(left - (1 - ridge.explained)) < 1e-4);
            t2i_ridge_free(&ridge);
        }
        t2i_free(basis);
        t2i_free(mean);
        free_store(&s);
    }
}

/* Without noise but bytes' rounding, the map itself is found, and little is taken off. */
static void known_map(void)
{
    store s = new_store(MOST, DIM, WIDE, DIM, 0);
    t2i_ridge ridge = fit(&s, 1000, -1);
    CU_ASSERT(ridge.penalty > 0 && ridge.explained > 0.999);
    double worst = 0;
    for (size_t k = 0; k < DIM; k++)
        for (size_t j = 0; j < WIDE; j++)
            worst =
                fmax(worst, fabs(255 * ridge.basis[k * WIDE + j] -
                                 25 / sqrt(DIM) * t2i_rng_normal(2, k, j) / (double)(1 + k % 3)));
    CU_ASSERT(worst < 0.1); /* of 5 or so; rounding to bytes leaves 0.3 / sqrt(1000) */
    CU_ASSERT(error_of(&ridge, &s, 1000, MOST - 1000) < 0.15);
    t2i_ridge_free(&ridge);
    free_store(&s);
}

/* The noisier, the more penalty; and new pictures are drawn better than without one. */
static void noise(void)
{
    static const size_t counts[] = {40, 26, 400}; /* the second: more features than pictures */
    static const size_t dims[] = {30, 40, 30};
    static const double weights[] = {1, 15, 60};
    for (size_t c = 0; c < 3; c++) {
        double before = 0;
        for (size_t w = 0; w < 3; w++) {
            store s = new_store(counts[c] + 500, dims[c], WIDE, 4, weights[w]);
            t2i_ridge chosen = fit(&s, counts[c], -1), plain = fit(&s, counts[c], 0);
            double new_chosen = error_of(&chosen, &s, counts[c], 500);
            double new_plain = error_of(&plain, &s, counts[c], 500);
            CU_ASSERT(chosen.penalty > before);
            CU_ASSERT(chosen.explained < plain.explained);
            if (w > 0) CU_ASSERT(new_chosen < new_plain * (counts[c] == 400 ? 1 : 0.9));
            /* no other penalty would have been much better */
            for (double factor = 1e-4; factor < 2e4; factor *= 10) {
                t2i_ridge other = fit(&s, counts[c], chosen.penalty * factor);
                CU_ASSERT(new_chosen < 1.15 * error_of(&other, &s, counts[c], 500));
                t2i_ridge_free(&other);
            }
            before = chosen.penalty;
            t2i_ridge_free(&chosen);
            t2i_ridge_free(&plain);
            free_store(&s);
        }
    }
}

/* A handful of pictures come back. */
static void few_pictures(void)
{
    store s = new_store(16, 512, WIDE, 0, 60);
    for (size_t count = 1; count <= 16; count++) {
        t2i_ridge ridge = fit(&s, count, -1);
        CU_ASSERT(error_of(&ridge, &s, 0, count) < 1e-6);
        CU_ASSERT(ridge.explained > 1 - 1e-9);
        t2i_ridge_free(&ridge);
    }
    free_store(&s);
}

/* Features that tell nothing apart: the mean picture, whatever the feature. */
static void features_alike(void)
{
    static const size_t counts[] = {1, 2, 17, MOST};
    store s = new_store(MOST, DIM, WIDE, 0, 40);
    for (size_t i = 1; i < MOST; i++)
        memcpy(s.feature + i * DIM, s.feature, DIM * sizeof *s.feature);
    for (size_t c = 0; c < 4; c++) {
        t2i_ridge ridge = fit(&s, counts[c], -1);
        CU_ASSERT(ridge.penalty == 0 && ridge.explained == (counts[c] == 1));
        for (size_t i = 0; i < DIM * WIDE; i++) CU_ASSERT(ridge.basis[i] == 0);
        for (size_t j = 0; j < WIDE; j++) {
            double mean = 0;
            for (size_t i = 0; i < counts[c]; i++) mean += s.pixels[i * WIDE + j];
            CU_ASSERT(fabs(255 * ridge.mean[j] - mean / (double)counts[c]) < 1e-4);
        }
        t2i_ridge_free(&ridge);
    }
    /* nor do differences of a float's last digit */
    for (size_t i = 0; i < MOST; i++)
        s.feature[i * DIM + i % DIM] *= i % 2 ? 1 - 0x1p-24f : 1 + 0x1p-23f;
    t2i_ridge ridge = fit(&s, MOST, 0);
    CU_ASSERT(ridge.explained == 0 && ridge.basis[0] == 0);
    t2i_ridge_free(&ridge);
    free_store(&s);
}

/* Some features constant, some copies of others: as if they were not there. */
static void idle_features(void)
{
    store s = new_store(400, DIM, WIDE, 4, 5);
    t2i_ridge whole = fit(&s, 400, 3);
    for (size_t i = 0; i < 400; i++) {
        for (size_t k = 12; k < DIM; k++) s.feature[i * DIM + k] = s.feature[i * DIM + k - 12];
        s.feature[i * DIM + 11] = s.feature[i * DIM + 23] = -7.3f;
    }
    t2i_ridge copies = fit(&s, 400, 0), chosen = fit(&s, 400, -1);
    for (size_t j = 0; j < WIDE; j++) {
        CU_ASSERT(fabsf(copies.basis[11 * WIDE + j]) < 1e-7f);
        for (size_t k = 0; k < 11; k++) /* the shortest solution shares between the copies */
            CU_ASSERT(fabsf(copies.basis[k * WIDE + j] - copies.basis[(k + 12) * WIDE + j]) <
                      1e-7f);
    }
    CU_ASSERT(copies.explained <= whole.explained && copies.explained > 0.8);
    CU_ASSERT(chosen.explained > 0.8);
    t2i_ridge_free(&whole);
    t2i_ridge_free(&copies);
    t2i_ridge_free(&chosen);
    free_store(&s);
}

/* A feature that hardly moves may still be the one that counts. */
static void faint_feature(void)
{
    store s = new_store(400, DIM, WIDE, 1, 0);
    for (size_t i = 0; i < 400; i++) s.feature[i * DIM] = 5 + (s.feature[i * DIM] - 5) * 1e-3f;
    t2i_ridge ridge = fit(&s, 400, -1);
    CU_ASSERT(ridge.explained > 0.99);
    t2i_ridge_free(&ridge);
    free_store(&s);
}

static void pictures_alike(void)
{
    static const size_t counts[] = {1, 2, 17, MOST};
    store s = new_store(MOST, DIM, WIDE, 0, 40);
    for (size_t i = 1; i < MOST; i++) memcpy(s.pixels + i * WIDE, s.pixels, WIDE);
    for (size_t c = 0; c < 4; c++) {
        t2i_ridge ridge = fit(&s, counts[c], -1);
        CU_ASSERT(ridge.explained == 1);
        for (size_t i = 0; i < DIM * WIDE; i++) CU_ASSERT(ridge.basis[i] == 0);
        for (size_t j = 0; j < WIDE; j++)
            CU_ASSERT(fabsf(255 * ridge.mean[j] - s.pixels[j]) < 1e-4f);
        t2i_ridge_free(&ridge);
    }
    /* one byte that differs is not nothing */
    s.pixels[5] ^= 1;
    t2i_ridge ridge = fit(&s, 17, -1);
    CU_ASSERT(ridge.explained < 1);
    CU_ASSERT(ridge.basis[5] != 0 && ridge.basis[4] == 0);
    t2i_ridge_free(&ridge);
    free_store(&s);
}

static void same_bits_again(void)
{
    store s = new_store(MOST, DIM, WIDE, 4, 20);
    t2i_ridge a = fit(&s, MOST, -1), b = fit(&s, MOST, -1);
    CU_ASSERT(a.penalty == b.penalty && a.explained == b.explained);
    CU_ASSERT(memcmp(a.basis, b.basis, DIM * WIDE * sizeof *a.basis) == 0);
    CU_ASSERT(memcmp(a.mean, b.mean, WIDE * sizeof *a.mean) == 0);
    t2i_ridge_free(&a);
    t2i_ridge_free(&b);
    free_store(&s);
}

static void refusals(void)
{
    store s = new_store(MOST, DIM, WIDE, 4, 20);
    const t2i_ridge_source source = {MOST, DIM, WIDE, read_store, NULL, &s};
    t2i_ridge ridge;
    for (s.fail_at = 1; s.fail_at <= 3; s.fail_at++) { /* blocks of 512 */
        s.reads = 0;
        FAILS(t2i_ridge_fit(&ridge, &source, -1, &err), T2I_IO, "the disk is gone");
        CU_ASSERT(ridge.mean == NULL && ridge.basis == NULL && ridge.dim == 0);
    }
    s.fail_at = 0;
    s.feature[600 * DIM + 7] = INFINITY;
    FAILS(t2i_ridge_fit(&ridge, &source, -1, &err), T2I_DATA, "feature 7 of picture 600 ");
    CU_ASSERT(ridge.mean == NULL && ridge.basis == NULL);
    free_store(&s);
}

int main(void)
{
    static const t2i_test tests[] = {{"as a naive regression", as_naive},
                                     {"a known map is found", known_map},
                                     {"a penalty that fits the noise", noise},
                                     {"few pictures come back", few_pictures},
                                     {"features that are all alike", features_alike},
                                     {"features that are idle", idle_features},
                                     {"a feature that hardly moves", faint_feature},
                                     {"pictures that are all alike", pictures_alike},
                                     {"the same bits again", same_bits_again},
                                     {"what is refused", refusals}};
    t2i_blas_begin();
    return t2i_test_main("ridge", tests, sizeof tests / sizeof *tests);
}
