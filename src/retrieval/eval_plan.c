#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retrieval/eval_internal.h"
#include "base/mem.h"
#include "base/rng.h"

static t2i_status fail_no_rows(const t2i_evaluation *e, int split, const size_t count[T2I_SPLITS],
                               t2i_error *err)
{
    char has[160] = "";
    for (int s = 0; s < T2I_SPLITS; s++) {
        size_t used = strlen(has);
        if (count[s] > 0)
            snprintf(has + used, sizeof has - used, "%s%s (%zu)", used > 0 ? ", " : "",
                     t2i_dataset_split_names[s], count[s]);
    }
    return t2i_fail(err, T2I_DATA,
                    "%s has no row in the split '%s'; it has %s: choose one with --split",
                    t2i_dataset_path(e->model->dataset), t2i_dataset_split_names[split], has);
}

static t2i_status choose_splits(t2i_evaluation *e, t2i_error *err)
{
    size_t rows[T2I_SPLITS] = {0};
    int split = e->options->split;
    for (size_t i = 0; i < e->prompts.pairs; i++) rows[e->prompts.split[i]]++;
    if (split == T2I_DEFAULT_SPLIT) split = rows[T2I_VALIDATION] > 0 ? T2I_VALIDATION : T2I_TRAIN;
    if (split >= 0 && rows[split] == 0) return fail_no_rows(e, split, rows, err);
    for (int s = 0; s < T2I_SPLITS; s++)
        if (rows[s] > 0 && (split == T2I_ALL_SPLITS || split == s)) e->split[e->splits++] = s;
    if (e->images < 2)
        return t2i_fail(err, T2I_DATA, "%s has one picture: an evaluation needs at least two",
                        t2i_dataset_path(e->model->dataset));
    return T2I_OK;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The prompts of the split, ascending, or a sample of them. The caller frees *out. */
static t2i_status choose_prompts(t2i_evaluation *e, size_t s, uint32_t **out, t2i_error *err)
{
    const t2i_prompts *p = &e->prompts;
    size_t count = 0, sample = e->options->sample;
    for (size_t i = 0; i < p->count; i++) count += (size_t)t2i_prompts_has(p, i, e->split[s]);
    uint32_t *all = *out = t2i_alloc(count, sizeof *all);
    if (all == NULL) return t2i_fail_memory(err, count * sizeof *all, "the prompts");
    for (size_t i = 0, k = 0; i < p->count; i++)
        if (t2i_prompts_has(p, i, e->split[s])) all[k++] = (uint32_t)i;
    e->all[s] = e->sampled[s] = count;
    if (sample == 0 || count <= sample) return T2I_OK;
    uint32_t *some = t2i_alloc(sample, sizeof *some);
    if (some == NULL) return t2i_fail_memory(err, sample * sizeof *some, "the prompts");
    uint64_t stream = T2I_STREAM_EVAL_SAMPLE + (uint64_t)e->split[s];
    for (size_t i = 0; i < sample; i++)
        some[i] = all[t2i_rng_permute(e->options->seed, stream, count, i)];
    qsort(some, sample, sizeof *some, by_number);
    t2i_free(all);
    *out = some;
    e->sampled[s] = sample;
    return T2I_OK;
}

/* Appends the queries of the split, and pads the last block. */
static t2i_status add_queries(t2i_evaluation *e, size_t s, t2i_error *err)
{
    uint32_t *prompt = NULL;
    size_t first = e->begin[s];
    t2i_status status = choose_prompts(e, s, &prompt, err);
    size_t blocks = (e->sampled[s] + T2I_PREDICT_BLOCK - 1) / T2I_PREDICT_BLOCK;
    size_t end = first + blocks * T2I_PREDICT_BLOCK;
    if (status == T2I_OK && t2i_grow(&e->query, first, end, sizeof *e->query) != 0)
        status = t2i_fail_memory(err, end * sizeof *e->query, "the prompts");
    for (size_t i = first; status == T2I_OK && i < end; i++)
        e->query[i].prompt = i - first < e->sampled[s] ? prompt[i - first] : T2I_NO_PROMPT;
    e->begin[s + 1] = end;
    t2i_free(prompt);
    return status;
}

/* Counts the queries that each picture is right for. */
static void count_relevant(t2i_evaluation *e, size_t s, uint32_t *last)
{
    const t2i_prompts *p = &e->prompts;
    uint32_t *weight = e->weight + s * e->images;
    memset(last, 0, e->images * sizeof *last);
    for (size_t i = e->begin[s]; i < e->begin[s] + e->sampled[s]; i++) {
        size_t prompt = e->query[i].prompt;
        uint32_t now = (uint32_t)(i - e->begin[s] + 1);
        for (uint32_t k = p->first[prompt]; k < p->first[prompt + 1]; k++) {
            uint32_t image = p->image[k];
            if (p->split[k] != e->split[s] || last[image] == now) continue;
            last[image] = now;
            weight[image]++;
        }
    }
}

t2i_status t2i_eval_plan(t2i_evaluation *e, t2i_error *err)
{
    T2I_TRY(t2i_prompts_new(&e->prompts, e->model->dataset, err));
    T2I_TRY(choose_splits(e, err));
    T2I_TRY(t2i_baseline_new(&e->base, &e->prompts, e->images, err));
    for (size_t s = 0; s < e->splits; s++) T2I_TRY(add_queries(e, s, err));
    size_t blocks =
        GROUP_FLOATS / T2I_PREDICT_BLOCK / (e->D + e->model->checkpoint.model.config.embed_dim);
    blocks = blocks < 1 ? 1 : blocks > GROUP_BLOCKS ? GROUP_BLOCKS : blocks;
    e->group = blocks * T2I_PREDICT_BLOCK;
    if (e->group > e->begin[e->splits]) e->group = e->begin[e->splits];
    e->weight = t2i_alloc(e->splits * e->images, sizeof *e->weight);
    e->in_training = t2i_alloc(e->images, 1);
    uint32_t *last = t2i_alloc(e->images, sizeof *last);
    t2i_status status = T2I_OK;
    if (e->weight == NULL || e->in_training == NULL || last == NULL)
        status = t2i_fail_memory(err, (e->splits + 2) * 4 * e->images, "the pictures");
    for (size_t s = 0; status == T2I_OK && s < e->splits; s++) count_relevant(e, s, last);
    for (size_t m = 0; status == T2I_OK && m < e->images; m++)
        e->in_training[m] = e->base.pairs_of[m] > 0;
    t2i_free(last);
    return status;
}

size_t t2i_eval_split_of(const t2i_evaluation *e, size_t query)
{
    size_t s = 0;
    while (query >= e->begin[s + 1]) s++;
    return s;
}
