/* Sizes, the table of tensors, fresh weights, positions. */
#include "test.h"

#include <math.h>

#include "base/block.h"
#include "model/model.h"

static t2i_error err;

static t2i_config sizes(void)
{
    return (t2i_config){.vocab_size = 17,
                        .d_model = 32,
                        .n_heads = 2,
                        .n_layers = 2,
                        .d_ff = 48,
                        .block_size = 40,
                        .vision_feature_dim = 5,
                        .qkv_bias = 1,
                        .out_bias = 1,
                        .ffn1_bias = 1,
                        .ffn2_bias = 1,
                        .head_bias = 1};
}

static void test_table(void)
{
    t2i_model model;
    t2i_config config = sizes();
    OK(t2i_model_new(&model, &config, &err));
    size_t layer = 4 * 32 + 3 * 32 * 33 + 32 * 33 + 48 * 33 + 32 * 49;
    CU_ASSERT_EQUAL(model.layout.count, 17 * 32 + 2 * layer + 2 * 32 + 5 * 33);
    const t2i_tensor *qkv = t2i_layout_find(&model.layout, "layers.1.qkv.weight");
    CU_ASSERT_PTR_NOT_NULL_FATAL(qkv);
    CU_ASSERT_TRUE(qkv->offset == model.layer[1].qkv_weight &&
                   t2i_tensor_count(qkv) == 3 * 32 * 32);
    CU_ASSERT_EQUAL(t2i_layout_find(&model.layout, "head.bias")->offset, model.head_bias);
    CU_ASSERT_EQUAL(model.position[0], 0.0f); /* sin 0, cos 0, ... */
    CU_ASSERT_EQUAL(model.position[1], 1.0f);
    CU_ASSERT_DOUBLE_EQUAL(model.position[32], sin(1.0), 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(model.position[33], cos(1.0), 1e-6);
    size_t tensors = (size_t)model.layout.tensors;
    t2i_model_free(&model);
    CU_ASSERT_PTR_NULL(model.layer);

    config.qkv_bias = config.head_bias = 0;
    OK(t2i_model_new(&model, &config, &err));
    CU_ASSERT_TRUE(model.head_bias == T2I_ABSENT && model.layer[0].qkv_bias == T2I_ABSENT);
    CU_ASSERT_EQUAL((size_t)model.layout.tensors, tensors - 3);
    t2i_model_free(&model);
}

static void test_refused(void)
{
    t2i_model model;
    t2i_config config = sizes();
    config.n_heads = 5;
    FAILS(t2i_model_new(&model, &config, &err), T2I_USAGE, "not a multiple of heads 5");
    config = sizes();
    config.d_model = 33;
    config.n_heads = 3;
    FAILS(t2i_model_new(&model, &config, &err), T2I_USAGE, "even");
    config = sizes();
    config.d_ff = 0;
    FAILS(t2i_model_new(&model, &config, &err), T2I_USAGE, "at least 1");
    config = sizes();
    config.vocab_size = 65536;
    FAILS(t2i_model_new(&model, &config, &err), T2I_USAGE, "too large");
    CU_ASSERT_TRUE(model.layer == NULL && model.position == NULL);
    t2i_model_free(&model);
}

/* A block with fresh values of that tensor alone. */
static float *fresh(const t2i_model *model, const char *name, uint64_t seed)
{
    float *block = t2i_block_new(&model->layout);
    const t2i_tensor *tensor = t2i_layout_find(&model->layout, name);
    if (block == NULL || tensor == NULL) abort();
    t2i_model_init_tensor(model, tensor, seed, block);
    return block;
}

static void test_fresh(void)
{
    enum { COUNT = 3 * 32 * 32 };
    t2i_model model;
    t2i_config config = sizes();
    OK(t2i_model_new(&model, &config, &err));
    float *a = fresh(&model, "layers.0.qkv.weight", 7),
          *b = fresh(&model, "layers.0.qkv.weight", 7);
    float *seed = fresh(&model, "layers.0.qkv.weight", 8);
    float *other = fresh(&model, "layers.1.qkv.weight", 7);
    float *ones = fresh(&model, "layers.0.ln1.weight", 7);
    const float *at = a + model.layer[0].qkv_weight;
    CU_ASSERT_EQUAL(memcmp(a, b, model.layout.floats * sizeof *a), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(at, seed + model.layer[0].qkv_weight, COUNT * sizeof *a), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(at, other + model.layer[1].qkv_weight, COUNT * sizeof *a), 0);
    float most = 0.0f, bound = 1.0f / sqrtf(32.0f), around = 0.0f;
    for (size_t i = 0; i < COUNT; i++) most = fmaxf(most, fabsf(at[i]));
    CU_ASSERT_TRUE(most <= bound && most > 0.99f * bound);
    for (size_t i = 0; i < model.layout.floats; i++) {
        if (a + i < at || a + i >= at + COUNT) around = fmaxf(around, fabsf(a[i]));
        size_t in = i - model.layer[0].ln1_weight;
        CU_ASSERT_EQUAL(ones[i], in < 32 ? 1.0f : 0.0f);
    }
    CU_ASSERT_EQUAL(around, 0.0f); /* nothing else was written */
    t2i_free(a);
    t2i_free(b);
    t2i_free(seed);
    t2i_free(other);
    t2i_free(ones);
    t2i_model_free(&model);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"tensors have names, shapes and places; biases may be absent", test_table},
        {"sizes that do not go together are refused", test_refused},
        {"fresh weights depend on seed and name alone", test_fresh},
    };
    return t2i_test_main("model", tests, sizeof tests / sizeof *tests);
}
