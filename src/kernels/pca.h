/* pca.h - principal components of pictures, fitted in bounded memory, and the decoder they give.
 *
 * x is a picture as numbers 0..1 (byte / 255). feature = (x - mean) . component / scale and
 * x = mean + feature x basis, where row d of the basis is component d x scale: one scale for all,
 * so that the features' mean variance over the fitted pictures and all dimensions is 1 while the
 * dimensions keep their relative weight.
 *
 * Few pictures: eigenvectors of their Gram matrix, in double. Many: randomised subspace iteration
 * on the covariance (Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 53,
 * 2011), one pass over the pictures an iteration; memory depends on the width and the dimensions,
 * not on the number of pictures. All sums have a fixed order (gemm.h, dblas.h, eigen.h), so the
 * result depends on the pictures alone, and not on the CPU; every component's entry of greatest
 * magnitude is positive.
 */
#ifndef T2I_PCA_H
#define T2I_PCA_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Pictures to be read several times, in blocks, in order. */
typedef struct {
    size_t count, width; /* pictures; bytes of one */
    /* Pictures [first, first + count) into pixels: count x width bytes. */
    t2i_status (*read)(void *context, size_t first, size_t count, uint8_t *pixels, t2i_error *err);
    void (*progress)(void *context, double share); /* 0..1 of the work is done; may be NULL */
    void *context;
} t2i_pca_source;

typedef struct {
    size_t dim, width;
    float *mean;  /* owned: width */
    float *basis; /* owned: (dim, width) */
    double scale;
    double
        kept; /* share of the pictures' variance that the components hold; 1 when there is none */
} t2i_pca;

/* At most `most` components: fewer (but 1 at least) where the pictures span fewer, which is so when
 * there are at most that many pictures. Pictures that are all alike get one feature that is always
 * 0. What read says, or T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_pca_fit(t2i_pca *out, const t2i_pca_source *source, size_t most,
                                   t2i_error *err);
void t2i_pca_free(t2i_pca *pca);

/* Floats of scratch memory that encoding or decoding so many pictures takes. */
size_t t2i_pca_work(const t2i_pca *pca, size_t count);
/* features (count, dim) of count pictures; work: t2i_pca_work of it, 64-byte aligned. */
void t2i_pca_encode(const t2i_pca *pca, const uint8_t *pixels, size_t count, float *features,
                    float *work);
/* x (count, width) = mean + features x basis. */
void t2i_pca_decode(const t2i_pca *pca, const float *features, size_t count, float *x, float *work);

#endif
