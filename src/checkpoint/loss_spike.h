/* loss_spike.h - detects a loss that lies far above those of the preceding steps.
 *
 * A spike indicates a learning rate that is too high, bad data in a batch, or an error that
 * checksums do not detect. The statistics are those of the loss's logarithm, because a loss falls
 * by orders of magnitude: an exponential moving mean and variance over about T2I_LOSS_SPIKE_STEPS
 * steps. They are floats, so that a checkpoint stores them exactly and a resumed run decides alike.
 */
#ifndef T2I_LOSS_SPIKE_H
#define T2I_LOSS_SPIKE_H

enum { T2I_LOSS_SPIKE_STEPS = 100 };

typedef struct {
    float mean, variance;
    long steps; /* number of losses added */
} t2i_loss_spike;

/* Returns by how many standard deviations the loss lies above the mean (of logarithms); 0 if below,
 * and for the first T2I_LOSS_SPIKE_STEPS steps. The deviation is increased by 0.05, that is 5 %. */
double t2i_loss_spike_score(const t2i_loss_spike *spike, double loss);
/* Adds a finite loss to the statistics. */
void t2i_loss_spike_add(t2i_loss_spike *spike, double loss);

#endif
