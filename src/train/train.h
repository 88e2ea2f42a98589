/* train.h - a training run in stages: prepare, run (the step loop, validation, checkpoints), close.
 */
#ifndef T2I_TRAIN_H
#define T2I_TRAIN_H

#include "comm/comm.h"
#include "base/error.h"
#include "train/resource_estimate.h"
#include "train/train_options.h"

typedef struct t2i_train t2i_train;

/* Collective. Starts the watchdog, opens the dataset, finds what the run starts from and loads this
 * rank's rows. options are borrowed. The same status on all ranks; NULL on failure. */
T2I_CHECKED t2i_status t2i_train_open(t2i_train **out, t2i_comm *comm,
                                      const t2i_train_options *options, t2i_error *err);
/* Collective. Legal for NULL on all ranks. */
void t2i_train_close(t2i_train *train, t2i_comm *comm);

/* What the run will need, for checks before memory is taken (doctor.h); NULL: it is finished and
 * needs nothing. The same on all ranks. */
const t2i_run_sizes *t2i_train_sizes(const t2i_train *train);

/* Collective, once. Being told to stop (stop_signal.h) is acted on by all ranks after the next
 * step. Runs to the end; the same status on all ranks: T2I_OK, T2I_STOPPED (err says at which step;
 * a sound checkpoint is there), or a failure. Writes the run folder, status.json last. */
T2I_CHECKED t2i_status t2i_train_run(t2i_train *train, t2i_comm *comm, t2i_error *err);

#endif
