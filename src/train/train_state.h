/* train_state.h - the live model of a run: weights, AdamW's moments, counters.
 *
 * A checkpoint (checkpoint.h) is a picture of it in a file. The ranks hold it together: every rank
 * has the weights and the counters, which change alike on all of them; the moments and averages
 * lie in slices in step.h, and rank 0 has room for all of them, for checkpoints.
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
    float *weights;     /* a block: `own`, or memory of others (t2i_train_state_move) */
    float *own;         /* owned; NULL once they were moved */
    float *m, *v, *ema; /* owned, rank 0: moments and averages of the newest t2i_step_gather;
                           ema NULL: none are kept; all NULL on other ranks */
    t2i_run_state run;  /* counters and best scores; its options are owned, NULL on other ranks */
} t2i_train_state;

/* Takes over what a run starts from; the checkpoint of initial is empty afterwards. */
void t2i_train_state_take(t2i_train_state *out, t2i_initial_state *initial);
void t2i_train_state_free(t2i_train_state *state);

/* The weights lie in `weights` from now on, which is borrowed and has been filled (NULL: there are
 * none any more). */
void t2i_train_state_move(t2i_train_state *state, float *weights);

/* Views for t2i_checkpoint_save, which borrow everything: the whole state as a checkpoint; these
 * weights as a model without moments. */
t2i_checkpoint t2i_train_state_checkpoint(const t2i_train_state *state);
t2i_checkpoint t2i_train_state_model(const t2i_train_state *state, float *weights);

#endif
