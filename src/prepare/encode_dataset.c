#include "prepare/encode_dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/blas.h"
#include "base/log.h"
#include "base/mem.h"
#include "kernels/pca.h"
#include "base/progress.h"
#include "kernels/ridge.h"

enum { BLOCK = 256 }; /* pictures encoded at a time */

typedef struct {
    const t2i_pairs *pairs;
    const t2i_pictures *pictures;
    size_t dim;     /* of features that are ready, else 0 */
    uint8_t *train; /* of each picture: does a training pair use it? */
    size_t *index;  /* the training pictures */
    size_t trains;
    t2i_progress progress;
    t2i_pca decoder; /* a picture is its mean + features x its basis, whoever fitted it */
    /* one block */
    uint8_t *pixels;
    float *features, *x;
    /* squared error of decoded pictures: [1] of training pictures, [0] of others */
    double error[2];
} job;

t2i_status t2i_pictures_in_memory(void *pixels, size_t first, size_t count, uint8_t *out,
                                  float *features, t2i_error *err)
{
    (void)err;
    T2I_ASSERT(features == NULL);
    memcpy(out, (const uint8_t *)pixels + first * T2I_PICTURE, count * T2I_PICTURE);
    return T2I_OK;
}

/* ---- encoder and decoder see the training pictures alone ---- */

static t2i_status find_training(job *j, t2i_error *err)
{
    const t2i_pairs *pairs = j->pairs;
    j->train = t2i_alloc(pairs->images, sizeof *j->train);
    j->index = t2i_alloc(pairs->images, sizeof *j->index);
    if (j->train == NULL || j->index == NULL)
        return t2i_fail_memory(err, pairs->images * sizeof *j->index, "the pictures");
    for (size_t i = 0; i < pairs->pairs; i++)
        if (pairs->split[i] == T2I_TRAIN) j->train[pairs->image[i]] = 1;
    for (size_t i = 0; i < pairs->images; i++)
        if (j->train[i]) j->index[j->trains++] = i;
    return T2I_OK;
}

static t2i_status read_both(void *context, size_t first, size_t count, float *features,
                            uint8_t *pixels, t2i_error *err)
{
    const job *j = context;
    for (size_t i = 0; i < count;) {
        size_t from = j->index[first + i], run = 1;
        while (i + run < count && j->index[first + i + run] == from + run) run++;
        T2I_TRY(j->pictures->read(j->pictures->context, from, run, pixels + i * T2I_PICTURE,
                                  features == NULL ? NULL : features + i * j->dim, err));
        i += run;
    }
    return T2I_OK;
}

static t2i_status read_pixels(void *context, size_t first, size_t count, uint8_t *pixels,
                              t2i_error *err)
{
    return read_both(context, first, count, NULL, pixels, err);
}

static void show_progress(void *context, double share)
{
    t2i_progress_at(&((job *)context)->progress, share);
}

/* ---- features, and how well they decode ---- */

static double squared_error(const float *x, const uint8_t *pixels)
{
    double sum = 0;
    for (size_t i = 0; i < T2I_PICTURE; i++) {
        double seen = fmin(fmax((double)x[i], 0.0), 1.0) - pixels[i] / 255.0;
        sum += seen * seen;
    }
    return sum;
}

static t2i_status put_pictures(job *j, t2i_dataset_out *out, t2i_error *err)
{
    size_t images = j->pairs->images;
    for (size_t first = 0; first < images; first += BLOCK) {
        size_t count = images - first < BLOCK ? images - first : BLOCK;
        T2I_TRY(j->pictures->read(j->pictures->context, first, count, j->pixels,
                                  j->dim > 0 ? j->features : NULL, err));
        if (j->dim == 0) t2i_pca_encode(&j->decoder, j->pixels, count, j->features, j->x);
        T2I_TRY(t2i_dataset_put_pixels(out, count, j->pixels, err));
        T2I_TRY(t2i_dataset_put_features(out, count, j->features, err));
        t2i_progress_at(&j->progress, (double)(first + count) / (double)images);
        if (j->decoder.basis == NULL) continue;
        t2i_pca_decode(&j->decoder, j->features, count, j->x);
        for (size_t i = 0; i < count; i++)
            j->error[j->train[first + i]] +=
                squared_error(j->x + i * T2I_PICTURE, j->pixels + i * T2I_PICTURE);
    }
    return T2I_OK;
}

/* Peak signal to noise ratio of `count` pictures, as text. */
static const char *psnr(double error, size_t count, char text[32])
{
    double mean = error / ((double)count * (double)T2I_PICTURE);
    if (mean < 1e-8)
        snprintf(text, 32, "over 80 dB");
    else
        snprintf(text, 32, "%.1f dB", -10 * log10(mean));
    return text;
}

static void report(const job *j, const char *what)
{
    char train[32], other[32];
    size_t others = j->pairs->images - j->trains;
    if (j->decoder.basis == NULL) {
        t2i_log_note("features: %s", what);
        return;
    }
    psnr(j->error[1], j->trains, train);
    if (others > 0)
        t2i_log_note("features: %s; PSNR of decoded pictures: %s for those in training (%zu), %s "
                     "for the others (%zu)",
                     what, train, j->trains, psnr(j->error[0], others, other), others);
    else
        t2i_log_note("features: %s; PSNR of decoded pictures: %s", what, train);
}

/* ---- the file ---- */

static t2i_status write_dataset(job *j, const char *path, const t2i_encoder_info *encoder,
                                size_t dim, t2i_error *err)
{
    t2i_dataset_out *out;
    j->pixels = t2i_alloc(BLOCK, T2I_PICTURE);
    j->features = t2i_alloc(BLOCK * dim, sizeof *j->features);
    j->x = t2i_alloc(BLOCK * T2I_PICTURE, sizeof *j->x);
    if (j->pixels == NULL || j->features == NULL || j->x == NULL)
        return t2i_fail_memory(err, BLOCK * T2I_PICTURE * sizeof *j->x, "pictures");
    T2I_TRY(t2i_dataset_create(&out, path, T2I_DATA_TOOL, j->pairs, dim, encoder, err));
    t2i_progress_begin(&j->progress, "writing pictures");
    t2i_status status = put_pictures(j, out, err);
    t2i_progress_end(&j->progress);
    if (status == T2I_OK && j->decoder.basis != NULL)
        status = t2i_dataset_put_decoder(out, j->decoder.basis, j->decoder.mean, err);
    if (status == T2I_OK) return t2i_dataset_commit(out, err);
    t2i_dataset_drop(out);
    return status;
}

static t2i_status encode_pca(job *j, const char *out, size_t dim, t2i_error *err)
{
    char what[100];
    t2i_pca *pca = &j->decoder;
    T2I_TRY(find_training(j, err));
    if (j->trains == 0)
        return t2i_fail(err, T2I_DATA,
                        "no pair is of the split train: there is nothing to fit the encoder to");
    t2i_pca_source source = {.count = j->trains,
                             .width = T2I_PICTURE,
                             .read = read_pixels,
                             .progress = show_progress,
                             .context = j};
    t2i_progress_begin(&j->progress, "fitting the encoder");
    t2i_status status = t2i_pca_fit(pca, &source, dim, err);
    t2i_progress_end(&j->progress);
    if (status != T2I_OK) return status;
    t2i_encoder_info encoder = {
        .encoder = "pca", .height = T2I_SIDE, .width = T2I_SIDE, .scale = pca->scale};
    T2I_TRY(write_dataset(j, out, &encoder, pca->dim, err));
    if (pca->kept >= 1 && pca->dim == 1 && pca->basis[0] == 0)
        t2i_log_warn("the training pictures are all alike: their features are all zero");
    snprintf(what, sizeof what, "%zu, with %.2f %% of the variance", pca->dim, 100 * pca->kept);
    report(j, what);
    return T2I_OK;
}

static t2i_status fit_decoder(job *j, t2i_error *err)
{
    t2i_ridge ridge;
    const t2i_ridge_source source = {.count = j->trains,
                                     .dim = j->dim,
                                     .width = T2I_PICTURE,
                                     .read = read_both,
                                     .progress = show_progress,
                                     .context = j};
    t2i_progress_begin(&j->progress, "fitting the decoder");
    t2i_status status = t2i_ridge_fit(&ridge, &source, -1, err);
    t2i_progress_end(&j->progress);
    if (status != T2I_OK) return status;
    j->decoder = (t2i_pca){.dim = ridge.dim,
                           .width = ridge.width,
                           .mean = ridge.mean,
                           .basis = ridge.basis,
                           .scale = 1};
    return T2I_OK;
}

static t2i_status encode_ready(job *j, const char *out, const t2i_encoder_info *encoder,
                               t2i_error *err)
{
    char what[100];
    T2I_TRY(find_training(j, err));
    if (j->trains > 0)
        T2I_TRY(fit_decoder(j, err));
    else
        t2i_log_warn("no pair is of the split train: there is nothing to fit a decoder to, and "
                     "this dataset is good for evaluation only");
    T2I_TRY(write_dataset(j, out, encoder, j->dim, err));
    snprintf(what, sizeof what, "%zu, from %s", j->dim, encoder->encoder);
    report(j, what);
    return T2I_OK;
}

static void free_job(job *j)
{
    t2i_pca_free(&j->decoder);
    t2i_free(j->train);
    t2i_free(j->index);
    t2i_free(j->pixels);
    t2i_free(j->features);
    t2i_free(j->x);
}

t2i_status t2i_encode_dataset_pca(const char *out, const t2i_pairs *pairs,
                                  const t2i_pictures *pictures, size_t dim, t2i_error *err)
{
    job j = {.pairs = pairs, .pictures = pictures};
    t2i_blas_begin(); /* one thread: the file must not depend on the number of cores */
    t2i_status status = encode_pca(&j, out, dim, err);
    free_job(&j);
    return status;
}

t2i_status t2i_encode_dataset_ready(const char *out, const t2i_pairs *pairs,
                                    const t2i_pictures *pictures, const t2i_encoder_info *encoder,
                                    size_t dim, t2i_error *err)
{
    job j = {.pairs = pairs, .pictures = pictures, .dim = dim};
    t2i_blas_begin();
    t2i_status status = encode_ready(&j, out, encoder, err);
    free_job(&j);
    return status;
}
