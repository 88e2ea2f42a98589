/* optim.h - AdamW, moving average, learning rate schedules and gradient clipping on flat arrays. */
#ifndef T2I_OPTIM_H
#define T2I_OPTIM_H

#include <stddef.h>
#include <stdint.h>

/* AdamW with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW. The bias
 * correction of v is folded into `step` and `eps` below, which saves a division (Kingma and Ba
 * 2015, end of section 2). */
typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
} t2i_adamw;

/* Factors of an update, the same for all weights. factor: multiplies the gradient (clipping).
 * update: number of this update from 1, for the bias correction. */
typedef struct {
    float gradient, keep, first, second, second_rest, step, eps;
} t2i_adamw_factors;
t2i_adamw_factors t2i_optim_adamw_begin(const t2i_adamw *options, float factor,
                                        unsigned long update);

/* Checksums of a slice before and after an update: sums of w + 3 m + 5 v, with the bits taken as
 * integers. Every flipped bit changes the sum, as the factors are odd. */
typedef struct {
    uint32_t before, after;
} t2i_bit_sums;

/* One update of count weights w with moments m, v and gradient g. Element-wise: any division into
 * slices computes the same bits. (The checksums take no time here: divisions limit the loop.) */
t2i_bit_sums t2i_optim_adamw_update(float *w, float *m, float *v, const float *g, size_t count,
                                    const t2i_adamw_factors *factors);

/* Exponential moving average of the weights (after Polyak and Ruppert): average += (1 - decay) * (w
 * - average), element-wise. The decay is at most (1 + update) / (10 + update), with updates counted
 * from 1, so that the initial weights soon lose their influence. */
void t2i_optim_ema_update(float *average, const float *w, size_t count, double decay,
                          unsigned long update);

typedef struct {
    double lr, min_lr;
    long warmup, steps;
    int cosine; /* 0: constant after the warm-up */
} t2i_schedule;

/* Learning rate of a step (from 1): linear over `warmup` steps, then constant, or half a cosine
 * from lr to min_lr at `steps`. */
double t2i_optim_schedule_lr(const t2i_schedule *schedule, long step);

/* Factor of a gradient of this norm: min(1, clip / (norm + 1e-6)), as torch's clip_grad_norm_; 1 if
 * clip is 0. */
float t2i_optim_clip_factor(double norm, double clip);

#endif
