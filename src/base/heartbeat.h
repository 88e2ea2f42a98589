/* heartbeat.h - the heartbeat record of a process: that it is alive, and what it is doing.
 *
 * Why: a rank that waits for another must distinguish a slow rank from one that hangs, and report
 * where it hangs. Each process has one record, which the other processes of the node read in shared
 * memory (comm.h). Long operations send heartbeats between their parts. Without a watchdog
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

/* A record: written by one process, read by others. */
typedef struct {
    _Alignas(64) atomic_uint barrier; /* used by comm: barriers that the rank has entered */
    atomic_uint beat;                 /* incremented by each heartbeat */
    atomic_uint allowed;              /* milliseconds without heartbeat that this phase may take */
    atomic_int pid;                   /* 0: not watched (yet, or any more) */
    atomic_ullong where;              /* see t2i_heartbeat_place */
    atomic_llong step;
} t2i_heartbeat;

/* Position of a rank: the number of collective calls it has entered, the kind of call in which it
 * waits (0: it does not wait), the phase, and the step modulo 65536. In a correct program, ranks of
 * a node that have entered equally many calls are in the same place. */
typedef struct {
    unsigned calls, kind, phase, step;
} t2i_heartbeat_place;
t2i_heartbeat_place t2i_heartbeat_place_of(const t2i_heartbeat *record);

/* Starts heartbeats: this process writes to *record (borrowed), and calls hook (NULL: none) with
 * each heartbeat of the calling thread; those of other threads are only counted. `floor` seconds
 * without a heartbeat are always allowed, four times as many the first time in a phase, and ten
 * times the longest that was usual for the phase. */
void t2i_heartbeat_begin(t2i_heartbeat *record, double floor, void (*hook)(void *context),
                         void *context);
/* Ends heartbeats: sets the record's pid to 0. */
void t2i_heartbeat_end(void);

/* Sends a heartbeat. */
void t2i_heartbeat_beat(void);
/* Number of heartbeats of other threads, for the watched thread while it waits for them. */
unsigned t2i_heartbeat_others(void);
/* Enters a phase. step: the step that it is or belongs to. bytes: the largest amount that is
 * written or read without a heartbeat (0: little); a disk may be as slow as 4 MB/s. */
void t2i_heartbeat_phase(t2i_phase phase, long step, uint64_t bytes);
/* Enclose each collective call that waits. kind: 1 to 255. */
void t2i_heartbeat_wait(unsigned kind);
void t2i_heartbeat_resume(void);

#endif
