/* loss_spike.h - how far a step's loss lies above those before it.
 *
 * Why: a loss that jumps is the first sign of a learning rate that is too high, of a batch of
 * rubbish, or of an error that no check of bits sees. It is judged by its logarithm, as a loss
 * falls by powers of ten. Mean and variance fade over about a hundred steps. They are floats, so
 * that a checkpoint holds them exactly and a resumed run judges alike.
 */
#ifndef T2I_LOSS_SPIKE_H
#define T2I_LOSS_SPIKE_H

enum { T2I_LOSS_SPIKE_STEPS = 100 };

typedef struct {
    float mean, variance;
    long steps; /* that were counted */
} t2i_loss_spike;

/* The standard deviations by which it lies above the mean; 0 for the first hundred steps, as long
 * as there is no usual loss. 5 % count as deviation at least. */
double t2i_loss_spike_score(const t2i_loss_spike *spike, double loss);
/* Counts a finite loss. */
void t2i_loss_spike_add(t2i_loss_spike *spike, double loss);

#endif
