/* list.h - reads a user's list of (prompt, picture) pairs.
 *
 * Read are tables with a header (separated by commas, TABs, semicolons or pipes), lines of prompt
 * TAB file [TAB split] without a header, JSON objects one per line, and a JSON array of objects;
 * each also compressed by gzip. The contents decide, then the suffix. A byte order mark and CRLF
 * line ends are accepted. The two lists of Flickr8k and Flickr30k are read as they are: "FILE#N TAB
 * caption" without a header, and "image_name| comment_number| comment" with its row that lacks a
 * pipe. docs/datasets.md describes all of it, docs/file-formats.md the limits.
 */
#ifndef T2I_LIST_H
#define T2I_LIST_H

#include "base/error.h"
#include "lists/pairs.h"

/* Names of columns (keys in JSON); NULL: found by their usual names. */
typedef struct {
    const char *prompt, *image, *split, *group;
} t2i_list_columns;

/* Reads the file and reports each bad row. T2I_NOINPUT; T2I_DATA when the file as a whole is not a
 * list; T2I_USAGE when a given column is not there; T2I_SYSTEM. *out is empty on failure. columns
 * may be NULL. */
T2I_CHECKED t2i_status t2i_list_read(t2i_pair_list *out, const char *path,
                                     const t2i_list_columns *columns, t2i_error *err);

#endif
