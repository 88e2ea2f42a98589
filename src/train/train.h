/* train.h - a training run in stages: prepare, run (the step loop, validation, checkpoints), close.
 */
#ifndef T2I_TRAIN_H
#define T2I_TRAIN_H

#include "comm/comm.h"
#include "base/error.h"
#include "train/resource_estimate.h"
#include "train/train_options.h"

typedef struct t2i_train t2i_train;

/* Collective. Starts the watchdog, opens the dataset, makes the initial state and loads this rank's
 * rows. options are borrowed. The status is the same on all ranks; *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_train_open(t2i_train **out, t2i_comm *comm,
                                      const t2i_train_options *options, t2i_error *err);
/* Collective. Legal for NULL on all ranks. */
void t2i_train_close(t2i_train *train, t2i_comm *comm);

/* The sizes of the run, for checks before memory is allocated (doctor.h). NULL: the run is already
 * finished. The same on all ranks. */
const t2i_run_sizes *t2i_train_sizes(const t2i_train *train);

/* Collective; may be called once. Trains to the last step and writes the run folder, status.json
 * last. After a stop signal (stop_signal.h) to any rank, all ranks stop after the next step. The
 * status is the same on all ranks: T2I_OK; T2I_STOPPED: a checkpoint was saved, and err names the
 * step; otherwise a failure. */
T2I_CHECKED t2i_status t2i_train_run(t2i_train *train, t2i_comm *comm, t2i_error *err);

#endif
