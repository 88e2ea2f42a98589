#include "t2i/gemm.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "t2i/cpu.h"
#include "t2i/error.h"
#include "lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    DEPTH = 128, /* so many k of a panel at a time: half of a first-level cache of 32 KiB */
    BLOCK = 96,  /* so many rows meet a panel while it is there */
    AHEAD = 16   /* so many k before its use a row of a is asked for: where rows are k, as in an
                    outer product, the processor does not guess the next one */
};

/* Rows of out, up to T2I_PANEL columns wide. */
typedef struct {
    float *out;
    size_t out_row;
    const float *a; /* row r, step k: a[r * a_row + k * a_step] */
    size_t a_row, a_step;
    const float *b; /* a panel: K rows of T2I_PANEL, those beyond `columns` zeros */
    float *fill;    /* not NULL: b, and still empty; its rows lie at raw, raw_row floats apart */
    const float *raw;
    size_t raw_row;
    size_t rows, columns, K;
    t2i_gemm_end end; /* its pointers are to what belongs to out[0] */
} strip;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many pieces of up to `most` make up the total, and where the i-th begins. They are as equal
 * as can be, since a tile of one row takes half as long as one of eight. */
static size_t pieces(size_t total, size_t most)
{
    return (total + most - 1) / most;
}

static size_t begin(size_t i, size_t count, size_t total)
{
    return i * (total / count) + smaller(i, total % count);
}

/* ---- the levels ---- */

/* No vectors by hand: what the compiler makes of it. */
static void plain_run(const strip *t)
{
    if (t->fill != NULL) t2i_pack(t->fill, t->raw, t->raw_row, t->K, t->columns);
    for (size_t r = 0; r < t->rows; r++) {
        float acc[T2I_PANEL], *out = t->out + r * t->out_row;
        const float *a = t->a + r * t->a_row;
        for (size_t j = 0; j < t->columns; j++) acc[j] = t->end.add ? out[j] : 0.0f;
        for (size_t k = 0; k < t->K; k++)
            for (size_t j = 0; j < t->columns; j++)
                acc[j] = fmaf(a[k * t->a_step], t->b[k * T2I_PANEL + j], acc[j]);
        for (size_t j = 0; j < t->columns; j++) {
            size_t at = r * t->out_row + j;
            float v = acc[j];
            if (t->end.bias != NULL) v += t->end.bias[j];
            if (t->end.relu) v = v < 0.0f ? 0.0f : v;
            if (t->end.mask != NULL && t->end.mask[at] == 0.0f) v = 0.0f;
            if (t->end.residual != NULL) v = t->end.residual[at] + v;
            out[j] = v;
        }
    }
}

#if defined(__x86_64__)
#define TARGET              __attribute__((target("avx512f,avx512vl,avx512dq,fma")))
#define TILE(name)          avx512_##name
#define V                   __m512
#define LANES               16
#define ROWS                8
#define ZERO                _mm512_setzero_ps()
#define FIRST(n)            ((__mmask16)((1u << (n)) - 1u))
#define LOAD(p)             _mm512_loadu_ps(p)
#define LOAD_PART(p, n)     _mm512_maskz_loadu_ps(FIRST(n), p)
#define STORE(p, v)         _mm512_storeu_ps(p, v)
#define STORE_PART(p, n, v) _mm512_mask_storeu_ps(p, FIRST(n), v)
#define SPREAD(x)           _mm512_set1_ps(x)
#define FMA(x, y, z)        _mm512_fmadd_ps(x, y, z)
#define ADD(x, y)           _mm512_add_ps(x, y)
#define MAX(x, y)           _mm512_max_ps(x, y)
#define KEEP(x, mask)       _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(mask, ZERO, _CMP_NEQ_UQ), x)
#include "gemm_tile.h"
#undef FIRST

static const int32_t first_lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

#define TARGET              __attribute__((target("avx2,fma")))
#define TILE(name)          avx2_##name
#define V                   __m256
#define LANES               8
#define ROWS                6
#define ZERO                _mm256_setzero_ps()
#define FIRST(n)            _mm256_loadu_si256((const __m256i *)(first_lanes + 8 - (n)))
#define LOAD(p)             _mm256_loadu_ps(p)
#define LOAD_PART(p, n)     _mm256_maskload_ps(p, FIRST(n))
#define STORE(p, v)         _mm256_storeu_ps(p, v)
#define STORE_PART(p, n, v) _mm256_maskstore_ps(p, FIRST(n), v)
#define SPREAD(x)           _mm256_set1_ps(x)
#define FMA(x, y, z)        _mm256_fmadd_ps(x, y, z)
#define ADD(x, y)           _mm256_add_ps(x, y)
#define MAX(x, y)           _mm256_max_ps(x, y)
#define KEEP(x, mask)       _mm256_and_ps(x, _mm256_cmp_ps(mask, ZERO, _CMP_NEQ_UQ))
#include "gemm_tile.h"
#undef FIRST
#endif

static void run(const strip *t)
{
    static void (*const levels[])(const strip *) = {
        [T2I_PLAIN] = plain_run,
#if defined(__x86_64__)
        [T2I_AVX2] = avx2_run,
        [T2I_AVX512] = avx512_run,
#endif
    };
    levels[*t2i_cpu_vectors](t);
}

/* ---- cutting a product into strips ---- */

/* The strip that begins at that row and column of t; its b, rows and columns are to be set. */
static strip within(const strip *t, size_t row, size_t column)
{
    strip part = *t;
    size_t at = row * t->out_row + column;
    part.out += at;
    part.a += row * t->a_row;
    if (part.end.bias != NULL) part.end.bias += column;
    if (part.end.mask != NULL) part.end.mask += at;
    if (part.end.residual != NULL) part.end.residual += at;
    return part;
}

/* So much of K at a time that its part of the panel stays in the first-level cache; out holds the
 * chains meanwhile. */
static void run_deep(const strip *t)
{
    size_t steps = t->K > DEPTH ? pieces(t->K, DEPTH) : 1;
    for (size_t i = 0; i < steps; i++) {
        size_t k = begin(i, steps, t->K);
        strip part = *t;
        part.a += k * t->a_step;
        part.b += k * T2I_PANEL;
        part.K = begin(i + 1, steps, t->K) - k;
        if (i + 1 < steps) part.end = (t2i_gemm_end){.add = t->end.add};
        if (i > 0) part.end.add = 1;
        run(&part);
    }
}

void t2i_gemm(float *out, size_t out_row, const float *a, size_t a_row, const float *packed,
              size_t M, size_t N, size_t K, const t2i_gemm_end *end)
{
    strip all = {.out = out, .out_row = out_row, .a = a, .a_row = a_row, .a_step = 1, .b = packed};
    T2I_ASSERT((uintptr_t)packed % 64 == 0);
    all.K = K;
    if (end != NULL) all.end = *end;
    size_t blocks = pieces(M, BLOCK);
    for (size_t i = 0; i < blocks; i++)
        for (size_t n = 0; n < N; n += T2I_PANEL) {
            size_t row = begin(i, blocks, M);
            strip part = within(&all, row, n);
            part.b = packed + n * K;
            part.rows = begin(i + 1, blocks, M) - row;
            part.columns = smaller(T2I_PANEL, N - n);
            run_deep(&part);
        }
}

void t2i_gemm_panel(float *out, size_t out_row, const float *a, size_t a_row, size_t a_step,
                    const float *panel, size_t M, size_t N, size_t K)
{
    run(&(strip){.out = out,
                 .out_row = out_row,
                 .a = a,
                 .a_row = a_row,
                 .a_step = a_step,
                 .b = panel,
                 .rows = M,
                 .columns = N,
                 .K = K});
}

void t2i_gemm_outer(float *out, size_t out_row, const float *a, size_t a_row, const float *b,
                    size_t b_row, size_t M, size_t N, size_t K, int add)
{
    _Alignas(64) float panel[DEPTH * T2I_PANEL];
    strip all = {.out = out, .out_row = out_row, .a = a, .a_row = 1, .a_step = a_row};
    all.b = all.fill = panel;
    all.raw_row = b_row;
    size_t steps = K > DEPTH ? pieces(K, DEPTH) : 1;
    for (size_t i = 0; i < steps; i++)
        for (size_t n = 0; n < N; n += T2I_PANEL) {
            size_t k = begin(i, steps, K);
            strip part = within(&all, 0, n);
            part.a += k * a_row;
            part.rows = M;
            part.columns = smaller(T2I_PANEL, N - n);
            part.K = begin(i + 1, steps, K) - k;
            part.end.add = add || i > 0;
            part.raw = b + k * b_row + n;
            run(&part);
        }
}

/* ---- packing ---- */

size_t t2i_pack_floats(size_t K, size_t N)
{
    return K * pieces(N, T2I_PANEL) * T2I_PANEL;
}

void t2i_pack(float *packed, const float *b, size_t b_row, size_t K, size_t N)
{
    for (size_t n = 0; n < N; n += T2I_PANEL) {
        size_t columns = smaller(T2I_PANEL, N - n);
        for (size_t k = 0; k < K; k++, packed += T2I_PANEL) {
            if (columns == T2I_PANEL) { /* a known length is a few moves, not a call */
                memcpy(packed, b + k * b_row + n, T2I_PANEL * sizeof *packed);
                continue;
            }
            memset(packed, 0, T2I_PANEL * sizeof *packed);
            memcpy(packed, b + k * b_row + n, columns * sizeof *packed);
        }
    }
}

T2I_KERNEL(void, t2i_pack_transposed,
           (float *packed, const float *b, size_t b_row, size_t K, size_t N),
           (packed, b, b_row, K, N))
{
    enum { PART = 8 }; /* rows of b at a time: more of them may share too few sets of the cache */
    if (N % T2I_PANEL != 0) {
        size_t whole = N / T2I_PANEL * T2I_PANEL * K;
        memset(packed + whole, 0, T2I_PANEL * K * sizeof *packed);
    }
    for (size_t n = 0; n < N; n += PART) {
        float *to = packed + n / T2I_PANEL * T2I_PANEL * K + n % T2I_PANEL;
        const float *from = b + n * b_row;
        size_t columns = smaller(PART, N - n), k = 0;
        for (; columns == PART && k + 4 <= K; k += 4)
            for (size_t j = 0; j < PART; j += 4) {
                const float *row = from + j * b_row + k;
                t2i_turn_4x4(to + k * T2I_PANEL + j, T2I_PANEL,
                             (const float *[]){row, row + b_row, row + 2 * b_row, row + 3 * b_row});
            }
        for (; k < K; k++)
            for (size_t j = 0; j < columns; j++) to[k * T2I_PANEL + j] = from[j * b_row + k];
    }
}
