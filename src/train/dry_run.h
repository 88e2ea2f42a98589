/* dry_run.h - the report of --dry-run on a prepared run: the shards of each rank, memory use, and
 * the time to expect, measured by three trial steps that are discarded. */
#ifndef T2I_DRY_RUN_H
#define T2I_DRY_RUN_H

#include "comm/comm.h"
#include "base/error.h"
#include "train/resource_estimate.h"
#include "train/step.h"
#include "base/text.h"

/* Collective. Computes up to three steps after state->run.step; weights, moments and counters are
 * changed by them and not restored. Writes notes only. T2I_SYSTEM: out of memory. */
T2I_CHECKED t2i_status t2i_dry_run(t2i_comm *comm, const t2i_run_sizes *run, t2i_step *step,
                                   const t2i_train_state *state, t2i_error *err);

/* Appends "rank 0: 0..2, rank 1: 3..7", or for more than 8 ranks the number of shards per rank. */
T2I_CHECKED t2i_status t2i_dry_run_shards(t2i_text *out, size_t shards, int size, t2i_error *err);

#endif
