/* thread_pool.h - the threads of a rank.
 *
 * Why not OpenMP: how its threads wait is fixed by the environment before main starts, and threads
 * that spin are poison where ranks x threads exceed the cores; and thread sanitizers understand
 * this one.
 */
#ifndef T2I_THREAD_POOL_H
#define T2I_THREAD_POOL_H

#include "base/error.h"

typedef struct t2i_thread_pool t2i_thread_pool;

/* threads: this one and threads - 1 more, which round alike (t2i_cpu_set_rounding) and take no
 * signals. spin: there is a core for each, so a short wait may keep it busy. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_thread_pool_new(t2i_thread_pool **out, int threads, int spin,
                                           t2i_error *err);
void t2i_thread_pool_free(t2i_thread_pool *pool); /* NULL is legal */
int t2i_thread_pool_threads(const t2i_thread_pool *pool);

/* work(context, thread) once on each thread; the caller is thread 0. Returns when all are done,
 * and sees what they wrote. */
void t2i_thread_pool_run(t2i_thread_pool *pool, void (*work)(void *context, int thread),
                         void *context);

#endif
