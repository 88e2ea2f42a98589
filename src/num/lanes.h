/* lanes.h - what kernels share: sums in sixteen written-out lanes, and exp.
 *
 * Only for bodies of T2I_KERNEL: everything is inlined there and compiled for the kernel's vector
 * level.
 */
#ifndef T2I_LANES_H
#define T2I_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "t2i/cpu.h"

enum { LANES = 16 };

/* count rounded up to whole groups of lanes. */
T2I_INLINE size_t t2i_padded(size_t count)
{
    return (count + LANES - 1) / LANES * LANES;
}

/* The lanes in pairs: 8, 4, 2, 1. */
T2I_INLINE float t2i_fold_lanes(float lane[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/* exp(x) for x <= 0 within 2 units in the last place, 0 below -87: Cephes' polynomial, in plain
 * operations. */
T2I_INLINE void t2i_exp_lanes(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float v = x[i] < -87.0f ? -87.0f : x[i];
        /* 2^n with n = round(v / ln 2); adding and taking away 1.5 * 2^23 rounds to a whole number
         */
        float n = (v * 1.44269504f + 12582912.0f) - 12582912.0f;
        float r = (v - n * 0.693359375f) + n * 2.12194440e-4f;
        float p = 1.9875691500e-4f;
        p = p * r + 1.3981999507e-3f;
        p = p * r + 8.3334519073e-3f;
        p = p * r + 4.1665795894e-2f;
        p = p * r + 1.6666665459e-1f;
        p = p * r + 5.0000001201e-1f;
        p = p * (r * r) + r + 1.0f;
        uint32_t bits = (uint32_t)((int32_t)(n == n ? n : 0.0f) + 127)
                        << 23; /* a NaN goes on in p */
        float power;
        memcpy(&power, &bits, sizeof power);
        x[i] = x[i] < -87.0f ? 0.0f : p * power;
    }
}

#endif
