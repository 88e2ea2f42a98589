/* contrastive_loss.h - the contrastive part of the loss: cross-entropy over training pictures.
 *
 * For a row with prediction p and picture t: the cross-entropy of t against other pictures, with
 * scores cos(p, picture) / temperature (InfoNCE; van den Oord, Li, Vinyals 2018), in the space of
 * search_space.h. With embed_dim, picture.weight trains through all of these pictures. The others
 * (negatives) are the pictures of the training pairs or, if there are more than `negatives`, a
 * sample that is a function of (seed, step); or those of the whole batch (as CLIP: Radford et al.
 * 2021), each picture once. Pictures that match the row's prompt by another training pair are
 * excluded, because one prompt may have many pictures.
 *
 * The result is a pure function of (weights, rows, seed, step). For negatives of all training
 * pictures each node holds the features of all of them; for those of the batch the caller sends
 * these around. Pairs of the same prompt are also looked up beyond the ends of the rank's rows.
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
#include "model/packed_weights.h"

enum { T2I_NEGATIVES_BATCH = 0 };

typedef struct {
    double temperature;
    size_t negatives; /* most pictures to tell apart, or T2I_NEGATIVES_BATCH */
    size_t batch;     /* with T2I_NEGATIVES_BATCH: maximum number of pictures */
    size_t embed_dim; /* of the model */
    uint64_t seed;
} t2i_contrastive_loss_options;

typedef struct t2i_contrastive_loss t2i_contrastive_loss;

/* trains (borrowed): one bit per picture, set for those of training pairs
 * (t2i_dataset_mark_split); features (borrowed) holds all of them, unless the negatives are
 * those of the batch. most_rows: maximum
 * number of rows per call of t2i_contrastive_loss_add; `threads` threads may call it concurrently.
 * T2I_SYSTEM: out of memory. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_contrastive_loss_new(t2i_contrastive_loss **out, t2i_dataset *dataset,
                                                const uint8_t *trains,
                                                const t2i_shared_features *features,
                                                const t2i_contrastive_loss_options *options,
                                                size_t most_rows, size_t threads, t2i_error *err);
void t2i_contrastive_loss_free(t2i_contrastive_loss *contrastive); /* NULL is legal */
/* Bytes allocated; and an estimate for `pictures` training pictures of D features, with `rows` rows
 * over all threads. */
size_t t2i_contrastive_loss_bytes(const t2i_contrastive_loss *contrastive);
size_t t2i_contrastive_loss_estimate(const t2i_contrastive_loss_options *options, size_t pictures,
                                     size_t D, size_t threads, size_t rows);

/* The training pictures that match each row of a rank. */
typedef struct {
    uint32_t *run; /* owned: of each row, the index of its prompt among the distinct prompts */
    size_t
        *begin; /* owned: of each distinct prompt, where its pictures begin in right; and the end */
    uint32_t *right; /* owned: training pictures, as numbers of the dataset */
} t2i_rights;

/* rows: the rows of range (rows.h); the split of range has `in_split` rows in total. */
T2I_CHECKED t2i_status t2i_contrastive_loss_rights_new(t2i_rights *out,
                                                       const t2i_contrastive_loss *contrastive,
                                                       const t2i_rows *rows,
                                                       const t2i_row_range *range,
                                                       uint64_t in_split, t2i_error *err);
void t2i_contrastive_loss_rights_free(t2i_rights *rights);
/* The maximum number of matching pictures of the first `count` rows. */
size_t t2i_contrastive_loss_rights_most(const t2i_rights *rights, size_t count);

/* Chooses the negatives of a step (from 1). Step 0: those of validation. packed (borrowed until the
 * next call): the weights; may be NULL without embed_dim. */
void t2i_contrastive_loss_begin(t2i_contrastive_loss *contrastive, const t2i_packed_weights *packed,
                                uint64_t step);
/* The same with T2I_NEGATIVES_BATCH: the pictures of the batch with their features (rows, D). */
void t2i_contrastive_loss_begin_batch(t2i_contrastive_loss *contrastive,
                                      const t2i_packed_weights *packed, const uint32_t *image,
                                      const float *feature, size_t rows);

/* Rows whose loss is computed in one call. All borrowed. */
typedef struct {
    const t2i_rights *rights;
    const size_t *row; /* (count): indices into rights->run */
    size_t count;
    const float *target; /* (count, D) */
} t2i_contrastive_batch;

/* Returns the sum of the cross-entropies of a batch; called by thread `thread`. prediction: the
 * query (count, E), or the features (count, D) without embed_dim. Adds scale x its gradient to
 * dprediction, unless that is NULL, and with embed_dim sets that of picture.weight, dpicture (E,
 * D). */
double t2i_contrastive_loss_add(t2i_contrastive_loss *contrastive, int thread,
                                const t2i_contrastive_batch *batch, const float *prediction,
                                float scale, float *dprediction, float *dpicture);

#endif
