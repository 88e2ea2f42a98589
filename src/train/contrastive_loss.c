#include "train/contrastive_loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/portable_math.h"
#include "kernels/gemm.h"
#include "kernels/lanes.h"
#include "base/mem.h"
#include "kernels/ops.h"
#include "base/rng.h"

static const float excluded = -1e30f; /* a score of weight 0, at any temperature */

/* Where a picture is among the candidates. */
typedef struct {
    uint32_t image, slot;
} place;

struct t2i_contrastive_loss {
    t2i_contrastive_loss_options options;
    const t2i_shared_features *features;
    const t2i_packed_weights *packed; /* of the current step; NULL without embed_dim */
    size_t D, S;           /* features of a picture; numbers of the space they are compared in */
    size_t pictures;       /* of training pairs; 0 with the batch's own pictures */
    uint32_t *picture;     /* owned: their numbers in the dataset */
    const uint8_t *trains; /* borrowed: a bit a picture of the dataset */
    size_t images;
    size_t room, count;        /* maximum and current number of candidates */
    float *feature;            /* owned: (room, D): their features; NULL without embed_dim */
    double *length;            /* owned: (room): their lengths in the space; NULL likewise */
    float *chosen;             /* owned: (room, S): the candidates, each of length 1 */
    float *to_score, *to_pull; /* owned: packed: chosen transposed (S, count), and as it is */
    place *places;             /* owned: (room), by ascending image */
    int filled;
    size_t most_rows;
    float *p, *goal,
        *pull;    /* owned: (threads, most_rows, S): predictions and targets of length 1 */
    float *score; /* owned: (threads, most_rows, room) */
    double *own, *goal_length; /* owned: (threads, most_rows) */
    float *dchosen;            /* owned: (threads, room, S); NULL without embed_dim */
    size_t bytes;
};

static int has_tower(const t2i_contrastive_loss *c)
{
    return c->options.embed_dim > 0;
}

/* ---- set-up ---- */

static t2i_status list_pictures(t2i_contrastive_loss *c, t2i_error *err)
{
    for (size_t i = 0; i < c->images; i++) c->pictures += c->trains[i / 8] >> i % 8 & 1;
    c->picture = t2i_alloc(c->pictures, sizeof *c->picture);
    if (c->picture == NULL)
        return t2i_fail_memory(err, c->pictures * sizeof *c->picture, "the training pictures");
    for (size_t i = 0, k = 0; i < c->images; i++)
        if (c->trains[i / 8] >> i % 8 & 1) c->picture[k++] = (uint32_t)i;
    return T2I_OK;
}

static size_t most_candidates(const t2i_contrastive_loss_options *options, size_t pictures)
{
    if (options->negatives == T2I_NEGATIVES_BATCH) return options->batch;
    return pictures < options->negatives ? pictures : options->negatives;
}

size_t t2i_contrastive_loss_estimate(const t2i_contrastive_loss_options *options, size_t pictures,
                                     size_t D, size_t threads, size_t rows)
{
    size_t tower = options->embed_dim > 0, S = tower ? options->embed_dim : D;
    size_t count = most_candidates(options, pictures);
    size_t floats = count * S + t2i_gemm_pack_floats(S, count) + t2i_gemm_pack_floats(count, S) +
                    rows * (3 * S + count + 4) + tower * count * (D + threads * S + 2);
    if (options->negatives == T2I_NEGATIVES_BATCH) pictures = 0;
    return floats * sizeof(float) + pictures * sizeof(uint32_t) + count * sizeof(place);
}

static t2i_status take_memory(t2i_contrastive_loss *c, size_t threads, t2i_error *err)
{
    size_t rows = threads * c->most_rows, room = c->room, S = c->S;
    size_t to_score = t2i_gemm_pack_floats(S, room), to_pull = t2i_gemm_pack_floats(room, S);
    c->bytes = t2i_contrastive_loss_estimate(&c->options, c->pictures, c->D, threads, rows);
    c->chosen = t2i_alloc(room * S, sizeof *c->chosen);
    c->to_score = t2i_alloc(to_score, sizeof *c->to_score);
    c->to_pull = t2i_alloc(to_pull, sizeof *c->to_pull);
    c->places = t2i_alloc(room, sizeof *c->places);
    c->p = t2i_alloc(rows * S, sizeof *c->p);
    c->goal = t2i_alloc(rows * S, sizeof *c->goal);
    c->pull = t2i_alloc(rows * S, sizeof *c->pull);
    c->score = t2i_alloc(rows * room, sizeof *c->score);
    c->own = t2i_alloc(rows, sizeof *c->own);
    c->goal_length = t2i_alloc(rows, sizeof *c->goal_length);
    if (has_tower(c)) {
        c->feature = t2i_alloc(room * c->D, sizeof *c->feature);
        c->length = t2i_alloc(room, sizeof *c->length);
        c->dchosen = t2i_alloc(threads * room * S, sizeof *c->dchosen);
    }
    if (c->chosen == NULL || c->to_score == NULL || c->to_pull == NULL || c->places == NULL ||
        c->p == NULL || c->goal == NULL || c->pull == NULL || c->score == NULL || c->own == NULL ||
        c->goal_length == NULL ||
        (has_tower(c) && (c->feature == NULL || c->length == NULL || c->dchosen == NULL)))
        return t2i_fail_memory(err, c->bytes, "the pictures to tell apart");
    return T2I_OK;
}

t2i_status t2i_contrastive_loss_new(t2i_contrastive_loss **out, t2i_dataset *dataset,
                                    const uint8_t *trains, const t2i_shared_features *features,
                                    const t2i_contrastive_loss_options *options, size_t most_rows,
                                    size_t threads, t2i_error *err)
{
    t2i_contrastive_loss *c = *out = t2i_alloc(1, sizeof *c);
    if (c == NULL) return t2i_fail_memory(err, sizeof *c, "the pictures to tell apart");
    c->options = *options;
    c->features = features;
    c->trains = trains;
    c->most_rows = most_rows;
    c->images = (size_t)t2i_dataset_get_info(dataset)->images;
    c->D = (size_t)t2i_dataset_get_info(dataset)->features;
    c->S = has_tower(c) ? options->embed_dim : c->D;
    t2i_status status = options->negatives == T2I_NEGATIVES_BATCH ? T2I_OK : list_pictures(c, err);
    c->room = most_candidates(options, c->pictures);
    if (status == T2I_OK) status = take_memory(c, threads, err);
    if (status == T2I_OK) return T2I_OK;
    t2i_contrastive_loss_free(c);
    *out = NULL;
    return status;
}

void t2i_contrastive_loss_free(t2i_contrastive_loss *c)
{
    if (c == NULL) return;
    t2i_free(c->picture);
    t2i_free(c->feature);
    t2i_free(c->length);
    t2i_free(c->chosen);
    t2i_free(c->to_score);
    t2i_free(c->to_pull);
    t2i_free(c->places);
    t2i_free(c->p);
    t2i_free(c->goal);
    t2i_free(c->pull);
    t2i_free(c->score);
    t2i_free(c->own);
    t2i_free(c->goal_length);
    t2i_free(c->dchosen);
    t2i_free(c);
}

size_t t2i_contrastive_loss_bytes(const t2i_contrastive_loss *c)
{
    return c->bytes;
}

/* ---- matching pictures of a row ---- */

static int same_prompt(const t2i_row *a, const t2i_row *b)
{
    return a->length == b->length && memcmp(a->ids, b->ids, a->length * sizeof *a->ids) == 0;
}

static void put_right(t2i_rights *out, size_t *used, const t2i_contrastive_loss *c,
                      const t2i_rows *rows, size_t i)
{
    uint32_t image = rows->image[i];
    if (c->trains[image / 8] >> image % 8 & 1) out->right[(*used)++] = image;
}

/* Loads the rows just before (or after) this rank's rows in the split that have the prompt of its
 * first (last) row, so that the matching pictures do not depend on how rows are divided among
 * ranks. edge: that first (last) row. */
static t2i_status load_beyond(t2i_rows *out, size_t *same, const t2i_row_range *ours,
                              const t2i_row *edge, int before, uint64_t in_split, t2i_error *err)
{
    uint64_t at = before ? ours->first : ours->end, room = before ? at : in_split - at;
    t2i_row_range range = *ours;
    range.known = 0;
    *out = (t2i_rows){0};
    *same = 0;
    for (uint64_t reach = 64; *same == out->count && out->count < room; reach *= 8) {
        uint64_t some = reach < room ? reach : room;
        range.first = before ? at - some : at;
        range.end = before ? at : at + some;
        t2i_rows_free(out);
        T2I_TRY(t2i_rows_load(out, &range, err));
        for (*same = 0; *same < out->count; ++*same)
            if (!same_prompt(edge, &out->row[before ? out->count - 1 - *same : *same])) break;
    }
    return T2I_OK;
}

static t2i_status fill_rights(t2i_rights *out, const t2i_contrastive_loss *c, const t2i_rows *rows,
                              const t2i_rows *before, size_t same_before, const t2i_rows *after,
                              size_t same_after, t2i_error *err)
{
    size_t used = 0, runs = 0, most = rows->count + same_before + same_after;
    out->run = t2i_alloc(rows->count, sizeof *out->run);
    out->begin = t2i_alloc(rows->count + 1, sizeof *out->begin);
    out->right = t2i_alloc(most, sizeof *out->right);
    if (out->run == NULL || out->begin == NULL || out->right == NULL)
        return t2i_fail_memory(err, most * 16, "matching pictures");
    for (size_t i = 0; i < same_before; i++)
        put_right(out, &used, c, before, before->count - 1 - i);
    for (size_t i = 0; i < rows->count; i++) {
        if (i == 0)
            runs = 1; /* begins at 0: the rows before belong to it */
        else if (!same_prompt(&rows->row[i], &rows->row[i - 1]))
            out->begin[runs++] = used;
        out->run[i] = (uint32_t)(runs - 1);
        put_right(out, &used, c, rows, i);
    }
    for (size_t i = 0; i < same_after; i++) put_right(out, &used, c, after, i);
    out->begin[runs] = used;
    return T2I_OK;
}

t2i_status t2i_contrastive_loss_rights_new(t2i_rights *out, const t2i_contrastive_loss *c,
                                           const t2i_rows *rows, const t2i_row_range *range,
                                           uint64_t in_split, t2i_error *err)
{
    t2i_rows before = {0}, after = {0};
    size_t same_before = 0, same_after = 0;
    *out = (t2i_rights){0};
    if (rows->count == 0) return T2I_OK;
    T2I_ASSERT(rows->count == range->end - range->first);
    t2i_status status = load_beyond(&before, &same_before, range, &rows->row[0], 1, in_split, err);
    if (status == T2I_OK)
        status =
            load_beyond(&after, &same_after, range, &rows->row[rows->count - 1], 0, in_split, err);
    if (status == T2I_OK)
        status = fill_rights(out, c, rows, &before, same_before, &after, same_after, err);
    t2i_rows_free(&before);
    t2i_rows_free(&after);
    if (status != T2I_OK) t2i_contrastive_loss_rights_free(out);
    return status;
}

void t2i_contrastive_loss_rights_free(t2i_rights *rights)
{
    t2i_free(rights->run);
    t2i_free(rights->begin);
    t2i_free(rights->right);
    *rights = (t2i_rights){0};
}

size_t t2i_contrastive_loss_rights_most(const t2i_rights *rights, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t run = rights->run[i], some = rights->begin[run + 1] - rights->begin[run];
        if (some > most) most = some;
    }
    return most;
}

/* ---- a step ---- */

static int by_image(const void *a, const void *b)
{
    uint32_t x = ((const place *)a)->image, y = ((const place *)b)->image;
    return (x > y) - (x < y);
}

/* Index of the place of a picture, or where it would be inserted. */
static size_t find_place(const t2i_contrastive_loss *c, uint32_t image)
{
    size_t from = 0, end = c->count;
    while (from < end) {
        size_t middle = from + (end - from) / 2;
        if (c->places[middle].image < image)
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

/* Sets candidate `slot`. */
static void choose(t2i_contrastive_loss *c, size_t slot, const float *feature)
{
    if (has_tower(c))
        memcpy(c->feature + slot * c->D, feature, c->D * sizeof *feature);
    else
        t2i_ops_normalise(c->chosen + slot * c->S, feature, c->D);
}

/* Maps the candidates to the space, and packs them. */
static void finish_choice(t2i_contrastive_loss *c)
{
    size_t S = c->S;
    if (has_tower(c)) {
        t2i_gemm(c->chosen, S, c->feature, c->D, c->packed->picture.forward, c->count, S, c->D,
                 NULL);
        for (size_t k = 0; k < c->count; k++) {
            float *y = c->chosen + k * S;
            c->length[k] = sqrt(t2i_ops_dot(y, y, S));
            t2i_ops_normalise(y, y, S);
        }
    }
    t2i_gemm_pack_transposed(c->to_score, c->chosen, S, S, c->count);
    t2i_gemm_pack(c->to_pull, c->chosen, S, c->count, S);
}

void t2i_contrastive_loss_begin(t2i_contrastive_loss *c, const t2i_packed_weights *packed,
                                uint64_t step)
{
    int sample = c->room < c->pictures;
    c->packed = packed;
    if (!c->filled || sample) {
        c->count = c->room;
        for (size_t k = 0; k < c->count; k++) {
            size_t which =
                !sample ? k
                        : (size_t)t2i_rng_permute(c->options.seed, T2I_STREAM_NEGATIVES + step,
                                                  c->pictures, k);
            c->places[k] = (place){c->picture[which], (uint32_t)k};
            choose(c, k, t2i_shared_features_feature(c->features, c->picture[which]));
        }
        if (sample) qsort(c->places, c->count, sizeof *c->places, by_image);
    }
    if (!c->filled || sample || has_tower(c)) finish_choice(c);
    c->filled = 1;
}

void t2i_contrastive_loss_begin_batch(t2i_contrastive_loss *c, const t2i_packed_weights *packed,
                                      const uint32_t *image, const float *feature, size_t rows)
{
    T2I_ASSERT(rows <= c->room);
    c->packed = packed;
    c->count = 0;
    for (size_t i = 0; i < rows; i++) c->places[i] = (place){image[i], (uint32_t)i};
    qsort(c->places, rows, sizeof *c->places, by_image);
    for (size_t i = 0; i < rows; i++) { /* each picture once, by ascending image */
        const place one = c->places[i];
        if (c->count > 0 && c->places[c->count - 1].image == one.image) continue;
        choose(c, c->count, feature + one.slot * c->D);
        c->places[c->count] = (place){one.image, (uint32_t)c->count};
        c->count++;
    }
    finish_choice(c);
}

/* Replaces score by score / temperature - top, where top is the maximum of these quotients and of
 * right. Returns top. */
T2I_STATIC_KERNEL(double, below_top, (float *score, size_t count, float temperature, double right),
                  (score, count, temperature, right))
{
    float most[LANES], inverse = 1.0f / temperature;
    size_t k = 0;
    for (size_t l = 0; l < LANES; l++) most[l] = (float)right;
    for (; k + LANES <= count; k += LANES)
        for (size_t l = 0; l < LANES; l++)
            most[l] = score[k + l] * inverse > most[l] ? score[k + l] * inverse : most[l];
    for (size_t l = 0; k + l < count; l++)
        most[l] = score[k + l] * inverse > most[l] ? score[k + l] * inverse : most[l];
    for (size_t l = 1; l < LANES; l++) most[0] = most[l] > most[0] ? most[l] : most[0];
    for (k = 0; k < count; k++) score[k] = score[k] * inverse - most[0];
    return (double)most[0];
}

T2I_STATIC_KERNEL(double, sum_up, (const float *x, size_t count), (x, count))
{
    double sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += (double)x[i + l];
    for (size_t l = 0; i + l < count; l++) sum[l] += (double)x[i + l];
    return t2i_fold_lanes(sum);
}

/* Replaces scores by softmax weights; *own is that of the row's own picture minus 1. Returns the
 * cross-entropy. */
static double soften(float *score, size_t count, double temperature, double right, double *own)
{
    double top = below_top(score, count, (float)temperature, right);
    t2i_ops_exp(score, count);
    double of_right = t2i_exp64(right - top), sum = sum_up(score, count) + of_right;
    t2i_ops_scale(score, score, 1 / sum, count);
    *own = of_right / sum - 1;
    return t2i_log64(sum) + top - right;
}

/* out = [out +] factor * (pull - along * p) */
T2I_STATIC_KERNEL(void, add_pull,
                  (float *out, const float *pull, const float *p, double factor, double along,
                   int add, size_t count),
                  (out, pull, p, factor, along, add, count))
{
    for (size_t d = 0; d < count; d++) {
        float moved = (float)(factor * ((double)pull[d] - along * (double)p[d]));
        out[d] = add ? out[d] + moved : moved;
    }
}

/* The gradient of x from pull, the gradient of p = x / |x|. */
static void normalise_back(float *dx, const float *pull, const float *p, double length,
                           double scale, int add, size_t count)
{
    double factor = length > 1e-12 ? scale / length : 0;
    add_pull(dx, pull, p, factor, factor > 0 ? t2i_ops_dot(pull, p, count) : 0, add, count);
}

/* Masks the pictures that also match row i, and softens its scores. Returns its cross-entropy. */
static double score_row(const t2i_contrastive_loss *c, const t2i_contrastive_batch *batch, size_t i,
                        float *score, double right, double *own)
{
    const t2i_rights *rights = batch->rights;
    size_t run = rights->run[batch->row[i]];
    for (size_t e = rights->begin[run]; e < rights->begin[run + 1]; e++) {
        size_t at = find_place(c, rights->right[e]);
        if (at < c->count && c->places[at].image == rights->right[e])
            score[c->places[at].slot] = excluded;
    }
    return soften(score, c->count, c->options.temperature, right, own);
}

/* The gradient of picture.weight: from all candidates, and from the rows' own pictures. pull: of
 * the latter, in the space; changed. */
static void tower_back(const t2i_contrastive_loss *c, const t2i_contrastive_batch *batch,
                       const float *ps, const float *scores, const float *goals,
                       const double *lengths, float *pull, float *dchosen, double scale,
                       float *dpicture)
{
    size_t K = c->count, S = c->S, D = c->D, count = batch->count;
    t2i_gemm_outer(dchosen, S, scores, K, ps, S, K, S, count, 0, NULL);
    for (size_t k = 0; k < K; k++) {
        float *y = dchosen + k * S;
        normalise_back(y, y, c->chosen + k * S, c->length[k], scale, 0, S);
    }
    t2i_gemm_outer(dpicture, D, dchosen, S, c->feature, D, S, D, K, 0, NULL);
    for (size_t i = 0; i < count; i++)
        normalise_back(pull + i * S, pull + i * S, goals + i * S, lengths[i], scale, 0, S);
    t2i_gemm_outer(dpicture, D, pull, S, batch->target, D, S, D, count, 1, NULL);
}

double t2i_contrastive_loss_add(t2i_contrastive_loss *c, int thread,
                                const t2i_contrastive_batch *batch, const float *prediction,
                                float scale, float *dprediction, float *dpicture)
{
    size_t count = batch->count, S = c->S, K = c->count, first = (size_t)thread * c->most_rows;
    float *ps = c->p + first * S, *goals = c->goal + first * S, *pull = c->pull + first * S,
          *scores = c->score + first * c->room;
    double *own = c->own + first, *lengths = c->goal_length + first, sum = 0,
           pulls = (double)scale / c->options.temperature;
    const float *targets = batch->target;
    if (has_tower(c)) {
        t2i_gemm(goals, S, targets, c->D, c->packed->picture.forward, count, S, c->D, NULL);
        targets = goals;
    }
    for (size_t i = 0; i < count; i++) {
        const float *target = targets + i * S;
        t2i_ops_normalise(ps + i * S, prediction + i * S, S);
        lengths[i] = sqrt(t2i_ops_dot(target, target, S));
        t2i_ops_normalise(goals + i * S, target, S);
    }
    t2i_gemm(scores, K, ps, S, c->to_score, count, K, S, NULL);
    for (size_t i = 0; i < count; i++) {
        double right = t2i_ops_dot(ps + i * S, goals + i * S, S) / c->options.temperature;
        sum += score_row(c, batch, i, scores + i * K, right, &own[i]);
        t2i_ops_scale(pull + i * S, goals + i * S, own[i], S);
    }
    if (dprediction == NULL) return sum;
    /* the gradient: the row's own picture weighted by `own`, the others by their softmax weights */
    t2i_gemm(pull, S, scores, K, c->to_pull, count, S, K, &(t2i_gemm_end){.add = 1});
    for (size_t i = 0; i < count; i++) {
        const float *x = prediction + i * S;
        normalise_back(dprediction + i * S, pull + i * S, ps + i * S, sqrt(t2i_ops_dot(x, x, S)),
                       pulls, 1, S);
    }
    if (!has_tower(c)) return sum;
    for (size_t i = 0; i < count; i++) t2i_ops_scale(pull + i * S, ps + i * S, own[i], S);
    tower_back(c, batch, ps, scores, goals, lengths, pull,
               c->dchosen + (size_t)thread * c->room * S, pulls, dpicture);
    return sum;
}
