/* runlog.h - records in the run folder: log.jsonl, loss.png, tensorboard/, status.json. Called by
 * rank 0; nothing is collective.
 *
 * log.jsonl has one JSON object per line. A logged step: step (from 1), loss (before the update of
 * that step), spike (only for a loss spike: standard deviations above the recent mean), lr,
 * grad_norm, samples_per_s, seconds {data, compute, sync, checkpoint} since the previous line,
 * tokens of the batch, tokens_saved (not computed again, because prompts share prefixes), memory
 * {own, shared} of rank 0 in bytes (shared: with the other ranks of its node), sent {messages,
 * bytes} by rank 0 to ranks with which it shares no memory, since the previous line. A skipped step
 * has `skipped` (number so far) and no loss. A validation: step, val_loss, r1, r10, mrr
 * (validation_recall.h), best (the step of the model in best.safetensors, once there is one) and
 * waited (validations since then, if the run counts them). The first line, the head: step (those
 * taken before), dataset, shards, options, network and weights (digests of the model and of the
 * weights at that step). A checkpoint: step, checkpoint (its digest), lost_after (the last step
 * whose lines were there when the run resumed from it, if the log had been cut). Every line ends in
 * its chain (log_chain.h).
 */
#ifndef T2I_RUNLOG_H
#define T2I_RUNLOG_H

#include <stddef.h>
#include "checkpoint/checkpoint.h"
#include "comm/comm.h"
#include "base/cpu.h"
#include "base/error.h"
#include "retrieval/scores.h"

typedef struct {
    double data, compute, sync, checkpoint;
} t2i_seconds;

typedef struct {
    long step, skipped; /* skipped > 0: this step was skipped; number so far */
    double spike;       /* > 0: a loss spike of this size (loss_spike.h) */
    double loss, lr, grad_norm, samples_per_s;
    double tokens, tokens_saved;
    t2i_seconds seconds;
    t2i_memory memory; /* of rank 0 */
    t2i_traffic sent;  /* by rank 0, since the previous line */
} t2i_log_line;

typedef struct t2i_runlog t2i_runlog;

/* Opens RUN/log.jsonl, removes lines of steps > last_step (0: all lines), and keeps the remaining
 * losses for the plot. */
T2I_CHECKED t2i_status t2i_runlog_open(t2i_runlog **out, const char *run, long last_step,
                                       t2i_error *err);
void t2i_runlog_close(t2i_runlog *log);
/* Writes the head, unless the log has one. start: the state in which the session begins. If it is
 * resumed and the log has a head, but no line of this checkpoint, lines were lost: warns, and the
 * line that is appended says so. */
T2I_CHECKED t2i_status t2i_runlog_begin(t2i_runlog *log, const t2i_checkpoint *start,
                                        t2i_error *err);

/* From here on, logged values and samples are also written to RUN/tensorboard (tfevents.h).
 * last_step: as above. */
T2I_CHECKED t2i_status t2i_runlog_tensorboard(t2i_runlog *log, long last_step, t2i_error *err);
/* Adds RUN/samples/step-N.png there; does nothing without t2i_runlog_tensorboard. */
T2I_CHECKED t2i_status t2i_runlog_sample(t2i_runlog *log, long step, t2i_error *err);

/* Each appends one line with one write, and to RUN/tensorboard if that is open. */
T2I_CHECKED t2i_status t2i_runlog_step(t2i_runlog *log, const t2i_log_line *line, t2i_error *err);
/* best: best.safetensors has just been written from this step; waited: 0: not logged. */
T2I_CHECKED t2i_status t2i_runlog_validation(t2i_runlog *log, long step, double loss,
                                             const t2i_recall *scores, int best, long waited,
                                             t2i_error *err);
/* The step of best.safetensors, by the lines of validations; -1: unknown, also for log NULL. */
long t2i_runlog_best(const t2i_runlog *log);

/* Appends a line about a checkpoint that is about to be written, unless there is one of its step,
 * and fsyncs the log: it is not shorter than its checkpoints say, even after a power loss. A log
 * that was moved away or replaced is written anew, with a warning. */
T2I_CHECKED t2i_status t2i_runlog_checkpoint(t2i_runlog *log, const t2i_checkpoint *checkpoint,
                                             t2i_error *err);

/* Warns that a record could not be written and that training continues. Does nothing for T2I_OK. */
void t2i_runlog_warn_failed(t2i_status status, const t2i_error *err);

/* Draws RUN/loss.png from all lines so far. */
T2I_CHECKED t2i_status t2i_runlog_plot(const t2i_runlog *log, t2i_error *err);

/* Writes RUN/status.json. state: running, finished, stopped or failed; options: the options that
 * change the result as a JSON object, which identify the run of a folder without a checkpoint;
 * NULL: none. */
typedef struct {
    const char *state;
    long step;
    int exit;
    const char *message, *dataset, *options;
    long best; /* t2i_runlog_best; left out if it is below 1 */
} t2i_run_status;
T2I_CHECKED t2i_status t2i_runlog_status(const char *run, const t2i_run_status *status,
                                         t2i_error *err);

/* Reads dataset and options of RUN/status.json as newly allocated strings; NULL if the member or
 * the file is missing. */
T2I_CHECKED t2i_status t2i_runlog_owner(const char *run, char **dataset, char **options,
                                        t2i_error *err);
/* Is the state in RUN/status.json `finished`? */
int t2i_runlog_ended(const char *run);

#endif
