/* fs.h - files, written atomically.
 *
 * Under its final name a file is complete or absent, even if the program is killed or the disk is
 * full: it is written under a temporary name beside the final one, fsynced, and renamed, and the
 * folder is fsynced (commit.h). A failed fsync is a failed write, and is never retried on the same
 * file, because the kernel may mark pages clean after it.
 *
 * A temporary name, FILE.PID-RANDOM.tmp, is never used twice, so that programs which write one file
 * at the same time each rename what they wrote themselves; the last one wins. The writer holds a
 * lock (flock) on its temporary file. The kernel releases it at the end of the process, by which
 * the next writer of FILE recognises and removes what a killed one left. Of a long name of a file
 * its temporary names have the first 220 bytes.
 *
 * Only regular files are replaced. A link is followed and stays: the file where it ends is
 * replaced. The new file gives group and others no more than the old one did, and than the umask
 * allows; its owner may read and write it.
 */
#ifndef T2I_FS_H
#define T2I_FS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "base/text.h"

/* A file being written under a temporary name. */
typedef struct {
    int fd;     /* holds the lock; -1 when there is no file */
    char *temp; /* owned: the temporary name */
    char *path; /* owned: final name */
    /* Direct writes only (t2i_fs_out_expect): */
    char *memory; /* owned; NULL: bytes are written as they come */
    char *piece;  /* in memory: bytes that are not yet written */
    size_t held;  /* how many */
    int direct;   /* 0: they were refused */
} t2i_fs_out;

/* Creates the temporary file and removes those that killed writers of the same path left.
 * T2I_CANTCREATE, also where the path is a folder, a device, a pipe or a socket, or the file that
 * standard output or error goes to. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_fs_out_open(t2i_fs_out *out, const char *path, t2i_error *err);
/* May a file that begins with this text (at most 32 bytes) get the name? T2I_CANTCREATE where
 * t2i_fs_out_open refuses it, and if there is a file that is neither empty nor begins so: it would
 * be lost. what: such files, for the error ("a dataset"). */
T2I_CHECKED t2i_status t2i_fs_may_replace(const char *path, const char *begin, const char *what,
                                          t2i_error *err);
/* Is a file of this size large? True from 64 MB on. T2I_ASIDE_MB in the environment sets another
 * limit, for tests. */
int t2i_fs_is_large(uint64_t bytes);
/* Before the first write: so many bytes will come. Those of a large file go past the page cache
 * (O_DIRECT) in pieces of 4 MiB, if there is memory for one and as long as the file system does not
 * refuse; otherwise as usual. That changes no byte, and makes nothing durable without
 * t2i_fs_out_close. */
void t2i_fs_out_expect(t2i_fs_out *out, uint64_t bytes);
/* T2I_IO, at the latest from t2i_fs_out_close. After a failure the only legal call is
 * t2i_fs_out_drop. */
T2I_CHECKED t2i_status t2i_fs_out_write(t2i_fs_out *out, const void *bytes, size_t size,
                                        t2i_error *err);
/* The two halves of t2i_commit (commit.h), which programs call instead: fsync and close; then
 * rename and fsync of the folder, which empties *out. On failure *out is empty, the temporary file
 * is removed, and the file under the final name is unchanged (unless only the fsync of the folder
 * failed). T2I_IO. */
T2I_CHECKED t2i_status t2i_fs_out_close(t2i_fs_out *out, t2i_error *err);
T2I_CHECKED t2i_status t2i_fs_out_rename(t2i_fs_out *out, t2i_error *err);
/* Closes and removes the temporary file. An empty *out is legal, as after a commit. */
void t2i_fs_out_drop(t2i_fs_out *out);

/* Appends to a log that is open with O_APPEND, if possible with one write. After a failure the
 * bytes written so far are removed, so that the next line is not joined to a partial one. path: for
 * messages. T2I_IO. */
T2I_CHECKED t2i_status t2i_fs_append(int fd, const char *path, const void *bytes, size_t size,
                                     t2i_error *err);

/* Reads size bytes at an offset of an open file. Returns their number, which is smaller at the end
 * of the file only, or -1 with errno; what interrupts a read, or shortens it, is not an error. */
ssize_t t2i_fs_read_at(int fd, void *out, size_t size, uint64_t offset);

/* Appends the whole file to *text. T2I_NOINPUT if it cannot be opened or is no regular file,
 * T2I_DATA if it is larger than limit bytes, T2I_IO if reading fails. */
T2I_CHECKED t2i_status t2i_fs_read(const char *path, size_t limit, t2i_text *text, t2i_error *err);
/* The same of what may also be a pipe or a device, to its end: inputs that a user names. A FIFO is
 * waited for. */
T2I_CHECKED t2i_status t2i_fs_read_stream(const char *path, size_t limit, t2i_text *text,
                                          t2i_error *err);
/* The same from an open descriptor; path is its name in errors. */
T2I_CHECKED t2i_status t2i_fs_read_open(int fd, const char *path, size_t limit, t2i_text *text,
                                        t2i_error *err);

/* Creates the folder and its parents, and fsyncs them. The folder may exist. T2I_CANTCREATE,
 * T2I_IO.
 */
T2I_CHECKED t2i_status t2i_fs_mkdir(const char *path, t2i_error *err);

/* Opens a lock file, which is created if there is none, and locks it until the descriptor is
 * closed. Its holder may remove the file: a lock on a removed file counts for nothing. Returns -1
 * with errno; EWOULDBLOCK: another process holds it. Without locks in the file system nothing is
 * locked. */
T2I_CHECKED int t2i_fs_lock(const char *path);

/* Is the open file still the one with this name? Links are not followed. */
int t2i_fs_is_named(int fd, const char *path);

int t2i_fs_exists(const char *path);
/* Are both there and one file or folder, by whatever names? Links are followed. */
int t2i_fs_is_same(const char *path, const char *other);
/* Refuses an output, given by an option, that is an input, too; each may be NULL. T2I_USAGE. */
T2I_CHECKED t2i_status t2i_fs_keep_input(const char *input, const char *option, const char *out,
                                         t2i_error *err);
int t2i_fs_is_folder(const char *path);
/* Size in bytes of a regular file; T2I_NOINPUT for anything else. */
T2I_CHECKED t2i_status t2i_fs_size(const char *path, uint64_t *size, t2i_error *err);

/* Returns "folder/name", or a copy of name if it is absolute or folder is empty. The caller frees
 * it. NULL without memory, with T2I_SYSTEM in *err; err may be NULL. */
char *t2i_fs_join(const char *folder, const char *name, t2i_error *err);
/* Returns a copy of a path, likewise. */
char *t2i_fs_copy_path(const char *path, t2i_error *err);

#endif
