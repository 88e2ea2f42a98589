#include "train/validation_recall.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/heartbeat.h"
#include "retrieval/feature_cache.h"

enum { TOGETHER = 256 }; /* queries per search */

/* ---- queries ---- */

/* Is item `which` one of `most` evenly spread items of `count` (or of all, if there are no
 * more)? */
static int is_chosen(uint64_t which, uint64_t count, uint64_t most)
{
    if (count <= most) return 1;
    uint64_t k = (which * most + count - 1) / count; /* the first chosen item not before it */
    return k * count / most == which;
}

/* *out: number of pairs on one side of `pair` that have its prompt, of at most `room`. Uses
 * galloping search, because a prompt may have a hundred thousand pairs. */
static t2i_status reach(uint64_t *out, t2i_dataset *dataset, uint64_t pair, const t2i_text *prompt,
                        t2i_text *other, uint64_t room, int back, t2i_error *err)
{
    uint64_t same = 0, differs = room + 1, leap = 1;
    while (same + 1 < differs) {
        uint64_t probe =
            leap > 0 && same + leap < differs ? same + leap : same + (differs - same) / 2;
        T2I_TRY(t2i_prompts_text(dataset, back ? pair - probe : pair + probe, other, err));
        if (other->size == prompt->size && memcmp(other->data, prompt->data, prompt->size) == 0) {
            same = probe;
            leap *= 2;
        } else {
            differs = probe;
            leap = 0;
        }
    }
    *out = same;
    return T2I_OK;
}

/* The pairs of a prompt; text: two prompts to compare. */
typedef struct {
    t2i_text text[2];
    t2i_prompts one;
    size_t room; /* pairs that `one` has room for */
    size_t fits; /* pictures that recall->fit has room for */
} reading;

/* Reads all pairs, of any split, that have the prompt of this pair; *before: number of those before
 * it in the validation split. */
static t2i_status read_prompt(reading *r, t2i_dataset *dataset, uint64_t pair, uint64_t *before,
                              t2i_error *err)
{
    uint64_t back, on, all = t2i_dataset_get_info(dataset)->pairs;
    T2I_TRY(t2i_prompts_text(dataset, pair, &r->text[0], err));
    T2I_TRY(reach(&back, dataset, pair, &r->text[0], &r->text[1], pair, 1, err));
    T2I_TRY(reach(&on, dataset, pair, &r->text[0], &r->text[1], all - 1 - pair, 0, err));
    size_t count = (size_t)(back + 1 + on);
    if (count > r->room) {
        if (t2i_grow(&r->one.image, r->room, 2 * count, sizeof *r->one.image) != 0 ||
            t2i_grow(&r->one.split, r->room, 2 * count, 1) != 0)
            return t2i_fail_memory(err, 10 * count, "the pictures of a prompt");
        r->room = 2 * count;
    }
    T2I_TRY(t2i_dataset_pairs(dataset, pair - back, count, r->one.image, NULL, r->one.split, err));
    r->one.first[1] = (uint32_t)count;
    *before = 0;
    for (uint64_t i = 0; i < back; i++) *before += r->one.split[i] == T2I_VALIDATION;
    return T2I_OK;
}

/* Index of a picture in the gallery, or where it would be inserted. */
static size_t place_of(const t2i_validation_recall *recall, uint32_t image)
{
    size_t from = 0, end = recall->pictures;
    while (from < end) {
        size_t middle = from + (end - from) / 2;
        if (recall->picture[middle] < image)
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

static int shown(const t2i_validation_recall *recall, uint32_t image)
{
    size_t place = place_of(recall, image);
    return place < recall->pictures && recall->picture[place] == image;
}

/* Adds a query: its relevant pictures, and the excluded pictures of the gallery. */
static t2i_status ask(t2i_validation_recall *recall, reading *r, size_t row, t2i_error *err)
{
    size_t q = recall->questions, used = recall->begin[q], pairs = r->one.first[1];
    if (used + pairs > r->fits) {
        size_t room = 2 * (used + pairs);
        if (t2i_grow(&recall->fit, used, room, sizeof *recall->fit) != 0)
            return t2i_fail_memory(err, room * sizeof *recall->fit, "matching pictures");
        r->fits = room;
    }
    t2i_fitting *fit = recall->fit + used;
    size_t count = t2i_prompts_fitting(&r->one, 0, T2I_VALIDATION, fit);
    for (size_t k = 0; k < count; k++)
        if (fit[k].right || shown(recall, fit[k].image)) recall->fit[used++] = fit[k];
    recall->row[q] = row;
    recall->begin[++recall->questions] = used;
    return T2I_OK;
}

static t2i_status ask_rows(t2i_validation_recall *recall, t2i_dataset *dataset,
                           const t2i_rows *rows, uint64_t first, uint64_t in_split, reading *r,
                           t2i_error *err)
{
    for (size_t i = 0; i < rows->count; i++) {
        uint64_t row = first + i, before = 0;
        if (!is_chosen(row, in_split, T2I_VALIDATION_RECALL_MOST)) continue;
        T2I_TRY(read_prompt(r, dataset, rows->pair[i], &before, err));
        int asked = 0; /* is the prompt already a query, of an earlier row? */
        for (uint64_t k = row; k > row - before && !asked; k--)
            asked = is_chosen(k - 1, in_split, T2I_VALIDATION_RECALL_MOST);
        if (!asked) T2I_TRY(ask(recall, r, i, err));
    }
    return T2I_OK;
}

static t2i_status choose_pictures(t2i_validation_recall *recall, t2i_dataset *dataset,
                                  t2i_error *err)
{
    size_t images = (size_t)t2i_dataset_get_info(dataset)->images, count = 0, at = 0;
    uint8_t *wanted = t2i_alloc(images / 8 + 1, 1);
    t2i_status status =
        wanted == NULL ? t2i_fail_memory(err, images / 8, "the validation gallery") : T2I_OK;
    if (status == T2I_OK) status = t2i_dataset_mark_split(dataset, T2I_TRAIN, wanted, err);
    if (status == T2I_OK) status = t2i_dataset_mark_split(dataset, T2I_VALIDATION, wanted, err);
    for (size_t i = 0; status == T2I_OK && i < images; i++) count += wanted[i / 8] >> i % 8 & 1;
    size_t room = count < T2I_VALIDATION_RECALL_PICTURES ? count : T2I_VALIDATION_RECALL_PICTURES;
    recall->picture = t2i_alloc(room, sizeof *recall->picture);
    if (status == T2I_OK && recall->picture == NULL)
        status = t2i_fail_memory(err, room * sizeof *recall->picture, "the validation gallery");
    for (size_t i = 0; status == T2I_OK && i < images; i++)
        if ((wanted[i / 8] >> i % 8 & 1) && is_chosen(at++, count, T2I_VALIDATION_RECALL_PICTURES))
            recall->picture[recall->pictures++] = (uint32_t)i;
    t2i_free(wanted);
    return status;
}

t2i_status t2i_validation_recall_new(t2i_validation_recall *out, t2i_dataset *dataset,
                                     const t2i_config *config, const t2i_rows *rows, uint64_t first,
                                     uint64_t in_split, t2i_error *err)
{
    reading r = {.room = 0};
    *out = (t2i_validation_recall){.D = config->vision_feature_dim,
                                   .dim = t2i_search_space_dim(config)};
    size_t most =
        rows->count < T2I_VALIDATION_RECALL_MOST ? rows->count : T2I_VALIDATION_RECALL_MOST;
    out->row = t2i_alloc(most, sizeof *out->row);
    out->begin = t2i_alloc(most + 1, sizeof *out->begin);
    r.one.first = t2i_alloc(2, sizeof *r.one.first);
    t2i_status status = out->row == NULL || out->begin == NULL || r.one.first == NULL
                            ? t2i_fail_memory(err, most * 16, "validation prompts")
                            : choose_pictures(out, dataset, err);
    if (status == T2I_OK) status = ask_rows(out, dataset, rows, first, in_split, &r, err);
    t2i_text_free(&r.text[0]);
    t2i_text_free(&r.text[1]);
    t2i_prompts_free(&r.one);
    if (status != T2I_OK) t2i_validation_recall_free(out);
    return status;
}

void t2i_validation_recall_free(t2i_validation_recall *recall)
{
    void *all[] = {recall->picture,  recall->row,        recall->begin, recall->fit,
                   recall->distance, recall->prediction, recall->found, recall->feature,
                   recall->block,    recall->one,        recall->none};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    t2i_search_free(recall->search);
    *recall = (t2i_validation_recall){0};
}

void t2i_validation_recall_want(const t2i_validation_recall *recall, uint8_t *wanted)
{
    for (size_t i = 0; i < recall->pictures; i++) t2i_want(wanted, recall->picture[i]);
    for (size_t k = 0; recall->questions > 0 && k < recall->begin[recall->questions]; k++)
        t2i_want(wanted, recall->fit[k].image);
}

t2i_status t2i_validation_recall_begin(t2i_validation_recall *recall,
                                       const t2i_shared_features *features,
                                       const t2i_packed_weights *packed, t2i_error *err)
{
    size_t n = recall->questions;
    recall->features = features;
    recall->packed = packed;
    if (n == 0) return T2I_OK;
    size_t rows = t2i_feature_cache_rows(recall->D);
    recall->distance = t2i_alloc(recall->begin[n], sizeof *recall->distance);
    recall->prediction = t2i_alloc(n * recall->dim, sizeof *recall->prediction);
    recall->found = t2i_alloc(n, sizeof *recall->found);
    recall->feature = t2i_alloc(rows * recall->D, sizeof *recall->feature);
    recall->block = t2i_alloc(rows * recall->dim, sizeof *recall->block);
    recall->one = t2i_alloc(recall->dim, sizeof *recall->one);
    recall->none = t2i_alloc(rows, 1);
    if (recall->distance == NULL || recall->prediction == NULL || recall->found == NULL ||
        recall->feature == NULL || recall->block == NULL || recall->one == NULL ||
        recall->none == NULL)
        return t2i_fail_memory(err, (n + 2 * rows) * recall->D * sizeof(float),
                               "validation prompts");
    return t2i_search_new(&recall->search, rows, n < TOGETHER ? n : TOGETHER, recall->dim, NULL,
                          err);
}

/* ---- ranking ---- */

void t2i_validation_recall_add_predictions(t2i_validation_recall *recall, size_t first,
                                           size_t count, const t2i_outputs *outputs)
{
    const t2i_config *c = &recall->packed->model->config;
    for (size_t q = 0; q < recall->questions; q++) {
        if (recall->row[q] < first || recall->row[q] >= first + count) continue;
        size_t i = recall->row[q] - first;
        const t2i_outputs one = {outputs->features + i * recall->D,
                                 outputs->query == NULL ? NULL : outputs->query + i * recall->dim};
        t2i_search_space_prompts(c, recall->prediction + q * recall->dim, &one, 1);
    }
}

/* Sets the limit to the distance of the nearest relevant picture; none if the prediction is not
 * finite. */
static void set_limit(t2i_validation_recall *recall, size_t q)
{
    size_t dim = recall->dim;
    const float *x = recall->prediction + q * dim;
    double own = t2i_gallery_length(x, dim);
    t2i_search_count *c = &recall->found[q].by[T2I_COSINE];
    recall->found[q] = (t2i_search_result){.training = t2i_search_none()};
    recall->found[q].by[T2I_EUCLIDEAN].limit = t2i_search_none();
    *c = (t2i_search_count){.limit = t2i_search_none(), .first = t2i_search_none()};
    if (!isfinite(own)) return;
    for (size_t k = recall->begin[q]; k < recall->begin[q + 1]; k++) {
        uint32_t image = recall->fit[k].image;
        float *y = recall->one;
        t2i_search_space_pictures(recall->packed, y,
                                  t2i_shared_features_feature(recall->features, image), 1);
        recall->distance[k] =
            t2i_gallery_distance(T2I_COSINE, x, own, y, t2i_gallery_length(y, dim), dim);
        if (recall->fit[k].right)
            t2i_search_nearer(&c->limit, (t2i_search_neighbour){recall->distance[k],
                                                                (uint32_t)place_of(recall, image)});
    }
}

static void compare_all(t2i_validation_recall *recall)
{
    size_t rows = t2i_feature_cache_rows(recall->D), D = recall->D;
    for (size_t at = 0; at < recall->pictures; at += rows) {
        size_t count = recall->pictures - at < rows ? recall->pictures - at : rows;
        t2i_heartbeat_beat();
        for (size_t i = 0; i < count; i++)
            memcpy(recall->feature + i * D,
                   t2i_shared_features_feature(recall->features, recall->picture[at + i]),
                   D * sizeof *recall->feature);
        t2i_search_space_pictures(recall->packed, recall->block, recall->feature, count);
        t2i_search_pictures(recall->search, recall->block, at, count, recall->none);
        for (size_t q = 0; q < recall->questions; q += TOGETHER)
            t2i_search_compare(recall->search, recall->prediction + q * recall->dim,
                               recall->questions - q < TOGETHER ? recall->questions - q : TOGETHER,
                               recall->found + q);
    }
}

/* The count of closer pictures includes excluded ones, which are subtracted here. No relevant
 * picture is closer than the limit. */
static uint32_t rank_of(const t2i_validation_recall *recall, size_t q)
{
    const t2i_search_count *c = &recall->found[q].by[T2I_COSINE];
    uint64_t closer = c->closer;
    if (c->limit.image == T2I_NO_PICTURE) return T2I_RANK_NONE;
    for (size_t k = recall->begin[q]; k < recall->begin[q + 1]; k++) {
        double distance = recall->distance[k];
        int equal = distance == c->limit.distance;
        closer -= distance < c->limit.distance ||
                  (equal && place_of(recall, recall->fit[k].image) < c->limit.image);
    }
    return (uint32_t)closer + 1;
}

void t2i_validation_recall_rank(t2i_validation_recall *recall, uint32_t *rank)
{
    for (size_t q = 0; q < recall->questions; q++) set_limit(recall, q);
    if (recall->questions > 0) compare_all(recall);
    for (size_t q = 0; q < recall->questions; q++) rank[recall->row[q]] = rank_of(recall, q);
}
