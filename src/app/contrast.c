#include "t2i/contrast.h"

#include <math.h>
#include <string.h>

#include "t2i/elementary.h"
#include "t2i/linalg.h"
#include "t2i/mem.h"
#include "t2i/ops.h"
#include "t2i/rng.h"

enum { STREAM_NEGATIVES = 1 << 20 };
#define NOT_THERE UINT32_MAX
static const float excluded = -1e30f; /* a score that counts for nothing */

struct t2i_contrast {
    t2i_contrast_options options;
    const t2i_store *store;
    size_t D, pictures; /* of training pairs */
    uint32_t *picture;  /* owned: their numbers in the dataset */
    size_t images;
    size_t count;    /* candidates of a step: all of them, or `negatives` */
    float *chosen;   /* owned: (count, D): their features, each of length 1 */
    uint32_t *taken; /* owned: which pictures of the dataset they are */
    uint32_t *slot;  /* owned: where each picture is among them; NOT_THERE */
    uint8_t *trains; /* owned: a bit a picture */
    int filled;
    float *p, *goal; /* owned: (most_rows, D): predictions and targets of length 1 */
    float *score;    /* owned: (most_rows, count) */
    float *pull;     /* owned: (most_rows, D) */
    size_t bytes;
};

/* ---- set-up ---- */

static t2i_status find_pictures(t2i_contrast *c, t2i_dataset *dataset, t2i_error *err)
{
    c->images = (size_t)t2i_dataset_get_info(dataset)->images;
    c->trains = t2i_alloc((c->images + 7) / 8, 1);
    if (c->trains == NULL) return t2i_fail_memory(err, c->images / 8, "pictures");
    T2I_TRY(t2i_want_split(c->trains, dataset, T2I_TRAIN, err));
    for (size_t i = 0; i < c->images; i++) c->pictures += c->trains[i / 8] >> i % 8 & 1;
    c->picture = t2i_alloc(c->pictures, sizeof *c->picture);
    if (c->picture == NULL)
        return t2i_fail_memory(err, c->pictures * sizeof *c->picture, "pictures");
    for (size_t i = 0, k = 0; i < c->images; i++)
        if (c->trains[i / 8] >> i % 8 & 1) c->picture[k++] = (uint32_t)i;
    return T2I_OK;
}

/* out = x / |x|; its length, 0 for what has none. */
static double normalise(float *out, const float *x, size_t D)
{
    double sum = 0;
    for (size_t i = 0; i < D; i++) sum += (double)x[i] * (double)x[i];
    double length = sqrt(sum), factor = length > 1e-12 ? 1 / length : 0;
    for (size_t i = 0; i < D; i++) out[i] = (float)((double)x[i] * factor);
    return factor > 0 ? length : 0;
}

static t2i_status take_memory(t2i_contrast *c, size_t most_rows, t2i_error *err)
{
    c->count = c->pictures < c->options.negatives ? c->pictures : c->options.negatives;
    size_t floats = (c->count + 3 * most_rows) * c->D + most_rows * c->count;
    c->bytes = floats * sizeof(float) + (c->pictures + c->images + c->count) * sizeof(uint32_t);
    c->chosen = t2i_alloc(c->count * c->D, sizeof *c->chosen);
    c->taken = t2i_alloc(c->count, sizeof *c->taken);
    c->slot = t2i_alloc(c->images, sizeof *c->slot);
    c->p = t2i_alloc(most_rows * c->D, sizeof *c->p);
    c->goal = t2i_alloc(most_rows * c->D, sizeof *c->goal);
    c->pull = t2i_alloc(most_rows * c->D, sizeof *c->pull);
    c->score = t2i_alloc(most_rows * c->count, sizeof *c->score);
    if (c->chosen == NULL || c->taken == NULL || c->slot == NULL || c->p == NULL ||
        c->goal == NULL || c->pull == NULL || c->score == NULL)
        return t2i_fail_memory(err, c->bytes, "the pictures to tell apart");
    memset(c->slot, 0xff, c->images * sizeof *c->slot); /* NOT_THERE */
    return T2I_OK;
}

t2i_status t2i_contrast_new(t2i_contrast **out, t2i_dataset *dataset, const t2i_store *store,
                            const t2i_contrast_options *options, size_t most_rows, t2i_error *err)
{
    t2i_contrast *c = *out = t2i_alloc(1, sizeof *c);
    if (c == NULL) return t2i_fail_memory(err, sizeof *c, "the pictures to tell apart");
    c->options = *options;
    c->store = store;
    c->D = (size_t)t2i_dataset_get_info(dataset)->features;
    t2i_status status = find_pictures(c, dataset, err);
    if (status == T2I_OK) status = take_memory(c, most_rows, err);
    if (status == T2I_OK) return T2I_OK;
    t2i_contrast_free(c);
    *out = NULL;
    return status;
}

void t2i_contrast_free(t2i_contrast *c)
{
    if (c == NULL) return;
    t2i_free(c->picture);
    t2i_free(c->trains);
    t2i_free(c->chosen);
    t2i_free(c->slot);
    t2i_free(c->taken);
    t2i_free(c->p);
    t2i_free(c->goal);
    t2i_free(c->score);
    t2i_free(c->pull);
    t2i_free(c);
}

size_t t2i_contrast_bytes(const t2i_contrast *c)
{
    return c->bytes;
}

/* ---- which pictures are right for a row ---- */

static int same_prompt(const t2i_row *a, const t2i_row *b)
{
    return a->length == b->length && memcmp(a->ids, b->ids, a->length * sizeof *a->ids) == 0;
}

static void put_right(t2i_rights *out, size_t *used, const t2i_contrast *c, const t2i_rows *rows,
                      size_t i)
{
    uint32_t image = rows->image[i];
    if (c->trains[image / 8] >> image % 8 & 1) out->right[(*used)++] = image;
}

/* Rows just before (or after) ours in the split that have the prompt of our first (last) one, so
 * that what is right does not depend on where a rank's rows end. edge: that row. */
static t2i_status load_beyond(t2i_rows *out, size_t *same, t2i_dataset *dataset,
                              const t2i_row *edge, int before, int split, uint64_t at,
                              uint64_t in_split, const t2i_vocab *vocab, size_t block_size,
                              t2i_error *err)
{
    uint64_t room = before ? at : in_split - at;
    *out = (t2i_rows){0};
    *same = 0;
    for (uint64_t reach = 64; *same == out->count && out->count < room; reach *= 8) {
        uint64_t some = reach < room ? reach : room;
        t2i_rows_free(out);
        T2I_TRY(t2i_rows_load(out, dataset, split, before ? at - some : at, before ? at : at + some,
                              vocab, block_size, 0, err));
        for (*same = 0; *same < out->count; ++*same)
            if (!same_prompt(edge, &out->row[before ? out->count - 1 - *same : *same])) break;
    }
    return T2I_OK;
}

static t2i_status fill_rights(t2i_rights *out, const t2i_contrast *c, const t2i_rows *rows,
                              const t2i_rows *before, size_t same_before, const t2i_rows *after,
                              size_t same_after, t2i_error *err)
{
    size_t used = 0, runs = 0, most = rows->count + same_before + same_after;
    out->run = t2i_alloc(rows->count, sizeof *out->run);
    out->begin = t2i_alloc(rows->count + 1, sizeof *out->begin);
    out->right = t2i_alloc(most, sizeof *out->right);
    if (out->run == NULL || out->begin == NULL || out->right == NULL)
        return t2i_fail_memory(err, most * 16, "the right pictures");
    for (size_t i = 0; i < same_before; i++)
        put_right(out, &used, c, before, before->count - 1 - i);
    for (size_t i = 0; i < rows->count; i++) {
        if (i == 0)
            runs = 1; /* its begin is 0: what lies before is of it too */
        else if (!same_prompt(&rows->row[i], &rows->row[i - 1]))
            out->begin[runs++] = used;
        out->run[i] = (uint32_t)(runs - 1);
        put_right(out, &used, c, rows, i);
    }
    for (size_t i = 0; i < same_after; i++) put_right(out, &used, c, after, i);
    out->begin[runs] = used;
    return T2I_OK;
}

t2i_status t2i_rights_new(t2i_rights *out, const t2i_contrast *c, t2i_dataset *dataset,
                          const t2i_rows *rows, int split, uint64_t first, uint64_t in_split,
                          const t2i_vocab *vocab, size_t block_size, t2i_error *err)
{
    t2i_rows before = {0}, after = {0};
    size_t same_before = 0, same_after = 0;
    *out = (t2i_rights){0};
    if (rows->count == 0) return T2I_OK;
    t2i_status status = load_beyond(&before, &same_before, dataset, &rows->row[0], 1, split, first,
                                    in_split, vocab, block_size, err);
    if (status == T2I_OK)
        status = load_beyond(&after, &same_after, dataset, &rows->row[rows->count - 1], 0, split,
                             first + rows->count, in_split, vocab, block_size, err);
    if (status == T2I_OK)
        status = fill_rights(out, c, rows, &before, same_before, &after, same_after, err);
    t2i_rows_free(&before);
    t2i_rows_free(&after);
    if (status != T2I_OK) t2i_rights_free(out);
    return status;
}

void t2i_rights_free(t2i_rights *rights)
{
    t2i_free(rights->run);
    t2i_free(rights->begin);
    t2i_free(rights->right);
    *rights = (t2i_rights){0};
}

/* ---- a step ---- */

void t2i_contrast_begin(t2i_contrast *c, uint64_t step)
{
    int sample = c->count < c->pictures;
    if (c->filled && !sample) return;
    for (size_t k = 0; c->filled && k < c->count; k++) c->slot[c->taken[k]] = NOT_THERE;
    for (size_t k = 0; k < c->count; k++) {
        size_t which = !sample ? k
                               : (size_t)t2i_rng_permute(c->options.seed, STREAM_NEGATIVES + step,
                                                         c->pictures, k);
        c->taken[k] = c->picture[which];
        c->slot[c->taken[k]] = (uint32_t)k;
        normalise(c->chosen + k * c->D, t2i_store_feature(c->store, c->taken[k]), c->D);
    }
    c->filled = 1;
}

static double dot(const float *a, const float *b, size_t D)
{
    double sum = 0;
    for (size_t i = 0; i < D; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Scores become the softmax' weights; *own that of the row's picture less 1. The cross-entropy. */
static double soften(float *score, size_t count, double temperature, double right, double *own)
{
    double top = right, sum = 0;
    for (size_t k = 0; k < count; k++) {
        if (score[k] > excluded) score[k] = (float)((double)score[k] / temperature);
        if ((double)score[k] > top) top = (double)score[k];
    }
    for (size_t k = 0; k < count; k++) score[k] = (float)((double)score[k] - top);
    t2i_exp(score, count);
    for (size_t k = 0; k < count; k++) sum += (double)score[k];
    double of_right = t2i_exp64(right - top);
    sum += of_right;
    for (size_t k = 0; k < count; k++) score[k] = (float)((double)score[k] / sum);
    *own = of_right / sum - 1;
    return t2i_log64(sum) + top - right;
}

double t2i_contrast_add(t2i_contrast *c, const t2i_rights *rights, const size_t *row, size_t count,
                        const float *prediction, const float *target, float scale,
                        float *dprediction)
{
    size_t D = c->D, K = c->count;
    double sum = 0, temperature = c->options.temperature;
    for (size_t i = 0; i < count; i++) {
        normalise(c->p + i * D, prediction + i * D, D);
        normalise(c->goal + i * D, target + i * D, D);
    }
    t2i_gemm_nt(c->score, c->p, c->chosen, count, K, D);
    for (size_t i = 0; i < count; i++) {
        float *score = c->score + i * K;
        double own, right = dot(c->p + i * D, c->goal + i * D, D) / temperature;
        for (size_t e = rights->begin[rights->run[row[i]]];
             e < rights->begin[rights->run[row[i]] + 1]; e++) {
            uint32_t at = c->slot[rights->right[e]];
            if (at != NOT_THERE) score[at] = excluded;
        }
        sum += soften(score, K, temperature, right, &own);
        for (size_t d = 0; d < D; d++) c->goal[i * D + d] = (float)own * c->goal[i * D + d];
    }
    if (dprediction == NULL) return sum;
    t2i_gemm_nn(c->pull, c->score, c->chosen, count, D, K);
    for (size_t i = 0; i < count; i++) {
        float *pull = c->pull + i * D, *p = c->p + i * D;
        double length = sqrt(dot(prediction + i * D, prediction + i * D, D));
        if (length <= 1e-12) continue;
        for (size_t d = 0; d < D; d++) pull[d] += c->goal[i * D + d];
        double along = dot(pull, p, D), factor = (double)scale / (temperature * length);
        for (size_t d = 0; d < D; d++)
            dprediction[i * D + d] += (float)(factor * ((double)pull[d] - along * (double)p[d]));
    }
    return sum;
}
