/* Who is found, when, and what is said; with lines and a clock of the test's own. */
#include "comm/watchdog.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpu.h"
#include "test.h"

enum { RANKS = 4, SELF = 1, ALLOWED = 5000 };

static t2i_heartbeat line[RANKS];
static t2i_watched watched[RANKS];
static t2i_liveness liveness;
static t2i_verdict verdict;
static double now;
static t2i_error err;

static void put(int r, unsigned calls, unsigned kind, unsigned phase, unsigned step)
{
    atomic_store(&line[r].where, (unsigned long long)calls << 32 | kind << 24 | phase << 16 | step);
    atomic_store(&line[r].step, step);
}

/* All are here and wait for rank 2's step 7. */
static void begin(int self)
{
    static const char *const kind[] = {"an agreement", "a meeting"};
    memset(line, 0, sizeof line);
    memset(watched, 0, sizeof watched);
    for (int r = 0; r < RANKS; r++) {
        atomic_store(&line[r].pid, (int)getpid());
        atomic_store(&line[r].allowed, ALLOWED);
        put(r, 12, r == 2 ? 0 : 2, r == 2 ? T2I_AT_COMPUTE : T2I_AT_SYNC, 7);
        watched[r] =
            (t2i_watched){.record = &line[r], .rank = r, .host = "h", .same_node = 1, .visible = 1};
    }
    liveness = (t2i_liveness){.watched = watched,
                              .count = RANKS,
                              .self = (size_t)self,
                              .all = 1,
                              .kind = kind,
                              .verdict = &verdict};
    now = 100.0;
}

/* Looks for so long while the ranks of `alive` (bits) beat; the first that is found, or T2I_OK. */
static t2i_status pass(double seconds, unsigned alive)
{
    for (double end = now + seconds; now < end;) {
        for (int r = 0; r < RANKS; r++)
            if (alive >> r & 1) atomic_fetch_add(&line[r].beat, 1);
        now += 0.1;
        t2i_status status = t2i_watchdog_liveness_check(&liveness, now, &err);
        if (status != T2I_OK) return status;
    }
    return T2I_OK;
}

static void test_silent(void)
{
    begin(0);
    CU_ASSERT_EQUAL(pass(4.8, 9), T2I_OK); /* 1 and 2 are silent */
    begin(0);
    CU_ASSERT_EQUAL(pass(4.9, 11), T2I_OK);
    CU_ASSERT_EQUAL(pass(0.5, 11), T2I_SYSTEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "rank 2 on h has given no sign of life for 5 s in "
                                            "step 7's compute (process "));
    CU_ASSERT_PTR_NULL(strstr(err.text, "nor"));
    begin(SELF); /* rank 0 would be first to speak */
    CU_ASSERT_EQUAL(pass(6.2, 11), T2I_OK);
    CU_ASSERT_EQUAL(pass(0.5, 11), T2I_SYSTEM);
    begin(SELF); /* this process itself */
    CU_ASSERT_EQUAL(pass(7.8, 13), T2I_OK);
    CU_ASSERT_EQUAL(pass(0.5, 13), T2I_SYSTEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "rank 1 on h has given no sign of life"));
    begin(0);
    CU_ASSERT_EQUAL(pass(9.0, 1), T2I_SYSTEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "rank 1 on"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, ", nor have 2 other ranks;"));
}

static void test_not_silent(void)
{
    begin(0);
    CU_ASSERT_EQUAL(pass(4.0, 11), T2I_OK);
    put(2, 12, 0, T2I_AT_COMPUTE, 8); /* it is elsewhere: that is life too */
    CU_ASSERT_EQUAL(pass(4.0, 11), T2I_OK);
    atomic_store(&line[2].allowed, 20000);
    CU_ASSERT_EQUAL(pass(14.0, 11), T2I_OK);
    atomic_store(&line[2].pid, 0); /* it has left */
    CU_ASSERT_EQUAL(pass(40.0, 11), T2I_OK);
    begin(0); /* this process stood still for an hour, and the others waited */
    CU_ASSERT_EQUAL(pass(2.0, 15), T2I_OK);
    now += 3600;
    CU_ASSERT_EQUAL(pass(4.0, 11), T2I_OK);
    CU_ASSERT_EQUAL(pass(2.0, 11), T2I_SYSTEM);
}

/* What comes by messages is heard only while this rank waits. */
static void test_far(void)
{
    begin(0);
    watched[2].same_node = watched[2].visible = 0;
    put(0, 12, 0, T2I_AT_SYNC, 7);
    CU_ASSERT_EQUAL(pass(60.0, 11), T2I_OK);
    put(0, 12, 2, T2I_AT_SYNC, 7);
    CU_ASSERT_EQUAL(pass(4.8, 11), T2I_OK);
    CU_ASSERT_EQUAL(pass(0.5, 11), T2I_SYSTEM);
}

static void test_gone(void)
{
    for (int reap = 0; reap < 2; reap++) {
        begin(SELF);
        pid_t child = fork();
        if (child == 0) {
            pause();
            _exit(0);
        }
        atomic_store(&line[2].pid, (int)child);
        CU_ASSERT_EQUAL(pass(1.0, 11), T2I_OK);
        kill(child, SIGKILL);
        if (reap) waitpid(child, NULL, 0); /* else it is a zombie */
        t2i_cpu_sleep(0.02);
        CU_ASSERT_EQUAL(pass(0.5, 11), T2I_SYSTEM);
        char says[64];
        snprintf(says, sizeof says, "rank 2 on h is gone: its process %d ended in step 7's",
                 (int)child);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, says));
        begin(3); /* another one looks after it */
        atomic_store(&line[2].pid, (int)child);
        CU_ASSERT_EQUAL(pass(1.0, 11), T2I_OK);
        if (!reap) waitpid(child, NULL, 0);
    }
}

static void test_stopped(void)
{
    begin(0);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    kill(child, SIGSTOP);
    waitpid(child, NULL, WUNTRACED);
    atomic_store(&line[2].pid, (int)child);
    CU_ASSERT_EQUAL(pass(6.0, 11), T2I_SYSTEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, " is stopped);"));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void test_astray(void)
{
    begin(0);
    for (int r = 0; r < RANKS; r++) put(r, 12, 2, T2I_AT_SYNC, 7);
    put(3, 12, 1, T2I_AT_SAVE, 6);
    CU_ASSERT_EQUAL(pass(0.9, 15), T2I_OK); /* on the way */
    CU_ASSERT_EQUAL(pass(0.5, 15), T2I_BUG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text,
                                  "rank 3 on h waits in the save of step 6 (an agreement), "
                                  "rank 0 on h waits in step 7's sync (a meeting), both "
                                  "in their call 12;"));
    begin(0);
    for (int r = 0; r < RANKS; r++) put(r, 12, 2, T2I_AT_SYNC, 7);
    put(3, 13, 1, T2I_AT_SAVE,
        6); /* one is ahead: it may be that its messages are still under way */
    CU_ASSERT_EQUAL(pass(49.0, 15), T2I_OK);
    CU_ASSERT_EQUAL(pass(1.5, 15), T2I_SYSTEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text,
                                  "all ranks have waited for one another for 50 s: rank 0 on "
                                  "h in step 7's sync (a meeting, call 12), rank 3 "));
    begin(0);
    for (int r = 0; r < RANKS; r++) put(r, 12, 2, T2I_AT_SYNC, 7);
    liveness.all = 0; /* others, who are not seen, may still be at work */
    CU_ASSERT_EQUAL(pass(100.0, 15), T2I_OK);
}

/* The line that a process writes. */
static void test_pulse(void)
{
    t2i_heartbeat *own = &line[0];
    memset(line, 0, sizeof line);
    t2i_heartbeat_phase(T2I_AT_SAVE, 3, 0); /* not watched: nothing happens */
    CU_ASSERT_EQUAL(atomic_load(&own->where), 0);
    t2i_heartbeat_begin(own, 2.0, NULL, NULL);
    CU_ASSERT_EQUAL(atomic_load(&own->pid), (int)getpid());
    CU_ASSERT_EQUAL(atomic_load(&own->allowed), 8000); /* four times, as nothing is usual yet */
    t2i_heartbeat_phase(T2I_AT_SAVE, 70000, 100000000);
    CU_ASSERT_EQUAL(atomic_load(&own->allowed), 25000); /* for the bytes */
    CU_ASSERT_EQUAL(atomic_load(&own->step), 70000);
    unsigned beat = atomic_load(&own->beat);
    t2i_heartbeat_beat();
    CU_ASSERT_EQUAL(atomic_load(&own->beat), beat + 1);
    t2i_heartbeat_wait(3);
    t2i_heartbeat_place at = t2i_heartbeat_place_of(own);
    CU_ASSERT(at.calls == 1 && at.kind == 3 && at.phase == T2I_AT_SAVE && at.step == 70000 % 65536);
    t2i_heartbeat_resume();
    CU_ASSERT_EQUAL(t2i_heartbeat_place_of(own).kind, 0);
    t2i_cpu_sleep(0.02);
    t2i_heartbeat_phase(T2I_AT_COMPUTE, 70001, 0);
    CU_ASSERT_EQUAL(atomic_load(&own->allowed), 8000);
    t2i_heartbeat_phase(T2I_AT_SAVE, 70001,
                        0); /* the second time: ten times what was usual, or more */
    CU_ASSERT(atomic_load(&own->allowed) >= 2000 && atomic_load(&own->allowed) < 8000);
    t2i_heartbeat_end();
    CU_ASSERT_EQUAL(atomic_load(&own->pid), 0);
    beat = atomic_load(&own->beat);
    t2i_heartbeat_beat();
    CU_ASSERT_EQUAL(atomic_load(&own->beat), beat);
    t2i_heartbeat_begin(own, 0.01, NULL, NULL); /* what was usual is longer than the floor */
    t2i_cpu_sleep(0.05);
    t2i_heartbeat_phase(T2I_AT_SAVE, 1, 0);
    t2i_heartbeat_phase(T2I_AT_START, 2, 0);
    CU_ASSERT(atomic_load(&own->allowed) >= 500);
    t2i_heartbeat_end();
}

/* ---- the thread ---- */

static atomic_int found;

static void on_found(void *context, const t2i_error *what, int first)
{
    if (what != NULL) *(t2i_error *)context = *what;
    atomic_store(&found, first ? 1 : what != NULL ? 2 : 3);
}

static int wait_found(void)
{
    for (int i = 0; i < 500 && atomic_load(&found) == 0; i++) t2i_cpu_sleep(0.02);
    return atomic_load(&found);
}

static void test_thread(void)
{
    t2i_watchdog *dog;
    t2i_error what;
    begin(0);
    for (int r = 0; r < RANKS; r++) atomic_store(&line[r].allowed, 200);
    memset(&verdict, 0, sizeof verdict);
    for (int other = 0; other < 3; other++) { /* first; it does not tell; it has told */
        if (other == 2) t2i_watchdog_reported(&verdict);
        atomic_store(&found, 0);
        memset(&what, 0, sizeof what);
        OK(t2i_watchdog_start(&dog, &liveness, on_found, &what, &err));
        CU_ASSERT_EQUAL(wait_found(), other == 0 ? 1 : other == 1 ? 3 : 2);
        CU_ASSERT(other == 1 || strstr(what.text, "rank 1 on h") != NULL);
        t2i_watchdog_stop(dog);
    }
    begin(0);
    memset(&verdict, 0, sizeof verdict);
    atomic_store(&found, 0);
    atomic_store(&line[1].pid, INT_MAX); /* of another PID namespace: nobody here has this number */
    OK(t2i_watchdog_start(&dog, &liveness, on_found, &what, &err));
    CU_ASSERT(watched[0].visible && !watched[1].visible && watched[2].visible);
    t2i_watchdog_stop(dog);
    CU_ASSERT_EQUAL(atomic_load(&found), 0);
    OK(pass(1, 5)); /* rank 0 does not take rank 1 for dead */
}

static const t2i_test tests[] = {
    {"a silent rank is named after its time, first by rank 0", test_silent},
    {"signs of life, longer phases, leaving, pauses of one's own", test_not_silent},
    {"another node is silent only while we listen", test_far},
    {"a process that ended is found by the rank before it", test_gone},
    {"a stopped process is called so", test_stopped},
    {"ranks in different calls", test_astray},
    {"what a process writes of itself", test_pulse},
    {"the thread finds something, or is told", test_thread},
};

int main(void)
{
    return t2i_test_main("watchdog", tests, sizeof tests / sizeof *tests);
}
