#include "kernels/dblas.h"

#include <string.h>

#include "base/cpu.h"

enum {
    PANEL = 8,   /* columns at a time */
    DEPTH = 256, /* steps at a time: the panel of b stays in the first-level cache */
    BLOCK = 96   /* rows that are copied at a time where a panel is not whole; a multiple of ROWS */
};

typedef struct {
    double *out; /* PANEL columns */
    size_t out_row;
    t2i_dmatrix a;
    const double *b; /* (K, PANEL) */
    size_t K;
    int add;
} strip;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- the levels ---- */

#define TARGET
#define TILE(name) plain_##name
#define V          plain_vector
#define ROWS       3
typedef double plain_vector __attribute__((vector_size(16)));
#include "kernels/dblas_tile.h"

#if defined(__x86_64__)
#define TARGET     __attribute__((target("avx2")))
#define TILE(name) avx2_##name
#define V          avx2_vector
#define ROWS       6
typedef double avx2_vector __attribute__((vector_size(32)));
#include "kernels/dblas_tile.h"

#define TARGET     __attribute__((target("avx512f")))
#define TILE(name) avx512_##name
#define V          avx512_vector
#define ROWS       12
typedef double avx512_vector __attribute__((vector_size(64)));
#include "kernels/dblas_tile.h"
#elif defined(__aarch64__)
#define TARGET
#define TILE(name) neon_##name
#define V          plain_vector
#define ROWS       6
#include "kernels/dblas_tile.h"
#endif

static void run(const strip *t, size_t M)
{
    switch (*t2i_cpu_vectors) {
#if defined(__x86_64__)
    case T2I_AVX512:
        avx512_run(t, M);
        break;
    case T2I_AVX2:
        avx2_run(t, M);
        break;
#elif defined(__aarch64__)
    case T2I_NEON:
        neon_run(t, M);
        break;
#endif
    default:
        plain_run(t, M);
    }
}

/* ---- vectors ---- */

T2I_KERNEL(double, t2i_dblas_dot, (const double *x, const double *y, size_t n), (x, y, n))
{
    double lane[T2I_DBLAS_LANES] = {0};
    size_t i = 0;
    for (; i + T2I_DBLAS_LANES <= n; i += T2I_DBLAS_LANES)
        for (size_t l = 0; l < T2I_DBLAS_LANES; l++) lane[l] += x[i + l] * y[i + l];
    for (size_t l = 0; i + l < n; l++) lane[l] += x[i + l] * y[i + l];
    return t2i_dblas_add_lanes(lane);
}

T2I_KERNEL(void, t2i_dblas_axpy,
           (double *restrict y, double factor, const double *restrict x, size_t n),
           (y, factor, x, n))
{
    for (size_t i = 0; i < n; i++) y[i] += factor * x[i];
}

/* ---- the product ---- */

/* to (K, PANEL) = `columns` columns of b, and zeros. */
static void pack(double *to, t2i_dmatrix b, size_t columns, size_t K)
{
    for (size_t k = 0; k < K; k++, to += PANEL, b.at += b.row)
        if (b.column == 1 && columns == PANEL)
            memcpy(to, b.at, PANEL * sizeof *to);
        else
            for (size_t n = 0; n < PANEL; n++) to[n] = n < columns ? b.at[n * b.column] : 0;
}

/* The last columns, fewer than PANEL: computed in a block of whole panels and copied. */
static void run_part(const strip *t, size_t M, size_t columns)
{
    double block[BLOCK * PANEL] = {0};
    for (size_t first = 0; first < M; first += BLOCK) {
        size_t rows = smaller(BLOCK, M - first);
        double *out = t->out + first * t->out_row;
        strip part = *t;
        part.out = block;
        part.out_row = PANEL;
        part.a.at += first * t->a.row;
        for (size_t m = 0; m < rows; m++)
            memcpy(block + m * PANEL, out + m * t->out_row, columns * sizeof *out);
        run(&part, rows);
        for (size_t m = 0; m < rows; m++)
            memcpy(out + m * t->out_row, block + m * PANEL, columns * sizeof *out);
    }
}

void t2i_dblas_gemm(double *out, size_t out_row, t2i_dmatrix a, t2i_dmatrix b, size_t M, size_t N,
                    size_t K, int add)
{
    _Alignas(64) double packed[DEPTH * PANEL];
    for (size_t m = 0; m < M && K == 0 && !add; m++) memset(out + m * out_row, 0, N * sizeof *out);
    for (size_t k = 0; k < K; k += DEPTH)
        for (size_t n = 0; n < N; n += PANEL) {
            size_t columns = smaller(PANEL, N - n);
            strip t = {.out = out + n,
                       .out_row = out_row,
                       .a = {a.at + k * a.column, a.row, a.column},
                       .b = packed,
                       .K = smaller(DEPTH, K - k),
                       .add = add || k > 0};
            pack(packed, (t2i_dmatrix){b.at + k * b.row + n * b.column, b.row, b.column}, columns,
                 t.K);
            if (columns == PANEL)
                run(&t, M);
            else
                run_part(&t, M, columns);
        }
}
