/* contrastive_loss.h - the contrastive part of the loss: which of the training pictures is it?
 *
 * For a row with prediction p and picture t: cross-entropy of t against other pictures c, with the
 * scores cos(p, feature) / temperature (InfoNCE; van den Oord, Li, Vinyals 2018). The others are
 * the pictures of training pairs, or, when there are more than `negatives` of them, a sample that
 * is a function of (seed, step). Pictures that are right for the row's prompt by another training
 * pair are left out of it: "face" fits many.
 *
 * All that a rank adds is a pure function of (weights, rows, seed, step): its node has all training
 * pictures' features, and it looks beyond the ends of its rows for pairs of the same prompt.
 * Nothing here is collective.
 */
#ifndef T2I_CONTRASTIVE_LOSS_H
#define T2I_CONTRASTIVE_LOSS_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "train/rows.h"
#include "train/shared_features.h"
#include "model/vocab.h"

typedef struct {
    double temperature;
    size_t negatives;
    uint64_t seed;
} t2i_contrastive_loss_options;

typedef struct t2i_contrastive_loss t2i_contrastive_loss;

/* trains (borrowed): the pictures of training pairs, a bit a picture
 * (t2i_shared_features_want_split); features (borrowed) holds them all. most_rows: of one call of
 * t2i_contrastive_loss_add, which `threads` may make at a time. T2I_SYSTEM. NULL on failure. */
T2I_CHECKED t2i_status t2i_contrastive_loss_new(t2i_contrastive_loss **out, t2i_dataset *dataset,
                                                const uint8_t *trains,
                                                const t2i_shared_features *features,
                                                const t2i_contrastive_loss_options *options,
                                                size_t most_rows, size_t threads, t2i_error *err);
void t2i_contrastive_loss_free(t2i_contrastive_loss *contrastive); /* NULL is legal */
/* Bytes that it took; and those that it takes with so many pictures, of `images` in the dataset,
 * and rows of all threads together. */
size_t t2i_contrastive_loss_bytes(const t2i_contrastive_loss *contrastive);
size_t t2i_contrastive_loss_estimate(size_t images, size_t pictures, size_t D, size_t negatives,
                                     size_t rows);

/* Which training pictures are right for each of a rank's rows. */
typedef struct {
    uint32_t *run;   /* owned: of each row: which of the distinct prompts it has */
    size_t *begin;   /* owned: where the pictures of each of them begin, and the end */
    uint32_t *right; /* owned: pictures of the dataset that train */
} t2i_rights;

/* rows: those of the range (rows.h), whose split has `in_split` in all. */
T2I_CHECKED t2i_status t2i_contrastive_loss_rights_new(t2i_rights *out,
                                                       const t2i_contrastive_loss *contrastive,
                                                       const t2i_rows *rows,
                                                       const t2i_row_range *range,
                                                       uint64_t in_split, t2i_error *err);
void t2i_contrastive_loss_rights_free(t2i_rights *rights);
/* The most that one of `count` rows has. */
size_t t2i_contrastive_loss_rights_most(const t2i_rights *rights, size_t count);

/* Chooses the negatives of a step (from 1); 0: all rows are validated against the same ones. */
void t2i_contrastive_loss_begin(t2i_contrastive_loss *contrastive, uint64_t step);

/* Rows whose loss is computed together. All borrowed. */
typedef struct {
    const t2i_rights *rights;
    const size_t *row; /* (count): their numbers in rights */
    size_t count;
    const float *target; /* (count, D) */
} t2i_contrastive_batch;

/* By thread number `thread`: the sum of the cross-entropies of a batch. scale x its gradient is
 * added to dprediction (count, D), unless that is NULL. */
double t2i_contrastive_loss_add(t2i_contrastive_loss *contrastive, int thread,
                                const t2i_contrastive_batch *batch, const float *prediction,
                                float scale, float *dprediction);

#endif
