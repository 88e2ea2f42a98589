#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retrieval/eval_internal.h"
#include "base/mem.h"
#include "base/rng.h"

static t2i_status fail_no_rows(const t2i_eval_job *j, int split, const size_t count[T2I_SPLITS],
                               t2i_error *err)
{
    char has[160] = "";
    for (int s = 0; s < T2I_SPLITS; s++) {
        size_t used = strlen(has);
        if (count[s] > 0)
            snprintf(has + used, sizeof has - used, "%s%s (%zu)", used > 0 ? ", " : "",
                     t2i_split_names[s], count[s]);
    }
    return t2i_fail(err, T2I_DATA,
                    "%s has no row in the split '%s'; it has %s: choose one with --split",
                    t2i_dataset_path(j->model->dataset), t2i_split_names[split], has);
}

static t2i_status choose_splits(t2i_eval_job *j, t2i_error *err)
{
    size_t rows[T2I_SPLITS] = {0};
    int split = j->options->split;
    for (size_t i = 0; i < j->prompts.pairs; i++) rows[j->prompts.split[i]]++;
    if (split == T2I_DEFAULT_SPLIT) split = rows[T2I_VALIDATION] > 0 ? T2I_VALIDATION : T2I_TRAIN;
    if (split >= 0 && rows[split] == 0) return fail_no_rows(j, split, rows, err);
    for (int s = 0; s < T2I_SPLITS; s++)
        if (rows[s] > 0 && (split == T2I_ALL_SPLITS || split == s)) j->split[j->splits++] = s;
    if (j->images < 2)
        return t2i_fail(err, T2I_DATA, "%s has one picture: an evaluation needs at least two",
                        t2i_dataset_path(j->model->dataset));
    return T2I_OK;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The prompts of the split, ascending, or a sample of them. The caller frees *out. */
static t2i_status choose_prompts(t2i_eval_job *j, size_t s, uint32_t **out, t2i_error *err)
{
    const t2i_prompts *p = &j->prompts;
    size_t count = 0, sample = j->options->sample;
    for (size_t i = 0; i < p->count; i++) count += (size_t)t2i_prompts_has(p, i, j->split[s]);
    uint32_t *all = *out = t2i_alloc(count, sizeof *all);
    if (all == NULL) return t2i_fail_memory(err, count * sizeof *all, "the prompts");
    for (size_t i = 0, k = 0; i < p->count; i++)
        if (t2i_prompts_has(p, i, j->split[s])) all[k++] = (uint32_t)i;
    j->all[s] = j->sampled[s] = count;
    if (sample == 0 || count <= sample) return T2I_OK;
    uint32_t *some = t2i_alloc(sample, sizeof *some);
    if (some == NULL) return t2i_fail_memory(err, sample * sizeof *some, "the prompts");
    uint64_t stream = T2I_STREAM_EVAL_SAMPLE + (uint64_t)j->split[s];
    for (size_t i = 0; i < sample; i++)
        some[i] = all[t2i_rng_permute(j->options->seed, stream, count, i)];
    qsort(some, sample, sizeof *some, by_number);
    t2i_free(all);
    *out = some;
    j->sampled[s] = sample;
    return T2I_OK;
}

/* Appends the queries of the split, and pads the last block. */
static t2i_status add_queries(t2i_eval_job *j, size_t s, t2i_error *err)
{
    uint32_t *prompt = NULL;
    size_t first = j->begin[s];
    t2i_status status = choose_prompts(j, s, &prompt, err);
    size_t blocks = (j->sampled[s] + T2I_PREDICT_BLOCK - 1) / T2I_PREDICT_BLOCK;
    size_t end = first + blocks * T2I_PREDICT_BLOCK;
    if (status == T2I_OK && t2i_grow(&j->query, first, end, sizeof *j->query) != 0)
        status = t2i_fail_memory(err, end * sizeof *j->query, "the prompts");
    for (size_t i = first; status == T2I_OK && i < end; i++)
        j->query[i].prompt = i - first < j->sampled[s] ? prompt[i - first] : T2I_NO_PROMPT;
    j->begin[s + 1] = end;
    t2i_free(prompt);
    return status;
}

/* Counts the queries that each picture is right for. */
static void count_relevant(t2i_eval_job *j, size_t s, uint32_t *last)
{
    const t2i_prompts *p = &j->prompts;
    uint32_t *weight = j->weight + s * j->images;
    memset(last, 0, j->images * sizeof *last);
    for (size_t i = j->begin[s]; i < j->begin[s] + j->sampled[s]; i++) {
        size_t prompt = j->query[i].prompt;
        uint32_t now = (uint32_t)(i - j->begin[s] + 1);
        for (uint32_t k = p->first[prompt]; k < p->first[prompt + 1]; k++) {
            uint32_t image = p->image[k];
            if (p->split[k] != j->split[s] || last[image] == now) continue;
            last[image] = now;
            weight[image]++;
        }
    }
}

t2i_status t2i_eval_plan(t2i_eval_job *j, t2i_error *err)
{
    T2I_TRY(t2i_prompts_new(&j->prompts, j->model->dataset, err));
    T2I_TRY(choose_splits(j, err));
    T2I_TRY(t2i_baseline_new(&j->base, &j->prompts, j->images, err));
    for (size_t s = 0; s < j->splits; s++) T2I_TRY(add_queries(j, s, err));
    size_t blocks = GROUP_FLOATS / T2I_PREDICT_BLOCK / j->D;
    blocks = blocks < 1 ? 1 : blocks > GROUP_BLOCKS ? GROUP_BLOCKS : blocks;
    j->group = blocks * T2I_PREDICT_BLOCK;
    if (j->group > j->begin[j->splits]) j->group = j->begin[j->splits];
    j->weight = t2i_alloc(j->splits * j->images, sizeof *j->weight);
    j->in_training = t2i_alloc(j->images, 1);
    uint32_t *last = t2i_alloc(j->images, sizeof *last);
    t2i_status status = T2I_OK;
    if (j->weight == NULL || j->in_training == NULL || last == NULL)
        status = t2i_fail_memory(err, (j->splits + 2) * 4 * j->images, "the pictures");
    for (size_t s = 0; status == T2I_OK && s < j->splits; s++) count_relevant(j, s, last);
    for (size_t m = 0; status == T2I_OK && m < j->images; m++)
        j->in_training[m] = j->base.pairs_of[m] > 0;
    t2i_free(last);
    return status;
}
