/* index.c - t2i_index of t2i.h: the pictures of a dataset. */
#include "library/library_internal.h"

#include <math.h>
#include <pthread.h>

#include "base/mem.h"
#include "dataset/reader.h"
#include "retrieval/drawing.h"

struct t2i_index {
    t2i_dataset *dataset; /* owned */
    t2i_gallery gallery;
    t2i_index_info info;
    int for_predictor;    /* 1: searched by places of a predictor */
    int own_space;        /* 1: which are not its features */
    char **name;          /* owned: (pictures); NULL until requested */
    pthread_mutex_t lock; /* guards dataset, name and the gallery's decoder */
};

/* Number of open indexes of the process: the reader ends with the last one. */
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static size_t indexes;

static void count(int more)
{
    pthread_mutex_lock(&counting);
    if (more)
        indexes++;
    else if (--indexes == 0)
        t2i_reader_end();
    pthread_mutex_unlock(&counting);
}

static t2i_status check_predictor(const t2i_index *x, const t2i_predictor *predictor,
                                  t2i_error *err)
{
    const t2i_predictor_info *info = t2i_predictor_get_info(predictor);
    if (info->features == x->info.features) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "the model in %s predicts %zu features, but the pictures of %s have %zu: "
                    "give the dataset that it was trained on",
                    info->path, info->features, x->info.path, x->info.features);
}

/* predictor: NULL for an index that is searched by features. */
static t2i_status open_dataset(t2i_index *x, const char *path, const t2i_predictor *predictor,
                               t2i_error *err)
{
    T2I_TRY(t2i_dataset_open(&x->dataset, path, err));
    const t2i_dataset_info *info = t2i_dataset_get_info(x->dataset);
    x->info = (t2i_index_info){.path = t2i_dataset_path(x->dataset),
                               .digest = info->digest,
                               .encoder = info->encoder.encoder,
                               .pictures = (size_t)info->images,
                               .features = (size_t)info->features,
                               .height = (size_t)info->encoder.height,
                               .width = (size_t)info->encoder.width,
                               .has_pixels = info->has_pixels,
                               .has_decoder = info->has_decoder};
    x->name = t2i_alloc(x->info.pictures, sizeof *x->name);
    if (x->name == NULL)
        return t2i_fail_memory(err, x->info.pictures * sizeof *x->name, "the pictures' names");
    if (predictor != NULL) T2I_TRY(check_predictor(x, predictor, err));
    T2I_TRY(t2i_gallery_new(&x->gallery, x->dataset,
                            predictor == NULL ? NULL : t2i_predictor_packed(predictor), err));
    x->info.place_size = x->gallery.dim;
    x->for_predictor = predictor != NULL;
    x->own_space =
        predictor != NULL && t2i_predictor_checkpoint(predictor)->model.config.embed_dim > 0;
    return T2I_OK;
}

t2i_status t2i_index_open_for(t2i_index **out, const char *dataset, const t2i_predictor *predictor,
                              t2i_error *err)
{
    fenv_t caller;
    *out = NULL;
    t2i_index *x = t2i_alloc(1, sizeof *x);
    if (x == NULL) return t2i_fail_memory(err, sizeof *x, "a dataset");
    pthread_mutex_init(&x->lock, NULL);
    count(1);
    t2i_library_enter(&caller);
    t2i_status status = open_dataset(x, dataset, predictor, err);
    t2i_library_leave(&caller);
    if (status == T2I_OK)
        *out = x;
    else
        t2i_index_close(x);
    return status;
}

t2i_status t2i_index_open(t2i_index **out, const char *dataset, t2i_error *err)
{
    return t2i_index_open_for(out, dataset, NULL, err);
}

void t2i_index_close(t2i_index *x)
{
    if (x == NULL) return;
    for (size_t i = 0; x->name != NULL && i < x->info.pictures; i++) t2i_free(x->name[i]);
    t2i_free(x->name);
    t2i_gallery_free(&x->gallery);
    t2i_dataset_close(x->dataset);
    count(0);
    pthread_mutex_destroy(&x->lock);
    t2i_free(x);
}

const t2i_index_info *t2i_index_get_info(const t2i_index *x)
{
    return &x->info;
}

t2i_dataset *t2i_index_dataset(const t2i_index *x)
{
    return x->dataset;
}

const t2i_gallery *t2i_index_gallery(const t2i_index *x)
{
    return &x->gallery;
}

/* vector (number, size) */
static t2i_status check_finite(const float *vector, size_t size, const char *what, size_t number,
                               t2i_error *err)
{
    for (size_t i = 0; i < number * size; i++)
        if (!isfinite(vector[i]))
            return t2i_fail(err, T2I_USAGE, "%s %zu of vector %zu is not finite", what,
                            i % size + 1, i / size + 1);
    return T2I_OK;
}

/* prompt (number, place_size) in the search space of the index */
static t2i_status find_nearest(const t2i_index *x, t2i_metric metric, const float *prompt,
                               size_t number, size_t top, t2i_near *near, t2i_error *err)
{
    fenv_t caller;
    size_t M = x->info.pictures, dim = x->info.place_size;
    if (top < 1 || top > M || (metric != T2I_EUCLIDEAN && metric != T2I_COSINE))
        return t2i_fail(err, T2I_USAGE,
                        "top is %zu and metric is %d: top must be 1 to %zu, metric 0 or 1", top,
                        (int)metric, M);
    T2I_TRY(check_finite(prompt, dim, x->own_space ? "number" : "feature", number, err));
    double *distance = t2i_alloc(M, sizeof *distance);
    if (distance == NULL) return t2i_fail_memory(err, M * sizeof *distance, "the distances");
    t2i_library_enter(&caller);
    for (size_t i = 0; i < number; i++) {
        t2i_gallery_distances(&x->gallery, metric, prompt + i * dim, 1, distance);
        t2i_gallery_nearest(distance, M, top, near + i * top);
    }
    t2i_library_leave(&caller);
    t2i_free(distance);
    return T2I_OK;
}

t2i_status t2i_index_nearest(const t2i_index *x, t2i_metric metric, const float *features,
                             size_t number, size_t top, t2i_near *near, t2i_error *err)
{
    if (x->own_space)
        return t2i_fail(err, T2I_USAGE,
                        "the index of %s is searched by places of %zu numbers and not by features: "
                        "use t2i_predictor_place and t2i_index_nearest_places",
                        x->info.path, x->info.place_size);
    return find_nearest(x, metric, features, number, top, near, err);
}

static t2i_status check_for_predictor(const t2i_index *x, t2i_error *err)
{
    if (x->for_predictor) return T2I_OK;
    return t2i_fail(err, T2I_USAGE,
                    "the index of %s is searched by features and not by places: open it with "
                    "t2i_index_open_for",
                    x->info.path);
}

t2i_status t2i_index_nearest_places(const t2i_index *x, t2i_metric metric, const float *place,
                                    size_t number, size_t top, t2i_near *near, t2i_error *err)
{
    T2I_TRY(check_for_predictor(x, err));
    return find_nearest(x, metric, place, number, top, near, err);
}

static t2i_status check_picture(const t2i_index *x, size_t picture, t2i_error *err)
{
    if (picture < x->info.pictures) return T2I_OK;
    return t2i_fail(err, T2I_USAGE, "%s has no picture %zu: it has %zu, numbered from 0",
                    x->info.path, picture, x->info.pictures);
}

t2i_status t2i_index_name(t2i_index *x, size_t picture, const char **name, t2i_error *err)
{
    t2i_status status = T2I_OK;
    T2I_TRY(check_picture(x, picture, err));
    pthread_mutex_lock(&x->lock);
    if (x->name[picture] == NULL)
        status = t2i_dataset_image_name(x->dataset, picture, &x->name[picture], err);
    *name = x->name[picture];
    pthread_mutex_unlock(&x->lock);
    return status;
}

t2i_status t2i_index_picture(t2i_index *x, size_t picture, unsigned char *rgb, t2i_error *err)
{
    T2I_TRY(check_picture(x, picture, err));
    if (!x->info.has_pixels) return t2i_fail(err, T2I_USAGE, "%s stores no pictures", x->info.path);
    pthread_mutex_lock(&x->lock);
    t2i_status status = t2i_dataset_pixels(x->dataset, picture, 1, rgb, err);
    pthread_mutex_unlock(&x->lock);
    return status;
}

static t2i_status check_decoder(const t2i_index *x, t2i_error *err)
{
    if (x->info.has_decoder) return T2I_OK;
    return t2i_fail(err, T2I_USAGE, "%s has no decoder: it cannot draw", x->info.path);
}

t2i_status t2i_index_decode(t2i_index *x, const float *features, size_t number, unsigned char *rgb,
                            t2i_error *err)
{
    fenv_t caller;
    T2I_TRY(check_decoder(x, err));
    T2I_TRY(check_finite(features, x->info.features, "feature", number, err));
    pthread_mutex_lock(&x->lock);
    t2i_library_enter(&caller);
    t2i_status status = t2i_gallery_decode(&x->gallery, features, number, rgb, err);
    t2i_library_leave(&caller);
    pthread_mutex_unlock(&x->lock);
    return status;
}

t2i_status t2i_index_draw(t2i_index *x, const float *features, const float *place,
                          unsigned char *rgb, const char **drawn, t2i_error *err)
{
    fenv_t caller;
    const char *from;
    T2I_TRY(check_decoder(x, err));
    T2I_TRY(check_for_predictor(x, err));
    T2I_TRY(check_finite(features, x->info.features, "feature", 1, err));
    T2I_TRY(check_finite(place, x->info.place_size, "number", 1, err));
    pthread_mutex_lock(&x->lock);
    t2i_library_enter(&caller);
    t2i_status status = t2i_drawing_decode(&x->gallery, features, place, rgb, &from, err);
    t2i_library_leave(&caller);
    pthread_mutex_unlock(&x->lock);
    if (status == T2I_OK && drawn != NULL) *drawn = from;
    return status;
}
