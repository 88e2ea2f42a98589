/* events.h - RUN/events.jsonl: what happened to a run that no figure of log.jsonl tells.
 *
 * One JSON object a line, each with `time` (UTC), `event` and `step`:
 *   start    a session began: ranks, threads, shards, nodes [{host, ranks}], versions and machine
 *   warning  `text`, as it was printed
 *   ranks    `elapsed` seconds of the session, and of each rank its `seconds` so far: an array of
 *            [rank, data, compute, sync, checkpoint]; of more than T2I_EVENTS_RANKS ranks so many,
 *            evenly spread; at most once a minute, and at the end
 *   samples  `prompts` that are drawn into samples/
 *   end      `state`, `exit` and `text` of status.json
 * A resume adds to it and cuts nothing back. Rank 0 writes; that a line cannot be written is said
 * once, and is no error.
 */
#ifndef T2I_EVENTS_H
#define T2I_EVENTS_H

#include "comm/comm.h"
#include "base/error.h"
#include "formats/json.h"
#include "record/runlog.h"
#include "base/text.h"

enum { T2I_EVENTS_RANKS = 64 };

typedef struct {
    const long *step; /* borrowed: the run's */
    char *path;       /* owned */
    int fd;           /* -1: there is no file yet */
    int warnings, failed;
    t2i_text early;  /* owned: lines from before there was a file */
    double *seconds; /* owned, rank 0: what all ranks tell */
    double began;    /* of the session, on t2i_cpu_seconds' clock */
    double told;     /* when `ranks` was written last */
} t2i_events;

/* Rank 0: collects warnings from here to t2i_events_end. step: of the run, read when something
 * happens. */
void t2i_events_begin(t2i_events *events, const long *step);
/* Legal for a zeroed one, as the other ranks have. */
void t2i_events_end(t2i_events *events);

/* Collective. Rank 0 opens RUN/events.jsonl, whose folder is there, and writes the start. */
T2I_CHECKED t2i_status t2i_events_open(t2i_events *events, t2i_comm *comm, const char *run,
                                       int threads, size_t shards, t2i_error *err);

/* Collective. Rank 0 writes what the ranks' seconds of this session are, if it did not do so within
 * the last minute, or this is the last time. */
void t2i_events_ranks(t2i_events *events, t2i_comm *comm, const t2i_seconds *seconds, int last);

/* Rank 0: the prompts that samples are drawn for, an array of texts, which is taken. */
void t2i_events_samples(t2i_events *events, t2i_json *prompts);

/* Rank 0: the end of the session. */
void t2i_events_stop(t2i_events *events, const t2i_run_status *status);

#endif
