/* dblas.h - linear algebra in double precision, whose bits depend on the operands alone.
 *
 * An element of a product is one chain in ascending k: acc = acc + a_k b_k, with the product and
 * the sum rounded separately; a dot product has T2I_DBLAS_LANES such chains. Neither the vector
 * level nor the alignment changes a bit, which OpenBLAS does not guarantee. Fused multiply-adds are
 * not used, because a CPU without them would emulate them dozens of times more slowly in double
 * precision. PCA and ridge regression of t2i-data use this module; a training step uses gemm.h.
 */
#ifndef T2I_DBLAS_H
#define T2I_DBLAS_H

#include <stddef.h>
#include "base/cpu.h"

/* A matrix: element (i, j) is at[i * row + j * column]. Its transpose has row and column exchanged.
 */
typedef struct {
    const double *at; /* borrowed */
    size_t row, column;
} t2i_dmatrix;

/* out (M, N) = [out +] a (M, K) x b (K, N); rows of out are out_row doubles apart. out must not
 * overlap a or b. add: with out. Any size, including 0. */
void t2i_dblas_gemm(double *out, size_t out_row, t2i_dmatrix a, t2i_dmatrix b, size_t M, size_t N,
                    size_t K, int add);

/* The sum of x[i] y[i]: element i is added to lane i % T2I_DBLAS_LANES. */
enum { T2I_DBLAS_LANES = 8 };
T2I_INLINE double t2i_dblas_add_lanes(const double lane[T2I_DBLAS_LANES])
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}
double t2i_dblas_dot(const double *x, const double *y, size_t n);
/* y += factor x; they must not overlap. */
void t2i_dblas_axpy(double *y, double factor, const double *x, size_t n);

#endif
