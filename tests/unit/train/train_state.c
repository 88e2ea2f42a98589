/* The live model of a run: what it takes over, who owns its weights, what a checkpoint of it has.
 */
#include "test.h"

#include "base/mem.h"
#include "train/train_state.h"

static t2i_error err;

static t2i_initial_state sample(void)
{
    static const char *const names[] = {"a", "<PAD>"};
    const t2i_config config = {.vocab_size = 2,
                               .d_model = 2,
                               .n_heads = 1,
                               .n_layers = 1,
                               .d_ff = 2,
                               .block_size = 4,
                               .vision_feature_dim = 2};
    t2i_initial_state start = {.resumed = 1};
    t2i_checkpoint *c = &start.checkpoint;
    OK(t2i_model_new(&c->model, &config, &err));
    OK(t2i_vocab_new(&c->vocab, names, 2, &err));
    c->weights = t2i_block_new(&c->model.layout);
    c->m = t2i_block_new(&c->model.layout);
    c->v = t2i_block_new(&c->model.layout);
    c->unused_names = t2i_strdup("of a foreign file");
    c->run = (t2i_run_state){.step = 7, .shards = 4, .best = 0.5, .options = t2i_strdup("{}")};
    return start;
}

static void test_take(void)
{
    t2i_train_state state;
    t2i_initial_state start = sample();
    float *weights = start.checkpoint.weights, *m = start.checkpoint.m;
    t2i_train_state_take(&state, &start);
    CU_ASSERT_TRUE(start.resumed && start.checkpoint.weights == NULL &&
                   start.checkpoint.run.options == NULL);
    CU_ASSERT_TRUE(state.weights == weights && state.m == m && state.ema == NULL);
    CU_ASSERT_TRUE(state.run.step == 7 && state.run.shards == 4 && state.vocab.size == 2);
    t2i_initial_state_free(&start); /* legal, and takes nothing away */
    CU_ASSERT_EQUAL(state.model.config.d_ff, 2);
    t2i_train_state_free(&state);
    CU_ASSERT_TRUE(state.weights == NULL);
}

static void test_move(void)
{
    t2i_train_state state;
    t2i_initial_state start = sample();
    t2i_train_state_take(&state, &start);
    float *shared = t2i_block_new(&state.model.layout);
    t2i_train_state_move(&state, shared);
    CU_ASSERT_TRUE(state.weights == shared);
    shared[0] = 3.0f;
    CU_ASSERT_EQUAL(state.weights[0], 3.0f);
    t2i_train_state_move(&state, NULL);
    CU_ASSERT_TRUE(state.weights == NULL);
    CU_ASSERT_EQUAL(shared[0], 3.0f); /* whose memory it is frees it */
    t2i_free(shared);
    t2i_train_state_free(&state);
}

static void test_views(void)
{
    float other[1] = {0};
    t2i_train_state state;
    t2i_initial_state start = sample();
    t2i_train_state_take(&state, &start);
    const t2i_checkpoint all = t2i_train_state_checkpoint(&state),
                         model = t2i_train_state_model(&state, other);
    CU_ASSERT_TRUE(all.weights == state.weights && all.m == state.m && all.v == state.v &&
                   all.ours && all.has_head && all.run.step == 7);
    CU_ASSERT_TRUE(model.weights == other && model.m == NULL && model.v == NULL &&
                   model.ema == NULL && model.has_head && model.run.best == 0.5);
    t2i_train_state_free(&state);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"what a run starts from is taken over", test_take},
        {"weights in the memory of others", test_move},
        {"as a checkpoint and as a model", test_views},
    };
    return t2i_test_main("train_state", tests, sizeof tests / sizeof *tests);
}
