#include "train/contrastive_loss.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/portable_math.h"
#include "kernels/gemm.h"
#include "base/mem.h"
#include "kernels/ops.h"
#include "base/rng.h"

enum { LANES = 16 };
#define NOT_THERE UINT32_MAX
static const float excluded = -1e30f; /* a score of weight 0, at any temperature */

struct t2i_contrastive_loss {
    t2i_contrastive_loss_options options;
    const t2i_shared_features *features;
    size_t D, pictures;    /* of training pairs */
    uint32_t *picture;     /* owned: their numbers in the dataset */
    const uint8_t *trains; /* borrowed: a bit a picture of the dataset */
    size_t images;
    size_t count;              /* candidates of a step: all of them, or `negatives` */
    float *chosen;             /* owned: (count, D): their features, each of length 1 */
    float *to_score, *to_pull; /* owned: packed: chosen transposed (D, count), and as it is */
    uint32_t *taken;           /* owned: which pictures of the dataset they are */
    uint32_t *slot;            /* owned: index of each picture among them, or NOT_THERE */
    int filled;
    size_t most_rows;
    float *p, *goal; /* owned: (threads, most_rows, D): predictions and targets of length 1 */
    float *score;    /* owned: (threads, most_rows, count) */
    size_t bytes;
};

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

size_t t2i_contrastive_loss_estimate(size_t images, size_t pictures, size_t D, size_t negatives,
                                     size_t rows)
{
    size_t count = pictures < negatives ? pictures : negatives;
    size_t floats = count * D + t2i_gemm_pack_floats(D, count) + t2i_gemm_pack_floats(count, D) +
                    rows * (2 * D + count);
    return floats * sizeof(float) + (pictures + images + count) * sizeof(uint32_t);
}

static t2i_status take_memory(t2i_contrastive_loss *c, size_t threads, t2i_error *err)
{
    size_t rows = threads * c->most_rows;
    c->count = c->pictures < c->options.negatives ? c->pictures : c->options.negatives;
    size_t to_score = t2i_gemm_pack_floats(c->D, c->count),
           to_pull = t2i_gemm_pack_floats(c->count, c->D);
    c->bytes =
        t2i_contrastive_loss_estimate(c->images, c->pictures, c->D, c->options.negatives, rows);
    c->chosen = t2i_alloc(c->count * c->D, sizeof *c->chosen);
    c->to_score = t2i_alloc(to_score, sizeof *c->to_score);
    c->to_pull = t2i_alloc(to_pull, sizeof *c->to_pull);
    c->taken = t2i_alloc(c->count, sizeof *c->taken);
    c->slot = t2i_alloc(c->images, sizeof *c->slot);
    c->p = t2i_alloc(rows * c->D, sizeof *c->p);
    c->goal = t2i_alloc(rows * c->D, sizeof *c->goal);
    c->score = t2i_alloc(rows * c->count, sizeof *c->score);
    if (c->chosen == NULL || c->to_score == NULL || c->to_pull == NULL || c->taken == NULL ||
        c->slot == NULL || c->p == NULL || c->goal == NULL || c->score == NULL)
        return t2i_fail_memory(err, c->bytes, "the pictures to tell apart");
    memset(c->slot, 0xff, c->images * sizeof *c->slot); /* NOT_THERE */
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
    t2i_status status = list_pictures(c, err);
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
    t2i_free(c->chosen);
    t2i_free(c->to_score);
    t2i_free(c->to_pull);
    t2i_free(c->slot);
    t2i_free(c->taken);
    t2i_free(c->p);
    t2i_free(c->goal);
    t2i_free(c->score);
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

T2I_INLINE double fold_lanes(double lane[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

T2I_STATIC_KERNEL(double, dot, (const float *a, const float *b, size_t D), (a, b, D))
{
    double sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= D; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += (double)a[i + l] * (double)b[i + l];
    for (size_t l = 0; i + l < D; l++) sum[l] += (double)a[i + l] * (double)b[i + l];
    return fold_lanes(sum);
}

T2I_STATIC_KERNEL(void, scale_into, (float *out, const float *x, double factor, size_t D),
                  (out, x, factor, D))
{
    for (size_t i = 0; i < D; i++) out[i] = (float)((double)x[i] * factor);
}

/* out = x / |x|, or 0 if |x| is 0. */
static void normalise(float *out, const float *x, size_t D)
{
    double length = sqrt(dot(x, x, D));
    scale_into(out, x, length > 1e-12 ? 1 / length : 0, D);
}

void t2i_contrastive_loss_begin(t2i_contrastive_loss *c, uint64_t step)
{
    int sample = c->count < c->pictures;
    if (c->filled && !sample) return;
    for (size_t k = 0; c->filled && k < c->count; k++) c->slot[c->taken[k]] = NOT_THERE;
    for (size_t k = 0; k < c->count; k++) {
        size_t which = !sample ? k
                               : (size_t)t2i_rng_permute(
                                     c->options.seed, T2I_STREAM_NEGATIVES + step, c->pictures, k);
        c->taken[k] = c->picture[which];
        c->slot[c->taken[k]] = (uint32_t)k;
        normalise(c->chosen + k * c->D, t2i_shared_features_feature(c->features, c->taken[k]),
                  c->D);
    }
    t2i_gemm_pack_transposed(c->to_score, c->chosen, c->D, c->D, c->count);
    t2i_gemm_pack(c->to_pull, c->chosen, c->D, c->count, c->D);
    c->filled = 1;
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
    return fold_lanes(sum);
}

/* Replaces scores by softmax weights; *own is that of the row's own picture minus 1. Returns the
 * cross-entropy. */
static double soften(float *score, size_t count, double temperature, double right, double *own)
{
    double top = below_top(score, count, (float)temperature, right);
    t2i_ops_exp(score, count);
    double of_right = t2i_exp64(right - top), sum = sum_up(score, count) + of_right;
    scale_into(score, score, 1 / sum, count);
    *own = of_right / sum - 1;
    return t2i_log64(sum) + top - right;
}

/* dprediction += factor * (pull - along * p) */
T2I_STATIC_KERNEL(void, add_pull,
                  (float *dprediction, const float *pull, const float *p, double factor,
                   double along, size_t D),
                  (dprediction, pull, p, factor, along, D))
{
    for (size_t d = 0; d < D; d++)
        dprediction[d] += (float)(factor * ((double)pull[d] - along * (double)p[d]));
}

double t2i_contrastive_loss_add(t2i_contrastive_loss *c, int thread,
                                const t2i_contrastive_batch *batch, const float *prediction,
                                float scale, float *dprediction)
{
    const t2i_rights *rights = batch->rights;
    size_t count = batch->count;
    size_t D = c->D, K = c->count, first = (size_t)thread * c->most_rows;
    float *ps = c->p + first * D, *goals = c->goal + first * D, *scores = c->score + first * K;
    double sum = 0, temperature = c->options.temperature;
    for (size_t i = 0; i < count; i++) {
        normalise(ps + i * D, prediction + i * D, D);
        normalise(goals + i * D, batch->target + i * D, D);
    }
    t2i_gemm(scores, K, ps, D, c->to_score, count, K, D, NULL);
    for (size_t i = 0; i < count; i++) {
        float *score = scores + i * K, *goal = goals + i * D;
        double own, right = dot(ps + i * D, goal, D) / temperature;
        size_t run = rights->run[batch->row[i]];
        for (size_t e = rights->begin[run]; e < rights->begin[run + 1]; e++) {
            uint32_t at = c->slot[rights->right[e]];
            if (at != NOT_THERE) score[at] = excluded;
        }
        sum += soften(score, K, temperature, right, &own);
        scale_into(goal, goal, own, D);
    }
    if (dprediction == NULL) return sum;
    /* the gradient: the row's own picture weighted by `own`, the others by their softmax weights */
    t2i_gemm(goals, D, scores, K, c->to_pull, count, D, K, &(t2i_gemm_end){.add = 1});
    for (size_t i = 0; i < count; i++) {
        const float *pull = goals + i * D, *p = ps + i * D;
        double length = sqrt(dot(prediction + i * D, prediction + i * D, D));
        if (length <= 1e-12) continue;
        add_pull(dprediction + i * D, pull, p, (double)scale / (temperature * length),
                 dot(pull, p, D), D);
    }
    return sum;
}
