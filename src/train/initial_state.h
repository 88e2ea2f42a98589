/* initial_state.h - what a run starts from: a checkpoint of its own, a model file, or nothing. */
#ifndef T2I_INITIAL_STATE_H
#define T2I_INITIAL_STATE_H

#include "checkpoint/checkpoint.h"
#include "comm/comm.h"
#include "dataset/dataset.h"
#include "base/error.h"
#include "train/train_options.h"

typedef struct {
    t2i_checkpoint checkpoint; /* rank 0: with moments; other ranks: weights only */
    int resumed;               /* from a checkpoint of the run: shards and step hold */
    int finished; /* all its steps, its model and its last status are there: nothing to do */
} t2i_initial_state;

/* Collective. Rank 0 looks, decides and reads (design.md 2: resume, init, fresh); everyone gets
 * configuration, vocabulary, weights and counters as bytes. result_options:
 * t2i_train_options_result_options. Fails alike on all ranks: T2I_USAGE when the folder holds
 * another run (the key is named) or an explicit key contradicts the file, T2I_DATA when no
 * checkpoint is sound or the model does not fit the dataset. Empty on failure. */
T2I_CHECKED t2i_status t2i_initial_state_make(t2i_initial_state *out, t2i_comm *comm,
                                              const t2i_train_options *options,
                                              t2i_dataset *dataset, const char *result_options,
                                              t2i_error *err);
void t2i_initial_state_free(t2i_initial_state *initial);

#endif
