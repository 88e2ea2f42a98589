/* rows.h - the rows of a dataset that a rank holds in memory, with prompts as ids. Features are in
 * shared_features.h. */
#ifndef T2I_ROWS_H
#define T2I_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "model/transformer.h"
#include "model/vocab.h"

enum { T2I_ANY_SPLIT = -1 };

typedef struct {
    size_t count;
    t2i_row *row;       /* owned: ids and length of each */
    uint16_t *ids;      /* owned: all ids end to end */
    uint32_t *image;    /* owned: its picture in the dataset */
    uint32_t *user_row; /* owned: its position in the user's file */
    uint64_t *pair;     /* owned: its position in the dataset */
    size_t longest;     /* characters of the longest prompt */
    size_t cut;         /* number of rows truncated to block_size */
} t2i_rows;

/* Counts the rows of each split. */
T2I_CHECKED t2i_status t2i_rows_count(t2i_dataset *dataset, uint64_t counts[T2I_SPLITS],
                                      t2i_error *err);

/* Rows first .. end - 1 of a split in the order of the dataset, and how their prompts become ids.
 * All borrowed. */
typedef struct {
    t2i_dataset *dataset;
    int split; /* T2I_ANY_SPLIT: of all pairs */
    uint64_t first, end;
    const t2i_vocab *vocab;
    size_t block_size; /* maximum prompt length in characters */
    int known; /* 1: a character outside the vocabulary is an error, as in training; 0: it is <UNK>
                */
} t2i_row_range;

/* T2I_DATA: a character outside the vocabulary where range->known is set; the error names row and
 * character. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_rows_load(t2i_rows *out, const t2i_row_range *range, t2i_error *err);
void t2i_rows_free(t2i_rows *rows);

/* The vocabulary of a new model: the characters that occur at least min_count times in the training
 * prompts. */
T2I_CHECKED t2i_status t2i_rows_vocab(t2i_vocab *out, t2i_dataset *dataset, size_t min_count,
                                      t2i_error *err);

#endif
