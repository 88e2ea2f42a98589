/* eval.h - what t2i-eval does: how well a model finds and draws the pictures of a split.
 *
 * Every row of the split is asked about, the gallery is all pictures of the dataset. A picture is
 * right for a prompt when any row of the dataset pairs them. Rank: 1 + pictures closer than the
 * closest right one (of equally close pictures the lower number comes first). PSNR: 8 bits, over
 * all pixels and channels; identical pictures, whose PSNR is infinite, count as T2I_PSNR_MOST,
 * which also caps the others.
 */
#ifndef T2I_EVAL_H
#define T2I_EVAL_H

#include <stddef.h>
#include "t2i/error.h"
#include "t2i/text.h"
#include "t2i/trained.h"

#define T2I_PSNR_MOST 99.0 /* dB */

typedef struct {
    double r1, r5, r10; /* part of the prompts whose rank is at most 1, 5, 10: 0..1 */
    double mrr;         /* mean of 1 / rank */
    double median_rank;
} t2i_scores;

typedef struct {
    int split;
    size_t prompts, gallery;
    t2i_scores euclidean, cosine;
    t2i_scores
        random; /* what a random order of the gallery scores on average: computed, not drawn */
    t2i_scores
        mean; /* what the mean feature of the training rows scores for every prompt (Euclidean) */
    int has_mean; /* 0: no training rows */
    /* Mean PSNR against the true picture, dB; NaN where it cannot be had: of the decoded
     * prediction, and of the training picture (one that a training row uses) that is nearest to the
     * prediction. */
    double decoded_psnr, nearest_psnr;
    size_t unknown, cut; /* prompts with unknown characters, prompts that were cut */
} t2i_eval_result;

/* split: T2I_TRAIN ..., or -1: validation where it has rows, else train. T2I_DATA when it has none.
 */
T2I_CHECKED t2i_status t2i_eval(t2i_trained *trained, int split, t2i_eval_result *out,
                                t2i_error *err);

/* Appends the result as design.md's JSON object, or as a table for people. */
T2I_CHECKED t2i_status t2i_eval_json(const t2i_eval_result *result, t2i_text *out, t2i_error *err);
T2I_CHECKED t2i_status t2i_eval_table(const t2i_eval_result *result, t2i_text *out, t2i_error *err);

#endif
