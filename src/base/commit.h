/* commit.h - a written file gets its final name, if this process may still write there.
 *
 * Why: what a run folder holds is replaced by its writer alone (writer_lease.h). fs.h makes a file
 * durable; here the lease is checked between the file's fsync, which can take long, and its rename.
 */
#ifndef T2I_COMMIT_H
#define T2I_COMMIT_H

#include <stddef.h>
#include "base/error.h"
#include "base/fs.h"

/* fsync, close, check of the lease, rename, fsync of the folder. Empties *out; on failure the final
 * name is untouched (unless only the folder's fsync failed) and the temporary file is gone. T2I_IO;
 * T2I_CANTCREATE when the lease is lost. */
T2I_CHECKED t2i_status t2i_commit(t2i_fs_out *out, t2i_error *err);

/* Open, write all, commit. */
T2I_CHECKED t2i_status t2i_commit_file(const char *path, const void *bytes, size_t size,
                                       t2i_error *err);

#endif
