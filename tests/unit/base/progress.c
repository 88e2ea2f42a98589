/* Progress: nothing for short work, a share and the time left for long work. */
#include "test.h"

#include "base/log.h"
#include "base/progress.h"
#include "child.h"

static void short_work(void)
{
    t2i_progress progress;
    t2i_progress_begin(&progress, "reading");
    for (int i = 0; i <= 10; i++) t2i_progress_at(&progress, i / 10.0);
    t2i_progress_end(&progress);
}

static void long_work(void)
{
    t2i_progress progress;
    t2i_log_program("t2i-test");
    t2i_progress_begin(&progress, "reading");
    progress.begun -= 30; /* as if it had begun and spoken then */
    progress.printed -= 30;
    t2i_progress_at(&progress, 0.0); /* nobody can say how long it takes */
    t2i_progress_at(&progress, 0.25);
    t2i_progress_at(&progress, 0.26); /* too soon */
    progress.printed -= 30;
    t2i_progress_at(&progress, 0.75);
    t2i_progress_end(&progress);
}

static void test_progress(void)
{
    char said[1000];
    CU_ASSERT_EQUAL(child(short_work, 2, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "");
    CU_ASSERT_EQUAL(child(long_work, 2, said, sizeof said), 0);
    CU_ASSERT_STRING_EQUAL(said, "t2i-test: reading: 25 %, 1 min 30 s left\n"
                                 "t2i-test: reading: 75 %, 10 s left\n"
                                 "t2i-test: reading: done in 30 s\n");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"only long work is reported, with the time left", test_progress}};
    if (scratch_begin("progress") != 0) return 1;
    int failed = t2i_test_main("progress", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
