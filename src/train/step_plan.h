/* step_plan.h - what a step keeps in memory at once, decided from the sizes of the run.
 *
 * A small model computes a shard's whole gradient at a time and packs all weights once a step: that
 * is fastest. For a large model gradients and packed weights would be most of the memory. There a
 * worker computes the shards of a bundle side by side, layer by layer, so that few whole gradients
 * are needed (reduce.h), and packs a layer when it comes to it. The plan is the same on all ranks
 * and changes no bits. A model is large from 32 MB of weights on; T2I_LARGE_MB in the environment
 * sets another limit, for tests.
 */
#ifndef T2I_STEP_PLAN_H
#define T2I_STEP_PLAN_H

#include <stddef.h>
#include "model/model.h"
#include "train/sampler.h"

typedef struct {
    size_t bundle;  /* maximum number of shards that a worker computes side by side */
    size_t section; /* maximum floats of a gradient's section; a whole block: no sections */
    int by_layer;   /* weights are packed by layer (packed_weights.h) */
    int in_place;   /* one rank: the state has the only moments and averages, and checkpoints are
                       written from it */
} t2i_step_plan;

/* prompt_bytes: of all training prompts. */
t2i_step_plan t2i_step_plan_make(const t2i_model *model, const t2i_sampler *sampler, int size,
                                 int threads, double prompt_bytes);

#endif
