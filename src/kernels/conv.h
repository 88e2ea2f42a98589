/* conv.h - convolutions of one picture for inference, channels last, as matrix products.
 *
 * A map is the input or output of a layer. It has a border of zeros, so that a kernel can extend
 * over its edges without branches. A 3 x 3 kernel of stride 1 with many channels uses Winograd's
 * F(2 x 2, 3 x 3) (Lavin, Gray, "Fast algorithms for convolutional neural networks", 2015), which
 * needs 16 instead of 36 products with about twice the rounding error. All others copy their
 * windows to the rows of a matrix (im2col), one block of pixels at a time. Shapes and the order of
 * sums depend on the sizes alone.
 */
#ifndef T2I_CONV_H
#define T2I_CONV_H

#include <stddef.h>
#include "base/error.h"

typedef struct {
    size_t height, width, channels;
    size_t border; /* rows and columns of zeros before the first; one more after the last */
    float *data;   /* owned: (rows, columns, channels), with the border */
} t2i_map;

/* A map of zeros. *out is empty on failure. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_conv_map_new(t2i_map *out, size_t height, size_t width, size_t channels,
                                        size_t border, t2i_error *err);
void t2i_conv_map_free(t2i_map *map);
/* First pixel of a row; the others follow, `channels` floats each. */
float *t2i_conv_map_row(const t2i_map *map, size_t row);

enum { T2I_CONV_PART = 64 }; /* channels that are computed together */
enum { T2I_CONV_ADD = 1, T2I_CONV_RELU = 2 };

typedef struct {
    size_t in, out, kernel, stride; /* channels in and out; kernel is odd, its padding kernel / 2 */
    float *weight;                  /* owned: in the order that the algorithm needs */
    float *bias;                    /* owned: out */
} t2i_conv;

/* weight (out, in, kernel, kernel), multiplied by scale (out) in double and rounded once; bias
 * (out). out is a multiple of T2I_CONV_PART. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_conv_new(t2i_conv *conv, size_t in, size_t out, size_t kernel,
                                    size_t stride, const float *weight, const double *scale,
                                    const double *bias, t2i_error *err);
void t2i_conv_free(t2i_conv *conv);

/* Floats of scratch memory that t2i_conv_run needs for such an output. */
size_t t2i_conv_work(const t2i_conv *conv, const t2i_map *out);
/* out = convolution of in + bias; T2I_CONV_ADD: + out; T2I_CONV_RELU: then ReLU. The sizes must
 * match, the border of `in` must be at least kernel / 2, and in and out must differ. */
void t2i_conv_run(const t2i_conv *conv, const t2i_map *in, t2i_map *out, int flags, float *work);

/* Max pooling with 3 x 3 windows and stride 2; the elements of `in` must not be negative. */
void t2i_conv_max_pool(const t2i_map *in, t2i_map *out);

#endif
