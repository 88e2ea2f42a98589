/* Ticks at round values, and their labels. */
#include "test.h"

#include <math.h>

#include "draw/axis.h"

/* The labels of an axis, with spaces between. */
static const char *labels(const t2i_axis *axis)
{
    static char out[1000];
    out[0] = '\0';
    for (int i = 0; i < axis->ticks; i++) {
        char text[32];
        t2i_axis_format(axis, axis->tick[i], text, sizeof text);
        snprintf(out + strlen(out), sizeof out - strlen(out), i == 0 ? "%s" : " %s", text);
    }
    return out;
}

static void test_linear(void)
{
    t2i_axis axis = t2i_axis_new(0, 0);
    CU_ASSERT_FALSE(t2i_axis_used(&axis));
    t2i_axis_include(&axis, 0.13);
    t2i_axis_include(&axis, 0.97);
    CU_ASSERT_TRUE(t2i_axis_used(&axis));
    t2i_axis_settle(&axis, 500, 100, 1);
    CU_ASSERT_STRING_EQUAL(labels(&axis), "0 0.2 0.4 0.6 0.8 1.0");
    CU_ASSERT_EQUAL(t2i_axis_place(&axis, axis.low), 0.0);
    CU_ASSERT_EQUAL(t2i_axis_place(&axis, axis.high), 1.0);
    CU_ASSERT_DOUBLE_EQUAL(t2i_axis_place(&axis, 0.5), 0.5, 1e-9);
}

static void test_whole(void)
{
    t2i_axis axis = t2i_axis_new(0, 1);
    t2i_axis_include(&axis, 1);
    t2i_axis_include(&axis, 3);
    t2i_axis_settle(&axis, 1000, 50, 1);
    for (int i = 0; i < axis.ticks; i++) CU_ASSERT_EQUAL(axis.tick[i], (double)(long)axis.tick[i]);
    CU_ASSERT_TRUE(axis.ticks >= 3 && axis.ticks < T2I_TICKS);
}

static void test_log(void)
{
    t2i_axis axis = t2i_axis_new(1, 0);
    t2i_axis_include(&axis, 0.002);
    t2i_axis_include(&axis, 30);
    CU_ASSERT_DOUBLE_EQUAL(t2i_axis_unit(&axis, 100), 2.0, 1e-12);
    t2i_axis_settle(&axis, 500, 100, 0);
    CU_ASSERT_STRING_EQUAL(labels(&axis), "0.01 0.1 1 10");
    CU_ASSERT_DOUBLE_EQUAL(axis.low, log10(0.002), 1e-9); /* the ends are 1, 2 or 5 x 10^k */
    CU_ASSERT_DOUBLE_EQUAL(axis.high, log10(50), 1e-9);
}

static void test_one_value(void)
{
    t2i_axis axis = t2i_axis_new(0, 0);
    t2i_axis_include(&axis, 5);
    t2i_axis_settle(&axis, 300, 60, 1);
    CU_ASSERT_TRUE(axis.low < axis.high && axis.ticks >= 1 && axis.ticks < T2I_TICKS);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"round values from end to end", test_linear},
        {"whole numbers have whole ticks", test_whole},
        {"a log axis has decades", test_log},
        {"one value has an axis", test_one_value},
    };
    return t2i_test_main("axis", tests, sizeof tests / sizeof *tests);
}
