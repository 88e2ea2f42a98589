#include <math.h>
#include <string.h>

#include "retrieval/eval_internal.h"
#include "base/mem.h"
#include "retrieval/psnr.h"

enum { BATCH = 32 }; /* queries drawn in one call of the decoder */

/* The queries of this rank's share, and the nearest training pictures of each. */
typedef struct {
    size_t queries;
    size_t *query;  /* owned: numbers in the group */
    size_t *have;   /* owned: number of pictures in near */
    t2i_near *near; /* owned: (queries, T2I_DRAWING_PICTURES), nearest first */
    double *length; /* owned: of the queries' places */
    float *feature; /* owned: (T2I_DRAWING_PICTURES, D) */
    float *drawn;   /* owned: (T2I_EVAL_WAYS, BATCH, D) */
    double *psnr;   /* owned: (all drawn queries of the group, T2I_EVAL_WAYS) */
} drawings;

static void free_drawings(drawings *d)
{
    void *all[] = {d->query, d->have, d->near, d->length, d->feature, d->drawn, d->psnr};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
}

static t2i_status find_nearest(t2i_evaluation *e, const float *place, drawings *d, t2i_error *err)
{
    for (size_t block = 0; d->queries > 0 && block < e->cache->blocks; block++) {
        const float *picture;
        size_t first = block * e->cache->rows;
        T2I_TRY(t2i_feature_cache_block(e->cache, block, &picture, err));
        for (size_t m = 0; m < t2i_feature_cache_count(e->cache, block); m++) {
            const float *y = picture + m * e->dim;
            if (!e->in_training[first + m]) continue;
            double length = t2i_gallery_length(y, e->dim);
            for (size_t i = 0; i < d->queries; i++)
                t2i_drawing_insert(d->near + i * T2I_DRAWING_PICTURES, &d->have[i], first + m,
                                   t2i_gallery_distance(T2I_COSINE, place + d->query[i] * e->dim,
                                                        d->length[i], y, length, e->dim));
        }
    }
    return T2I_OK;
}

/* Draws queries at .. at + some - 1 of the share in all ways. psnr: of the first of them. */
static t2i_status draw_batch(t2i_evaluation *e, const t2i_eval_query *q, const float *prediction,
                             drawings *d, size_t at, size_t some, double *psnr, t2i_error *err)
{
    size_t D = e->D;
    uint32_t truth[BATCH];
    double decoded[BATCH];
    for (size_t i = 0; i < some; i++) {
        const t2i_near *near = d->near + (at + i) * T2I_DRAWING_PICTURES;
        size_t query = d->query[at + i];
        truth[i] = q[query].truth;
        for (size_t k = 0; k < d->have[at + i]; k++) {
            const float *feature;
            T2I_TRY(t2i_feature_cache_picture(&e->features, near[k].image, &feature, err));
            memcpy(d->feature + k * D, feature, D * sizeof *feature);
        }
        for (int way = 0; way < T2I_DRAWINGS; way++)
            t2i_drawing_features((t2i_drawing)way, prediction + query * D, near, d->feature,
                                 d->have[at + i], D, d->drawn + ((size_t)way * BATCH + i) * D);
        memcpy(d->drawn + (T2I_EVAL_MEAN_PICTURE * BATCH + i) * D, e->mean, D * sizeof *e->mean);
    }
    for (size_t way = 0; way < T2I_EVAL_WAYS; way++) {
        T2I_TRY(t2i_psnr_of(&e->model->gallery, d->drawn + way * BATCH * D, truth, NULL, some,
                            decoded, NULL, err));
        for (size_t i = 0; i < some; i++) psnr[i * T2I_EVAL_WAYS + way] = decoded[i];
    }
    return T2I_OK;
}

static t2i_status draw_share(t2i_evaluation *e, const t2i_eval_query *q, const size_t *drawn,
                             size_t count, const float *prediction, const float *place, drawings *d,
                             t2i_error *err)
{
    size_t first = t2i_comm_share(count, e->rank, e->size);
    size_t n = d->queries = t2i_comm_share(count, e->rank + 1, e->size) - first;
    d->query = t2i_alloc(n, sizeof *d->query);
    d->have = t2i_alloc(n, sizeof *d->have);
    d->near = t2i_alloc(n * T2I_DRAWING_PICTURES, sizeof *d->near);
    d->length = t2i_alloc(n, sizeof *d->length);
    d->feature = t2i_alloc(T2I_DRAWING_PICTURES, e->D * sizeof *d->feature);
    d->drawn = t2i_alloc(T2I_EVAL_WAYS * BATCH, e->D * sizeof *d->drawn);
    d->psnr = t2i_alloc(count, T2I_EVAL_WAYS * sizeof *d->psnr);
    if (d->query == NULL || d->have == NULL || d->near == NULL || d->length == NULL ||
        d->feature == NULL || d->drawn == NULL || d->psnr == NULL)
        return t2i_fail_memory(err, n * T2I_DRAWING_PICTURES * sizeof *d->near, "the drawings");
    for (size_t i = 0; i < n; i++) {
        d->query[i] = drawn[first + i];
        d->length[i] = t2i_gallery_length(place + d->query[i] * e->dim, e->dim);
    }
    T2I_TRY(find_nearest(e, place, d, err));
    for (size_t at = 0; at < n; at += BATCH)
        T2I_TRY(draw_batch(e, q, prediction, d, at, n - at < BATCH ? n - at : BATCH,
                           d->psnr + (first + at) * T2I_EVAL_WAYS, err));
    return T2I_OK;
}

/* Split of a query of the group, or e->splits if it is padding or is not drawn. */
static size_t drawn_in(const t2i_evaluation *e, size_t query)
{
    size_t s = t2i_eval_split_of(e, query);
    int drawn = e->query[query].prompt != T2I_NO_PROMPT &&
                t2i_prompts_spread(query - e->begin[s], e->sampled[s], T2I_EVAL_DRAWN);
    return drawn ? s : e->splits;
}

t2i_status t2i_eval_draw(t2i_comm *comm, t2i_evaluation *e, size_t first, size_t count,
                         const float *prediction, const float *place, t2i_error *err)
{
    drawings d = {0};
    size_t n = 0, *drawn = t2i_alloc(count, sizeof *drawn);
    for (size_t i = 0; drawn != NULL && i < count; i++)
        if (drawn_in(e, first + i) < e->splits) drawn[n++] = i;
    t2i_status status = drawn == NULL
                            ? t2i_fail_memory(err, count * sizeof *drawn, "the drawings")
                            : draw_share(e, e->query + first, drawn, n, prediction, place, &d, err);
    status = t2i_comm_agree(comm, status, err);
    if (status == T2I_OK) {
        t2i_comm_allgather(comm, d.psnr, T2I_EVAL_WAYS * sizeof *d.psnr, n);
        for (size_t i = 0; i < n; i++) {
            size_t s = drawn_in(e, first + drawn[i]);
            e->drawn[s]++;
            for (size_t way = 0; way < T2I_EVAL_WAYS; way++)
                e->drawn_psnr[s][way] += d.psnr[i * T2I_EVAL_WAYS + way];
        }
    }
    free_drawings(&d);
    t2i_free(drawn);
    return status;
}
