/* runlog.h - the run folder's records: job.ini, log.jsonl, status.json, loss.png. Rank 0's work;
 * nothing is collective.
 *
 * log.jsonl has one JSON object a line. A logged step: step (from 1), loss (before that step's
 * update), lr, grad_norm, samples_per_s, seconds {data, compute, sync, checkpoint} since the line
 * before, tokens of the batch and how many of them were saved, memory {own, shared} of rank 0 in
 * bytes (shared: with the other ranks of its node), sent {messages, bytes} by rank 0 to ranks that
 * it shares no memory with, since the line before. A skipped step carries `skipped`
 * (how many so far) and no loss; a validation step, val_loss, and r1, r10, mrr
 * (validation_recall.h).
 */
#ifndef T2I_RUNLOG_H
#define T2I_RUNLOG_H

#include <stddef.h>
#include "comm/comm.h"
#include "base/cpu.h"
#include "base/error.h"
#include "retrieval/scores.h"

typedef struct {
    double data, compute, sync, checkpoint;
} t2i_seconds;

typedef struct {
    long step, skipped; /* skipped > 0: this step changed nothing; so many so far */
    double spike;       /* > 0: the loss is one (loss_spike.h) */
    double loss, lr, grad_norm, samples_per_s;
    double tokens, tokens_saved;
    t2i_seconds seconds;
    t2i_memory memory; /* of rank 0 */
    t2i_traffic sent;  /* by rank 0, since the line before */
} t2i_log_line;

typedef struct t2i_runlog t2i_runlog;

/* Opens RUN/log.jsonl, cut back to lines of step <= last_step (0: empty), and remembers their
 * losses for the plot. */
T2I_CHECKED t2i_status t2i_runlog_open(t2i_runlog **out, const char *run, long last_step,
                                       t2i_error *err);
void t2i_runlog_close(t2i_runlog *log);

/* From here on what is logged, and drawn, also goes into RUN/tensorboard (tfevents.h). last_step:
 * as above. */
T2I_CHECKED t2i_status t2i_runlog_tensorboard(t2i_runlog *log, long last_step, t2i_error *err);
/* Adds RUN/samples/step-N.png there; nothing where that is not wanted. */
T2I_CHECKED t2i_status t2i_runlog_sample(t2i_runlog *log, long step, t2i_error *err);

/* Each appends one line with one write. */
T2I_CHECKED t2i_status t2i_runlog_step(t2i_runlog *log, const t2i_log_line *line, t2i_error *err);
T2I_CHECKED t2i_status t2i_runlog_validation(t2i_runlog *log, long step, double loss,
                                             const t2i_recall *scores, t2i_error *err);

/* Records are for people: when one cannot be written, training goes on, and that is said. Nothing
 * for T2I_OK. */
void t2i_runlog_warn_failed(t2i_status status, const t2i_error *err);

/* Draws RUN/loss.png from all lines so far. */
T2I_CHECKED t2i_status t2i_runlog_plot(const t2i_runlog *log, t2i_error *err);

/* RUN/status.json. state: running, finished, stopped, failed; options: the JSON object of what
 * changes the result, so that a folder without a checkpoint still knows whose it is; NULL: none. */
typedef struct {
    const char *state;
    long step;
    int exit;
    const char *message, *dataset, *options;
} t2i_run_status;
T2I_CHECKED t2i_status t2i_runlog_status(const char *run, const t2i_run_status *status,
                                         t2i_error *err);

/* What RUN/status.json says of dataset and options (newly allocated texts, NULL where it says
 * nothing or there is none). */
T2I_CHECKED t2i_status t2i_runlog_owner(const char *run, char **dataset, char **options,
                                        t2i_error *err);
/* Does RUN/status.json say that the run is finished? */
int t2i_runlog_ended(const char *run);

#endif
