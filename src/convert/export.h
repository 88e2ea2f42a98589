/* export.h - writes a dataset as files that other programs read.
 *
 * docs/datasets.md has the four kinds. `jsonl` loses nothing that t2i-data build takes from a list:
 * a dataset built from it has the same content, and the same digest where docs/datasets.md says.
 * Pictures are read and written one by one; prompts and names of files are held in memory.
 */
#ifndef T2I_EXPORT_H
#define T2I_EXPORT_H

#include <stddef.h>
#include "base/error.h"

typedef struct {
    const char *to;  /* "folder", "webdataset", "jsonl" or "npy" */
    const char *out; /* folder to create; it may exist if it is empty */
    size_t shard;    /* webdataset: samples per shard */
} t2i_export_options;

/* Writes the dataset at `path` and logs what was written. T2I_NOINPUT; T2I_DATA, also when it has
 * no pictures and `to` is not npy; T2I_CANTCREATE, T2I_IO, T2I_SYSTEM. No file is left on failure.
 */
T2I_CHECKED t2i_status t2i_export(const char *path, const t2i_export_options *options,
                                  t2i_error *err);

#endif
