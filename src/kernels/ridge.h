/* ridge.h - ridge regression from features to pictures: a decoder for an encoder that has no
 * inverse.
 *
 * x is a picture as numbers 0..1 (byte / 255). With dX and dF the deviations of pictures and
 * features from their means, basis minimises |dX - dF basis|^2 + penalty |basis|^2 (Hoerl, Kennard
 * 1970), and mean is chosen such that x = mean + feature x basis. The penalty is selected from a
 * fixed grid, from 1e-9 to 1e3 times the largest eigenvalue of the features' covariance, by
 * generalised cross-validation (Golub, Heath, Wahba 1979), which estimates the error on new
 * pictures. Up to 16 pictures allow no such estimate; then the smallest penalty is used, which
 * reproduces the pictures.
 *
 * One pass over the pictures, in blocks of fixed size that are summed in order, in double: the
 * result depends on the data alone. Memory: dim x width doubles, independent of the number of
 * pictures.
 */
#ifndef T2I_RIDGE_H
#define T2I_RIDGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Source of pictures and features, which are read once, in blocks, in order. */
typedef struct {
    size_t count, dim, width; /* pictures; features per picture; bytes per picture */
    /* Reads pictures [first, first + count): features (count, dim), pixels count x width bytes. */
    t2i_status (*read)(void *context, size_t first, size_t count, float *features, uint8_t *pixels,
                       t2i_error *err);
    void (*progress)(void *context, double done); /* fraction of the work, 0..1; may be NULL */
    void *context;
} t2i_ridge_source;

typedef struct {
    size_t dim, width;
    float *mean;      /* owned: width; the picture of zero features */
    float *basis;     /* owned: (dim, width) */
    double penalty;   /* 0 if there is nothing to learn */
    double explained; /* fraction of the pictures' variance; 1 if there is no variance */
} t2i_ridge;

/* penalty < 0: selected as above; 0: least squares with the minimum-norm solution. Directions in
 * which the features differ only by rounding are ignored; if all pictures or all features are
 * equal, the basis is zero. dim is at most 4,096. T2I_DATA if a feature is not finite; T2I_SYSTEM;
 * errors of read. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_ridge_fit(t2i_ridge *out, const t2i_ridge_source *source, double penalty,
                                     t2i_error *err);
void t2i_ridge_free(t2i_ridge *ridge);

#endif
