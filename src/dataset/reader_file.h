/* reader_file.h - a dataset file that is open in the reader (reader.h). Private to dataset.
 *
 * All results are untrusted: t2i_column_accept validates the claims, checksums the blocks.
 *
 * Errors: T2I_DATA if the reader reports it, crashes or exceeds its processor time; T2I_IO if it is
 * killed or does not answer.
 */
#ifndef T2I_READER_FILE_H
#define T2I_READER_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct t2i_claims t2i_claims; /* dataset_schema.h */

typedef struct {
    const char *path;    /* borrowed */
    unsigned slot;       /* number of the file in the reader */
    unsigned long birth; /* number of the reader that has it open; 0: not open */
} t2i_reader_file;

/* Opens a file. file_size limits the claims that are accepted. */
T2I_CHECKED t2i_status t2i_reader_open(t2i_reader_file *out, const char *path, uint64_t file_size,
                                       t2i_claims *claims, t2i_error *err);
/* Reads blocks [block, block + count) of a column. bytes: their exact size, at most 16 MiB. */
T2I_CHECKED t2i_status t2i_reader_blocks(const t2i_reader_file *file, unsigned column,
                                         uint64_t block, uint64_t count, void *out, size_t bytes,
                                         t2i_error *err);
/* Reads the first count checksums of a column, by several requests if they are many. */
T2I_CHECKED t2i_status t2i_reader_sums(const t2i_reader_file *file, unsigned column, uint64_t *out,
                                       uint64_t count, t2i_error *err);
/* Closes the file. Legal if it is not open, and if the reader has ended. */
void t2i_reader_close(t2i_reader_file *file);

#endif
