#include "kernels/blas.h"

#include <cblas.h>
#include <limits.h>

void t2i_blas_begin(void)
{
    openblas_set_num_threads(1);
}

const char *t2i_blas_core(void)
{
    return openblas_get_corename();
}

const char *t2i_blas_version(void)
{
    return openblas_get_config();
}

static int to_int(size_t size)
{
    T2I_ASSERT(size <= INT_MAX);
    return (int)size;
}

void t2i_blas_gemm_nt(float *out, const float *a, const float *b, size_t M, size_t N, size_t K)
{
    int m = to_int(M), n = to_int(N), k = to_int(K);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0f, a, k, b, k, 0.0f, out, n);
}
