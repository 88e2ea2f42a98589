/* Losses that jump, and such that do not. */
#include "test.h"

#include <math.h>

#include "checkpoint/loss_spike.h"

/* A loss with a little noise around what it falls to. */
static double loss_at(long step)
{
    return exp(-0.002 * (double)step) * (1.0 + 0.1 * sin(1.7 * (double)step));
}

static void test_mean(void)
{
    t2i_loss_spike s = {0};
    for (int i = 0; i < 50; i++) t2i_loss_spike_add(&s, i % 2 == 0 ? exp(1.0) : exp(3.0));
    CU_ASSERT_DOUBLE_EQUAL((double)s.mean, 2.0, 1e-5); /* of so few steps plainly the mean */
    CU_ASSERT_DOUBLE_EQUAL((double)s.variance, 1.0, 1e-5);
    CU_ASSERT_EQUAL(t2i_loss_spike_score(&s, 1e9), 0.0);
    for (int i = 0; i < 50; i++) t2i_loss_spike_add(&s, i % 2 == 0 ? exp(1.0) : exp(3.0));
    CU_ASSERT_DOUBLE_EQUAL(t2i_loss_spike_score(&s, exp(12.5)), 10.0, 1e-4);
    CU_ASSERT_EQUAL(t2i_loss_spike_score(&s, 1.0), 0.0);
}

static void test_falling(void)
{
    t2i_loss_spike s = {0};
    double most = 0;
    for (long step = 1; step < 4000; step++) {
        double score = t2i_loss_spike_score(&s, loss_at(step));
        if (score > most) most = score;
        t2i_loss_spike_add(&s, loss_at(step));
    }
    CU_ASSERT_TRUE(most < 4.0);
    CU_ASSERT_TRUE(t2i_loss_spike_score(&s, 10.0 * loss_at(4000)) > 8.0);
}

static void test_constant(void)
{
    t2i_loss_spike s = {0};
    for (int i = 0; i < 500; i++) t2i_loss_spike_add(&s, 0.25);
    CU_ASSERT_TRUE(t2i_loss_spike_score(&s, 0.2525) < 1.1);
    CU_ASSERT_TRUE(isfinite(t2i_loss_spike_score(&s, 1e30)));
}

int main(void)
{
    static const t2i_test tests[] = {
        {"mean, deviation, no verdict too early", test_mean},
        {"a loss that falls", test_falling},
        {"a loss that stays", test_constant},
    };
    return t2i_test_main("spike", tests, sizeof tests / sizeof *tests);
}
