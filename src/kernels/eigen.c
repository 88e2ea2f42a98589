#include "kernels/eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "kernels/dblas.h"

enum {
    LANES = T2I_DBLAS_LANES,
    STRIP = 32,       /* columns of the eigenvectors that rotations pass over together */
    TOGETHER = 4,     /* vectors that are reflected together */
    ROTATIONS = 8192, /* minimum number that is collected before they are applied */
    ITERATIONS = 100  /* limit per eigenvalue; three are usual */
};

/* A square that is negligible relative to a largest entry of about 1. */
static const double NOTHING = DBL_EPSILON * DBL_EPSILON / 64;

/* Givens rotation of rows i + 1 and i of the eigenvectors. */
typedef struct {
    double cosine, sine;
} rotation;

/* Rotations of rows first + count, ..., first, in this order. */
typedef struct {
    size_t first, count, at; /* at: index of the first one among the collected rotations */
} sweep;

typedef struct {
    double *a; /* row k: reflection k, from column k + 1 on */
    size_t n;
    double *scale;          /* n: of each reflection: 2 / its squares */
    double *diagonal, *off; /* n: the tridiagonal matrix; off[i] is beside i and i + 1 */
    double *v, *w;          /* n: the pending update of a; zeros at first */
    double *z;              /* eigenvectors of it: strips of (n, STRIP) */
    rotation *turn;         /* ROTATIONS + n */
    sweep *sweeps;          /* ROTATIONS + 1 */
    size_t turns, swept;
    double *out;   /* (vectors, n) */
    size_t *order; /* n */
} eigen;

/* ---- kernels ---- */

/* row -= vi w + wi v; returns row . x */
T2I_STATIC_KERNEL(double, update_and_dot,
                  (double *restrict row, double vi, const double *restrict w, double wi,
                   const double *restrict v, const double *restrict x, size_t n),
                  (row, vi, w, wi, v, x, n))
{
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            row[i + l] -= vi * w[i + l] + wi * v[i + l];
            lane[l] += row[i + l] * x[i + l];
        }
    for (size_t l = 0; i + l < n; l++) {
        row[i + l] -= vi * w[i + l] + wi * v[i + l];
        lane[l] += row[i + l] * x[i + l];
    }
    return t2i_dblas_add_lanes(lane);
}

/* Applies a sweep to one strip; z: its row s->first. */
T2I_STATIC_KERNEL(void, rotate_strip, (double *restrict z, const rotation *turn, size_t count),
                  (z, turn, count))
{
    double *low = z + count * STRIP;
    for (size_t k = 0; k < count; k++, low -= STRIP) {
        double c = turn[k].cosine,
               s = turn[k].sine, *restrict one = low - STRIP, *restrict two = low;
        for (size_t j = 0; j < STRIP; j++) {
            double x = one[j], y = two[j];
            two[j] = s * x + c * y;
            one[j] = c * x - s * y;
        }
    }
}

/* ---- a tridiagonal matrix ---- */

/* x (n) becomes the vector whose reflection takes it to a multiple of the first axis, which is
 * returned; *scale: 2 / its squares, 0 when there is nothing to reflect. Squares below
 * NOTHING are rounding, and may be too small to divide by. */
static double reflect(double *x, size_t n, double *scale)
{
    double rest = t2i_dblas_dot(x + 1, x + 1, n - 1), first = x[0];
    *scale = 0;
    if (rest <= NOTHING) return first;
    double length = sqrt(first * first + rest), to = first > 0 ? -length : length;
    x[0] = first - to;
    *scale = 2 / (x[0] * x[0] + rest);
    return to;
}

static void make_tridiagonal(eigen *e)
{
    size_t n = e->n;
    double *p = e->off; /* holds the product until off is set */
    for (size_t k = 0; k + 1 < n; k++) {
        double *row = e->a + k * n, *x = row + k + 1;
        size_t left = n - k - 1;
        t2i_dblas_axpy(row + k, -e->v[k], e->w + k, n - k);
        t2i_dblas_axpy(row + k, -e->w[k], e->v + k, n - k);
        e->diagonal[k] = row[k];
        double beside = reflect(x, left, &e->scale[k]);
        for (size_t i = k + 1; i < n; i++)
            p[i] = e->scale[k] * update_and_dot(e->a + i * n + k + 1, e->v[i], e->w + k + 1,
                                                e->w[i], e->v + k + 1, x, left);
        double half = e->scale[k] / 2 * t2i_dblas_dot(p + k + 1, x, left);
        for (size_t i = k + 1; i < n; i++) {
            e->v[i] = row[i];
            e->w[i] = p[i] - half * row[i];
        }
        p[k] = beside;
    }
    size_t last = n * n - 1;
    e->diagonal[n - 1] = e->a[last] - 2 * e->v[n - 1] * e->w[n - 1];
    e->off[n - 1] = 0;
}

/* ---- its eigenvectors ---- */

static void apply_rotations(eigen *e)
{
    size_t strips = (e->n + STRIP - 1) / STRIP;
    for (size_t i = 0; i < strips; i++)
        for (size_t k = 0; k < e->swept; k++) {
            const sweep *s = &e->sweeps[k];
            rotate_strip(e->z + (i * e->n + s->first) * STRIP, e->turn + s->at, s->count);
        }
    e->turns = e->swept = 0;
}

/* sqrt(x^2 + y^2) without overflow. */
static double length_of(double x, double y)
{
    double most = fmax(fabs(x), fabs(y)), least = fmin(fabs(x), fabs(y));
    if (most == 0) return 0;
    least /= most;
    return most * sqrt(1 + least * least);
}

/* One QL step on rows l..m; collects its rotations. */
static void iterate(eigen *e, size_t l, size_t m)
{
    double *d = e->diagonal, *off = e->off;
    double g = (d[l + 1] - d[l]) / (2 * off[l]), r = length_of(g, 1);
    g = d[m] - d[l] + off[l] / (g + copysign(r, g));
    double s = 1, c = 1, p = 0;
    size_t i = m;
    sweep *now = &e->sweeps[e->swept];
    *now = (sweep){.at = e->turns};
    while (i-- > l) {
        double f = s * off[i], b = c * off[i];
        r = length_of(f, g);
        off[i + 1] = r;
        if (r == 0) { /* the matrix decouples here */
            d[i + 1] -= p;
            off[m] = 0;
            break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        e->turn[e->turns++] = (rotation){c, s};
        now->count++;
        now->first = i;
        if (i == l) {
            d[l] -= p;
            off[l] = g;
            off[m] = 0;
        }
    }
    e->swept += now->count > 0;
}

static t2i_status solve_tridiagonal(eigen *e, t2i_error *err)
{
    size_t n = e->n;
    double *d = e->diagonal, *off = e->off, most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(d[i]) + fabs(off[i]));
    for (size_t i = 0; i < n; i++) e->z[(i / STRIP * n + i) * STRIP + i % STRIP] = 1;
    for (size_t l = 0; l < n; l++)
        for (int iteration = 0;; iteration++) {
            size_t m = l;
            while (m + 1 < n && fabs(off[m]) > DBL_EPSILON * most) m++;
            if (m == l) break;
            if (iteration == ITERATIONS)
                return t2i_fail(err, T2I_BUG, "eigenvalue %zu of %zu does not converge", l, n);
            iterate(e, l, m);
            if (e->turns >= ROTATIONS) apply_rotations(e);
        }
    apply_rotations(e);
    return T2I_OK;
}

/* ---- eigenvectors of the whole matrix ---- */

/* The first `vectors` eigenvectors, in order, into out. */
static void reflect_back(eigen *e, size_t vectors)
{
    size_t n = e->n;
    for (size_t i = 0; i < vectors; i++)
        for (size_t j = 0; j < n; j++)
            e->out[i * n + j] = e->z[(j / STRIP * n + e->order[i]) * STRIP + j % STRIP];
    for (size_t first = 0; first < vectors; first += TOGETHER)
        for (size_t k = n - 1; k-- > 0;) {
            const double *v = e->a + k * n + k + 1;
            for (size_t i = first; i < first + TOGETHER && i < vectors; i++) {
                double *y = e->out + i * n + k + 1;
                t2i_dblas_axpy(y, -e->scale[k] * t2i_dblas_dot(v, y, n - k - 1), v, n - k - 1);
            }
        }
}

/* Sorts in descending order; stable. */
static void sort(eigen *e, double *value)
{
    for (size_t i = 0; i < e->n; i++) {
        size_t at = i;
        for (; at > 0 && e->diagonal[e->order[at - 1]] < e->diagonal[i]; at--)
            e->order[at] = e->order[at - 1];
        e->order[at] = i;
    }
    for (size_t i = 0; i < e->n; i++) value[i] = e->diagonal[e->order[i]];
}

/* The whole matrix from its upper half, times a power of two that makes its largest entry one of
 * 0.5..1, so that no square is too large or too small. *exponent: of that power. */
static t2i_status prepare(eigen *e, int *exponent, t2i_error *err)
{
    size_t n = e->n;
    double most = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) {
            double x = e->a[i * n + j];
            if (!isfinite(x))
                return t2i_fail(err, T2I_BUG, "a matrix of %zu rows is not finite", n);
            most = fmax(most, fabs(x));
        }
    frexp(most, exponent);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            e->a[j * n + i] = e->a[i * n + j] = ldexp(e->a[i * n + j], -*exponent);
    return T2I_OK;
}

static t2i_status run(eigen *e, size_t vectors, double *value, t2i_error *err)
{
    int exponent;
    T2I_TRY(prepare(e, &exponent, err));
    make_tridiagonal(e);
    T2I_TRY(solve_tridiagonal(e, err));
    sort(e, value);
    for (size_t i = 0; i < e->n; i++) value[i] = ldexp(value[i], exponent);
    reflect_back(e, vectors);
    memcpy(e->a, e->out, vectors * e->n * sizeof *e->a);
    return T2I_OK;
}

t2i_status t2i_eigen(double *a, size_t n, size_t vectors, double *value, t2i_error *err)
{
    T2I_ASSERT(n > 0 && vectors <= n);
    size_t whole = (n + STRIP - 1) / STRIP * STRIP;
    eigen e = {.a = a, .n = n};
    double *rows = t2i_alloc(5 * n, sizeof *rows);
    e.z = t2i_alloc(whole * n, sizeof *e.z);
    e.out = t2i_alloc(vectors * n, sizeof *e.out);
    e.turn = t2i_alloc(ROTATIONS + n, sizeof *e.turn);
    e.sweeps = t2i_alloc(ROTATIONS + 1, sizeof *e.sweeps);
    e.order = t2i_alloc(n, sizeof *e.order);
    t2i_status status;
    if (rows == NULL || e.z == NULL || e.out == NULL || e.turn == NULL || e.sweeps == NULL ||
        e.order == NULL) {
        status = t2i_fail_memory(err, (whole + vectors) * n * sizeof *e.z, "eigenvectors");
    } else {
        e.scale = rows;
        e.diagonal = rows + n;
        e.off = rows + 2 * n;
        e.v = rows + 3 * n;
        e.w = rows + 4 * n;
        status = run(&e, vectors, value, err);
    }
    t2i_free(rows);
    t2i_free(e.z);
    t2i_free(e.out);
    t2i_free(e.turn);
    t2i_free(e.sweeps);
    t2i_free(e.order);
    return status;
}
