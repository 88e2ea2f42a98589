/* Every thread works once a round, and the caller sees all that they did. */
#include "test.h"

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/cpu.h"
#include "base/thread_pool.h"

enum { THREADS = 5, ROUNDS = 300 };

typedef struct {
    long did[THREADS * 16]; /* apart, so that they do not slow one another down */
    atomic_int wrong;
} tally;

static void count(void *context, int thread)
{
    tally *t = context;
    t->did[thread * 16]++;
}

static void test_rounds(void)
{
    for (int threads = 1; threads <= THREADS; threads++)
        for (int spin = 0; spin < 2; spin++) {
            t2i_thread_pool *pool;
            t2i_error err;
            tally t = {0};
            OK(t2i_thread_pool_new(&pool, threads, spin, &err));
            CU_ASSERT_EQUAL(t2i_thread_pool_threads(pool), threads);
            long wrong = 0;
            for (long round = 1; round <= ROUNDS; round++) {
                if (round % 100 == 0) t2i_cpu_sleep(1e-3); /* all fall asleep */
                t2i_thread_pool_run(pool, count, &t);
                for (int i = 0; i < THREADS; i++)
                    wrong += t.did[i * 16] != (i < threads ? round : 0);
            }
            CU_ASSERT_EQUAL(wrong, 0);
            t2i_thread_pool_free(pool);
        }
}

/* Threads are born with what the process has at that time, and must not keep it. */
static void look_around(void *context, int thread)
{
    tally *t = context;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (thread > 0 && fegetround() != FE_TONEAREST) atomic_fetch_add(&t->wrong, 1);
    if ((sigismember(&blocked, SIGUSR1) == 1) != (thread > 0)) atomic_fetch_add(&t->wrong, 1);
}

static void test_birth(void)
{
    t2i_thread_pool *pool;
    t2i_error err;
    tally t = {0};
    fesetround(FE_UPWARD);
    OK(t2i_thread_pool_new(&pool, 3, 0, &err));
    t2i_thread_pool_run(pool, look_around, &t);
    t2i_thread_pool_free(pool);
    t2i_cpu_set_rounding();
    CU_ASSERT_EQUAL(atomic_load(&t.wrong), 0);
}

static void test_nobody(void)
{
    t2i_thread_pool_free(NULL);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"each thread once a round", test_rounds},
        {"rounding and signals of a new thread", test_birth},
        {"NULL is freed", test_nobody},
    };
    return t2i_test_main("pool", tests, sizeof tests / sizeof *tests);
}
