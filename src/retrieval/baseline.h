/* baseline.h - rankings of the pictures without a model, to compare a model's scores with.
 *
 * Best constant order: the same order for every prompt; first come the pictures of the most
 * training pairs. Nearest training prompts: training prompts are ordered by their similarity to the
 * prompt (Jaccard index of trigrams, trigram.h); their pictures come in that order, and pictures
 * without a training pair come last. Ties are ordered by number.
 *
 * A rank is 1 + the number of pictures before the first right one. Pictures that fit the prompt by
 * another split only (t2i_fitting) do not count.
 */
#ifndef T2I_BASELINE_H
#define T2I_BASELINE_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "dataset/prompts.h"
#include "retrieval/trigram.h"

typedef struct {
    const t2i_prompts *prompts; /* borrowed */
    size_t images;
    size_t training;    /* number T of distinct training prompts */
    size_t rows;        /* training pairs */
    uint32_t *prompt;   /* owned: (T) number of each in `prompts` */
    uint32_t *pairs_of; /* owned: (images) number of training pairs of each picture */
    uint32_t *first;    /* owned: (images + 1) where the prompts of each picture begin in `of` */
    uint32_t *of;       /* owned: numbers of training prompts, ascending for each picture */
    uint32_t *begin;    /* owned: (T + 1) where the pictures of each prompt begin in `picture` */
    uint32_t *picture;  /* owned: distinct pictures of each training prompt */
    uint32_t *unused;   /* owned: (images + 1) number of earlier pictures without training pairs */
    uint32_t *constant; /* owned: (images) place in the best constant order, from 0 */
    t2i_trigram_index index; /* of the training prompts */
    uint32_t *shared;        /* owned: (T) scratch */
    uint64_t *listed;        /* owned: scratch; one bit per picture: before the first right one */
} t2i_baseline;

/* Everything but the trigram index. T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_baseline_new(t2i_baseline *out, const t2i_prompts *prompts,
                                        size_t images, t2i_error *err);
/* Builds the index that t2i_baseline_nearest needs. T2I_SYSTEM, and the failures of reading. */
T2I_CHECKED t2i_status t2i_baseline_index(t2i_baseline *baseline, t2i_dataset *dataset,
                                          t2i_error *err);
void t2i_baseline_free(t2i_baseline *baseline);

/* place (images): place of each picture in ascending order of value (images), from 0. Of equal
 * values the lower number comes first. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_baseline_order(const double *value, size_t images, uint32_t *place,
                                          t2i_error *err);
/* Rank of the first right picture in such an order. `fitting` (count) has a right picture. */
size_t t2i_baseline_rank(const uint32_t *place, const t2i_fitting *fitting, size_t count);

/* The same in descending order of score (images): of equal scores the lower number comes first. */
size_t t2i_baseline_rank_scores(const double *score, size_t images, const t2i_fitting *fitting,
                                size_t count);

/* Rank of the first right picture by nearest training prompts. */
T2I_CHECKED t2i_status t2i_baseline_nearest(t2i_baseline *baseline, const t2i_text *prompt,
                                            const t2i_fitting *fitting, size_t count, size_t *rank,
                                            t2i_error *err);

#endif
