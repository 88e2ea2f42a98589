#include "retrieval/baseline.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

void t2i_baseline_free(t2i_baseline *b)
{
    void *all[] = {b->prompt,  b->pairs_of, b->first,    b->of,     b->begin,
                   b->picture, b->unused,   b->constant, b->shared, b->listed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    t2i_trigram_index_free(&b->index);
    *b = (t2i_baseline){0};
}

/* ---- training pairs ---- */

/* Lists the distinct pictures of each training prompt. */
static t2i_status list_pictures(t2i_baseline *b, t2i_error *err)
{
    const t2i_prompts *p = b->prompts;
    uint32_t *last = t2i_alloc(b->images, sizeof *last),
             count = 0; /* below 2^32, like the number of pairs */
    b->begin = t2i_alloc(b->training + 1, sizeof *b->begin);
    b->picture = t2i_alloc(b->rows, sizeof *b->picture);
    for (size_t k = 0; last != NULL && b->begin != NULL && b->picture != NULL && k < b->training;
         k++) {
        size_t number = b->prompt[k];
        for (uint32_t i = p->first[number]; i < p->first[number + 1]; i++) {
            uint32_t image = p->image[i];
            if (p->split[i] != T2I_TRAIN || last[image] == k + 1) continue;
            last[image] = (uint32_t)(k + 1);
            b->picture[count++] = image;
        }
        b->begin[k + 1] = count;
    }
    t2i_free(last);
    if (b->begin == NULL || b->picture == NULL || last == NULL)
        return t2i_fail_memory(err, 4 * (b->images + b->rows), "the training prompts");
    return T2I_OK;
}

/* Lists the training prompts of each picture. */
static t2i_status list_prompts(t2i_baseline *b, t2i_error *err)
{
    size_t all = b->begin[b->training];
    b->of = t2i_alloc(all, sizeof *b->of);
    if (b->of == NULL) return t2i_fail_memory(err, all * sizeof *b->of, "the training prompts");
    for (size_t i = 0; i < all; i++) b->first[b->picture[i] + 1]++;
    for (size_t m = 1; m <= b->images; m++) b->first[m] += b->first[m - 1];
    for (size_t k = b->training; k-- > 0;) /* backwards, so that the ends become beginnings */
        for (size_t i = b->begin[k]; i < b->begin[k + 1]; i++)
            b->of[--b->first[b->picture[i] + 1]] = (uint32_t)k;
    memmove(b->first, b->first + 1, b->images * sizeof *b->first);
    b->first[b->images] = (uint32_t)all;
    return T2I_OK;
}

static t2i_status order_constant(t2i_baseline *b, t2i_error *err)
{
    double *value = t2i_alloc(b->images, sizeof *value);
    if (value == NULL) return t2i_fail_memory(err, b->images * sizeof *value, "the pictures");
    for (size_t m = 0; m < b->images; m++) value[m] = -(double)(b->first[m + 1] - b->first[m]);
    t2i_status status = t2i_baseline_order(value, b->images, b->constant, err);
    t2i_free(value);
    return status;
}

static t2i_status fill(t2i_baseline *b, t2i_error *err)
{
    const t2i_prompts *p = b->prompts;
    b->prompt = t2i_alloc(p->count, sizeof *b->prompt);
    b->pairs_of = t2i_alloc(b->images, sizeof *b->pairs_of);
    b->first = t2i_alloc(b->images + 1, sizeof *b->first);
    b->unused = t2i_alloc(b->images + 1, sizeof *b->unused);
    b->constant = t2i_alloc(b->images, sizeof *b->constant);
    if (b->prompt == NULL || b->pairs_of == NULL || b->first == NULL || b->unused == NULL ||
        b->constant == NULL)
        return t2i_fail_memory(err, 4 * p->count + 16 * b->images, "the baselines");
    for (size_t i = 0; i < p->count; i++)
        if (t2i_prompts_has(p, i, T2I_TRAIN)) b->prompt[b->training++] = (uint32_t)i;
    for (size_t i = 0; i < p->pairs; i++) {
        if (p->split[i] != T2I_TRAIN) continue;
        b->pairs_of[p->image[i]]++;
        b->rows++;
    }
    for (size_t m = 0; m < b->images; m++) b->unused[m + 1] = b->unused[m] + (b->pairs_of[m] == 0);
    T2I_TRY(list_pictures(b, err));
    T2I_TRY(list_prompts(b, err));
    return order_constant(b, err);
}

t2i_status t2i_baseline_new(t2i_baseline *out, const t2i_prompts *prompts, size_t images,
                            t2i_error *err)
{
    *out = (t2i_baseline){.prompts = prompts, .images = images};
    t2i_status status = fill(out, err);
    if (status != T2I_OK) t2i_baseline_free(out);
    return status;
}

/* ---- the same order for every prompt ---- */

typedef struct {
    double value;
    uint32_t image;
} valued;

static int by_value(const void *a, const void *b)
{
    const valued *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->image > y->image) - (x->image < y->image);
}

t2i_status t2i_baseline_order(const double *value, size_t images, uint32_t *place, t2i_error *err)
{
    valued *all = t2i_alloc(images, sizeof *all);
    if (all == NULL) return t2i_fail_memory(err, images * sizeof *all, "the pictures' order");
    for (size_t m = 0; m < images; m++) all[m] = (valued){value[m], (uint32_t)m};
    qsort(all, images, sizeof *all, by_value);
    for (size_t i = 0; i < images; i++) place[all[i].image] = (uint32_t)i;
    t2i_free(all);
    return T2I_OK;
}

size_t t2i_baseline_rank(const uint32_t *place, const t2i_fitting *fitting, size_t count)
{
    size_t first = SIZE_MAX, rank;
    for (size_t i = 0; i < count; i++)
        if (fitting[i].right && place[fitting[i].image] < first) first = place[fitting[i].image];
    T2I_ASSERT(first != SIZE_MAX);
    rank = first + 1;
    for (size_t i = 0; i < count; i++)
        rank -= (size_t)(!fitting[i].right && place[fitting[i].image] < first);
    return rank;
}

static int is_before(const double *score, size_t a, size_t b)
{
    return score[a] > score[b] || (score[a] == score[b] && a < b);
}

size_t t2i_baseline_rank_scores(const double *score, size_t images, const t2i_fitting *fitting,
                                size_t count)
{
    size_t first = SIZE_MAX, rank = 1;
    for (size_t i = 0; i < count; i++)
        if (fitting[i].right && (first == SIZE_MAX || is_before(score, fitting[i].image, first)))
            first = fitting[i].image;
    T2I_ASSERT(first != SIZE_MAX);
    for (size_t m = 0; m < first; m++) rank += (size_t)(score[m] >= score[first]);
    for (size_t m = first + 1; m < images; m++) rank += (size_t)(score[m] > score[first]);
    for (size_t i = 0; i < count; i++)
        rank -= (size_t)(!fitting[i].right && is_before(score, fitting[i].image, first));
    return rank;
}

/* ---- the nearest training prompt ---- */

typedef struct {
    t2i_baseline *baseline;
    t2i_dataset *dataset;
} source;

static t2i_status training_text(void *context, size_t i, t2i_text *out, t2i_error *err)
{
    const source *from = context;
    const t2i_baseline *b = from->baseline;
    return t2i_prompts_text(from->dataset, b->prompts->first[b->prompt[i]], out, err);
}

t2i_status t2i_baseline_index(t2i_baseline *b, t2i_dataset *dataset, t2i_error *err)
{
    source from = {b, dataset};
    b->shared = t2i_alloc(b->training, sizeof *b->shared);
    b->listed = t2i_alloc(b->images / 64 + 1, sizeof *b->listed);
    if (b->shared == NULL || b->listed == NULL)
        return t2i_fail_memory(err, 4 * (b->training + b->images), "the training prompts");
    return t2i_trigram_index_new(&b->index, b->training, training_text, &from, err);
}

/* Jaccard index of a training prompt and the query, as a fraction shared / either. */
typedef struct {
    uint64_t shared, either;
    size_t number;
} similarity;

static similarity similarity_of(const t2i_baseline *b, size_t own, size_t number)
{
    uint64_t shared = b->shared[number];
    return (similarity){shared, own + b->index.size[number] - shared, number};
}

static int is_more_similar(similarity a, similarity b)
{
    uint64_t x = a.shared * b.either, y = b.shared * a.either; /* cannot overflow */
    return x > y || (x == y && a.number < b.number);
}

/* Finds the nearest training prompt with a right picture, and its first right picture. SIZE_MAX: no
 * training prompt has one. */
static similarity nearest_right(const t2i_baseline *b, size_t own, const t2i_fitting *fitting,
                                size_t count, uint32_t *picture)
{
    similarity best = {0, 1, SIZE_MAX};
    for (size_t i = 0; i < count; i++) {
        uint32_t image = fitting[i].image;
        for (size_t k = b->first[image]; fitting[i].right && k < b->first[image + 1]; k++) {
            similarity one = similarity_of(b, own, b->of[k]);
            if (!is_more_similar(one, best)) continue;
            best = one;
            *picture = image;
        }
    }
    return best;
}

/* Marks the pictures below `limit` of training prompt `number` as ranked before the right one. */
static void mark_pictures(t2i_baseline *b, size_t number, uint32_t limit)
{
    for (size_t i = b->begin[number]; i < b->begin[number + 1]; i++)
        if (b->picture[i] < limit)
            b->listed[b->picture[i] / 64] |= (uint64_t)1 << b->picture[i] % 64;
}

/* Number of these prompts that are at least as near as `than`: s / (own + size - s) >= S / E
 * exactly if s (S + E) >= S (own + size). */
T2I_STATIC_KERNEL(size_t, count_near,
                  (const uint32_t *shared, const uint32_t *size, size_t count, uint64_t own,
                   similarity than),
                  (shared, size, count, own, than))
{
    uint64_t all = than.shared + than.either, near = 0;
    for (size_t i = 0; i < count; i++) near += shared[i] * all >= than.shared * (own + size[i]);
    return (size_t)near;
}

/* Marks the pictures of the training prompts that are nearer than `than`. Most blocks have none. */
static void mark_nearer(t2i_baseline *b, size_t own, similarity than)
{
    enum { STRETCH = 256 };
    for (size_t at = 0; at < b->training; at += STRETCH) {
        size_t some = b->training - at < STRETCH ? b->training - at : STRETCH;
        if (count_near(b->shared + at, b->index.size + at, some, own, than) == 0) continue;
        for (size_t i = at; i < at + some; i++)
            if (is_more_similar(similarity_of(b, own, i), than)) mark_pictures(b, i, UINT32_MAX);
    }
}

static size_t count_listed(const t2i_baseline *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->images / 64 + 1; i++)
        count += (size_t)__builtin_popcountll(b->listed[i]);
    return count;
}

/* Rank if no training prompt has a right picture: all pictures of training pairs come first. */
static size_t rank_untrained(const t2i_baseline *b, const t2i_fitting *fitting, size_t count)
{
    size_t first = 0, rank;
    while (!fitting[first].right) first++;
    rank = b->images - b->unused[b->images] + b->unused[fitting[first].image] + 1;
    for (size_t i = 0; i < count; i++) {
        int training = b->pairs_of[fitting[i].image] > 0;
        rank -= (size_t)(!fitting[i].right && (training || i < first));
    }
    return rank;
}

t2i_status t2i_baseline_nearest(t2i_baseline *b, const t2i_text *prompt, const t2i_fitting *fitting,
                                size_t count, size_t *rank, t2i_error *err)
{
    size_t own;
    uint32_t picture = 0;
    int training = 0;
    for (size_t i = 0; i < count; i++)
        training |= fitting[i].right && b->pairs_of[fitting[i].image] > 0;
    *rank = training ? 1 : rank_untrained(b, fitting, count);
    if (!training) return T2I_OK;
    T2I_TRY(t2i_trigram_shared(&b->index, prompt->data, prompt->size, b->shared, &own, err));
    similarity best = nearest_right(b, own, fitting, count, &picture);
    memset(b->listed, 0, (b->images / 64 + 1) * sizeof *b->listed);
    mark_nearer(b, own, best);
    mark_pictures(b, best.number, picture);
    for (size_t i = 0; i < count; i++)
        if (!fitting[i].right)
            b->listed[fitting[i].image / 64] &= ~((uint64_t)1 << fitting[i].image % 64);
    *rank += count_listed(b);
    return T2I_OK;
}
