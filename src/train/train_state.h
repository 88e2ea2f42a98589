/* train_state.h - the state of a running training: model, weights, AdamW moments, counters.
 *
 * A checkpoint (checkpoint.h) is a snapshot of it in a file. Every rank has the weights and the
 * counters, which are equal on all ranks. The moments and averages are distributed in slices
 * (step.h); rank 0 has buffers for all of them, for checkpoints.
 */
#ifndef T2I_TRAIN_STATE_H
#define T2I_TRAIN_STATE_H

#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "model/vocab.h"
#include "train/initial_state.h"

typedef struct {
    t2i_model model;
    t2i_vocab vocab;
    float *weights;     /* a block: `own`, or memory set by t2i_train_state_move */
    float *own;         /* owned; NULL after t2i_train_state_move */
    float *m, *v, *ema; /* owned, rank 0: moments and averages of the last t2i_step_gather;
                           ema NULL: no averaging; all NULL on other ranks */
    t2i_run_state run;  /* counters and best scores; its options are owned, NULL on other ranks */
} t2i_train_state;

/* Takes ownership of the initial state; the checkpoint of initial is empty afterwards. */
void t2i_train_state_take(t2i_train_state *out, t2i_initial_state *initial);
void t2i_train_state_free(t2i_train_state *state);

/* Frees the owned weights and uses `weights` from now on, which are borrowed and already filled
 * (NULL: no weights). */
void t2i_train_state_move(t2i_train_state *state, float *weights);

/* Views for t2i_checkpoint_save, which borrow everything: the state as a checkpoint; and `weights`
 * as a model without moments. */
t2i_checkpoint t2i_train_state_checkpoint(const t2i_train_state *state);
t2i_checkpoint t2i_train_state_model(const t2i_train_state *state, float *weights);

#endif
