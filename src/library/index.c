/* index.c - t2i_index of t2i.h: the pictures of a dataset. */
#include "library/library_internal.h"

#include <math.h>
#include <pthread.h>

#include "base/mem.h"
#include "dataset/reader.h"

struct t2i_index {
    t2i_dataset *dataset; /* owned */
    t2i_gallery gallery;
    t2i_index_info info;
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

static t2i_status open_dataset(t2i_index *x, const char *path, t2i_error *err)
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
    return t2i_gallery_new(&x->gallery, x->dataset, err);
}

t2i_status t2i_index_open(t2i_index **out, const char *dataset, t2i_error *err)
{
    fenv_t caller;
    *out = NULL;
    t2i_index *x = t2i_alloc(1, sizeof *x);
    if (x == NULL) return t2i_fail_memory(err, sizeof *x, "a dataset");
    pthread_mutex_init(&x->lock, NULL);
    count(1);
    t2i_library_enter(&caller);
    t2i_status status = open_dataset(x, dataset, err);
    t2i_library_leave(&caller);
    if (status == T2I_OK)
        *out = x;
    else
        t2i_index_close(x);
    return status;
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

static t2i_status check_features(const t2i_index *x, const float *features, size_t number,
                                 t2i_error *err)
{
    for (size_t i = 0; i < number * x->info.features; i++)
        if (!isfinite(features[i]))
            return t2i_fail(err, T2I_USAGE, "feature %zu of vector %zu is not finite",
                            i % x->info.features + 1, i / x->info.features + 1);
    return T2I_OK;
}

t2i_status t2i_index_nearest(const t2i_index *x, t2i_metric metric, const float *features,
                             size_t number, size_t top, t2i_near *near, t2i_error *err)
{
    fenv_t caller;
    size_t M = x->info.pictures, D = x->info.features;
    if (top < 1 || top > M || (metric != T2I_EUCLIDEAN && metric != T2I_COSINE))
        return t2i_fail(err, T2I_USAGE,
                        "top is %zu and metric is %d: top must be 1 to %zu, metric 0 or 1", top,
                        (int)metric, M);
    T2I_TRY(check_features(x, features, number, err));
    double *distance = t2i_alloc(M, sizeof *distance);
    if (distance == NULL) return t2i_fail_memory(err, M * sizeof *distance, "the distances");
    t2i_library_enter(&caller);
    for (size_t i = 0; i < number; i++) {
        t2i_gallery_distances(&x->gallery, metric, features + i * D, 1, distance);
        t2i_gallery_nearest(distance, M, top, near + i * top);
    }
    t2i_library_leave(&caller);
    t2i_free(distance);
    return T2I_OK;
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

t2i_status t2i_index_decode(t2i_index *x, const float *features, size_t number, unsigned char *rgb,
                            t2i_error *err)
{
    fenv_t caller;
    if (!x->info.has_decoder)
        return t2i_fail(err, T2I_USAGE, "%s has no decoder: it cannot draw", x->info.path);
    T2I_TRY(check_features(x, features, number, err));
    pthread_mutex_lock(&x->lock);
    t2i_library_enter(&caller);
    t2i_status status = t2i_gallery_decode(&x->gallery, features, number, rgb, err);
    t2i_library_leave(&caller);
    pthread_mutex_unlock(&x->lock);
    return status;
}
