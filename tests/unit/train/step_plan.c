/* What a step keeps in memory: small models as ever, large ones with the least. */
#include "test.h"

#include "comm/reduce.h"
#include "model/packed_weights.h"
#include "train/step_plan.h"

static t2i_error err;

enum { ROWS = 4000, SHARDS = 8, MEAN = 28 };

/* The plan of a model of this width, and the floats of a gradient of it. */
static t2i_step_plan plan_of(size_t d, size_t batch, size_t buckets, int size, int threads,
                             size_t *floats)
{
    const t2i_config config = {.vocab_size = 100,
                               .d_model = d,
                               .n_heads = 8,
                               .n_layers = 8,
                               .d_ff = 4 * d,
                               .block_size = 64,
                               .ngram_buckets = buckets,
                               .ngram_hidden = buckets > 0 ? 64 : 0,
                               .vision_feature_dim = 512};
    const t2i_sampler sampler = {.shards = SHARDS, .batch = batch, .rows = ROWS};
    t2i_model model;
    OK(t2i_model_new(&model, &config, &err));
    t2i_step_plan plan = t2i_step_plan_make(&model, &sampler, size, threads, (double)ROWS * MEAN);
    *floats = model.layout.floats;
    t2i_model_free(&model);
    return plan;
}

static void test_small(void)
{
    size_t floats;
    t2i_step_plan plan = plan_of(128, 64, 0, 1, 1, &floats);
    CU_ASSERT_TRUE(plan.bundle == 1 && plan.section == floats && !plan.by_layer && !plan.in_place);
}

/* One gradient for half of the shards side by side, none for more. */
static void test_large(void)
{
    size_t floats;
    t2i_step_plan plan = plan_of(512, 64, 0, 1, 1, &floats);
    CU_ASSERT_EQUAL(plan.bundle, SHARDS / 2);
    CU_ASSERT_TRUE(plan.section < floats / 7 && plan.by_layer && plan.in_place);
    CU_ASSERT_EQUAL(t2i_reduce_count(SHARDS, 0, 1, 1).blocks, 3);
    CU_ASSERT_EQUAL(t2i_reduce_count(SHARDS, 0, 1, 2).blocks, 2);
    CU_ASSERT_EQUAL(t2i_reduce_count(SHARDS, 0, 1, 4).blocks, 1);
    CU_ASSERT_EQUAL(t2i_reduce_count(SHARDS, 0, 1, 8).blocks, 1);
    /* activations of 4,096 rows are more than gradients */
    plan = plan_of(512, 4096, 0, 1, 1, &floats);
    CU_ASSERT_TRUE(plan.bundle == 1 && plan.section < floats / 7 && plan.by_layer);
}

/* Workers of one small shard each do not pack for themselves, and ranks hold slices. */
static void test_many_workers(void)
{
    size_t floats;
    t2i_step_plan plan = plan_of(512, 64, 0, 2, 4, &floats);
    CU_ASSERT_TRUE(plan.bundle == 1 && !plan.by_layer && !plan.in_place);
    CU_ASSERT_TRUE(plan_of(512, 64, 0, 1, 8, &floats).in_place);
}

static void test_ngrams(void)
{
    size_t floats;
    t2i_step_plan plan = plan_of(512, 512, 1000, 1, 1, &floats);
    CU_ASSERT_TRUE(plan.bundle == 1 && plan.section == floats && plan.by_layer && plan.in_place);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a small model", test_small},
        {"a large model", test_large},
        {"many workers", test_many_workers},
        {"n-grams", test_ngrams},
    };
    return t2i_test_main("step_plan", tests, sizeof tests / sizeof *tests);
}
