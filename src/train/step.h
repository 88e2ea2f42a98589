/* step.h - one training step: every thread computes its shards, the reduction tree sums them
 * (reduce.h), every thread updates its slice of the weights.
 *
 * Each thread has its own buffers for a shard; weights, rows and features belong to the rank. The
 * result is a function of (weights, step) alone and does not depend on the number of ranks and
 * threads.
 */
#ifndef T2I_STEP_H
#define T2I_STEP_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "train/checkpoint_writer.h"
#include "train/contrastive_loss.h"
#include "base/error.h"
#include "comm/reduce.h"
#include "train/train_options.h"
#include "model/transformer.h"
#include "train/sampler.h"
#include "base/thread_pool.h"
#include "train/rows.h"
#include "record/runlog.h"
#include "train/shared_features.h"
#include "train/step_plan.h"
#include "train/train_state.h"

/* The inputs of a step. All are borrowed; all except state are read-only. */
typedef struct {
    const t2i_train_options *options;
    t2i_train_state *state; /* its weights and run are modified */
    const t2i_sampler *sampler;
    const t2i_rows *rows; /* T2I_SHARDED: of this rank's shards; other samplers: all rows */
    uint64_t first_row;   /* number (of sampler->rows) of rows->row[0] */
    const t2i_shared_features *features;
    t2i_contrastive_loss *contrastive; /* NULL: squared error only */
    const t2i_rights *rights;
    int threads;
    t2i_step_plan plan;
    size_t own_rows; /* maximum rows of a shard: t2i_step_rows; with audit-every the maximum over
                        all ranks */
    size_t most_rows, longest; /* size of a thread's buffers: at least own_rows and rows->longest;
                                  with audit-every the maximum over all ranks */
    size_t
        most_rights; /* with audit-every: maximum matching pictures per row (contrastive_loss.h) */
} t2i_step_input;

typedef struct {
    t2i_leaf total;
    t2i_step_status step_status; /* in: of this rank; out: the sums over all ranks */
    double loss;                 /* per feature, before the update */
    double norm, lr;
    double spike; /* standard deviations of the loss above the recent mean (loss_spike.h) */
    int skipped;  /* the loss or gradient is not finite, or the loss is a spike above skip-spikes:
                     the weights and moments are unchanged */
} t2i_step_result;

typedef struct t2i_step t2i_step;

/* Returns min(threads, maximum number of shards per rank). */
int t2i_step_threads(const t2i_sampler *sampler, int size, int threads);
/* The sizes of a thread's buffers: for shards of `rows`, and a single pass of most_rows. */
t2i_work_sizes t2i_step_work_sizes(const t2i_step_plan *plan, size_t rows, size_t most_rows,
                                   size_t longest, const t2i_train_options *options);
/* Number of rows of this rank's largest shard, at least 1. */
size_t t2i_step_rows(const t2i_sampler *sampler, int rank, int size);

/* Collective. Allocates all memory of a step; the moments are zero. The struct *input is copied.
 * *out is NULL on failure. Until t2i_step_free, the state's weights are those of reduce.h. */
T2I_CHECKED t2i_status t2i_step_new(t2i_step **out, t2i_comm *comm, const t2i_step_input *input,
                                    t2i_error *err);
void t2i_step_free(t2i_step *step); /* NULL is legal; the state has no weights afterwards */

/* The packed weights of the last t2i_step_model, and the work buffers of the first thread. For use
 * between steps. */
t2i_packed_weights *t2i_step_packed(t2i_step *step);
t2i_work *t2i_step_work(t2i_step *step);
/* Bytes of activations and packed weights; bytes of gradients, including those shared within the
 * node (reduce.h). */
size_t t2i_step_work_bytes(const t2i_step *step);
size_t t2i_step_reduce_bytes(const t2i_step *step);

/* Collective. Scatters the moments (and averaged weights) of the state of rank 0 to the slices of
 * the ranks; gather is the reverse. */
void t2i_step_scatter(t2i_step *step, t2i_comm *comm);
void t2i_step_gather(t2i_step *step, t2i_comm *comm);
/* Collective. The weights that are validated, sampled and saved as the model: the averaged weights
 * if `ema` is set. Valid until the next call. */
float *t2i_step_model(t2i_step *step, t2i_comm *comm);

/* Before each update the step waits for this writer, which reads weights and moments in place. It
 * is borrowed; NULL: no writer. */
void t2i_step_hold(t2i_step *step, const t2i_checkpoint_writer *writer);

/* Does this rank's slice of weights and moments no longer match its checksums? */
int t2i_step_damaged(const t2i_step *step);

/* Collective. Computes step state->run.step + 1 and increments state->run.step. Adds the time taken
 * to *seconds: data and compute are those of the first thread, checkpoint is the wait for the
 * writer of t2i_step_hold, sync is the rest.
 *
 * Unless verify-every is 0, each update verifies the checksums of the slice that it modifies, and
 * every verify-every steps the ranks compare hashes of the weights that they compute with. If
 * memory was corrupted (result->step_status.culprit), the step is not taken.
 *
 * Every audit-every steps each rank also recomputes a shard of another rank (audit.h). If the
 * results differ (result->step_status.disputed), the step is not taken. */
void t2i_step_take(t2i_step *step, t2i_comm *comm, t2i_step_result *result, t2i_seconds *seconds);

/* Collective, after a step with a disputed shard. A third rank recomputes it; returns the rank that
 * is wrong, or T2I_UNKNOWN if there is no third rank or it agrees with neither. A single rank is
 * itself the rank that is wrong. */
int t2i_step_settle(t2i_step *step, t2i_comm *comm, const t2i_step_status *step_status);

#endif
