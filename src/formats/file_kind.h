/* file_kind.h - names what a file is by its first bytes, for messages about a file of the wrong
 * kind: "x.pth is a Git LFS pointer, not a model: `git lfs pull` fetches the file itself".
 *
 * Nothing is accepted because of this module: readers decide by themselves, and ask when they
 * refuse a file.
 */
#ifndef T2I_FILE_KIND_H
#define T2I_FILE_KIND_H

#include <stddef.h>
#include "base/error.h"

/* First bytes of a file that are enough for every kind. */
enum { T2I_FILE_KIND_HEAD = 1 << 16 };

/* What these first bytes of a file are, with an article: "a PNG picture"; NULL if unknown.
 * *advice: what to do with such a file, or "". Both are constants. */
const char *t2i_file_kind_name(const void *bytes, size_t size, const char **advice);

/* Refuses the file `name` that begins with these bytes: "NAME is KIND, not WANTED: ADVICE", or
 * "NAME is not WANTED (or it is truncated or damaged)" if its kind is unknown. wanted has an
 * article: "a dataset". Returns T2I_DATA. */
t2i_status t2i_file_kind_refuse(const void *bytes, size_t size, const char *name,
                                const char *wanted, t2i_error *err);

/* Refuses a file in the same way unless the name of its kind begins with `own` (NULL: always): then
 * its reader decides. T2I_DATA; T2I_NOINPUT for a folder and for what cannot be opened. */
T2I_CHECKED t2i_status t2i_file_kind_check(const char *path, const char *own, const char *wanted,
                                           t2i_error *err);

#endif
