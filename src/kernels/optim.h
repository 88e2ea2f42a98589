/* optim.h - AdamW, schedules and clipping on flat arrays. */
#ifndef T2I_OPTIM_H
#define T2I_OPTIM_H

#include <stddef.h>
#include <stdint.h>

/* Decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW; the bias correction of
 * v is in `step` and `eps`, which saves a division (Kingma and Ba 2015, end of section 2). */
typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
} t2i_adamw;

/* What an update multiplies with: the same for all weights. factor: of the gradient (clipping).
 * update counts from 1: the number of this update, for the bias correction. */
typedef struct {
    float gradient, keep, first, second, second_rest, step, eps;
} t2i_adamw_factors;
t2i_adamw_factors t2i_optim_adamw_begin(const t2i_adamw *options, float factor,
                                        unsigned long update);

/* Of the bits of w + 3 m + 5 v, as whole numbers: before an update and after it. A flipped bit
 * changes such a sum, as the factors are odd. */
typedef struct {
    uint32_t before, after;
} t2i_bit_sums;

/* One update of count weights w with moments m, v and gradient g. Element-wise: any cut into slices
 * gives the same bits. (The sums cost nothing here: the loop waits for its divisions.) */
t2i_bit_sums t2i_optim_adamw_update(float *w, float *m, float *v, const float *g, size_t count,
                                    const t2i_adamw_factors *factors);

/* An average of the weights that follows them (Polyak, Ruppert): average += (1 - decay) * (w -
 * average), element by element. In the first updates (from 1) the decay is at most (1 + update) /
 * (10 + update), so that the start is soon forgotten. */
void t2i_optim_ema_update(float *average, const float *w, size_t count, double decay,
                          unsigned long update);

typedef struct {
    double lr, min_lr;
    long warmup, steps;
    int cosine; /* 0: constant after the warm-up */
} t2i_schedule;

/* Learning rate of a step (from 1): linear over `warmup` steps, then constant, or half a cosine
 * from lr down to min_lr at `steps`. */
double t2i_optim_schedule_lr(const t2i_schedule *schedule, long step);

/* Factor for a gradient of this norm: min(1, clip / (norm + 1e-6)), as torch's clip_grad_norm_; 1
 * when clip is 0. */
float t2i_optim_clip_factor(double norm, double clip);

#endif
