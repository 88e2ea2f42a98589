/* validation_recall.h - retrieval scores of validation prompts during training.
 *
 * The queries are the distinct prompts of the validation rows, or of T2I_VALIDATION_RECALL_MOST
 * rows, evenly spread. Each query ranks the gallery by cosine distance, exactly (search.h). As in
 * t2i-eval, every picture that the prompt has in the split is relevant, the best rank counts, and
 * pictures that the prompt has only in other splits are excluded. The gallery consists of the
 * training and validation pictures, or T2I_VALIDATION_RECALL_PICTURES of them, evenly spread, and
 * the relevant pictures.
 *
 * Distances are those of the search space (search_space.h).
 *
 * The result is a function of dataset and weights: each rank evaluates the prompts of its own rows,
 * and each node holds the whole gallery. Nothing here is collective.
 */
#ifndef T2I_VALIDATION_RECALL_H
#define T2I_VALIDATION_RECALL_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "dataset/prompts.h"
#include "model/search_space.h"
#include "train/rows.h"
#include "retrieval/scores.h"
#include "retrieval/search.h"
#include "train/shared_features.h"

enum { T2I_VALIDATION_RECALL_MOST = 1000, T2I_VALIDATION_RECALL_PICTURES = 1 << 16 };

typedef struct {
    size_t D, dim;     /* features; numbers of the search space (search_space.h) */
    uint32_t *picture; /* owned: the gallery, ascending */
    size_t pictures;
    size_t questions;  /* number of queries of this rank */
    size_t *row;       /* owned: the row of each query, ascending */
    size_t *begin;     /* owned: questions + 1; where the pictures of each query begin in fit */
    t2i_fitting *fit;  /* owned: the relevant pictures, and the excluded ones of the gallery */
    double *distance;  /* owned: of each picture in fit */
    float *prediction; /* owned: (questions, dim) */
    t2i_search_result *found; /* owned: questions */
    t2i_search *search;       /* owned */
    float *feature;           /* owned: features of a block of the gallery */
    float *block;             /* owned: that block in the search space */
    float *one;               /* owned: (dim): a picture in the search space */
    uint8_t *none;            /* owned: zeros: no picture is marked as a training picture */
    const t2i_shared_features *features; /* borrowed */
    const t2i_packed_weights *packed;    /* borrowed: of the model that is validated */
} t2i_validation_recall;

/* rows: this rank's rows of the validation split, which begin at row `first` of `in_split`. *out is
 * empty on failure. */
T2I_CHECKED t2i_status t2i_validation_recall_new(t2i_validation_recall *out, t2i_dataset *dataset,
                                                 const t2i_config *config, const t2i_rows *rows,
                                                 uint64_t first, uint64_t in_split, t2i_error *err);
void t2i_validation_recall_free(t2i_validation_recall *recall);
/* Adds the pictures whose features are needed (shared_features.h). */
void t2i_validation_recall_want(const t2i_validation_recall *recall, uint8_t *wanted);
/* Allocates memory. features (borrowed) holds the wanted pictures; packed (borrowed) has the
 * weights at each t2i_validation_recall_rank. */
T2I_CHECKED t2i_status t2i_validation_recall_begin(t2i_validation_recall *recall,
                                                   const t2i_shared_features *features,
                                                   const t2i_packed_weights *packed,
                                                   t2i_error *err);

/* Stores the predictions of this rank's rows first .. first + count - 1; rows that are
 * not queries are ignored. */
void t2i_validation_recall_add_predictions(t2i_validation_recall *recall, size_t first,
                                           size_t count, const t2i_outputs *outputs);
/* After all predictions were added: rank (rows.count) of the best relevant picture of each row,
 * from 1; 0: the row is not a query; T2I_RANK_NONE: its prediction is not finite. */
void t2i_validation_recall_rank(t2i_validation_recall *recall, uint32_t *rank);

#endif
