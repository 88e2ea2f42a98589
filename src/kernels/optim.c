#include "kernels/optim.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/portable_math.h"

t2i_adamw_factors t2i_optim_adamw_begin(const t2i_adamw *options, float factor,
                                        unsigned long update)
{
    double bias1 = 1.0 - t2i_pow64(options->beta1, update),
           bias2 = sqrt(1.0 - t2i_pow64(options->beta2, update));
    return (t2i_adamw_factors){.gradient = factor,
                               .keep = (float)(1.0 - options->lr * options->weight_decay),
                               .first = (float)(1.0 - options->beta1),
                               .second = (float)options->beta2,
                               .second_rest = (float)(1.0 - options->beta2),
                               .step = (float)(options->lr / bias1 * bias2),
                               .eps = (float)(options->eps * bias2)};
}

T2I_INLINE uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

T2I_KERNEL(t2i_bit_sums, t2i_optim_adamw_update,
           (float *restrict w, float *restrict m, float *restrict v, const float *restrict g,
            size_t count, const t2i_adamw_factors *factors),
           (w, m, v, g, count, factors))
{
    const t2i_adamw_factors f =
        *factors; /* a copy, so that the compiler knows that no store changes it */
    t2i_bit_sums sums = {0, 0};
    for (size_t i = 0; i < count; i++) {
        sums.before += bits_of(w[i]) + 3 * bits_of(m[i]) + 5 * bits_of(v[i]);
        float grad = f.gradient * g[i];
        float p = w[i] * f.keep;
        m[i] = m[i] + f.first * (grad - m[i]);
        v[i] = f.second * v[i] + f.second_rest * grad * grad;
        w[i] = p - f.step * (m[i] / (sqrtf(v[i]) + f.eps));
        sums.after += bits_of(w[i]) + 3 * bits_of(m[i]) + 5 * bits_of(v[i]);
    }
    return sums;
}

T2I_STATIC_KERNEL(void, follow,
                  (float *restrict average, const float *restrict w, size_t count, float share),
                  (average, w, count, share))
{
    for (size_t i = 0; i < count; i++) average[i] = average[i] + share * (w[i] - average[i]);
}

void t2i_optim_ema_update(float *average, const float *w, size_t count, double decay,
                          unsigned long number)
{
    double early = (1.0 + (double)number) / (10.0 + (double)number);
    follow(average, w, count, (float)(1.0 - (early < decay ? early : decay)));
}

double t2i_optim_schedule_lr(const t2i_schedule *schedule, long step)
{
    if (step <= schedule->warmup) return schedule->lr * (double)step / (double)schedule->warmup;
    if (!schedule->cosine || schedule->steps <= schedule->warmup) return schedule->lr;
    double done = (double)(step - schedule->warmup) / (double)(schedule->steps - schedule->warmup);
    if (done > 1.0) done = 1.0;
    return schedule->min_lr +
           0.5 * (schedule->lr - schedule->min_lr) * (1.0 + t2i_cos64(3.141592653589793 * done));
}

float t2i_optim_clip_factor(double norm, double clip)
{
    if (clip <= 0.0) return 1.0f;
    double factor = clip / (norm + 1e-6);
    return factor < 1.0 ? (float)factor : 1.0f;
}
