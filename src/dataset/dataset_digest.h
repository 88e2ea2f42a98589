/* dataset_digest.h - the two digests of a dataset (docs/file-formats.md).
 *
 * `digest` covers the whole file. `content` covers the pairs alone: prompt and picture, whatever
 * their order, names, splits, groups and encoder. Private to dataset.
 */
#ifndef T2I_DATASET_DIGEST_H
#define T2I_DATASET_DIGEST_H

#include "dataset/dataset_schema.h"

/* Computes both in one pass over all columns that are present. Takes 16 bytes per picture.
 * T2I_DATA, T2I_IO, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_dataset_digest(t2i_column *column, const char *tool, const char *encoder,
                                          char digest[T2I_HEX], char content[T2I_HEX],
                                          t2i_error *err);
/* Computes `content` alone: reads the prompts, and the pixels or, without these, the features. */
T2I_CHECKED t2i_status t2i_dataset_digest_content(t2i_column *column, char out[T2I_HEX],
                                                  t2i_error *err);

/* Reads every block of an open dataset and compares the digest with the stored one. Returns the
 * computed content. */
T2I_CHECKED t2i_status t2i_dataset_check_digest(t2i_dataset *dataset, char content[T2I_HEX],
                                                t2i_error *err);

#endif
