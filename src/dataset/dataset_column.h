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

/* The bytes of a block, verified; valid until another block of the column is requested. */
T2I_CHECKED t2i_status t2i_column_block(t2i_column *column, uint64_t block, const uint8_t **out,
                                        t2i_error *err);

#endif
