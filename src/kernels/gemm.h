/* gemm.h - the matrix products of a training step, row-major, with results that depend on nothing
 * but the numbers.
 *
 * Every element of a product is one chain of fused multiply-adds, in ascending k, rounded once
 * each: acc = fmaf(a_k, b_k, acc), from acc = 0. So it depends neither on the row's place or the
 * number of rows, nor on the vector level, the alignment or the thread; only which NaN a NaN is may
 * differ. OpenBLAS promises none of that. The kernels hold a tile of the result in registers; b is
 * packed into panels of T2I_PANEL columns beforehand (weights once a step).
 */
#ifndef T2I_GEMM_H
#define T2I_GEMM_H

#include <stddef.h>
#include <stdint.h>

/* A panel's columns; so many columns at a time are computed without the zeros (t2i_zeros). */
enum { T2I_PANEL = 32, T2I_WIDE = 4 * T2I_PANEL };

/* out (K, N) = the transpose of b (N, K); rows lie out_row and b_row floats apart. No overlap. */
void t2i_gemm_transpose(float *out, size_t out_row, const float *b, size_t b_row, size_t N,
                        size_t K);

/* Floats of a packed b with K rows and N columns: whole panels. Packed blocks must be 64-byte
 * aligned. */
size_t t2i_gemm_pack_floats(size_t K, size_t N);
/* packed = b (K, N), its rows b_row floats apart. Columns beyond N are zeros. */
void t2i_gemm_pack(float *packed, const float *b, size_t b_row, size_t K, size_t N);
/* packed = the transpose of b (N, K), whose rows lie b_row floats apart: a layer's weight for the
 * forward pass. */
void t2i_gemm_pack_transposed(float *packed, const float *b, size_t b_row, size_t K, size_t N);

/* Where a matrix (rows, columns) is not 0, as a ReLU leaves it: products may leave out the other
 * steps of a chain. That gives the same number, but for the sign of a zero and where b is infinite
 * or no number; what is left out depends on the zeros and the product's size alone. */
typedef struct {
    const uint64_t *across, *down; /* bits of rows and of columns; not owned */
    int worth;                     /* more than three in ten are 0; else none is left out */
} t2i_zeros;
size_t t2i_gemm_zeros_words(size_t rows, size_t columns);
/* words: t2i_gemm_zeros_words of room, which must stay. Rows of x lie x_row floats apart. */
void t2i_gemm_zeros_find(t2i_zeros *zeros, uint64_t *words, const float *x, size_t x_row,
                         size_t rows, size_t columns);

/* What happens to a finished chain v of element (m, n) before it is stored, in this order. Each may
 * be left out (NULL, 0). */
typedef struct {
    int add;           /* the chain starts from what out holds, not from 0 */
    const float *bias; /* v += bias[n] */
    int relu;          /* v = v < 0 ? 0 : v, so that a NaN stays one */
    const float *mask; /* (M, N), rows as far apart as out's: v = 0 where mask is 0 */
    const float
        *residual; /* (M, N), rows as far apart as out's: v = residual + v; not out itself */
    const t2i_zeros *zeros; /* of a (M, K), or of a matrix that is 0 only where a is; or NULL */
} t2i_gemm_end;

/* out (M, N) = a (M, K) x packed (K, N); rows of out and a lie out_row and a_row floats apart. end
 * may be NULL. No two arguments overlap. Any size, 0 included. */
void t2i_gemm(float *out, size_t out_row, const float *a, size_t a_row, const float *packed,
              size_t M, size_t N, size_t K, const t2i_gemm_end *end);

/* A small product, as attention has many: out (M, N) = a x panel for N <= T2I_PANEL. Element (m, k)
 * of a is a[m * a_row + k * a_step]; panel has K rows of T2I_PANEL floats, of which N count. */
void t2i_gemm_panel(float *out, size_t out_row, const float *a, size_t a_row, size_t a_step,
                    const float *panel, size_t M, size_t N, size_t K);

/* out (M, N) = a (K, M)^T x b (K, N), b not packed; add: out = out + that, as one chain. The
 * gradient of a weight: K is tokens. Rows lie out_row, a_row, b_row floats apart. zeros: of a (K,
 * M), or of a matrix that is 0 only where a is; or NULL. */
void t2i_gemm_outer(float *out, size_t out_row, const float *a, size_t a_row, const float *b,
                    size_t b_row, size_t M, size_t N, size_t K, int add, const t2i_zeros *zeros);

#endif
