/* eigen.h - eigenvalues and eigenvectors of a symmetric matrix, with results that depend on the
 * numbers alone.
 *
 * Householder reflections make the matrix tridiagonal; implicit QL iterations with Wilkinson's
 * shift find its eigenvalues, and their rotations its eigenvectors (Golub, Van Loan, "Matrix
 * Computations", 8.3; the iteration is that of EISPACK's imtql2). Sums have written-out lanes, and
 * nothing is fused, so no vector level changes a bit. LAPACK is not used, because its results
 * depend on the kernels that BLAS picks for the CPU.
 */
#ifndef T2I_EIGEN_H
#define T2I_EIGEN_H

#include <stddef.h>
#include "base/error.h"

/* a (n, n) is symmetric; its upper half is read. value (n) becomes the eigenvalues, descending; the
 * first `vectors` rows of a become the eigenvectors of the first ones, of length 1, orthogonal to
 * within rounding; the other rows are undefined. Takes two more matrices of memory. T2I_BUG when
 * the matrix is not finite, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_eigen(double *a, size_t n, size_t vectors, double *value,
                                 t2i_error *err);

#endif
