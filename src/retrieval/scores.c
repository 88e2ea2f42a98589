#include "retrieval/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

const char *const t2i_scores_names[T2I_SCORE_KINDS] = {"r1", "r5", "r10", "mrr", "median_rank"};

double *t2i_scores_at(t2i_scores *scores, size_t kind)
{
    double *const at[T2I_SCORE_KINDS] = {&scores->r1, &scores->r5, &scores->r10, &scores->mrr,
                                         &scores->median_rank};
    return at[kind];
}

/* ---- ranks ---- */

void t2i_scores_ranks_free(t2i_ranks *ranks)
{
    t2i_free(ranks->value);
    t2i_free(ranks->first);
    t2i_free(ranks->which);
    t2i_free(ranks->times);
    *ranks = (t2i_ranks){0};
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Appends the distinct ranks of method w. */
static void add_values(t2i_ranks *r, size_t w, const uint32_t *rank, uint32_t *sorted)
{
    size_t count = r->first[w];
    memcpy(sorted, rank, r->prompts * sizeof *sorted);
    qsort(sorted, r->prompts, sizeof *sorted, by_size);
    for (size_t i = 0; i < r->prompts; i++)
        if (i == 0 || sorted[i] != sorted[i - 1]) r->value[count++] = sorted[i];
    r->first[w + 1] = count;
    const uint32_t *value = r->value + r->first[w];
    for (size_t i = 0; i < r->prompts; i++) {
        const uint32_t *at = bsearch(&rank[i], value, count - r->first[w], sizeof *value, by_size);
        r->which[i * r->methods + w] = (uint32_t)(at - r->value);
    }
}

t2i_status t2i_scores_ranks_new(t2i_ranks *out, const uint32_t *const *rank, size_t methods,
                                size_t prompts, t2i_error *err)
{
    uint32_t *sorted = t2i_alloc(prompts, sizeof *sorted);
    *out = (t2i_ranks){.prompts = prompts, .methods = methods};
    out->value = t2i_alloc(prompts * methods, sizeof *out->value);
    out->first = t2i_alloc(methods + 1, sizeof *out->first);
    out->which = t2i_alloc(prompts * methods, sizeof *out->which);
    out->times = t2i_alloc(prompts * methods, sizeof *out->times);
    t2i_status status = T2I_OK;
    if (sorted == NULL || out->value == NULL || out->first == NULL || out->which == NULL ||
        out->times == NULL) {
        t2i_scores_ranks_free(out);
        status = t2i_fail_memory(err, 12 * prompts * methods, "the ranks");
    }
    for (size_t w = 0; status == T2I_OK && w < methods; w++) add_values(out, w, rank[w], sorted);
    t2i_free(sorted);
    return status;
}

/* Scores of ascending values, each times[i] times, `prompts` in all; summed in that order. */
static t2i_scores scores_of(const uint32_t *value, const uint32_t *times, size_t values,
                            size_t prompts)
{
    t2i_scores s = {0};
    size_t seen = 0, low = (prompts - 1) / 2, high = prompts / 2; /* the middle ranks, from 0 */
    for (size_t i = 0; i < values; i++) {
        double count = (double)times[i], rank = (double)value[i];
        s.r1 += value[i] <= 1 ? count : 0.0;
        s.r5 += value[i] <= 5 ? count : 0.0;
        s.r10 += value[i] <= 10 ? count : 0.0;
        s.mrr += count / rank;
        if (seen <= low && low < seen + times[i]) s.median_rank += rank / 2;
        if (seen <= high && high < seen + times[i]) s.median_rank += rank / 2;
        seen += times[i];
    }
    s.r1 /= (double)prompts;
    s.r5 /= (double)prompts;
    s.r10 /= (double)prompts;
    s.mrr /= (double)prompts;
    return s;
}

static void score_methods(const t2i_ranks *r, t2i_scores *out)
{
    for (size_t w = 0; w < r->methods; w++)
        out[w] = scores_of(r->value + r->first[w], r->times + r->first[w],
                           r->first[w + 1] - r->first[w], r->prompts);
}

static void count_prompt(t2i_ranks *r, size_t prompt)
{
    const uint32_t *which = r->which + prompt * r->methods;
    for (size_t w = 0; w < r->methods; w++) r->times[which[w]]++;
}

void t2i_scores_ranks_score(t2i_ranks *r, t2i_scores *out)
{
    memset(r->times, 0, r->first[r->methods] * sizeof *r->times);
    for (size_t i = 0; i < r->prompts; i++) count_prompt(r, i);
    score_methods(r, out);
}

void t2i_scores_ranks_resample(t2i_ranks *r, uint64_t seed, uint64_t stream, size_t i,
                               t2i_scores *out)
{
    memset(r->times, 0, r->first[r->methods] * sizeof *r->times);
    for (size_t done = 0; done < r->prompts; done += 4) {
        uint32_t bits[4];
        t2i_rng_block(seed, stream << 32 | i, done, bits);
        for (size_t k = 0; k < 4 && done + k < r->prompts; k++)
            count_prompt(r, (size_t)((uint64_t)bits[k] * r->prompts >> 32));
    }
    score_methods(r, out);
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void t2i_scores_interval(double *value, double *low, double *high)
{
    enum { OUTSIDE = T2I_RESAMPLES / 40 }; /* 2.5 % on each side */
    qsort(value, T2I_RESAMPLES, sizeof *value, by_number);
    *low = value[OUTSIDE];
    *high = value[T2I_RESAMPLES - 1 - OUTSIDE];
}

/* ---- a random order ---- */

/* beyond[k] += prompts * P(rank > k): the product over i < k of (wrong - i) / (pictures - i). */
static void add_chances(double *beyond, size_t images, const t2i_chances *kind)
{
    size_t pictures = images - kind->left_out, wrong = pictures - kind->right;
    double left = (double)kind->prompts;
    for (size_t k = 0; k <= wrong; k++) {
        beyond[k] += left;
        left *= (double)(wrong - k) / (double)(pictures - k);
    }
}

t2i_status t2i_scores_random(t2i_scores *out, size_t images, const t2i_chances *kind, size_t kinds,
                             t2i_error *err)
{
    double *beyond = t2i_alloc(
        images + 11,
        sizeof *beyond); /* no rank exceeds the number of pictures; R@10 reads up to index 10 */
    if (beyond == NULL) return t2i_fail_memory(err, images * sizeof *beyond, "the baseline");
    *out = (t2i_scores){0};
    for (size_t i = 0; i < kinds; i++) add_chances(beyond, images, &kind[i]);
    double prompts = beyond[0], half = prompts * 0.5, tie = prompts * 1e-9;
    size_t median = 0;
    for (size_t k = 1; k <= images; k++) out->mrr += (beyond[k - 1] - beyond[k]) / (double)k;
    out->mrr /= prompts;
    out->r1 = 1.0 - beyond[1] / prompts;
    out->r5 = 1.0 - beyond[5] / prompts;
    out->r10 = 1.0 - beyond[10] / prompts;
    while (beyond[median] > half + tie) median++;
    /* exactly half of the ranks: the median lies between this rank and the next */
    out->median_rank = (double)median + (fabs(beyond[median] - half) <= tie ? 0.5 : 0.0);
    t2i_free(beyond);
    return T2I_OK;
}

t2i_recall t2i_scores_recall(const uint32_t *rank, size_t rows)
{
    t2i_recall s = {.prompts = 0};
    for (size_t i = 0; i < rows; i++) {
        if (rank[i] == 0) continue;
        s.prompts++;
        s.r1 += rank[i] == 1;
        s.r10 += rank[i] <= 10;
        s.mrr += rank[i] == T2I_RANK_NONE ? 0.0 : 1.0 / (double)rank[i];
    }
    if (s.prompts == 0) return s;
    s.r1 /= (double)s.prompts;
    s.r10 /= (double)s.prompts;
    s.mrr /= (double)s.prompts;
    return s;
}
