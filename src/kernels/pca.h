/* pca.h - principal component analysis of pictures in bounded memory, and the decoder that it
 * yields.
 *
 * x is a picture as numbers 0..1 (byte / 255). feature = (x - mean) . component / scale and
 * x = mean + feature x basis, where row d of the basis is component d x scale. The scale is the
 * same for all components: the mean variance of the features over the fitted pictures and all
 * dimensions is 1, and the dimensions keep their relative weight.
 *
 * Up to 2,048 pictures: eigenvectors of their Gram matrix, in double. More: randomised subspace
 * iteration on the covariance (Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM
 * Review 53, 2011), which is faster from there on; one pass over the pictures per iteration, and
 * memory that depends on the width and the dimensions, not on the number of pictures. All sums have
 * a fixed order (gemm.h, dblas.h, eigen.h), so the result depends on the pictures alone, not on the
 * CPU. The element of largest magnitude of every component is positive.
 *
 * The caller's source provides the pictures; prepare/encode_dataset reads them from an unlinked
 * file beside the output, so that memory stays bounded.
 */
#ifndef T2I_PCA_H
#define T2I_PCA_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Processes that fit together: each holds the same source, and computes its share of every sum. The
 * sums keep their order, so that the result has the same bits as that of one process. The functions
 * are called by all of them at the same places. */
typedef struct {
    int rank, size;
    /* `all` has so many items; this rank has filled its share, from share(items, rank, size) to
     * before share(items, rank + 1, size). Afterwards all ranks have all items. */
    void (*gather)(void *context, void *all, size_t item_bytes, size_t items);
    size_t (*share)(size_t items, int rank, int size);
    /* The same status on all ranks, that of one that failed if one did. */
    t2i_status (*agree)(void *context, t2i_status mine, t2i_error *err);
    void *context;
} t2i_pca_team;

/* Source of pictures, which are read several times, in blocks, in order. */
typedef struct {
    size_t count, width; /* pictures; bytes of one */
    /* Reads pictures [first, first + count) to pixels: count x width bytes. */
    t2i_status (*read)(void *context, size_t first, size_t count, uint8_t *pixels, t2i_error *err);
    void (*progress)(void *context, double done); /* fraction of the work, 0..1; may be NULL */
    void *context;
    const t2i_pca_team *team; /* NULL: this process fits alone */
} t2i_pca_source;

typedef struct {
    size_t dim, width;
    float *mean;  /* owned: width */
    float *basis; /* owned: (dim, width) */
    double scale;
    double kept; /* fraction of the pictures' variance explained; 1 if there is no variance */
} t2i_pca;

/* Fits at most `most` components; fewer (but at least 1) if the pictures span fewer dimensions, as
 * when there are at most that many pictures. Identical pictures get one feature that is always 0.
 * Errors of read; T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_pca_fit(t2i_pca *out, const t2i_pca_source *source, size_t most,
                                   t2i_error *err);
void t2i_pca_free(t2i_pca *pca);

/* Floats of the basis as encoding or decoding takes it (the larger of both), 64-byte aligned. */
size_t t2i_pca_packed(const t2i_pca *pca);
void t2i_pca_pack_encode(const t2i_pca *pca, float *packed);
void t2i_pca_pack_decode(const t2i_pca *pca, float *packed);
/* features (count, dim) of count pictures; work: count x width floats. */
void t2i_pca_encode(const t2i_pca *pca, const float *packed, const uint8_t *pixels, size_t count,
                    float *features, float *work);
/* x (count, width) = mean + features x basis. */
void t2i_pca_decode(const t2i_pca *pca, const float *packed, const float *features, size_t count,
                    float *x);

#endif
