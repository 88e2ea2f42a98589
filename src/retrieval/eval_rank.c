#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "retrieval/eval_internal.h"
#include "base/mem.h"
#include "retrieval/psnr.h"

enum {
    TOGETHER = 16 * T2I_PREDICT_BLOCK, /* prompts per call of t2i_predict_packed */
    MERGED = 1024                      /* queries whose results are merged at a time */
};

/* A group of queries that is in memory at one time. */
typedef struct {
    size_t first, count; /* queries of the group; whole blocks */
    t2i_eval_query *q;   /* borrowed: count */
    float *prediction;   /* (e->group, D): predicted features */
    float *place;        /* (e->group, dim): the prompts in the search space; without embed_dim the
                            same memory */
    size_t *start;       /* count + 1: where the pictures of each query begin in `fit` */
    t2i_fitting *fit;    /* pictures that fit the queries */
    double (*distance)[T2I_METRICS]; /* distances of these pictures to the predictions */
    t2i_search_result *found;        /* count */
} group;

static int is_query(const group *g, size_t i)
{
    return g->q[i].prompt != T2I_NO_PROMPT;
}

/* Number of queries from i on without padding: at most `most`, and before `end`. */
static size_t run_of(const group *g, size_t i, size_t end, size_t most)
{
    size_t run = 0;
    while (i + run < end && run < most && is_query(g, i + run)) run++;
    return run;
}

/* part: share of the work on this group that is done; predictions are half of it. */
static void show_progress(t2i_evaluation *e, const group *g, double part)
{
    double queries = (double)e->begin[e->splits];
    t2i_progress_at(&e->progress, ((double)g->first + part * (double)g->count) / queries);
}

/* ---- predictions ---- */

typedef struct {
    t2i_text text, one;
    size_t at[TOGETHER + 1];
    t2i_prompt prompt[TOGETHER];
    t2i_encoded encoded[TOGETHER];
} prompt_batch;

/* Predicts a run of queries of one split that begins at a block. */
static t2i_status predict_run(t2i_evaluation *e, group *g, prompt_batch *r, size_t first,
                              size_t run, t2i_error *err)
{
    size_t s = t2i_eval_split_of(e, g->first + first);
    r->text.size = 0;
    for (size_t i = 0; i < run; i++) {
        uint64_t pair = e->prompts.first[g->q[first + i].prompt];
        T2I_TRY(t2i_prompts_text(e->model->dataset, pair, &r->one, err));
        r->at[i] = r->text.size;
        T2I_TRY(t2i_text_add(&r->text, r->one.data, r->one.size, err));
    }
    r->at[run] = r->text.size;
    for (size_t i = 0; i < run; i++)
        r->prompt[i] = (t2i_prompt){r->text.data + r->at[i], r->at[i + 1] - r->at[i]};
    T2I_TRY(t2i_predict_packed(
        &e->packed, &e->model->checkpoint.vocab, r->prompt, run, g->prediction + first * e->D,
        g->place == g->prediction ? NULL : g->place + first * e->dim, r->encoded, err));
    for (size_t i = 0; i < run; i++) {
        e->unknown[s] += r->encoded[i].unknown > 0;
        e->cut[s] += r->encoded[i].cut > 0;
    }
    return T2I_OK;
}

/* Predicts this rank's share of the blocks. */
static t2i_status predict_share(t2i_evaluation *e, group *g, t2i_error *err)
{
    size_t blocks = g->count / T2I_PREDICT_BLOCK;
    size_t at = t2i_comm_share(blocks, e->rank, e->size) * T2I_PREDICT_BLOCK;
    size_t end = t2i_comm_share(blocks, e->rank + 1, e->size) * T2I_PREDICT_BLOCK;
    prompt_batch *r = t2i_alloc(1, sizeof *r);
    if (r == NULL) return t2i_fail_memory(err, sizeof *r, "the prompts");
    t2i_status status = T2I_OK;
    size_t begin = at;
    while (status == T2I_OK && at < end) {
        size_t split_end = e->begin[t2i_eval_split_of(e, g->first + at) + 1] - g->first;
        size_t run = run_of(g, at, end < split_end ? end : split_end, TOGETHER);
        status = predict_run(e, g, r, at, run, err);
        /* a run ends with a block, or at the padding of the last block of a split */
        at += (run + T2I_PREDICT_BLOCK - 1) / T2I_PREDICT_BLOCK * T2I_PREDICT_BLOCK;
        show_progress(e, g, 0.5 * (double)(at - begin) / (double)(end - begin));
    }
    t2i_text_free(&r->text);
    t2i_text_free(&r->one);
    t2i_free(r);
    return status;
}

/* Sums the predictions for the spread, in the order of the queries. */
static void sum_predictions(t2i_evaluation *e, const group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (!is_query(g, i)) continue;
        size_t s = t2i_eval_split_of(e, g->first + i);
        const float *x = g->prediction + i * e->D;
        double length = t2i_gallery_length(x, e->D), *sum = e->sum + s * e->D;
        for (size_t d = 0; d < e->D; d++) sum[d] += (double)x[d];
        e->square[s] += length * length;
    }
}

/* ---- the pictures that fit ---- */

static t2i_status find_fitting(t2i_evaluation *e, group *g, t2i_error *err)
{
    const t2i_prompts *p = &e->prompts;
    size_t pairs = 0, count = 0;
    for (size_t i = 0; i < g->count; i++)
        if (is_query(g, i)) pairs += p->first[g->q[i].prompt + 1] - p->first[g->q[i].prompt];
    g->start = t2i_alloc(g->count + 1, sizeof *g->start);
    g->fit = t2i_alloc(pairs, sizeof *g->fit);
    g->distance = t2i_alloc(pairs, sizeof *g->distance);
    if (g->start == NULL || g->fit == NULL || g->distance == NULL)
        return t2i_fail_memory(err, pairs * sizeof *g->distance, "the right pictures");
    for (size_t i = 0; i < g->count; i++) {
        t2i_eval_query *q = &g->q[i];
        g->start[i] = count;
        if (!is_query(g, i)) continue;
        int split = e->split[t2i_eval_split_of(e, g->first + i)];
        count += t2i_prompts_fitting(p, q->prompt, split, g->fit + count);
        for (size_t k = g->start[i]; k < count; k++) q->right += g->fit[k].right;
        q->left_out = (uint32_t)(count - g->start[i]) - q->right;
    }
    g->start[g->count] = count;
    return T2I_OK;
}

/* A request for the distance of a picture to a prediction. */
typedef struct {
    uint32_t image, query;
    size_t at;
    double distance[T2I_METRICS];
} distance_request;

static int by_image(const void *a, const void *b)
{
    const distance_request *x = a, *y = b;
    if (x->image != y->image) return x->image < y->image ? -1 : 1;
    return (x->query > y->query) - (x->query < y->query);
}

static t2i_status measure_share(t2i_evaluation *e, const group *g, distance_request *all,
                                size_t count, t2i_error *err)
{
    size_t end = t2i_comm_share(count, e->rank + 1, e->size);
    for (size_t i = t2i_comm_share(count, e->rank, e->size); i < end; i++) {
        const float *picture, *x = g->place + all[i].query * e->dim;
        T2I_TRY(t2i_feature_cache_picture(e->cache, all[i].image, &picture, err));
        double length = t2i_gallery_length(picture, e->dim), own = t2i_gallery_length(x, e->dim);
        for (int metric = 0; metric < T2I_METRICS; metric++)
            all[i].distance[metric] =
                t2i_gallery_distance((t2i_metric)metric, x, own, picture, length, e->dim);
    }
    return T2I_OK;
}

/* Sets the closest right picture of each query as the limit of its search. */
static void set_limits(const group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        t2i_search_result *f = &g->found[i];
        f->training = t2i_search_none();
        for (int metric = 0; metric < T2I_METRICS; metric++) {
            t2i_search_count *c = &f->by[metric];
            *c = (t2i_search_count){.limit = t2i_search_none(), .first = t2i_search_none()};
            for (size_t k = g->start[i]; k < g->start[i + 1]; k++)
                if (g->fit[k].right)
                    t2i_search_nearer(
                        &c->limit, (t2i_search_neighbour){g->distance[k][metric], g->fit[k].image});
        }
        g->q[i].truth = f->by[T2I_EUCLIDEAN].limit.image;
    }
}

/* Collective. Distances of all pictures that fit the queries. */
static t2i_status measure_fitting(t2i_comm *comm, t2i_evaluation *e, group *g, t2i_error *err)
{
    t2i_status status = find_fitting(e, g, err);
    size_t count = status == T2I_OK ? g->start[g->count] : 0;
    distance_request *all = t2i_alloc(count, sizeof *all);
    if (status == T2I_OK && all == NULL)
        status = t2i_fail_memory(err, count * sizeof *all, "the right pictures");
    if (status == T2I_OK) {
        for (size_t i = 0; i < g->count; i++)
            for (size_t k = g->start[i]; k < g->start[i + 1]; k++)
                all[k] =
                    (distance_request){.image = g->fit[k].image, .query = (uint32_t)i, .at = k};
        qsort(all, count, sizeof *all,
              by_image); /* so that each rank reads its pictures once, in order */
        status = measure_share(e, g, all, count, err);
    }
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_allgather(comm, all, sizeof *all, count);
        for (size_t k = 0; k < count; k++)
            memcpy(g->distance[all[k].at], all[k].distance, sizeof all[k].distance);
        set_limits(g);
    }
    t2i_free(all);
    return status;
}

/* ---- comparing with all pictures ---- */

size_t t2i_eval_query_blocks(size_t queries)
{
    return (queries + QUERIES - 1) / QUERIES;
}

/* Distances of a block's features to the mean feature. */
static t2i_status measure_to_mean(t2i_evaluation *e, size_t block, t2i_error *err)
{
    const float *feature;
    double *distance = e->mean_distance + block * e->features.rows;
    double own = t2i_gallery_length(e->mean, e->D);
    T2I_TRY(t2i_feature_cache_block(&e->features, block, &feature, err));
    for (size_t m = 0; m < t2i_feature_cache_count(&e->features, block); m++) {
        const float *x = feature + m * e->D;
        distance[m] =
            t2i_gallery_distance(T2I_EUCLIDEAN, e->mean, own, x, t2i_gallery_length(x, e->D), e->D);
    }
    return T2I_OK;
}

static t2i_status compare_share(t2i_evaluation *e, group *g, t2i_error *err)
{
    size_t query_blocks = t2i_eval_query_blocks(g->count), tasks = query_blocks * e->cache->blocks;
    size_t first = t2i_comm_share(tasks, e->rank, e->size), rows = e->cache->rows;
    size_t end = t2i_comm_share(tasks, e->rank + 1, e->size);
    for (size_t task = first; task < end; task++) {
        size_t block = task / query_blocks, at = task % query_blocks * QUERIES;
        size_t count = g->count - at < QUERIES ? g->count - at : QUERIES;
        if (task == first || at == 0) {
            const float *picture;
            T2I_TRY(t2i_feature_cache_block(e->cache, block, &picture, err));
            t2i_search_pictures(e->search, picture, block * rows,
                                t2i_feature_cache_count(e->cache, block),
                                e->in_training + block * rows);
            if (at == 0 && e->mean_distance != NULL && g->first == 0)
                T2I_TRY(measure_to_mean(e, block, err));
        }
        t2i_search_compare(e->search, g->place + at * e->dim, count, g->found + at);
        show_progress(e, g, 0.5 + 0.5 * (double)(task + 1 - first) / (double)(end - first));
    }
    return T2I_OK;
}

/* Collective. Merges the results of all ranks. */
static t2i_status merge_results(t2i_comm *comm, t2i_evaluation *e, group *g, t2i_error *err)
{
    size_t ranks = (size_t)e->size;
    t2i_search_result *all = t2i_alloc(ranks * MERGED, sizeof *all);
    t2i_status status =
        all == NULL ? t2i_fail_memory(err, ranks * MERGED * sizeof *all, "search results") : T2I_OK;
    status = t2i_comm_agree(comm, status, err);
    for (size_t at = 0; status == T2I_OK && e->size > 1 && at < g->count; at += MERGED) {
        size_t some = g->count - at < MERGED ? g->count - at : MERGED;
        memcpy(all + (size_t)e->rank * MERGED, g->found + at, some * sizeof *all);
        t2i_comm_allgather(comm, all, MERGED * sizeof *all, ranks);
        memcpy(g->found + at, all, some * sizeof *all);
        for (size_t r = 1; r < ranks; r++)
            for (size_t i = 0; i < some; i++)
                t2i_search_merge(&g->found[at + i], &all[r * MERGED + i]);
    }
    t2i_free(all);
    return status;
}

/* Collective. Shares the distances to the mean. A rank has those of the blocks whose first task it
 * ran. */
static void share_mean_distances(t2i_comm *comm, t2i_evaluation *e, const group *g)
{
    size_t query_blocks = t2i_eval_query_blocks(g->count), tasks = query_blocks * e->cache->blocks;
    for (int r = 0; r < e->size; r++) {
        size_t first =
            (t2i_comm_share(tasks, r, e->size) + query_blocks - 1) / query_blocks * e->cache->rows;
        size_t end = (t2i_comm_share(tasks, r + 1, e->size) + query_blocks - 1) / query_blocks *
                     e->cache->rows;
        if (end > e->images) end = e->images;
        if (first < end)
            t2i_comm_bcast(comm, r, e->mean_distance + first, (end - first) * sizeof(double));
    }
}

/* ---- ranks ---- */

static const t2i_fitting *find_fit(const group *g, size_t i, uint32_t image)
{
    for (size_t k = g->start[i]; k < g->start[i + 1]; k++)
        if (g->fit[k].image == image) return &g->fit[k];
    return NULL;
}

/* Rank by distance to the prediction: subtracts the pictures that fit from the counts of all. */
static void rank_by(const group *g, size_t i, int metric)
{
    const t2i_search_count *c = &g->found[i].by[metric];
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

static t2i_status rank_all(t2i_evaluation *e, group *g, t2i_error *err)
{
    int has_training = e->base.rows > 0;
    if (has_training && g->first == 0)
        T2I_TRY(t2i_baseline_order(e->mean_distance, e->images, e->mean_place, err));
    for (size_t i = 0; i < g->count; i++) {
        t2i_eval_query *q = &g->q[i];
        const t2i_fitting *fit = g->fit + g->start[i];
        size_t count = g->start[i + 1] - g->start[i];
        if (!is_query(g, i)) continue;
        for (int metric = 0; metric < T2I_METRICS; metric++) rank_by(g, i, metric);
        q->nearest_training = g->found[i].training.image;
        if (!has_training) continue;
        q->rank[T2I_BY_MEAN] = (uint32_t)t2i_baseline_rank(e->mean_place, fit, count);
        q->rank[T2I_BY_CONSTANT] = (uint32_t)t2i_baseline_rank(e->base.constant, fit, count);
    }
    return T2I_OK;
}

/* Ranks of a query by the methods that read its prompt. */
typedef struct {
    uint32_t trigrams, text_index, hybrid;
} prompt_ranks;

static t2i_status rank_prompt(t2i_evaluation *e, const group *g, size_t i, t2i_text *text,
                              prompt_ranks *rank, t2i_error *err)
{
    const t2i_fitting *fit = g->fit + g->start[i];
    size_t count = g->start[i + 1] - g->start[i], found;
    T2I_TRY(t2i_prompts_text(e->model->dataset, e->prompts.first[g->q[i].prompt], text, err));
    T2I_TRY(t2i_baseline_nearest(&e->base, text, fit, count, &found, err));
    rank->trigrams = (uint32_t)found;
    const double *score = e->text_score;
    if (e->index_weight > 0.0) {
        T2I_TRY(
            t2i_hybrid_search_ask(&e->hybrid, text->data, text->size, g->place + i * e->dim, err));
        rank->hybrid = (uint32_t)t2i_hybrid_search_rank(&e->hybrid, e->index_weight, fit, count);
        score = e->hybrid.text;
    } else {
        T2I_TRY(t2i_text_index_score(&e->text_index, text->data, text->size, e->text_score, err));
    }
    rank->text_index = (uint32_t)t2i_baseline_rank_scores(score, e->images, fit, count);
    return T2I_OK;
}

static t2i_status rank_share_by_prompts(t2i_evaluation *e, const group *g, prompt_ranks *rank,
                                        t2i_error *err)
{
    t2i_text text = {0};
    t2i_status status = T2I_OK;
    size_t end = t2i_comm_share(g->count, e->rank + 1, e->size);
    for (size_t i = t2i_comm_share(g->count, e->rank, e->size); status == T2I_OK && i < end; i++)
        if (is_query(g, i)) status = rank_prompt(e, g, i, &text, &rank[i], err);
    t2i_text_free(&text);
    return status;
}

/* Collective. Ranks by nearest training prompts, and by the text index without and with the model.
 */
static t2i_status rank_by_prompts(t2i_comm *comm, t2i_evaluation *e, group *g, t2i_error *err)
{
    if (e->base.rows == 0) return T2I_OK;
    prompt_ranks *rank = t2i_alloc(g->count, sizeof *rank);
    t2i_status status = rank == NULL ? t2i_fail_memory(err, g->count * sizeof *rank, "the ranks")
                                     : rank_share_by_prompts(e, g, rank, err);
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_allgather(comm, rank, sizeof *rank, g->count);
        for (size_t i = 0; i < g->count; i++) {
            g->q[i].rank[T2I_BY_TRIGRAMS] = rank[i].trigrams;
            g->q[i].rank[T2I_BY_TEXT_INDEX] = rank[i].text_index;
            g->q[i].rank[T2I_BY_HYBRID] = rank[i].hybrid;
        }
    }
    t2i_free(rank);
    return status;
}

/* ---- pixels ---- */

/* PSNR of the decoded features of pictures against the true pictures. */
static t2i_status decode_share(t2i_evaluation *e, const uint32_t *picture, const uint32_t *truth,
                               size_t count, double *psnr, t2i_error *err)
{
    enum { SOME = 256 };
    float *feature = t2i_alloc(SOME, e->D * sizeof *feature);
    t2i_status status =
        feature == NULL ? t2i_fail_memory(err, SOME * e->D * 4, "the pictures") : T2I_OK;
    for (size_t at = 0; status == T2I_OK && at < count; at += SOME) {
        size_t some = count - at < SOME ? count - at : SOME;
        for (size_t i = 0; status == T2I_OK && i < some; i++) {
            const float *one;
            status = t2i_feature_cache_picture(&e->features, picture[at + i], &one, err);
            if (status == T2I_OK) memcpy(feature + i * e->D, one, e->D * sizeof *one);
        }
        if (status == T2I_OK)
            status = t2i_psnr_of(&e->model->gallery, feature, truth + at, NULL, some, psnr + at,
                                 NULL, err);
    }
    t2i_free(feature);
    return status;
}

/* PSNR of queries i .. i + run - 1: of the decoded predictions, the nearest training pictures and
 * the decoded true features. With a decoder a training picture counts as its decoded features do,
 * so that one that equals the true picture does not count as 99 dB. */
static t2i_status psnr_run(t2i_evaluation *e, const group *g, size_t i, size_t run,
                           const uint32_t *truth, const uint32_t *nearest, double *psnr,
                           t2i_error *err)
{
    t2i_gallery *gallery = &e->model->gallery;
    double *compared = psnr + g->count + i, *ceiling = psnr + 2 * g->count + i;
    int compares = e->base.rows > 0;
    if (!t2i_gallery_decodes(gallery))
        return compares
                   ? t2i_psnr_of(gallery, NULL, truth + i, nearest + i, run, NULL, compared, err)
                   : T2I_OK;
    T2I_TRY(
        t2i_psnr_of(gallery, g->prediction + i * e->D, truth + i, NULL, run, psnr + i, NULL, err));
    T2I_TRY(decode_share(e, truth + i, truth + i, run, ceiling, err));
    return compares ? decode_share(e, nearest + i, truth + i, run, compared, err) : T2I_OK;
}

/* psnr (3, count): of this rank's share of the queries. */
static t2i_status psnr_share(t2i_evaluation *e, group *g, double *psnr, t2i_error *err)
{
    size_t end = t2i_comm_share(g->count, e->rank + 1, e->size);
    uint32_t *truth = t2i_alloc(2 * g->count, sizeof *truth);
    if (truth == NULL) return t2i_fail_memory(err, 8 * g->count, "the pictures");
    uint32_t *nearest = truth + g->count;
    for (size_t i = 0; i < g->count; i++) {
        truth[i] = g->q[i].truth;
        nearest[i] = g->q[i].nearest_training;
    }
    t2i_status status = T2I_OK;
    for (size_t i = t2i_comm_share(g->count, e->rank, e->size); status == T2I_OK && i < end;) {
        size_t run = run_of(g, i, end, SIZE_MAX);
        if (run > 0) status = psnr_run(e, g, i, run, truth, nearest, psnr, err);
        i += run > 0 ? run : 1;
    }
    t2i_free(truth);
    return status;
}

/* Collective. */
static t2i_status measure_psnr(t2i_comm *comm, t2i_evaluation *e, group *g, t2i_error *err)
{
    if (!t2i_gallery_shows(&e->model->gallery)) return T2I_OK;
    double *psnr = t2i_alloc(3 * g->count, sizeof *psnr);
    t2i_status status = psnr == NULL ? t2i_fail_memory(err, 24 * g->count, "the pictures")
                                     : psnr_share(e, g, psnr, err);
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_allgather(comm, psnr, sizeof *psnr, g->count);
        t2i_comm_allgather(comm, psnr + g->count, sizeof *psnr, g->count);
        t2i_comm_allgather(comm, psnr + 2 * g->count, sizeof *psnr, g->count);
        for (size_t i = 0; i < g->count; i++) {
            g->q[i].decoded = psnr[i];
            g->q[i].compared = psnr[g->count + i];
            g->q[i].ceiling = psnr[2 * g->count + i];
        }
    }
    t2i_free(psnr);
    if (status == T2I_OK && t2i_gallery_decodes(&e->model->gallery) && e->base.rows > 0)
        status = t2i_eval_draw(comm, e, g->first, g->count, g->prediction, g->place, err);
    return status;
}

/* ---- all groups ---- */

/* Collective. */
static t2i_status rank_group(t2i_comm *comm, t2i_evaluation *e, group *g, t2i_error *err)
{
    size_t block = T2I_PREDICT_BLOCK * e->D * sizeof *g->prediction;
    T2I_TRY(t2i_comm_agree(comm, predict_share(e, g, err), err));
    t2i_comm_allgather(comm, g->prediction, block, g->count / T2I_PREDICT_BLOCK);
    if (g->place != g->prediction)
        t2i_comm_allgather(comm, g->place, T2I_PREDICT_BLOCK * e->dim * sizeof *g->place,
                           g->count / T2I_PREDICT_BLOCK);
    sum_predictions(e, g);
    T2I_TRY(measure_fitting(comm, e, g, err));
    T2I_TRY(t2i_comm_agree(comm, compare_share(e, g, err), err));
    T2I_TRY(merge_results(comm, e, g, err));
    if (e->base.rows > 0 && g->first == 0) share_mean_distances(comm, e, g);
    T2I_TRY(t2i_comm_agree(comm, rank_all(e, g, err), err));
    T2I_TRY(rank_by_prompts(comm, e, g, err));
    return measure_psnr(comm, e, g, err);
}

static void free_fitting(group *g)
{
    t2i_free(g->start);
    t2i_free(g->fit);
    t2i_free(g->distance);
    g->start = NULL;
    g->fit = NULL;
    g->distance = NULL;
}

t2i_status t2i_eval_rank(t2i_comm *comm, t2i_evaluation *e, t2i_error *err)
{
    size_t queries = e->begin[e->splits], embed_dim = e->model->checkpoint.model.config.embed_dim;
    group g = {.prediction = t2i_alloc(e->group, e->D * sizeof *g.prediction),
               .found = t2i_alloc(e->group, sizeof *g.found)};
    g.place = embed_dim > 0 ? t2i_alloc(e->group, e->dim * sizeof *g.place) : g.prediction;
    t2i_status status =
        g.prediction == NULL || g.place == NULL || g.found == NULL
            ? t2i_fail_memory(err, e->group * (e->D + embed_dim) * 4, "the predictions")
            : T2I_OK;
    status = t2i_comm_agree(comm, status, err);
    t2i_progress_begin(&e->progress, "predicting and ranking");
    for (size_t at = 0; status == T2I_OK && at < queries; at += e->group) {
        g.first = at;
        g.count = queries - at < e->group ? queries - at : e->group;
        g.q = e->query + at;
        memset(g.prediction, 0, g.count * e->D * sizeof *g.prediction);
        memset(g.place, 0, g.count * e->dim * sizeof *g.place);
        status = rank_group(comm, e, &g, err);
        free_fitting(&g);
    }
    if (status == T2I_OK) t2i_progress_end(&e->progress);
    if (g.place != g.prediction) t2i_free(g.place);
    t2i_free(g.prediction);
    t2i_free(g.found);
    return status;
}
