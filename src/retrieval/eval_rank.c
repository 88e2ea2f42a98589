#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "retrieval/eval_internal.h"
#include "base/mem.h"
#include "retrieval/psnr.h"

enum {
    TOGETHER = 16 * T2I_PREDICT_BLOCK,
    FOLD = 1024 /* questions whose finds are sent at a time */
};

/* Some of the questions, held together with all that is needed to answer them. */
typedef struct {
    size_t first, count;             /* questions; whole blocks */
    t2i_question *q;                 /* borrowed: count */
    float *prediction;               /* (j->group, D) */
    size_t *start;                   /* count + 1: where each question's pictures begin in fit */
    t2i_fitting *fit;                /* pictures that fit them */
    double (*distance)[T2I_METRICS]; /* of each */
    t2i_found *found;                /* count */
} group;

static int is_asked(const group *g, size_t i)
{
    return g->q[i].prompt != T2I_NO_PROMPT;
}

/* Questions from i on, at most `most` and before `end`, that lie together without a gap. */
static size_t run_of(const group *g, size_t i, size_t end, size_t most)
{
    size_t run = 0;
    while (i + run < end && run < most && is_asked(g, i + run)) run++;
    return run;
}

/* part: of the work on this group that is done, half of it for predictions. */
static void say_progress(t2i_eval_job *j, const group *g, double part)
{
    double questions = (double)j->begin[j->splits];
    t2i_progress_at(&j->progress, ((double)g->first + part * (double)g->count) / questions);
}

/* ---- predictions ---- */

typedef struct {
    t2i_text text, one;
    size_t at[TOGETHER + 1];
    t2i_prompt prompt[TOGETHER];
    t2i_encoded encoded[TOGETHER];
} reading;

static size_t split_of(const t2i_eval_job *j, size_t question)
{
    size_t s = 0;
    while (question >= j->begin[s + 1]) s++;
    return s;
}

/* A run of questions of one split that begins with a block. */
static t2i_status predict_run(t2i_eval_job *j, group *g, reading *r, size_t first, size_t run,
                              t2i_error *err)
{
    const t2i_checkpoint *c = &j->trained->checkpoint;
    size_t s = split_of(j, g->first + first);
    r->text.size = 0;
    for (size_t i = 0; i < run; i++) {
        uint64_t pair = j->prompts.first[g->q[first + i].prompt];
        T2I_TRY(t2i_prompts_text(j->trained->dataset, pair, &r->one, err));
        r->at[i] = r->text.size;
        T2I_TRY(t2i_text_add(&r->text, r->one.data, r->one.size, err));
    }
    r->at[run] = r->text.size;
    for (size_t i = 0; i < run; i++)
        r->prompt[i] = (t2i_prompt){r->text.data + r->at[i], r->at[i + 1] - r->at[i]};
    T2I_TRY(t2i_predict(&c->model, c->weights, &c->vocab, r->prompt, run,
                        g->prediction + first * j->D, r->encoded, err));
    for (size_t i = 0; i < run; i++) {
        j->unknown[s] += r->encoded[i].unknown > 0;
        j->cut[s] += r->encoded[i].cut > 0;
    }
    return T2I_OK;
}

/* This rank's share of the blocks. */
static t2i_status predict_mine(t2i_eval_job *j, group *g, t2i_error *err)
{
    size_t blocks = g->count / T2I_PREDICT_BLOCK;
    size_t at = t2i_share(blocks, j->rank, j->size) * T2I_PREDICT_BLOCK;
    size_t end = t2i_share(blocks, j->rank + 1, j->size) * T2I_PREDICT_BLOCK;
    reading *r = t2i_alloc(1, sizeof *r);
    if (r == NULL) return t2i_fail_memory(err, sizeof *r, "the prompts");
    t2i_status status = T2I_OK;
    size_t begin = at;
    while (status == T2I_OK && at < end) {
        size_t split_end = j->begin[split_of(j, g->first + at) + 1] - g->first;
        size_t run = run_of(g, at, end < split_end ? end : split_end, TOGETHER);
        status = predict_run(j, g, r, at, run, err);
        /* a run ends with a block, or before the gap that fills the last block of a split */
        at += (run + T2I_PREDICT_BLOCK - 1) / T2I_PREDICT_BLOCK * T2I_PREDICT_BLOCK;
        say_progress(j, g, 0.5 * (double)(at - begin) / (double)(end - begin));
    }
    t2i_text_free(&r->text);
    t2i_text_free(&r->one);
    t2i_free(r);
    return status;
}

/* What the spread is worked out from, in the questions' order. */
static void sum_predictions(t2i_eval_job *j, const group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (!is_asked(g, i)) continue;
        size_t s = split_of(j, g->first + i);
        const float *x = g->prediction + i * j->D;
        double length = t2i_length(x, j->D), *sum = j->sum + s * j->D;
        for (size_t d = 0; d < j->D; d++) sum[d] += (double)x[d];
        j->square[s] += length * length;
    }
}

/* ---- the pictures that fit ---- */

static t2i_status find_fitting(t2i_eval_job *j, group *g, t2i_error *err)
{
    const t2i_prompts *p = &j->prompts;
    size_t pairs = 0, count = 0;
    for (size_t i = 0; i < g->count; i++)
        if (is_asked(g, i)) pairs += p->first[g->q[i].prompt + 1] - p->first[g->q[i].prompt];
    g->start = t2i_alloc(g->count + 1, sizeof *g->start);
    g->fit = t2i_alloc(pairs, sizeof *g->fit);
    g->distance = t2i_alloc(pairs, sizeof *g->distance);
    if (g->start == NULL || g->fit == NULL || g->distance == NULL)
        return t2i_fail_memory(err, pairs * sizeof *g->distance, "the right pictures");
    for (size_t i = 0; i < g->count; i++) {
        t2i_question *q = &g->q[i];
        g->start[i] = count;
        if (!is_asked(g, i)) continue;
        int split = j->split[split_of(j, g->first + i)];
        count += t2i_prompts_fitting(p, q->prompt, split, g->fit + count);
        for (size_t k = g->start[i]; k < count; k++) q->right += g->fit[k].right;
        q->left_out = (uint32_t)(count - g->start[i]) - q->right;
    }
    g->start[g->count] = count;
    return T2I_OK;
}

/* A picture's distance to a prediction is wanted. */
typedef struct {
    uint32_t image, question;
    size_t at;
    double distance[T2I_METRICS];
} wish;

static int by_image(const void *a, const void *b)
{
    const wish *x = a, *y = b;
    if (x->image != y->image) return x->image < y->image ? -1 : 1;
    return (x->question > y->question) - (x->question < y->question);
}

static t2i_status measure_mine(t2i_eval_job *j, const group *g, wish *all, size_t count,
                               t2i_error *err)
{
    size_t end = t2i_share(count, j->rank + 1, j->size);
    for (size_t i = t2i_share(count, j->rank, j->size); i < end; i++) {
        const float *feature, *x = g->prediction + all[i].question * j->D;
        T2I_TRY(t2i_feature_cache_picture(&j->cache, all[i].image, &feature, err));
        double length = t2i_length(feature, j->D), own = t2i_length(x, j->D);
        for (int metric = 0; metric < T2I_METRICS; metric++)
            all[i].distance[metric] =
                t2i_distance((t2i_metric)metric, x, own, feature, length, j->D);
    }
    return T2I_OK;
}

/* The first right pictures are what the others will be compared with. */
static void set_limits(const group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        t2i_found *f = &g->found[i];
        f->trained = t2i_nobody();
        for (int metric = 0; metric < T2I_METRICS; metric++) {
            t2i_compared *c = &f->by[metric];
            *c = (t2i_compared){.limit = t2i_nobody(), .first = t2i_nobody()};
            for (size_t k = g->start[i]; k < g->start[i + 1]; k++)
                if (g->fit[k].right)
                    t2i_nearer(&c->limit, (t2i_nearby){g->distance[k][metric], g->fit[k].image});
        }
        g->q[i].truth = f->by[T2I_EUCLIDEAN].limit.image;
    }
}

/* Collective. */
static t2i_status measure_fitting(t2i_comm *comm, t2i_eval_job *j, group *g, t2i_error *err)
{
    t2i_status status = find_fitting(j, g, err);
    size_t count = status == T2I_OK ? g->start[g->count] : 0;
    wish *all = t2i_alloc(count, sizeof *all);
    if (status == T2I_OK && all == NULL)
        status = t2i_fail_memory(err, count * sizeof *all, "the right pictures");
    if (status == T2I_OK) {
        for (size_t i = 0; i < g->count; i++)
            for (size_t k = g->start[i]; k < g->start[i + 1]; k++)
                all[k] = (wish){.image = g->fit[k].image, .question = (uint32_t)i, .at = k};
        qsort(all, count, sizeof *all, by_image); /* each rank reads its pictures once, in order */
        status = measure_mine(j, g, all, count, err);
    }
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_share_all(comm, all, sizeof *all, count);
        for (size_t k = 0; k < count; k++)
            memcpy(g->distance[all[k].at], all[k].distance, sizeof all[k].distance);
        set_limits(g);
    }
    t2i_free(all);
    return status;
}

/* ---- comparing with all pictures ---- */

size_t t2i_eval_query_blocks(size_t questions)
{
    return (questions + QUERIES - 1) / QUERIES;
}

static t2i_status compare_mine(t2i_eval_job *j, group *g, t2i_error *err)
{
    size_t queries = t2i_eval_query_blocks(g->count), tasks = queries * j->cache.blocks;
    size_t first = t2i_share(tasks, j->rank, j->size), rows = j->cache.rows;
    size_t end = t2i_share(tasks, j->rank + 1, j->size);
    for (size_t task = first; task < end; task++) {
        size_t block = task / queries, at = task % queries * QUERIES;
        size_t count = g->count - at < QUERIES ? g->count - at : QUERIES;
        if (task == first || at == 0) {
            const float *feature;
            size_t pictures = t2i_feature_cache_count(&j->cache, block);
            T2I_TRY(t2i_feature_cache_block(&j->cache, block, &feature, err));
            t2i_search_pictures(j->search, feature, block * rows, pictures,
                                j->trains + block * rows);
            if (at == 0 && j->mean_distance != NULL && g->first == 0)
                t2i_search_distances(j->search, j->mean, j->mean_distance + block * rows);
        }
        t2i_search_compare(j->search, g->prediction + at * j->D, count, g->found + at);
        say_progress(j, g, 0.5 + 0.5 * (double)(task + 1 - first) / (double)(end - first));
    }
    return T2I_OK;
}

/* Collective. What all ranks found, put together. */
static t2i_status fold_found(t2i_comm *comm, t2i_eval_job *j, group *g, t2i_error *err)
{
    size_t ranks = (size_t)j->size;
    t2i_found *all = t2i_alloc(ranks * FOLD, sizeof *all);
    t2i_status status =
        all == NULL ? t2i_fail_memory(err, ranks * FOLD * sizeof *all, "what was found") : T2I_OK;
    status = t2i_comm_agree(comm, status, err);
    for (size_t at = 0; status == T2I_OK && j->size > 1 && at < g->count; at += FOLD) {
        size_t some = g->count - at < FOLD ? g->count - at : FOLD;
        memcpy(all + (size_t)j->rank * FOLD, g->found + at, some * sizeof *all);
        t2i_comm_share_all(comm, all, FOLD * sizeof *all, ranks);
        memcpy(g->found + at, all, some * sizeof *all);
        for (size_t r = 1; r < ranks; r++)
            for (size_t i = 0; i < some; i++) t2i_found_add(&g->found[at + i], &all[r * FOLD + i]);
    }
    t2i_free(all);
    return status;
}

/* Collective. Each rank has the distances to the mean of the blocks whose first task was its own.
 */
static void share_mean(t2i_comm *comm, t2i_eval_job *j, const group *g)
{
    size_t queries = t2i_eval_query_blocks(g->count), tasks = queries * j->cache.blocks;
    for (int r = 0; r < j->size; r++) {
        size_t first = (t2i_share(tasks, r, j->size) + queries - 1) / queries * j->cache.rows;
        size_t end = (t2i_share(tasks, r + 1, j->size) + queries - 1) / queries * j->cache.rows;
        if (end > j->images) end = j->images;
        if (first < end)
            t2i_comm_bcast(comm, r, j->mean_distance + first, (end - first) * sizeof(double));
    }
}

/* ---- ranks ---- */

static const t2i_fitting *find_fit(const group *g, size_t i, uint32_t image)
{
    for (size_t k = g->start[i]; k < g->start[i + 1]; k++)
        if (g->fit[k].image == image) return &g->fit[k];
    return NULL;
}

/* By distance to the prediction: all closer pictures were counted, also those that do not count. */
static void rank_by(const group *g, size_t i, int metric)
{
    const t2i_compared *c = &g->found[i].by[metric];
    uint64_t closer = c->closer, tied = c->tied;
    for (size_t k = g->start[i]; k < g->start[i + 1]; k++) {
        double distance = g->distance[k][metric];
        int equal = distance == c->limit.distance;
        closer -= distance < c->limit.distance || (equal && g->fit[k].image < c->limit.image);
        tied -= (uint64_t)equal;
    }
    g->q[i].rank[metric] = (uint32_t)closer + 1;
    g->q[i].tied[metric] = tied > 0;
    g->q[i].first[metric] = c->first.image;
    g->q[i].wrong[metric] = find_fit(g, i, c->first.image) == NULL;
}

static t2i_status rank_all(t2i_eval_job *j, group *g, t2i_error *err)
{
    int trained = j->base.rows > 0;
    if (trained && g->first == 0)
        T2I_TRY(t2i_baseline_order(j->mean_distance, j->images, j->mean_place, err));
    for (size_t i = 0; i < g->count; i++) {
        t2i_question *q = &g->q[i];
        const t2i_fitting *fit = g->fit + g->start[i];
        size_t count = g->start[i + 1] - g->start[i];
        if (!is_asked(g, i)) continue;
        for (int metric = 0; metric < T2I_METRICS; metric++) rank_by(g, i, metric);
        q->trained = g->found[i].trained.image;
        if (!trained) continue;
        q->rank[T2I_BY_MEAN] = (uint32_t)t2i_baseline_rank(j->mean_place, fit, count);
        q->rank[T2I_BY_CONSTANT] = (uint32_t)t2i_baseline_rank(j->base.constant, fit, count);
    }
    return T2I_OK;
}

static t2i_status ask_prompts(t2i_eval_job *j, group *g, uint32_t *rank, t2i_error *err)
{
    t2i_text text = {0};
    t2i_status status = T2I_OK;
    size_t end = t2i_share(g->count, j->rank + 1, j->size), found;
    for (size_t i = t2i_share(g->count, j->rank, j->size); status == T2I_OK && i < end; i++) {
        if (!is_asked(g, i)) continue;
        uint64_t pair = j->prompts.first[g->q[i].prompt];
        status = t2i_prompts_text(j->trained->dataset, pair, &text, err);
        if (status == T2I_OK)
            status = t2i_baseline_nearest(&j->base, &text, g->fit + g->start[i],
                                          g->start[i + 1] - g->start[i], &found, err);
        if (status == T2I_OK) rank[i] = (uint32_t)found;
    }
    t2i_text_free(&text);
    return status;
}

/* Collective. */
static t2i_status rank_by_prompts(t2i_comm *comm, t2i_eval_job *j, group *g, t2i_error *err)
{
    if (j->base.rows == 0) return T2I_OK;
    uint32_t *rank = t2i_alloc(g->count, sizeof *rank);
    t2i_status status = rank == NULL ? t2i_fail_memory(err, g->count * sizeof *rank, "the ranks")
                                     : ask_prompts(j, g, rank, err);
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_share_all(comm, rank, sizeof *rank, g->count);
        for (size_t i = 0; i < g->count; i++) g->q[i].rank[T2I_BY_TRIGRAMS] = rank[i];
    }
    t2i_free(rank);
    return status;
}

/* ---- pixels ---- */

/* psnr (2, count): of the decoded predictions, then of the nearest training pictures. */
static t2i_status look_at_mine(t2i_eval_job *j, group *g, double *psnr, t2i_error *err)
{
    t2i_gallery *gallery = &j->trained->gallery;
    int decodes = t2i_gallery_decodes(gallery), compares = j->base.rows > 0;
    size_t end = t2i_share(g->count, j->rank + 1, j->size);
    uint32_t *image = t2i_alloc(2 * g->count, sizeof *image);
    if (image == NULL) return t2i_fail_memory(err, 8 * g->count, "the pictures");
    uint32_t *other = image + g->count;
    for (size_t i = 0; i < g->count; i++) {
        image[i] = g->q[i].truth;
        other[i] = g->q[i].trained;
    }
    t2i_status status = T2I_OK;
    for (size_t i = t2i_share(g->count, j->rank, j->size); status == T2I_OK && i < end;) {
        size_t run = run_of(g, i, end, SIZE_MAX);
        if (run > 0)
            status =
                t2i_psnr_of(gallery, g->prediction + i * j->D, image + i, other + i, run,
                            decodes ? psnr + i : NULL, compares ? psnr + g->count + i : NULL, err);
        i += run > 0 ? run : 1;
    }
    t2i_free(image);
    return status;
}

/* Collective. */
static t2i_status look_at_pictures(t2i_comm *comm, t2i_eval_job *j, group *g, t2i_error *err)
{
    if (!t2i_gallery_shows(&j->trained->gallery)) return T2I_OK;
    double *psnr = t2i_alloc(2 * g->count, sizeof *psnr);
    t2i_status status = psnr == NULL ? t2i_fail_memory(err, 16 * g->count, "the pictures")
                                     : look_at_mine(j, g, psnr, err);
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_share_all(comm, psnr, sizeof *psnr, g->count);
        t2i_comm_share_all(comm, psnr + g->count, sizeof *psnr, g->count);
        for (size_t i = 0; i < g->count; i++) {
            g->q[i].decoded = psnr[i];
            g->q[i].compared = psnr[g->count + i];
        }
    }
    t2i_free(psnr);
    return status;
}

/* ---- all of it ---- */

/* Collective. */
static t2i_status ask_group(t2i_comm *comm, t2i_eval_job *j, group *g, t2i_error *err)
{
    size_t block = T2I_PREDICT_BLOCK * j->D * sizeof *g->prediction;
    T2I_TRY(t2i_comm_agree(comm, predict_mine(j, g, err), err));
    t2i_comm_share_all(comm, g->prediction, block, g->count / T2I_PREDICT_BLOCK);
    sum_predictions(j, g);
    T2I_TRY(measure_fitting(comm, j, g, err));
    T2I_TRY(t2i_comm_agree(comm, compare_mine(j, g, err), err));
    T2I_TRY(fold_found(comm, j, g, err));
    if (j->base.rows > 0 && g->first == 0) share_mean(comm, j, g);
    T2I_TRY(t2i_comm_agree(comm, rank_all(j, g, err), err));
    T2I_TRY(rank_by_prompts(comm, j, g, err));
    return look_at_pictures(comm, j, g, err);
}

static void empty(group *g)
{
    t2i_free(g->start);
    t2i_free(g->fit);
    t2i_free(g->distance);
    g->start = NULL;
    g->fit = NULL;
    g->distance = NULL;
}

t2i_status t2i_eval_rank(t2i_comm *comm, t2i_eval_job *j, t2i_error *err)
{
    size_t questions = j->begin[j->splits];
    group g = {.prediction = t2i_alloc(j->group, j->D * sizeof *g.prediction),
               .found = t2i_alloc(j->group, sizeof *g.found)};
    t2i_status status = g.prediction == NULL || g.found == NULL
                            ? t2i_fail_memory(err, j->group * j->D * 4, "the predictions")
                            : T2I_OK;
    status = t2i_comm_agree(comm, status, err);
    t2i_progress_begin(&j->progress, "asking and ranking");
    for (size_t at = 0; status == T2I_OK && at < questions; at += j->group) {
        g.first = at;
        g.count = questions - at < j->group ? questions - at : j->group;
        g.q = j->question + at;
        memset(g.prediction, 0, g.count * j->D * sizeof *g.prediction);
        status = ask_group(comm, j, &g, err);
        empty(&g);
    }
    if (status == T2I_OK) t2i_progress_end(&j->progress);
    t2i_free(g.prediction);
    t2i_free(g.found);
    return status;
}
