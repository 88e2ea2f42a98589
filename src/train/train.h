/* train.h - the training run: set-up, the step loop, validation, checkpoints. */
#ifndef T2I_TRAIN_H
#define T2I_TRAIN_H

#include "comm/comm.h"
#include "base/error.h"
#include "train/train_options.h"

/* Collective. Being told to stop (stop_signal.h) is acted on by all ranks after the next step. Runs
 * the run to its end; the same status on all ranks: T2I_OK, T2I_STOPPED (err says at which step; a
 * sound checkpoint is there), or a failure. Writes the run folder, status.json last. */
T2I_CHECKED t2i_status t2i_train(t2i_comm *comm, const t2i_train_options *options, t2i_error *err);

#endif
