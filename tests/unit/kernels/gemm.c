/* gemm: every element against its chain of fmaf, byte for byte, at each vector level that this CPU
 * has. */
#include "kernels/gemm.h"

#include <math.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "base/cpu.h"
#include "base/rng.h"

enum { ROWS = 21, COLUMNS = 100, DEEP = 600, GAP = 7, GUARD = 16 };
static const float guard = -12345.0f;

static float *numbers(size_t count, uint64_t key)
{
    float *x = t2i_alloc(count, sizeof *x);
    for (size_t i = 0; i < count; i++) x[i] = (float)t2i_rng_normal(key, 0, i);
    return x;
}

/* Equal to the bit, but that any NaN is as good as another. */
static int same(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* out (M, N) in the middle of memory that nobody else may touch. */
typedef struct {
    float *memory, *out;
    size_t row, M, N;
} guarded;

static guarded new_out(size_t M, size_t N, size_t row)
{
    guarded g = {NULL, NULL, row, M, N};
    g.memory = t2i_alloc(M * row + 2 * GUARD, sizeof *g.memory);
    g.out = g.memory + GUARD;
    return g;
}

/* The first M rows of `values`, N a row, and guards around; NULL: what was never a result. */
static void set_out(guarded *g, size_t M, const float *values)
{
    g->M = M;
    for (size_t i = 0; i < M * g->row + 2 * GUARD; i++) g->memory[i] = guard;
    for (size_t m = 0; m < M && values != NULL; m++)
        memcpy(g->out + m * g->row, values + m * g->N, g->N * sizeof *values);
}

/* Elements that are not as expected, and guards that are gone. */
static size_t wrong(const guarded *g, const float *expected)
{
    size_t bad = 0;
    for (size_t i = 0; i < GUARD; i++) bad += g->memory[i] != guard;
    for (size_t m = 0; m < g->M; m++)
        for (size_t n = 0; n < g->row; n++) {
            float got = g->out[m * g->row + n];
            bad += !same(got, n < g->N ? expected[m * g->N + n] : guard);
        }
    for (size_t i = 0; i < GUARD; i++) bad += g->out[g->M * g->row + i] != guard;
    return bad;
}

/* One more step of all chains: a's column k, b's row k. */
static void step(float *chain, const float *a, size_t a_row, const float *b, size_t M, size_t N)
{
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++)
            chain[m * N + n] = fmaf(a[m * a_row], b[n], chain[m * N + n]);
}

static void expect(size_t bad, const char *what, size_t M, size_t N, size_t K)
{
    if (bad > 0) fprintf(stderr, "%s: %zu of (%zu, %zu, %zu)\n", what, bad, M, N, K);
    CU_ASSERT_EQUAL(bad, 0);
}

/* All K up to DEEP: the chains of K steps are those of K - 1 and one more. */
static void chains_of_any_length(void)
{
    enum { M = 9, N = 37, A_ROW = DEEP + 3, B_ROW = N + 2 };
    float *a = numbers(M * A_ROW, 1), *b = numbers(DEEP * B_ROW, 2);
    float *bt = numbers(N * A_ROW, 3), *at = numbers(DEEP * M, 4);
    float *packed = t2i_alloc(t2i_gemm_pack_floats(DEEP, N), sizeof *packed);
    float chain[M * N] = {0}, *start = numbers(M * N, 5), added[M * N];
    guarded g = new_out(M, N, N + GAP);
    for (size_t n = 0; n < N; n++)
        for (size_t k = 0; k < DEEP; k++) bt[n * A_ROW + k] = b[k * B_ROW + n];
    for (size_t m = 0; m < M; m++)
        for (size_t k = 0; k < DEEP; k++) at[k * M + m] = a[m * A_ROW + k];
    memcpy(added, start, sizeof added);
    for (size_t K = 0; K <= DEEP; K++) {
        t2i_gemm_pack(packed, b, B_ROW, K, N);
        set_out(&g, M, NULL);
        t2i_gemm(g.out, g.row, a, A_ROW, packed, M, N, K, NULL);
        expect(wrong(&g, chain), "product", M, N, K);
        t2i_gemm_pack_transposed(packed, bt, A_ROW, K, N);
        set_out(&g, M, start);
        t2i_gemm(g.out, g.row, a, A_ROW, packed, M, N, K, &(t2i_gemm_end){.add = 1});
        expect(wrong(&g, added), "added product", M, N, K);
        set_out(&g, M, NULL);
        t2i_gemm_outer(g.out, g.row, at, M, b, B_ROW, M, N, K, 0, NULL);
        expect(wrong(&g, chain), "outer product", M, N, K);
        set_out(&g, M, start);
        t2i_gemm_outer(g.out, g.row, at, M, b, B_ROW, M, N, K, 1, NULL);
        expect(wrong(&g, added), "added outer product", M, N, K);
        if (K == DEEP) break;
        step(chain, a + K, A_ROW, b + K * B_ROW, M, N);
        step(added, a + K, A_ROW, b + K * B_ROW, M, N);
    }
    float *all[] = {a, b, bt, at, packed, start, g.memory};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
}

/* Rows do not depend on how many there are: the chains of all rows, compared at every M. */
static void any_shape(void)
{
    enum { K = 19 };
    float *a = numbers(ROWS * K, 6), *at = numbers(K * ROWS, 0);
    float *b = numbers(K * COLUMNS, 7), *packed = NULL;
    for (size_t m = 0; m < ROWS; m++)
        for (size_t k = 0; k < K; k++) at[k * ROWS + m] = a[m * K + k];
    for (size_t N = 0; N <= COLUMNS; N++) {
        float *chain = t2i_alloc(ROWS * N, sizeof *chain);
        float *start = numbers(ROWS * N, 8), *added = numbers(ROWS * N, 8);
        guarded g = new_out(ROWS, N, N + N % 3);
        packed = t2i_alloc(t2i_gemm_pack_floats(K, N), sizeof *packed);
        t2i_gemm_pack(packed, b, COLUMNS, K, N);
        for (size_t k = 0; k < K; k++) {
            step(chain, a + k, K, b + k * COLUMNS, ROWS, N);
            step(added, a + k, K, b + k * COLUMNS, ROWS, N);
        }
        for (size_t M = 0; M <= ROWS; M++) {
            set_out(&g, M, NULL);
            t2i_gemm(g.out, g.row, a, K, packed, M, N, K, NULL);
            expect(wrong(&g, chain), "product", M, N, K);
            set_out(&g, M, NULL);
            t2i_gemm_outer(g.out, g.row, at, ROWS, b, COLUMNS, M, N, K, 0, NULL);
            expect(wrong(&g, chain), "outer product", M, N, K);
            if (N > T2I_PANEL) continue;
            set_out(&g, M, NULL);
            t2i_gemm_panel(g.out, g.row, a, K, 1, packed, M, N, K, 0);
            expect(wrong(&g, chain), "panel", M, N, K);
            set_out(&g, M, NULL);
            t2i_gemm_panel(g.out, g.row, at, 1, ROWS, packed, M, N, K, 0);
            expect(wrong(&g, chain), "panel, a transposed", M, N, K);
            set_out(&g, M, start);
            t2i_gemm_panel(g.out, g.row, a, K, 1, packed, M, N, K, 1);
            expect(wrong(&g, added), "added panel", M, N, K);
        }
        t2i_free(chain);
        t2i_free(start);
        t2i_free(added);
        t2i_free(packed);
        t2i_free(g.memory);
    }
    t2i_free(a);
    t2i_free(at);
    t2i_free(b);
}

/* Shapes of a training step, which are cut into blocks of rows: a few rows are looked at. */
static void large(void)
{
    static const size_t shapes[][3] = {
        {200, 384, 128}, {97, 128, 512}, {301, 64, 64}, {384, 128, 300}, {512, 97, 129}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t M = shapes[i][0], N = shapes[i][1], K = shapes[i][2];
        float *a = numbers(M * K, 8), *at = numbers(M * K, 8), *b = numbers(K * N, 9);
        float *packed = t2i_alloc(t2i_gemm_pack_floats(K, N), sizeof *packed);
        float *chain = t2i_alloc(M * N, sizeof *chain);
        guarded g = new_out(M, N, N);
        t2i_gemm_pack(packed, b, N, K, N);
        for (size_t m = 0; m < M; m++)
            for (size_t k = 0; k < K; k++) at[k * M + m] = a[m * K + k];
        for (size_t k = 0; k < K; k++) step(chain, a + k, K, b + k * N, M, N);
        set_out(&g, M, NULL);
        t2i_gemm(g.out, N, a, K, packed, M, N, K, NULL);
        expect(wrong(&g, chain), "product", M, N, K);
        set_out(&g, M, NULL);
        t2i_gemm_outer(g.out, N, at, M, b, N, M, N, K, 0, NULL);
        expect(wrong(&g, chain), "outer product", M, N, K);
        float *all[] = {a, at, b, packed, chain, g.memory};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++) t2i_free(all[j]);
    }
}

static float ended(float v, const t2i_gemm_end *end, size_t at, size_t n)
{
    if (end->bias != NULL) v += end->bias[n];
    if (end->relu) v = v < 0.0f ? 0.0f : v;
    if (end->mask != NULL) v = end->mask[at] == 0.0f ? 0.0f : v;
    if (end->residual != NULL) v = end->residual[at] + v;
    return v;
}

/* All ends together and apart, with numbers that are none, and a K that is done in two parts. */
static void try_ends(size_t M, size_t N, size_t K)
{
    size_t row = N + GAP;
    float *a = numbers(M * K, 10), *b = numbers(K * N, 11), *start = numbers(M * N, 12);
    float *bias = numbers(N, 13), *mask = numbers(M * row, 14), *residual = numbers(M * row, 15);
    float *packed = t2i_alloc(t2i_gemm_pack_floats(K, N), sizeof *packed);
    float *chain = t2i_alloc(M * N, sizeof *chain), *expected = t2i_alloc(M * N, sizeof *chain);
    guarded g = new_out(M, N, row);
    if (K > 3 && M > 2) { /* a row of NaN, and one with an infinity */
        a[K + 3] = NAN;
        a[2 * K + K / 2] = INFINITY;
    }
    for (size_t i = 0; i < M * row; i += 3) mask[i] = i % 2 ? 0.0f : -0.0f;
    if (M > 0) mask[1] = NAN; /* not 0: keeps */
    if (K > 0) b[0] = -INFINITY;
    t2i_gemm_pack(packed, b, N, K, N);
    for (unsigned flags = 0; flags < 32; flags++) {
        t2i_gemm_end end = {flags & 1,
                            flags & 2 ? bias : NULL,
                            (flags & 4) != 0,
                            flags & 8 ? mask : NULL,
                            flags & 16 ? residual : NULL,
                            NULL};
        memset(chain, 0, M * N * sizeof *chain);
        if (end.add) memcpy(chain, start, M * N * sizeof *chain);
        for (size_t k = 0; k < K; k++) step(chain, a + k, K, b + k * N, M, N);
        for (size_t i = 0; i < M * N; i++)
            expected[i] = ended(chain[i], &end, i / N * row + i % N, i % N);
        set_out(&g, M, end.add ? start : NULL);
        t2i_gemm(g.out, row, a, K, packed, M, N, K, &end);
        expect(wrong(&g, expected), "ended product", M, N, K);
    }
    float *all[] = {a, b, start, bias, mask, residual, packed, chain, expected, g.memory};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
}

static void ends(void)
{
    static const size_t columns[] = {1, 8, 15, 16, 17, 31, 32, 33, 70}, depths[] = {0, 5, 200};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        for (size_t j = 0; j < sizeof depths / sizeof *depths; j++) {
            try_ends(3, columns[i], depths[j]);
            try_ends(13, columns[i], depths[j]);
        }
}

/* -0 is kept where the order of the ends says so, and a NaN passes relu. */
static void signs(void)
{
    _Alignas(64) float packed[T2I_PANEL], b[3] = {1.0f, -0.0f, NAN}, a = -0.0f, out[3];
    static const float residual[3] = {-0.0f, -0.0f, 1.0f}, mask[3] = {1.0f, 1.0f, 1.0f};
    t2i_gemm_pack(packed, b, 3, 1, 3);
    memcpy(out, residual, sizeof out);
    t2i_gemm(out, 3, &a, 1, packed, 1, 3, 1, &(t2i_gemm_end){.add = 1, .relu = 1, .mask = mask});
    CU_ASSERT(same(out[0], -0.0f) && same(out[1], 0.0f) && isnan(out[2]));
    t2i_gemm(out, 3, &a, 1, packed, 1, 3, 1, &(t2i_gemm_end){.residual = residual});
    CU_ASSERT(same(out[0], 0.0f) && same(out[1], 0.0f) && isnan(out[2]));
}

/* Both ways to pack, and zeros where there is no column. */
static void packing(void)
{
    enum { K = 13, N = 45 };
    float *b = numbers(K * N, 16), bt[N * (K + 1)];
    float *packed = t2i_alloc(t2i_gemm_pack_floats(K, N), sizeof *packed);
    CU_ASSERT_EQUAL(t2i_gemm_pack_floats(K, N), 2 * K * T2I_PANEL);
    for (size_t i = 0; i < K * N; i++) bt[i % N * (K + 1) + i / N] = b[i];
    for (int transposed = 0; transposed < 2; transposed++) {
        size_t bad = 0;
        for (size_t i = 0; i < t2i_gemm_pack_floats(K, N); i++) packed[i] = guard;
        if (transposed)
            t2i_gemm_pack_transposed(packed, bt, K + 1, K, N);
        else
            t2i_gemm_pack(packed, b, N, K, N);
        for (size_t i = 0; i < t2i_gemm_pack_floats(K, N); i++) {
            size_t k = i / T2I_PANEL % K, n = i / (K * T2I_PANEL) * T2I_PANEL + i % T2I_PANEL;
            bad += !same(packed[i], n < N ? b[k * N + n] : 0.0f);
        }
        CU_ASSERT_EQUAL(bad, 0);
    }
    t2i_free(b);
    t2i_free(packed);
}

/* Numbers, of which about so many of a hundred are 0, and some of these -0. */
static float *sparse(size_t count, uint64_t key, unsigned percent)
{
    float *x = numbers(count, key);
    for (size_t i = 0; i < count; i++) {
        uint64_t u = t2i_rng_bits(key, 1, i);
        if (u % 100 < percent) x[i] = u % 3 == 0 ? -0.0f : 0.0f;
    }
    return x;
}

/* Products that may skip zeros of a (M, K), as product and as outer product, against all steps. */
static void try_zeros(size_t M, size_t N, size_t K, unsigned percent)
{
    size_t row = N + GAP, a_row = K + 5;
    float *a = sparse(M * a_row, 17 + percent, percent), *b = numbers(K * N, 18);
    float *start = numbers(M * N, 19), *bias = numbers(N, 20), *residual = numbers(M * row, 21);
    float *packed = t2i_alloc(t2i_gemm_pack_floats(K, N), sizeof *packed);
    float *expected = t2i_alloc(M * N, sizeof *expected), *chain = t2i_alloc(M * N, sizeof *chain);
    float *at = t2i_alloc(K * (M + 3), sizeof *at);
    uint64_t *words = t2i_alloc(t2i_gemm_zeros_words(M, K), sizeof *words),
             *turned = t2i_alloc(t2i_gemm_zeros_words(K, M), sizeof *turned);
    guarded g = new_out(M, N, row);
    t2i_zeros zeros, of_turned;
    t2i_gemm_pack(packed, b, N, K, N);
    t2i_gemm_transpose(at, M + 3, a, a_row, M, K);
    t2i_gemm_zeros_find(&zeros, words, a, a_row, M, K);
    t2i_gemm_zeros_find(&of_turned, turned, at, M + 3, K, M);
    if (M * K > 100) CU_ASSERT_EQUAL(zeros.worth, percent > 35);
    for (int add = 0; add < 2; add++) {
        t2i_gemm_end end = {add, bias, 0, NULL, residual, &zeros};
        memset(chain, 0, M * N * sizeof *chain);
        if (add) memcpy(chain, start, M * N * sizeof *chain);
        for (size_t k = 0; k < K; k++) step(chain, a + k, a_row, b + k * N, M, N);
        for (size_t i = 0; i < M * N; i++)
            expected[i] = ended(chain[i], &end, i / N * row + i % N, i % N);
        set_out(&g, M, add ? start : NULL);
        t2i_gemm(g.out, row, a, a_row, packed, M, N, K, &end);
        expect(wrong(&g, expected), "product without zeros", M, N, K);
        set_out(&g, M, add ? start : NULL);
        t2i_gemm_outer(g.out, row, at, M + 3, b, N, M, N, K, add, &of_turned);
        expect(wrong(&g, chain), "outer product without zeros", M, N, K);
    }
    float *all[] = {a, b, start, bias, residual, packed, expected, chain, at, g.memory};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    t2i_free(words);
    t2i_free(turned);
}

static void zeros(void)
{
    static const size_t rows[] = {0, 1, 2, 47, 64, 131}, columns[] = {31, 128, 129, 300},
                        depths[] = {0, 1, 47, 48, 49, 96, 130};
    static const unsigned percents[] = {0, 20, 50, 90, 100};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 4; j++)
            for (size_t k = 0; k < 7; k++)
                for (size_t p = 0; p < 5; p++)
                    try_zeros(rows[i], columns[j], depths[k], percents[p]);
}

/* Steps are left out where a is 0, and only there: b has a NaN for every step, which no result may
 * see but those of the one row that has no zeros. */
static void zeros_are_left_out(void)
{
    enum { M = 70, N = T2I_WIDE, K = 60 };
    static float a[M * K], b[K * N], at[K * M], out[M * N];
    _Alignas(64) static float packed[K * N];
    uint64_t *words = t2i_alloc(t2i_gemm_zeros_words(M, K), sizeof *words);
    t2i_zeros zeros;
    size_t seen = 0;
    memset(a, 0, sizeof a);
    for (size_t k = 0; k < K; k++) a[33 * K + k] = 1.0f;
    for (size_t i = 0; i < K * N; i++) b[i] = NAN;
    t2i_gemm_transpose(at, M, a, K, M, K);
    t2i_gemm_pack(packed, b, N, K, N);
    t2i_gemm_zeros_find(&zeros, words, a, K, M, K);
    t2i_gemm(out, N, a, K, packed, M, N, K, &(t2i_gemm_end){.zeros = &zeros});
    for (size_t i = 0; i < M * N; i++) seen += (size_t)(isnan(out[i]) != (i / N == 33));
    t2i_free(words);
    words = t2i_alloc(t2i_gemm_zeros_words(K, M), sizeof *words);
    t2i_gemm_zeros_find(&zeros, words, at, M, K, M);
    t2i_gemm_outer(out, N, at, M, b, N, M, N, K, 0, &zeros);
    for (size_t i = 0; i < M * N; i++) seen += (size_t)(isnan(out[i]) != (i / N == 33));
    CU_ASSERT_EQUAL(seen, 0);
    t2i_free(words);
}

static int test_level(void)
{
    static const t2i_test tests[] = {
        {"packing", packing},     {"chains of any length", chains_of_any_length},
        {"any shape", any_shape}, {"large", large},
        {"ends", ends},           {"signs of zero", signs},
        {"zeros", zeros},         {"zeros are left out", zeros_are_left_out}};
    return t2i_test_main(t2i_cpu_vectors_name(), tests, sizeof tests / sizeof *tests);
}

/* The level is picked before main begins: each one is a run of this program. */
static int run_level(char **argv, const char *level)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        setenv("T2I_VECTORS", level, 1);
        execv("/proc/self/exe", argv);
        _exit(1);
    }
    return child < 0 || waitpid(child, &status, 0) != child || status != 0;
}

int main(int argc, char **argv)
{
    static const char *const levels[] = {"plain", "avx2", "avx512", "neon"};
    t2i_error err;
    int failed = 0;
    (void)argc;
    t2i_cpu_set_rounding();
    if (getenv("T2I_VECTORS") == NULL) {
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
            failed += run_level(argv, levels[i]);
        return failed;
    }
    if (t2i_cpu_check_vectors(&err) == T2I_OK) return test_level();
    printf("not tested: %s\n", err.text);
    return 0;
}
