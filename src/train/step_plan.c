#include "train/step_plan.h"

#include "base/mem.h"
#include "comm/reduce.h"
#include "model/packed_weights.h"
#include "model/transformer.h"

/* Tokens of a bundle for which a layer is packed again: packing it in both directions then takes at
 * most a twentieth of the time of the products with it. */
static const size_t worth_packing = 512;

static size_t most_of_sections(const t2i_model *model)
{
    size_t most = 0;
    for (size_t i = 0; i < t2i_model_sections(&model->config); i++) {
        t2i_section s = t2i_model_section(model, i);
        if (s.end - s.begin > most) most = s.end - s.begin;
    }
    return most;
}

/* Bytes that depend on the plan, of all workers. */
static double cost(const t2i_model *model, size_t shards, size_t rows, size_t tokens, int workers,
                   const t2i_step_plan *plan)
{
    t2i_work_sizes one = {.passes = 1, .rows = rows, .most_rows = rows, .longest = tokens},
                   two = one;
    two.passes = 2;
    double pass = (double)(t2i_transformer_work_bytes(model, &two) -
                           t2i_transformer_work_bytes(model, &one)),
           bytes = plan->by_layer ? (double)workers * (double)t2i_packed_layer_bytes(model)
                                  : (double)t2i_packed_weights_bytes(model, T2I_TO_TRAIN);
    for (int w = 0; w < workers; w++) {
        t2i_reduce_buffers b = t2i_reduce_count(shards, w, workers, plan->bundle);
        bytes +=
            4.0 * (double)(b.blocks * model->layout.floats + (b.all - b.blocks) * plan->section);
        bytes += pass * (double)plan->bundle;
    }
    return bytes;
}

t2i_step_plan t2i_step_plan_make(const t2i_model *model, const t2i_sampler *sampler, int size,
                                 int threads, double prompt_bytes)
{
    size_t whole = model->layout.floats;
    int workers = size * threads, big = t2i_mem_at_least(whole * sizeof(float), 32, "T2I_LARGE_MB");
    t2i_step_plan best = {.bundle = 1, .section = whole, .in_place = size == 1 && big};
    if (!big) return best;
    size_t shards = sampler->shards, rows = (sampler->batch + shards - 1) / shards,
           longest = model->config.block_size;
    double mean = prompt_bytes / (double)sampler->rows;
    size_t tokens = mean < 1 ? 1 : mean > (double)longest ? longest : (size_t)mean;
    /* with n-grams the first section is complete only when the last is */
    int sections = model->config.ngram_buckets == 0;
    for (size_t bundle = 1; bundle * (size_t)workers <= shards && (sections || bundle == 1);
         bundle *= 2) {
        t2i_step_plan plan = {.bundle = bundle,
                              .section = sections ? most_of_sections(model) : whole,
                              .by_layer = bundle * rows * tokens >= worth_packing,
                              .in_place = best.in_place};
        if (bundle == 1 || cost(model, shards, rows, tokens, workers, &plan) <
                               cost(model, shards, rows, tokens, workers, &best))
            best = plan;
    }
    return best;
}
