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
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { LANES = 16 };

/* count rounded up to a multiple of LANES. */
T2I_INLINE size_t t2i_padded(size_t count)
{
    return (count + LANES - 1) / LANES * LANES;
}

/* A part of the lanes, and a quarter, for loops over lanes that the compiler does not vectorise by
 * itself. (A vector that is wider than the registers would be split into single elements.) */
#if defined(__aarch64__)
enum { T2I_PART = LANES / 4 };
#else
enum { T2I_PART = LANES / 2 };
#endif
typedef float t2i_part __attribute__((vector_size(4 * T2I_PART)));
typedef float t2i_quarter __attribute__((vector_size(16)));
typedef int32_t t2i_part_int __attribute__((vector_size(4 * T2I_PART)));
typedef int32_t t2i_quarter_int __attribute__((vector_size(16)));

/* Per lane: a where keep is -1, b where it is 0. `type`: t2i_part or t2i_quarter. */
#define T2I_CHOOSE(type, keep, a, b)                                                               \
    ((type)(((type##_int)(a) & (keep)) | ((type##_int)(b) & ~(keep))))
#define T2I_LARGER(type, a, b) T2I_CHOOSE(type, (a) > (b), a, b)

T2I_INLINE void t2i_quarter_of(t2i_quarter *out, const void *x, size_t which)
{
    memcpy(out, (const char *)x + which * sizeof *out, sizeof *out);
}

/* Sum of the lanes, in pairs: 8, 4, 2, 1. */
T2I_INLINE float t2i_reduce_parts(const t2i_part part[LANES / T2I_PART])
{
    enum { HALF = LANES / 2 / T2I_PART };
    t2i_part sum[HALF];
    t2i_quarter a, b;
    for (size_t i = 0; i < HALF; i++) sum[i] = part[i] + part[i + HALF];
    t2i_quarter_of(&a, sum, 0);
    t2i_quarter_of(&b, sum, 1);
    a += b;
    return (a[0] + a[2]) + (a[1] + a[3]);
}

T2I_INLINE float t2i_reduce_lanes(const float lane[LANES])
{
    t2i_part part[LANES / T2I_PART];
    memcpy(part, lane, sizeof part);
    return t2i_reduce_parts(part);
}

/* Sum of the lanes, in pairs: 8, 4, 2, 1. */
T2I_INLINE double t2i_fold_lanes(double lane[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/* The maximum, with vectors to the end: a branch here would often be mispredicted. */
T2I_INLINE float t2i_largest(const t2i_part *part)
{
    t2i_quarter a, b;
    t2i_quarter_of(&a, part, 0);
    if (T2I_PART > LANES / 4) {
        t2i_quarter_of(&b, part, 1);
        a = T2I_LARGER(t2i_quarter, a, b);
    }
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
#elif defined(__aarch64__)
    float32x4x2_t ab = vtrnq_f32(vld1q_f32(row[0]), vld1q_f32(row[1])),
                  cd = vtrnq_f32(vld1q_f32(row[2]), vld1q_f32(row[3]));
    for (size_t c = 0; c < 2; c++) {
        vst1q_f32(to + c * to_row, vcombine_f32(vget_low_f32(ab.val[c]), vget_low_f32(cd.val[c])));
        vst1q_f32(to + (c + 2) * to_row,
                  vcombine_f32(vget_high_f32(ab.val[c]), vget_high_f32(cd.val[c])));
    }
#else
    for (size_t c = 0; c < 4; c++)
        for (size_t r = 0; r < 4; r++) to[c * to_row + r] = row[r][c];
#endif
}

/* exp(x) for x <= 0 with an error of at most 2 units in the last place; 0 below -87. The polynomial
 * is that of the Cephes library. In two steps, exp(x) = 2^n exp(r), since two loops are faster: a
 * CPU has room for few instructions that wait for one another. */
T2I_INLINE void t2i_exp_begin(t2i_part *x, t2i_part *n)
{
    const t2i_part least = (t2i_part){0} - 87.0f, none = (t2i_part){0} - 127.0f;
    t2i_part v = T2I_CHOOSE(t2i_part, *x < least, least, *x);
    /* n = round(v / ln 2); adding and subtracting 1.5 * 2^23 rounds to an integer */
    t2i_part m = (v * 1.44269504f + 12582912.0f) - 12582912.0f;
    *n = T2I_CHOOSE(t2i_part, *x < least, none, m); /* the exponent of 0 */
    *x = (v - m * 0.693359375f) + m * 2.12194440e-4f;
}

T2I_INLINE void t2i_exp_end(t2i_part *r, const t2i_part *n)
{
    t2i_part p = 1.9875691500e-4f * *r + 1.3981999507e-3f;
    p = p * *r + 8.3334519073e-3f;
    p = p * *r + 4.1665795894e-2f;
    p = p * *r + 1.6666665459e-1f;
    p = p * *r + 5.0000001201e-1f;
    p = p * (*r * *r) + *r + 1.0f;
    t2i_part whole = T2I_CHOOSE(t2i_part, *n == *n, *n, (t2i_part){0}); /* NaN: p is NaN, too */
    t2i_part_int power = __builtin_convertvector(whole, t2i_part_int) + 127;
    *r = p * (t2i_part)(power << 23);
}

T2I_INLINE void t2i_exp_part(t2i_part *x)
{
    t2i_part n;
    t2i_exp_begin(x, &n);
    t2i_exp_end(x, &n);
}

#endif
