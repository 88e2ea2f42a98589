#include "retrieval/hybrid_search.h"

#include <math.h>

#include "base/heartbeat.h"
#include "base/mem.h"
#include "model/predict.h"
#include "retrieval/baseline.h"

void t2i_hybrid_search_free(t2i_hybrid_search *h)
{
    t2i_free(h->distance);
    t2i_free(h->text);
    t2i_free(h->place);
    t2i_free(h->slot);
    *h = (t2i_hybrid_search){0};
}

t2i_status t2i_hybrid_search_new(t2i_hybrid_search *out, const t2i_gallery *gallery,
                                 t2i_text_index *index, t2i_error *err)
{
    size_t M = gallery->images;
    T2I_ASSERT(gallery->place != NULL && index->images == M);
    *out = (t2i_hybrid_search){.gallery = gallery,
                               .index = index,
                               .distance = t2i_alloc(M, sizeof *out->distance),
                               .text = t2i_alloc(M, sizeof *out->text),
                               .place = t2i_alloc(M, sizeof *out->place),
                               .slot = t2i_alloc(M, sizeof *out->slot)};
    if (out->distance != NULL && out->text != NULL && out->place != NULL && out->slot != NULL)
        return T2I_OK;
    t2i_hybrid_search_free(out);
    return t2i_fail_memory(err, 24 * M, "a search");
}

t2i_status t2i_hybrid_search_ask(t2i_hybrid_search *h, const char *bytes, size_t size,
                                 const float *prompt, t2i_error *err)
{
    size_t M = h->gallery->images, documents = 0;
    t2i_gallery_distances(h->gallery, T2I_COSINE, prompt, 1, h->distance);
    T2I_TRY(t2i_text_index_score(h->index, bytes, size, h->text, err));
    T2I_TRY(t2i_baseline_order(h->distance, M, h->place, err));
    /* slot: 0..M-1 without the places of pictures that have no document */
    for (size_t m = 0; m < M; m++) h->slot[h->place[m]] = (uint32_t)t2i_text_index_has(h->index, m);
    for (size_t p = 0; p < M; p++)
        if (h->slot[p]) h->slot[documents++] = (uint32_t)p;
    return T2I_OK;
}

/* Pictures with a document are in ascending order of this. */
static double value_of(const t2i_hybrid_search *h, double weight, size_t image)
{
    return h->distance[image] - weight * h->text[image];
}

double t2i_hybrid_search_score(const t2i_hybrid_search *h, double weight, size_t image)
{
    return 1.0 - value_of(h, weight, image);
}

static uint32_t place_of(const t2i_hybrid_search *h, double weight, size_t image)
{
    size_t before = 0;
    double value = value_of(h, weight, image);
    if (!t2i_text_index_has(h->index, image)) return h->place[image];
    for (size_t m = 0; m < h->gallery->images; m++) {
        double other = value_of(h, weight, m);
        if (other < value || (other == value && m < image))
            before += (size_t)t2i_text_index_has(h->index, m);
    }
    return h->slot[before];
}

size_t t2i_hybrid_search_rank(const t2i_hybrid_search *h, double weight, const t2i_fitting *fitting,
                              size_t count)
{
    uint32_t best = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        uint32_t place = fitting[i].right ? place_of(h, weight, fitting[i].image) : UINT32_MAX;
        if (place < best) best = place;
    }
    size_t rank = (size_t)best + 1;
    for (size_t i = 0; i < count; i++)
        rank -= (size_t)(!fitting[i].right && place_of(h, weight, fitting[i].image) < best);
    return rank;
}

t2i_status t2i_hybrid_search_first(const t2i_hybrid_search *h, double weight, size_t top,
                                   t2i_near *out, t2i_error *err)
{
    size_t M = h->gallery->images;
    double *value = t2i_alloc(M, sizeof *value);
    t2i_near *known = t2i_alloc(top, sizeof *known);
    t2i_status status = value == NULL || known == NULL
                            ? t2i_fail_memory(err, M * sizeof *value, "a search")
                            : T2I_OK;
    for (size_t m = 0; status == T2I_OK && m < M; m++)
        value[m] = t2i_text_index_has(h->index, m) ? value_of(h, weight, m) : INFINITY;
    if (status == T2I_OK) t2i_gallery_nearest(value, M, top, known);
    for (size_t m = 0; status == T2I_OK && m < M; m++)
        if (!t2i_text_index_has(h->index, m) && h->place[m] < top)
            out[h->place[m]] = (t2i_near){m, h->distance[m]};
    for (size_t k = 0;
         status == T2I_OK && k < top && isfinite(value[known[k].image]) && h->slot[k] < top; k++)
        out[h->slot[k]] = (t2i_near){known[k].image, h->distance[known[k].image]};
    t2i_free(value);
    t2i_free(known);
    return status;
}

/* ---- the weight ---- */

static const double grid[] = {0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0};
enum { GRID = sizeof grid / sizeof *grid };

/* Validation prompts that are predicted together. */
typedef struct {
    t2i_hybrid_search hybrid;
    const t2i_packed_weights *packed;
    const t2i_vocab *vocab;
    t2i_dataset *dataset;
    const t2i_prompts *prompts;
    t2i_text text[T2I_PREDICT_BLOCK];
    size_t number[T2I_PREDICT_BLOCK]; /* of each in `prompts` */
    size_t count;
    float *place;     /* owned: (T2I_PREDICT_BLOCK, dim) */
    t2i_fitting *fit; /* owned: those of one prompt */
    double sum[GRID]; /* of reciprocal ranks */
} choice;

/* Ranks the prompts that were collected. */
static t2i_status rank_block(choice *c, t2i_error *err)
{
    t2i_prompt prompt[T2I_PREDICT_BLOCK];
    for (size_t i = 0; i < c->count; i++)
        prompt[i] = (t2i_prompt){c->text[i].data, c->text[i].size};
    T2I_TRY(t2i_predict_packed(c->packed, c->vocab, prompt, c->count, NULL, c->place, NULL, err));
    for (size_t i = 0; i < c->count; i++) {
        size_t fits = t2i_prompts_fitting(c->prompts, c->number[i], T2I_VALIDATION, c->fit);
        T2I_TRY(t2i_hybrid_search_ask(&c->hybrid, prompt[i].bytes, prompt[i].size,
                                      c->place + i * c->hybrid.gallery->dim, err));
        for (size_t w = 0; w < GRID; w++)
            c->sum[w] += 1.0 / (double)t2i_hybrid_search_rank(&c->hybrid, grid[w], c->fit, fits);
        t2i_heartbeat_beat();
    }
    c->count = 0;
    return T2I_OK;
}

/* Ranks T2I_HYBRID_SEARCH_PROMPTS of the `asked` validation prompts, evenly spread. */
static t2i_status rank_prompts(choice *c, size_t asked, t2i_error *err)
{
    size_t at = 0;
    for (size_t p = 0; p < c->prompts->count; p++) {
        if (!t2i_prompts_has(c->prompts, p, T2I_VALIDATION)) continue;
        if (!t2i_prompts_spread(at++, asked, T2I_HYBRID_SEARCH_PROMPTS)) continue;
        c->number[c->count] = p;
        T2I_TRY(t2i_prompts_text(c->dataset, c->prompts->first[p], &c->text[c->count], err));
        if (++c->count == T2I_PREDICT_BLOCK) T2I_TRY(rank_block(c, err));
    }
    return c->count > 0 ? rank_block(c, err) : T2I_OK;
}

static double best_weight(const double sum[GRID])
{
    size_t best = 0;
    for (size_t w = 1; w < GRID; w++)
        if (sum[w] > sum[best]) best = w;
    return grid[best];
}

static t2i_status choose(const t2i_packed_weights *packed, const t2i_vocab *vocab,
                         t2i_dataset *dataset, const t2i_prompts *prompts,
                         const t2i_gallery *gallery, t2i_text_index *index, size_t asked,
                         double *weight, t2i_error *err)
{
    size_t most = 0;
    choice c = {.packed = packed, .vocab = vocab, .dataset = dataset, .prompts = prompts};
    for (size_t p = 0; p < prompts->count; p++)
        if (prompts->first[p + 1] - prompts->first[p] > most)
            most = prompts->first[p + 1] - prompts->first[p];
    c.place = t2i_alloc(T2I_PREDICT_BLOCK, gallery->dim * sizeof *c.place);
    c.fit = t2i_alloc(most, sizeof *c.fit);
    t2i_status status = c.place == NULL || c.fit == NULL
                            ? t2i_fail_memory(err, most * sizeof *c.fit, "validation prompts")
                            : t2i_hybrid_search_new(&c.hybrid, gallery, index, err);
    if (status == T2I_OK) status = rank_prompts(&c, asked, err);
    if (status == T2I_OK) *weight = best_weight(c.sum);
    for (size_t i = 0; i < T2I_PREDICT_BLOCK; i++) t2i_text_free(&c.text[i]);
    t2i_free(c.place);
    t2i_free(c.fit);
    t2i_hybrid_search_free(&c.hybrid);
    return status;
}

t2i_status t2i_hybrid_search_choose_weight(const t2i_packed_weights *packed, const t2i_vocab *vocab,
                                           t2i_dataset *dataset, double *weight, t2i_error *err)
{
    t2i_prompts prompts = {0};
    t2i_gallery gallery = {0};
    t2i_text_index index = {0};
    size_t asked = 0;
    *weight = 0.0;
    if (t2i_dataset_get_info(dataset)->images > T2I_HYBRID_SEARCH_PICTURES) return T2I_OK;
    T2I_TRY(t2i_prompts_new(&prompts, dataset, err));
    for (size_t p = 0; p < prompts.count; p++)
        asked += (size_t)t2i_prompts_has(&prompts, p, T2I_VALIDATION);
    t2i_status status = T2I_OK;
    if (asked > 0) {
        status = t2i_gallery_new(&gallery, dataset, packed, err);
        if (status == T2I_OK) status = t2i_text_index_new(&index, dataset, &prompts, err);
        if (status == T2I_OK)
            status = choose(packed, vocab, dataset, &prompts, &gallery, &index, asked, weight, err);
    }
    t2i_text_index_free(&index);
    t2i_gallery_free(&gallery);
    t2i_prompts_free(&prompts);
    return status;
}
