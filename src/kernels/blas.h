/* blas.h - matrix products over BLAS, one thread a call, all matrices row-major. */
#ifndef T2I_BLAS_H
#define T2I_BLAS_H

#include <stddef.h>
#include "base/error.h"

/* Makes BLAS single-threaded: a thread of ours works on a whole shard, and shapes alone decide the
 * bits. */
void t2i_blas_begin(void);
/* Name of the kernels that BLAS picked ("SkylakeX"): ranks must agree on it. */
const char *t2i_blas_core(void);
/* "OpenBLAS 0.3.21", and after that how it was built. */
const char *t2i_blas_version(void);

/* out (M, N) = a (M, K) x b (N, K)^T: a layer forward, b its weight. */
void t2i_blas_gemm_nt(float *out, const float *a, const float *b, size_t M, size_t N, size_t K);
/* out (M, N) = a (M, K) x b (K, N): the gradient of a layer's input. */
void t2i_blas_gemm_nn(float *out, const float *a, const float *b, size_t M, size_t N, size_t K);
/* out (M, N) = [out +] a (M, K) x b (K, N), all three pieces of matrices whose rows lie out_row,
 * a_row, b_row floats apart. */
void t2i_blas_gemm_nn_piece(float *out, size_t out_row, const float *a, size_t a_row,
                            const float *b, size_t b_row, size_t M, size_t N, size_t K, int add);
/* out (M, N) = [out +] a (K, M)^T x b (K, N): the gradient of a weight. */
void t2i_blas_gemm_tn(float *out, const float *a, const float *b, size_t M, size_t N, size_t K,
                      int add);

/* The eigenvectors of a symmetric a (n, n), of which the upper half is read, become its rows, by
 * descending eigenvalue; value: n of these. T2I_BUG when something was not finite, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_blas_eigen(double *a, size_t n, double *value, t2i_error *err);

#endif
