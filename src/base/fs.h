/* fs.h - files that are whole or not there.
 *
 * Why: a killed program or a full disk must leave nothing half-written under a
 * final name. Everything we write goes to a temporary name beside the final one,
 * is fsynced, renamed, and the folder fsynced (commit.h). A failed fsync is a failed
 * write and is never retried on the same file (pages may be marked clean after it).
 */
#ifndef T2I_FS_H
#define T2I_FS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* A file being written under a temporary name. */
typedef struct {
    int fd;     /* -1 when closed */
    char *temp; /* owned: final name + ".tmp" */
    char *path; /* owned: final name */
} t2i_fs_out;

/* Creates the temporary file (replacing a left-over one). T2I_CANTCREATE. On failure *out is empty.
 */
T2I_CHECKED t2i_status t2i_fs_out_open(t2i_fs_out *out, const char *path, t2i_error *err);
/* T2I_IO. After a failure the only legal call is t2i_fs_out_drop. */
T2I_CHECKED t2i_status t2i_fs_out_write(t2i_fs_out *out, const void *bytes, size_t size,
                                        t2i_error *err);
/* The two halves of t2i_commit (commit.h), which is what programs call: fsync and close; then
 * rename and fsync of the folder, which empties *out. On failure *out is empty, the final name is
 * untouched (unless only the folder's fsync failed) and the temporary file is gone. T2I_IO. */
T2I_CHECKED t2i_status t2i_fs_out_close(t2i_fs_out *out, t2i_error *err);
T2I_CHECKED t2i_status t2i_fs_out_rename(t2i_fs_out *out, t2i_error *err);
/* Closes and removes the temporary file. Legal on an empty one and after commit. */
void t2i_fs_out_drop(t2i_fs_out *out);

/* Appends to a log that is open with O_APPEND, with one write where the system takes it: all of it
 * or nothing, as what is left of one piece would spoil the next. path is for messages. T2I_IO. */
T2I_CHECKED t2i_status t2i_fs_append(int fd, const char *path, const void *bytes, size_t size,
                                     t2i_error *err);

/* Appends the whole file to *text. T2I_NOINPUT when it cannot be opened or is a folder, T2I_DATA
 * when longer than limit bytes, T2I_IO when reading fails. */
T2I_CHECKED t2i_status t2i_fs_read(const char *path, size_t limit, t2i_text *text, t2i_error *err);

/* Makes the folder and its parents, durably; fine when it is there. T2I_CANTCREATE, T2I_IO. */
T2I_CHECKED t2i_status t2i_fs_mkdir(const char *path, t2i_error *err);

/* Removes temporary files of ours in a folder whose names begin like this; what cannot be removed
 * stays. */
void t2i_fs_sweep(const char *folder, const char *begin);

int t2i_fs_exists(const char *path);
int t2i_fs_is_folder(const char *path);
/* Size in bytes of a regular file, T2I_NOINPUT otherwise. */
T2I_CHECKED t2i_status t2i_fs_size(const char *path, uint64_t *size, t2i_error *err);

/* "folder/name" (or name alone, when it is absolute or folder is empty), newly allocated. Without
 * memory NULL, which *err then says (T2I_SYSTEM); err may be NULL. */
char *t2i_fs_join(const char *folder, const char *name, t2i_error *err);
/* A copy of a path; the same. */
char *t2i_fs_copy_path(const char *path, t2i_error *err);

#endif
