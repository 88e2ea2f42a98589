#include "t2i/eval.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t2i/json.h"
#include "t2i/mem.h"
#include "t2i/predict.h"

#define NOWHERE UINT32_MAX

/* The dataset's pairs, and what the work on them needs. Everything is owned but the trained model.
 */
typedef struct {
    t2i_trained *trained;
    size_t pairs, images, features, pixels; /* N, M, D, H * W * 3 */
    uint64_t *offset;                       /* pairs + 1 */
    char *bytes;                            /* of all prompts */
    uint32_t *image;                        /* of each pair */
    uint8_t *split;
    size_t *row; /* the pairs that are asked about */
    size_t rows;
    uint8_t *training;          /* images: a training row uses it */
    size_t *euclidean, *cosine; /* rows: ranks */
    size_t *mean;               /* rows: ranks with the mean feature */
    size_t *right;              /* images + 1: number of rows that have so many right pictures */
    uint32_t *nearest;          /* rows: nearest training picture; NOWHERE: there is none */
    double decoded;             /* sum of PSNR */
    /* pixels that were read */
    uint32_t *slot; /* images: which of `pixel`; NOWHERE: not read */
    uint8_t *pixel; /* (slots, pixels) */
    size_t slots;
} job;

static void free_job(job *j)
{
    void *all[] = {j->offset, j->bytes, j->image, j->split, j->row,     j->training, j->euclidean,
                   j->cosine, j->mean,  j->right, j->slot,  j->nearest, j->pixel};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
}

/* ---- the rows ---- */

static t2i_status read_pairs(job *j, t2i_error *err)
{
    t2i_dataset *dataset = j->trained->dataset;
    size_t bytes = (size_t)t2i_dataset_get_info(dataset)->prompt_bytes;
    j->offset = t2i_alloc(j->pairs + 1, sizeof *j->offset);
    j->bytes = t2i_alloc(bytes, 1);
    j->image = t2i_alloc(j->pairs, sizeof *j->image);
    j->split = t2i_alloc(j->pairs, 1);
    j->training = t2i_alloc(j->images, 1);
    j->right = t2i_alloc(j->images + 1, sizeof *j->right);
    j->slot = t2i_alloc(j->images, sizeof *j->slot);
    if (j->offset == NULL || j->bytes == NULL || j->image == NULL || j->split == NULL ||
        j->training == NULL || j->right == NULL || j->slot == NULL)
        return t2i_fail_memory(err, bytes + 16 * j->pairs, "the pairs");
    memset(j->slot, 0xff, j->images * sizeof *j->slot);
    T2I_TRY(t2i_dataset_prompt_offsets(dataset, 0, j->pairs, j->offset, err));
    T2I_TRY(t2i_dataset_prompt_bytes(dataset, 0, bytes, j->bytes, err));
    T2I_TRY(t2i_dataset_pairs(dataset, 0, j->pairs, j->image, NULL, j->split, err));
    for (size_t i = 0; i < j->pairs; i++)
        if (j->split[i] == T2I_TRAIN) j->training[j->image[i]] = 1;
    return T2I_OK;
}

static t2i_status no_rows(const job *j, int split, const size_t count[T2I_SPLITS], t2i_error *err)
{
    char has[160] = "";
    for (int s = 0; s < T2I_SPLITS; s++) {
        size_t used = strlen(has);
        if (count[s] > 0)
            snprintf(has + used, sizeof has - used, "%s%s (%zu)", used > 0 ? ", " : "",
                     t2i_split_names[s], count[s]);
    }
    return t2i_fail(err, T2I_DATA,
                    "%s has no row in the split '%s'; it has %s: choose with --split",
                    t2i_dataset_path(j->trained->dataset), t2i_split_names[split], has);
}

static t2i_status choose_rows(job *j, int split, t2i_eval_result *out, t2i_error *err)
{
    size_t count[T2I_SPLITS] = {0};
    for (size_t i = 0; i < j->pairs; i++) count[j->split[i]]++;
    if (split < 0) split = count[T2I_VALIDATION] > 0 ? T2I_VALIDATION : T2I_TRAIN;
    if (count[split] == 0) return no_rows(j, split, count, err);
    out->split = split;
    out->prompts = count[split];
    j->row = t2i_alloc(count[split], sizeof *j->row);
    j->euclidean = t2i_alloc(count[split], sizeof *j->euclidean);
    j->cosine = t2i_alloc(count[split], sizeof *j->cosine);
    j->mean = t2i_alloc(count[split], sizeof *j->mean);
    j->nearest = t2i_alloc(count[split], sizeof *j->nearest);
    if (j->row == NULL || j->euclidean == NULL || j->cosine == NULL || j->mean == NULL ||
        j->nearest == NULL)
        return t2i_fail_memory(err, 40 * count[split], "the ranks");
    for (size_t i = 0; i < j->pairs; i++)
        if (j->split[i] == split) j->row[j->rows++] = i;
    return T2I_OK;
}

static int same_prompt(const job *j, size_t a, size_t b)
{
    size_t size = (size_t)(j->offset[a + 1] - j->offset[a]);
    return j->offset[b + 1] - j->offset[b] == size &&
           memcmp(j->bytes + j->offset[a], j->bytes + j->offset[b], size) == 0;
}

/* Pairs first .. end - 1 have the prompt of pair row: pairs are sorted by prompt. */
static void same_prompts(const job *j, size_t row, size_t *first, size_t *end)
{
    for (*first = row; *first > 0 && same_prompt(j, *first - 1, row);) --*first;
    for (*end = row + 1; *end < j->pairs && same_prompt(j, *end, row);) ++*end;
}

/* ---- ranks ---- */

static int closer(const double *distance, size_t a, size_t b)
{
    return distance[a] < distance[b] || (distance[a] == distance[b] && a < b);
}

static size_t rank_of(const job *j, size_t row, const double *distance)
{
    size_t first, end, rank = 1;
    same_prompts(j, row, &first, &end);
    size_t best = j->image[first];
    for (size_t i = first + 1; i < end; i++)
        if (closer(distance, j->image[i], best)) best = j->image[i];
    for (size_t m = 0; m < j->images; m++) rank += (size_t)closer(distance, m, best);
    return rank;
}

static uint32_t nearest_training(const job *j, const double *distance)
{
    uint32_t best = NOWHERE;
    for (size_t m = 0; m < j->images; m++)
        if (j->training[m] && (best == NOWHERE || distance[m] < distance[best])) best = (uint32_t)m;
    return best;
}

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the ranks. */
static t2i_scores scores_of(size_t *rank, size_t count)
{
    t2i_scores s = {0};
    qsort(rank, count, sizeof *rank, by_size);
    for (size_t i = 0; i < count; i++) {
        s.r1 += rank[i] <= 1;
        s.r5 += rank[i] <= 5;
        s.r10 += rank[i] <= 10;
        s.mrr += 1.0 / (double)rank[i];
    }
    s.r1 /= (double)count;
    s.r5 /= (double)count;
    s.r10 /= (double)count;
    s.mrr /= (double)count;
    s.median_rank = ((double)rank[(count - 1) / 2] + (double)rank[count / 2]) / 2.0;
    return s;
}

static int by_image(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Counts the rows by their number of right pictures. */
static t2i_status count_right(job *j, t2i_error *err)
{
    for (size_t i = 0; i < j->rows; i++) {
        size_t first, end, distinct = 1;
        same_prompts(j, j->row[i], &first, &end);
        uint32_t *image = t2i_alloc(end - first, sizeof *image);
        if (image == NULL)
            return t2i_fail_memory(err, (end - first) * sizeof *image, "the right pictures");
        memcpy(image, j->image + first, (end - first) * sizeof *image);
        qsort(image, end - first, sizeof *image, by_image);
        for (size_t k = 1; k < end - first; k++) distinct += image[k] != image[k - 1];
        t2i_free(image);
        j->right[distinct]++;
    }
    return T2I_OK;
}

/* chance[k] += rows * P(rank > k) in a random order, when `right` of the pictures are right: the
 * product over i < k of (wrong - i) / (images - i). */
static void add_chances(double *chance, size_t images, size_t right, size_t rows)
{
    double left = (double)rows;
    for (size_t k = 0; k < images && left > 0.0; k++) {
        chance[k] += left;
        size_t wrong = images - right;
        left *= k < wrong ? (double)(wrong - k) / (double)(images - k) : 0.0;
    }
}

static t2i_status random_scores(job *j, t2i_scores *out, t2i_error *err)
{
    double *chance = t2i_alloc(j->images + 1,
                               sizeof *chance); /* of a rank beyond k; nothing is beyond the last */
    if (chance == NULL) return t2i_fail_memory(err, j->images * sizeof *chance, "the baseline");
    t2i_status status = count_right(j, err);
    for (size_t g = 1; status == T2I_OK && g <= j->images; g++)
        if (j->right[g] > 0) add_chances(chance, j->images, g, j->right[g]);
    double rows = (double)j->rows, half = rows * 0.5, tie = rows * 1e-9;
    size_t median = 0;
    *out = (t2i_scores){0};
    for (size_t k = 1; k <= j->images; k++) out->mrr += (chance[k - 1] - chance[k]) / (double)k;
    out->mrr /= rows;
    out->r1 = 1.0 - chance[1 < j->images ? 1 : j->images] / rows;
    out->r5 = 1.0 - chance[5 < j->images ? 5 : j->images] / rows;
    out->r10 = 1.0 - chance[10 < j->images ? 10 : j->images] / rows;
    while (median < j->images && chance[median] > half + tie) median++;
    /* exactly half up to here: the median lies between this rank and the next */
    out->median_rank = (double)median + (fabs(chance[median] - half) <= tie ? 0.5 : 0.0);
    t2i_free(chance);
    return status;
}

/* The mean feature of the training rows, and the ranks that it gives. */
static t2i_status rank_mean(job *j, t2i_eval_result *out, t2i_error *err)
{
    size_t rows = 0, D = j->features;
    double *sum = t2i_alloc(D, sizeof *sum), *distance = t2i_alloc(j->images, sizeof *distance);
    float *mean = t2i_alloc(D, sizeof *mean);
    t2i_status status = T2I_OK;
    if (sum == NULL || distance == NULL || mean == NULL) {
        status = t2i_fail_memory(err, j->images * sizeof *distance, "the baseline");
    } else {
        for (size_t i = 0; i < j->pairs; i++) {
            const float *feature = j->trained->gallery.feature + j->image[i] * D;
            if (j->split[i] != T2I_TRAIN) continue;
            rows++;
            for (size_t d = 0; d < D; d++) sum[d] += (double)feature[d];
        }
        out->has_mean = rows > 0;
        for (size_t d = 0; d < D && rows > 0; d++) mean[d] = (float)(sum[d] / (double)rows);
        t2i_gallery_distances(&j->trained->gallery, T2I_EUCLIDEAN, mean, 1, distance);
        for (size_t i = 0; i < j->rows; i++) j->mean[i] = rank_of(j, j->row[i], distance);
    }
    t2i_free(sum);
    t2i_free(distance);
    t2i_free(mean);
    return status;
}

/* ---- pixels ---- */

/* Reads the wanted pictures that were not yet read, in order: a block of the file is unpacked once.
 */
static t2i_status read_pixels(job *j, const uint8_t *wanted, t2i_error *err)
{
    size_t more = 0;
    for (size_t m = 0; m < j->images; m++) more += wanted[m] && j->slot[m] == NOWHERE;
    if (t2i_grow(&j->pixel, j->slots, j->slots + more, j->pixels) != 0)
        return t2i_fail_memory(err, (j->slots + more) * j->pixels, "the pictures");
    for (size_t m = 0; m < j->images; m++) {
        if (!wanted[m] || j->slot[m] != NOWHERE) continue;
        T2I_TRY(
            t2i_dataset_pixels(j->trained->dataset, m, 1, j->pixel + j->slots * j->pixels, err));
        j->slot[m] = (uint32_t)j->slots++;
    }
    return T2I_OK;
}

static t2i_status read_true(job *j, t2i_error *err)
{
    uint8_t *wanted = t2i_alloc(j->images, 1);
    if (wanted == NULL) return t2i_fail_memory(err, j->images, "the pictures");
    for (size_t i = 0; i < j->rows; i++) wanted[j->image[j->row[i]]] = 1;
    t2i_status status = read_pixels(j, wanted, err);
    t2i_free(wanted);
    return status;
}

static t2i_status read_nearest(job *j, t2i_error *err)
{
    uint8_t *wanted = t2i_alloc(j->images, 1);
    if (wanted == NULL) return t2i_fail_memory(err, j->images, "the pictures");
    for (size_t i = 0; i < j->rows; i++) wanted[j->nearest[i]] = 1;
    t2i_status status = read_pixels(j, wanted, err);
    t2i_free(wanted);
    return status;
}

static const uint8_t *pixels_of(const job *j, size_t image)
{
    return j->pixel + j->slot[image] * j->pixels;
}

static double psnr(const uint8_t *a, const uint8_t *b, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        int d = a[i] - b[i];
        sum += (uint64_t)(d * d);
    }
    if (sum == 0) return T2I_PSNR_MOST;
    return fmin(10.0 * log10(255.0 * 255.0 * (double)count / (double)sum), T2I_PSNR_MOST);
}

/* ---- the walk over the split ---- */

enum { TOGETHER = 16 * T2I_PREDICT_BLOCK }; /* prompts that are predicted in one call */

typedef struct {
    t2i_prompt prompt[TOGETHER];
    t2i_encoded encoded[TOGETHER];
    float *prediction; /* (TOGETHER, D) */
    double *distance;  /* (T2I_PREDICT_BLOCK, M) */
    uint8_t *rgb;      /* (T2I_PREDICT_BLOCK, pixels); NULL without a decoder */
} buffers;

/* Rows first .. first + count - 1, at most T2I_PREDICT_BLOCK, whose predictions these are. */
static t2i_status judge(job *j, buffers *b, size_t first, size_t count, const float *prediction,
                        t2i_error *err)
{
    t2i_gallery *gallery = &j->trained->gallery;
    t2i_gallery_distances(gallery, T2I_EUCLIDEAN, prediction, count, b->distance);
    for (size_t i = 0; i < count; i++) {
        const double *distance = b->distance + i * j->images;
        j->euclidean[first + i] = rank_of(j, j->row[first + i], distance);
        j->nearest[first + i] = nearest_training(j, distance);
    }
    t2i_gallery_distances(gallery, T2I_COSINE, prediction, count, b->distance);
    for (size_t i = 0; i < count; i++)
        j->cosine[first + i] = rank_of(j, j->row[first + i], b->distance + i * j->images);
    if (b->rgb == NULL) return T2I_OK;
    T2I_TRY(t2i_gallery_decode(gallery, prediction, count, b->rgb, err));
    for (size_t i = 0; i < count; i++) {
        const uint8_t *truth = pixels_of(j, j->image[j->row[first + i]]);
        j->decoded += psnr(b->rgb + i * j->pixels, truth, j->pixels);
    }
    return T2I_OK;
}

static t2i_status ask(job *j, buffers *b, size_t first, size_t count, t2i_eval_result *out,
                      t2i_error *err)
{
    const t2i_checkpoint *c = &j->trained->checkpoint;
    for (size_t i = 0; i < count; i++) {
        const uint64_t *at = j->offset + j->row[first + i];
        b->prompt[i] = (t2i_prompt){j->bytes + at[0], (size_t)(at[1] - at[0])};
    }
    T2I_TRY(t2i_predict(&c->model, c->weights, &c->vocab, b->prompt, count, b->prediction,
                        b->encoded, err));
    for (size_t i = 0; i < count; i++) {
        out->unknown += b->encoded[i].unknown > 0;
        out->cut += b->encoded[i].cut > 0;
    }
    for (size_t i = 0; i < count; i += T2I_PREDICT_BLOCK)
        T2I_TRY(judge(j, b, first + i,
                      count - i < T2I_PREDICT_BLOCK ? count - i : T2I_PREDICT_BLOCK,
                      b->prediction + i * j->features, err));
    return T2I_OK;
}

static t2i_status ask_all(job *j, t2i_eval_result *out, t2i_error *err)
{
    int decodes = t2i_gallery_decodes(&j->trained->gallery);
    t2i_status status = T2I_OK;
    buffers *b = t2i_alloc(1, sizeof *b);
    if (b == NULL) return t2i_fail_memory(err, sizeof *b, "the prompts");
    b->prediction = t2i_alloc(TOGETHER, j->features * sizeof *b->prediction);
    b->distance = t2i_alloc(T2I_PREDICT_BLOCK, j->images * sizeof *b->distance);
    b->rgb = decodes ? t2i_alloc(T2I_PREDICT_BLOCK, j->pixels) : NULL;
    if (b->prediction == NULL || b->distance == NULL || (decodes && b->rgb == NULL))
        status = t2i_fail_memory(err, T2I_PREDICT_BLOCK * j->images * sizeof *b->distance,
                                 "the distances");
    for (size_t first = 0; first < j->rows && status == T2I_OK; first += TOGETHER)
        status =
            ask(j, b, first, j->rows - first < TOGETHER ? j->rows - first : TOGETHER, out, err);
    t2i_free(b->prediction);
    t2i_free(b->distance);
    t2i_free(b->rgb);
    t2i_free(b);
    return status;
}

static t2i_status compare_nearest(job *j, t2i_eval_result *out, t2i_error *err)
{
    double sum = 0.0;
    T2I_TRY(read_nearest(j, err));
    for (size_t i = 0; i < j->rows; i++)
        sum += psnr(pixels_of(j, j->nearest[i]), pixels_of(j, j->image[j->row[i]]), j->pixels);
    out->nearest_psnr = sum / (double)j->rows;
    return T2I_OK;
}

static t2i_status evaluate(job *j, int split, t2i_eval_result *out, t2i_error *err)
{
    const t2i_gallery *gallery = &j->trained->gallery;
    T2I_TRY(read_pairs(j, err));
    T2I_TRY(choose_rows(j, split, out, err));
    if (t2i_gallery_shows(gallery)) T2I_TRY(read_true(j, err));
    T2I_TRY(ask_all(j, out, err));
    T2I_TRY(rank_mean(j, out, err));
    T2I_TRY(random_scores(j, &out->random, err));
    if (t2i_gallery_decodes(gallery)) out->decoded_psnr = j->decoded / (double)j->rows;
    if (t2i_gallery_shows(gallery) && out->has_mean) T2I_TRY(compare_nearest(j, out, err));
    out->euclidean = scores_of(j->euclidean, j->rows);
    out->cosine = scores_of(j->cosine, j->rows);
    if (out->has_mean) out->mean = scores_of(j->mean, j->rows);
    return T2I_OK;
}

t2i_status t2i_eval(t2i_trained *trained, int split, t2i_eval_result *out, t2i_error *err)
{
    const t2i_gallery *gallery = &trained->gallery;
    job j = {.trained = trained,
             .pairs = (size_t)t2i_dataset_get_info(trained->dataset)->pairs,
             .images = gallery->images,
             .features = gallery->features,
             .pixels = gallery->height * gallery->width * 3};
    T2I_ASSERT(split < T2I_SPLITS);
    *out = (t2i_eval_result){.gallery = gallery->images, .decoded_psnr = NAN, .nearest_psnr = NAN};
    t2i_status status = evaluate(&j, split, out, err);
    free_job(&j);
    return status;
}

/* ---- reports ---- */

static t2i_json *scores_json(const t2i_scores *s)
{
    t2i_json *object = t2i_json_object();
    t2i_json_set_real(object, "r1", s->r1);
    t2i_json_set_real(object, "r5", s->r5);
    t2i_json_set_real(object, "r10", s->r10);
    t2i_json_set_real(object, "mrr", s->mrr);
    t2i_json_set_real(object, "median_rank", s->median_rank);
    return object;
}

t2i_status t2i_eval_json(const t2i_eval_result *result, t2i_text *out, t2i_error *err)
{
    char *text = NULL;
    t2i_json *object = t2i_json_object(), *baselines = t2i_json_object();
    t2i_json_set_string(object, "split", t2i_split_names[result->split]);
    t2i_json_set_integer(object, "prompts", (int64_t)result->prompts);
    t2i_json_set_integer(object, "gallery", (int64_t)result->gallery);
    t2i_json_set(object, "euclidean", scores_json(&result->euclidean));
    t2i_json_set(object, "cosine", scores_json(&result->cosine));
    t2i_json_set_real(object, "decoded_psnr", result->decoded_psnr);
    t2i_json_set_real(object, "nearest_psnr", result->nearest_psnr);
    t2i_json_set(baselines, "random", scores_json(&result->random));
    t2i_json_set(baselines, "mean",
                 result->has_mean ? scores_json(&result->mean) : t2i_json_null());
    t2i_json_set(object, "baselines", baselines);
    t2i_status status = t2i_json_text(object, 2, &text, err);
    t2i_json_free(object);
    if (status == T2I_OK) status = t2i_text_addf(out, err, "%s\n", text);
    t2i_free(text);
    return status;
}

static t2i_status add_scores(t2i_text *out, const char *name, const t2i_scores *s, t2i_error *err)
{
    return t2i_text_addf(out, err, "%-14s %7.1f%% %7.1f%% %7.1f%% %8.3f %12.1f\n", name,
                         100.0 * s->r1, 100.0 * s->r5, 100.0 * s->r10, s->mrr, s->median_rank);
}

t2i_status t2i_eval_table(const t2i_eval_result *r, t2i_text *out, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(
        out, err, "Split '%s': %zu prompts, each ranks all %zu pictures of the dataset.\n\n",
        t2i_split_names[r->split], r->prompts, r->gallery));
    T2I_TRY(t2i_text_addf(out, err, "%-14s %8s %8s %8s %8s %12s\n", "", "R@1", "R@5", "R@10", "MRR",
                          "median rank"));
    T2I_TRY(add_scores(out, "euclidean", &r->euclidean, err));
    T2I_TRY(add_scores(out, "cosine", &r->cosine, err));
    if (r->has_mean) T2I_TRY(add_scores(out, "mean feature", &r->mean, err));
    T2I_TRY(add_scores(out, "random order", &r->random, err));
    if (isnan(r->decoded_psnr) && isnan(r->nearest_psnr)) return T2I_OK;
    T2I_TRY(t2i_text_addf(out, err, "\nPSNR against the true picture (mean over the prompts)\n"));
    if (!isnan(r->decoded_psnr))
        T2I_TRY(t2i_text_addf(out, err, "%-26s %8.2f dB\n", "decoded", r->decoded_psnr));
    if (!isnan(r->nearest_psnr))
        T2I_TRY(t2i_text_addf(out, err, "%-26s %8.2f dB\n", "nearest training picture",
                              r->nearest_psnr));
    if (!isnan(r->decoded_psnr) && !isnan(r->nearest_psnr))
        T2I_TRY(t2i_text_addf(out, err, "%-26s %+8.2f dB\n", "gain",
                              r->decoded_psnr - r->nearest_psnr));
    return T2I_OK;
}
