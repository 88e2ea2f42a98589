/* scores.h - recall, mean reciprocal rank and median rank, with confidence intervals.
 *
 * Intervals are 95 % intervals of the percentile bootstrap (Efron, "Bootstrap methods: another look
 * at the jackknife", 1979): T2I_RESAMPLES samples of the prompts are drawn with replacement, and
 * the interval holds the middle 95 % of their scores. A resample is a function of (seed, stream,
 * its number), so any rank can compute any of them. Recall is a fraction, 0..1, also in --json.
 */
#ifndef T2I_SCORES_H
#define T2I_SCORES_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct {
    double r1, r5, r10; /* recall at 1, 5, 10: share of prompts with a rank of at most that */
    double mrr;         /* mean reciprocal rank */
    double median_rank; /* mean of the two middle ranks of an even number */
} t2i_scores;

/* Recall and MRR from the rank of the right picture of each row. Ranks count from 1. 0: the row
 * does not count. T2I_RANK_NONE: the prediction is not finite; the row counts as not found. */
#define T2I_RANK_NONE UINT32_MAX
typedef struct {
    size_t prompts;      /* rows that count */
    double r1, r10, mrr; /* 0..1; 0 if no row counts */
} t2i_recall;
t2i_recall t2i_scores_recall(const uint32_t *rank, size_t rows);

enum { T2I_RESAMPLES = 1000, T2I_SCORE_KINDS = 5 };
/* Names "r1" ... "median_rank", and the field of each in t2i_scores. */
extern const char *const t2i_scores_names[T2I_SCORE_KINDS];
double *t2i_scores_at(t2i_scores *scores, size_t kind);

/* Ranks of the same prompts by several methods, prepared for resampling. */
typedef struct {
    size_t prompts, methods;
    uint32_t *value; /* owned: distinct ranks, ascending for each method */
    size_t *first;   /* owned: methods + 1; where the ranks of each method begin in `value` */
    uint32_t *which; /* owned: (prompts, methods): index of each rank in `value` */
    uint32_t *times; /* owned: number of each value in the current resample */
} t2i_ranks;

/* rank[w] (prompts): ranks from 1 by method w, borrowed during the call. T2I_SYSTEM. *out is empty
 * on failure. */
T2I_CHECKED t2i_status t2i_scores_ranks_new(t2i_ranks *out, const uint32_t *const *rank,
                                            size_t methods, size_t prompts, t2i_error *err);
void t2i_scores_ranks_free(t2i_ranks *ranks);

/* out (methods): scores over all prompts. */
void t2i_scores_ranks_score(t2i_ranks *ranks, t2i_scores *out);
/* out (methods): scores of resample i, which has as many prompts, drawn with replacement. */
void t2i_scores_ranks_resample(t2i_ranks *ranks, uint64_t seed, uint64_t stream, size_t i,
                               t2i_scores *out);
/* Interval of one score over all resamples. Sorts value (T2I_RESAMPLES). */
void t2i_scores_interval(double *value, double *low, double *high);

/* Number of prompts with the same numbers of right pictures and of pictures left out. */
typedef struct {
    size_t right, left_out, prompts;
} t2i_chances;

/* Expected scores of a random order of the pictures, computed exactly; the median rank is that of
 * the distribution. kind (kinds). T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_scores_random(t2i_scores *out, size_t images, const t2i_chances *kind,
                                         size_t kinds, t2i_error *err);

#endif
