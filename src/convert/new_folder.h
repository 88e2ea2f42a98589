/* new_folder.h - a folder of files that gets its name when it is complete.
 *
 * The files are written into PATH.tmp, which is renamed at the end. Single files are not fsynced:
 * one syncfs, which tells of failed writes since the folder was opened, precedes the rename. A
 * PATH.tmp that a killed program left is recognised by its lock file, and replaced.
 */
#ifndef T2I_NEW_FOLDER_H
#define T2I_NEW_FOLDER_H

#include <stddef.h>
#include "base/error.h"

typedef struct {
    char *path, *temp; /* owned */
    int lock;          /* descriptor of the lock file; -1: none */
} t2i_new_folder;

/* T2I_CANTCREATE if `path` exists and is not an empty folder (a link to one is none), or if
 * PATH.tmp is in use or was not made by this module. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_new_folder_open(t2i_new_folder *out, const char *path, t2i_error *err);
/* Path of a file of the folder, whose subfolders are created. The caller frees it. name: relative,
 * without ".." . T2I_CANTCREATE. */
T2I_CHECKED t2i_status t2i_new_folder_file(const t2i_new_folder *folder, const char *name,
                                           char **path, t2i_error *err);
/* Writes a whole file, which must not exist. T2I_CANTCREATE, T2I_IO. */
T2I_CHECKED t2i_status t2i_new_folder_write(const t2i_new_folder *folder, const char *name,
                                            const void *bytes, size_t size, t2i_error *err);
/* Gives the folder its name, and empties *folder. T2I_IO; then no folder is left. */
T2I_CHECKED t2i_status t2i_new_folder_commit(t2i_new_folder *folder, t2i_error *err);
/* Removes PATH.tmp with all files. Legal for an empty *folder. */
void t2i_new_folder_drop(t2i_new_folder *folder);

#endif
