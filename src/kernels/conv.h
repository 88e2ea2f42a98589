/* conv.h - convolutions of one picture in inference, channels last, as matrix products.
 *
 * A map is what lies between two layers: it carries a border of zeros, so that a kernel may hang
 * over its edges without a branch. A 3 x 3 kernel of stride 1 over many channels works by
 * Winograd's F(2 x 2, 3 x 3) (Lavin, Gray, "Fast algorithms for convolutional neural networks",
 * 2015), which needs 16 products where 36 were, at twice the rounding. All others copy their
 * windows into the rows of a matrix, a block of pixels at a time. Shapes and orders of sums depend
 * on the sizes alone.
 */
#ifndef T2I_CONV_H
#define T2I_CONV_H

#include <stddef.h>
#include "base/error.h"

typedef struct {
    size_t height, width, channels;
    size_t border; /* rows and columns of zeros before the first; behind the last, one more */
    float *data;   /* owned: rows, columns, channels, border included */
} t2i_map;

/* Zeros. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_conv_map_new(t2i_map *out, size_t height, size_t width, size_t channels,
                                        size_t border, t2i_error *err);
void t2i_conv_map_free(t2i_map *map);
/* The first pixel of a row; its others follow, `channels` floats each. */
float *t2i_conv_map_row(const t2i_map *map, size_t row);

enum { T2I_CONV_PART = 64 }; /* channels that are computed together */
enum { T2I_CONV_ADD = 1, T2I_CONV_RELU = 2 };

typedef struct {
    size_t in, out, kernel, stride; /* channels; kernel is odd and hangs over by kernel / 2 */
    float *weight;                  /* owned: rearranged for the way it works */
    float *bias;                    /* owned: out */
} t2i_conv;

/* weight (out, in, kernel, kernel), multiplied by scale (out) in double and rounded once; bias
 * (out). out is a multiple of T2I_CONV_PART. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_conv_new(t2i_conv *conv, size_t in, size_t out, size_t kernel,
                                    size_t stride, const float *weight, const double *scale,
                                    const double *bias, t2i_error *err);
void t2i_conv_free(t2i_conv *conv);

/* Floats of scratch that a run into such a map needs. */
size_t t2i_conv_work(const t2i_conv *conv, const t2i_map *out);
/* out = convolution of in + bias, with T2I_CONV_ADD + what out held, with T2I_CONV_RELU at least 0.
 * The sizes fit, in's border is at least kernel / 2, in and out are not the same. */
void t2i_conv_run(const t2i_conv *conv, const t2i_map *in, t2i_map *out, int flags, float *work);

/* out = the largest of each 3 x 3 window, stride 2, of a map without negative numbers. */
void t2i_conv_max_pool(const t2i_map *in, t2i_map *out);

#endif
