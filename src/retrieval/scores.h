/* scores.h - what a list of ranks says, and how sure that is.
 *
 * Intervals are those of the percentile bootstrap (Efron, "Bootstrap methods: another look at the
 * jackknife", 1979): prompts are drawn with replacement T2I_RESAMPLES times, and of the scores of
 * all these the middle 95 % is the interval. A resample is a function of (seed, stream, its
 * number), so any rank can make any of them.
 */
#ifndef T2I_SCORES_H
#define T2I_SCORES_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct {
    double r1, r5, r10; /* part of the prompts whose rank is at most 1, 5, 10: 0..1 */
    double mrr;         /* mean of 1 / rank */
    double median_rank; /* between two middle ones, their mean */
} t2i_scores;

/* Recall of prompts from the rank of each one's right picture. A rank is from 1 on; 0: the prompt
 * was not asked and does not count; T2I_RANK_NONE: it has no rank, its prediction was not finite.
 */
#define T2I_RANK_NONE UINT32_MAX
typedef struct {
    size_t asked;        /* prompts that count */
    double r1, r10, mrr; /* 0..1; 0 when none counts */
} t2i_recall;
t2i_recall t2i_scores_recall(const uint32_t *rank, size_t rows);

enum { T2I_RESAMPLES = 1000, T2I_SCORE_KINDS = 5 };
/* "r1" ... "median_rank", and where each is in t2i_scores. */
extern const char *const t2i_score_names[T2I_SCORE_KINDS];
double *t2i_score_at(t2i_scores *scores, size_t kind);

/* Ranks of the same prompts by several ways to rank, made ready to be counted again and again. */
typedef struct {
    size_t prompts, ways;
    uint32_t *value; /* owned: distinct ranks of all ways, ascending for each */
    size_t *first;   /* owned: ways + 1; where each way's begin */
    uint32_t *which; /* owned: (prompts, ways): which of the way's values each rank is */
    uint32_t *times; /* owned: of each value, in the resample at hand */
} t2i_ranks;

/* rank[w] (prompts) is borrowed during the call; ranks count from 1. Empty on failure. */
T2I_CHECKED t2i_status t2i_ranks_new(t2i_ranks *out, const uint32_t *const *rank, size_t ways,
                                     size_t prompts, t2i_error *err);
void t2i_ranks_free(t2i_ranks *ranks);

/* out (ways): the scores of all prompts. */
void t2i_ranks_score(t2i_ranks *ranks, t2i_scores *out);
/* The same of resample number i: as many prompts, drawn with replacement. */
void t2i_ranks_resample(t2i_ranks *ranks, uint64_t seed, uint64_t stream, size_t i,
                        t2i_scores *out);
/* The interval of one score: sorts value (T2I_RESAMPLES). */
void t2i_interval(double *value, double *low, double *high);

/* Prompts that have so many right pictures, and so many that are neither right nor wrong. */
typedef struct {
    size_t right, left_out, prompts;
} t2i_chances;

/* What a random order of the pictures scores on average: computed, not drawn. kind (kinds). */
T2I_CHECKED t2i_status t2i_scores_random(t2i_scores *out, size_t images, const t2i_chances *kind,
                                         size_t kinds, t2i_error *err);

#endif
