/* tiny_checkpoint.h - the smallest model as a checkpoint, whose values the test sets. */
#ifndef T2I_TINY_CHECKPOINT_H
#define T2I_TINY_CHECKPOINT_H

#include "checkpoint/checkpoint.h"
#include "test.h"

static inline t2i_checkpoint tiny_checkpoint(long step)
{
    static const char *const names[] = {"a", "b", "<PAD>"};
    static const t2i_config config = {.vocab_size = 3,
                                      .d_model = 2,
                                      .n_heads = 1,
                                      .n_layers = 1,
                                      .d_ff = 3,
                                      .block_size = 4,
                                      .vision_feature_dim = 2,
                                      .head_bias = 1};
    t2i_checkpoint c = {.ours = 1, .has_head = 1, .run = {.step = step, .shards = 8}};
    t2i_error err;
    OK(t2i_model_new(&c.model, &config, &err));
    OK(t2i_vocab_new(&c.vocab, names, 3, &err));
    return c;
}

#endif
