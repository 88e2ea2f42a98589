/* baseline.h - what answers a prompt without a model: the same order of the pictures for every
 * prompt, or the training prompt that is most alike.
 *
 * Why: a score means something beside what can be had for nothing. The best constant order has
 * first the pictures that are right for the most training prompts. The nearest training prompts are
 * those with the most trigrams in common (trigram.h): their pictures come first, then those of the
 * next nearest, and at the end the pictures that nothing was trained with. Ties go by number.
 *
 * A rank is 1 + pictures before the first right one, those left out that fit the prompt by another
 * split (t2i_fitting).
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
    size_t trained;     /* training prompts, distinct */
    size_t rows;        /* training pairs */
    uint32_t *prompt;   /* owned: trained; which of the prompts each is */
    uint32_t *pairs_of; /* owned: images; training pairs that have each picture */
    uint32_t *first;    /* owned: images + 1; where each picture's training prompts begin */
    uint32_t *of;       /* owned: numbers of training prompts, ascending for each picture */
    uint32_t *begin;    /* owned: trained + 1; where each training prompt's pictures begin */
    uint32_t *picture;  /* owned: its distinct pictures */
    uint32_t *unused;   /* owned: images + 1; pictures before each that nothing was trained with */
    uint32_t *constant; /* owned: images; place of each in the best constant order, from 0 */
    t2i_trigram_index index; /* of the training prompts */
    uint32_t *shared;        /* owned: trained */
    uint64_t *listed;        /* owned: a bit a picture: comes it before the first right one? */
} t2i_baseline;

/* Without the index. Empty on failure. */
T2I_CHECKED t2i_status t2i_baseline_new(t2i_baseline *out, const t2i_prompts *prompts,
                                        size_t images, t2i_error *err);
/* What t2i_baseline_nearest needs. */
T2I_CHECKED t2i_status t2i_baseline_index(t2i_baseline *baseline, t2i_dataset *dataset,
                                          t2i_error *err);
void t2i_baseline_free(t2i_baseline *baseline);

/* place (images): each picture's place in the order of ascending value, from 0; of equal values
 * the lower number comes first. */
T2I_CHECKED t2i_status t2i_baseline_order(const double *value, size_t images, uint32_t *place,
                                          t2i_error *err);
/* The rank in such an order. At least one picture is right. */
size_t t2i_baseline_rank(const uint32_t *place, const t2i_fitting *fitting, size_t count);

/* The rank by nearest training prompts. */
T2I_CHECKED t2i_status t2i_baseline_nearest(t2i_baseline *baseline, const t2i_text *prompt,
                                            const t2i_fitting *fitting, size_t count, size_t *rank,
                                            t2i_error *err);

#endif
