/* events.h - RUN/events.jsonl: the events of a run.
 *
 * One JSON object per line, each with `time` (UTC), `event` and `step`:
 *   start    start of a session: ranks, threads, shards, nodes [{host, ranks}], versions, machine
 *   warning  `text` as printed
 *   ranks    `elapsed` seconds of the session, and `seconds` so far: an array of [rank, data,
 *            compute, sync, checkpoint] for each rank, or for T2I_EVENTS_RANKS ranks, evenly
 * spread; at most once per minute, and at the end samples  `prompts` of the pictures in samples/
 *   end      `state`, `exit` and `text` (the message) of status.json
 * A resumed run appends; no line is removed. Rank 0 writes. A failure to write is reported once and
 * is not an error.
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
    const long *step; /* borrowed: the step of the run */
    char *path;       /* owned */
    int fd;           /* -1: not open yet */
    int warnings, failed;
    t2i_text early;  /* owned: lines before the file was opened */
    double *seconds; /* owned, rank 0: seconds of all ranks */
    double began;    /* start of the session, by t2i_cpu_seconds */
    double told;     /* time of the last `ranks` event */
} t2i_events;

/* Rank 0: collects warnings until t2i_events_end. step: the step of the run, read at each event. */
void t2i_events_begin(t2i_events *events, const long *step);
/* Legal for a zeroed struct, as on the other ranks. */
void t2i_events_end(t2i_events *events);

/* Collective. Rank 0 opens RUN/events.jsonl in the existing folder `run` and writes the start
 * event. */
T2I_CHECKED t2i_status t2i_events_open(t2i_events *events, t2i_comm *comm, const char *run,
                                       int threads, size_t shards, t2i_error *err);

/* Collective. Rank 0 writes the seconds of all ranks in this session, unless it did so within the
 * last minute; always if `last`. */
void t2i_events_ranks(t2i_events *events, t2i_comm *comm, const t2i_seconds *seconds, int last);

/* Rank 0: writes the prompts of the samples, an array of strings, of which it takes ownership. */
void t2i_events_samples(t2i_events *events, t2i_json *prompts);

/* Rank 0: writes the end of the session. */
void t2i_events_stop(t2i_events *events, const t2i_run_status *status);

#endif
