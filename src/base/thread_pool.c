#include "base/thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

typedef struct {
    t2i_thread_pool *pool;
    int thread;
    pthread_t id;
} worker;

struct t2i_thread_pool {
    int threads, started; /* started: without the caller */
    int spin, ending;
    void (*work)(void *context, int thread);
    void *context;
    worker *other;     /* owned: threads - 1 */
    atomic_uint round; /* incremented, under the lock, when there is work */
    atomic_int busy;   /* other threads that are not done */
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
};

static int is_new(t2i_thread_pool *pool, unsigned round)
{
    return atomic_load_explicit(&pool->round, memory_order_acquire) != round;
}

static int is_done(t2i_thread_pool *pool, unsigned unused)
{
    (void)unused;
    return atomic_load_explicit(&pool->busy, memory_order_acquire) == 0;
}

/* The parts of a step follow each other closely, so that spinning for a moment is cheaper than
 * sleeping and waking up. */
static void await(t2i_thread_pool *pool, int (*ready)(t2i_thread_pool *, unsigned), unsigned round,
                  pthread_cond_t *condition)
{
    static const double spin = 2e-4;
    double began = pool->spin ? t2i_cpu_seconds() : 0.0;
    while (pool->spin && t2i_cpu_seconds() - began < spin)
        if (ready(pool, round)) return;
    pthread_mutex_lock(&pool->lock);
    while (!ready(pool, round)) pthread_cond_wait(condition, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static void *run_worker(void *self)
{
    const worker *me = self;
    t2i_thread_pool *pool = me->pool;
    t2i_cpu_set_rounding();
    for (unsigned round = 0;; round++) {
        await(pool, is_new, round, &pool->begin);
        if (pool->ending) return NULL;
        pool->work(pool->context, me->thread);
        if (atomic_fetch_sub(&pool->busy, 1) != 1) continue;
        pthread_mutex_lock(&pool->lock); /* the caller sleeps, or has not checked busy yet */
        pthread_cond_signal(&pool->end);
        pthread_mutex_unlock(&pool->lock);
    }
}

static void wake_others(t2i_thread_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->round, 1);
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
}

t2i_status t2i_thread_pool_new(t2i_thread_pool **out, int threads, int spin, t2i_error *err)
{
    T2I_ASSERT(threads >= 1);
    t2i_thread_pool *pool = *out = t2i_alloc(1, sizeof *pool);
    worker *other = t2i_alloc((size_t)threads, sizeof *other);
    if (pool == NULL || other == NULL) {
        t2i_free(pool);
        t2i_free(other);
        *out = NULL;
        return t2i_fail_memory(err, (size_t)threads * sizeof *other, "threads");
    }
    pool->threads = threads;
    pool->spin = spin;
    pool->other = other;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begin, NULL);
    pthread_cond_init(&pool->end, NULL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (failed == 0 && pool->started < threads - 1) {
        worker *m = &other[pool->started];
        *m = (worker){.pool = pool, .thread = pool->started + 1};
        failed = pthread_create(&m->id, NULL, run_worker, m);
        if (failed == 0) pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) return T2I_OK;
    int started = pool->started + 1;
    t2i_thread_pool_free(pool);
    *out = NULL;
    return t2i_fail(err, T2I_SYSTEM, "cannot start thread %d of %d: %s; use fewer threads",
                    started + 1, threads, strerror(failed));
}

void t2i_thread_pool_free(t2i_thread_pool *pool)
{
    if (pool == NULL) return;
    pool->ending = 1;
    wake_others(pool);
    for (int i = 0; i < pool->started; i++) pthread_join(pool->other[i].id, NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->begin);
    pthread_cond_destroy(&pool->end);
    t2i_free(pool->other);
    t2i_free(pool);
}

int t2i_thread_pool_threads(const t2i_thread_pool *pool)
{
    return pool->threads;
}

void t2i_thread_pool_run(t2i_thread_pool *pool, void (*work)(void *context, int thread),
                         void *context)
{
    if (pool->threads > 1) {
        pool->work = work;
        pool->context = context;
        atomic_store(&pool->busy, pool->threads - 1);
        wake_others(pool);
    }
    work(context, 0);
    if (pool->threads > 1) await(pool, is_done, 0, &pool->end);
}
