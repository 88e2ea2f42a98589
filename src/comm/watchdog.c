#include "comm/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "base/mem.h"

static const char after[] = "the job ends, and the same command goes on from the newest checkpoint";

/* ---- process and place of a rank ---- */

/* State of a process as a letter of Linux: R, S, D, T, ...; 0: it has ended, '?': unknown. */
static char state_of(int pid)
{
    char path[32], line[512], state = '?';
    if (kill(pid, 0) != 0 && errno == ESRCH) return 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return state;
    /* the name may contain any character, including brackets */
    const char *end = fgets(line, sizeof line, file) == NULL ? NULL : strrchr(line, ')');
    if (end != NULL && end[1] == ' ') state = end[2];
    fclose(file);
    return state == 'Z' || state == 'X' ? 0 : state;
}

static const char *describe_state(char state)
{
    switch (state) {
    case 0:
        return "has ended";
    case 'T':
    case 't':
        return "is stopped";
    case 'D':
        return "waits for a disk or the network";
    case 'R':
        return "computes";
    case 'S':
        return "sleeps";
    default:
        return "is there";
    }
}

enum { PLACE = 96 };

/* "in step 12's sync" */
static const char *describe_place(const t2i_heartbeat *record, char out[PLACE])
{
    unsigned phase = t2i_heartbeat_place_of(record).phase;
    long long step = atomic_load_explicit(&record->step, memory_order_relaxed);
    switch (phase) {
    case T2I_AT_DATA:
        snprintf(out, PLACE, "reading the dataset");
        break;
    case T2I_AT_COMPUTE:
        snprintf(out, PLACE, "in step %lld's compute", step);
        break;
    case T2I_AT_SYNC:
        snprintf(out, PLACE, "in step %lld's sync", step);
        break;
    case T2I_AT_SAVE:
        snprintf(out, PLACE, "in the save of step %lld", step);
        break;
    case T2I_AT_VALIDATE:
        snprintf(out, PLACE, "in the validation of step %lld", step);
        break;
    default:
        snprintf(out, PLACE, "at the start");
    }
    return out;
}

/* ---- one check ---- */

static int pid_of(const t2i_watched *w)
{
    return atomic_load_explicit(&w->record->pid, memory_order_relaxed);
}

static void observe(t2i_liveness *l, double now)
{
    static const double most = 0.5; /* a longer interval means that this process was paused */
    double passed = l->last == 0.0 ? 0.0 : now - l->last < most ? now - l->last : most;
    const t2i_heartbeat *own = l->watched[l->self].record;
    unsigned own_beat = atomic_load_explicit(&own->beat, memory_order_relaxed);
    int receives = t2i_heartbeat_place_of(own).kind != 0 && own_beat != l->own_beat;
    for (size_t i = 0; i < l->count; i++) {
        t2i_watched *w = &l->watched[i];
        unsigned beat = atomic_load_explicit(&w->record->beat, memory_order_relaxed);
        unsigned long long where = atomic_load_explicit(&w->record->where, memory_order_relaxed);
        int moved = where != w->where, lives = moved || beat != w->beat || pid_of(w) == 0;
        w->still = moved || pid_of(w) == 0 ? 0.0 : w->still + passed;
        if (lives)
            w->silent = 0.0;
        else if (w->same_node || receives) /* messages arrive only while this rank waits */
            w->silent += passed;
        w->beat = beat;
        w->where = where;
    }
    l->own_beat = own_beat;
    l->last = now;
}

/* Checks the next rank of the node, so that each rank is checked by one other. */
static t2i_status find_dead(const t2i_liveness *l, t2i_error *err)
{
    static const double soon = 0.2;
    char place[PLACE];
    size_t i = l->self;
    do {
        i = (i + 1) % l->count;
    } while (i != l->self && (!l->watched[i].visible || pid_of(&l->watched[i]) == 0));
    const t2i_watched *w = &l->watched[i];
    int pid = pid_of(w);
    if (i == l->self || w->silent < soon || state_of(pid) != 0 || pid_of(w) == 0) return T2I_OK;
    return t2i_fail(err, T2I_SYSTEM, "rank %d on %s is gone: its process %d ended %s; %s", w->rank,
                    w->host, pid, describe_place(w->record, place), after);
}

static int is_silent(const t2i_liveness *l, size_t i)
{
    const t2i_watched *w = &l->watched[i];
    double grace = i == l->self ? 3.0 : l->watched[l->self].rank == 0 ? 0.0 : 1.5;
    unsigned allowed = atomic_load_explicit(&w->record->allowed, memory_order_relaxed);
    return w->silent > 1e-3 * (double)allowed + grace;
}

static t2i_status find_silent(const t2i_liveness *l, t2i_error *err)
{
    size_t first = 0, others = 0;
    char place[PLACE], more[48] = "";
    while (first < l->count && !is_silent(l, first)) first++;
    if (first == l->count) return T2I_OK;
    for (size_t i = first + 1; i < l->count; i++) others += is_silent(l, i) != 0;
    if (others > 0) snprintf(more, sizeof more, ", nor have %zu other ranks", others);
    const t2i_watched *w = &l->watched[first];
    int pid = pid_of(w);
    return t2i_fail(err, T2I_SYSTEM,
                    "rank %d on %s has given no sign of life for %.0f s %s (process %d %s)%s; %s",
                    w->rank, w->host, w->silent, describe_place(w->record, place), pid,
                    describe_state(w->visible ? state_of(pid) : '?'), more, after);
}

static const char *describe_call(const t2i_liveness *l, const t2i_watched *w)
{
    unsigned kind = t2i_heartbeat_place_of(w->record).kind;
    return kind == 0 ? "no call" : l->kind[kind - 1];
}

/* Ranks of a node that have made the same number of calls must be in the same one. */
static t2i_status find_mismatch(const t2i_liveness *l, t2i_error *err)
{
    static const double surely = 1.0;
    size_t odd = l->count, usual = 0, fewest = l->count;
    char place[2][PLACE];
    const t2i_watched *me = &l->watched[l->self];
    if (t2i_heartbeat_place_of(me->record).kind == 0) return T2I_OK;
    for (size_t i = 0; i < l->count; i++) {
        const t2i_watched *w = &l->watched[i];
        if (!w->same_node) continue;
        if (w->still < surely || (w->where >> 24 & 255) == 0 || w->where >> 32 != me->where >> 32)
            return T2I_OK;
        size_t alike = 0;
        for (size_t j = 0; j < l->count; j++)
            alike += l->watched[j].same_node && l->watched[j].where == w->where;
        if (alike <= fewest) odd = i, fewest = alike;
    }
    while (usual < l->count &&
           (!l->watched[usual].same_node || l->watched[usual].where == l->watched[odd].where))
        usual++;
    if (usual == l->count) return T2I_OK;
    const t2i_watched *w = &l->watched[odd], *u = &l->watched[usual];
    return t2i_fail(err, T2I_BUG,
                    "internal error, please report it: rank %d on %s waits %s (%s), rank %d on %s "
                    "waits %s (%s), both in their call %u; %s",
                    w->rank, w->host, describe_place(w->record, place[0]), describe_call(l, w),
                    u->rank, u->host, describe_place(u->record, place[1]), describe_call(l, u),
                    t2i_heartbeat_place_of(w->record).calls, after);
}

/* Deadlock: all ranks wait, and none has advanced for ten times the longest allowed silence. */
static t2i_status find_deadlock(const t2i_liveness *l, t2i_error *err)
{
    char place[2][PLACE];
    size_t first = 0, last = 0;
    double shortest = l->watched[0].still, allowed = 0.0;
    if (!l->all) return T2I_OK;
    for (size_t i = 0; i < l->count; i++) {
        const t2i_watched *w = &l->watched[i];
        double may = 1e-3 * (double)atomic_load_explicit(&w->record->allowed, memory_order_relaxed);
        if ((w->where >> 24 & 255) == 0 || pid_of(w) == 0) return T2I_OK;
        if (w->still < shortest) shortest = w->still;
        if (may > allowed) allowed = may;
        if (w->where >> 32 < l->watched[first].where >> 32) first = i;
        if (w->where >> 32 > l->watched[last].where >> 32) last = i;
    }
    if (shortest < 10.0 * allowed) return T2I_OK;
    const t2i_watched *a = &l->watched[first], *b = &l->watched[last];
    return t2i_fail(err, T2I_SYSTEM,
                    "all ranks have waited for one another for %.0f s: rank %d on %s %s (%s, call "
                    "%u), rank %d on %s %s (%s, call %u); is the network down, or is this an "
                    "internal error? %s",
                    shortest, a->rank, a->host, describe_place(a->record, place[0]),
                    describe_call(l, a), t2i_heartbeat_place_of(a->record).calls, b->rank, b->host,
                    describe_place(b->record, place[1]), describe_call(l, b),
                    t2i_heartbeat_place_of(b->record).calls, after);
}

t2i_status t2i_watchdog_liveness_check(t2i_liveness *liveness, double now, t2i_error *err)
{
    observe(liveness, now);
    T2I_TRY(find_dead(liveness, err));
    T2I_TRY(find_silent(liveness, err));
    T2I_TRY(find_mismatch(liveness, err));
    return find_deadlock(liveness, err);
}

/* ---- the thread ---- */

struct t2i_watchdog {
    t2i_liveness *liveness;
    t2i_watchdog_found *found;
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t end;
    int ending;
};

/* Waits until the next check; 0: there is none. */
static int wait_next(t2i_watchdog *w)
{
    static const long every = 100000000; /* nanoseconds */
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += every;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&w->lock);
    int waited = 0;
    while (!w->ending && waited == 0) waited = pthread_cond_timedwait(&w->end, &w->lock, &until);
    int continues = !w->ending;
    pthread_mutex_unlock(&w->lock);
    return continues;
}

enum { NOTHING, FOUND, REPORTED }; /* states of a verdict */

void t2i_watchdog_reported(t2i_verdict *verdict)
{
    atomic_store(&verdict->state, REPORTED);
}

/* Waits until another rank has reported its error; not for ever, as it may die, too. */
static int await_report(const t2i_verdict *verdict)
{
    for (int i = 0; i < 300 && atomic_load(&verdict->state) != REPORTED; i++) t2i_cpu_sleep(0.01);
    return atomic_load(&verdict->state) == REPORTED;
}

static void *run_watchdog(void *self)
{
    t2i_watchdog *w = self;
    t2i_error what = {0};
    t2i_verdict *verdict = w->liveness->verdict;
    int nothing = NOTHING;
    while (wait_next(w)) {
        if (atomic_load(&verdict->state) == NOTHING &&
            t2i_watchdog_liveness_check(w->liveness, t2i_cpu_seconds(), &what) == T2I_OK)
            continue;
        int first = atomic_compare_exchange_strong(&verdict->state, &nothing, FOUND);
        if (first) verdict->what = what;
        w->found(w->context, first || await_report(verdict) ? &verdict->what : NULL, first);
        break;
    }
    return NULL;
}

t2i_status t2i_watchdog_start(t2i_watchdog **out, t2i_liveness *liveness, t2i_watchdog_found *found,
                              void *context, t2i_error *err)
{
    t2i_watchdog *w = *out = t2i_alloc(1, sizeof *w);
    if (w == NULL) return t2i_fail_memory(err, sizeof *w, "the watchdog");
    *w = (t2i_watchdog){.liveness = liveness, .found = found, .context = context};
    for (size_t i = 0; i < liveness->count; i++) { /* ranks may be in different PID namespaces */
        t2i_watched *watched = &liveness->watched[i];
        watched->visible = watched->same_node && state_of(pid_of(watched)) != 0;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->end, &attributes);
    pthread_condattr_destroy(&attributes);
    sigset_t all, before; /* the main thread handles signals */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, run_watchdog, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) return T2I_OK;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->end);
    t2i_free(w);
    *out = NULL;
    return t2i_fail(err, T2I_SYSTEM, "cannot start the watchdog thread: %s", strerror(failed));
}

void t2i_watchdog_stop(t2i_watchdog *w)
{
    if (w == NULL) return;
    pthread_mutex_lock(&w->lock);
    w->ending = 1;
    pthread_cond_signal(&w->end);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->end);
    t2i_free(w);
}
