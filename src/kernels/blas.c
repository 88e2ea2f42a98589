#include "kernels/blas.h"

#include <cblas.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"

/* LAPACK, which OpenBLAS holds. The lengths of the texts come last, as gfortran wants them. */
void dsyevd_(const char *vectors, const char *half, const int *n, double *a, const int *lda,
             double *values, double *work, const int *work_size, int *iwork, const int *iwork_size,
             int *info, size_t, size_t);

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

void t2i_blas_gemm_nn(float *out, const float *a, const float *b, size_t M, size_t N, size_t K)
{
    int m = to_int(M), n = to_int(N), k = to_int(K);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a, k, b, n, 0.0f, out, n);
}

void t2i_blas_gemm_nn_piece(float *out, size_t out_row, const float *a, size_t a_row,
                            const float *b, size_t b_row, size_t M, size_t N, size_t K, int add)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, to_int(M), to_int(N), to_int(K), 1.0f, a,
                to_int(a_row), b, to_int(b_row), add ? 1.0f : 0.0f, out, to_int(out_row));
}

void t2i_blas_gemm_tn(float *out, const float *a, const float *b, size_t M, size_t N, size_t K,
                      int add)
{
    int m = to_int(M), n = to_int(N), k = to_int(K);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1.0f, a, m, b, n,
                add ? 1.0f : 0.0f, out, n);
}

t2i_status t2i_blas_eigen(double *a, size_t n, double *value, t2i_error *err)
{
    double wish;
    int order = to_int(n), iwish, info, ask = -1;
    /* the upper half by rows is LAPACK's lower half by columns, and its columns are our rows */
    dsyevd_("V", "L", &order, a, &order, value, &wish, &ask, &iwish, &ask, &info, 1, 1);
    int size = (int)wish;
    double *work = t2i_alloc((size_t)size, sizeof *work);
    int *iwork = t2i_alloc((size_t)iwish, sizeof *iwork);
    t2i_status status = T2I_OK;
    if (work == NULL || iwork == NULL) {
        status = t2i_fail_memory(err, (size_t)size * sizeof *work, "eigenvectors");
    } else {
        dsyevd_("V", "L", &order, a, &order, value, work, &size, iwork, &iwish, &info, 1, 1);
        if (info != 0) status = t2i_fail(err, T2I_BUG, "LAPACK found no eigenvectors (%d)", info);
    }
    t2i_free(work);
    t2i_free(iwork);
    for (size_t low = 0, high = n - 1; status == T2I_OK && low < high; low++, high--) {
        double swap = value[low];
        value[low] = value[high];
        value[high] = swap;
        cblas_dswap(order, a + low * n, 1, a + high * n, 1);
    }
    return status;
}
