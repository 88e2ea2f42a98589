/* rows.h - prompts as ids, in memory: what a rank holds of a dataset. Features are in
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
    size_t longest;     /* characters */
    size_t cut;         /* rows that were longer than block_size */
} t2i_rows;

/* How many rows each split has. */
T2I_CHECKED t2i_status t2i_rows_count(t2i_dataset *dataset, uint64_t counts[T2I_SPLITS],
                                      t2i_error *err);

/* Rows first .. end of a split (T2I_ANY_SPLIT: of all pairs), counted in the dataset's order.
 * known: 1 when a character outside the vocabulary is an error (T2I_DATA, naming row and
 * character), as in training. Empty on failure. */
T2I_CHECKED t2i_status t2i_rows_load(t2i_rows *out, t2i_dataset *dataset, int split, uint64_t first,
                                     uint64_t end, const t2i_vocab *vocab, size_t block_size,
                                     int known, t2i_error *err);
void t2i_rows_free(t2i_rows *rows);

/* The vocabulary of a fresh model: the characters that occur at least min_count times in all
 * training prompts together. */
T2I_CHECKED t2i_status t2i_rows_vocab(t2i_vocab *out, t2i_dataset *dataset, size_t min_count,
                                      t2i_error *err);

#endif
