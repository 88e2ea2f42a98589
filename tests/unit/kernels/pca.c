/* pca: what makes principal components (uncorrelated, ordered, orthonormal, best) on both paths. */
#include "kernels/blas.h"
#include "kernels/pca.h"

#include <math.h>

#include "test.h"
#include "base/rng.h"

static t2i_error err;

enum {
    MANY = 2100,
    HALF = MANY / 2,
    WIDE = 120
}; /* beyond 2,048 pictures the range finder works */

/* Pictures kept in memory; a count of the reads, to fail at one of them. */
typedef struct {
    uint8_t *pixels;
    size_t width;
    int reads, fail_at;
    double share; /* as last told */
} store;

static t2i_status read_store(void *context, size_t first, size_t count, uint8_t *pixels,
                             t2i_error *error)
{
    store *s = context;
    if (++s->reads == s->fail_at) return t2i_fail(error, T2I_IO, "the disk is gone");
    memcpy(pixels, s->pixels + first * s->width, count * s->width);
    return T2I_OK;
}

static void hear(void *context, double share)
{
    store *s = context;
    CU_ASSERT(share >= s->share && share <= 1 + 1e-9);
    s->share = share;
}

/* A few directions of falling weight, and a little noise where `noise` is not 0. */
static store new_store(size_t count, size_t rank, double noise)
{
    store s = {.pixels = t2i_alloc(count, WIDE), .width = WIDE};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < WIDE; j++) {
            double x = 128 + noise * t2i_rng_normal(3, i, j);
            for (size_t k = 0; k < rank; k++)
                x += 40.0 / (double)(k + 1) * t2i_rng_normal(1, i, k) * t2i_rng_normal(2, k, j) / 2;
            s.pixels[i * WIDE + j] = (uint8_t)fmin(fmax(x, 0), 255);
        }
    return s;
}

static t2i_pca fit(store *s, size_t count, size_t most)
{
    t2i_pca pca;
    const t2i_pca_source source = {count, s->width, read_store, hear, s, NULL};
    s->share = 0;
    OK(t2i_pca_fit(&pca, &source, most, &err));
    return pca;
}

/* Features of the pictures; the squared error of the decoded ones, as a share of their variance. */
static double encode(const t2i_pca *pca, const store *s, size_t count, float *features)
{
    float *x = t2i_alloc(count * s->width, sizeof *x);
    float *work = t2i_alloc(count * s->width, sizeof *work);
    float *packed = t2i_alloc(t2i_pca_packed(pca), sizeof *packed);
    double error = 0, total = 0;
    t2i_pca_pack_encode(pca, packed);
    t2i_pca_encode(pca, packed, s->pixels, count, features, work);
    t2i_pca_pack_decode(pca, packed);
    t2i_pca_decode(pca, packed, features, count, x);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < s->width; j++) {
            double truth = s->pixels[i * s->width + j] / 255.0;
            error += pow(x[i * s->width + j] - truth, 2);
            total += pow(truth - pca->mean[j], 2);
        }
    t2i_free(x);
    t2i_free(work);
    t2i_free(packed);
    return error / total;
}

static void check_components(const t2i_pca *pca)
{
    double worst = 0;
    for (size_t a = 0; a < pca->dim; a++) {
        float most = 0;
        for (size_t j = 0; j < pca->width; j++)
            if (fabsf(pca->basis[a * pca->width + j]) > fabsf(most))
                most = pca->basis[a * pca->width + j];
        CU_ASSERT(most > 0);
        for (size_t b = 0; b <= a; b++) {
            double dot = 0;
            for (size_t j = 0; j < pca->width; j++)
                dot += (double)pca->basis[a * pca->width + j] * pca->basis[b * pca->width + j];
            worst = fmax(worst, fabs(dot / (pca->scale * pca->scale) - (a == b)));
        }
    }
    CU_ASSERT(worst < 1e-5);
}

/* Mean 0, uncorrelated, falling variances whose mean is 1, and what they leave out is what kept
 * says. */
static void check_features(const t2i_pca *pca, const store *s, size_t count)
{
    size_t D = pca->dim;
    float *y = t2i_alloc(count * D, sizeof *y);
    double left = encode(pca, s, count, y), sum = 0, before = 1e300, worst = 0;
    CU_ASSERT(fabs(left - (1 - pca->kept)) < 1e-5);
    for (size_t a = 0; a < D; a++)
        for (size_t b = 0; b <= a; b++) {
            double product = 0, mean = 0;
            for (size_t i = 0; i < count; i++) {
                product += (double)y[i * D + a] * y[i * D + b] / (double)count;
                mean += y[i * D + a] / (double)count;
            }
            worst = fmax(worst, fabs(mean));
            if (a != b) worst = fmax(worst, fabs(product));
            if (a != b) continue;
            sum += product;
            CU_ASSERT(product <= before * (1 + 1e-5));
            before = product;
        }
    CU_ASSERT(worst < 1e-4);
    CU_ASSERT(fabs(sum / (double)D - 1) < 1e-5);
    t2i_free(y);
}

static void few_pictures(void)
{
    store s = new_store(60, 12, 2);
    t2i_pca pca = fit(&s, 60, 10);
    CU_ASSERT(pca.dim == 10 && pca.width == WIDE && pca.kept > 0.9 && pca.kept < 1);
    CU_ASSERT(fabs(s.share - 1) < 1e-9);
    check_components(&pca);
    check_features(&pca, &s, 60);
    t2i_pca_free(&pca);
    pca = fit(&s, 60, 512); /* all there is: the pictures come back */
    CU_ASSERT(pca.dim == 59 && pca.kept > 1 - 1e-9);
    check_features(&pca, &s, 60);
    t2i_pca_free(&pca);
    t2i_free(s.pixels);
}

static void many_pictures(void)
{
    store s = new_store(MANY, 12, 2);
    t2i_pca pca = fit(&s, MANY, 12);
    CU_ASSERT(pca.dim == 12 && pca.kept > 0.9);
    CU_ASSERT(fabs(s.share - 1) < 1e-9);
    check_components(&pca);
    check_features(&pca, &s, MANY);
    t2i_pca_free(&pca);
    t2i_free(s.pixels);
}

/* Every picture twice changes nothing about the components, but moves the work to the other path.
 */
static void paths_agree(void)
{
    store s = new_store(MANY, 12, 2);
    memcpy(s.pixels + HALF * WIDE, s.pixels, HALF * WIDE);
    t2i_pca few = fit(&s, HALF, 12), many = fit(&s, MANY, 12);
    CU_ASSERT(few.dim == 12 && many.dim == 12);
    CU_ASSERT(fabs(few.kept - many.kept) < 1e-6);
    CU_ASSERT(fabs(few.scale / many.scale - 1) < 1e-6);
    double worst = 0;
    for (size_t i = 0; i < 8 * WIDE; i++) /* the last ones may be mixed among themselves */
        worst = fmax(worst, fabs((double)few.basis[i] - many.basis[i]) / few.scale);
    CU_ASSERT(worst < 1e-3);
    for (size_t j = 0; j < WIDE; j++) CU_ASSERT(few.mean[j] == many.mean[j]);
    t2i_pca_free(&few);
    t2i_pca_free(&many);
    t2i_free(s.pixels);
}

static void same_bits_again(void)
{
    store s = new_store(MANY, 5, 1);
    for (size_t count = 100; count <= MANY; count += 2000) {
        t2i_pca a = fit(&s, count, 20), b = fit(&s, count, 20);
        CU_ASSERT(a.dim == b.dim && a.scale == b.scale && a.kept == b.kept);
        CU_ASSERT(memcmp(a.basis, b.basis, a.dim * WIDE * sizeof *a.basis) == 0);
        t2i_pca_free(&a);
        t2i_pca_free(&b);
    }
    t2i_free(s.pixels);
}

/* Three different pictures, however often, span two dimensions. */
static void fewer_dimensions(void)
{
    store s = new_store(MANY, 4, 0);
    for (size_t i = 3; i < MANY; i++) memcpy(s.pixels + i * WIDE, s.pixels + i % 3 * WIDE, WIDE);
    static const size_t counts[] = {3, 4, 300, MANY};
    for (size_t i = 0; i < 4; i++) {
        t2i_pca pca = fit(&s, counts[i], 512);
        CU_ASSERT_EQUAL(pca.dim, 2);
        CU_ASSERT(pca.kept > 1 - 1e-6);
        check_components(&pca);
        check_features(&pca, &s, counts[i]);
        t2i_pca_free(&pca);
    }
    t2i_pca pca = fit(&s, 2, 512);
    CU_ASSERT_EQUAL(pca.dim, 1);
    check_features(&pca, &s, 2);
    t2i_pca_free(&pca);
    t2i_free(s.pixels);
}

static void all_alike(void)
{
    store s = new_store(MANY, 4, 0);
    for (size_t i = 1; i < MANY; i++) memcpy(s.pixels + i * WIDE, s.pixels, WIDE);
    static const size_t counts[] = {1, 2, 700, MANY};
    for (size_t i = 0; i < 4; i++) {
        float feature[1] = {7}, x[WIDE];
        t2i_pca pca = fit(&s, counts[i], 512);
        CU_ASSERT(pca.dim == 1 && pca.scale == 1 && pca.kept == 1);
        float *packed = t2i_alloc(t2i_pca_packed(&pca), sizeof *packed);
        t2i_pca_pack_encode(&pca, packed);
        t2i_pca_encode(&pca, packed, s.pixels, 1, feature, x);
        CU_ASSERT(feature[0] == 0);
        t2i_pca_pack_decode(&pca, packed);
        t2i_pca_decode(&pca, packed, feature, 1, x);
        t2i_free(packed);
        for (size_t j = 0; j < WIDE; j++) CU_ASSERT(fabsf(x[j] * 255 - s.pixels[j]) < 1e-3f);
        t2i_pca_free(&pca);
    }
    /* one byte that differs is not nothing */
    s.pixels[5] ^= 1;
    t2i_pca pca = fit(&s, MANY, 512);
    CU_ASSERT(pca.dim == 1 && pca.kept > 1 - 1e-6 && pca.basis[5] > 0);
    t2i_pca_free(&pca);
    t2i_free(s.pixels);
}

static void reading_fails(void)
{
    store s = new_store(MANY, 4, 1);
    for (size_t count = 100; count <= MANY; count += 2000) {
        const t2i_pca_source source = {count, WIDE, read_store, NULL, &s, NULL};
        int reads;
        t2i_pca pca;
        s.reads = s.fail_at = 0;
        OK(t2i_pca_fit(&pca, &source, 8, &err));
        t2i_pca_free(&pca);
        reads = s.reads;
        CU_ASSERT(reads >= 2);
        for (s.fail_at = 1; s.fail_at <= reads; s.fail_at++) {
            s.reads = 0;
            FAILS(t2i_pca_fit(&pca, &source, 8, &err), T2I_IO, "the disk is gone");
            CU_ASSERT(pca.mean == NULL && pca.basis == NULL && pca.dim == 0);
        }
    }
    t2i_free(s.pixels);
}

int main(void)
{
    static const t2i_test tests[] = {{"few pictures: Gram matrix", few_pictures},
                                     {"many pictures: range finder", many_pictures},
                                     {"both paths find the same", paths_agree},
                                     {"the same bits again", same_bits_again},
                                     {"pictures that span less", fewer_dimensions},
                                     {"pictures that are all alike", all_alike},
                                     {"reading fails at any block", reading_fails}};
    return t2i_test_main("pca", tests, sizeof tests / sizeof *tests);
}
