#include "base/heartbeat.h"

#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

#include "base/cpu.h"

/* State of the process; started once by comm, and written by the thread that started it. */
static struct {
    t2i_heartbeat *record; /* NULL: not watched */
    pthread_t thread;
    double floor, last;
    double longest;           /* time between heartbeats since this phase began */
    double usual[T2I_PHASES]; /* usual longest time between heartbeats; below 0: first time */
    t2i_heartbeat_place at;
    void (*hook)(void *context);
    void *context;
    atomic_uint others; /* heartbeats of other threads */
} self;

static void put_where(void)
{
    unsigned long long where = (unsigned long long)self.at.calls << 32 |
                               (self.at.kind & 255) << 24 | (self.at.phase & 255) << 16 |
                               (self.at.step & 65535);
    atomic_store_explicit(&self.record->where, where, memory_order_relaxed);
}

/* Sets the time without heartbeat that this phase may take. */
static void allow(t2i_phase phase, uint64_t bytes)
{
    static const double slowest_disk = 4e6,
                        most = 4e6; /* bytes/s; seconds whose milliseconds fit */
    double usual = self.usual[phase], allowed = usual < 0.0 ? 4.0 * self.floor : 10.0 * usual;
    if (allowed < self.floor) allowed = self.floor;
    if (allowed < (double)bytes / slowest_disk) allowed = (double)bytes / slowest_disk;
    if (allowed > most) allowed = most;
    atomic_store_explicit(&self.record->allowed, (unsigned)(allowed * 1e3), memory_order_relaxed);
}

t2i_heartbeat_place t2i_heartbeat_place_of(const t2i_heartbeat *record)
{
    unsigned long long where = atomic_load_explicit(&record->where, memory_order_relaxed);
    return (t2i_heartbeat_place){.calls = (unsigned)(where >> 32),
                                 .kind = (unsigned)(where >> 24 & 255),
                                 .phase = (unsigned)(where >> 16 & 255),
                                 .step = (unsigned)(where & 65535)};
}

void t2i_heartbeat_begin(t2i_heartbeat *record, double floor, void (*hook)(void *context),
                         void *context)
{
    self.record = record;
    self.thread = pthread_self();
    self.floor = floor;
    self.last = t2i_cpu_seconds();
    self.longest = 0.0;
    for (int p = 0; p < T2I_PHASES; p++) self.usual[p] = -1.0;
    self.at = (t2i_heartbeat_place){.phase = T2I_AT_START};
    self.hook = hook;
    self.context = context;
    allow(T2I_AT_START, 0);
    put_where();
    atomic_store_explicit(&record->pid, (int)getpid(), memory_order_relaxed);
}

void t2i_heartbeat_end(void)
{
    if (self.record == NULL) return;
    atomic_store_explicit(&self.record->pid, 0, memory_order_relaxed);
    self.record = NULL;
}

/* Is this the watched thread? */
static int is_watched_thread(void)
{
    return self.record != NULL && pthread_equal(self.thread, pthread_self());
}

static void record_beat(void)
{
    double now = t2i_cpu_seconds();
    if (now - self.last > self.longest) self.longest = now - self.last;
    self.last = now;
    atomic_fetch_add_explicit(&self.record->beat, 1, memory_order_relaxed);
}

void t2i_heartbeat_beat(void)
{
    if (!is_watched_thread()) {
        atomic_fetch_add_explicit(&self.others, 1, memory_order_relaxed);
        return;
    }
    record_beat();
    if (self.hook != NULL) self.hook(self.context);
}

unsigned t2i_heartbeat_others(void)
{
    return atomic_load_explicit(&self.others, memory_order_relaxed);
}

void t2i_heartbeat_phase(t2i_phase phase, long step, uint64_t bytes)
{
    if (!is_watched_thread()) return;
    record_beat();
    double *usual = &self.usual[self.at.phase], decayed = (3.0 * *usual + self.longest) / 4.0;
    *usual = self.longest > decayed ? self.longest : decayed;
    self.longest = 0.0;
    allow(phase, bytes);
    atomic_store_explicit(&self.record->step, step, memory_order_relaxed);
    self.at.phase = phase;
    self.at.step = (unsigned)step;
    put_where();
    if (self.hook != NULL) self.hook(self.context);
}

void t2i_heartbeat_wait(unsigned kind)
{
    if (self.record == NULL) return;
    self.at.calls++;
    self.at.kind = kind;
    put_where();
}

void t2i_heartbeat_resume(void)
{
    if (self.record == NULL) return;
    self.at.kind = 0;
    put_where();
}
