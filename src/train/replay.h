/* replay.h - a stretch of a run computed again and compared with its log and checkpoints.
 *
 * A replay reads the run folder and writes nothing: its options have no `out`. t2i_train_open
 * prepares it like a run that resumes, and t2i_train_run calls t2i_replay_steps instead of training
 * (options->replay).
 */
#ifndef T2I_REPLAY_H
#define T2I_REPLAY_H

#include "comm/comm.h"
#include "base/error.h"
#include "train/step.h"
#include "train/train_options.h"
#include "train/train_state.h"
#include "train/validation.h"

typedef struct t2i_replay t2i_replay;

/* Reads "FROM..TO". T2I_USAGE. */
T2I_CHECKED t2i_status t2i_replay_range(const char *text, long *from, long *to, t2i_error *err);

/* Collective. Rank 0 reads the log of the run. from: the step of a checkpoint, or 0: the beginning.
 * run is borrowed. Warns if the log or a checkpoint was edited; the replay is then made, but fails.
 * T2I_USAGE: there is no such checkpoint, or nothing to compare; T2I_DATA: a line that training
 * does not write. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_replay_open(t2i_replay **out, t2i_comm *comm, const char *run, long from,
                                       long to, t2i_error *err);
void t2i_replay_free(t2i_replay *replay);

/* Changes the options of the run's job.ini into those of the replay, which they borrow. */
void t2i_replay_set(t2i_replay *replay, t2i_train_options *options);

/* Collective. Compares dataset (its digest) and options with the head of the log. T2I_DATA. */
T2I_CHECKED t2i_status t2i_replay_check(const t2i_replay *replay, t2i_comm *comm,
                                        const char *dataset, const char *result_options,
                                        t2i_error *err);

/* Collective. Compares network and, from the beginning, weights with the digests in the head;
 * computes the steps and compares each logged line: loss, norm, learning rate, tokens, validation,
 * digest of a checkpoint; and the checkpoint and models of the last step that are there. Prints a
 * line if all bits agree. T2I_DATA: the first line that differs; T2I_SYSTEM: this machine computes
 * wrongly. The same on all ranks. */
T2I_CHECKED t2i_status t2i_replay_steps(t2i_replay *replay, t2i_comm *comm, t2i_step *step,
                                        t2i_train_state *state, t2i_validation *validation,
                                        t2i_error *err);

#endif
