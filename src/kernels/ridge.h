/* ridge.h - linear regression from features to pictures with an L2 penalty: a decoder for an
 * encoder that does not invert.
 *
 * x is a picture as numbers 0..1 (byte / 255). Over the pictures' deviations from their mean, dX
 * from dF, basis minimises |dX - dF basis|^2 + penalty |basis|^2 (Hoerl, Kennard 1970); mean is
 * such that x = mean + feature x basis for a feature as it is. The penalty is the one of a fixed
 * grid, from 1e-9 to 1e3 times the features' largest eigenvalue, for which generalised
 * cross-validation (Golub, Heath, Wahba 1979) expects the smallest error on new pictures. Of up to
 * 16 pictures nothing can be learnt about new ones: there it is the smallest, which draws the
 * pictures themselves.
 *
 * One pass over the pictures, in blocks of a fixed size that are summed in order, in double: the
 * result depends on the data alone. Memory: dim x width doubles, whatever the number of pictures.
 */
#ifndef T2I_RIDGE_H
#define T2I_RIDGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Pictures and their features, to be read once, in blocks, in order. */
typedef struct {
    size_t count, dim, width; /* pictures; numbers of a feature; bytes of a picture */
    /* Pictures [first, first + count): features (count, dim), pixels count x width bytes. */
    t2i_status (*read)(void *context, size_t first, size_t count, float *features, uint8_t *pixels,
                       t2i_error *err);
    void (*progress)(void *context, double share); /* 0..1 of the work is done; may be NULL */
    void *context;
} t2i_ridge_source;

typedef struct {
    size_t dim, width;
    float *mean;      /* owned: width; the picture of a feature of zeros */
    float *basis;     /* owned: (dim, width) */
    double penalty;   /* 0 where there is nothing to learn */
    double explained; /* share of the fitted pictures' variance; 1 when there is none */
} t2i_ridge;

/* penalty < 0: chosen as above; 0: plain least squares, the shortest of all solutions. Directions
 * in which the features differ by no more than rounding get nothing; all pictures or all features
 * alike give a basis of zeros. dim is at most 4,096. T2I_DATA when a feature is not finite,
 * T2I_SYSTEM, or what read says. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_ridge_fit(t2i_ridge *out, const t2i_ridge_source *source, double penalty,
                                     t2i_error *err);
void t2i_ridge_free(t2i_ridge *ridge);

#endif
