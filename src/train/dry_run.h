/* dry_run.h - what --dry-run tells of a run that was made ready: who computes what, the memory that
 * it has, and how long it will take, from three steps that nobody keeps. */
#ifndef T2I_DRY_RUN_H
#define T2I_DRY_RUN_H

#include "comm/comm.h"
#include "base/error.h"
#include "train/resource_estimate.h"
#include "train/step.h"
#include "base/text.h"

/* Collective. Takes up to three steps after state->run.step and leaves weights, moments and
 * counters as these made them; writes nothing but notes. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_dry_run(t2i_comm *comm, const t2i_run_sizes *run, t2i_step *step,
                                   const t2i_train_state *state, t2i_error *err);

/* "rank 0: 0..2, rank 1: 3..7", or of many ranks how many each has. */
T2I_CHECKED t2i_status t2i_dry_run_shards(t2i_text *out, size_t shards, int size, t2i_error *err);

#endif
