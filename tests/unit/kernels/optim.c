/* AdamW against its formulas in double, cut into slices; schedules at their corners; clipping. */
#include "test.h"

#include <math.h>
#include <stdint.h>

#include "kernels/optim.h"
#include "base/rng.h"

enum { COUNT = 1000 };
/* w + 3 m + 5 v, of their bits. */
static uint32_t sum_of_bits(const float *w, const float *m, const float *v, size_t count)
{
    const float *of[] = {w, m, v};
    uint32_t sum = 0, bits;
    for (size_t i = 0; i < 3 * count; i++) {
        memcpy(&bits, &of[i % 3][i / 3], sizeof bits);
        sum += (uint32_t)(2 * (i % 3) + 1) * bits;
    }
    return sum;
}

static void update(float *w, float *m, float *v, const float *g, size_t count,
                   const t2i_adamw *options, float factor, unsigned long number)
{
    const t2i_adamw_factors factors = t2i_optim_adamw_begin(options, factor, number);
    uint32_t before = sum_of_bits(w, m, v, count);
    t2i_bit_sums sums = t2i_optim_adamw_update(w, m, v, g, count, &factors);
    CU_ASSERT_EQUAL(sums.before, before);
    CU_ASSERT_EQUAL(sums.after, sum_of_bits(w, m, v, count));
}

static float w[COUNT], m[COUNT], v[COUNT], g[COUNT];

static void fill(float *out, uint64_t stream)
{
    for (size_t i = 0; i < COUNT; i++) out[i] = (float)t2i_rng_normal(21, stream, i);
}

static void begin(void)
{
    fill(w, 0);
    memset(m, 0, sizeof m);
    memset(v, 0, sizeof v);
}

/* fmax forgets what is not a number. */
static double larger(double most, double x)
{
    return isnan(x) ? INFINITY : fmax(most, fabs(x));
}

/* Loshchilov and Hutter 2019, algorithm 2, written out. */
static void by_hand(double *dw, double *dm, double *dv, const t2i_adamw *o, double factor,
                    int number)
{
    for (size_t i = 0; i < COUNT; i++) {
        double grad = factor * (double)g[i];
        dm[i] = o->beta1 * dm[i] + (1 - o->beta1) * grad;
        dv[i] = o->beta2 * dv[i] + (1 - o->beta2) * grad * grad;
        double m_hat = dm[i] / (1 - pow(o->beta1, number)),
               v_hat = dv[i] / (1 - pow(o->beta2, number));
        dw[i] = dw[i] - o->lr * o->weight_decay * dw[i] - o->lr * m_hat / (sqrt(v_hat) + o->eps);
    }
}

static void test_adamw(void)
{
    static const struct {
        t2i_adamw options;
        float factor;
    } runs[] = {{{1e-2, 0.9, 0.999, 1e-8, 0.1}, 0.25f},
                {{1e-3, 0.8, 0.95, 1e-2, 0.0}, 1.0f},
                {{0.1, 0.0, 0.0, 1.0, 1.0}, 2.0f}};
    static double dw[COUNT], dm[COUNT], dv[COUNT];
    for (size_t run = 0; run < sizeof runs / sizeof *runs; run++) {
        begin();
        for (size_t i = 0; i < COUNT; i++) dw[i] = (double)w[i], dm[i] = dv[i] = 0;
        double worst = 0, moved = 0;
        for (int number = 1; number <= 50; number++) {
            fill(g, (uint64_t)number);
            update(w, m, v, g, COUNT, &runs[run].options, runs[run].factor, (unsigned long)number);
            by_hand(dw, dm, dv, &runs[run].options, (double)runs[run].factor, number);
            for (size_t i = 0; i < COUNT; i++) {
                worst = larger(worst, (double)w[i] - dw[i]);
                worst = larger(worst, (double)m[i] - dm[i]);
                worst = larger(worst, (double)v[i] - dv[i]);
            }
        }
        fill(g, 0);
        for (size_t i = 0; i < COUNT; i++) moved = fmax(moved, fabs((double)w[i] - (double)g[i]));
        CU_ASSERT_TRUE(worst < 1e-5);
        CU_ASSERT_TRUE(moved > 1e-2); /* and it did something */
    }
}

/* Decay is decoupled: it does not pass through the moments. */
static void test_weight_decay(void)
{
    const t2i_adamw options = {0.5, 0.9, 0.999, 1e-8, 0.25};
    begin();
    memset(g, 0, sizeof g);
    update(w, m, v, g, COUNT, &options, 1.0f, 1);
    fill(g, 0);
    for (size_t i = 0; i < COUNT; i++)
        CU_ASSERT_TRUE(w[i] == g[i] * 0.875f && m[i] == 0.0f && v[i] == 0.0f);
}

/* The first update moves every weight by the learning rate, whatever the gradient's size: the bias
 * correction. */
static void test_first_update(void)
{
    const t2i_adamw options = {1e-3, 0.9, 0.999, 0.0, 0.0};
    begin();
    fill(g, 1);
    update(w, m, v, g, COUNT, &options, 1e-3f, 1);
    for (size_t i = 0; i < COUNT; i++) {
        double start = (double)(float)t2i_rng_normal(21, 0, i);
        CU_ASSERT_DOUBLE_EQUAL(start - (double)w[i], g[i] > 0 ? 1e-3 : -1e-3, 1e-6);
    }
}

static void test_slices(void)
{
    static const size_t cut[] = {1, 3, 16, 17, 64, 333, 999};
    const t2i_adamw options = {1e-2, 0.9, 0.999, 1e-8, 0.1};
    static float whole[3][COUNT];
    for (size_t k = 0; k <= sizeof cut / sizeof *cut; k++) {
        size_t size = k == 0 ? COUNT : cut[k - 1];
        begin();
        for (unsigned long number = 1; number <= 5; number++) {
            fill(g, number);
            for (size_t at = 0; at < COUNT; at += size)
                update(w + at, m + at, v + at, g + at, COUNT - at < size ? COUNT - at : size,
                       &options, 0.5f, number);
        }
        float *now[3] = {w, m, v};
        for (size_t i = 0; i < 3; i++) {
            if (k == 0) memcpy(whole[i], now[i], sizeof whole[i]);
            CU_ASSERT_EQUAL(memcmp(whole[i], now[i], sizeof whole[i]), 0);
        }
    }
}

/* A factor is as good as a smaller gradient; a power of two to the bit. */
static void test_factor(void)
{
    const t2i_adamw options = {1e-2, 0.9, 0.999, 1e-8, 0.1};
    static float first[COUNT];
    begin();
    fill(g, 1);
    update(w, m, v, g, COUNT, &options, 0.125f, 1);
    memcpy(first, w, sizeof first);
    begin();
    for (size_t i = 0; i < COUNT; i++) g[i] *= 0.125f;
    update(w, m, v, g, COUNT, &options, 1.0f, 1);
    CU_ASSERT_EQUAL(memcmp(first, w, sizeof first), 0);
}

static void test_schedule(void)
{
    const t2i_schedule constant = {
        .lr = 0.1, .min_lr = 0.01, .warmup = 0, .steps = 100, .cosine = 0};
    CU_ASSERT_EQUAL(t2i_optim_schedule_lr(&constant, 1), 0.1);
    CU_ASSERT_EQUAL(t2i_optim_schedule_lr(&constant, 100), 0.1);
    CU_ASSERT_EQUAL(t2i_optim_schedule_lr(&constant, 1000000), 0.1);

    const t2i_schedule warm = {.lr = 0.1, .min_lr = 0.01, .warmup = 10, .steps = 100, .cosine = 0};
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&warm, 1), 0.01, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&warm, 5), 0.05, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&warm, 10), 0.1, 1e-15);
    CU_ASSERT_EQUAL(t2i_optim_schedule_lr(&warm, 11), 0.1);

    const t2i_schedule cosine = {
        .lr = 0.1, .min_lr = 0.01, .warmup = 20, .steps = 100, .cosine = 1};
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&cosine, 10), 0.05, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&cosine, 20), 0.1, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&cosine, 60), 0.055, 1e-15); /* half-way */
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&cosine, 40), 0.01 + 0.045 * (1 + sqrt(0.5)),
                           1e-15);
    CU_ASSERT_EQUAL(t2i_optim_schedule_lr(&cosine, 100), 0.01);
    CU_ASSERT_EQUAL(t2i_optim_schedule_lr(&cosine, 101), 0.01);
    for (long step = 21; step <= 100; step++)
        CU_ASSERT_TRUE(t2i_optim_schedule_lr(&cosine, step) <
                       t2i_optim_schedule_lr(&cosine, step - 1));

    /* a warm-up as long as the run, or longer; one step; no warm-up */
    const t2i_schedule odd[] = {
        {0.1, 0.01, 100, 100, 1}, {0.1, 0.01, 200, 100, 1}, {0.1, 0, 0, 1, 1}, {0.1, 0, 0, 4, 1}};
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&odd[0], 100), 0.1, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&odd[1], 100), 0.05, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&odd[2], 1), 0.0, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(t2i_optim_schedule_lr(&odd[3], 2), 0.05, 1e-15);
}

static void test_clip(void)
{
    CU_ASSERT_EQUAL(t2i_optim_clip_factor(1e30, 0.0), 1.0f); /* off */
    CU_ASSERT_EQUAL(t2i_optim_clip_factor(0.0, 1.0), 1.0f);
    CU_ASSERT_EQUAL(t2i_optim_clip_factor(0.5, 1.0), 1.0f);
    CU_ASSERT_EQUAL(t2i_optim_clip_factor(1.0, 1.0), (float)(1.0 / (1.0 + 1e-6)));
    CU_ASSERT_EQUAL(t2i_optim_clip_factor(4.0, 1.0), (float)(1.0 / (4.0 + 1e-6)));
    CU_ASSERT_EQUAL(t2i_optim_clip_factor(1e-3, 1e-4), (float)(1e-4 / (1e-3 + 1e-6)));
}

/* Early on 2/11, 3/12, ... of the average stays; later the decay. */
static void test_average(void)
{
    float average[3] = {1, -2, 0.5f}, now[3] = {3, 2, 0.5f};
    double wanted = 1;
    t2i_optim_ema_update(average, now, 3, 0.99, 1);
    CU_ASSERT_DOUBLE_EQUAL(average[0], 3 - 2 * 2 / 11.0, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(average[1], 2 - 4 * 2 / 11.0, 1e-6);
    CU_ASSERT_EQUAL(average[2], 0.5f);
    average[0] = 1;
    for (unsigned long n = 1; n <= 3000; n++) {
        double early = (1.0 + (double)n) / (10.0 + (double)n), keep = early < 0.99 ? early : 0.99;
        now[0] = (float)sin((double)n);
        wanted = keep * wanted + (1 - keep) * (double)now[0];
        t2i_optim_ema_update(average, now, 1, 0.99, n);
        CU_ASSERT_DOUBLE_EQUAL(average[0], wanted, 1e-5);
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"averaged weights", test_average},
        {"50 updates of AdamW, as in double", test_adamw},
        {"weight decay alone", test_weight_decay},
        {"the first update is a learning rate long", test_first_update},
        {"slices give the bits of the whole", test_slices},
        {"a gradient times a factor", test_factor},
        {"schedules at their corners", test_schedule},
        {"clip factor", test_clip},
    };
    return t2i_test_main("optim", tests, sizeof tests / sizeof *tests);
}
