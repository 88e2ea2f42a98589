/* pairs.h - collects (prompt, picture) pairs: the rows of a source, and the pairs of a dataset.
 *
 * A source is a list, a folder or another thing that names pairs. Each of its rows goes through
 * t2i_pairs_add, so that a prompt, a file name and a split mean the same in all of them.
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

#define T2I_NO_GROUP     SIZE_MAX
#define T2I_BAD_SHOWN    20
#define T2I_OTHER_SPLITS 5

typedef struct {
    uint32_t row;               /* number of the data row from 0; bad rows count */
    size_t line;                /* line from 1 where the row begins */
    size_t prompt, prompt_size; /* offset in `text`, and bytes; any character but NUL */
    size_t image;               /* offset in `text`; NUL-terminated, not empty */
    size_t group;               /* the same; T2I_NO_GROUP when not given */
    int split;                  /* -1 when not given */
} t2i_pair_row;

/* {0} is an empty list. */
typedef struct {
    t2i_text text;     /* owned */
    t2i_pair_row *row; /* owned: the good rows */
    size_t count, room;
    size_t rows;     /* good and bad rows */
    size_t bad;      /* bad rows */
    size_t splits;   /* rows that name a split */
    t2i_text report; /* owned: one line "line TAB row TAB reason" per reported problem */
    size_t reported; /* lines of `report` */
    size_t trimmed;  /* prompts that had blanks at their ends */
    size_t other_splits[T2I_OTHER_SPLITS]; /* rows with each foreign name of a split */
} t2i_pair_list;

/* What a row says; data is NULL for what it does not say. */
typedef struct {
    t2i_span prompt, image, split, group;
} t2i_pair_fields;

/* Counts a row of the source `path`, and adds its pair or reports why it is bad: it has no prompt
 * (an empty one is allowed), names no picture or a web address, has an unknown split, is not UTF-8
 * or exceeds the limits of docs/file-formats.md. Blanks at the ends of the prompt are removed.
 * Splits have their names in a dataset in any case, or train: training, restval; validation: val,
 * valid, dev; unseen pictures: test. T2I_SYSTEM, and T2I_DATA for too many rows. */
T2I_CHECKED t2i_status t2i_pairs_add(t2i_pair_list *list, const char *path, size_t line,
                                     const t2i_pair_fields *fields, t2i_error *err);
/* Counts a row that is bad for this reason. The same failures. */
T2I_CHECKED t2i_status t2i_pairs_add_bad(t2i_pair_list *list, const char *path, size_t line,
                                         const char *reason, t2i_error *err);
/* Reports and counts `rows` rows, counted before as good, that are bad for one reason; `line` and
 * `row` are those of the first: "pairs.tsv:7: row 6: REASON". T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_pairs_bad(t2i_pair_list *list, const char *path, size_t line,
                                     uint32_t row, size_t rows, const char *reason, t2i_error *err);
/* Notes what was changed in the rows of a source: trimmed prompts, foreign names of splits. */
void t2i_pairs_log(const t2i_pair_list *list, const char *path);
void t2i_pairs_free(t2i_pair_list *list);

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
