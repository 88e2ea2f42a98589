#include "retrieval/drawing.h"

#include "base/mem.h"
#include "base/portable_math.h"

static void weigh(const t2i_near *near, size_t count, double *weight)
{
    double sum = 0.0;
    for (size_t k = 0; k < count; k++) {
        weight[k] = t2i_exp64((near[0].distance - near[k].distance) / T2I_DRAWING_TEMPERATURE);
        sum += weight[k];
    }
    for (size_t k = 0; k < count; k++) weight[k] /= sum;
}

/* Number of the nearest pictures that are drawn from; with 1 the nearest alone. */
static size_t pictures_of(t2i_drawing way, const double *weight, size_t count)
{
    if (way == T2I_DRAWING_PREDICTION) return 0;
    int first = way == T2I_DRAWING_FIRST ||
                (way == T2I_DRAWING_SURE_FIRST && weight[0] >= T2I_DRAWING_SURE);
    return first ? 1 : count;
}

void t2i_drawing_features(t2i_drawing way, const float *prediction, const t2i_near *near,
                          const float *feature, size_t count, size_t D, float *out)
{
    double weight[T2I_DRAWING_PICTURES];
    double own = way == T2I_DRAWING_PREDICTION ? 1.0 : way == T2I_DRAWING_MIXTURE ? 0.5 : 0.0;
    weigh(near, count, weight);
    size_t used = pictures_of(way, weight, count);
    if (used == 1) weight[0] = 1.0;
    for (size_t d = 0; d < D; d++) {
        double mean = 0.0;
        for (size_t k = 0; k < used; k++) mean += weight[k] * (double)feature[k * D + d];
        out[d] = (float)(own * (double)prediction[d] + (1.0 - own) * mean);
    }
}

void t2i_drawing_insert(t2i_near *near, size_t *count, size_t image, double distance)
{
    enum { LAST = T2I_DRAWING_PICTURES - 1 };
    if (*count == T2I_DRAWING_PICTURES && distance >= near[LAST].distance) return;
    size_t at = *count < T2I_DRAWING_PICTURES ? (*count)++ : LAST;
    for (; at > 0 && distance < near[at - 1].distance; at--) near[at] = near[at - 1];
    near[at] = (t2i_near){image, distance};
}

t2i_drawing t2i_drawing_rule(int own_space)
{
    return own_space ? T2I_DRAWING_SURE_FIRST : T2I_DRAWING_PREDICTION;
}

/* near (T2I_DRAWING_PICTURES): the training pictures nearest to a prompt. Returns their number. */
static size_t find_nearest(const t2i_gallery *gallery, const float *place, t2i_near *near)
{
    size_t count = 0, dim = gallery->dim;
    double length = t2i_gallery_length(place, dim);
    for (size_t m = 0; m < gallery->images; m++)
        if (gallery->trains[m / 8] >> m % 8 & 1)
            t2i_drawing_insert(near, &count, m,
                               t2i_gallery_distance(T2I_COSINE, place, length,
                                                    gallery->place + m * dim, gallery->length[m],
                                                    dim));
    return count;
}

t2i_status t2i_drawing_decode(t2i_gallery *gallery, const float *prediction, const float *place,
                              uint8_t *rgb, const char **drawn, t2i_error *err)
{
    static const char *const names[] = {"prediction", "found picture", "mean of found pictures"};
    t2i_drawing way = t2i_drawing_rule(gallery->trains != NULL);
    t2i_near near[T2I_DRAWING_PICTURES];
    double weight[T2I_DRAWING_PICTURES];
    size_t D = gallery->features, used = 0;
    size_t count = way == T2I_DRAWING_PREDICTION ? 0 : find_nearest(gallery, place, near);
    if (count > 0) {
        weigh(near, count, weight);
        used = pictures_of(way, weight, count);
    }
    *drawn = names[used < 2 ? used : 2];
    if (used == 0) return t2i_gallery_decode(gallery, prediction, 1, rgb, err);
    float *feature = t2i_alloc(count + 1, D * sizeof *feature), *out = feature + count * D;
    t2i_status status = feature == NULL
                            ? t2i_fail_memory(err, (count + 1) * D * sizeof *feature, "a drawing")
                            : T2I_OK;
    for (size_t k = 0; status == T2I_OK && k < used; k++)
        status = t2i_dataset_features(gallery->dataset, near[k].image, 1, feature + k * D, err);
    if (status == T2I_OK) {
        t2i_drawing_features(way, prediction, near, feature, count, D, out);
        status = t2i_gallery_decode(gallery, out, 1, rgb, err);
    }
    t2i_free(feature);
    return status;
}
