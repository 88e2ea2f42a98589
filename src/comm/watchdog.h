/* watchdog.h - detects a rank that has died or hangs, and reports what it was doing.
 *
 * Why: if a rank has died, hangs on a disk or has made a different call, all others wait for ever.
 * A thread of each process checks the heartbeat records of the ranks on its node (heartbeat.h) and
 * copies of some others. It needs neither MPI nor the main thread, which may hang itself.
 *
 * Time counts only while the watching process itself runs, on a clock that does not advance while
 * the machine is suspended. So no rank seems silent after a pause of the watching process.
 */
#ifndef T2I_WATCHDOG_H
#define T2I_WATCHDOG_H

#include "base/error.h"
#include "base/heartbeat.h"

/* A watched rank. */
typedef struct {
    const t2i_heartbeat *record; /* borrowed */
    int rank;
    const char *host; /* borrowed */
    int same_node;    /* it shares memory with this rank: the record is its own */
    int visible;      /* the state of its process can be read */
    /* observations */
    unsigned beat;
    unsigned long long where;
    double silent, still; /* seconds without a heartbeat, and without a change of place */
} t2i_watched;

/* The error that was found, in memory shared by the ranks of a node; zeroed at first. */
typedef struct {
    atomic_int state;
    t2i_error what;
} t2i_verdict;

typedef struct {
    t2i_watched *watched; /* borrowed: ordered by rank; self is among them */
    size_t count, self;
    int all;                 /* they include every rank, or a rank that waits for it */
    const char *const *kind; /* borrowed: names of the kinds of calls, from kind 1 */
    t2i_verdict *verdict;    /* borrowed: one per node */
    double last;             /* time of the last check; 0: never */
    unsigned own_beat;
} t2i_liveness;

/* Checks the records; to be called about every tenth of a second. now: seconds. T2I_OK: nothing is
 * wrong. T2I_SYSTEM: a rank has died, or is silent for longer than it may be. T2I_BUG: ranks wait
 * for each other in different calls. The text names the rank, its place, and what to do.
 *
 * To avoid several reports of the same error, rank 0 detects a silent rank first, the others 1.5 s
 * later, and a process itself last. The death of a rank is detected only by its predecessor among
 * the ranks that share memory. */
T2I_CHECKED t2i_status t2i_watchdog_liveness_check(t2i_liveness *liveness, double now,
                                                   t2i_error *err);

/* Starts a thread that checks until it is stopped or finds an error; then it calls found once. The
 * first rank of a node that finds an error writes it to *verdict (first is 1). The other ranks are
 * called with the same error after that rank has called t2i_watchdog_reported, or with NULL if it
 * does not within some seconds. */
typedef struct t2i_watchdog t2i_watchdog;
typedef void t2i_watchdog_found(void *context, const t2i_error *what, int first);
T2I_CHECKED t2i_status t2i_watchdog_start(t2i_watchdog **out, t2i_liveness *liveness,
                                          t2i_watchdog_found *found, void *context, t2i_error *err);
void t2i_watchdog_reported(t2i_verdict *verdict);
/* NULL is legal. */
void t2i_watchdog_stop(t2i_watchdog *watchdog);

#endif
