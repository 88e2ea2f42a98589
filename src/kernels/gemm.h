/* gemm.h - matrix products of a training step, row-major, whose bits depend on the operands alone.
 *
 * Every element of a product is one chain of fused multiply-adds in ascending k, each rounded once:
 * acc = fmaf(a_k, b_k, acc), starting from acc = 0. So an element depends neither on its row's
 * position or the number of rows, nor on the vector level, the alignment or the thread. Only the
 * payload of a NaN may differ. OpenBLAS guarantees none of this.
 *
 * The kernels hold a tile of the result in registers; b is packed into panels of T2I_PANEL columns
 * beforehand (weights once per step). If more than three in ten elements of a are 0, as after a
 * ReLU, the multiplications by them are skipped; 48 rows of b then stay in the level-1 cache. Else
 * dense tiles are used.
 */
#ifndef T2I_GEMM_H
#define T2I_GEMM_H

#include <stddef.h>
#include <stdint.h>

/* Columns of a panel; columns that are computed together when zeros are skipped (t2i_zeros). */
enum { T2I_PANEL = 32, T2I_WIDE = 4 * T2I_PANEL };

/* A distance of rows of `columns` floats: an odd number of cache lines, so that a column uses all
 * sets of the cache. */
size_t t2i_gemm_row(size_t columns);

/* out (K, N) = b (N, K)^T; rows are out_row and b_row floats apart. They must not overlap. */
void t2i_gemm_transpose(float *out, size_t out_row, const float *b, size_t b_row, size_t N,
                        size_t K);

/* Floats of a packed b with K rows and N columns, a multiple of the panel size. Packed blocks must
 * be aligned to 64 bytes. */
size_t t2i_gemm_pack_floats(size_t K, size_t N);
/* packed = b (K, N), whose rows are b_row floats apart. Columns beyond N are zero. */
void t2i_gemm_pack(float *packed, const float *b, size_t b_row, size_t K, size_t N);
/* packed = b (N, K)^T; rows of b are b_row floats apart. For a weight in the forward pass. */
void t2i_gemm_pack_transposed(float *packed, const float *b, size_t b_row, size_t K, size_t N);

/* Positions of a matrix (rows, columns) that are not 0. Products may skip the steps of a chain at
 * the other positions. The result is the same, except for the sign of a zero and where b is
 * infinite or NaN. Which steps are skipped depends on the zeros and the size of the product alone.
 */
typedef struct {
    const uint64_t *across, *down; /* bits by row and by column; borrowed */
    int worth;                     /* more than three in ten are 0; otherwise none is skipped */
} t2i_zeros;
size_t t2i_gemm_zeros_words(size_t rows, size_t columns);
/* words: t2i_gemm_zeros_words of memory, which must outlive zeros. Rows of x are x_row floats
 * apart. */
void t2i_gemm_zeros_find(t2i_zeros *zeros, uint64_t *words, const float *x, size_t x_row,
                         size_t rows, size_t columns);

/* Operations on a finished chain v of element (m, n) before it is stored, in this order. Each is
 * optional (NULL or 0). */
typedef struct {
    int add;           /* the chain starts from the value in out instead of 0 */
    const float *bias; /* v += bias[n] */
    int relu;          /* v = v < 0 ? 0 : v; a NaN stays NaN */
    const float *mask; /* (M, N), with the row distance of out: v = 0 where mask is 0 */
    /* (M, N), with the row distance of out: v = residual + v; must not be out */
    const float *residual;
    const t2i_zeros *zeros; /* of a (M, K), or of a matrix that is 0 only where a is 0; or NULL */
} t2i_gemm_end;

/* out (M, N) = a (M, K) x packed (K, N); rows of out and a are out_row and a_row floats apart. end
 * may be NULL. The arguments must not overlap. Any size, including 0. */
void t2i_gemm(float *out, size_t out_row, const float *a, size_t a_row, const float *packed,
              size_t M, size_t N, size_t K, const t2i_gemm_end *end);

/* A small product, as in attention: out (M, N) = a x panel for N <= T2I_PANEL. Element (m, k) of a
 * is a[m * a_row + k * a_step]; panel has K rows of T2I_PANEL floats, of which N are used. add:
 * chains start from out. */
void t2i_gemm_panel(float *out, size_t out_row, const float *a, size_t a_row, size_t a_step,
                    const float *panel, size_t M, size_t N, size_t K, int add);

/* out (M, N) = a (K, M)^T x b (K, N), b not packed; add: chains start from out. The gradient of a
 * weight, with K tokens. Rows are out_row, a_row and b_row floats apart. zeros: of a (K, M), or of
 * a matrix that is 0 only where a is 0; or NULL. */
void t2i_gemm_outer(float *out, size_t out_row, const float *a, size_t a_row, const float *b,
                    size_t b_row, size_t M, size_t N, size_t K, int add, const t2i_zeros *zeros);

#endif
