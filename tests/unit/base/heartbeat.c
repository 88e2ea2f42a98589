/* What a process says of itself while it works. */
#include "test.h"

#include <pthread.h>
#include <unistd.h>

#include "base/heartbeat.h"

static int hooked;

static void hook(void *context)
{
    hooked += *(int *)context;
}

static void test_line(void)
{
    static t2i_heartbeat line;
    int one = 1;
    t2i_heartbeat_beat(); /* nobody watches: nothing happens */
    t2i_heartbeat_phase(T2I_AT_SAVE, 3, 0);
    CU_ASSERT_EQUAL(atomic_load(&line.beat), 0);

    t2i_heartbeat_begin(&line, 2.0, hook, &one);
    CU_ASSERT_EQUAL(atomic_load(&line.pid), (int)getpid());
    CU_ASSERT_EQUAL(atomic_load(&line.allowed), 8000); /* four times the floor, the first time */
    unsigned beat = atomic_load(&line.beat);
    t2i_heartbeat_beat();
    CU_ASSERT_TRUE(atomic_load(&line.beat) != beat && hooked == 1);

    t2i_heartbeat_phase(T2I_AT_SAVE, 65536 + 5, 100000000);
    t2i_heartbeat_place place = t2i_heartbeat_place_of(&line);
    CU_ASSERT_TRUE(place.phase == T2I_AT_SAVE && place.step == 5 && place.kind == 0);
    CU_ASSERT_EQUAL(atomic_load(&line.allowed), 25000); /* 100 MB at 4 MB a second */
    t2i_heartbeat_phase(T2I_AT_COMPUTE, 6, 0);
    CU_ASSERT_EQUAL(atomic_load(&line.allowed), 8000);
    t2i_heartbeat_phase(T2I_AT_SAVE, 7, 0);
    CU_ASSERT_EQUAL(atomic_load(&line.allowed), 2000); /* it is known now */

    unsigned calls = place.calls;
    t2i_heartbeat_wait(17);
    place = t2i_heartbeat_place_of(&line);
    CU_ASSERT_TRUE(place.kind == 17 && place.calls == calls + 1);
    t2i_heartbeat_resume();
    place = t2i_heartbeat_place_of(&line);
    CU_ASSERT_TRUE(place.kind == 0 && place.calls == calls + 1);

    t2i_heartbeat_end();
    CU_ASSERT_EQUAL(atomic_load(&line.pid), 0);
    t2i_heartbeat_end();
}

static void *beat(void *unused)
{
    t2i_heartbeat_beat();
    return unused;
}

static void test_threads(void)
{
    static t2i_heartbeat line;
    pthread_t thread;
    t2i_heartbeat_begin(&line, 2.0, NULL, NULL);
    unsigned own = atomic_load(&line.beat), others = t2i_heartbeat_others();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, beat, NULL), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(atomic_load(&line.beat), own);
    CU_ASSERT_TRUE(t2i_heartbeat_others() != others);
    t2i_heartbeat_end();
}

int main(void)
{
    static const t2i_test tests[] = {
        {"phase, step, call and allowed silence stand in the line", test_line},
        {"another thread's signs are counted apart", test_threads},
    };
    return t2i_test_main("heartbeat", tests, sizeof tests / sizeof *tests);
}
