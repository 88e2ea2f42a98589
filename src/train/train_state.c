#include "train/train_state.h"

#include "base/mem.h"

void t2i_train_state_take(t2i_train_state *out, t2i_initial_state *initial)
{
    t2i_checkpoint *c = &initial->checkpoint;
    *out = (t2i_train_state){.model = c->model,
                             .vocab = c->vocab,
                             .weights = c->weights,
                             .own = c->weights,
                             .m = c->m,
                             .v = c->v,
                             .ema = c->ema,
                             .run = c->run};
    t2i_free(c->unused_names);
    *c = (t2i_checkpoint){0};
}

void t2i_train_state_free(t2i_train_state *state)
{
    t2i_model_free(&state->model);
    t2i_vocab_free(&state->vocab);
    t2i_free(state->own);
    t2i_free(state->m);
    t2i_free(state->v);
    t2i_free(state->ema);
    t2i_free(state->run.options);
    *state = (t2i_train_state){0};
}

void t2i_train_state_move(t2i_train_state *state, float *weights)
{
    t2i_free(state->own);
    state->own = NULL;
    state->weights = weights;
}

t2i_checkpoint t2i_train_state_checkpoint(const t2i_train_state *state)
{
    t2i_checkpoint all = t2i_train_state_model(state, state->weights);
    all.m = state->m;
    all.v = state->v;
    all.ema = state->ema;
    return all;
}

t2i_checkpoint t2i_train_state_model(const t2i_train_state *state, float *weights)
{
    return (t2i_checkpoint){.model = state->model,
                            .vocab = state->vocab,
                            .weights = weights,
                            .ours = 1,
                            .has_head = 1,
                            .run = state->run};
}
