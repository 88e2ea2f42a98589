/* encode_dataset.h - a dataset file from pairs and pictures: fits the encoder, writes features and
 * decoder.
 */
#ifndef T2I_ENCODE_DATASET_H
#define T2I_ENCODE_DATASET_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"

#define T2I_DATA_TOOL "t2i-data 1" /* --version, and the attribute `tool` of what it writes */
#define T2I_SIDE      64           /* pixels: pictures are stored with this width and height */
#define T2I_PICTURE   ((size_t)T2I_SIDE * T2I_SIDE * 3) /* bytes of one */

/* The pictures of a dataset in order, each T2I_PICTURE bytes, and their features where an encoder
 * has made them (NULL when they are not wanted); read several times, in blocks. */
typedef struct {
    t2i_status (*read)(void *context, size_t first, size_t count, uint8_t *pixels, float *features,
                       t2i_error *err);
    void *context;
} t2i_pictures;

/* Fits at most dim principal components to the pictures of training pairs, writes the dataset and
 * says how good the encoder is. T2I_DATA when there is no training pair; nothing is left on
 * failure. */
T2I_CHECKED t2i_status t2i_encode_dataset_pca(const char *out, const t2i_pairs *pairs,
                                              const t2i_pictures *pictures, size_t dim,
                                              t2i_error *err);

/* The same for features that another encoder has made: dim of them a picture, taken as they are.
 * The decoder is a ridge regression fitted to the pictures of training pairs; without such a pair
 * there is none, with a warning. */
T2I_CHECKED t2i_status t2i_encode_dataset_ready(const char *out, const t2i_pairs *pairs,
                                                const t2i_pictures *pictures,
                                                const t2i_encoder_info *encoder, size_t dim,
                                                t2i_error *err);

/* Pictures that lie in memory, end to end: a t2i_pictures' read with that address as context. It
 * knows no features. */
t2i_status t2i_pictures_in_memory(void *pixels, size_t first, size_t count, uint8_t *out,
                                  float *features, t2i_error *err);

#endif
