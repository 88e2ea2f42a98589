#include "kernels/ridge.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/portable_math.h"
#include "kernels/dblas.h"
#include "kernels/eigen.h"

enum {
    MAX_DIM = 4096,
    BLOCK = 512,           /* pictures per block */
    BLOCK_BYTES = 8 << 20, /* limit of a block of large pictures */
    TILE = 1024,           /* columns of pixels per block, as doubles */
    FEW = 16,              /* pictures that are reproduced exactly */
    GRID = 49              /* penalties: a quarter of a decade apart */
};
static const double SMALLEST = 1e-9; /* penalty, relative to the largest eigenvalue */
static const double LN_10 = 2.302585092994045684;
static const double NEGLIGIBLE = 1e-12; /* relative to the features' squares: rounding of floats */

typedef struct {
    const t2i_ridge_source *source;
    size_t block;
    float *feature;   /* (block, dim) */
    uint8_t *pixels;  /* (block, width) */
    double *x;        /* (block, dim): features minus shift */
    double *tile;     /* (block or dim, TILE) */
    double *shift;    /* dim: mean of the first block; avoids cancellation */
    double *x_mean;   /* dim, of x */
    uint8_t *origin;  /* width: the first picture; y is a picture minus this one */
    int64_t *sum;     /* width: sum of y in bytes, exact */
    double *y_mean;   /* width */
    double *gram;     /* (dim, dim): Gram matrix of x, then its eigenvectors as rows */
    double *value;    /* dim: eigenvalues, descending */
    double *energy;   /* dim: squares of the rows of cross, along eigenvectors */
    double *cross;    /* (dim, width): x times y */
    double variation; /* sum of squares of y about its mean */
    size_t rank;      /* eigenvalues above the rounding error */
    double done, work;
} fit;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void advance(fit *f, double work)
{
    f->done += work;
    if (f->source->progress != NULL) f->source->progress(f->source->context, f->done / f->work);
}

static t2i_status begin(fit *f, t2i_error *err)
{
    size_t D = f->source->dim, width = f->source->width;
    size_t rows = f->block > D ? f->block : D;
    f->feature = t2i_alloc(f->block * D, sizeof *f->feature);
    f->pixels = t2i_alloc(f->block, width);
    f->x = t2i_alloc(f->block * D, sizeof *f->x);
    f->tile = t2i_alloc(rows * TILE, sizeof *f->tile);
    f->shift = t2i_alloc(4 * D + width, sizeof *f->shift);
    f->origin = t2i_alloc(width, 1);
    f->sum = t2i_alloc(width, sizeof *f->sum);
    f->gram = t2i_alloc(D * D, sizeof *f->gram);
    f->cross = t2i_alloc(D * width, sizeof *f->cross);
    if (f->feature == NULL || f->pixels == NULL || f->x == NULL || f->tile == NULL ||
        f->shift == NULL || f->origin == NULL || f->sum == NULL || f->gram == NULL ||
        f->cross == NULL)
        return t2i_fail_memory(err, (D * (width + D) + rows * TILE) * sizeof *f->cross,
                               "the regression from features to pictures");
    f->x_mean = f->shift + D;
    f->value = f->x_mean + D;
    f->energy = f->value + D;
    f->y_mean = f->energy + D;
    return T2I_OK;
}

static void end(fit *f)
{
    t2i_free(f->feature);
    t2i_free(f->pixels);
    t2i_free(f->x);
    t2i_free(f->tile);
    t2i_free(f->shift);
    t2i_free(f->origin);
    t2i_free(f->sum);
    t2i_free(f->gram);
    t2i_free(f->cross);
}

static t2i_status check_finite(const fit *f, size_t first, size_t count, t2i_error *err)
{
    size_t D = f->source->dim;
    for (size_t i = 0; i < count * D; i++)
        if (!isfinite(f->feature[i]))
            return t2i_fail(err, T2I_DATA, "feature %zu of picture %zu (from 0) is not finite",
                            i % D, first + i / D);
    return T2I_OK;
}

/* Adds one block to the sums. */
static void add_block(fit *f, size_t first, size_t count)
{
    size_t D = f->source->dim, width = f->source->width;
    for (size_t i = 0; first == 0 && i < count; i++)
        for (size_t k = 0; k < D; k++) f->shift[k] += f->feature[i * D + k];
    for (size_t k = 0; first == 0 && k < D; k++) f->shift[k] /= (double)count;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < D; k++) {
            f->x[i * D + k] = f->feature[i * D + k] - f->shift[k];
            f->x_mean[k] += f->x[i * D + k];
        }
    t2i_dmatrix x_transposed = {f->x, 1, D};
    t2i_dblas_gemm(f->gram, D, x_transposed, (t2i_dmatrix){f->x, D, 1}, D, D, count, 1);
    if (first == 0) memcpy(f->origin, f->pixels, width);
    int64_t square = 0; /* of this block */
    for (size_t from = 0; from < width; from += TILE) {
        size_t columns = smaller(TILE, width - from);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < columns; j++) {
                int y = f->pixels[i * width + from + j] - f->origin[from + j];
                f->sum[from + j] += y;
                square += y * y;
                f->tile[i * columns + j] = y / 255.0;
            }
        t2i_dblas_gemm(f->cross + from, width, x_transposed, (t2i_dmatrix){f->tile, columns, 1}, D,
                       columns, count, 1);
    }
    f->variation += (double)square;
}

/* Reads all pictures; computes gram, cross and variation about the means. */
static t2i_status read_all(fit *f, t2i_error *err)
{
    const t2i_ridge_source *source = f->source;
    size_t D = source->dim, width = source->width;
    double n = (double)source->count, worth = (double)D * (double)(D + 2 * width);
    for (size_t first = 0; first < source->count; first += f->block) {
        size_t count = smaller(f->block, source->count - first);
        T2I_TRY(source->read(source->context, first, count, f->feature, f->pixels, err));
        T2I_TRY(check_finite(f, first, count, err));
        add_block(f, first, count);
        advance(f, (double)count * worth);
    }
    for (size_t k = 0; k < D; k++) f->x_mean[k] /= n;
    for (size_t j = 0; j < width; j++) {
        f->y_mean[j] = (double)f->sum[j] / (n * 255);
        f->variation -= (double)f->sum[j] * ((double)f->sum[j] / n);
    }
    f->variation /= 255.0 * 255.0;
    for (size_t k = 0; k < D; k++) {
        t2i_dblas_axpy(f->gram + k * D, -n * f->x_mean[k], f->x_mean, D);
        t2i_dblas_axpy(f->cross + k * width, -n * f->x_mean[k], f->y_mean, width);
    }
    for (size_t k = 0; k < D; k++) f->x_mean[k] += f->shift[k]; /* now the mean of the features */
    for (size_t j = 0; j < width; j++) f->y_mean[j] += f->origin[j] / 255.0;
    return T2I_OK;
}

/* Computes the eigenvectors of gram and cross along them. */
static t2i_status rotate(fit *f, t2i_error *err)
{
    size_t D = f->source->dim, width = f->source->width;
    double squares = 0;
    for (size_t k = 0; k < D; k++) squares += f->x_mean[k] * f->x_mean[k];
    T2I_TRY(t2i_eigen(f->gram, D, D, f->value, err));
    double floor = NEGLIGIBLE * (f->value[0] + (double)f->source->count * squares);
    size_t most = smaller(D, f->source->count - 1);
    while (f->rank < most && f->value[f->rank] > floor) f->rank++;
    /* a difference of one in a single byte contributes at least half its square */
    if (f->variation < 0.25 / (255.0 * 255.0)) f->rank = 0;
    advance(f, 10 * (double)D * (double)D * (double)D);
    for (size_t from = 0; from < width && f->rank > 0; from += TILE) {
        size_t columns = smaller(TILE, width - from);
        for (size_t k = 0; k < D; k++)
            memcpy(f->tile + k * columns, f->cross + k * width + from, columns * sizeof *f->tile);
        t2i_dblas_gemm(f->cross + from, width, (t2i_dmatrix){f->gram, D, 1},
                       (t2i_dmatrix){f->tile, columns, 1}, f->rank, columns, D, 0);
        for (size_t k = 0; k < f->rank; k++)
            for (size_t j = 0; j < columns; j++)
                f->energy[k] += f->cross[k * width + from + j] * f->cross[k * width + from + j];
    }
    return T2I_OK;
}

/* Residual sum of squares for a penalty. Without a penalty it is a difference of large numbers, so
 * it is set to 0 where it must be 0. */
static double residual(const fit *f, double penalty)
{
    double rest = f->variation, more = 0;
    for (size_t k = 0; k < f->rank; k++) {
        double share = penalty / (f->value[k] + penalty);
        rest -= f->energy[k] / f->value[k];
        more += f->energy[k] / f->value[k] * share * share;
    }
    return (f->rank + 1 == f->source->count ? 0 : fmax(rest, 0)) + more;
}

/* Generalised cross-validation: minimises residual / (remaining degrees of freedom)^2. */
static double choose(const fit *f)
{
    double best = INFINITY, penalty = SMALLEST * f->value[0];
    if (f->source->count <= FEW) return penalty;
    for (int step = 0; step < GRID; step++) {
        double candidate = SMALLEST * t2i_exp64(step / 4.0 * LN_10) * f->value[0];
        double freedom = (double)(f->source->count - 1 - f->rank);
        for (size_t k = 0; k < f->rank; k++) freedom += candidate / (f->value[k] + candidate);
        double score = residual(f, candidate) / freedom / freedom;
        if (score >= best) continue;
        best = score;
        penalty = candidate;
    }
    return penalty;
}

/* Computes basis and mean. */
static void solve(fit *f, t2i_ridge *ridge)
{
    size_t D = ridge->dim, width = ridge->width, r = f->rank;
    for (size_t from = 0; from < width && r > 0; from += TILE) {
        size_t columns = smaller(TILE, width - from);
        for (size_t k = 0; k < r; k++)
            for (size_t j = 0; j < columns; j++)
                f->tile[k * columns + j] =
                    f->cross[k * width + from + j] / (f->value[k] + ridge->penalty);
        t2i_dblas_gemm(f->cross + from, width, (t2i_dmatrix){f->gram, 1, D},
                       (t2i_dmatrix){f->tile, columns, 1}, D, columns, r, 0);
    }
    for (size_t k = 0; k < D && r > 0; k++)
        for (size_t j = 0; j < width; j++) {
            float value = (float)f->cross[k * width + j];
            ridge->basis[k * width + j] = value;
            f->y_mean[j] -= f->x_mean[k] * value;
        }
    for (size_t j = 0; j < width; j++) ridge->mean[j] = (float)f->y_mean[j];
}

static t2i_status run(fit *f, t2i_ridge *ridge, double penalty, t2i_error *err)
{
    double D = (double)ridge->dim, width = (double)ridge->width, turn = 2 * D * D * width;
    f->work = (double)f->source->count * D * (D + 2 * width) + 10 * D * D * D + 2 * turn;
    T2I_TRY(begin(f, err));
    T2I_TRY(read_all(f, err));
    T2I_TRY(rotate(f, err));
    advance(f, turn);
    ridge->explained = 1;
    if (f->rank > 0) {
        ridge->penalty = penalty < 0 ? choose(f) : penalty;
        ridge->explained = fmax(0, 1 - residual(f, ridge->penalty) / f->variation);
    } else if (f->variation > 0) {
        ridge->explained = 0;
    }
    solve(f, ridge);
    advance(f, turn);
    return T2I_OK;
}

t2i_status t2i_ridge_fit(t2i_ridge *out, const t2i_ridge_source *source, double penalty,
                         t2i_error *err)
{
    size_t D = source->dim, width = source->width;
    *out = (t2i_ridge){.dim = D, .width = width};
    T2I_ASSERT(source->count > 0 && D > 0 && D <= MAX_DIM && width > 0 && width <= INT_MAX / 2);
    fit f = {.source = source, .work = 1};
    f.block = width > BLOCK_BYTES ? 1 : smaller(BLOCK_BYTES / width, BLOCK);
    out->mean = t2i_alloc(width, sizeof *out->mean);
    out->basis = t2i_alloc(D * width, sizeof *out->basis);
    t2i_status status;
    if (out->mean == NULL || out->basis == NULL)
        status = t2i_fail_memory(err, (D + 1) * width * sizeof *out->basis, "the decoder");
    else
        status = run(&f, out, penalty, err);
    end(&f);
    if (status != T2I_OK) t2i_ridge_free(out);
    return status;
}

void t2i_ridge_free(t2i_ridge *ridge)
{
    t2i_free(ridge->mean);
    t2i_free(ridge->basis);
    *ridge = (t2i_ridge){0};
}
