#include "train/sampler.h"

#include "base/rng.h"

static size_t cut(size_t batch, size_t shards, size_t v)
{
    return v * batch / shards;
}

static uint64_t first_row(size_t batch, size_t shards, uint64_t rows, size_t v)
{
    /* rows are below 2^32, and batch is at most 2^20 */
    return rows * cut(batch, shards, v) / batch;
}

/* Does every shard have a row to draw? If there are fewer rows than the batch, rounding can leave a
 * shard without rows.
 */
static int all_have_rows(size_t batch, size_t shards, uint64_t rows)
{
    for (size_t v = 0; v < shards; v++)
        if (first_row(batch, shards, rows, v) == first_row(batch, shards, rows, v + 1)) return 0;
    return 1;
}

t2i_status t2i_sampler_shards(size_t *shards, size_t wanted, size_t ranks, size_t workers,
                              size_t batch, uint64_t rows, t2i_error *err)
{
    size_t least = batch < rows ? batch : (size_t)rows;
    if (rows == 0)
        return t2i_fail(err, T2I_DATA,
                        "the dataset has no training rows; build it with pairs of the split train");
    if (wanted == 0) {
        size_t v = 8;
        while (v < workers && v < (size_t)1 << 20) v *= 2;
        while (v > least || !all_have_rows(batch, v, rows)) v /= 2;
        *shards = v;
        return T2I_OK;
    }
    if ((wanted & (wanted - 1)) != 0)
        return t2i_fail(err, T2I_USAGE, "shards = %zu is not a power of two (1, 2, 4, 8, ...)",
                        wanted);
    if (wanted < ranks)
        return t2i_fail(err, T2I_USAGE,
                        "shards = %zu is below the %zu ranks; each rank needs at least one shard",
                        wanted, ranks);
    if (wanted > least)
        return t2i_fail(err, T2I_USAGE,
                        "shards = %zu is above %s = %zu; each shard needs at least one row", wanted,
                        batch < rows ? "batch" : "the training rows", least);
    if (!all_have_rows(batch, wanted, rows))
        return t2i_fail(err, T2I_USAGE,
                        "shards = %zu leaves a shard without rows (batch %zu, %llu training rows); "
                        "use fewer shards, or a batch that is a multiple of their number",
                        wanted, batch, (unsigned long long)rows);
    *shards = wanted;
    return T2I_OK;
}

size_t t2i_sampler_draws(const t2i_sampler *sampler, size_t shard)
{
    return cut(sampler->batch, sampler->shards, shard + 1) -
           cut(sampler->batch, sampler->shards, shard);
}

uint64_t t2i_sampler_first_row(const t2i_sampler *sampler, size_t shard)
{
    return first_row(sampler->batch, sampler->shards, sampler->rows, shard);
}

void t2i_sampler_sample(const t2i_sampler *sampler, uint64_t step, size_t shard, uint64_t *row)
{
    size_t draws = t2i_sampler_draws(sampler, shard),
           position = cut(sampler->batch, sampler->shards, shard);
    uint64_t first = t2i_sampler_first_row(sampler, shard),
             own = t2i_sampler_first_row(sampler, shard + 1) - first;
    for (size_t i = 0; i < draws; i++) {
        uint64_t k = (step - 1) * draws + i, p = (step - 1) * sampler->batch + position + i;
        if (sampler->kind == T2I_SAMPLER_FILE)
            row[i] = sampler->sampler_file[p];
        else if (sampler->kind == T2I_UNIFORM)
            row[i] = t2i_rng_below(sampler->seed ^ T2I_KEY_UNIFORM, 0, p, sampler->rows);
        else
            row[i] = first + t2i_rng_permute(sampler->seed ^ T2I_KEY_SHARDED,
                                             (uint64_t)shard << 44 | k / own, own, k % own);
    }
}
