/* sampler.h - the rows of each shard at each step: pure functions of (seed, step, shard).
 *
 * The step number is the only state of the sampler, so a resumed run draws the same rows as an
 * uninterrupted one, and any rank can compute any shard. With V shards and batch B, c(v) = floor(v
 * B / V): shard v owns rows floor(N c(v) / B) .. floor(N c(v+1) / B) of the N training rows in
 * their total order, and draws c(v+1) - c(v) of them at every step: its k-th draw is element k mod
 * N_v of permutation floor(k / N_v) of its own. The other samplers give position p of the batch to
 * the shard with c(v) <= p < c(v+1).
 */
#ifndef T2I_SAMPLER_H
#define T2I_SAMPLER_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef enum { T2I_SHARDED, T2I_UNIFORM, T2I_SAMPLER_FILE } t2i_sampler_kind;

typedef struct {
    size_t shards, batch;
    uint64_t rows; /* N; with T2I_SAMPLER_FILE the number of rows to which the file refers */
    uint64_t seed;
    t2i_sampler_kind kind;
    const uint64_t
        *sampler_file; /* T2I_SAMPLER_FILE: batch row numbers per step, from step 1; borrowed */
} t2i_sampler;

/* The number of shards V of a new run. wanted: the option `shards`; if it is 0, V is 8, or the next
 * power of two >= workers (ranks x threads) if that is larger, at most the largest power of two <=
 * min(batch, rows), and halved until every shard has rows. T2I_USAGE: `wanted` is not a power of
 * two, is below ranks, is above batch or rows, or leaves a shard without rows. T2I_DATA: rows is
 * 0. */
T2I_CHECKED t2i_status t2i_sampler_shards(size_t *shards, size_t wanted, size_t ranks,
                                          size_t workers, size_t batch, uint64_t rows,
                                          t2i_error *err);

size_t t2i_sampler_draws(const t2i_sampler *sampler,
                         size_t shard); /* rows of a shard in every batch */
uint64_t t2i_sampler_first_row(const t2i_sampler *sampler,
                               size_t shard); /* of N; shard = V gives N */

/* Writes the rows (of N) that a shard draws at a step (from 1) to row; their number is
 * t2i_sampler_draws. */
void t2i_sampler_sample(const t2i_sampler *sampler, uint64_t step, size_t shard, uint64_t *row);

#endif
