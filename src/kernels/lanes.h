/* lanes.h - helpers of kernels: sums in sixteen explicit lanes, maxima, 4 x 4 transposes, exp.
 *
 * Only for bodies of T2I_KERNEL, where everything is inlined and compiled for the kernel's vector
 * level.
 *
 * For AVX2 gcc compiles a loop with `? :` on floats, and a maximum over explicit lanes, to branches
 * on single elements; so both are written with vectors here. Small stores shortly before a wide
 * load of the same bytes stall (store forwarding fails), so values stay in vectors.
 */
#ifndef T2I_LANES_H
#define T2I_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/cpu.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { LANES = 16 };

/* count rounded up to a multiple of LANES. */
T2I_INLINE size_t t2i_padded(size_t count)
{
    return (count + LANES - 1) / LANES * LANES;
}

/* Half and a quarter of the lanes, for loops over lanes that the compiler does not vectorise by
 * itself. (A vector of all lanes would be split into single elements where registers are narrower.)
 */
typedef float t2i_half __attribute__((vector_size(32)));
typedef float t2i_quarter __attribute__((vector_size(16)));
typedef int32_t t2i_half_int __attribute__((vector_size(32)));
typedef int32_t t2i_quarter_int __attribute__((vector_size(16)));

/* Per lane: a where keep is -1, b where it is 0. `type`: t2i_half or t2i_quarter. */
#define T2I_CHOOSE(type, keep, a, b)                                                               \
    ((type)(((type##_int)(a) & (keep)) | ((type##_int)(b) & ~(keep))))
#define T2I_LARGER(type, a, b) T2I_CHOOSE(type, (a) > (b), a, b)

T2I_INLINE void t2i_quarter_of(t2i_quarter *out, const t2i_half *x, size_t which)
{
    memcpy(out, (const char *)x + which * sizeof *out, sizeof *out);
}

/* Sum of the lanes, in pairs: 8, 4, 2, 1. */
T2I_INLINE float t2i_reduce_halves(const t2i_half half[2])
{
    t2i_half sum = half[0] + half[1];
    t2i_quarter a, b;
    t2i_quarter_of(&a, &sum, 0);
    t2i_quarter_of(&b, &sum, 1);
    a += b;
    return (a[0] + a[2]) + (a[1] + a[3]);
}

T2I_INLINE float t2i_reduce_lanes(const float lane[LANES])
{
    t2i_half half[2];
    memcpy(half, lane, sizeof half);
    return t2i_reduce_halves(half);
}

/* Sum of the lanes, in pairs: 8, 4, 2, 1. */
T2I_INLINE double t2i_fold_lanes(double lane[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/* The maximum, with vectors to the end: a branch here would often be mispredicted. */
T2I_INLINE float t2i_largest(const t2i_half *half)
{
    t2i_quarter a, b;
    t2i_quarter_of(&a, half, 0);
    t2i_quarter_of(&b, half, 1);
    a = T2I_LARGER(t2i_quarter, a, b);
    b = (t2i_quarter){a[2], a[3], a[0], a[1]};
    a = T2I_LARGER(t2i_quarter, a, b);
    b = (t2i_quarter){a[1], a[0], a[3], a[2]};
    a = T2I_LARGER(t2i_quarter, a, b);
    return a[0];
}

/* to[c * to_row + r] = row[r][c] for r, c < 4. */
T2I_INLINE void t2i_turn_4x4(float *to, size_t to_row, const float *const row[4])
{
#if defined(__x86_64__)
    __m128 a = _mm_loadu_ps(row[0]), b = _mm_loadu_ps(row[1]), c = _mm_loadu_ps(row[2]),
           d = _mm_loadu_ps(row[3]);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + to_row, b);
    _mm_storeu_ps(to + 2 * to_row, c);
    _mm_storeu_ps(to + 3 * to_row, d);
#else
    for (size_t c = 0; c < 4; c++)
        for (size_t r = 0; r < 4; r++) to[c * to_row + r] = row[r][c];
#endif
}

/* exp(x) for x <= 0 with an error of at most 2 units in the last place; 0 below -87. The polynomial
 * is that of the Cephes library. */
T2I_INLINE void t2i_exp_half(t2i_half *x)
{
    t2i_half least = (t2i_half){0} - 87.0f, zero = {0};
    t2i_half v = T2I_CHOOSE(t2i_half, *x < least, least, *x);
    /* 2^n with n = round(v / ln 2); adding and subtracting 1.5 * 2^23 rounds to an integer */
    t2i_half n = (v * 1.44269504f + 12582912.0f) - 12582912.0f;
    t2i_half r = (v - n * 0.693359375f) + n * 2.12194440e-4f;
    t2i_half p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    n = T2I_CHOOSE(t2i_half, n == n, n, zero); /* a NaN propagates through p */
    t2i_half_int power = __builtin_convertvector(n, t2i_half_int) + 127;
    *x = T2I_CHOOSE(t2i_half, *x < least, zero, p * (t2i_half)(power << 23));
}

#endif
