#include "prepare/encode_dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "dataset/dataset_writer.h"
#include "kernels/pca.h"
#include "base/progress.h"
#include "kernels/ridge.h"

#define BLOCK_BYTES (256 * T2I_PICTURE) /* of a block; with small pictures 256 of them */

typedef struct {
    const t2i_pairs *pairs;
    const t2i_pictures *pictures;
    size_t block, bytes; /* pictures of a block, bytes of one picture */
    size_t dim;          /* features per picture if they are ready, else 0 */
    uint8_t *train;      /* of each picture: 1 if a training pair uses it */
    size_t *index;       /* numbers of the training pictures */
    size_t trains;
    t2i_progress progress;
    t2i_pca decoder; /* picture = mean + features x basis, from PCA or ridge regression */
    /* buffers of one block */
    uint8_t *pixels;
    float *features, *x, *work;
    /* sum of squared errors of decoded pictures: [1] training pictures, [0] others */
    double error[2];
} dataset_encoder;

t2i_status t2i_encode_dataset_in_memory(void *pixels, size_t first, size_t count, uint8_t *out,
                                        float *features, t2i_error *err)
{
    (void)err;
    T2I_ASSERT(features == NULL);
    memcpy(out, (const uint8_t *)pixels + first * T2I_PICTURE, count * T2I_PICTURE);
    return T2I_OK;
}

size_t t2i_encode_dataset_bytes(const t2i_pictures *pictures)
{
    return pictures->side * pictures->side * 3;
}

size_t t2i_encode_dataset_block(const t2i_pictures *pictures)
{
    size_t block = BLOCK_BYTES / t2i_encode_dataset_bytes(pictures);
    return block < 256 ? block : 256;
}

/* ---- training pictures, to which encoder and decoder are fitted ---- */

static t2i_status find_training(dataset_encoder *e, t2i_error *err)
{
    const t2i_pairs *pairs = e->pairs;
    e->train = t2i_alloc(pairs->images, sizeof *e->train);
    e->index = t2i_alloc(pairs->images, sizeof *e->index);
    if (e->train == NULL || e->index == NULL)
        return t2i_fail_memory(err, pairs->images * sizeof *e->index, "the pictures");
    for (size_t i = 0; i < pairs->pairs; i++)
        if (pairs->split[i] == T2I_TRAIN) e->train[pairs->image[i]] = 1;
    for (size_t i = 0; i < pairs->images; i++)
        if (e->train[i]) e->index[e->trains++] = i;
    return T2I_OK;
}

static t2i_status read_both(void *context, size_t first, size_t count, float *features,
                            uint8_t *pixels, t2i_error *err)
{
    const dataset_encoder *e = context;
    for (size_t i = 0; i < count;) {
        size_t from = e->index[first + i], run = 1;
        while (i + run < count && e->index[first + i + run] == from + run) run++;
        T2I_TRY(e->pictures->read(e->pictures->context, from, run, pixels + i * e->bytes,
                                  features == NULL ? NULL : features + i * e->dim, err));
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
    t2i_progress_at(&((dataset_encoder *)context)->progress, share);
}

/* ---- features, and how well they decode ---- */

static double squared_error(const float *x, const uint8_t *pixels, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double seen = fmin(fmax((double)x[i], 0.0), 1.0) - pixels[i] / 255.0;
        sum += seen * seen;
    }
    return sum;
}

static t2i_status put_pictures(dataset_encoder *e, t2i_dataset_writer *out, t2i_error *err)
{
    size_t images = e->pairs->images;
    for (size_t first = 0; first < images; first += e->block) {
        size_t count = images - first < e->block ? images - first : e->block;
        T2I_TRY(e->pictures->read(e->pictures->context, first, count, e->pixels,
                                  e->dim > 0 ? e->features : NULL, err));
        if (e->dim == 0) t2i_pca_encode(&e->decoder, e->pixels, count, e->features, e->work);
        T2I_TRY(t2i_dataset_writer_put_pixels(out, count, e->pixels, err));
        T2I_TRY(t2i_dataset_writer_put_features(out, count, e->features, err));
        t2i_progress_at(&e->progress, (double)(first + count) / (double)images);
        if (e->decoder.basis == NULL) continue;
        t2i_pca_decode(&e->decoder, e->features, count, e->x, e->work);
        for (size_t i = 0; i < count; i++)
            e->error[e->train[first + i]] +=
                squared_error(e->x + i * e->bytes, e->pixels + i * e->bytes, e->bytes);
    }
    return T2I_OK;
}

/* Peak signal-to-noise ratio of `count` pictures, as text. */
static const char *psnr(double error, size_t count, size_t bytes, char text[32])
{
    double mean = error / ((double)count * (double)bytes);
    if (mean < 1e-8)
        snprintf(text, 32, "over 80 dB");
    else
        snprintf(text, 32, "%.1f dB", -10 * log10(mean));
    return text;
}

static void report(const dataset_encoder *e, const char *what)
{
    char train[32], other[32];
    size_t others = e->pairs->images - e->trains;
    if (e->decoder.basis == NULL) {
        t2i_log_note("features: %s", what);
        return;
    }
    psnr(e->error[1], e->trains, e->bytes, train);
    if (others > 0)
        t2i_log_note("features: %s; PSNR of decoded pictures: %s for %zu training pictures, %s "
                     "for %zu others",
                     what, train, e->trains, psnr(e->error[0], others, e->bytes, other), others);
    else
        t2i_log_note("features: %s; PSNR of decoded pictures: %s", what, train);
}

/* ---- the file ---- */

static t2i_status write_dataset(dataset_encoder *e, const char *path,
                                const t2i_encoder_info *encoder, size_t dim, t2i_error *err)
{
    t2i_dataset_writer *out;
    e->pixels = t2i_alloc(e->block, e->bytes);
    e->features = t2i_alloc(e->block * dim, sizeof *e->features);
    e->x = t2i_alloc(e->block * e->bytes, sizeof *e->x);
    e->work = t2i_alloc(t2i_pca_work(&e->decoder, e->block), sizeof *e->work);
    if (e->pixels == NULL || e->features == NULL || e->x == NULL || e->work == NULL)
        return t2i_fail_memory(err, e->block * e->bytes * sizeof *e->x, "pictures");
    T2I_TRY(t2i_dataset_writer_create(&out, path, T2I_DATA_TOOL, e->pairs, dim, encoder, err));
    t2i_progress_begin(&e->progress, "writing pictures");
    t2i_status status = put_pictures(e, out, err);
    t2i_progress_end(&e->progress);
    if (status == T2I_OK && e->decoder.basis != NULL)
        status = t2i_dataset_writer_put_decoder(out, e->decoder.basis, e->decoder.mean, err);
    if (status == T2I_OK) return t2i_dataset_writer_commit(out, err);
    t2i_dataset_writer_drop(out);
    return status;
}

static t2i_status encode_pca(dataset_encoder *e, const char *out, size_t dim, t2i_error *err)
{
    char what[100];
    t2i_pca *pca = &e->decoder;
    T2I_TRY(find_training(e, err));
    if (e->trains == 0)
        return t2i_fail(err, T2I_DATA,
                        "no pair is of the split train, so that no encoder can be fitted");
    t2i_pca_source source = {.count = e->trains,
                             .width = e->bytes,
                             .read = read_pixels,
                             .progress = show_progress,
                             .context = e};
    t2i_progress_begin(&e->progress, "fitting the encoder");
    t2i_status status = t2i_pca_fit(pca, &source, dim, err);
    t2i_progress_end(&e->progress);
    if (status != T2I_OK) return status;
    t2i_encoder_info encoder = {.encoder = "pca",
                                .height = e->pictures->side,
                                .width = e->pictures->side,
                                .scale = pca->scale};
    T2I_TRY(write_dataset(e, out, &encoder, pca->dim, err));
    if (pca->kept >= 1 && pca->dim == 1 && pca->basis[0] == 0)
        t2i_log_warn("all training pictures are equal: all features are zero");
    snprintf(what, sizeof what, "%zu, with %.2f %% of the variance", pca->dim, 100 * pca->kept);
    report(e, what);
    return T2I_OK;
}

static t2i_status fit_decoder(dataset_encoder *e, t2i_error *err)
{
    t2i_ridge ridge;
    const t2i_ridge_source source = {.count = e->trains,
                                     .dim = e->dim,
                                     .width = e->bytes,
                                     .read = read_both,
                                     .progress = show_progress,
                                     .context = e};
    t2i_progress_begin(&e->progress, "fitting the decoder");
    t2i_status status = t2i_ridge_fit(&ridge, &source, -1, err);
    t2i_progress_end(&e->progress);
    if (status != T2I_OK) return status;
    e->decoder = (t2i_pca){.dim = ridge.dim,
                           .width = ridge.width,
                           .mean = ridge.mean,
                           .basis = ridge.basis,
                           .scale = 1};
    return T2I_OK;
}

static t2i_status encode_ready(dataset_encoder *e, const char *out, const t2i_encoder_info *encoder,
                               t2i_error *err)
{
    char what[100];
    T2I_TRY(find_training(e, err));
    if (e->trains > 0)
        T2I_TRY(fit_decoder(e, err));
    else
        t2i_log_warn(
            "no pair is of the split train: the dataset has no decoder and can be used for "
            "evaluation only");
    T2I_TRY(write_dataset(e, out, encoder, e->dim, err));
    snprintf(what, sizeof what, "%zu, from %s", e->dim, encoder->encoder);
    report(e, what);
    return T2I_OK;
}

static dataset_encoder new_encoder(const t2i_pairs *pairs, const t2i_pictures *pictures, size_t dim)
{
    return (dataset_encoder){.pairs = pairs,
                             .pictures = pictures,
                             .block = t2i_encode_dataset_block(pictures),
                             .bytes = t2i_encode_dataset_bytes(pictures),
                             .dim = dim};
}

static void free_encoder(dataset_encoder *e)
{
    t2i_pca_free(&e->decoder);
    t2i_free(e->train);
    t2i_free(e->index);
    t2i_free(e->pixels);
    t2i_free(e->features);
    t2i_free(e->x);
    t2i_free(e->work);
}

t2i_status t2i_encode_dataset_pca(const char *out, const t2i_pairs *pairs,
                                  const t2i_pictures *pictures, size_t dim, t2i_error *err)
{
    dataset_encoder e = new_encoder(pairs, pictures, 0);
    t2i_status status = encode_pca(&e, out, dim, err);
    free_encoder(&e);
    return status;
}

t2i_status t2i_encode_dataset_ready(const char *out, const t2i_pairs *pairs,
                                    const t2i_pictures *pictures, const t2i_encoder_info *encoder,
                                    size_t dim, t2i_error *err)
{
    dataset_encoder e = new_encoder(pairs, pictures, dim);
    t2i_status status = encode_ready(&e, out, encoder, err);
    free_encoder(&e);
    return status;
}
