/* validation.h - validation during training, the best model, samples.
 *
 * The validation rows are divided into fixed blocks, whole blocks are assigned to ranks, and sums
 * are added in block order, so the results do not depend on the number of ranks. The best model is
 * that of the lowest validation loss; with the contrastive loss it is that of the highest MRR
 * (validation_recall.h).
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
    const t2i_train_options *options; /* borrowed, like the pointers below unless marked owned */
    t2i_dataset *dataset;
    t2i_train_state *state; /* run.best and run.best_mrr are updated */
    const t2i_shared_features *features;
    t2i_contrastive_loss *contrastive; /* NULL: squared error only */
    t2i_packed_weights *packed;
    t2i_work *work;
    int rank, size;
    t2i_row_range range; /* the rows of this rank's blocks */
    t2i_rows rows;       /* owned: the rows of range */
    t2i_rights right;    /* owned: matching pictures of these rows, for contrastive */
    uint64_t split_rows[T2I_SPLITS], validated;
    size_t blocks, first_block;
    double *block_loss; /* owned: one per block */
    size_t *index;      /* owned: T2I_VALIDATION_ROWS */
    float *target;      /* owned: (T2I_VALIDATION_ROWS, D) */
    float *unwanted;    /* owned: the same, for a gradient that is not used */
    t2i_validation_recall recall;
    uint32_t
        *place; /* owned: (blocks, T2I_VALIDATION_ROWS): retrieval ranks (validation_recall.h) */
    double last_loss;                        /* of the last validation; negative: none yet */
    t2i_recall scores;                       /* of the last validation */
    t2i_gallery gallery;                     /* for samples */
    uint64_t sample[T2I_VALIDATION_SAMPLES]; /* pairs of the samples */
    size_t samples;
} t2i_validation;

/* Loads this rank's validation rows. split_rows: number of rows of each split. The caller calls
 * t2i_validation_free in any case. */
T2I_CHECKED t2i_status t2i_validation_new(t2i_validation *out, const t2i_train_options *options,
                                          t2i_dataset *dataset, t2i_train_state *state,
                                          const uint64_t split_rows[T2I_SPLITS], int rank, int size,
                                          t2i_error *err);
void t2i_validation_free(t2i_validation *validation);
/* Adds the pictures whose features it needs (shared_features.h). */
void t2i_validation_want(const t2i_validation *validation, uint8_t *wanted);
/* Allocates the memory of a validation. work and contrastive must accept T2I_VALIDATION_ROWS rows
 * of rows.longest ids.
 */
T2I_CHECKED t2i_status t2i_validation_begin(t2i_validation *validation,
                                            const t2i_shared_features *features,
                                            t2i_packed_weights *packed, t2i_work *work,
                                            t2i_contrastive_loss *contrastive, t2i_error *err);
/* Chooses the prompts of samples, evenly spread over the validation split (over the training rows
 * if it is empty), independently of the number of ranks. Called by rank 0, which draws them. */
T2I_CHECKED t2i_status t2i_validation_choose(t2i_validation *validation, t2i_error *err);
/* Afterwards: are samples wanted at the end? Without sample-every only if the dataset has pictures
 * to draw. */
int t2i_validation_has_samples(const t2i_validation *validation);

/* The chosen prompts as an array of strings, owned by the caller. */
T2I_CHECKED t2i_status t2i_validation_prompts(const t2i_validation *validation, t2i_json **out,
                                              t2i_error *err);

/* Collective. Logs the number of prompts and pictures of the retrieval scores. */
void t2i_validation_log(const t2i_validation *validation, t2i_comm *comm);

/* Collective. Sets last_loss, the mean loss over all validation rows, and scores, the retrieval
 * scores. counts: may this be the best model so far, and does it count for patience? All ranks set
 * the same counters. Rank 0 writes best.safetensors, log.jsonl and
 * loss.png, unless log is NULL; a failure to write is a warning, not an error. weights: the weights
 * of a model file of the run (t2i_step_model), which must be packed. */
void t2i_validation_validate(t2i_validation *validation, t2i_comm *comm, float *weights, int counts,
                             t2i_runlog *log);

/* Draws the chosen prompts into RUN/samples/step-N.png. */
T2I_CHECKED t2i_status t2i_validation_draw(t2i_validation *validation, const float *weights,
                                           t2i_error *err);

/* Writes these weights without moments as model file `name` of the run folder. */
T2I_CHECKED t2i_status t2i_validation_save_model(const t2i_validation *validation, const char *name,
                                                 float *weights, t2i_error *err);

#endif
