/* blas.h - matrix products by BLAS (OpenBLAS). Single-threaded; all matrices are row-major.
 *
 * Used by the search for nearest pictures. A training step uses gemm.h; what t2i-data fits uses
 * dblas.h and eigen.h, whose bits do not depend on the CPU.
 */
#ifndef T2I_BLAS_H
#define T2I_BLAS_H

#include <stddef.h>
#include "base/error.h"

/* Makes BLAS single-threaded: parallelism is that of ranks and our threads, and the bits of a
 * result then depend on the shapes and the CPU alone. */
void t2i_blas_begin(void);
/* Name of the kernels that BLAS has selected for this CPU ("SkylakeX"). */
const char *t2i_blas_core(void);
/* Version and build options, beginning "OpenBLAS 0.3.21 ...". */
const char *t2i_blas_version(void);

/* out (M, N) = a (M, K) x b (N, K)^T. */
void t2i_blas_gemm_nt(float *out, const float *a, const float *b, size_t M, size_t N, size_t K);
#endif
