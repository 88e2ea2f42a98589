/* What a run will take: by its options, and never less than what it really takes. */
#include "test.h"

#include <stdlib.h>

#include "comm/reduce.h"
#include "train/contrastive_loss.h"
#include "train/resource_estimate.h"
#include "train/validation.h"

static t2i_error err;

enum { D = 64, PICTURES = 5000, NEGATIVES = 2000, THREADS = 2 };

static t2i_run_sizes sizes_of(const t2i_train_options *options, const t2i_model *model,
                              const t2i_sampler *sampler, int size)
{
    return (t2i_run_sizes){.options = options,
                           .model = model,
                           .sampler = sampler,
                           .size = size,
                           .threads = THREADS,
                           .longest = 16,
                           .prompt_bytes = 40000,
                           .pictures = PICTURES};
}

static t2i_rank_estimate estimate(const t2i_train_options *options, int size, int rank)
{
    size_t buckets = (size_t)options->ngram_buckets;
    const t2i_config config = {.vocab_size = 20,
                               .d_model = 16,
                               .n_heads = 2,
                               .n_layers = 1,
                               .d_ff = 32,
                               .block_size = 16,
                               .ngram_buckets = buckets,
                               .ngram_hidden = buckets > 0 ? 8 : 0,
                               .embed_dim = (size_t)options->embed_dim,
                               .vision_feature_dim = D};
    t2i_model model;
    t2i_sampler sampler = {.shards = 8, .batch = 512, .rows = 4000};
    OK(t2i_model_new(&model, &config, &err));
    const t2i_run_sizes run = sizes_of(options, &model, &sampler, size);
    t2i_rank_estimate need = t2i_resource_estimate_rank(&run, rank, size);
    t2i_model_free(&model);
    return need;
}

/* What a contrastive loss of these sizes has at least: candidates three times (as they are, and
 * packed for both products), scores, predictions and targets of the rows of a shard. */
static void test_contrastive(void)
{
    const double rows = 512 / 8, least = sizeof(float) * (3.0 * NEGATIVES * D +
                                                          THREADS * rows * (2.0 * D + NEGATIVES));
    t2i_train_options options = {.keep = 2};
    const t2i_rank_estimate mse = estimate(&options, 2, 1);
    options.loss = T2I_LOSS_CONTRASTIVE;
    options.negatives = NEGATIVES;
    const t2i_rank_estimate contrastive = estimate(&options, 2, 1);
    CU_ASSERT_TRUE(contrastive.own >= mse.own + least);
    CU_ASSERT_TRUE(contrastive.own < mse.own + 1.5 * least);
    CU_ASSERT_EQUAL(contrastive.shared, mse.shared);
    options.negatives = 1 << 20; /* no more than there are pictures */
    CU_ASSERT_TRUE(estimate(&options, 2, 1).own < mse.own + 1.5 * least * PICTURES / NEGATIVES);
}

static void test_averages(void)
{
    t2i_train_options options = {.keep = 2};
    const double without = estimate(&options, 1, 0).own;
    options.ema = 0.9;
    CU_ASSERT_TRUE(estimate(&options, 1, 0).own > without);
    options.audit_every = 10;
    const double audited = estimate(&options, 1, 0).own;
    options.ema = 0;
    CU_ASSERT_TRUE(audited > estimate(&options, 1, 0).own);
}

/* The n-gram table counts as weights do: on rank 0 once as it is at the start, two moments, which
 * are also gathered for a checkpoint, and the buffers of the threads' gradients. */
static void test_ngrams(void)
{
    enum { BUCKETS = 100000 };
    const double table = BUCKETS * 16.0 * sizeof(float);
    double blocks = 1 + 2 + 2;
    for (int w = 0; w < THREADS; w++) blocks += (double)t2i_reduce_count(8, w, THREADS, 1).all;
    t2i_train_options options = {.keep = 2};
    const t2i_rank_estimate without = estimate(&options, 1, 0);
    options.ngram_buckets = BUCKETS;
    const t2i_rank_estimate with = estimate(&options, 1, 0);
    CU_ASSERT_DOUBLE_EQUAL(with.own + with.shared - without.own - without.shared, blocks * table,
                           table / 10);
}

/* The pictures of a batch are sent round; samples compare with all pictures, by their features or,
 * with embed_dim, in the search space. */
static void test_pictures(void)
{
    enum { E = 16 };
    t2i_train_options options = {
        .keep = 2, .loss = T2I_LOSS_CONTRASTIVE, .negatives = 512, .embed_dim = E};
    const double given = estimate(&options, 1, 0).own;
    options.sample_every = 10;
    CU_ASSERT_DOUBLE_EQUAL(estimate(&options, 1, 0).own - given, PICTURES * (E * 4.0 + 8), 1);
    options.sample_every = 0;
    options.negatives = T2I_NEGATIVES_BATCH;
    CU_ASSERT_TRUE(estimate(&options, 1, 0).own > given + 512 * D * 4.0 - PICTURES * 4.0);
    options.loss = T2I_LOSS_MSE;
    options.embed_dim = 0;
    const double plain = estimate(&options, 1, 0).own;
    options.sample_every = 10;
    CU_ASSERT_DOUBLE_EQUAL(estimate(&options, 1, 0).own - plain, PICTURES * (D * 4.0 + 8), 1);
}

/* A node holds the features of the pictures of its rows and of validation; of all where negatives
 * are drawn from the training pictures. */
static void test_features_of_node(void)
{
    enum { MANY = 1000000, ROWS = 1000, VALIDATION = 200 };
    static const t2i_config config = {.vocab_size = 20,
                                      .d_model = 16,
                                      .n_heads = 2,
                                      .n_layers = 1,
                                      .d_ff = 32,
                                      .block_size = 16,
                                      .vision_feature_dim = D};
    t2i_train_options options = {
        .loss = T2I_LOSS_CONTRASTIVE, .negatives = NEGATIVES, .validate_every = 10};
    t2i_model model;
    OK(t2i_model_new(&model, &config, &err));
    t2i_run_sizes run = {
        .options = &options, .model = &model, .pictures = MANY, .validation = VALIDATION};
    const double feature = D * sizeof(float),
                 weights = t2i_resource_estimate_node(&run, ROWS) - MANY * feature;
    CU_ASSERT_TRUE(weights > 0 && weights < 1e6);
    options.negatives = T2I_NEGATIVES_BATCH;
    CU_ASSERT_DOUBLE_EQUAL(t2i_resource_estimate_node(&run, ROWS) - weights,
                           (ROWS + VALIDATION + 65536) * feature, 1);
    options.loss = T2I_LOSS_MSE;
    CU_ASSERT_DOUBLE_EQUAL(t2i_resource_estimate_node(&run, ROWS) - weights,
                           (ROWS + VALIDATION + 65536) * feature, 1);
    CU_ASSERT_DOUBLE_EQUAL(t2i_resource_estimate_node(&run, 2 * MANY) - weights, MANY * feature, 1);
    options.validate_every = 0;
    CU_ASSERT_DOUBLE_EQUAL(t2i_resource_estimate_node(&run, ROWS) - weights, ROWS * feature, 1);
    t2i_model_free(&model);
}

/* A large model at one rank: no second copy of moments and averages, none of weights and averages
 * to save and to validate. */
static void test_large(void)
{
    const t2i_train_options options = {.keep = 2, .ngram_buckets = 100000, .ema = 0.9};
    const double block = 100000 * 16.0 * sizeof(float), small = estimate(&options, 1, 0).own,
                 two = estimate(&options, 2, 1).own;
    setenv("T2I_LARGE_MB", "0", 1);
    CU_ASSERT_TRUE(small - estimate(&options, 1, 0).own > 5 * block);
    CU_ASSERT_DOUBLE_EQUAL(two, estimate(&options, 2, 1).own, block / 10);
    unsetenv("T2I_LARGE_MB");
}

/* A large model whose layers are computed one by one: a worker has one whole gradient, and of the
 * others a section. */
static void test_sections(void)
{
    static const t2i_config config = {.vocab_size = 20,
                                      .d_model = 64,
                                      .n_heads = 2,
                                      .n_layers = 30,
                                      .d_ff = 256,
                                      .block_size = 16,
                                      .vision_feature_dim = D};
    const t2i_train_options options = {.keep = 2};
    t2i_model model;
    t2i_sampler sampler = {.shards = 8, .batch = 8, .rows = 4000};
    OK(t2i_model_new(&model, &config, &err));
    const t2i_run_sizes run = sizes_of(&options, &model, &sampler, 2);
    const double block = (double)model.layout.floats * sizeof(float),
                 small = t2i_resource_estimate_rank(&run, 1, 2).own;
    setenv("T2I_LARGE_MB", "0", 1);
    const size_t section = t2i_resource_estimate_plan(&run).section;
    CU_ASSERT_TRUE(section * 20 < model.layout.floats);
    CU_ASSERT_DOUBLE_EQUAL(small - t2i_resource_estimate_rank(&run, 1, 2).own,
                           THREADS * (block - (double)section * sizeof(float)), block / 10);
    unsetenv("T2I_LARGE_MB");
    t2i_model_free(&model);
}

/* The rows of all ranks are those of the dataset. */
static void test_rows(void)
{
    const t2i_train_options options = {.keep = 2};
    CU_ASSERT_EQUAL(estimate(&options, 2, 0).rows + estimate(&options, 2, 1).rows, 4000);
    CU_ASSERT_EQUAL(estimate(&options, 2, 0).rows, 2000);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"contrastive loss", test_contrastive},
        {"averaged weights and audits", test_averages},
        {"n-grams", test_ngrams},
        {"a large model", test_large},
        {"gradients in sections", test_sections},
        {"pictures of batches and samples", test_pictures},
        {"features of a node", test_features_of_node},
        {"rows of a rank", test_rows},
    };
    return t2i_test_main("resource_estimate", tests, sizeof tests / sizeof *tests);
}
