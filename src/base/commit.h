/* commit.h - gives a written file its final name, if this process has not lost its lease.
 *
 * Only the owner of a run folder may replace its files (writer_lease.h), and a process that has
 * lost its run folder writes nothing more anywhere, so that no paths have to be compared. fs.h
 * makes a file durable; this module checks the lease between the file's fsync, which can take long,
 * and its rename.
 */
#ifndef T2I_COMMIT_H
#define T2I_COMMIT_H

#include <stddef.h>
#include "base/error.h"
#include "base/fs.h"

/* fsync, close, check of the lease, rename, fsync of the folder. Empties *out. On failure the
 * temporary file is removed, and the file under the final name is unchanged (unless only the fsync
 * of the folder failed). T2I_IO; T2I_CANTCREATE if the lease is lost. */
T2I_CHECKED t2i_status t2i_commit(t2i_fs_out *out, t2i_error *err);

/* Opens a file, writes all bytes and commits. */
T2I_CHECKED t2i_status t2i_commit_file(const char *path, const void *bytes, size_t size,
                                       t2i_error *err);

#endif
