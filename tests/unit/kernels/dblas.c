/* dblas: products against the definition, bit for bit; the same bits at every vector level. */
#include "kernels/dblas.h"

#include <string.h>

#include "base/rng.h"
#include "levels.h"
#include "test.h"

enum { MOST = 300 * 40 };
static double a[MOST], b[MOST], out[MOST], expected[MOST];

static void fill(void)
{
    for (size_t i = 0; i < MOST; i++) {
        a[i] = t2i_rng_normal(1, 0, i);
        b[i] = t2i_rng_normal(1, 1, i);
        out[i] = expected[i] = t2i_rng_normal(1, 2, i);
    }
}

static void product(size_t M, size_t N, size_t K, int turned, int add)
{
    t2i_dmatrix x = {a, turned ? 1 : K, turned ? M : 1}, y = {b, turned ? 1 : N, turned ? K : 1};
    size_t out_row = N + 3;
    fill();
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double acc = add ? expected[m * out_row + n] : 0;
            for (size_t k = 0; k < K; k++) {
                double term = x.at[m * x.row + k * x.column] * y.at[k * y.row + n * y.column];
                acc = acc + term;
            }
            expected[m * out_row + n] = acc;
        }
    t2i_dblas_gemm(out, out_row, x, y, M, N, K, add);
    CU_ASSERT(memcmp(out, expected, sizeof out) == 0);
}

static void products(void)
{
    static const size_t size[][3] = {{1, 1, 1},    {6, 8, 256}, {13, 17, 300}, {12, 8, 1},
                                     {25, 7, 257}, {3, 40, 40}, {100, 9, 20},  {5, 5, 0},
                                     {0, 4, 4},    {4, 0, 4}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        for (int how = 0; how < 4; how++)
            product(size[i][0], size[i][1], size[i][2], how & 1, how >> 1);
}

static void vectors(void)
{
    fill();
    for (size_t n = 0; n < 40; n++) {
        double lane[T2I_DBLAS_LANES] = {0};
        for (size_t i = 0; i < n; i++) {
            double term = a[i] * b[i];
            lane[i % T2I_DBLAS_LANES] = lane[i % T2I_DBLAS_LANES] + term;
        }
        double even = (lane[0] + lane[4]) + (lane[2] + lane[6]);
        double odd = (lane[1] + lane[5]) + (lane[3] + lane[7]);
        CU_ASSERT(t2i_dblas_dot(a, b, n) == even + odd);
    }
    t2i_dblas_axpy(out, 0.5, a, 33);
    for (size_t i = 0; i < 34; i++) CU_ASSERT(out[i] == expected[i] + (i < 33 ? 0.5 * a[i] : 0.0));
}

static void write_digests(void)
{
    fill();
    t2i_dblas_gemm(out, 90, (t2i_dmatrix){a, 100, 1}, (t2i_dmatrix){b, 90, 1}, 100, 85, 100, 0);
    digest("gemm", out, sizeof out);
    double sum = t2i_dblas_dot(a, b, 1003);
    digest("dot", &sum, sizeof sum);
    t2i_dblas_axpy(out, 0.3, a, 1003);
    digest("axpy", out, sizeof out);
}

static void test_levels(void)
{
    same_at_all_levels();
}

int main(int argc, char **argv)
{
    if (is_level_child(argc, argv)) return level_child(write_digests);
    static const t2i_test tests[] = {{"products against the definition", products},
                                     {"dot and axpy against the definition", vectors},
                                     {"the same bits at each vector level", test_levels}};
    return t2i_test_main("dblas", tests, sizeof tests / sizeof *tests);
}
