#include "retrieval/gallery.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/heartbeat.h"
#include "base/mem.h"
#include "model/search_space.h"

enum {
    LANES = 16,
    TILE = 512,    /* channels of pixels decoded at a time, so that their sums stay in the cache */
    TOGETHER = 32, /* pictures decoded at a time, so that the basis is read once for all of them */
    BLOCK = 1024   /* pictures whose features are in memory while they are placed */
};

static double fold_lanes(double sum[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) sum[l] += sum[l + half];
    return sum[0];
}

/* out[c * stride] = squared distance of x (D) and row c of y (count, D). */
T2I_STATIC_KERNEL(void, squared_distances,
                  (double *restrict out, size_t stride, const float *restrict x,
                   const float *restrict y, size_t count, size_t D),
                  (out, stride, x, y, count, D))
{
    for (size_t c = 0; c < count; c++, y += D) {
        double sum[LANES] = {0};
        size_t i = 0;
        for (; i + LANES <= D; i += LANES)
            for (size_t l = 0; l < LANES; l++) {
                double d = (double)x[i + l] - (double)y[i + l];
                sum[l] += d * d;
            }
        for (size_t l = 0; i + l < D; l++) {
            double d = (double)x[i + l] - (double)y[i + l];
            sum[l] += d * d;
        }
        out[c * stride] = fold_lanes(sum);
    }
}

/* The same with the inner product. */
T2I_STATIC_KERNEL(void, products,
                  (double *restrict out, size_t stride, const float *restrict x,
                   const float *restrict y, size_t count, size_t D),
                  (out, stride, x, y, count, D))
{
    for (size_t c = 0; c < count; c++, y += D) {
        double sum[LANES] = {0};
        size_t i = 0;
        for (; i + LANES <= D; i += LANES)
            for (size_t l = 0; l < LANES; l++) sum[l] += (double)x[i + l] * (double)y[i + l];
        for (size_t l = 0; i + l < D; l++) sum[l] += (double)x[i + l] * (double)y[i + l];
        out[c * stride] = fold_lanes(sum);
    }
}

double t2i_gallery_length(const float *x, size_t D)
{
    double square;
    products(&square, 1, x, x, 1, D);
    return sqrt(square);
}

static double cosine_distance(double product, double a, double b)
{
    if (!(a > 0.0) || !(b > 0.0)) return 1.0;
    double distance = 1.0 - product / a / b;
    return distance > 0.0 ? distance : 0.0; /* rounding may give a negative number */
}

double t2i_gallery_distance(t2i_metric metric, const float *x, double x_length, const float *y,
                            double y_length, size_t D)
{
    double sum;
    if (metric == T2I_EUCLIDEAN) {
        squared_distances(&sum, 1, y, x, 1, D);
        return sqrt(sum);
    }
    products(&sum, 1, y, x, 1, D);
    return cosine_distance(sum, x_length, y_length);
}

void t2i_gallery_open(t2i_gallery *out, t2i_dataset *dataset)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    *out = (t2i_gallery){.dataset = dataset,
                         .images = (size_t)info->images,
                         .features = (size_t)info->features,
                         .dim = (size_t)info->features,
                         .height = (size_t)info->encoder.height,
                         .width = (size_t)info->encoder.width};
}

/* Marks the training pictures, which prompts are drawn from (drawing.h). */
static t2i_status read_training(t2i_gallery *gallery, t2i_error *err)
{
    size_t bytes = (gallery->images + 7) / 8;
    gallery->trains = t2i_alloc(bytes, 1);
    if (gallery->trains == NULL) return t2i_fail_memory(err, bytes, "the pictures");
    return t2i_dataset_mark_split(gallery->dataset, T2I_TRAIN, gallery->trains, err);
}

/* place (M, dim) of all pictures. */
static t2i_status read_places(const t2i_gallery *gallery, const t2i_packed_weights *packed,
                              size_t dim, float *place, t2i_error *err)
{
    size_t M = gallery->images, D = gallery->features, block = M < BLOCK ? M : BLOCK;
    if (packed == NULL || packed->model->config.embed_dim == 0)
        return t2i_dataset_features(gallery->dataset, 0, M, place, err);
    float *feature = t2i_alloc(block, D * sizeof *feature);
    if (feature == NULL) return t2i_fail_memory(err, block * D * sizeof *feature, "features");
    t2i_status status = T2I_OK;
    for (size_t m = 0; m < M && status == T2I_OK; m += block) {
        size_t count = M - m < block ? M - m : block;
        status = t2i_dataset_features(gallery->dataset, m, count, feature, err);
        if (status == T2I_OK) t2i_search_space_pictures(packed, place + m * dim, feature, count);
        t2i_heartbeat_beat();
    }
    t2i_free(feature);
    return status;
}

static void unload(t2i_gallery *gallery)
{
    t2i_free(gallery->place);
    t2i_free(gallery->length);
    t2i_free(gallery->trains);
    gallery->place = NULL;
    gallery->length = NULL;
    gallery->trains = NULL;
}

t2i_status t2i_gallery_load(t2i_gallery *gallery, const t2i_packed_weights *packed, t2i_error *err)
{
    size_t M = gallery->images, dim = gallery->features;
    if (packed != NULL) {
        T2I_ASSERT(packed->model->config.vision_feature_dim == gallery->features);
        dim = t2i_search_space_dim(&packed->model->config);
    }
    unload(gallery);
    gallery->dim = dim;
    gallery->place = dim > SIZE_MAX / sizeof(float) ? NULL : t2i_alloc(M, dim * sizeof(float));
    gallery->length = t2i_alloc(M, sizeof *gallery->length);
    t2i_status status = gallery->place == NULL || gallery->length == NULL
                            ? t2i_fail_memory(err, M * dim * sizeof(float), "features")
                            : read_places(gallery, packed, dim, gallery->place, err);
    for (size_t m = 0; m < M && status == T2I_OK; m++)
        gallery->length[m] = t2i_gallery_length(gallery->place + m * dim, dim);
    if (status == T2I_OK && packed != NULL && packed->model->config.embed_dim > 0 &&
        t2i_gallery_decodes(gallery))
        status = read_training(gallery, err);
    if (status != T2I_OK) unload(gallery);
    return status;
}

t2i_status t2i_gallery_new(t2i_gallery *out, t2i_dataset *dataset, const t2i_packed_weights *packed,
                           t2i_error *err)
{
    t2i_gallery_open(out, dataset);
    t2i_status status = t2i_gallery_load(out, packed, err);
    if (status != T2I_OK) t2i_gallery_free(out);
    return status;
}

void t2i_gallery_free(t2i_gallery *gallery)
{
    unload(gallery);
    t2i_free(gallery->basis);
    t2i_free(gallery->mean);
    *gallery = (t2i_gallery){0};
}

void t2i_gallery_distances(const t2i_gallery *gallery, t2i_metric metric, const float *prompt,
                           size_t count, double *distance)
{
    size_t M = gallery->images, dim = gallery->dim;
    /* One picture at a time: it is read once for all prompts. */
    for (size_t m = 0; m < M; m++) {
        const float *place = gallery->place + m * dim;
        if (metric == T2I_EUCLIDEAN)
            squared_distances(distance + m, M, place, prompt, count, dim);
        else
            products(distance + m, M, place, prompt, count, dim);
    }
    for (size_t c = 0; c < count; c++, distance += M) {
        double length = t2i_gallery_length(prompt + c * dim, dim);
        for (size_t m = 0; m < M; m++)
            distance[m] = metric == T2I_EUCLIDEAN
                              ? sqrt(distance[m])
                              : cosine_distance(distance[m], length, gallery->length[m]);
    }
}

void t2i_gallery_nearest(const double *distance, size_t images, size_t top, t2i_near *out)
{
    T2I_ASSERT(top >= 1 && top <= images);
    size_t have = 0;
    for (size_t m = 0; m < images; m++) {
        if (have == top && !(distance[m] < out[top - 1].distance)) continue;
        size_t at = have < top ? have++ : top - 1;
        for (; at > 0 && distance[m] < out[at - 1].distance; at--) out[at] = out[at - 1];
        out[at] = (t2i_near){m, distance[m]};
    }
}

int t2i_gallery_decodes(const t2i_gallery *gallery)
{
    return t2i_dataset_get_info(gallery->dataset)->has_decoder;
}

int t2i_gallery_shows(const t2i_gallery *gallery)
{
    return t2i_dataset_get_info(gallery->dataset)->has_pixels;
}

static t2i_status read_decoder(t2i_gallery *gallery, t2i_error *err)
{
    if (gallery->basis != NULL) return T2I_OK;
    size_t D = gallery->features, P = gallery->height * gallery->width * 3;
    float *mean = t2i_alloc(P, sizeof *mean);
    float *basis = t2i_alloc(D, P * sizeof *basis);
    t2i_status status = mean == NULL || basis == NULL
                            ? t2i_fail_memory(err, D * P * sizeof *basis, "the decoder")
                            : t2i_dataset_mean(gallery->dataset, mean, err);
    if (status == T2I_OK) status = t2i_dataset_basis(gallery->dataset, 0, D, basis, err);
    if (status != T2I_OK) {
        t2i_free(mean);
        t2i_free(basis);
        return status;
    }
    gallery->mean = mean;
    gallery->basis = basis;
    return T2I_OK;
}

/* out (count, TILE) += feature (count, D) x the first `width` columns of basis (D, P). */
T2I_STATIC_KERNEL(void, add_basis,
                  (float *restrict out, const float *restrict feature, const float *restrict basis,
                   size_t count, size_t D, size_t width, size_t P),
                  (out, feature, basis, count, D, width, P))
{
    for (size_t d = 0; d < D; d++)
        for (size_t c = 0; c < count; c++) {
            float f = feature[c * D + d];
            for (size_t i = 0; i < width; i++) out[c * TILE + i] += f * basis[d * P + i];
        }
}

static uint8_t to_byte(float value)
{
    if (!(value > 0.0f)) return 0;
    return value >= 1.0f ? 255 : (uint8_t)(value * 255.0f + 0.5f);
}

t2i_status t2i_gallery_decode(t2i_gallery *gallery, const float *feature, size_t count,
                              uint8_t *rgb, t2i_error *err)
{
    T2I_ASSERT(t2i_gallery_decodes(gallery));
    T2I_TRY(read_decoder(gallery, err));
    size_t D = gallery->features, P = gallery->height * gallery->width * 3;
    float *sum = t2i_alloc(TOGETHER, TILE * sizeof *sum);
    if (sum == NULL) return t2i_fail_memory(err, TOGETHER * TILE * sizeof *sum, "decoding");
    for (size_t first = 0; first < count; first += TOGETHER) {
        size_t some = count - first < TOGETHER ? count - first : TOGETHER;
        for (size_t p = 0; p < P; p += TILE) {
            size_t width = P - p < TILE ? P - p : TILE;
            for (size_t c = 0; c < some; c++)
                memcpy(sum + c * TILE, gallery->mean + p, width * sizeof *sum);
            add_basis(sum, feature + first * D, gallery->basis + p, some, D, width, P);
            for (size_t c = 0; c < some; c++)
                for (size_t i = 0; i < width; i++)
                    rgb[(first + c) * P + p + i] = to_byte(sum[c * TILE + i]);
        }
    }
    t2i_free(sum);
    return T2I_OK;
}
