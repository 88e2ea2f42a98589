#include "kernels/pca.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "kernels/blas.h"
#include "base/mem.h"
#include "base/rng.h"

/* LAPACK, which OpenBLAS holds. */
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *work_size, int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau,
             double *work, const int *work_size, int *info);

enum {
    GRAM_MAX = 2048,       /* pictures: beyond, the range finder is cheaper */
    BLOCK = 512,           /* pictures at a time */
    BLOCK_BYTES = 8 << 20, /* of wide ones, fewer */
    TILE = 1024,           /* columns at a time, where all pictures are held */
    EXTRA = 16,            /* directions beyond those wanted: oversampling */
    PASSES = 3 /* applications of the covariance: two power iterations after the first */
};
static const double NEGLIGIBLE = 1e-10; /* of the first component's variance: rounding */

typedef struct {
    const t2i_pca_source *source;
    size_t most, block;
    uint8_t *pixels; /* one block */
    double *mean;    /* width */
    double total;    /* sum of squares about the mean, over pictures and columns */
    double done, work;
} fit;

static void advance(fit *f, double work)
{
    f->done += work;
    if (f->source->progress != NULL) f->source->progress(f->source->context, f->done / f->work);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A routine that fails has been given something that is not finite. */
static t2i_status lapack_failed(int info, t2i_error *err)
{
    return info == 0 ? T2I_OK : t2i_fail(err, T2I_BUG, "LAPACK gave up on the pictures (%d)", info);
}

/* The rows of q (n, width) become orthonormal. */
static t2i_status orthonormalise(double *q, size_t n, size_t width, t2i_error *err)
{
    int rows = (int)width, columns = (int)n, ask = -1, info, again; /* column-major: transposed */
    double wish = 0, wish_again = 0, *tau = t2i_alloc(n, sizeof *tau);
    if (tau == NULL) return t2i_fail_memory(err, n * sizeof *tau, "directions");
    dgeqrf_(&rows, &columns, q, &rows, tau, &wish, &ask, &info);
    dorgqr_(&rows, &columns, &columns, q, &rows, tau, &wish_again, &ask, &again);
    int size = (int)fmax(wish, wish_again);
    double *work = t2i_alloc((size_t)size, sizeof *work);
    t2i_status status;
    if (work == NULL) {
        status = t2i_fail_memory(err, (size_t)size * sizeof *work, "directions");
    } else {
        dgeqrf_(&rows, &columns, q, &rows, tau, work, &size, &info);
        dorgqr_(&rows, &columns, &columns, q, &rows, tau, work, &size, &again);
        status = lapack_failed(info != 0 ? info : again, err);
    }
    t2i_free(work);
    t2i_free(tau);
    return status;
}

/* Mean and total variance, from sums of whole numbers, so without rounding. */
static t2i_status measure(fit *f, t2i_error *err)
{
    const t2i_pca_source *source = f->source;
    size_t width = source->width;
    uint64_t *sum = t2i_alloc(width, 2 * sizeof *sum);
    if (sum == NULL) return t2i_fail_memory(err, 2 * width * sizeof *sum, "sums");
    uint64_t *square = sum + width;
    t2i_status status = T2I_OK;
    for (size_t first = 0; status == T2I_OK && first < source->count; first += f->block) {
        size_t count = smaller(f->block, source->count - first);
        status = source->read(source->context, first, count, f->pixels, err);
        for (size_t i = 0; status == T2I_OK && i < count; i++)
            for (size_t j = 0; j < width; j++) {
                uint64_t x = f->pixels[i * width + j];
                sum[j] += x;
                square[j] += x * x;
            }
    }
    double n = (double)source->count;
    for (size_t j = 0; status == T2I_OK && j < width; j++) {
        f->mean[j] = (double)sum[j] / (n * 255);
        f->total += ((double)square[j] - (double)sum[j] * (double)sum[j] / n) / (255.0 * 255.0);
    }
    t2i_free(sum);
    return status;
}

/* Scale, sign and share from components of length 1 (in pca->basis) and their sums of squares. */
static void finish(const fit *f, t2i_pca *pca, const double *values)
{
    double sum = 0;
    for (size_t d = 0; d < pca->dim; d++) sum += values[d];
    pca->kept = fmin(sum / f->total, 1.0);
    pca->scale = sqrt(sum / ((double)f->source->count * (double)pca->dim));
    for (size_t d = 0; d < pca->dim; d++) {
        float *row = pca->basis + d * pca->width, most = 0;
        for (size_t j = 0; j < pca->width; j++)
            if (fabsf(row[j]) > fabsf(most)) most = row[j];
        double factor = most < 0 ? -pca->scale : pca->scale;
        for (size_t j = 0; j < pca->width; j++) row[j] = (float)(row[j] * factor);
    }
}

/* How many of the leading values are more than rounding; makes room for that many components. */
static t2i_status choose_dim(const fit *f, t2i_pca *pca, const double *values, size_t count,
                             t2i_error *err)
{
    size_t most = smaller(smaller(f->most, count), f->source->count - 1);
    while (pca->dim < most && values[pca->dim] > NEGLIGIBLE * values[0]) pca->dim++;
    pca->basis = t2i_alloc(pca->dim * pca->width, sizeof *pca->basis);
    if (pca->basis != NULL) return T2I_OK;
    return t2i_fail_memory(err, pca->dim * pca->width * sizeof *pca->basis, "components");
}

/* ---- few pictures: the Gram matrix ---- */

/* Columns [first, first + count) of all pictures, less the mean. */
static void centre_tile(const fit *f, const uint8_t *pixels, size_t first, size_t count, double *x)
{
    for (size_t i = 0; i < f->source->count; i++)
        for (size_t j = 0; j < count; j++)
            x[i * count + j] =
                pixels[i * f->source->width + first + j] / 255.0 - f->mean[first + j];
}

static t2i_status fit_gram_in(fit *f, t2i_pca *pca, uint8_t *pixels, double *gram, double *x,
                              double *values, t2i_error *err)
{
    size_t n = f->source->count, width = f->source->width;
    int order = (int)n;
    f->work = 5; /* in units of the Gram matrix, roughly */
    T2I_TRY(f->source->read(f->source->context, 0, n, pixels, err));
    for (size_t first = 0; first < width; first += TILE) {
        size_t count = smaller(TILE, width - first);
        centre_tile(f, pixels, first, count, x);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, order, (int)count, 1.0, x, (int)count,
                    1.0, gram, order);
        advance(f, (double)count / (double)width);
    }
    T2I_TRY(t2i_blas_eigen(gram, n, values, err));
    advance(f, 2);
    T2I_TRY(choose_dim(f, pca, values, n, err));
    for (size_t d = 0; d < pca->dim; d++) cblas_dscal(order, 1 / sqrt(values[d]), gram + d * n, 1);
    double *row = x + n * TILE; /* (dim, TILE) */
    for (size_t first = 0; first < width; first += TILE) {
        size_t count = smaller(TILE, width - first);
        centre_tile(f, pixels, first, count, x);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)pca->dim, (int)count, order,
                    1.0, gram, order, x, (int)count, 0.0, row, (int)count);
        for (size_t d = 0; d < pca->dim; d++)
            for (size_t j = 0; j < count; j++)
                pca->basis[d * width + first + j] = (float)row[d * count + j];
        advance(f, 2 * (double)count / (double)width);
    }
    finish(f, pca, values);
    return T2I_OK;
}

static t2i_status fit_gram(fit *f, t2i_pca *pca, t2i_error *err)
{
    size_t n = f->source->count, width = f->source->width;
    uint8_t *pixels = t2i_alloc(n, width);
    double *gram = t2i_alloc(n * n, sizeof *gram), *values = t2i_alloc(n, sizeof *values);
    double *x = t2i_alloc(2 * n * TILE, sizeof *x);
    t2i_status status = T2I_OK;
    if (pixels == NULL || gram == NULL || values == NULL || x == NULL)
        status = t2i_fail_memory(err, n * width + (n + 2 * TILE) * n * sizeof *x, "the pictures");
    else
        status = fit_gram_in(f, pca, pixels, gram, x, values, err);
    t2i_free(pixels);
    t2i_free(gram);
    t2i_free(values);
    t2i_free(x);
    return status;
}

/* ---- many pictures: randomised subspace iteration ---- */

typedef struct {
    size_t count;      /* directions */
    float *direction;  /* (count, width), orthonormal rows after the first pass */
    double *q;         /* the same in double */
    float *next;       /* (count, width): the covariance applied to them */
    float *x;          /* one block, less the mean */
    float *projection; /* (block, count) */
    double *wide;      /* the same in double */
    double *small;     /* (count, count) */
    double *values;
} range;

static void centre(float *x, const uint8_t *pixels, const double *mean, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < width; j++)
            x[i * width + j] = (float)(pixels[i * width + j] / 255.0 - mean[j]);
}

/* One pass. With next: it becomes covariance x directions; else small gets the covariance within
 * the directions. */
static t2i_status pass(fit *f, range *r, int within, t2i_error *err)
{
    size_t width = f->source->width, n = r->count;
    if (!within) memset(r->next, 0, n * width * sizeof *r->next);
    for (size_t first = 0; first < f->source->count; first += f->block) {
        size_t count = smaller(f->block, f->source->count - first);
        T2I_TRY(f->source->read(f->source->context, first, count, f->pixels, err));
        centre(r->x, f->pixels, f->mean, count, width);
        t2i_blas_gemm_nt(r->projection, r->x, r->direction, count, n, width);
        if (within) {
            for (size_t i = 0; i < count * n; i++) r->wide[i] = r->projection[i];
            cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)n, (int)count, 1.0, r->wide,
                        (int)n, 1.0, r->small, (int)n);
        } else {
            t2i_blas_gemm_tn(r->next, r->projection, r->x, n, width, count, 1);
        }
        advance(f, (within ? 1.0 : 2.0) * (double)count);
    }
    return T2I_OK;
}

static t2i_status fit_range_in(fit *f, t2i_pca *pca, range *r, t2i_error *err)
{
    size_t width = f->source->width, n = r->count;
    f->work = (2 * PASSES + 1) * (double)f->source->count;
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < width; j++)
            r->direction[k * width + j] = (float)t2i_rng_normal(T2I_KEY_PCA, k, j);
    for (int i = 0; i < PASSES; i++) {
        T2I_TRY(pass(f, r, 0, err));
        for (size_t j = 0; j < n * width; j++) r->q[j] = r->next[j];
        T2I_TRY(orthonormalise(r->q, n, width, err));
        for (size_t j = 0; j < n * width; j++) r->direction[j] = (float)r->q[j];
    }
    T2I_TRY(pass(f, r, 1, err));
    T2I_TRY(t2i_blas_eigen(r->small, n, r->values, err));
    T2I_TRY(choose_dim(f, pca, r->values, n, err));
    double *row = t2i_alloc(pca->dim * TILE, sizeof *row);
    if (row == NULL) return t2i_fail_memory(err, pca->dim * TILE * sizeof *row, "components");
    for (size_t first = 0; first < width; first += TILE) {
        size_t count = smaller(TILE, width - first);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)pca->dim, (int)count, (int)n,
                    1.0, r->small, (int)n, r->q + first, (int)width, 0.0, row, (int)count);
        for (size_t d = 0; d < pca->dim; d++)
            for (size_t j = 0; j < count; j++)
                pca->basis[d * width + first + j] = (float)row[d * count + j];
    }
    t2i_free(row);
    finish(f, pca, r->values);
    return T2I_OK;
}

static t2i_status fit_range(fit *f, t2i_pca *pca, t2i_error *err)
{
    size_t width = f->source->width;
    size_t n = smaller(smaller(f->most + EXTRA, width), f->source->count);
    range r = {.count = n};
    r.direction = t2i_alloc(n * width, sizeof *r.direction);
    r.next = t2i_alloc(n * width, sizeof *r.next);
    r.q = t2i_alloc(n * width, sizeof *r.q);
    r.x = t2i_alloc(f->block * width, sizeof *r.x);
    r.projection = t2i_alloc(f->block * n, sizeof *r.projection);
    r.wide = t2i_alloc(f->block * n, sizeof *r.wide);
    r.small = t2i_alloc(n * n, sizeof *r.small);
    r.values = t2i_alloc(n, sizeof *r.values);
    t2i_status status = T2I_OK;
    if (r.direction == NULL || r.next == NULL || r.q == NULL || r.x == NULL ||
        r.projection == NULL || r.wide == NULL || r.small == NULL || r.values == NULL)
        status = t2i_fail_memory(err, n * width * 16, "the principal components");
    else
        status = fit_range_in(f, pca, &r, err);
    t2i_free(r.direction);
    t2i_free(r.next);
    t2i_free(r.q);
    t2i_free(r.x);
    t2i_free(r.projection);
    t2i_free(r.wide);
    t2i_free(r.small);
    t2i_free(r.values);
    return status;
}

/* ---- both ---- */

/* One component of zeros: there is nothing to tell apart. */
static t2i_status fit_nothing(t2i_pca *pca, t2i_error *err)
{
    pca->dim = 1;
    pca->scale = pca->kept = 1;
    pca->basis = t2i_alloc(pca->width, sizeof *pca->basis);
    return pca->basis != NULL ? T2I_OK
                              : t2i_fail_memory(err, pca->width * sizeof *pca->basis, "components");
}

static t2i_status fit_some(fit *f, t2i_pca *pca, t2i_error *err)
{
    T2I_TRY(measure(f, err));
    for (size_t j = 0; j < pca->width; j++) pca->mean[j] = (float)f->mean[j];
    /* one byte that differs by one in one picture has at least half that square about the mean */
    if (f->total < 0.25 / (255.0 * 255.0)) return fit_nothing(pca, err);
    return f->source->count <= GRAM_MAX ? fit_gram(f, pca, err) : fit_range(f, pca, err);
}

t2i_status t2i_pca_fit(t2i_pca *out, const t2i_pca_source *source, size_t most, t2i_error *err)
{
    size_t width = source->width;
    *out = (t2i_pca){.width = width};
    T2I_ASSERT(source->count > 0 && width > 0 && width <= INT_MAX / 2 && most > 0);
    fit f = {.source = source, .most = most, .work = 1};
    f.block = width > BLOCK_BYTES ? 1 : smaller(BLOCK_BYTES / width, BLOCK);
    f.pixels = t2i_alloc(f.block, width);
    f.mean = t2i_alloc(width, sizeof *f.mean);
    out->mean = t2i_alloc(width, sizeof *out->mean);
    t2i_status status = T2I_OK;
    if (f.pixels == NULL || f.mean == NULL || out->mean == NULL)
        status = t2i_fail_memory(err, f.block * width, "pictures");
    else
        status = fit_some(&f, out, err);
    t2i_free(f.pixels);
    t2i_free(f.mean);
    if (status != T2I_OK) t2i_pca_free(out);
    return status;
}

void t2i_pca_free(t2i_pca *pca)
{
    t2i_free(pca->mean);
    t2i_free(pca->basis);
    *pca = (t2i_pca){0};
}

void t2i_pca_encode(const t2i_pca *pca, const uint8_t *pixels, size_t count, float *features,
                    float *work)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < pca->width; j++)
            work[i * pca->width + j] = (float)pixels[i * pca->width + j] / 255.0f - pca->mean[j];
    t2i_blas_gemm_nt(features, work, pca->basis, count, pca->dim, pca->width);
    /* the basis holds the scale once, where a division by it is wanted */
    float factor = (float)(1 / (pca->scale * pca->scale));
    for (size_t i = 0; i < count * pca->dim; i++) features[i] *= factor;
}

void t2i_pca_decode(const t2i_pca *pca, const float *features, size_t count, float *x)
{
    t2i_blas_gemm_nn(x, features, pca->basis, count, pca->width, pca->dim);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < pca->width; j++) x[i * pca->width + j] += pca->mean[j];
}
