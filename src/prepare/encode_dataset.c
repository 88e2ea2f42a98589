#include "prepare/encode_dataset.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "dataset/dataset_writer.h"
#include "kernels/pca.h"
#include "base/progress.h"
#include "kernels/ridge.h"

#define BLOCK_BYTES (256 * T2I_PICTURE) /* of a block; with small pictures 256 of them */
enum { FEW = 4096 };                    /* so many pictures one rank encodes alone */

typedef struct {
    t2i_comm *comm;         /* NULL: this process works alone */
    const t2i_pairs *pairs; /* rank 0 */
    size_t images;          /* in all */
    const t2i_pictures *pictures;
    size_t block, bytes; /* pictures of a block, bytes of one picture */
    size_t dim;          /* features per picture if they are ready, else 0 */
    uint8_t *train;      /* of each picture: 1 if a training pair uses it */
    size_t *index;       /* numbers of the training pictures */
    size_t trains;
    t2i_progress progress;
    t2i_pca decoder;  /* picture = mean + features x basis, from PCA or ridge regression */
    float *to, *back; /* the decoder packed, to encode and to decode */
    /* buffers of one block */
    uint8_t *pixels;
    float *features, *x, *work;
    double *errors; /* squared, of decoded pictures */
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

/* ---- ranks ---- */

static int rank_of(const dataset_encoder *e)
{
    return e->comm == NULL ? 0 : t2i_comm_rank(e->comm);
}

/* Collective over the ranks of the encoder. */
static t2i_status agree(const dataset_encoder *e, t2i_status mine, t2i_error *err)
{
    return e->comm == NULL ? mine : t2i_comm_agree(e->comm, mine, err);
}

static t2i_status agree_all(void *context, t2i_status mine, t2i_error *err)
{
    return t2i_comm_agree(context, mine, err);
}

static void gather_all(void *context, void *all, size_t item_bytes, size_t items)
{
    t2i_comm_allgather(context, all, item_bytes, items);
}

/* ---- training pictures, to which encoder and decoder are fitted ---- */

/* Collective over the ranks of the encoder: all get rank 0's training pictures. */
static t2i_status share_training(dataset_encoder *e, t2i_error *err)
{
    e->train = t2i_alloc(e->images, sizeof *e->train);
    e->index = t2i_alloc(e->images, sizeof *e->index);
    t2i_status status = T2I_OK;
    if (e->train == NULL || e->index == NULL)
        status = t2i_fail_memory(err, e->images * sizeof *e->index, "the pictures");
    T2I_TRY(agree(e, status, err));
    for (size_t i = 0; rank_of(e) == 0 && i < e->pairs->pairs; i++)
        if (e->pairs->split[i] == T2I_TRAIN) e->train[e->pairs->image[i]] = 1;
    if (e->comm != NULL) t2i_comm_bcast(e->comm, 0, e->train, e->images);
    for (size_t i = 0; i < e->images; i++)
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

/* Encodes pictures [from, to) of a block of `count`, and measures how well they decode. */
static void encode_share(dataset_encoder *e, size_t from, size_t to)
{
    const size_t dim = e->decoder.dim, bytes = e->bytes;
    float *features = e->features + from * dim, *x = e->x + from * bytes;
    const uint8_t *pixels = e->pixels + from * bytes;
    if (e->decoder.basis == NULL) return;
    if (e->dim == 0) t2i_pca_encode(&e->decoder, e->to, pixels, to - from, features, e->work);
    t2i_pca_decode(&e->decoder, e->back, features, to - from, x);
    for (size_t i = from; i < to; i++)
        e->errors[i] = squared_error(e->x + i * bytes, e->pixels + i * bytes, bytes);
}

/* Writes a block: rank 0. */
static t2i_status put_block(dataset_encoder *e, t2i_dataset_writer *out, size_t first, size_t count,
                            t2i_error *err)
{
    T2I_TRY(t2i_dataset_writer_put_pixels(out, count, e->pixels, err));
    T2I_TRY(t2i_dataset_writer_put_features(out, count, e->features, err));
    for (size_t i = 0; i < count; i++) e->error[e->train[first + i]] += e->errors[i];
    t2i_progress_at(&e->progress, (double)(first + count) / (double)e->images);
    return T2I_OK;
}

/* How many of `count` pictures rank 0 encodes, so that all ranks take the same time: it also reads
 * and writes all of a block, in `other` seconds, while the rest encode. `each`: seconds to encode a
 * picture. */
static size_t share_of_writer(size_t count, int size, double each, double other)
{
    double share = ((double)count * each - (size - 1) * other) / (size * each);
    size_t least = count / 16 + 1;
    return size == 1 || share > (double)count ? count
           : share > (double)least            ? (size_t)share
                                              : least;
}

/* The first of the pictures that a rank encodes, up to those of the next: rank 0 has `own`, the
 * others share the rest. rank may be size: the end. */
static size_t begin_of(size_t own, size_t count, int rank, int size)
{
    return rank == 0      ? 0
           : rank == size ? count
                          : own + t2i_comm_share(count - own, rank - 1, size - 1);
}

/* Sends what the ranks have encoded to rank 0. */
static void collect(dataset_encoder *e, size_t own, size_t count)
{
    const int rank = rank_of(e), size = e->comm == NULL ? 1 : t2i_comm_size(e->comm);
    const size_t row = e->decoder.dim * sizeof *e->features;
    for (int r = 1; r < size; r++) {
        size_t from = begin_of(own, count, r, size),
               many = begin_of(own, count, r + 1, size) - from;
        if (rank == 0) {
            t2i_comm_receive(e->comm, r, e->features + from * e->decoder.dim, row, many);
            t2i_comm_receive(e->comm, r, e->errors + from, sizeof *e->errors, many);
        } else if (rank == r) {
            t2i_comm_send(e->comm, 0, e->features + from * e->decoder.dim, row, many);
            t2i_comm_send(e->comm, 0, e->errors + from, sizeof *e->errors, many);
        }
    }
    if (size > 1) t2i_comm_wait(e->comm);
}

/* Collective over the ranks of the encoder. Each rank encodes its share of a block; rank 0 reads
 * all of it, and writes it while the others encode the next. */
static t2i_status put_pictures(dataset_encoder *e, t2i_dataset_writer *out, t2i_error *err)
{
    const int rank = rank_of(e), size = e->comm == NULL ? 1 : t2i_comm_size(e->comm);
    const size_t dim = e->dim > 0 ? e->dim : e->decoder.dim;
    t2i_status status = T2I_OK;
    double other = 0; /* until it is measured */
    uint64_t share = share_of_writer(e->block, size, 1, other);
    for (size_t first = 0; first < e->images; first += e->block) {
        size_t count = e->images - first < e->block ? e->images - first : e->block;
        size_t own = share < count ? (size_t)share : count;
        size_t from = begin_of(own, count, rank, size), to = begin_of(own, count, rank + 1, size);
        size_t end = rank == 0 ? count : to;
        double began = t2i_cpu_seconds();
        if (status == T2I_OK && end > from)
            status = e->pictures->read(e->pictures->context, first + from, end - from,
                                       e->pixels + from * e->bytes,
                                       e->dim > 0 ? e->features + from * dim : NULL, err);
        double read = t2i_cpu_seconds();
        if (status == T2I_OK) encode_share(e, from, to);
        double each = (t2i_cpu_seconds() - read) / (double)own;
        T2I_TRY(agree(e, status, err));
        collect(e, own, count);
        share = share_of_writer(e->block, size, each, other);
        if (size > 1) t2i_comm_bcast(e->comm, 0, &share, sizeof share);
        double writes = t2i_cpu_seconds();
        if (rank == 0) status = put_block(e, out, first, count, err);
        other = read - began + t2i_cpu_seconds() - writes;
    }
    return agree(e, status, err);
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
    size_t others = e->images - e->trains;
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

static t2i_status begin_writing(dataset_encoder *e, t2i_error *err)
{
    const size_t dim = e->dim > 0 ? e->dim : e->decoder.dim, packed = t2i_pca_packed(&e->decoder);
    e->pixels = t2i_alloc(e->block, e->bytes);
    e->features = t2i_alloc(e->block * dim, sizeof *e->features);
    e->errors = t2i_alloc(e->block, sizeof *e->errors);
    e->x = t2i_alloc(e->block * e->bytes, sizeof *e->x);
    e->work = t2i_alloc(e->block * e->bytes, sizeof *e->work);
    e->to = t2i_alloc(e->dim > 0 ? 0 : packed, sizeof *e->to);
    e->back = t2i_alloc(packed, sizeof *e->back);
    if (e->pixels == NULL || e->features == NULL || e->errors == NULL || e->x == NULL ||
        e->work == NULL || e->to == NULL || e->back == NULL)
        return t2i_fail_memory(err, e->block * e->bytes * sizeof *e->x, "pictures");
    if (e->decoder.basis == NULL) return T2I_OK;
    if (e->dim == 0) t2i_pca_pack_encode(&e->decoder, e->to);
    t2i_pca_pack_decode(&e->decoder, e->back);
    return T2I_OK;
}

/* Collective over the ranks of the encoder: rank 0 writes the file. */
static t2i_status write_dataset(dataset_encoder *e, const char *path,
                                const t2i_encoder_info *encoder, size_t dim, t2i_error *err)
{
    t2i_dataset_writer *out = NULL;
    t2i_status status = begin_writing(e, err);
    if (status == T2I_OK && rank_of(e) == 0)
        status = t2i_dataset_writer_create(&out, path, T2I_DATA_TOOL, e->pairs, dim, encoder, err);
    status = agree(e, status, err);
    if (status == T2I_OK) {
        t2i_progress_begin(&e->progress, "writing pictures");
        status = put_pictures(e, out, err);
        t2i_progress_end(&e->progress);
    }
    if (rank_of(e) != 0) return status; /* what follows is for rank 0 */
    if (status == T2I_OK && e->decoder.basis != NULL)
        status = t2i_dataset_writer_put_decoder(out, e->decoder.basis, e->decoder.mean, err);
    if (status == T2I_OK) return t2i_dataset_writer_commit(out, err);
    t2i_dataset_writer_drop(out);
    return status;
}

/* Collective over the ranks of the encoder. */
static t2i_status encode_pca(dataset_encoder *e, const char *out, size_t dim, t2i_error *err)
{
    char what[100];
    t2i_pca *pca = &e->decoder;
    const t2i_pca_team team = {.rank = rank_of(e),
                               .size = e->comm == NULL ? 1 : t2i_comm_size(e->comm),
                               .gather = gather_all,
                               .share = t2i_comm_share,
                               .agree = agree_all,
                               .context = e->comm};
    T2I_TRY(share_training(e, err));
    if (e->trains == 0)
        return t2i_fail(err, T2I_DATA,
                        "no pair is of the split train, so that no encoder can be fitted");
    t2i_pca_source source = {.count = e->trains,
                             .width = e->bytes,
                             .read = read_pixels,
                             .progress = show_progress,
                             .context = e,
                             .team = e->comm == NULL ? NULL : &team};
    t2i_progress_begin(&e->progress, "fitting the encoder");
    t2i_status status = t2i_pca_fit(pca, &source, dim, err);
    t2i_progress_end(&e->progress);
    T2I_TRY(agree(e, status, err));
    t2i_encoder_info encoder = {.encoder = "pca",
                                .height = e->pictures->side,
                                .width = e->pictures->side,
                                .scale = pca->scale};
    T2I_TRY(write_dataset(e, out, &encoder, pca->dim, err));
    if (rank_of(e) != 0) return T2I_OK;
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
    T2I_TRY(share_training(e, err));
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
                             .images = pairs == NULL ? 0 : pairs->images,
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
    t2i_free(e->errors);
    t2i_free(e->to);
    t2i_free(e->back);
}

t2i_status t2i_encode_dataset_pca(t2i_comm *comm, const char *out, const t2i_pairs *pairs,
                                  const t2i_pictures *pictures, size_t dim, t2i_error *err)
{
    dataset_encoder e = new_encoder(pairs, pictures, 0);
    uint64_t images = e.images;
    int all = comm != NULL && t2i_comm_size(comm) > 1;
    if (all) t2i_comm_bcast(comm, 0, &images, sizeof images);
    e.images = (size_t)images;
    e.comm = all && images > FEW ? comm : NULL;
    t2i_status status = T2I_OK;
    if (!all || e.comm != NULL || t2i_comm_rank(comm) == 0) status = encode_pca(&e, out, dim, err);
    free_encoder(&e);
    return all ? t2i_comm_agree(comm, status, err) : status;
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
