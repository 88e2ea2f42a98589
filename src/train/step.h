/* step.h - one step of a run: every thread computes its shards, the tree adds them (reduce.h),
 * every thread updates its slice of the weights.
 *
 * A thread has buffers of its own for a shard; weights, rows and pictures are the rank's. What is
 * computed is a function of (weights, step) alone, whatever the number of ranks and threads.
 */
#ifndef T2I_STEP_H
#define T2I_STEP_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "train/contrastive_loss.h"
#include "base/error.h"
#include "comm/reduce.h"
#include "train/train_options.h"
#include "train/sampler.h"
#include "base/thread_pool.h"
#include "train/rows.h"
#include "record/runlog.h"
#include "train/shared_features.h"
#include "train/train_state.h"

/* What a step works on; all borrowed, and all but state only read. */
typedef struct {
    const t2i_train_options *options;
    t2i_train_state *state; /* its weights and run change */
    const t2i_sampler *sampler;
    const t2i_rows *rows; /* of this rank's shards; of all pairs for the other samplers */
    uint64_t first_row;   /* number (of sampler->rows) of rows->row[0] */
    const t2i_shared_features *features;
    t2i_contrastive_loss *contrastive; /* NULL: squared error alone */
    const t2i_rights *rights;
    int threads;
    size_t most_rows, longest; /* room of a thread's buffers: at least t2i_step_rows, and
                                  rows->longest; with audit-every the same on all ranks, and
                                  enough for each */
    size_t most_rights;        /* then also: right pictures of a row (contrastive_loss.h) */
} t2i_step_input;

typedef struct {
    t2i_leaf total;
    t2i_step_status step_status; /* this rank's come in, the sums go out */
    double loss;                 /* per feature, before the update */
    double norm, lr;
    double spike; /* deviations of the loss above what is usual (loss_spike.h) */
    int skipped;  /* loss or gradient is not finite, or the loss a spike that is to be skipped:
                     nothing was changed */
} t2i_step_result;

typedef struct t2i_step t2i_step;

/* `threads`, but no more than a rank can have shards. */
int t2i_step_threads(const t2i_sampler *sampler, int size, int threads);
/* Rows of this rank's largest shard, at least 1. */
size_t t2i_step_rows(const t2i_sampler *sampler, int rank, int size);

/* Collective. All memory of a step, with zero moments. The input is copied. NULL on failure. From
 * now on, until t2i_step_free, the state's weights are those of reduce.h. */
T2I_CHECKED t2i_status t2i_step_new(t2i_step **out, t2i_comm *comm, const t2i_step_input *input,
                                    t2i_error *err);
void t2i_step_free(t2i_step *step); /* NULL is legal; the state has no weights any more */

/* The packed weights, as of the last t2i_step_model, and the first thread's work: for use between
 * steps. */
t2i_packed_weights *t2i_step_packed(t2i_step *step);
t2i_work *t2i_step_work(t2i_step *step);
/* Bytes of activations and packed weights, and of gradients with the node's (reduce.h). */
size_t t2i_step_work_bytes(const t2i_step *step);
size_t t2i_step_reduce_bytes(const t2i_step *step);

/* Collective. Deals the moments (and averaged weights) of rank 0's state out into slices; and
 * the reverse. */
void t2i_step_scatter(t2i_step *step, t2i_comm *comm);
void t2i_step_gather(t2i_step *step, t2i_comm *comm);
/* Collective. The weights that are validated, drawn and saved as the model: the averaged ones
 * where they are kept. Until the next call. */
float *t2i_step_model(t2i_step *step, t2i_comm *comm);

/* Has what this rank alone holds (its slice) changed by itself since the last update, or before? */
int t2i_step_damaged(const t2i_step *step);

/* Collective. Step number state->run.step + 1, which is counted afterwards. Time is added to
 * *seconds: data and compute are those of the first thread, sync is all else.
 *
 * Unless verify-every is 0: an update looks whether the slice that it changes is as the last one
 * left it, and every so many steps the ranks' hashes of the weights that they compute with are
 * compared. When memory changed by itself (result->step_status.culprit), the step is not taken.
 *
 * Every audit-every steps each rank also computes a shard of another one (audit.h). When it comes
 * out otherwise (result->step_status.disputed), the step is not taken either. */
void t2i_step_take(t2i_step *step, t2i_comm *comm, t2i_step_result *result, t2i_seconds *seconds);

/* Collective, after such a step: the rank that is wrong, as a third one says; T2I_UNKNOWN where
 * there is none. */
int t2i_step_settle(t2i_step *step, t2i_comm *comm, const t2i_step_status *step_status);

#endif
