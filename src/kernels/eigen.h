/* eigen.h - eigenvalues and eigenvectors of a symmetric matrix, whose bits depend on the matrix
 * alone.
 *
 * Householder reflections make the matrix tridiagonal; implicit QL iterations with Wilkinson's
 * shift find its eigenvalues, and their rotations its eigenvectors (Golub, Van Loan, "Matrix
 * Computations", 8.3; the iteration is that of EISPACK's imtql2). The number of lanes of
 * sums is fixed and nothing is fused, so the vector level does not change a bit. LAPACK is not
 * used, because its results depend on the kernels that BLAS selects for the CPU.
 */
#ifndef T2I_EIGEN_H
#define T2I_EIGEN_H

#include <stddef.h>
#include "base/error.h"

/* a (n, n) is symmetric; its upper triangle is read. value: the n eigenvalues, descending. The
 * first `vectors` rows of a are replaced by the eigenvectors of the largest ones, of length 1 and
 * orthogonal up to rounding; the other rows are undefined. Allocates two more matrices. T2I_BUG if
 * the matrix is not finite; T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_eigen(double *a, size_t n, size_t vectors, double *value,
                                 t2i_error *err);

#endif
