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
#endif
