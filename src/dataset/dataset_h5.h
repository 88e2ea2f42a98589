/* dataset_h5.h - the dataset file by HDF5, in this process: what the reader's process does, and
 * what the writer shares with it.
 *
 * Why: HDF5 1.10 crashes on damaged files. Only two may call it: the reader (reader.h), which may
 * die, and what writes datasets, with files that it made itself. Everything else goes through
 * reader_file.h. The only header that sees hdf5.h. Private to dataset.
 */
#ifndef T2I_DATASET_H5_H
#define T2I_DATASET_H5_H

#include <hdf5.h>

#include "dataset/dataset_schema.h"

typedef struct t2i_h5_file t2i_h5_file;

/* Opens a dataset file and tells what it claims. T2I_NOINPUT, T2I_DATA, T2I_IO. */
T2I_CHECKED t2i_status t2i_h5_open(t2i_h5_file **out, const char *path, uint64_t file_size,
                                   t2i_claims *claims, t2i_error *err);
const t2i_column *t2i_h5_column(const t2i_h5_file *file, unsigned which);
void t2i_h5_close(t2i_h5_file *file); /* NULL is legal */

/* One block; T2I_DATA when it cannot be decoded, T2I_IO when the system refused. */
T2I_CHECKED t2i_status t2i_h5_read_block(const t2i_column *column, uint64_t block, void *out,
                                         t2i_error *err);
/* Checksums [first, first + count) of a column. */
T2I_CHECKED t2i_status t2i_h5_read_sums(const t2i_column *column, uint64_t first, uint64_t count,
                                        uint64_t *out, t2i_error *err);
/* The block that lies in unwritten. T2I_IO. */
T2I_CHECKED t2i_status t2i_h5_write_block(t2i_column *column, uint64_t block, t2i_error *err);
/* Closes what HDF5 has open of a column, and frees it. */
void t2i_h5_close_column(t2i_column *column);

hid_t t2i_kind_disk(t2i_kind kind);   /* little-endian */
hid_t t2i_kind_native(t2i_kind kind); /* in memory */

/* File access: never lock (NFS and Lustre may refuse), close everything with the file. */
hid_t t2i_h5_access(void);
/* "FILE: cannot WHAT: HDF5's innermost reason". Call it right after what failed: any other call
 * empties HDF5's error stack. With status T2I_OK it is T2I_IO when the system gave the reason, else
 * T2I_DATA. */
t2i_status t2i_h5_fail(t2i_error *err, t2i_status status, const char *file, const char *what);

#endif
