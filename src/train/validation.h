/* validation.h - what a run sees of itself while it trains: validation, the best model, drawn
 * prompts.
 *
 * Validation goes in fixed blocks of rows, whole blocks to ranks, and its sums are added in block
 * order: the same figures at any number of ranks. The best model is the one of the lowest
 * validation loss, with the contrastive loss the one that finds most (validation_recall.h: the
 * highest MRR).
 */
#ifndef T2I_VALIDATION_H
#define T2I_VALIDATION_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "train/contrastive_loss.h"
#include "dataset/dataset.h"
#include "base/error.h"
#include "retrieval/gallery.h"
#include "train/train_options.h"
#include "formats/json.h"
#include "train/validation_recall.h"
#include "train/rows.h"
#include "record/runlog.h"
#include "train/shared_features.h"
#include "train/train_state.h"
#include "model/transformer.h"

enum { T2I_VALIDATION_ROWS = 32, T2I_VALIDATION_SAMPLES = 8 };

typedef struct {
    const t2i_train_options *options; /* these are borrowed */
    t2i_dataset *dataset;
    t2i_train_state *state; /* its run.best and best_mrr are kept here */
    const t2i_shared_features *features;
    t2i_contrastive_loss *contrastive; /* NULL: squared error alone */
    t2i_packed_weights *packed;
    t2i_work *work;
    int rank, size;
    t2i_row_range range; /* this rank's blocks; */
    t2i_rows rows;       /* owned: their rows */
    t2i_rights right;    /* owned: of these rows, for contrastive */
    uint64_t split_rows[T2I_SPLITS], validated;
    size_t blocks, first_block;
    double *block_loss;          /* owned: one a block */
    size_t *index;               /* owned: T2I_VALIDATION_ROWS */
    float *target, *dprediction; /* owned: (T2I_VALIDATION_ROWS, D) */
    t2i_validation_recall recall;
    uint32_t *place;     /* owned: (blocks, T2I_VALIDATION_ROWS): ranks of validation_recall.h */
    double last_loss;    /* of the newest validation; negative: none yet */
    t2i_recall scores;   /* of the same */
    t2i_gallery gallery; /* when samples are drawn */
    uint64_t sample[T2I_VALIDATION_SAMPLES]; /* pairs that are drawn */
    size_t samples;
} t2i_validation;

/* Loads this rank's validation rows; split_rows: rows of each split. t2i_validation_free is legal
 * afterwards in every case. */
T2I_CHECKED t2i_status t2i_validation_new(t2i_validation *out, const t2i_train_options *options,
                                          t2i_dataset *dataset, t2i_train_state *state,
                                          const uint64_t split_rows[T2I_SPLITS], int rank, int size,
                                          t2i_error *err);
void t2i_validation_free(t2i_validation *validation);
/* Adds the pictures whose features it needs (shared_features.h). */
void t2i_validation_want(const t2i_validation *validation, uint8_t *wanted);
/* All memory of a validation. work and contrastive take T2I_VALIDATION_ROWS rows, as long as
 * rows.longest.
 */
T2I_CHECKED t2i_status t2i_validation_begin(t2i_validation *validation,
                                            const t2i_shared_features *features,
                                            t2i_packed_weights *packed, t2i_work *work,
                                            t2i_contrastive_loss *contrastive, t2i_error *err);
/* Chooses the prompts to draw, spread over the validation split (the training rows where there is
 * none), whatever the number of ranks. On the rank that draws. */
T2I_CHECKED t2i_status t2i_validation_choose(t2i_validation *validation, t2i_error *err);

/* The chosen prompts as an array of texts, the caller's. */
T2I_CHECKED t2i_status t2i_validation_prompts(const t2i_validation *validation, t2i_json **out,
                                              t2i_error *err);

/* Collective. Says how prompts will be ranked. */
void t2i_validation_log(const t2i_validation *validation, t2i_comm *comm);

/* Collective. The loss over exactly every validation row into last_loss, the recall into
 * scores. counts: may become the best so far. Rank 0 writes best.safetensors, log.jsonl and
 * loss.png; what it cannot write is said, and no error. weights: those that a model file of the run
 * would have, and which are packed. */
void t2i_validation_validate(t2i_validation *validation, t2i_comm *comm, float *weights, int counts,
                             t2i_runlog *log);

/* Draws the chosen prompts into RUN/samples/step-N.png. */
T2I_CHECKED t2i_status t2i_validation_draw(t2i_validation *validation, const float *weights,
                                           t2i_error *err);

/* These weights without moments, as a model file of the run folder. */
T2I_CHECKED t2i_status t2i_validation_save_model(const t2i_validation *validation, const char *name,
                                                 float *weights, t2i_error *err);

#endif
