/* export_names.h - file names for the pictures of a dataset, which may have any names.
 *
 * A name stays as it is if it is a usual relative path that ends in .png. Otherwise: ".", ".." and
 * empty components are left out; control characters, bytes that are not UTF-8 and characters that
 * some file system refuses become "_"; long components are cut; the suffix becomes .png. Names that
 * would be equal where case is ignored (of ASCII letters), or a file and a folder at once, get a
 * number.
 */
#ifndef T2I_EXPORT_NAMES_H
#define T2I_EXPORT_NAMES_H

#include "base/error.h"
#include "base/string_table.h"

/* {0} is empty. */
typedef struct {
    t2i_string_table files;    /* of each picture */
    t2i_string_table occupied; /* in lower case: files, and folders with '/' at the end */
    size_t changed;            /* pictures whose file has another name than the picture */
} t2i_export_names;

/* Adds the name of the next picture. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_export_names_add(t2i_export_names *names, const char *name,
                                            t2i_error *err);
void t2i_export_names_free(t2i_export_names *names);

#endif
