/* Which shard draws which rows: a partition of rows and draws, every row once a pass, and the rules
 * for V. */
#include "test.h"

#include "train/sampler.h"

static t2i_error err;

/* Of many (N, B, V): uneven, equal, one row a shard, fewer rows than the batch. */
static const struct {
    uint64_t rows;
    size_t batch, shards;
} cases[] = {{7, 4, 4},    {7, 4, 1},    {100, 8, 8},    {101, 7, 4},     {1000, 64, 8},
             {64, 64, 64}, {65, 64, 64}, {12, 48, 4},    {13, 48, 8},     {97, 100, 2},
             {5, 1, 1},    {1, 1, 1},    {1, 30, 1},     {3000, 257, 32}, {997, 30, 16},
             {19, 20, 8},  {2, 4, 2},    {4096, 100, 64}};
enum { CASES = sizeof cases / sizeof *cases, MOST_ROWS = 4096, MOST_BATCH = 300 };

static t2i_sampler sampler_of(size_t k, t2i_sampler_kind kind)
{
    return (t2i_sampler){.shards = cases[k].shards,
                         .batch = cases[k].batch,
                         .rows = cases[k].rows,
                         .seed = 5,
                         .kind = kind};
}

/* c(v) = floor(v B / V): shard v owns rows floor(N c(v) / B) .. floor(N c(v+1) / B), draws c(v+1) -
 * c(v). */
static void test_partition(void)
{
    for (size_t k = 0; k < CASES; k++) {
        t2i_sampler sampler = sampler_of(k, T2I_SHARDED);
        size_t draws = 0, V = sampler.shards, B = sampler.batch;
        for (size_t v = 0; v < V; v++) {
            size_t c = v * B / V;
            CU_ASSERT_EQUAL(draws, c);
            CU_ASSERT_EQUAL(t2i_sampler_first_row(&sampler, v), sampler.rows * c / B);
            CU_ASSERT_TRUE(t2i_sampler_first_row(&sampler, v) <
                           t2i_sampler_first_row(&sampler, v + 1));
            draws += t2i_sampler_draws(&sampler, v);
        }
        CU_ASSERT_EQUAL(draws, B);
        CU_ASSERT_EQUAL(t2i_sampler_first_row(&sampler, V), sampler.rows);
    }
}

/* Nothing overflows: with all bits in use the cuts are as far apart as they should be. */
static void test_large(void)
{
    const t2i_sampler sampler = {
        .shards = 1 << 10, .batch = (1 << 20) - 7, .rows = 0xfffffff1u, .seed = 1};
    CU_ASSERT_EQUAL(t2i_sampler_first_row(&sampler, sampler.shards), sampler.rows);
    for (size_t v = 0; v < sampler.shards; v++) {
        double c = (double)(v * sampler.batch / sampler.shards),
               right = (double)sampler.rows * c / (double)sampler.batch;
        CU_ASSERT_DOUBLE_EQUAL((double)t2i_sampler_first_row(&sampler, v), right, 1.0);
    }
    uint64_t row[2000];
    t2i_sampler_sample(&sampler, 1000000000000u, sampler.shards - 1, row);
    for (size_t i = 0; i < t2i_sampler_draws(&sampler, sampler.shards - 1); i++)
        CU_ASSERT_TRUE(row[i] >= t2i_sampler_first_row(&sampler, sampler.shards - 1) &&
                       row[i] < sampler.rows);
}

/* The draws of one shard, in order: each run of N_v of them is a permutation of its own rows. */
static void check_passes(const t2i_sampler *sampler, size_t v)
{
    static unsigned char seen[MOST_ROWS];
    static uint64_t row[MOST_BATCH], before[MOST_ROWS], now[MOST_ROWS];
    uint64_t first = t2i_sampler_first_row(sampler, v),
             own = t2i_sampler_first_row(sampler, v + 1) - first, drawn = 0, wrong = 0;
    size_t draws = t2i_sampler_draws(sampler, v);
    unsigned repeats = 0;
    memset(seen, 0, sizeof seen);
    for (uint64_t step = 1; drawn < 3 * own; step++) {
        t2i_sampler_sample(sampler, step, v, row);
        for (size_t i = 0; i < draws; i++, drawn++) {
            if (drawn % own == 0 && drawn > 0) {
                for (uint64_t r = 0; r < own; r++)
                    wrong += seen[r] != drawn / own; /* each once in the pass */
                repeats += memcmp(before, now, own * sizeof *now) == 0;
                memcpy(before, now, sizeof before);
            }
            wrong += row[i] < first || row[i] >= first + own;
            if (row[i] >= first && row[i] < first + own) seen[row[i] - first]++;
            now[drawn % own] = row[i];
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    if (own > 8) CU_ASSERT_EQUAL(repeats, 0); /* every pass has an order of its own */
}

static void test_passes(void)
{
    for (size_t k = 0; k < CASES; k++) {
        t2i_sampler sampler = sampler_of(k, T2I_SHARDED);
        for (size_t v = 0; v < sampler.shards; v++) check_passes(&sampler, v);
    }
}

/* Steps and shards can be asked for in any order, by anyone; seed, shard and sampler make a
 * difference. */
static void test_pure(void)
{
    t2i_sampler sampler = sampler_of(4, T2I_SHARDED), other = sampler;
    uint64_t a[20][8][8], b[8];
    size_t seeds = 0, shards = 0;
    other.seed = 6;
    for (uint64_t step = 0; step < 20; step++)
        for (size_t v = 0; v < 8; v++) t2i_sampler_sample(&sampler, step + 1, v, a[step][v]);
    for (uint64_t step = 20; step-- > 0;)
        for (size_t v = 8; v-- > 0;) {
            t2i_sampler_sample(&sampler, step + 1, v, b);
            CU_ASSERT_EQUAL(memcmp(a[step][v], b, sizeof b), 0);
            t2i_sampler_sample(&other, step + 1, v, b);
            seeds += memcmp(a[step][v], b, sizeof b) == 0;
            for (size_t i = 0; i < 8; i++)
                b[i] = a[step][v][i] - t2i_sampler_first_row(&sampler, v) +
                       t2i_sampler_first_row(&sampler, 0);
            shards += v > 0 && memcmp(a[step][0], b, sizeof b) == 0;
        }
    CU_ASSERT_TRUE(seeds == 0 && shards == 0);
}

/* With replacement, over all rows, and the same whatever V is. */
static void test_uniform(void)
{
    enum { ROWS = 50, STEPS = 2000, BATCH = 16 };
    t2i_sampler sampler = {.shards = 4,
                           .batch = BATCH,
                           .rows = ROWS,
                           .seed = 3,
                           .kind = T2I_UNIFORM},
                one = sampler;
    unsigned count[ROWS] = {0};
    size_t twice = 0, wrong = 0;
    one.shards = 1;
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t row[BATCH], whole[BATCH];
        for (size_t v = 0; v < 4; v++) t2i_sampler_sample(&sampler, step, v, row + 4 * v);
        t2i_sampler_sample(&one, step, 0, whole);
        wrong += memcmp(row, whole, sizeof row) != 0;
        for (size_t i = 0; i < BATCH; i++) {
            wrong += row[i] >= ROWS;
            if (row[i] < ROWS) count[row[i]]++;
            for (size_t j = 0; j < i; j++) twice += row[i] == row[j];
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    for (size_t i = 0; i < ROWS; i++)
        CU_ASSERT_TRUE(count[i] > 540 && count[i] < 740); /* 640, sigma 25 */
    CU_ASSERT_TRUE(twice > 4500 && twice < 5100);         /* 120 pairs in 50 rows: 2.4 a step */
}

static void test_replay(void)
{
    uint64_t rows[3 * 7];
    t2i_sampler sampler = {
        .shards = 4, .batch = 7, .rows = 100, .kind = T2I_SAMPLER_FILE, .sampler_file = rows};
    for (size_t i = 0; i < 21; i++) rows[i] = 99 - i * 4 % 100;
    for (uint64_t step = 3; step > 0; step--) {
        uint64_t row[7];
        size_t at = 0;
        for (size_t v = 0; v < 4; v++) {
            t2i_sampler_sample(&sampler, step, v, row + at);
            at += t2i_sampler_draws(&sampler, v);
        }
        CU_ASSERT_TRUE(at == 7 && memcmp(row, rows + (step - 1) * 7, sizeof row) == 0);
    }
}

/* ---- V ---- */

static size_t automatic(size_t workers, size_t batch, uint64_t rows)
{
    size_t v = 0;
    OK(t2i_sampler_shards(&v, 0, workers, workers, batch, rows, &err));
    return v;
}

static void test_automatic_shards(void)
{
    CU_ASSERT_EQUAL(automatic(1, 64, 1000), 8);
    CU_ASSERT_EQUAL(automatic(8, 64, 1000), 8);
    CU_ASSERT_EQUAL(automatic(9, 64, 1000), 16);
    CU_ASSERT_EQUAL(automatic(16, 64, 1000), 16);
    CU_ASSERT_EQUAL(automatic(100, 1024, 100000), 128);
    CU_ASSERT_EQUAL(automatic(100, 64, 100000), 64); /* batch is less */
    CU_ASSERT_EQUAL(automatic(1, 4, 1000), 4);
    CU_ASSERT_EQUAL(automatic(1, 7, 1000), 4);
    CU_ASSERT_EQUAL(automatic(1, 64, 3), 2); /* rows are less */
    CU_ASSERT_EQUAL(automatic(64, 1, 1), 1);
    CU_ASSERT_EQUAL(automatic(64, 1 << 20, 1), 1);
    /* whatever the sizes: a power of two, no shard without rows, no more than rows or batch */
    for (uint64_t rows = 1; rows < 40; rows++)
        for (size_t batch = 1; batch < 40; batch++) {
            size_t v = automatic(1, batch, rows), empty = 0;
            t2i_sampler sampler = {.shards = v, .batch = batch, .rows = rows};
            for (size_t i = 0; i < v; i++)
                empty +=
                    t2i_sampler_first_row(&sampler, i) == t2i_sampler_first_row(&sampler, i + 1) ||
                    t2i_sampler_draws(&sampler, i) == 0;
            CU_ASSERT_TRUE(v >= 1 && (v & (v - 1)) == 0 && v <= batch && v <= rows && empty == 0);
        }
}

static void test_wanted_shards(void)
{
    size_t v = 0;
    OK(t2i_sampler_shards(&v, 4, 4, 8, 64, 1000,
                          &err)); /* threads may be more than shards, ranks not */
    CU_ASSERT_EQUAL(v, 4);
    OK(t2i_sampler_shards(&v, 64, 3, 3, 64, 64, &err));
    CU_ASSERT_EQUAL(v, 64);
    OK(t2i_sampler_shards(&v, 1, 1, 1, 1, 1, &err));
    CU_ASSERT_EQUAL(v, 1);
    FAILS(t2i_sampler_shards(&v, 12, 1, 1, 64, 1000, &err), T2I_USAGE,
          "shards = 12 is not a power of two");
    FAILS(t2i_sampler_shards(&v, 4, 5, 5, 64, 1000, &err), T2I_USAGE,
          "shards = 4 is below the 5 ranks");
    FAILS(t2i_sampler_shards(&v, 8, 1, 1, 7, 1000, &err), T2I_USAGE,
          "shards = 8 is above batch = 7");
    FAILS(t2i_sampler_shards(&v, 8, 1, 1, 64, 7, &err), T2I_USAGE,
          "shards = 8 is above the training rows = 7");
    /* 3 rows, batch 5, 2 shards of 2 and 3 draws: rows 0, 1..2; with batch 9 and 8 shards over 8
     * rows one has none */
    FAILS(t2i_sampler_shards(&v, 8, 1, 1, 9, 8, &err), T2I_USAGE, "leaves a shard without rows");
    CU_ASSERT_EQUAL(v, 1); /* as it was */
    FAILS(t2i_sampler_shards(&v, 0, 1, 1, 4, 0, &err), T2I_DATA, "no training rows");
    FAILS(t2i_sampler_shards(&v, 4, 1, 1, 4, 0, &err), T2I_DATA, "no training rows");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"shards part rows and draws", test_partition},
        {"large numbers do not overflow", test_large},
        {"every row once a pass, in a new order", test_passes},
        {"a pure function of seed, step, shard", test_pure},
        {"uniform, with replacement", test_uniform},
        {"a replayed run's rows in their order", test_replay},
        {"V chosen", test_automatic_shards},
        {"V wanted", test_wanted_shards},
    };
    return t2i_test_main("plan", tests, sizeof tests / sizeof *tests);
}
