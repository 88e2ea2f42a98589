/* list_internal.h - what the readers of lists share: lines, rows, and which column is what. */
#ifndef T2I_LIST_INTERNAL_H
#define T2I_LIST_INTERNAL_H

#include "base/string_table.h"
#include "lists/list.h"

/* What a column or key holds. */
typedef enum {
    T2I_LIST_PROMPT,
    T2I_LIST_IMAGE,
    T2I_LIST_SPLIT,
    T2I_LIST_GROUP,
    T2I_LIST_FIELDS, /* none of these */
    T2I_LIST_URL     /* address of a picture */
} t2i_list_field;

typedef struct {
    t2i_pair_list *list;
    const char *path;
    const t2i_list_columns *columns; /* not NULL */
    const char *at, *end;            /* the part that is not read yet */
    size_t line;                     /* line number of `at` */
    const char *part;                /* of a row: "column" or "key" */
    t2i_string_table ignored_names;  /* owned: unknown columns or keys, the first of them */
    t2i_text ignored;                /* owned: the same as a text */
} t2i_list_reader;

/* ---- list_reader.c ---- */

/* Returns the line at r->at without its line end, and moves to the next line. */
t2i_span t2i_list_line(t2i_list_reader *r);
/* Takes away lines at the end that hold nothing but blanks and these characters (none for 0). */
void t2i_list_drop_empty_end(t2i_list_reader *r, char delimiter);
/* T2I_DATA if a NUL or another byte that is not UTF-8 is there. */
T2I_CHECKED t2i_status t2i_list_check_bytes(t2i_span text, t2i_error *why);
/* Counts a row: status and *why are those of reading it. fields (T2I_LIST_FIELDS). Any failure but
 * T2I_DATA ends the reading. */
T2I_CHECKED t2i_status t2i_list_row(t2i_list_reader *r, size_t line, t2i_status status,
                                    const t2i_span *fields, const t2i_error *why, t2i_error *err);
/* Remembers the name of a column or key that is not used; t2i_list_log_ignored says them. */
T2I_CHECKED t2i_status t2i_list_ignore(t2i_list_reader *r, t2i_span name, t2i_error *err);
void t2i_list_log_ignored(const t2i_list_reader *r);

/* ---- list_columns.c ---- */

/* What a column of this name holds: by the given names, then by the usual ones. Case, blanks at the
 * ends, and '-' and ' ' for '_' do not matter. */
t2i_list_field t2i_list_find_field(const t2i_list_columns *given, t2i_span name);
int t2i_list_same_name(t2i_span a, t2i_span b);
/* The error for columns or keys that can each be `field`; names: all of them. */
t2i_status t2i_list_fail_many(const t2i_list_reader *r, size_t line, t2i_list_field field,
                              const char *names, t2i_error *err);
/* The error for a list without a column or key for `field`; names: those it has. */
t2i_status t2i_list_fail_none(const t2i_list_reader *r, size_t line, t2i_list_field field, int url,
                              const char *names, t2i_error *err);

/* ---- list_table.c ---- */

/* Returns the delimiter of a table that begins with a header of known columns, or 0, and moves r to
 * the header. */
char t2i_list_table_find(t2i_list_reader *r);
/* The delimiter of a table whose columns are not known by name: the one that its first line holds
 * most often. */
char t2i_list_table_guess(const t2i_list_reader *r);
/* Reads a table whose header r is at. */
T2I_CHECKED t2i_status t2i_list_table_read(t2i_list_reader *r, char delimiter, t2i_error *err);
/* Reads lines of prompt TAB file [TAB split]. */
T2I_CHECKED t2i_status t2i_list_table_read_plain(t2i_list_reader *r, t2i_error *err);

/* Has the name a picture's suffix? */
int t2i_list_is_picture(t2i_span name);

/* Notes what is read, unless the columns are called prompt and image_path: "reads PATH: FORMAT,
 * prompts from "caption", ...". name: that of the column or key of each field, of size 0 if none.
 */
void t2i_list_log_format(const t2i_list_reader *r, const char *format,
                         const t2i_span name[T2I_LIST_FIELDS]);

/* ---- list_json.c ---- */

typedef enum {
    T2I_LIST_NO_JSON,
    T2I_LIST_LINES,
    T2I_LIST_ARRAY,
    T2I_LIST_STREAM
} t2i_list_json_kind;
/* How the JSON at r->at is laid out: an object per line, an array of objects, or objects over
 * several lines. */
t2i_list_json_kind t2i_list_json_find(const t2i_list_reader *r);
T2I_CHECKED t2i_status t2i_list_json_read(t2i_list_reader *r, t2i_list_json_kind kind,
                                          t2i_error *err);

#endif
