/* dataset_column.h - the rows of a column, fetched in blocks, checked and kept.
 *
 * Why: a block is decoded once for many small ranges in sequence, and none is handed out whose
 * checksum differs. Blocks come from the reader (reader_file.h); of a file that is being written,
 * from t2i_column.read_back. Private to dataset.
 */
#ifndef T2I_DATASET_COLUMN_H
#define T2I_DATASET_COLUMN_H

#include "dataset/dataset_schema.h"

/* Rows [first, first + count), each block checked against its checksum and floats to be finite. */
T2I_CHECKED t2i_status t2i_column_read(t2i_column *column, uint64_t first, uint64_t count,
                                       void *out, t2i_error *err);

/* Over all columns that are present; see dataset.h for what it covers. */
T2I_CHECKED t2i_status t2i_dataset_digest(t2i_column *column, const char *tool, const char *encoder,
                                          char out[T2I_HEX], t2i_error *err);

/* Reads every block of an open dataset and compares the digest with the stored one. */
T2I_CHECKED t2i_status t2i_dataset_check_digest(t2i_dataset *dataset, t2i_error *err);

#endif
