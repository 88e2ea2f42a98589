/* dataset_column.h - reads rows of a column: blocks, verified and cached.
 *
 * A block is decoded once for many small ranges in sequence, and is returned only if its checksum
 * matches. Blocks come from the reader (reader_file.h) or, while a file is being written, from
 * t2i_column.read_back. Private to dataset.
 */
#ifndef T2I_DATASET_COLUMN_H
#define T2I_DATASET_COLUMN_H

#include "dataset/dataset_schema.h"

/* Reads rows [first, first + count). Verifies the checksum of each block, and that floats are
 * finite. */
T2I_CHECKED t2i_status t2i_column_read(t2i_column *column, uint64_t first, uint64_t count,
                                       void *out, t2i_error *err);

/* The digest of a dataset: over all columns that are present, and these attributes
 * (docs/file-formats.md). */
T2I_CHECKED t2i_status t2i_dataset_digest(t2i_column *column, const char *tool, const char *encoder,
                                          char out[T2I_HEX], t2i_error *err);

/* Reads every block of an open dataset and compares the digest with the stored one. */
T2I_CHECKED t2i_status t2i_dataset_check_digest(t2i_dataset *dataset, t2i_error *err);

#endif
