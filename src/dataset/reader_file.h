/* reader_file.h - a dataset file as the reader has it open (reader.h). Private to dataset.
 *
 * All that comes back is unchecked: t2i_column_accept and checksums decide what is believed.
 *
 * Errors: T2I_DATA when the reader said so, crashed, or came to no end; T2I_IO when it was killed
 * or gave no answer.
 */
#ifndef T2I_READER_FILE_H
#define T2I_READER_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct t2i_claims t2i_claims; /* dataset_schema.h */

typedef struct {
    const char *path;    /* borrowed */
    unsigned slot;       /* in the reader */
    unsigned long birth; /* of that reader; 0: not open */
} t2i_reader_file;

/* file_size bounds what the file may claim. */
T2I_CHECKED t2i_status t2i_reader_open(t2i_reader_file *out, const char *path, uint64_t file_size,
                                       t2i_claims *claims, t2i_error *err);
/* Exactly bytes (at most 16 MiB), which blocks [block, block + count) of a column have. */
T2I_CHECKED t2i_status t2i_reader_blocks(const t2i_reader_file *file, unsigned column,
                                         uint64_t block, uint64_t count, void *out, size_t bytes,
                                         t2i_error *err);
/* Checksums of a column, in pieces. */
T2I_CHECKED t2i_status t2i_reader_sums(const t2i_reader_file *file, unsigned column, uint64_t *out,
                                       uint64_t count, t2i_error *err);
/* Legal when it is not open, and when the reader is gone. */
void t2i_reader_close(t2i_reader_file *file);

#endif
