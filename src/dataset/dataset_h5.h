/* dataset_h5.h - access to dataset files by HDF5 in the calling process.
 *
 * HDF5 1.10 crashes on damaged files. Therefore only two callers are allowed: the reader process
 * (reader.h), and the dataset writer, for files that it created itself. All other code uses
 * reader_file.h. This is the only header that includes hdf5.h. Private to dataset.
 */
#ifndef T2I_DATASET_H5_H
#define T2I_DATASET_H5_H

#include <hdf5.h>

#include "dataset/dataset_schema.h"

typedef struct t2i_h5_file t2i_h5_file;

/* Opens a dataset file by descriptor fd, which it closes, on failure too; path is for messages.
 * *claims: its attributes, sizes and storage, not yet validated against each other. T2I_NOINPUT,
 * T2I_DATA, T2I_IO. */
T2I_CHECKED t2i_status t2i_h5_open(t2i_h5_file **out, int fd, const char *path, uint64_t file_size,
                                   t2i_claims *claims, t2i_error *err);
const t2i_column *t2i_h5_column(const t2i_h5_file *file, unsigned which);
void t2i_h5_close(t2i_h5_file *file); /* NULL is legal */

/* Reads one block. T2I_DATA if it cannot be decoded, T2I_IO if the system reports an error. */
T2I_CHECKED t2i_status t2i_h5_read_block(const t2i_column *column, uint64_t block, void *out,
                                         t2i_error *err);
/* Reads checksums [first, first + count) of a column. */
T2I_CHECKED t2i_status t2i_h5_read_sums(const t2i_column *column, uint64_t first, uint64_t count,
                                        uint64_t *out, t2i_error *err);
/* Writes the block in column->unwritten. T2I_IO. */
T2I_CHECKED t2i_status t2i_h5_write_block(t2i_column *column, uint64_t block, t2i_error *err);
/* Closes the HDF5 objects of a column, and frees its memory. */
void t2i_h5_close_column(t2i_column *column);

hid_t t2i_kind_disk(t2i_kind kind);   /* little-endian */
hid_t t2i_kind_native(t2i_kind kind); /* in memory */

/* File access properties: no locks, which NFS and Lustre may refuse; closing a file closes all its
 * objects. And HDF5 loads no plugins. */
hid_t t2i_h5_access(void);
/* Returns "FILE: cannot WHAT: HDF5's innermost reason". Must directly follow the failed call,
 * because any other call clears HDF5's error stack. status T2I_OK selects T2I_IO if the reason is
 * an error of the system, else T2I_DATA. */
t2i_status t2i_h5_fail(t2i_error *err, t2i_status status, const char *file, const char *what);

#endif
