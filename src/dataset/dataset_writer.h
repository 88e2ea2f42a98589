/* dataset_writer.h - writes a dataset file atomically: pairs first, then pictures and features in
 * pieces. Equal input gives equal bytes.
 */
#ifndef T2I_DATASET_WRITER_H
#define T2I_DATASET_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "dataset/dataset.h"

/* Pairs to write, in the order of the user's list; all borrowed. */
typedef struct {
    size_t pairs, images;
    const char *prompt_bytes;      /* all prompts, concatenated */
    const uint64_t *prompt_offset; /* (pairs + 1) */
    const uint32_t *image;         /* (pairs) numbered in order of first use */
    const uint32_t *row;           /* (pairs) position in the user's list, ascending */
    const uint8_t *split;          /* (pairs) */
    const char *const *image_name; /* (images) */
    const uint32_t *group;         /* (images) */
} t2i_pairs;

typedef struct t2i_dataset_writer t2i_dataset_writer;

/* T2I_CANTCREATE when `path` is a file other than an HDF5 file, which would be lost. */
T2I_CHECKED t2i_status t2i_dataset_writer_may_replace(const char *path, t2i_error *err);

/* Creates the temporary file of `path`, sorts the pairs and writes them. features = D; the dataset
 * has pictures if the encoder's height and width are not 0. T2I_CANTCREATE, T2I_IO; T2I_DATA for a
 * prompt that is not UTF-8 or a value beyond the limits; T2I_BUG when rows are not ascending or
 * pictures are not numbered in order of first use. */
T2I_CHECKED t2i_status t2i_dataset_writer_create(t2i_dataset_writer **out, const char *path,
                                                 const char *tool, const t2i_pairs *pairs,
                                                 size_t features, const t2i_encoder_info *encoder,
                                                 t2i_error *err);
/* Append the pixels (count, H, W, 3) or features (count, D) of the next pictures. A feature that is
 * not finite is T2I_DATA. */
T2I_CHECKED t2i_status t2i_dataset_writer_put_pixels(t2i_dataset_writer *out, size_t count,
                                                     const uint8_t *pixels, t2i_error *err);
T2I_CHECKED t2i_status t2i_dataset_writer_put_features(t2i_dataset_writer *out, size_t count,
                                                       const float *features, t2i_error *err);
/* basis (D, H*W*3), mean (H*W*3). Optional; at most once. */
T2I_CHECKED t2i_status t2i_dataset_writer_put_decoder(t2i_dataset_writer *out, const float *basis,
                                                      const float *mean, t2i_error *err);
/* Writes the digest, closes the file, verifies it by reading, and renames it to its final name.
 * Frees `out`, also on failure, when no file is left. */
T2I_CHECKED t2i_status t2i_dataset_writer_commit(t2i_dataset_writer *out, t2i_error *err);
/* Closes and removes the temporary file, and frees `out`. NULL is legal. After a failed write the
 * file, then empty and without a name, stays open in HDF5 until the process ends, because HDF5 1.10
 * crashes when it closes such a file. */
void t2i_dataset_writer_drop(t2i_dataset_writer *out);

#endif
