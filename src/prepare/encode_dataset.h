/* encode_dataset.h - writes a dataset from pairs and pictures: fits encoder and decoder.
 *
 * Encoder and decoder are fitted to the pictures of training pairs only. Pictures are read in
 * blocks, so memory does not grow with their number. Reasons:
 * docs/decisions/026-fits-of-encoders.md.
 */
#ifndef T2I_ENCODE_DATASET_H
#define T2I_ENCODE_DATASET_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "comm/comm.h"
#include "dataset/dataset_writer.h"

#define T2I_DATA_TOOL "t2i-data 1" /* value of the attribute `tool` */
#define T2I_SIDE      64           /* width and height of stored pictures, unless given */
#define T2I_PICTURE   ((size_t)T2I_SIDE * T2I_SIDE * 3) /* bytes of such a picture */

/* A source of the pictures of a dataset, in order. `read` returns pictures first .. first + count -
 * 1: pixels (count, T2I_PICTURE) and, if `features` is not NULL, features (count, dim). It is
 * called several times for each picture. */
typedef struct {
    t2i_status (*read)(void *context, size_t first, size_t count, uint8_t *pixels, float *features,
                       t2i_error *err);
    void *context;
    size_t side; /* width and height, in pixels */
} t2i_pictures;
/* Bytes of one picture, and pictures of a block that is held in memory. */
size_t t2i_encode_dataset_bytes(const t2i_pictures *pictures);
size_t t2i_encode_dataset_block(const t2i_pictures *pictures);

/* Collective, unless comm is NULL: then this process works alone. `pairs` is used on rank 0;
 * `pictures` are those of the dataset on all ranks. The file does not depend on the number of
 * ranks.
 *
 * Fits at most `dim` principal components to the pictures of training pairs, writes the dataset and
 * logs the explained variance and the PSNR of decoded pictures. T2I_DATA when there is no training
 * pair. No file is left on failure. */
T2I_CHECKED t2i_status t2i_encode_dataset_pca(t2i_comm *comm, const char *out,
                                              const t2i_pairs *pairs, const t2i_pictures *pictures,
                                              size_t dim, t2i_error *err);

/* The same with `dim` ready features per picture, which are stored unchanged. The decoder is a
 * ridge regression from features to pixels, fitted to the pictures of training pairs. Without
 * training pairs the dataset has no decoder, and a warning is logged. */
T2I_CHECKED t2i_status t2i_encode_dataset_ready(const char *out, const t2i_pairs *pairs,
                                                const t2i_pictures *pictures,
                                                const t2i_encoder_info *encoder, size_t dim,
                                                t2i_error *err);

/* A `read` of t2i_pictures for pictures in memory: `pixels` (M, T2I_PICTURE) is the context. There
 * are no features. */
t2i_status t2i_encode_dataset_in_memory(void *pixels, size_t first, size_t count, uint8_t *out,
                                        float *features, t2i_error *err);

#endif
