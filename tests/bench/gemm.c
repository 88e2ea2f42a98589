/* Our own matrix products in the sizes of a training step, beside OpenBLAS and the most that one
 * core can do: GF/s, the median of a few tries that take turns (and the least, the most), on one
 * thread. Usage: gemm [PART-OF-A-NAME] */
#include "kernels/gemm.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "kernels/blas.h"
#include "base/mem.h"
#include "base/rng.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { TRIES = 15 };

/* Of this thread: others may be at work. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- the peak: independent multiply-adds in registers ---- */

enum { CHAINS = 12, ROUNDS = 2000000 };
typedef float (*chains)(float seed);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float chains_avx512(float seed)
{
    __m512 acc[CHAINS], x = _mm512_set1_ps(seed);
    for (int i = 0; i < CHAINS; i++) acc[i] = x;
    for (int round = 0; round < ROUNDS; round++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_fmadd_ps(acc[i], x, x);
    for (int i = 1; i < CHAINS; i++) acc[0] = _mm512_add_ps(acc[0], acc[i]);
    return _mm512_cvtss_f32(acc[0]);
}

__attribute__((target("avx2,fma"))) static float chains_avx2(float seed)
{
    __m256 acc[CHAINS], x = _mm256_set1_ps(seed);
    for (int i = 0; i < CHAINS; i++) acc[i] = x;
    for (int round = 0; round < ROUNDS; round++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) acc[i] = _mm256_fmadd_ps(acc[i], x, x);
    for (int i = 1; i < CHAINS; i++) acc[0] = _mm256_add_ps(acc[0], acc[i]);
    return _mm256_cvtss_f32(acc[0]);
}

static chains chains_of_level(int *lanes)
{
    *lanes = *t2i_cpu_vectors == T2I_AVX512 ? 16 : 8;
    return *t2i_cpu_vectors == T2I_PLAIN ? NULL : *lanes == 16 ? chains_avx512 : chains_avx2;
}
#elif defined(__aarch64__)
/* Two vectors per chain: some CPUs have four units. */
static float chains_neon(float seed)
{
    float32x4_t acc[2 * CHAINS], x = vdupq_n_f32(seed);
    for (int i = 0; i < 2 * CHAINS; i++) acc[i] = x;
    for (int round = 0; round < ROUNDS; round++)
#pragma GCC unroll 24
        for (int i = 0; i < 2 * CHAINS; i++) acc[i] = vfmaq_f32(x, acc[i], x);
    for (int i = 1; i < 2 * CHAINS; i++) acc[0] = vaddq_f32(acc[0], acc[i]);
    return vaddvq_f32(acc[0]);
}

static chains chains_of_level(int *lanes)
{
    *lanes = 8;
    return *t2i_cpu_vectors == T2I_PLAIN ? NULL : chains_neon;
}
#else
static chains chains_of_level(int *lanes)
{
    *lanes = 0;
    return NULL;
}
#endif

/* GF/s; 0 where it is not known. */
static double peak(void)
{
    static volatile float seed = 0.5f, sink;
    double best = 0;
    int lanes;
    chains run = chains_of_level(&lanes);
    for (int i = 0; i < TRIES && run != NULL; i++) {
        double start = seconds();
        sink = run(seed);
        double rate = 2e-9 * lanes * CHAINS * ROUNDS / (seconds() - start);
        if (rate > best) best = rate;
    }
    (void)sink;
    return best;
}

/* ---- products ---- */

typedef struct {
    const char *name;
    int outer; /* a gradient: a (K, M) transposed */
    int ends;  /* bias and relu, as the first half of a feed-forward layer */
    int half;  /* half of a is 0, and skipped; the rate counts those multiplications too */
    size_t M, N, K;
    float *a, *b, *packed, *out;
    t2i_zeros zeros;
} product;

static void ours(const product *p)
{
    t2i_gemm_end end = {.bias = p->ends ? p->b : NULL, .relu = p->ends, .zeros = &p->zeros};
    if (p->outer)
        t2i_gemm_outer(p->out, p->N, p->a, p->M, p->b, p->N, p->M, p->N, p->K, 0, &p->zeros);
    else
        t2i_gemm(p->out, p->N, p->a, p->K, p->packed, p->M, p->N, p->K, &end);
}

static void theirs(const product *p)
{
    int M = (int)p->M, N = (int)p->N, K = (int)p->K;
    cblas_sgemm(CblasRowMajor, p->outer ? CblasTrans : CblasNoTrans, CblasNoTrans, M, N, K, 1.0f,
                p->a, p->outer ? M : K, p->b, N, 0.0f, p->out, N);
}

static void pack(const product *p)
{
    t2i_gemm_pack(p->packed, p->b, p->N, p->K, p->N);
}

static void pack_transposed(const product *p)
{
    t2i_gemm_pack_transposed(p->packed, p->b, p->K, p->K, p->N);
}

typedef struct {
    double rate[TRIES];
} rates;

/* One try: calls for 3 ms or so. */
static double rate(void (*run)(const product *), const product *p, double work)
{
    size_t calls = 1 + (size_t)(3e8 / work);
    double start = seconds();
    for (size_t i = 0; i < calls; i++) run(p);
    return 1e-9 * work * (double)calls / (seconds() - start);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(rates *r)
{
    qsort(r->rate, TRIES, sizeof *r->rate, by_value);
    return r->rate[TRIES / 2];
}

static void show(const product *p, rates *own, rates *blas, double most)
{
    double mine = median(own), other = median(blas);
    printf("%-8s (%4zu,%4zu,%4zu)  %6.1f (%5.1f .. %5.1f)  %3.0f %%  %6.1f (%5.1f .. %5.1f)",
           p->name, p->M, p->N, p->K, mine, own->rate[0], own->rate[TRIES - 1],
           most > 0 ? 100 * mine / most : 0, other, blas->rate[0], blas->rate[TRIES - 1]);
}

static float *numbers(size_t count)
{
    float *x = t2i_alloc(count, sizeof *x);
    for (size_t i = 0; i < count && x != NULL; i++) x[i] = (float)t2i_rng_normal(1, count, i);
    return x;
}

static void measure(product p, double most)
{
    double work = 2.0 * (double)(p.M * p.N * p.K);
    rates own, blas, packing[2];
    p.a = numbers(p.M * p.K);
    p.b = numbers(p.K * p.N);
    p.packed = t2i_alloc(t2i_gemm_pack_floats(p.K, p.N), sizeof *p.packed);
    p.out = t2i_alloc(p.M * p.N, sizeof *p.out);
    size_t a_rows = p.outer ? p.K : p.M, a_columns = p.outer ? p.M : p.K;
    uint64_t *words = t2i_alloc(t2i_gemm_zeros_words(a_rows, a_columns), sizeof *words);
    if (p.a != NULL && p.b != NULL && p.packed != NULL && p.out != NULL && words != NULL) {
        for (size_t i = 0; p.half && i < p.M * p.K; i++) p.a[i] = p.a[i] < 0 ? 0 : p.a[i];
        t2i_gemm_zeros_find(&p.zeros, words, p.a, a_columns, a_rows, a_columns);
        pack(&p);
        ours(&p);
        theirs(&p);
        for (int t = 0; t < TRIES; t++) {
            own.rate[t] = rate(ours, &p, work);
            blas.rate[t] = rate(theirs, &p, work);
            packing[0].rate[t] = rate(pack, &p, (double)(p.K * p.N) * 8);
            packing[1].rate[t] = rate(pack_transposed, &p, (double)(p.K * p.N) * 8);
        }
        show(&p, &own, &blas, most);
        printf("  %5.1f %5.1f\n", median(&packing[0]), median(&packing[1]));
    }
    t2i_free(p.a);
    t2i_free(p.b);
    t2i_free(p.packed);
    t2i_free(p.out);
    t2i_free(words);
}

static void measure_step(size_t T, size_t d, size_t d_ff, size_t D, size_t rows, const char *only,
                         double most)
{
    const product all[] = {
        {.name = "qkv", .M = T, .N = 3 * d, .K = d},
        {.name = "out", .M = T, .N = d, .K = d},
        {.name = "ffn1", .ends = 1, .M = T, .N = d_ff, .K = d},
        {.name = "ffn2", .M = T, .N = d, .K = d_ff},
        {.name = "d qkv", .M = T, .N = d, .K = 3 * d},
        {.name = "head", .M = rows, .N = D, .K = d},
        {.name = "dW qkv", .outer = 1, .M = 3 * d, .N = d, .K = T},
        {.name = "dW out", .outer = 1, .M = d, .N = d, .K = T},
        {.name = "dW ffn1", .outer = 1, .M = d_ff, .N = d, .K = T},
        {.name = "dW ffn2", .outer = 1, .M = d, .N = d_ff, .K = T},
        {.name = "ffn2 / 2", .half = 1, .M = T, .N = d, .K = d_ff},
        {.name = "dW / 2", .outer = 1, .half = 1, .M = d_ff, .N = d, .K = T},
        {.name = "dW head", .outer = 1, .M = D, .N = d, .K = rows},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strstr(all[i].name, only) != NULL) measure(all[i], most);
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    t2i_blas_begin();
    t2i_cpu_set_rounding();
    double most = peak();
    printf("%s: peak %.1f GF/s. Beside it OpenBLAS (%s); GB/s of t2i_gemm_pack, "
           "t2i_gemm_pack_transposed\n",
           t2i_cpu_vectors_name(), most, t2i_blas_core());
    measure_step(1800, 128, 512, 512, 64, only, most);
    measure_step(225, 128, 512, 512, 8, only, most);
    measure_step(100, 128, 512, 512, 16, only, most);
    measure_step(50, 128, 512, 512, 8, only, most);
    measure_step(40, 64, 256, 512, 4, only, most);
    measure((product){.name = "scores", .M = 16, .N = 3627, .K = 512}, most);
    measure((product){.name = "pull", .M = 16, .N = 512, .K = 3627}, most);
    return 0;
}
