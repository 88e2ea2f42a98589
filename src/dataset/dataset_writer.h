/* dataset_writer.h - a dataset file is written: pairs first, then pictures and features piece by
 * piece, whole or not at all. The same input gives the same bytes.
 */
#ifndef T2I_DATASET_WRITER_H
#define T2I_DATASET_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "dataset/dataset.h"

/* The pairs of a dataset to be written, in the order of the user's file; borrowed. */
typedef struct {
    size_t pairs, images;
    const char *prompt_bytes;      /* all prompts, end to end */
    const uint64_t *prompt_offset; /* pairs + 1 */
    const uint32_t *image;         /* of each pair; numbered in order of first use */
    const uint32_t *row;           /* of each pair: position in the user's file */
    const uint8_t *split;
    const char *const *image_name;
    const uint32_t *group; /* of each picture */
} t2i_pairs;

typedef struct t2i_dataset_writer t2i_dataset_writer;

/* T2I_CANTCREATE when a file that is no HDF5 file lies at path: it would be lost. */
T2I_CHECKED t2i_status t2i_dataset_writer_may_replace(const char *path, t2i_error *err);

/* Creates path's temporary file and writes the pairs (sorted here). features = D; encoder's height
 * and width say whether there are pictures. T2I_CANTCREATE, T2I_IO; T2I_DATA for a prompt that is
 * not UTF-8 and for what is beyond the limits above; T2I_BUG when rows are not ascending or
 * pictures not numbered in order of first use. The same calls with the same arguments give the same
 * bytes. */
T2I_CHECKED t2i_status t2i_dataset_writer_create(t2i_dataset_writer **out, const char *path,
                                                 const char *tool, const t2i_pairs *pairs,
                                                 size_t features, const t2i_encoder_info *encoder,
                                                 t2i_error *err);
/* Appends pictures' pixels or features: rows of the next `count` pictures. A feature that is not
 * finite is T2I_DATA. */
T2I_CHECKED t2i_status t2i_dataset_writer_put_pixels(t2i_dataset_writer *out, size_t count,
                                                     const uint8_t *pixels, t2i_error *err);
T2I_CHECKED t2i_status t2i_dataset_writer_put_features(t2i_dataset_writer *out, size_t count,
                                                       const float *features, t2i_error *err);
/* basis: features x (H*W*3); mean: H*W*3. Optional, once. */
T2I_CHECKED t2i_status t2i_dataset_writer_put_decoder(t2i_dataset_writer *out, const float *basis,
                                                      const float *mean, t2i_error *err);
/* Digest, close, open again and verify, fsync, rename. Frees out, whatever happens; on failure
 * nothing is left. */
T2I_CHECKED t2i_status t2i_dataset_writer_commit(t2i_dataset_writer *out, t2i_error *err);
/* Closes and removes the temporary file; NULL is legal. After a write that failed, the file (empty,
 * without a name) stays open inside HDF5 until the process ends: HDF5 1.10 crashes when it closes
 * what it could not write. */
void t2i_dataset_writer_drop(t2i_dataset_writer *out);

#endif
