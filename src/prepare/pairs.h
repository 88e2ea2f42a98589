/* pairs.h - reads a user's list of (prompt, picture) pairs, and collects pairs for a dataset.
 *
 * The suffix selects the format: .csv (RFC 4180, with a header: prompt, image_path, optional split
 * and group), .jsonl (one object per line with the same keys), otherwise TSV without a header
 * (prompt TAB file [TAB split]). Text is UTF-8; a byte order mark and CRLF line ends are accepted.
 * A prompt may be empty. Limits: docs/file-formats.md.
 *
 * A bad row does not end the reading. It is counted and reported, so that one run shows all rows to
 * correct. The first T2I_BAD_SHOWN are warnings; all of them are in `report`.
 */
#ifndef T2I_PAIRS_H
#define T2I_PAIRS_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "base/text.h"
#include "dataset/dataset_writer.h"

#define T2I_NO_GROUP  SIZE_MAX
#define T2I_BAD_SHOWN 20

typedef struct {
    uint32_t row;               /* number of the data row from 0; bad rows count */
    size_t line;                /* line from 1 where the row begins */
    size_t prompt, prompt_size; /* offset in `text`, and bytes; any character but NUL */
    size_t image;               /* offset in `text`; NUL-terminated, not empty */
    size_t group;               /* the same; T2I_NO_GROUP when not given */
    int split;                  /* -1 when not given */
} t2i_pair_row;

typedef struct {
    t2i_text text;     /* owned */
    t2i_pair_row *row; /* owned: the good rows */
    size_t count, room;
    size_t rows;     /* good and bad rows */
    size_t bad;      /* bad rows */
    size_t splits;   /* rows that name a split */
    t2i_text report; /* owned: one line "line TAB row TAB reason" per reported problem */
    size_t reported; /* lines of `report` */
} t2i_pair_list;

/* Reads the file and reports each bad row. T2I_NOINPUT; T2I_DATA when the file as a whole is not of
 * its format; T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_pairs_read(t2i_pair_list *out, const char *path, t2i_error *err);
void t2i_pairs_free(t2i_pair_list *list);
/* Reports and counts `rows` rows that are bad for one reason; `line` and `row` are those of the
 * first: "pairs.tsv:7: row 6: REASON". T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_pairs_bad(t2i_pair_list *list, const char *path, size_t line,
                                     uint32_t row, size_t rows, const char *reason, t2i_error *err);

/* Pairs and pictures, collected one by one. {0} is an empty set. */
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

/* Adds a picture (`name` is copied), or a pair of an existing picture (`prompt` is copied).
 * T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_pairs_set_image(t2i_pair_set *set, const char *name, uint32_t group,
                                           t2i_error *err);
T2I_CHECKED t2i_status t2i_pairs_set_pair(t2i_pair_set *set, const char *prompt, size_t size,
                                          size_t image, uint32_t row, int split, t2i_error *err);
/* The set as the argument of t2i_dataset_writer_create; borrowed from the set. */
t2i_pairs t2i_pairs_set_view(const t2i_pair_set *set);
void t2i_pairs_set_free(t2i_pair_set *set);

#endif
