/* rng.h - counter-based random numbers: a pure function of (key, counter).
 *
 * Why: the step number is the only state of a sampler, any rank can compute the numbers of any
 * shard, and a resumed run draws the same numbers as one that was not interrupted. For example, the
 * initial values of a tensor are a function of (seed, tensor name, element), and the permutation of
 * a shard is a function of (seed, shard, number of the permutation).
 *
 * Generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
 * numbers: as easy as 1, 2, 3", SC'11), checked against its published vectors.
 */
#ifndef T2I_RNG_H
#define T2I_RNG_H

#include <stdint.h>

/* All random streams. A number is a function of (key, stream, i). Each purpose has its own streams
 * or key, so that no two purposes use the same numbers. The values must never change, since results
 * depend on them. (Macros, since an enumerator of C11 is an int.) The key is the user's seed unless
 * noted.
 *
 * | stream                      | for                                        | i                 |
 * |-----------------------------|--------------------------------------------|-------------------|
 * | PICTURES, CAPTIONS          | shapes: which pictures and pairs are made  | index permuted    |
 * | HOLDOUT_GROUPS              | holdout: groups that are held out          | group permuted    |
 * | EMOJI_GROUPS, EMOJI_PROMPTS | emoji_split: groups, prompts held out      | index permuted    |
 * | EVAL_SAMPLE + split         | eval_plan: prompts that are evaluated      | index permuted    |
 * | NEGATIVES + step            | contrastive_loss: pictures to tell from    | index permuted    |
 * | AUGMENT + step              | augment: changes of prompts                | position x 256 +  |
 * |                             |                                            | draws so far      |
 * | COMBINE + picture           | combine_prompts: prompts that are joined   | draws so far      |
 * | hash of a tensor's name     | model: fresh weights                       | element           |
 * | 0 (key: seed ^ UNIFORM)     | sampler: rows drawn with replacement       | draw              |
 * | shard << 44 | pass          | sampler: rows of a shard, in a new order   | row permuted      |
 * |   (key: seed ^ SHARDED)     |   each pass                                |                   |
 * | number of a direction       | pca: directions to begin with              | pixel             |
 * |   (key: PCA)                |                                            |                   |
 * | step << 32 | shard << 12 |  | dropout: masks                             | hash of a prefix  |
 * |   place (key: seed ^        |                                            | + number of eight |
 * |   DROPOUT)                  |                                            | elements          |
 * | number of a split (key: 0)  | preview: pairs that are shown              | cell              |
 * | split << 32 | resample      | scores: resamples for confidence intervals | prompt            |
 *
 * Streams of one seed in different programs may coincide (PICTURES and a split's number): their
 * results never meet. */
#define T2I_STREAM_PICTURES       ((uint64_t)1)
#define T2I_STREAM_CAPTIONS       ((uint64_t)2)
#define T2I_STREAM_HOLDOUT_GROUPS ((uint64_t)3)
#define T2I_STREAM_EMOJI_GROUPS   ((uint64_t)5)
#define T2I_STREAM_EMOJI_PROMPTS  ((uint64_t)6)
#define T2I_STREAM_EVAL_SAMPLE    ((uint64_t)40)
#define T2I_STREAM_NEGATIVES      ((uint64_t)1 << 20)
#define T2I_STREAM_AUGMENT        ((uint64_t)1 << 40)
#define T2I_STREAM_COMBINE        ((uint64_t)1 << 41)
#define T2I_KEY_SHARDED           0x7368617264656421u
#define T2I_KEY_UNIFORM           0x756e69666f726d21u
#define T2I_KEY_PCA               0x7063612d74326900u
#define T2I_KEY_DROPOUT           0x64726f706f757421u

/* One block of four 32-bit numbers for a 64-bit key and a 128-bit counter (hi, lo). */
void t2i_rng_block(uint64_t key, uint64_t hi, uint64_t lo, uint32_t out[4]);

/* Number i of the stream (key, stream): 64 random bits; uniform in [0, 1) with 24 bits (exact as a
 * float); standard normal (Box-Muller, computed in double). */
uint64_t t2i_rng_bits(uint64_t key, uint64_t stream, uint64_t i);
double t2i_rng_uniform(uint64_t key, uint64_t stream, uint64_t i);
double t2i_rng_normal(uint64_t key, uint64_t stream, uint64_t i);

/* Uniform integer in [0, n), n > 0; the modulo bias is at most 2^-32 n. */
uint64_t t2i_rng_below(uint64_t key, uint64_t stream, uint64_t i, uint64_t n);

/* Element i (< n) of the pseudo-random permutation of 0..n-1 given by (key, stream). Needs no
 * memory: a balanced Feistel network over the next power of four, iterated until the value is below
 * n (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). n at most 2^62. */
uint64_t t2i_rng_permute(uint64_t key, uint64_t stream, uint64_t n, uint64_t i);

#endif
