/* scores: by hand, and against plain resampling and trying all orders. */
#include "retrieval/scores.h"

#include <math.h>

#include "test.h"
#include "base/rng.h"

#define NEAR(a, b) CU_ASSERT(fabs((a) - (b)) < 1e-9)

static t2i_error err;

enum { PROMPTS = 7, WAYS = 2 };
static const uint32_t first[PROMPTS] = {1, 12, 5, 1, 6, 10, 2},
                      second[PROMPTS] = {4, 4, 4, 4, 4, 4, 9};

static void by_hand(void)
{
    const uint32_t *const rank[WAYS] = {first, second};
    t2i_ranks r;
    t2i_scores s[WAYS];
    OK(t2i_scores_ranks_new(&r, rank, WAYS, PROMPTS, &err));
    t2i_scores_ranks_score(&r, s);
    NEAR(s[0].r1, 2.0 / 7);
    NEAR(s[0].r5, 4.0 / 7);
    NEAR(s[0].r10, 6.0 / 7);
    NEAR(s[0].mrr, (2 + 1.0 / 12 + 0.2 + 1.0 / 6 + 0.1 + 0.5) / 7);
    NEAR(s[0].median_rank, 5.0);
    NEAR(s[1].r1, 0.0);
    NEAR(s[1].mrr, (6.0 / 4 + 1.0 / 9) / 7);
    NEAR(s[1].median_rank, 4.0);
    t2i_scores_ranks_free(&r);
    OK(t2i_scores_ranks_new(&r, rank, 1, 4, &err));
    t2i_scores_ranks_score(&r, s);
    NEAR(s[0].median_rank, 3.0); /* between 1 and 5 */
    t2i_scores_ranks_free(&r);
    OK(t2i_scores_ranks_new(&r, rank, 1, 1, &err));
    t2i_scores_ranks_score(&r, s);
    NEAR(s[0].median_rank, 1.0);
    t2i_scores_ranks_free(&r);
}

/* A resample is a list of prompts: drawn here again, and scored as one. */
static void resamples(void)
{
    const uint32_t *const rank[WAYS] = {first, second};
    uint32_t drawn[WAYS][PROMPTS];
    t2i_ranks r, plain;
    t2i_scores s[WAYS], again[WAYS], right[WAYS];
    int differ = 0;
    OK(t2i_scores_ranks_new(&r, rank, WAYS, PROMPTS, &err));
    for (size_t i = 0; i < 40; i++) {
        for (size_t k = 0; k < PROMPTS; k++) {
            uint32_t bits[4];
            t2i_rng_block(5, (uint64_t)3 << 32 | i, k / 4 * 4, bits);
            size_t prompt = (size_t)((uint64_t)bits[k % 4] * PROMPTS >> 32);
            for (size_t w = 0; w < WAYS; w++) drawn[w][k] = rank[w][prompt];
        }
        const uint32_t *const of[WAYS] = {drawn[0], drawn[1]};
        OK(t2i_scores_ranks_new(&plain, of, WAYS, PROMPTS, &err));
        t2i_scores_ranks_score(&plain, right);
        t2i_scores_ranks_free(&plain);
        t2i_scores_ranks_resample(&r, 5, 3, i, s);
        CU_ASSERT(memcmp(s, right, sizeof s) == 0);
        differ += i > 0 && memcmp(s, again, sizeof s) != 0;
        memcpy(again, s, sizeof s);
    }
    CU_ASSERT(differ > 30);
    t2i_scores_ranks_resample(&r, 5, 3, 17, s);
    t2i_scores_ranks_resample(&r, 5, 3, 18, again);
    t2i_scores_ranks_resample(&r, 5, 3, 17, again); /* whatever was drawn between */
    CU_ASSERT(memcmp(s, again, sizeof s) == 0);
    t2i_scores_ranks_resample(&r, 6, 3, 17, again);
    CU_ASSERT(memcmp(s, again, sizeof s) != 0);
    t2i_scores_ranks_free(&r);
}

/* Of a share of one half among 400 prompts, 95 % lie within 0.5 +- 1.96 x 0.025. */
static void interval(void)
{
    enum { MANY = 400 };
    static uint32_t rank[MANY];
    static double value[T2I_RESAMPLES];
    const uint32_t *const all[1] = {rank};
    double low, high;
    t2i_ranks r;
    t2i_scores s;
    for (size_t i = 0; i < MANY; i++) rank[i] = i % 2 ? 1 : 20;
    OK(t2i_scores_ranks_new(&r, all, 1, MANY, &err));
    for (size_t i = 0; i < T2I_RESAMPLES; i++) {
        t2i_scores_ranks_resample(&r, 1, 0, i, &s);
        value[i] = *t2i_scores_at(&s, 0);
    }
    t2i_scores_ranks_free(&r);
    t2i_scores_interval(value, &low, &high);
    CU_ASSERT(fabs(low - 0.451) < 0.01 && fabs(high - 0.549) < 0.01);
    for (size_t i = 0; i < T2I_RESAMPLES; i++) value[i] = (double)((i * 37) % T2I_RESAMPLES);
    t2i_scores_interval(value, &low, &high);
    CU_ASSERT(low == 25.0 && high == 974.0); /* 25 values on either side */
}

/* All orders of n pictures, of which the first `right` are right and the last `out` do not count.
 */
static void try_orders(size_t *order, size_t n, size_t fixed, size_t right, size_t out,
                       size_t *rank)
{
    if (fixed == n) {
        size_t at = 1, i = 0;
        for (; order[i] >= right; i++) at += order[i] < n - out;
        rank[at]++;
        return;
    }
    for (size_t i = fixed; i < n; i++) {
        size_t swap = order[i];
        order[i] = order[fixed];
        order[fixed] = swap;
        try_orders(order, n, fixed + 1, right, out, rank);
        order[fixed] = order[i];
        order[i] = swap;
    }
}

static void random_order(void)
{
    enum { N = 6 };
    const t2i_chances kinds[] = {{1, 0, 3}, {2, 1, 2}, {2, 4, 1}};
    size_t rank[N + 2] = {0}, all = 0, seen = 0;
    double mrr = 0, median = 0, r5 = 0;
    t2i_scores s;
    for (size_t k = 0; k < 3; k++)
        for (size_t t = 0; t < kinds[k].prompts; t++) {
            size_t order[N] = {0, 1, 2, 3, 4, 5};
            try_orders(order, N, 0, kinds[k].right, kinds[k].left_out, rank);
        }
    for (size_t k = 1; k <= N; k++) all += rank[k];
    for (size_t k = 1; k <= N; k++) {
        mrr += (double)rank[k] / (double)k / (double)all;
        r5 += k <= 5 ? (double)rank[k] / (double)all : 0.0;
        if (2 * seen < all && 2 * (seen + rank[k]) >= all) median = (double)k;
        seen += rank[k];
    }
    OK(t2i_scores_random(&s, N, kinds, 3, &err));
    NEAR(s.r1, (double)rank[1] / (double)all);
    NEAR(s.r5, r5);
    NEAR(s.r10, 1.0);
    NEAR(s.mrr, mrr);
    NEAR(s.median_rank, median);
    const t2i_chances even = {1, 0, 10};
    OK(t2i_scores_random(&s, 4, &even, 1, &err));
    NEAR(s.median_rank, 2.5);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"by hand", by_hand},
        {"a resample is a list of prompts", resamples},
        {"95 % intervals", interval},
        {"a random order, by trying all", random_order},
    };
    return t2i_test_main("scores", tests, sizeof tests / sizeof *tests);
}
