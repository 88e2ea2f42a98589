/* thread_pool.h - the threads of a rank.
 *
 * Why not OpenMP: how its threads wait is fixed by the environment before main starts, and threads
 * that spin slow a node down if ranks x threads exceeds the number of cores. Also, ThreadSanitizer
 * understands this pool.
 */
#ifndef T2I_THREAD_POOL_H
#define T2I_THREAD_POOL_H

#include "base/error.h"

typedef struct t2i_thread_pool t2i_thread_pool;

/* Starts threads - 1 threads beside the calling one, with the same rounding mode
 * (t2i_cpu_set_rounding) and all signals blocked. spin: there is a core per thread, so short waits
 * may spin. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_thread_pool_new(t2i_thread_pool **out, int threads, int spin,
                                           t2i_error *err);
void t2i_thread_pool_free(t2i_thread_pool *pool); /* NULL is legal */
int t2i_thread_pool_threads(const t2i_thread_pool *pool);

/* Calls work(context, thread) once on each thread; the caller is thread 0. Returns when all calls
 * have returned; their writes are then visible to the caller. */
void t2i_thread_pool_run(t2i_thread_pool *pool, void (*work)(void *context, int thread),
                         void *context);

#endif
