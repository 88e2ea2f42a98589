/* watchdog.h - notices the rank that has died or stopped, and says what it was at.
 *
 * Why: a rank that is gone, hangs on a disk or has taken another way leaves all others waiting. A
 * thread of each process looks at the lines of its node's ranks (heartbeat.h), and at copies of
 * some others; it needs neither MPI nor the main thread, which may be what hangs.
 *
 * Time is only counted while the watching process itself runs, on a clock that stands still in a
 * suspended machine: after a pause of its own nobody else looks silent.
 */
#ifndef T2I_WATCHDOG_H
#define T2I_WATCHDOG_H

#include "base/error.h"
#include "base/heartbeat.h"

/* A rank that is looked at. */
typedef struct {
    const t2i_heartbeat *line; /* borrowed */
    int rank;
    const char *host; /* borrowed */
    int near;         /* it shares this node's memory: the line is its own */
    int visible;      /* its process can be looked at */
    /* what was seen of it */
    unsigned beat;
    unsigned long long where;
    double silent, still; /* seconds without a sign of life, and in the same place */
} t2i_watched;

/* What was found, in memory that the ranks of a node share; zeroed at first. */
typedef struct {
    atomic_int state;
    t2i_error what;
} t2i_verdict;

typedef struct {
    t2i_watched *watched; /* borrowed: in the order of ranks; self is one of them */
    size_t count, self;
    int all;                 /* every rank is among them, or another one that waits for it */
    const char *const *kind; /* borrowed: names of kinds of calls, from 1 on */
    t2i_verdict *verdict;    /* borrowed: one for those of a node */
    double last;             /* when it was last looked; 0: never */
    unsigned own_beat;
} t2i_liveness;

/* One look at the lines, to be taken every tenth of a second or so; now: seconds. T2I_OK: nothing
 * is wrong. T2I_SYSTEM: a rank is gone, or silent for longer than it may be. T2I_BUG: ranks wait
 * for one another in different calls. The text says which rank, where it was, and what to do.
 *
 * So that only one speaks where several see the same, rank 0 finds a silent rank first, others 1.5
 * s later, and a process itself last; and of those that share a node's memory only the rank before
 * one that is gone looks after it. */
T2I_CHECKED t2i_status t2i_watchdog_liveness_check(t2i_liveness *liveness, double now,
                                                   t2i_error *err);

/* A thread that looks until it is told to end, or something is found: then it calls found once. The
 * first rank of a node that finds something writes it to *verdict (first is 1); the others are
 * called with the same once that rank has called t2i_watchdog_told, or with NULL when it does not
 * for some seconds. */
typedef struct t2i_watchdog t2i_watchdog;
typedef void t2i_watchdog_found(void *context, const t2i_error *what, int first);
T2I_CHECKED t2i_status t2i_watchdog_start(t2i_watchdog **out, t2i_liveness *liveness,
                                          t2i_watchdog_found *found, void *context, t2i_error *err);
void t2i_watchdog_told(t2i_verdict *verdict);
/* NULL is legal. */
void t2i_watchdog_stop(t2i_watchdog *watchdog);

#endif
