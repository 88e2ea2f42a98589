/* initial_state.h - the initial state of a run: a checkpoint to resume from, a model file, or a
 * newly initialised model. */
#ifndef T2I_INITIAL_STATE_H
#define T2I_INITIAL_STATE_H

#include "checkpoint/checkpoint.h"
#include "comm/comm.h"
#include "dataset/dataset.h"
#include "base/error.h"
#include "train/train_options.h"

typedef struct {
    t2i_checkpoint checkpoint; /* rank 0: with moments; other ranks: weights only */
    int resumed;               /* resumed from a checkpoint: its shards and step apply */
    int own;                   /* ... which is in the run folder */
    int finished; /* all steps are done, and the model and final status are written: nothing to do
                   */
} t2i_initial_state;

/* Collective. Rank 0 chooses by the options resume and init (docs/training-guide.md) and reads the
 * file; all ranks receive configuration, vocabulary, weights and counters. result_options: from
 * t2i_train_options_result_options. The status is the same on all ranks: T2I_USAGE if the run
 * folder holds another run (the error names the option that differs) or an option given explicitly
 * contradicts the file; T2I_DATA if no checkpoint is intact or the model does not fit the dataset.
 * *out is empty on failure. */
T2I_CHECKED t2i_status t2i_initial_state_make(t2i_initial_state *out, t2i_comm *comm,
                                              const t2i_train_options *options,
                                              t2i_dataset *dataset, const char *result_options,
                                              t2i_error *err);
void t2i_initial_state_free(t2i_initial_state *initial);

#endif
