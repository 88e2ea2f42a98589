/* validation_recall.h - how many held-out prompts find their picture, asked again and again while a
 * run trains.
 *
 * Asked are distinct prompts of the validation split: those of its rows, or of
 * T2I_VALIDATION_RECALL_MOST of them evenly spread. Each ranks the gallery by cosine distance,
 * exactly (search.h); a picture is right as in t2i-eval: any picture that the prompt has in the
 * split, the best of them counts, and pictures that fit it by another split only are left out. The
 * gallery are the pictures of training and validation, or T2I_VALIDATION_RECALL_PICTURES of them
 * evenly spread, and what is right.
 *
 * All is a function of the dataset and the weights: a rank asks the prompts of its own rows, and
 * its node has the whole gallery. Nothing here is collective.
 */
#ifndef T2I_VALIDATION_RECALL_H
#define T2I_VALIDATION_RECALL_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "dataset/prompts.h"
#include "train/rows.h"
#include "retrieval/scores.h"
#include "retrieval/search.h"
#include "train/shared_features.h"

enum { T2I_VALIDATION_RECALL_MOST = 1000, T2I_VALIDATION_RECALL_PICTURES = 1 << 16 };

typedef struct {
    size_t D;
    uint32_t *picture; /* owned: the gallery, ascending */
    size_t pictures;
    size_t questions;  /* of this rank's rows */
    size_t *row;       /* owned: which of the rows asks each, ascending */
    size_t *begin;     /* owned: questions + 1; where the pictures that fit each begin in fit */
    t2i_fitting *fit;  /* owned: the right ones, and those of the gallery that are left out */
    double *distance;  /* owned: of each of these */
    float *prediction; /* owned: (questions, D) */
    t2i_search_result *found;            /* owned: questions */
    t2i_search *search;                  /* owned */
    float *block;                        /* owned: features that are compared at a time */
    uint8_t *none;                       /* owned: zeros; no picture is one to train on here */
    const t2i_shared_features *features; /* borrowed */
} t2i_validation_recall;

/* rows: this rank's rows of the validation split, from its row `first` on, of `in_split` in all.
 * Empty on failure. */
T2I_CHECKED t2i_status t2i_validation_recall_new(t2i_validation_recall *out, t2i_dataset *dataset,
                                                 const t2i_rows *rows, uint64_t first,
                                                 uint64_t in_split, t2i_error *err);
void t2i_validation_recall_free(t2i_validation_recall *recall);
/* Adds the pictures whose features it needs. */
void t2i_validation_recall_want(const t2i_validation_recall *recall, uint8_t *wanted);
/* Takes its memory, once the features (borrowed) are there. */
T2I_CHECKED t2i_status t2i_validation_recall_begin(t2i_validation_recall *recall,
                                                   const t2i_shared_features *features,
                                                   t2i_error *err);

/* The predictions (count, D) of rows first ... of this rank's; those that nobody asks are passed
 * over. */
void t2i_validation_recall_add_predictions(t2i_validation_recall *recall, size_t first,
                                           size_t count, const float *prediction);
/* Once all were heard: rank (rows.count) of each row's right picture, from 1 on; 0: not asked;
 * T2I_RANK_NONE: its prediction was not finite. */
void t2i_validation_recall_rank(t2i_validation_recall *recall, uint32_t *rank);

#endif
