/* What a run will take: by its options, and never less than what it really takes. */
#include "test.h"

#include "train/contrastive_loss.h"
#include "train/resource_estimate.h"
#include "train/validation.h"

static t2i_error err;

enum { D = 64, PICTURES = 5000, NEGATIVES = 2000, THREADS = 2 };

static t2i_rank_estimate estimate(const t2i_train_options *options, int size, int rank)
{
    const t2i_config config = {.vocab_size = 20,
                               .d_model = 16,
                               .n_heads = 2,
                               .n_layers = 1,
                               .d_ff = 32,
                               .block_size = 16,
                               .vision_feature_dim = D};
    t2i_model model;
    t2i_sampler sampler = {.shards = 8, .batch = 512, .rows = 4000};
    OK(t2i_model_new(&model, &config, &err));
    const t2i_run_sizes run = {.options = options,
                               .model = &model,
                               .sampler = &sampler,
                               .size = size,
                               .threads = THREADS,
                               .longest = 16,
                               .prompt_bytes = 40000,
                               .pictures = PICTURES};
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

int main(void)
{
    static const t2i_test tests[] = {
        {"contrastive loss", test_contrastive},
        {"averaged weights and audits", test_averages},
    };
    return t2i_test_main("resource_estimate", tests, sizeof tests / sizeof *tests);
}
