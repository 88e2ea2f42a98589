/* space_model.h - a small model with a space of its own for search, for tests of what works in it.
 */
#ifndef SPACE_MODEL_H
#define SPACE_MODEL_H

#include "model/packed_weights.h"
#include "test.h"

typedef struct {
    t2i_model model;
    float *weights; /* a block, zero at first */
    t2i_packed_weights packed;
} space_model;

/* Packs the weights again. */
static inline void space_model_pack(space_model *s)
{
    t2i_packed_weights_fill(&s->packed, s->weights, 0, 1);
}

/* E 0: compared by the D features. */
static inline void space_model_begin(space_model *s, size_t D, size_t E, t2i_error *err)
{
    const t2i_config config = {.vocab_size = 3,
                               .d_model = 2,
                               .n_heads = 1,
                               .n_layers = 1,
                               .d_ff = 2,
                               .block_size = 2,
                               .vision_feature_dim = D,
                               .embed_dim = E};
    CU_ASSERT_EQUAL_FATAL(t2i_model_new(&s->model, &config, err), T2I_OK);
    s->weights = t2i_block_new(&s->model.layout);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->weights);
    CU_ASSERT_EQUAL_FATAL(t2i_packed_weights_of(&s->packed, &s->model, s->weights, err), T2I_OK);
}

/* Weights as those of a new model. */
static inline void space_model_init(space_model *s)
{
    for (size_t i = 0; i < s->model.layout.tensors; i++)
        t2i_model_init_tensor(&s->model, &s->model.layout.tensor[i], 7, s->weights);
    space_model_pack(s);
}

static inline void space_model_end(space_model *s)
{
    t2i_free(s->weights);
    t2i_packed_weights_free(&s->packed);
    t2i_model_free(&s->model);
}

#endif
