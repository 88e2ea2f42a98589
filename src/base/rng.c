#include "base/rng.h"

#include <math.h>

#include "base/portable_math.h"

void t2i_rng_block(uint64_t key, uint64_t hi, uint64_t lo, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)lo, c1 = (uint32_t)(lo >> 32), c2 = (uint32_t)hi,
             c3 = (uint32_t)(hi >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t t2i_rng_bits(uint64_t key, uint64_t stream, uint64_t i)
{
    uint32_t r[4];
    t2i_rng_block(key, stream, i, r);
    return (uint64_t)r[1] << 32 | r[0];
}

double t2i_rng_uniform(uint64_t key, uint64_t stream, uint64_t i)
{
    return (double)(t2i_rng_bits(key, stream, i) >> 40) / 16777216.0;
}

double t2i_rng_normal(uint64_t key, uint64_t stream, uint64_t i)
{
    uint32_t r[4];
    t2i_rng_block(key, stream, i, r);
    double u = ((double)r[0] + 0.5) / 4294967296.0; /* in (0, 1): the logarithm is finite */
    double angle = 6.283185307179586 * ((double)r[1] / 4294967296.0);
    return sqrt(-2.0 * t2i_log64(u)) * t2i_cos64(angle);
}

uint64_t t2i_rng_below(uint64_t key, uint64_t stream, uint64_t i, uint64_t n)
{
    uint64_t bits = t2i_rng_bits(key, stream, i);
    if (n > UINT32_MAX) return bits % n;
    return ((bits >> 32) * n + ((bits & UINT32_MAX) * n >> 32)) >> 32; /* high half of bits * n */
}

uint64_t t2i_rng_permute(uint64_t key, uint64_t stream, uint64_t n, uint64_t i)
{
    enum { ROUNDS = 6 };
    unsigned half = 1;
    while (half < 31 && (uint64_t)1 << 2 * half < n) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint64_t mixed = left ^ (t2i_rng_bits(key, stream, right << 3 | round) & mask);
            left = right;
            right = mixed;
        }
        i = left << half | right;
    } while (i >= n); /* terminates: the cycle of i contains a value below n */
    return i;
}
