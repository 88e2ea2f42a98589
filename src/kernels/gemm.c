#include "kernels/gemm.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "kernels/lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum {
    DEPTH = 128, /* k of a panel per block: half of a level-1 cache of 32 KiB */
    BLOCK = 96,  /* rows that use a panel while it is in the cache */
    FEW = 32,    /* with no more rows, the next part of b is prefetched */
    SPAN = 48,   /* k of T2I_WIDE columns per block when zeros are skipped: 24 KiB */
    AHEAD = 16   /* prefetch distance in k for rows of a: the hardware prefetcher does not predict
                    them if rows are k, as in an outer product */
};

/* A strip: rows of out, up to T2I_PANEL columns wide. */
typedef struct {
    float *out;
    size_t out_row;
    const float *a; /* row r, step k: a[r * a_row + k * a_step] */
    size_t a_row, a_step;
    const float *b;        /* a panel: K rows of T2I_PANEL; columns beyond `columns` are zero */
    const uint64_t *there; /* not NULL: T2I_WIDE columns, b has K rows of them; bit k of there[r]:
                              step k of row r is not skipped */
    float *fill; /* not NULL: equal to b and to be packed from the rows at raw, raw_row apart */
    const float *raw;
    size_t raw_row;
    const float *next; /* not NULL: K rows of a panel to prefetch meanwhile, instead of a */
    size_t rows, columns, K;
    t2i_gemm_end end; /* its pointers correspond to out[0] */
} strip;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Number of pieces of up to `most` that make up the total, and begin of the i-th. The pieces are as
 * equal as possible, since a tile of one row takes half as long as one of eight. */
static size_t pieces(size_t total, size_t most)
{
    return (total + most - 1) / most;
}

static size_t begin(size_t i, size_t count, size_t total)
{
    return i * (total / count) + smaller(i, total % count);
}

/* ---- vector levels ---- */

/* Plain level, without explicit vectors. acc: the finished chains of row r. */
static void plain_finish(const strip *t, size_t r, const float *acc)
{
    for (size_t j = 0; j < t->columns; j++) {
        size_t at = r * t->out_row + j;
        float v = acc[j];
        if (t->end.bias != NULL) v += t->end.bias[j];
        if (t->end.relu) v = v < 0.0f ? 0.0f : v;
        if (t->end.mask != NULL && t->end.mask[at] == 0.0f) v = 0.0f;
        if (t->end.residual != NULL) v = t->end.residual[at] + v;
        t->out[at] = v;
    }
}

static void plain_run(const strip *t)
{
    if (t->fill != NULL) t2i_gemm_pack(t->fill, t->raw, t->raw_row, t->K, t->columns);
    for (size_t r = 0; r < t->rows; r++) {
        float acc[T2I_PANEL];
        const float *a = t->a + r * t->a_row;
        for (size_t j = 0; j < t->columns; j++)
            acc[j] = t->end.add ? t->out[r * t->out_row + j] : 0.0f;
        for (size_t k = 0; k < t->K; k++)
            for (size_t j = 0; j < t->columns; j++)
                acc[j] = fmaf(a[k * t->a_step], t->b[k * T2I_PANEL + j], acc[j]);
        plain_finish(t, r, acc);
    }
}

/* Bit c % SPAN of across[c / SPAN * rows + r]: x[r][c] is not 0. */
static void plain_find(uint64_t *across, const float *x, size_t x_row, size_t rows, size_t columns)
{
    memset(across, 0, pieces(columns, SPAN) * rows * sizeof *across);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            across[c / SPAN * rows + r] |= (uint64_t)(x[r * x_row + c] != 0.0f) << c % SPAN;
}

static void plain_skip(const strip *t)
{
    for (size_t r = 0; r < t->rows; r++) {
        float acc[T2I_WIDE];
        const float *a = t->a + r * t->a_row;
        for (size_t j = 0; j < T2I_WIDE; j++)
            acc[j] = t->end.add ? t->out[r * t->out_row + j] : 0.0f;
        for (size_t k = 0; k < t->K; k++)
            for (size_t j = 0; j < T2I_WIDE && (t->there[r] >> k & 1) != 0; j++)
                acc[j] = fmaf(a[k * t->a_step], t->b[k * T2I_WIDE + j], acc[j]);
        plain_finish(t, r, acc);
    }
}

#if defined(__x86_64__) || defined(__aarch64__)
/* Prefetches the elements of a that the next rows read: in an outer product the next 16 rows are in
 * other cache lines, one per step; every row prefetches its share of them. */
T2I_INLINE void ask_ahead(const strip *t, size_t row, size_t rows)
{
    const float *a = t->a + row * t->a_row;
    if (t->a_step == 1) {
        for (size_t r = 0; r < rows; r++)
            for (size_t k = 0; k < SPAN; k += 16) __builtin_prefetch(a + (r + 4) * t->a_row + k);
    } else {
        size_t share = SPAN / 16 * rows, k = row % 16 * (SPAN / 16);
        for (size_t i = 0; i < share; i++)
            __builtin_prefetch(a - row % 16 + 16 + (k + i) * t->a_step);
    }
}
#endif

#if defined(__x86_64__)
#define TARGET              __attribute__((target("avx512f,avx512vl,avx512dq,fma")))
#define TILE(name)          avx512_##name
#define V                   __m512
#define LANES               16
#define ROWS                8
#define WIDTH               2
#define SKIP_ROWS           2
#define SKIP_WIDTH          8
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
#define NONZERO(x)          _mm512_cmp_ps_mask(x, ZERO, _CMP_NEQ_UQ)
#include "kernels/gemm_tile.h"
#undef FIRST

static const int32_t first_lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

#define TARGET              __attribute__((target("avx2,fma")))
#define TILE(name)          avx2_##name
#define V                   __m256
#define LANES               8
#define ROWS                6
#define WIDTH               2
#define SKIP_ROWS           1
#define SKIP_WIDTH          8
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
#define NONZERO(x)          (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(x, ZERO, _CMP_NEQ_UQ))
#include "kernels/gemm_tile.h"
#undef FIRST
#elif defined(__aarch64__)

/* There are no masked loads and stores: what is missing of a vector is copied. */
T2I_INLINE float32x4_t load_part(const float *from, size_t count)
{
    float all[4] = {0};
    memcpy(all, from, count * sizeof *all);
    return vld1q_f32(all);
}

T2I_INLINE void store_part(float *to, size_t count, float32x4_t v)
{
    float all[4];
    vst1q_f32(all, v);
    memcpy(to, all, count * sizeof *all);
}

/* *x in lane 0, for multiplications by an element. An instruction of its own, as the compiler would
 * take one that needs the unit of the sums, too; and it schedules nothing across this statement, so
 * that few are loaded ahead and all sums keep their registers. */
T2I_INLINE float32x4_t load_first(const float *x)
{
    float32x4_t v;
    __asm__ volatile("ldr %s0, %1" : "=w"(v) : "m"(*x));
    return v;
}

static const uint32_t lane_bit[4] = {1, 2, 4, 8};

/* 6 x 4 sums, 4 vectors of b and an element of a, by which a vector is multiplied as it is loaded:
 * of 32 registers. */
#define TARGET
#define TILE(name)          neon_##name
#define V                   float32x4_t
#define LANES               4
#define ROWS                6
#define WIDTH               4
#define SKIP_ROWS           2
#define SKIP_WIDTH          8
#define ZERO                vdupq_n_f32(0.0f)
#define LOAD(p)             vld1q_f32(p)
#define LOAD_PART(p, n)     load_part(p, n)
#define STORE(p, v)         vst1q_f32(p, v)
#define STORE_PART(p, n, v) store_part(p, n, v)
#define SPREAD(x)           load_first(&(x))
#define FMA(x, y, z)        vfmaq_laneq_f32(z, y, x, 0)
#define ADD(x, y)           vaddq_f32(x, y)
#define MAX(x, y)           vbslq_f32(vcgtq_f32(x, y), x, y)
#define MASKED(x, mask)     vbicq_u32(x, vceqzq_f32(mask))
#define KEEP(x, mask)       vreinterpretq_f32_u32(MASKED(vreinterpretq_u32_f32(x), mask))
#define NONZERO(x)          vaddvq_u32(MASKED(vld1q_u32(lane_bit), x))
#include "kernels/gemm_tile.h"
#undef MASKED
#endif

typedef struct {
    void (*run)(const strip *);
    void (*skip)(const strip *);
    void (*find)(uint64_t *across, const float *x, size_t x_row, size_t rows, size_t columns);
} level;

static const level *now(void)
{
    static const level levels[] = {
        [T2I_PLAIN] = {plain_run, plain_skip, plain_find},
#if defined(__x86_64__)
        [T2I_AVX2] = {avx2_run, avx2_skip, avx2_find},
        [T2I_AVX512] = {avx512_run, avx512_skip, avx512_find},
#elif defined(__aarch64__)
        [T2I_NEON] = {neon_run, neon_skip, neon_find},
#endif
    };
    return &levels[*t2i_cpu_vectors];
}

/* ---- positions of zeros ---- */

size_t t2i_gemm_zeros_words(size_t rows, size_t columns)
{
    return rows * pieces(columns, SPAN) + columns * pieces(rows, SPAN);
}

/* Transposes bits: bit r of down[c] = bit c of across[r], for up to SPAN r and c. Squares of bits
 * are swapped across the diagonal, those of 32 x 32 first (Warren, Hacker's Delight, 7-3). */
T2I_STATIC_KERNEL(void, turn_bits,
                  (uint64_t * down, const uint64_t *across, size_t rows, size_t columns),
                  (down, across, rows, columns))
{
    uint64_t word[64] = {0}, low = 0xffffffffu;
    memcpy(word, across, rows * sizeof *word);
#pragma GCC unroll 6
    for (size_t side = 32; side > 0; side /= 2, low ^= low << side)
        for (size_t square = 0; square < 64; square += 2 * side)
            for (size_t i = square; i < square + side; i++) {
                uint64_t differ = (word[i] >> side ^ word[i + side]) & low;
                word[i] ^= differ << side;
                word[i + side] ^= differ;
            }
    memcpy(down, word, columns * sizeof *down);
}

/* Number of set bits, summed in pairs, nibbles, bytes and so on; not every CPU has an instruction.
 */
T2I_STATIC_KERNEL(size_t, count_bits, (const uint64_t *words, size_t count), (words, count))
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t w = words[i];
        w -= w >> 1 & 0x5555555555555555u;
        w = (w & 0x3333333333333333u) + (w >> 2 & 0x3333333333333333u);
        w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fu;
        w += w >> 8;
        w += w >> 16;
        sum += (w + (w >> 32)) & 127;
    }
    return (size_t)sum;
}

void t2i_gemm_zeros_find(t2i_zeros *zeros, uint64_t *words, const float *x, size_t x_row,
                         size_t rows, size_t columns)
{
    size_t spans = pieces(columns, SPAN), count;
    uint64_t *down = words + rows * spans;
    now()->find(words, x, x_row, rows, columns);
    count = count_bits(words, rows * spans);
    for (size_t c = 0; c < columns; c += SPAN)
        for (size_t r = 0; r < rows; r += SPAN)
            turn_bits(down + r / SPAN * columns + c, words + c / SPAN * rows + r,
                      smaller(SPAN, rows - r), smaller(SPAN, columns - c));
    *zeros = (t2i_zeros){.across = words, .down = down, .worth = 10 * count < 7 * rows * columns};
}

/* ---- division of a product into strips ---- */

/* The strip of t that begins at row and column; the caller sets b, rows and columns. */
static strip within(const strip *t, size_t row, size_t column)
{
    strip part = *t;
    size_t at = row * t->out_row + column;
    part.out += at;
    part.a += row * t->a_row;
    if (part.there != NULL) part.there += row;
    if (part.end.bias != NULL) part.end.bias += column;
    if (part.end.mask != NULL) part.end.mask += at;
    if (part.end.residual != NULL) part.end.residual += at;
    return part;
}

/* Processes K in blocks whose part of the panel stays in the level-1 cache; out holds the chains
 * between blocks. */
static void run_deep(const strip *t)
{
    size_t steps = t->K > DEPTH ? pieces(t->K, DEPTH) : 1;
    for (size_t i = 0; i < steps; i++) {
        size_t k = begin(i, steps, t->K);
        strip part = *t;
        part.a += k * t->a_step;
        part.b += k * T2I_PANEL;
        part.K = begin(i + 1, steps, t->K) - k;
        if (t->rows <= FEW) part.next = part.b + part.K * T2I_PANEL;
        if (i + 1 < steps) part.end = (t2i_gemm_end){.add = t->end.add};
        if (i > 0) part.end.add = 1;
        now()->run(&part);
    }
}

/* Copies K rows of T2I_WIDE floats, whose parts begin at b, b + b_part, .., to wide. */
T2I_STATIC_KERNEL(void, widen, (float *wide, const float *b, size_t b_row, size_t b_part, size_t K),
                  (wide, b, b_row, b_part, K))
{
    for (size_t k = 0; k < K; k++, b += b_row)
        for (size_t n = 0; n < T2I_WIDE / T2I_PANEL; n++, wide += T2I_PANEL)
            memcpy(wide, b + n * b_part, T2I_PANEL * sizeof *wide);
}

/* As run_deep, for T2I_WIDE columns and skipping zeros. b is in panels or, if NULL, in rows at raw;
 * there_row: words per span. */
static void run_spans(const strip *t, size_t there_row)
{
    _Alignas(64) float wide[SPAN * T2I_WIDE];
    for (size_t k = 0; k < t->K; k += SPAN) {
        strip part = *t;
        part.K = smaller(SPAN, t->K - k);
        part.a += k * t->a_step;
        part.b = wide;
        part.there += k / SPAN * there_row;
        if (k + part.K < t->K) part.end = (t2i_gemm_end){.add = t->end.add};
        if (k > 0) part.end.add = 1;
        if (t->b != NULL)
            widen(wide, t->b + k * T2I_PANEL, T2I_PANEL, t->K * T2I_PANEL, part.K);
        else if (t->raw_row == T2I_WIDE)
            part.b = t->raw + k * T2I_WIDE;
        else
            widen(wide, t->raw + k * t->raw_row, t->raw_row, T2I_PANEL, part.K);
        now()->skip(&part);
    }
}

/* Are zeros of a skipped in the next columns, of which so many remain? */
static int skips(const t2i_zeros *zeros, size_t columns)
{
    return zeros != NULL && zeros->worth && columns >= T2I_WIDE;
}

void t2i_gemm(float *out, size_t out_row, const float *a, size_t a_row, const float *packed,
              size_t M, size_t N, size_t K, const t2i_gemm_end *end)
{
    strip all = {.out = out, .out_row = out_row, .a = a, .a_row = a_row, .a_step = 1, .b = packed};
    T2I_ASSERT((uintptr_t)packed % 64 == 0);
    all.K = K;
    if (end != NULL) all.end = *end;
    const t2i_zeros *zeros = all.end.zeros;
    size_t blocks = skips(zeros, N) ? 1 : pieces(M, BLOCK);
    for (size_t i = 0; i < blocks; i++)
        for (size_t n = 0, next; n < N; n = next) {
            size_t row = begin(i, blocks, M);
            int skip = skips(zeros, N - n);
            all.there = skip ? zeros->across : NULL;
            strip part = within(&all, row, n);
            next = n + (skip ? (size_t)T2I_WIDE : smaller(T2I_PANEL, N - n));
            part.b = packed + n * K;
            part.rows = begin(i + 1, blocks, M) - row;
            part.columns = next - n;
            if (skip)
                run_spans(&part, M);
            else
                run_deep(&part);
        }
}

void t2i_gemm_panel(float *out, size_t out_row, const float *a, size_t a_row, size_t a_step,
                    const float *panel, size_t M, size_t N, size_t K, int add)
{
    now()->run(&(strip){.out = out,
                        .out_row = out_row,
                        .a = a,
                        .a_row = a_row,
                        .a_step = a_step,
                        .b = panel,
                        .rows = M,
                        .columns = N,
                        .K = K,
                        .end = {.add = add}});
}

/* Up to a panel of columns of an outer product; panel is packed from raw on the way. */
static void run_outer(const strip *t)
{
    _Alignas(64) float panel[DEPTH * T2I_PANEL];
    size_t steps = t->K > DEPTH ? pieces(t->K, DEPTH) : 1;
    for (size_t i = 0; i < steps; i++) {
        size_t k = begin(i, steps, t->K);
        strip part = *t;
        part.a += k * t->a_step;
        part.b = part.fill = panel;
        part.raw += k * t->raw_row;
        part.K = begin(i + 1, steps, t->K) - k;
        part.end.add = t->end.add || i > 0;
        now()->run(&part);
    }
}

void t2i_gemm_outer(float *out, size_t out_row, const float *a, size_t a_row, const float *b,
                    size_t b_row, size_t M, size_t N, size_t K, int add, const t2i_zeros *zeros)
{
    strip all = {.out = out, .out_row = out_row, .a = a, .a_row = 1, .a_step = a_row};
    all.raw_row = b_row;
    all.rows = M;
    all.K = K;
    all.end.add = add;
    for (size_t n = 0, next; n < N; n = next) {
        int skip = skips(zeros, N - n);
        all.there = skip ? zeros->down : NULL;
        strip part = within(&all, 0, n);
        next = n + (skip ? (size_t)T2I_WIDE : smaller(T2I_PANEL, N - n));
        part.columns = next - n;
        part.raw = b + n;
        if (skip)
            run_spans(&part, M);
        else
            run_outer(&part);
    }
}

/* ---- packing ---- */

size_t t2i_gemm_row(size_t columns)
{
    enum { LINE = 16 };
    return (pieces(columns, LINE) | 1) * LINE;
}

size_t t2i_gemm_pack_floats(size_t K, size_t N)
{
    return K * pieces(N, T2I_PANEL) * T2I_PANEL;
}

void t2i_gemm_pack(float *packed, const float *b, size_t b_row, size_t K, size_t N)
{
    for (size_t n = 0; n < N; n += T2I_PANEL) {
        size_t columns = smaller(T2I_PANEL, N - n);
        for (size_t k = 0; k < K; k++, packed += T2I_PANEL) {
            if (columns ==
                T2I_PANEL) { /* a constant length compiles to a few moves instead of a call */
                memcpy(packed, b + k * b_row + n, T2I_PANEL * sizeof *packed);
                continue;
            }
            memset(packed, 0, T2I_PANEL * sizeof *packed);
            memcpy(packed, b + k * b_row + n, columns * sizeof *packed);
        }
    }
}

T2I_KERNEL(void, t2i_gemm_transpose,
           (float *out, size_t out_row, const float *b, size_t b_row, size_t N, size_t K),
           (out, out_row, b, b_row, N, K))
{
    enum { PART = 16 }; /* columns of out per block: a cache line */
    for (size_t n = 0; n < N; n += PART) {
        float *to = out + n;
        const float *from = b + n * b_row;
        size_t columns = smaller(PART, N - n), k = 0;
        for (; columns == PART && k + 4 <= K; k += 4)
            for (size_t j = 0; j < PART; j += 4) {
                const float *row = from + j * b_row + k;
                t2i_turn_4x4(to + k * out_row + j, out_row,
                             (const float *[]){row, row + b_row, row + 2 * b_row, row + 3 * b_row});
            }
        for (; k < K; k++)
            for (size_t j = 0; j < columns; j++) to[k * out_row + j] = from[j * b_row + k];
    }
}

void t2i_gemm_pack_transposed(float *packed, const float *b, size_t b_row, size_t K, size_t N)
{
    for (size_t n = 0; n < N; n += T2I_PANEL, packed += K * T2I_PANEL) {
        size_t columns = smaller(T2I_PANEL, N - n);
        if (columns < T2I_PANEL) memset(packed, 0, K * T2I_PANEL * sizeof *packed);
        t2i_gemm_transpose(packed, T2I_PANEL, b + n * b_row, b_row, columns, K);
    }
}
