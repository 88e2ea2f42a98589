/* heartbeat.h - what this process says of itself while it works: that it lives, and what it is at.
 *
 * Why: a rank that waits for another must tell one that is slow from one that has stopped, and name
 * what it stopped in. Each process has one line, which others on its node may read in shared memory
 * (comm.h); whatever takes long gives a sign of life between its pieces. Outside of a watched run
 * everything here does nothing.
 */
#ifndef T2I_HEARTBEAT_H
#define T2I_HEARTBEAT_H

#include <stdatomic.h>
#include <stdint.h>

typedef enum {
    T2I_AT_START,
    T2I_AT_DATA, /* reading the dataset */
    T2I_AT_COMPUTE,
    T2I_AT_SYNC,
    T2I_AT_SAVE,
    T2I_AT_VALIDATE,
    T2I_PHASES
} t2i_phase;

/* A line: written by one process, read by others. */
typedef struct {
    _Alignas(64) atomic_uint meeting; /* comm's: how many it has come to */
    atomic_uint beat;                 /* changes with every sign of life */
    atomic_uint allowed;              /* milliseconds of silence that mean nothing in this phase */
    atomic_int pid;                   /* 0: not watched, or no more */
    atomic_ullong where;              /* see t2i_heartbeat_place */
    atomic_llong step;
} t2i_heartbeat;

/* Where a rank is: which of its collective calls it has come to, what call it waits in (0: it does
 * not wait), the phase, and the step (its last 16 bits). In a correct program equal numbers of
 * calls mean equal words on all ranks of a node. */
typedef struct {
    unsigned calls, kind, phase, step;
} t2i_heartbeat_place;
t2i_heartbeat_place t2i_heartbeat_place_of(const t2i_heartbeat *line);

/* From now on this process writes to *line (borrowed), and calls hook (NULL: none) with each sign
 * of life of the calling thread; others' signs count for nothing. Silence of `floor` seconds is
 * always allowed, four times that in a phase for the first time, and ten times the longest that was
 * usual in a phase. */
void t2i_heartbeat_begin(t2i_heartbeat *line, double floor, void (*hook)(void *context),
                         void *context);
/* No more: the line's pid becomes 0. */
void t2i_heartbeat_end(void);

/* A sign of life. */
void t2i_heartbeat_beat(void);
/* Changes with each sign of life of another thread: for the watched one when it waits for that. */
unsigned t2i_heartbeat_others(void);
/* What comes now; step: which one it is, or belongs to. bytes: what is then written or read at once
 * (0: little), as a disk may be as slow as 4 MB a second. */
void t2i_heartbeat_phase(t2i_phase phase, long step, uint64_t bytes);
/* Around each collective call that waits. kind: above 0, below 256. */
void t2i_heartbeat_wait(unsigned kind);
void t2i_heartbeat_resume(void);

#endif
