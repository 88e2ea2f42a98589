#include "kernels/pca.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/dblas.h"
#include "kernels/eigen.h"
#include "kernels/gemm.h"

enum {
    GRAM_MAX = 2048,       /* pictures; for more, the range finder is faster */
    BLOCK = 512,           /* pictures per block */
    BLOCK_BYTES = 8 << 20, /* limit of a block of large pictures */
    TILE = 1024,           /* columns per block when all pictures are in memory */
    EXTRA = 16,            /* oversampling: additional directions */
    GROUP = 16,            /* directions that are made orthogonal to the ones before together */
    PASSES = 3 /* applications of the covariance: two power iterations after the first */
};
static const double NEGLIGIBLE =
    1e-10; /* relative to the variance of the first component: rounding */

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

/* ---- shares of several ranks; alone everything is this process's ---- */

static t2i_status agree(const fit *f, t2i_status mine, t2i_error *err)
{
    const t2i_pca_team *team = f->source->team;
    return team == NULL ? mine : team->agree(team->context, mine, err);
}

static void gather(const fit *f, void *all, size_t item_bytes, size_t items)
{
    const t2i_pca_team *team = f->source->team;
    if (team != NULL) team->gather(team->context, all, item_bytes, items);
}

/* The items [*from, *to) of this rank. */
static void find_share(const fit *f, size_t items, size_t *from, size_t *to)
{
    const t2i_pca_team *team = f->source->team;
    *from = team == NULL ? 0 : team->share(items, team->rank, team->size);
    *to = team == NULL ? items : team->share(items, team->rank + 1, team->size);
}

/* Adds the sums (count) of all ranks, whole numbers. */
static t2i_status add_sums(const fit *f, uint64_t *sum, size_t count, t2i_error *err)
{
    const t2i_pca_team *team = f->source->team;
    if (team == NULL) return T2I_OK;
    size_t size = (size_t)team->size;
    uint64_t *all = t2i_alloc(size * count, sizeof *all);
    t2i_status status =
        all == NULL ? t2i_fail_memory(err, size * count * sizeof *all, "sums") : T2I_OK;
    status = agree(f, status, err);
    if (status == T2I_OK) {
        memcpy(all + (size_t)team->rank * count, sum, count * sizeof *sum);
        gather(f, all, count * sizeof *sum, size);
        for (size_t j = 0; j < count; j++) {
            sum[j] = 0;
            for (size_t i = 0; i < size; i++) sum[j] += all[i * count + j];
        }
    }
    t2i_free(all);
    return status;
}

/* Mean and total variance, from sums of integers and therefore without rounding. */
static t2i_status measure(fit *f, t2i_error *err)
{
    const t2i_pca_source *source = f->source;
    size_t width = source->width;
    uint64_t *sum = t2i_alloc(width, 2 * sizeof *sum), *square = sum + width;
    size_t blocks = (source->count + f->block - 1) / f->block, from, to;
    t2i_status status =
        sum == NULL ? t2i_fail_memory(err, 2 * width * sizeof *sum, "sums") : T2I_OK;
    find_share(f, blocks, &from, &to);
    for (size_t block = from; status == T2I_OK && block < to; block++) {
        size_t first = block * f->block, count = smaller(f->block, source->count - first);
        status = source->read(source->context, first, count, f->pixels, err);
        for (size_t i = 0; status == T2I_OK && i < count; i++)
            for (size_t j = 0; j < width; j++) {
                uint64_t x = f->pixels[i * width + j];
                sum[j] += x;
                square[j] += x * x;
            }
    }
    status = agree(f, status, err);
    if (status == T2I_OK) status = add_sums(f, sum, 2 * width, err);
    double n = (double)source->count;
    for (size_t j = 0; status == T2I_OK && j < width; j++) {
        f->mean[j] = (double)sum[j] / (n * 255);
        f->total += ((double)square[j] - (double)sum[j] * (double)sum[j] / n) / (255.0 * 255.0);
    }
    t2i_free(sum);
    return status;
}

/* Scale, signs and explained fraction from unit components (in pca->basis) and their variances. */
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

/* Number of leading values above the rounding error; allocates that many components. */
static t2i_status choose_dim(const fit *f, t2i_pca *pca, const double *values, size_t count,
                             t2i_error *err)
{
    size_t most = smaller(smaller(f->most, count), f->source->count - 1);
    while (pca->dim < most && values[pca->dim] > NEGLIGIBLE * values[0]) pca->dim++;
    pca->basis = t2i_alloc(pca->dim * pca->width, sizeof *pca->basis);
    if (pca->basis != NULL) return T2I_OK;
    return t2i_fail_memory(err, pca->dim * pca->width * sizeof *pca->basis, "components");
}

/* Columns [first, first + count) of the basis. */
static void put_columns(t2i_pca *pca, size_t first, size_t count, const double *row)
{
    for (size_t d = 0; d < pca->dim; d++)
        for (size_t j = 0; j < count; j++)
            pca->basis[d * pca->width + first + j] = (float)row[d * count + j];
}

/* ---- few pictures: the Gram matrix ---- */

/* The sum of products of two rows of bytes: less than 2^31 for TILE of them. */
T2I_STATIC_KERNEL(int32_t, dot_bytes, (const int16_t *x, const int16_t *y, size_t n), (x, y, n))
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* gram (n, n), upper half: inner products of the pictures as bytes, so whole numbers. x (n, TILE).
 */
static void multiply_bytes(fit *f, const uint8_t *pixels, int16_t *x, double *gram)
{
    size_t n = f->source->count, width = f->source->width;
    for (size_t first = 0; first < width; first += TILE) {
        size_t count = smaller(TILE, width - first);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < count; j++) x[i * TILE + j] = pixels[i * width + first + j];
        for (size_t i = 0; i < n; i++)
            for (size_t j = i; j < n; j++)
                gram[i * n + j] += dot_bytes(x + i * TILE, x + j * TILE, count);
        advance(f, (double)count / (double)width);
    }
}

/* From inner products of bytes to those of numbers 0..1 about the mean picture:
 * <x - m, y - m> = <x, y> - (sum of row x + sum of row y) / n + sum of all / n^2. Times n^2 these
 * are whole numbers below 2^63 (n <= GRAM_MAX, width <= 2^24), so only the last step rounds. */
static void centre_gram(double *gram, double *row_sum, size_t n)
{
    int64_t all = 0, count = (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += i <= j ? gram[i * n + j] : gram[j * n + i];
        row_sum[i] = sum;
        all += (int64_t)sum;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) {
            int64_t rows = (int64_t)row_sum[i] + (int64_t)row_sum[j];
            int64_t times = count * (count * (int64_t)gram[i * n + j] - rows) + all;
            gram[i * n + j] = (double)times / ((double)count * (double)count * 255.0 * 255.0);
        }
}

/* Columns [first, first + count) of all pictures minus the mean. */
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
    f->work = 5; /* roughly, in units of the Gram matrix */
    T2I_TRY(f->source->read(f->source->context, 0, n, pixels, err));
    multiply_bytes(f, pixels, (int16_t *)x, gram);
    centre_gram(gram, values, n);
    T2I_TRY(t2i_eigen(gram, n, smaller(f->most, n), values, err));
    advance(f, 2);
    T2I_TRY(choose_dim(f, pca, values, n, err));
    for (size_t d = 0; d < pca->dim; d++)
        for (size_t i = 0; i < n; i++) gram[d * n + i] /= sqrt(values[d]);
    double *row = x + n * TILE; /* (dim, TILE) */
    for (size_t first = 0; first < width; first += TILE) {
        size_t count = smaller(TILE, width - first);
        centre_tile(f, pixels, first, count, x);
        t2i_dblas_gemm(row, count, (t2i_dmatrix){gram, n, 1}, (t2i_dmatrix){x, count, 1}, pca->dim,
                       count, n, 0);
        put_columns(pca, first, count, row);
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
    float *direction;  /* (count, width), orthonormal rows (or zeros) after the first pass */
    double *q;         /* the same in double */
    float *packed;     /* the directions, transposed and packed (gemm.h) */
    float *next;       /* (count, width): the covariance applied to them, in this rank's columns */
    float *x;          /* one block minus the mean */
    float *projection; /* (block, count) */
    double *wide;      /* the same in double */
    double *small;     /* (count, count) */
    double *overlap;   /* (GROUP, count) */
    double *values;
} range;

/* x = pixels minus the mean: columns [first, end) of pictures [from, to). */
static void centre(const fit *f, float *x, size_t from, size_t to, size_t first, size_t end)
{
    size_t width = f->source->width;
    for (size_t i = from; i < to; i++)
        for (size_t j = first; j < end; j++)
            x[i * width + j] = (float)(f->pixels[i * width + j] / 255.0 - f->mean[j]);
}

/* Projects the rows before `first` out of rows [first, first + count) of q. */
static void project_out(range *r, size_t width, size_t first, size_t count)
{
    double *row = r->q + first * width;
    t2i_dblas_gemm(r->overlap, first, (t2i_dmatrix){row, width, 1}, (t2i_dmatrix){r->q, 1, width},
                   count, first, width, 0);
    for (size_t i = 0; i < count * first; i++) r->overlap[i] = -r->overlap[i];
    t2i_dblas_gemm(row, width, (t2i_dmatrix){r->overlap, first, 1}, (t2i_dmatrix){r->q, width, 1},
                   count, width, first, 1);
}

/* The rows of q become orthonormal, in their order; 0 where one depends on those before. Gram-
 * Schmidt, twice: that is enough (Giraud, Langou, Rozloznik, "The loss of orthogonality in the
 * Gram-Schmidt orthogonalization process", 2005). */
static void orthonormalise(range *r, size_t width)
{
    for (size_t first = 0; first < r->count; first += GROUP) {
        size_t count = smaller(GROUP, r->count - first);
        double before[GROUP];
        for (size_t i = 0; i < count; i++) {
            const double *row = r->q + (first + i) * width;
            before[i] = t2i_dblas_dot(row, row, width);
        }
        for (int again = 0; again < 2; again++) {
            project_out(r, width, first, count);
            for (size_t i = 0; i < count; i++) {
                double *row = r->q + (first + i) * width;
                for (size_t j = 0; j < i; j++) {
                    const double *other = r->q + (first + j) * width;
                    t2i_dblas_axpy(row, -t2i_dblas_dot(other, row, width), other, width);
                }
                double square = t2i_dblas_dot(row, row, width);
                double factor = square > NEGLIGIBLE * NEGLIGIBLE * before[i] ? 1 / sqrt(square) : 0;
                for (size_t j = 0; j < width; j++) row[j] *= factor;
                before[i] = factor == 0 ? 0 : 1;
            }
        }
    }
}

/* One block of a pass: its projections, of which each rank computes some rows; then the sums over
 * pictures, of which each rank computes those of some columns. */
static void add_block(fit *f, range *r, size_t count, int within)
{
    size_t width = f->source->width, n = r->count, from, to, first, end;
    find_share(f, count, &from, &to);
    centre(f, r->x, from, to, 0, width);
    t2i_gemm(r->projection + from * n, n, r->x + from * width, width, r->packed, to - from, n,
             width, NULL);
    gather(f, r->projection, n * sizeof *r->projection, count);
    if (within) {
        find_share(f, n, &first, &end);
        for (size_t i = 0; i < count * n; i++) r->wide[i] = r->projection[i];
        t2i_dblas_gemm(r->small + first * n, n, (t2i_dmatrix){r->wide + first, 1, n},
                       (t2i_dmatrix){r->wide, n, 1}, end - first, n, count, 1);
    } else {
        find_share(f, width, &first, &end);
        centre(f, r->x, 0, from, first, end);
        centre(f, r->x, to, count, first, end);
        t2i_gemm_outer(r->next + first, width, r->projection, n, r->x + first, width, n,
                       end - first, count, 1, NULL);
    }
}

/* q = next, whose columns the ranks share out. */
static void gather_columns(const fit *f, range *r)
{
    size_t width = f->source->width, n = r->count, first, end;
    float *column = r->packed; /* (width, n); there is room, as these are the directions packed */
    find_share(f, width, &first, &end);
    for (size_t j = first; j < end; j++)
        for (size_t k = 0; k < n; k++) column[j * n + k] = r->next[k * width + j];
    gather(f, column, n * sizeof *column, width);
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < width; j++) r->q[k * width + j] = column[j * n + k];
}

/* One pass over the pictures: q = covariance x directions or, if within, small = covariance
 * within the directions. */
static t2i_status pass(fit *f, range *r, int within, t2i_error *err)
{
    size_t width = f->source->width, n = r->count;
    if (!within) memset(r->next, 0, n * width * sizeof *r->next);
    t2i_gemm_pack_transposed(r->packed, r->direction, width, width, n);
    for (size_t first = 0; first < f->source->count; first += f->block) {
        size_t count = smaller(f->block, f->source->count - first);
        t2i_status status = f->source->read(f->source->context, first, count, f->pixels, err);
        T2I_TRY(agree(f, status, err));
        add_block(f, r, count, within);
        advance(f, (within ? 1.0 : 2.0) * (double)count);
    }
    if (within)
        gather(f, r->small, n * sizeof *r->small, n);
    else
        gather_columns(f, r);
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
        orthonormalise(r, width);
        for (size_t j = 0; j < n * width; j++) r->direction[j] = (float)r->q[j];
    }
    T2I_TRY(pass(f, r, 1, err));
    T2I_TRY(t2i_eigen(r->small, n, n, r->values, err));
    T2I_TRY(choose_dim(f, pca, r->values, n, err));
    double *row = t2i_alloc(pca->dim * TILE, sizeof *row);
    if (row == NULL) return t2i_fail_memory(err, pca->dim * TILE * sizeof *row, "components");
    for (size_t first = 0; first < width; first += TILE) {
        size_t count = smaller(TILE, width - first);
        t2i_dblas_gemm(row, count, (t2i_dmatrix){r->small, n, 1},
                       (t2i_dmatrix){r->q + first, width, 1}, pca->dim, count, n, 0);
        put_columns(pca, first, count, row);
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
    r.packed = t2i_alloc(t2i_gemm_pack_floats(width, n), sizeof *r.packed);
    r.overlap = t2i_alloc(GROUP * n, sizeof *r.overlap);
    r.x = t2i_alloc(f->block * width, sizeof *r.x);
    r.projection = t2i_alloc(f->block * n, sizeof *r.projection);
    r.wide = t2i_alloc(f->block * n, sizeof *r.wide);
    r.small = t2i_alloc(n * n, sizeof *r.small);
    r.values = t2i_alloc(n, sizeof *r.values);
    t2i_status status = T2I_OK;
    if (r.direction == NULL || r.next == NULL || r.q == NULL || r.packed == NULL ||
        r.overlap == NULL || r.x == NULL || r.projection == NULL || r.wide == NULL ||
        r.small == NULL || r.values == NULL)
        status = t2i_fail_memory(err, n * width * 20, "the principal components");
    status = agree(f, status, err);
    if (status == T2I_OK) status = fit_range_in(f, pca, &r, err);
    t2i_free(r.direction);
    t2i_free(r.next);
    t2i_free(r.q);
    t2i_free(r.packed);
    t2i_free(r.overlap);
    t2i_free(r.x);
    t2i_free(r.projection);
    t2i_free(r.wide);
    t2i_free(r.small);
    t2i_free(r.values);
    return status;
}

/* ---- common to both ---- */

/* One component of zeros, for pictures that are all equal. */
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
    /* a difference of one in a single byte contributes at least half its square */
    if (f->total < 0.25 / (255.0 * 255.0)) return fit_nothing(pca, err);
    return f->source->count <= GRAM_MAX ? fit_gram(f, pca, err) : fit_range(f, pca, err);
}

t2i_status t2i_pca_fit(t2i_pca *out, const t2i_pca_source *source, size_t most, t2i_error *err)
{
    size_t width = source->width;
    *out = (t2i_pca){.width = width};
    T2I_ASSERT(source->count > 0 && width > 0 && width <= 1 << 24 && most > 0);
    fit f = {.source = source, .most = most, .work = 1};
    f.block = width > BLOCK_BYTES ? 1 : smaller(BLOCK_BYTES / width, BLOCK);
    f.pixels = t2i_alloc(f.block, width);
    f.mean = t2i_alloc(width, sizeof *f.mean);
    out->mean = t2i_alloc(width, sizeof *out->mean);
    t2i_status status = T2I_OK;
    if (f.pixels == NULL || f.mean == NULL || out->mean == NULL)
        status = t2i_fail_memory(err, f.block * width, "pictures");
    status = agree(&f, status, err);
    if (status == T2I_OK) status = fit_some(&f, out, err);
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

size_t t2i_pca_packed(const t2i_pca *pca)
{
    size_t to = t2i_gemm_pack_floats(pca->width, pca->dim),
           back = t2i_gemm_pack_floats(pca->dim, pca->width);
    return to > back ? to : back;
}

void t2i_pca_pack_encode(const t2i_pca *pca, float *packed)
{
    t2i_gemm_pack_transposed(packed, pca->basis, pca->width, pca->width, pca->dim);
}

void t2i_pca_pack_decode(const t2i_pca *pca, float *packed)
{
    t2i_gemm_pack(packed, pca->basis, pca->width, pca->dim, pca->width);
}

void t2i_pca_encode(const t2i_pca *pca, const float *packed, const uint8_t *pixels, size_t count,
                    float *features, float *work)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < pca->width; j++)
            work[i * pca->width + j] = (float)pixels[i * pca->width + j] / 255.0f - pca->mean[j];
    t2i_gemm(features, pca->dim, work, pca->width, packed, count, pca->dim, pca->width, NULL);
    /* the basis contains the scale once; features are divided by it */
    float factor = (float)(1 / (pca->scale * pca->scale));
    for (size_t i = 0; i < count * pca->dim; i++) features[i] *= factor;
}

void t2i_pca_decode(const t2i_pca *pca, const float *packed, const float *features, size_t count,
                    float *x)
{
    t2i_gemm(x, pca->width, features, pca->dim, packed, count, pca->width, pca->dim,
             &(t2i_gemm_end){.bias = pca->mean});
}
