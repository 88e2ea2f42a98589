/* rng.h - counter-based random numbers: a pure function of (key, counter).
 *
 * Why: the state of a sampler is then the step number alone, any rank can make
 * any shard's numbers, and a resumed run draws what it would have drawn.
 * Generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
 * numbers: as easy as 1, 2, 3", SC'11), checked against its published vectors.
 */
#ifndef T2I_RNG_H
#define T2I_RNG_H

#include <stdint.h>

/* One block of four 32-bit numbers for 64-bit key and 128-bit counter (hi, lo). */
void t2i_rng_block(uint64_t key, uint64_t hi, uint64_t lo, uint32_t out[4]);

/* Number i of stream (key, stream): 64 random bits; uniform in [0, 1) with 24 bits (exact in
 * float); standard normal (Box-Muller, computed in double). */
uint64_t t2i_rng_bits(uint64_t key, uint64_t stream, uint64_t i);
double t2i_rng_uniform(uint64_t key, uint64_t stream, uint64_t i);
double t2i_rng_normal(uint64_t key, uint64_t stream, uint64_t i);

/* Uniform integer in [0, n), n > 0, without modulo bias beyond 2^-32 n. */
uint64_t t2i_rng_below(uint64_t key, uint64_t stream, uint64_t i, uint64_t n);

/* Element i (< n) of a pseudo-random permutation of 0..n-1 chosen by (key, stream). Constant
 * memory: a balanced Feistel network over the next power of four, walked until it lands below n
 * (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). n at most 2^62. */
uint64_t t2i_rng_permute(uint64_t key, uint64_t stream, uint64_t n, uint64_t i);

#endif
