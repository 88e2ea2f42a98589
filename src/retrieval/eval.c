#include "retrieval/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "retrieval/eval_internal.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

static void free_evaluation(t2i_evaluation *e)
{
    void *all[] = {e->in_training, e->query,         e->weight,     e->mean,
                   e->sum,         e->mean_distance, e->mean_place, e->text_score};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    t2i_hybrid_search_free(&e->hybrid);
    t2i_gallery_free(&e->gallery);
    t2i_text_index_free(&e->text_index);
    t2i_baseline_free(&e->base);
    t2i_prompts_free(&e->prompts);
    t2i_feature_cache_free(&e->features);
    t2i_feature_cache_free(&e->mapped);
    t2i_packed_weights_free(&e->packed);
    t2i_search_free(e->search);
    t2i_thread_pool_free(e->pool);
}

/* Ranks that open a run during training may read different models. */
static t2i_status check_same(t2i_comm *comm, const t2i_evaluation *e, t2i_error *err)
{
    const t2i_checkpoint *c = &e->model->checkpoint;
    char mine[2 * T2I_HEX] = {0};
    t2i_hash_hex(c->weights, c->model.layout.floats * sizeof *c->weights, mine);
    memcpy(mine + T2I_HEX, t2i_dataset_get_info(e->model->dataset)->digest, T2I_HEX);
    if (!t2i_comm_same(comm, mine, sizeof mine))
        return t2i_fail(
            err, T2I_DATA,
            "the ranks read different files from %s and %s: give a checkpoint that does "
            "not change, and a dataset on a shared file system",
            e->model->path, t2i_dataset_path(e->model->dataset));
    return T2I_OK;
}

/* Caches what this rank reads repeatedly: the blocks of its tasks. With a search space of its own,
 * features and places share the memory by their widths. */
static t2i_status open_caches(t2i_evaluation *e, t2i_error *err)
{
    size_t rows = t2i_feature_cache_rows(e->D), blocks = e->images / rows + (e->images % rows > 0);
    size_t query_blocks = t2i_eval_query_blocks(e->group), tasks = blocks * query_blocks;
    size_t first = t2i_comm_share(tasks, e->rank, e->size);
    size_t end = t2i_comm_share(tasks, e->rank + 1, e->size);
    size_t from = first / query_blocks, to = (end + query_blocks - 1) / query_blocks;
    size_t E = e->model->checkpoint.model.config.embed_dim, bytes = e->options->cache_bytes;
    size_t for_places = bytes / (e->D + E) * E;
    T2I_TRY(
        t2i_feature_cache_new(&e->features, e->model->dataset, from, to, bytes - for_places, err));
    e->cache = &e->features;
    if (E == 0) return T2I_OK;
    e->cache = &e->mapped;
    return t2i_feature_cache_map(&e->mapped, &e->features, &e->packed, from, to, for_places, err);
}

static t2i_status index_prompts(t2i_evaluation *e, t2i_error *err)
{
    e->text_score = t2i_alloc(e->images, sizeof *e->text_score);
    if (e->text_score == NULL)
        return t2i_fail_memory(err, e->images * sizeof *e->text_score, "the pictures");
    T2I_TRY(t2i_baseline_index(&e->base, e->model->dataset, err));
    return t2i_text_index_new(&e->text_index, e->model->dataset, &e->prompts, err);
}

/* All pictures in memory, for a search with the text index. */
static t2i_status open_hybrid(t2i_evaluation *e, t2i_error *err)
{
    if (e->base.rows > 0 && e->images <= T2I_HYBRID_SEARCH_PICTURES)
        e->index_weight = e->model->checkpoint.run.index_weight;
    if (!(e->index_weight > 0.0)) return T2I_OK;
    T2I_TRY(t2i_gallery_new(&e->gallery, e->model->dataset, &e->packed, err));
    return t2i_hybrid_search_new(&e->hybrid, &e->gallery, &e->text_index, err);
}

static t2i_status prepare(t2i_evaluation *e, int threads, int spin, t2i_error *err)
{
    const t2i_checkpoint *c = &e->model->checkpoint;
    T2I_TRY(t2i_packed_weights_of(&e->packed, &c->model, c->weights, err));
    e->dim = t2i_search_space_dim(&c->model.config);
    T2I_TRY(t2i_eval_plan(e, err));
    if (e->base.rows > 0) T2I_TRY(index_prompts(e, err));
    T2I_TRY(open_hybrid(e, err));
    T2I_TRY(open_caches(e, err));
    T2I_TRY(t2i_thread_pool_new(&e->pool, threads, spin, err));
    T2I_TRY(t2i_search_new(&e->search, e->cache->rows, QUERIES, e->dim, e->pool, err));
    e->sum = t2i_alloc(e->splits, e->D * sizeof *e->sum);
    e->mean_distance = e->base.rows > 0 ? t2i_alloc(e->images, sizeof *e->mean_distance) : NULL;
    e->mean_place = t2i_alloc(e->images, sizeof *e->mean_place);
    if (e->sum == NULL || (e->base.rows > 0 && e->mean_distance == NULL) || e->mean_place == NULL)
        return t2i_fail_memory(err, 12 * e->images, "the pictures");
    return T2I_OK;
}

/* ---- results ---- */

/* Query i of the evaluated split s. */
static const t2i_eval_query *query_of(const t2i_evaluation *e, size_t s, size_t i)
{
    return &e->query[e->begin[s] + i];
}

static int by_chances(const void *a, const void *b)
{
    const t2i_chances *x = a, *y = b;
    if (x->right != y->right) return x->right < y->right ? -1 : 1;
    return (x->left_out > y->left_out) - (x->left_out < y->left_out);
}

static t2i_status score_random(const t2i_evaluation *e, size_t s, t2i_scores *out, t2i_error *err)
{
    size_t count = e->sampled[s], kinds = 0;
    t2i_chances *kind = t2i_alloc(count, sizeof *kind);
    if (kind == NULL) return t2i_fail_memory(err, count * sizeof *kind, "the baseline");
    for (size_t i = 0; i < count; i++)
        kind[i] = (t2i_chances){query_of(e, s, i)->right, query_of(e, s, i)->left_out, 1};
    qsort(kind, count, sizeof *kind, by_chances);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && by_chances(&kind[i], &kind[kinds - 1]) == 0)
            kind[kinds - 1].prompts++;
        else
            kind[kinds++] = kind[i];
    }
    t2i_status status = t2i_scores_random(out, e->images, kind, kinds, err);
    t2i_free(kind);
    return status;
}

static t2i_status find_hub(const t2i_evaluation *e, size_t s, int metric, t2i_hub *out,
                           t2i_error *err)
{
    uint32_t *times = t2i_alloc(e->images, sizeof *times), best = 0;
    if (times == NULL) return t2i_fail_memory(err, e->images * sizeof *times, "the hubs");
    for (size_t i = 0; i < e->sampled[s]; i++) {
        const t2i_eval_query *q = query_of(e, s, i);
        if (q->wrong[metric]) times[q->first[metric]]++;
    }
    for (uint32_t m = 1; m < e->images; m++)
        if (times[m] > times[best]) best = m;
    out->prompts = times[best];
    t2i_free(times);
    if (out->prompts == 0) return T2I_OK;
    return t2i_dataset_image_name(e->model->dataset, best, &out->image, err);
}

/* Spread of the predictions relative to that of the right pictures. */
static double spread_of(const t2i_evaluation *e, size_t s)
{
    double count = (double)e->sampled[s], square = 0.0;
    for (size_t d = 0; d < e->D; d++) {
        double mean = e->sum[s * e->D + d] / count;
        square += mean * mean;
    }
    if (!(e->target[s] > 0.0)) return NAN;
    return sqrt(fmax(e->square[s] / count - square, 0.0) / e->target[s]);
}

/* Figures that each rank computes alone. */
static t2i_status fill_result(const t2i_evaluation *e, size_t s, t2i_eval_result *r, t2i_error *err)
{
    double decoded = 0.0, compared = 0.0, ceiling = 0.0;
    const t2i_gallery *gallery = &e->model->gallery;
    for (size_t i = 0; i < e->sampled[s]; i++) {
        const t2i_eval_query *q = query_of(e, s, i);
        decoded += q->decoded;
        compared += q->compared;
        ceiling += q->ceiling;
        for (int metric = 0; metric < T2I_METRICS; metric++) r->tied[metric] += q->tied[metric];
    }
    if (t2i_gallery_shows(gallery) && t2i_gallery_decodes(gallery)) {
        r->decoded_psnr = decoded / (double)e->sampled[s];
        r->ceiling_psnr = ceiling / (double)e->sampled[s];
    }
    r->drawn = e->drawn[s];
    for (size_t way = 0; way < T2I_EVAL_WAYS; way++)
        r->drawn_psnr[way] = r->drawn > 0 ? e->drawn_psnr[s][way] / (double)r->drawn : NAN;
    if (t2i_gallery_shows(gallery) && r->has_training)
        r->nearest_psnr = compared / (double)e->sampled[s];
    r->spread = spread_of(e, s);
    for (int metric = 0; metric < T2I_METRICS; metric++)
        T2I_TRY(find_hub(e, s, metric, &r->hub[metric], err));
    return score_random(e, s, &r->random, err);
}

/* Collects the ranks of each method. The caller frees *rank (methods, queries). */
static t2i_status gather_ranks(const t2i_evaluation *e, size_t s, size_t methods, t2i_ranks *out,
                               t2i_error *err)
{
    size_t count = e->sampled[s];
    const uint32_t *method[T2I_METHODS];
    uint32_t *rank = t2i_alloc(methods * count, sizeof *rank);
    if (rank == NULL) return t2i_fail_memory(err, methods * count * sizeof *rank, "the ranks");
    for (size_t w = 0; w < methods; w++) {
        method[w] = rank + w * count;
        for (size_t i = 0; i < count; i++) rank[w * count + i] = query_of(e, s, i)->rank[w];
    }
    t2i_status status = t2i_scores_ranks_new(out, method, methods, count, err);
    t2i_free(rank);
    return status;
}

/* out: scores of method a less those of method b, with their intervals. */
static void subtract(t2i_eval_result *r, size_t methods, t2i_scores *drawn, size_t a, size_t b,
                     t2i_eval_method *out)
{
    double value[T2I_RESAMPLES];
    for (size_t k = 0; k < T2I_SCORE_KINDS; k++) {
        for (size_t i = 0; i < T2I_RESAMPLES; i++)
            value[i] = *t2i_scores_at(&drawn[i * methods + a], k) -
                       *t2i_scores_at(&drawn[i * methods + b], k);
        *t2i_scores_at(&out->score, k) =
            *t2i_scores_at(&r->method[a].score, k) - *t2i_scores_at(&r->method[b].score, k);
        t2i_scores_interval(value, t2i_scores_at(&out->low, k), t2i_scores_at(&out->high, k));
    }
}

static void compare_methods(t2i_eval_result *r, size_t methods, t2i_scores *drawn)
{
    for (size_t w = T2I_BY_EUCLIDEAN; w <= T2I_BY_COSINE; w++)
        subtract(r, methods, drawn, w, T2I_BY_TEXT_INDEX, &r->minus_text_index[w]);
    if (methods <= T2I_BY_HYBRID) return;
    subtract(r, methods, drawn, T2I_BY_HYBRID, T2I_BY_TEXT_INDEX, &r->hybrid_minus_text_index);
    subtract(r, methods, drawn, T2I_BY_HYBRID, T2I_BY_COSINE, &r->hybrid_minus_cosine);
}

/* drawn (T2I_RESAMPLES, methods): scores of the resamples. */
static void set_intervals(t2i_eval_result *r, size_t methods, t2i_scores *drawn)
{
    double value[T2I_RESAMPLES];
    for (size_t w = 0; w < methods; w++)
        for (size_t k = 0; k < T2I_SCORE_KINDS; k++) {
            for (size_t i = 0; i < T2I_RESAMPLES; i++)
                value[i] = *t2i_scores_at(&drawn[i * methods + w], k);
            t2i_scores_interval(value, t2i_scores_at(&r->method[w].low, k),
                                t2i_scores_at(&r->method[w].high, k));
        }
}

/* Collective. The ranks share the resamples. */
static t2i_status score_methods(t2i_comm *comm, const t2i_evaluation *e, size_t s,
                                t2i_eval_result *r, t2i_error *err)
{
    size_t methods = r->index_weight > 0.0 ? T2I_METHODS
                     : r->has_training     ? T2I_BY_HYBRID
                                           : T2I_BY_COSINE + 1;
    t2i_ranks ranks = {0};
    t2i_scores score[T2I_METHODS], *drawn = t2i_alloc(T2I_RESAMPLES, methods * sizeof *drawn);
    t2i_status status =
        drawn == NULL
            ? t2i_fail_memory(err, T2I_RESAMPLES * methods * sizeof *drawn, "the intervals")
            : gather_ranks(e, s, methods, &ranks, err);
    if (status == T2I_OK) {
        size_t end = t2i_comm_share(T2I_RESAMPLES, e->rank + 1, e->size);
        t2i_scores_ranks_score(&ranks, score);
        for (size_t w = 0; w < methods; w++) r->method[w].score = score[w];
        for (size_t i = t2i_comm_share(T2I_RESAMPLES, e->rank, e->size); i < end; i++)
            t2i_scores_ranks_resample(&ranks, e->options->seed, (uint64_t)r->split, i,
                                      drawn + i * methods);
    }
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_allgather(comm, drawn, methods * sizeof *drawn, T2I_RESAMPLES);
        set_intervals(r, methods, drawn);
        if (r->has_training) compare_methods(r, methods, drawn);
    }
    t2i_scores_ranks_free(&ranks);
    t2i_free(drawn);
    return status;
}

/* Collective. */
static t2i_status finish(t2i_comm *comm, const t2i_evaluation *e, t2i_eval_report *out,
                         t2i_error *err)
{
    for (size_t s = 0; s < e->splits; s++) {
        t2i_eval_result *r = &out->result[s];
        *r = (t2i_eval_result){.split = e->split[s],
                               .prompts = e->sampled[s],
                               .all_prompts = e->all[s],
                               .gallery = e->images,
                               .embed_dim = e->model->checkpoint.model.config.embed_dim,
                               .has_training = e->base.rows > 0,
                               .index_weight = e->index_weight,
                               .metric = t2i_loaded_model_metric(&e->model->checkpoint),
                               .decoded_psnr = NAN,
                               .ceiling_psnr = NAN,
                               .nearest_psnr = NAN};
        out->results = s + 1;
        r->unknown = (size_t)t2i_comm_sum(comm, e->unknown[s]);
        r->cut = (size_t)t2i_comm_sum(comm, e->cut[s]);
        T2I_TRY(t2i_comm_agree(comm, fill_result(e, s, r, err), err));
        T2I_TRY(score_methods(comm, e, s, r, err));
    }
    return T2I_OK;
}

/* Collective. */
static t2i_status evaluate(t2i_comm *comm, t2i_evaluation *e, t2i_eval_report *out, t2i_error *err)
{
    T2I_TRY(check_same(comm, e, err));
    int threads = t2i_comm_threads(comm, e->options->threads);
    T2I_TRY(t2i_comm_agree(comm, prepare(e, threads, !t2i_comm_crowded(comm), err), err));
    T2I_TRY(t2i_eval_measure(comm, e, err));
    T2I_TRY(t2i_eval_rank(comm, e, err));
    T2I_TRY(finish(comm, e, out, err));
    int list = e->options->list_ranks && e->rank == 0;
    return t2i_comm_agree(comm, list ? t2i_eval_ranks(e, &out->ranks, err) : T2I_OK, err);
}

t2i_status t2i_eval(t2i_comm *comm, t2i_loaded_model *model, const t2i_eval_options *options,
                    t2i_eval_report *out, t2i_error *err)
{
    t2i_evaluation e = {.model = model,
                        .options = options,
                        .rank = t2i_comm_rank(comm),
                        .size = t2i_comm_size(comm),
                        .images = model->gallery.images,
                        .D = model->gallery.features};
    T2I_ASSERT(options->split >= T2I_ALL_SPLITS && options->split < T2I_SPLITS);
    *out = (t2i_eval_report){0};
    t2i_status status = evaluate(comm, &e, out, err);
    free_evaluation(&e);
    if (status != T2I_OK) t2i_eval_report_free(out);
    return status;
}

void t2i_eval_report_free(t2i_eval_report *report)
{
    for (size_t i = 0; i < report->results; i++)
        for (int metric = 0; metric < T2I_METRICS; metric++)
            t2i_free(report->result[i].hub[metric].image);
    t2i_text_free(&report->ranks);
    *report = (t2i_eval_report){0};
}
