/* pairs.h - a user's list of (prompt, picture) pairs: reading it, and gathering it for a dataset.
 *
 * Kinds, by suffix: .csv (RFC 4180, a header with prompt, image_path and maybe split, group),
 * .jsonl (an object a line with these keys), anything else TSV without a header (prompt TAB file
 * [TAB split]). UTF-8; a byte order mark and CRLF line ends are accepted. A prompt may be empty.
 *
 * A bad row never stops the reading: it is named in a warning and counted, so that one run shows
 * the user all that must be mended. After T2I_BAD_SHOWN warnings the rest is kept for a report
 * only.
 */
#ifndef T2I_PAIRS_H
#define T2I_PAIRS_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "base/text.h"

#define T2I_NO_GROUP  SIZE_MAX
#define T2I_BAD_SHOWN 20

typedef struct {
    uint32_t row;               /* from 0 over the data rows, bad ones counted */
    size_t line;                /* from 1: where the row begins */
    size_t prompt, prompt_size; /* in the list's text; may hold any character but NUL */
    size_t image;               /* in the list's text, NUL-terminated, not empty */
    size_t group;               /* the same; T2I_NO_GROUP when not said */
    int split;                  /* -1 when not said */
} t2i_pair_row;

typedef struct {
    t2i_text text;     /* owned */
    t2i_pair_row *row; /* owned: the good ones */
    size_t count, room;
    size_t rows; /* good and bad */
    size_t bad;
    size_t splits;   /* rows that say their split */
    t2i_text report; /* owned: all bad rows, a line "line TAB row TAB reason" each */
    size_t reported; /* lines of it */
} t2i_pair_list;

/* Reads the file; each bad row is warned of. T2I_NOINPUT; T2I_DATA when it cannot be read as such a
 * file at all. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_pairs_read(t2i_pair_list *out, const char *path, t2i_error *err);
void t2i_pairs_free(t2i_pair_list *list);
/* Tells of `rows` rows (the first of them at this line) that are bad for one reason, and counts
 * them: "pairs.tsv:7: row 6: REASON". T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_pairs_bad(t2i_pair_list *list, const char *path, size_t line,
                                     uint32_t row, size_t rows, const char *reason, t2i_error *err);

/* Pairs and pictures put together one by one. {0} is the empty one. */
typedef struct {
    t2i_text prompts;
    uint64_t *offset;
    uint32_t *image, *row;
    uint8_t *split;
    size_t pairs, pair_room;
    char **name;
    uint32_t *group;
    size_t images, image_room;
} t2i_pair_set;

/* The next picture (its name is copied), and a pair of a picture that is there. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_pair_set_image(t2i_pair_set *set, const char *name, uint32_t group,
                                          t2i_error *err);
T2I_CHECKED t2i_status t2i_pair_set_pair(t2i_pair_set *set, const char *prompt, size_t size,
                                         size_t image, uint32_t row, int split, t2i_error *err);
/* What was gathered, as t2i_dataset_create wants it; borrowed from the set. */
t2i_pairs t2i_pair_set_view(const t2i_pair_set *set);
void t2i_pair_set_free(t2i_pair_set *set);

#endif
