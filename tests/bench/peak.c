/* What this core reaches in sgemm, in GFLOP/s: the best of many products of 1024 x 1024 matrices.
 * Prints one line of JSON. */
#include <cblas.h>
#include <stdio.h>

#include "base/cpu.h"
#include "kernels/blas.h"
#include "base/log.h"
#include "base/mem.h"

enum { N = 1024, TRIES = 20 };

int main(void)
{
    t2i_error err;
    t2i_log_program("peak");
    t2i_blas_begin();
    float *a = t2i_alloc(N * N, sizeof *a), *b = t2i_alloc(N * N, sizeof *b),
          *c = t2i_alloc(N * N, sizeof *c);
    if (a == NULL || b == NULL || c == NULL) {
        t2i_status status = t2i_fail_memory(&err, 3 * N * N * sizeof *a, "three matrices");
        t2i_log_error(&err);
        return (int)status;
    }
    double best = 0;
    for (size_t i = 0; i < N * N; i++) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5);
    }
    for (int i = 0; i < TRIES; i++) {
        double begin = t2i_cpu_seconds();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, b, N, 0, c, N);
        double rate = 2e-9 * N * N * N / (t2i_cpu_seconds() - begin);
        if (rate > best) best = rate;
    }
    printf("{\"what\": \"sgemm\", \"gflops\": %.2f, \"blas\": \"%s\"}\n", best, t2i_blas_core());
    t2i_free(a);
    t2i_free(b);
    t2i_free(c);
    return 0;
}
