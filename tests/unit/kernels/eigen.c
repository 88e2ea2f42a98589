/* eigen: A v = lambda v, orthonormal, descending; matrices of low rank, repeated and extreme
 * values; the same bits at every vector level. */
#include "kernels/eigen.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "levels.h"
#include "test.h"

static t2i_error err;
enum { MOST = 130 };
static double a[MOST * MOST], vector[MOST * MOST], value[MOST];

/* Of the first `vectors`, relative to the largest entry of a. */
static void check(size_t n, size_t vectors)
{
    double most = 0, residual = 0, angle = 0;
    for (size_t i = 0; i < n * n; i++) most = fmax(most, fabs(a[i]));
    memcpy(vector, a, n * n * sizeof *a);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) vector[i * n + j] = NAN; /* not read */
    OK(t2i_eigen(vector, n, vectors, value, &err));
    for (size_t i = 0; i + 1 < n; i++) CU_ASSERT(value[i] >= value[i + 1]);
    for (size_t v = 0; v < vectors; v++) {
        const double *x = vector + v * n;
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < n; j++) sum += a[i * n + j] * x[j];
            residual = fmax(residual, fabs(sum - value[v] * x[i]));
        }
        for (size_t w = 0; w <= v; w++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++) sum += x[i] * vector[w * n + i];
            angle = fmax(angle, fabs(sum - (v == w)));
        }
    }
    CU_ASSERT(residual <= 1e-13 * (double)n * most);
    CU_ASSERT(angle <= 1e-13 * (double)n);
}

static void random_matrices(void)
{
    static const size_t size[] = {1, 2, 3, 4, 7, 31, 32, 33, 64, MOST};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
        size_t n = size[s];
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = t2i_rng_normal(1, i, j);
        check(n, n);
        check(n, (n + 1) / 2);
        double trace = 0;
        for (size_t i = 0; i < n; i++) trace += a[i * n + i] - value[i];
        CU_ASSERT(fabs(trace) < 1e-11);
    }
}

/* Sums of `rank` squares: all other eigenvalues are 0. */
static void low_rank(void)
{
    for (size_t rank = 0; rank <= 3; rank++) {
        memset(a, 0, sizeof a);
        for (size_t r = 0; r < rank; r++)
            for (size_t i = 0; i < MOST; i++)
                for (size_t j = 0; j < MOST; j++) /* rows are repeated */
                    a[i * MOST + j] += t2i_rng_normal(2, r, i % 3) * t2i_rng_normal(2, r, j % 3);
        check(MOST, MOST);
        for (size_t i = rank; i < MOST; i++) CU_ASSERT(fabs(value[i]) < 1e-11);
    }
}

static void special_values(void)
{
    static const double scales[] = {1, 1e-150, 1e150};
    for (size_t s = 0; s < 3; s++) {
        memset(a, 0, sizeof a);
        for (size_t i = 0; i < 40; i++) a[i * 40 + i] = scales[s] * (double)(i / 10); /* repeated */
        check(40, 40);
        CU_ASSERT(value[0] == 3 * scales[s] && value[39] == 0);
        for (size_t i = 0; i < 40; i++) /* graded: 40 orders of magnitude */
            for (size_t j = 0; j < 40; j++)
                a[i * 40 + j] = scales[s] * exp2(-(double)(i + j) * 1.7) * (i == j ? 2 : 1);
        check(40, 40);
    }
    a[5] = INFINITY;
    FAILS(t2i_eigen(a, 40, 40, value, &err), T2I_BUG, "not finite");
}

static void write_digests(void)
{
    for (size_t i = 0; i < MOST; i++)
        for (size_t j = 0; j < MOST; j++) a[i * MOST + j] = t2i_rng_normal(3, i, j);
    t2i_status status = t2i_eigen(a, MOST, MOST, value, &err);
    digest(status == T2I_OK ? "vectors" : err.text, a, sizeof a);
    digest("values", value, sizeof value);
}

static void test_levels(void)
{
    same_at_all_levels();
}

int main(int argc, char **argv)
{
    if (is_level_child(argc, argv)) return level_child(write_digests);
    static const t2i_test tests[] = {{"random matrices", random_matrices},
                                     {"of low rank", low_rank},
                                     {"repeated, tiny and huge values", special_values},
                                     {"the same bits at each vector level", test_levels}};
    return t2i_test_main("eigen", tests, sizeof tests / sizeof *tests);
}
