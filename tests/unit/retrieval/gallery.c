/* gallery: distances against a plain sum, ties, zero vectors, decoding, places in a search space.
 */
#include "retrieval/gallery_image.h"

#include <math.h>

#include "unit/model/space_model.h"
#include "unit/retrieval/loaded_model_sample.h"

/* ---- distances, on a gallery made by hand ---- */

enum { MANY = 41, WIDE = 37 }; /* no multiple of the kernels' lanes */

static float value(size_t i)
{
    return (float)((i * 2654435761u) % 1000u) / 500.0f - 1.0f;
}

static double plain(const float *a, const float *b, t2i_metric metric)
{
    double ab = 0, aa = 0, bb = 0, dd = 0;
    for (size_t i = 0; i < WIDE; i++) {
        double x = (double)a[i], y = (double)b[i];
        ab += x * y;
        aa += x * x;
        bb += y * y;
        dd += (x - y) * (x - y);
    }
    return metric == T2I_EUCLIDEAN ? sqrt(dd) : 1.0 - ab / sqrt(aa * bb);
}

static void make_features(float *feature, double *length)
{
    for (size_t i = 0; i < MANY * WIDE; i++) feature[i] = value(i);
    for (size_t m = 0; m < MANY; m++) {
        length[m] = 0;
        for (size_t i = 0; i < WIDE; i++)
            length[m] += (double)feature[m * WIDE + i] * (double)feature[m * WIDE + i];
        length[m] = sqrt(length[m]);
    }
}

static void distances(void)
{
    static float feature[MANY * WIDE], prediction[5 * WIDE];
    static double length[MANY], all[5 * MANY], one[MANY];
    make_features(feature, length);
    const t2i_gallery g = {.images = MANY, .dim = WIDE, .place = feature, .length = length};
    for (size_t i = 0; i < 5 * WIDE; i++) prediction[i] = value(i + 7777);
    for (int metric = T2I_EUCLIDEAN; metric <= T2I_COSINE; metric++) {
        t2i_gallery_distances(&g, (t2i_metric)metric, prediction, 5, all);
        double worst = 0;
        for (size_t c = 0; c < 5; c++)
            for (size_t m = 0; m < MANY; m++) {
                double right = plain(prediction + c * WIDE, feature + m * WIDE, (t2i_metric)metric);
                worst = fmax(worst, fabs(all[c * MANY + m] - right));
            }
        CU_ASSERT(worst < 1e-12);
        t2i_gallery_distances(&g, (t2i_metric)metric, prediction + 3 * WIDE, 1, one);
        CU_ASSERT(memcmp(one, all + 3 * MANY, sizeof one) == 0); /* alone or among others */
    }
}

static void special_vectors(void)
{
    float feature[3][3] = {{0, 0, 0}, {1e-20f, 2e-20f, -3e-20f}, {-10, -20, 30}};
    double length[3] = {0, sqrt(14.0) * 1e-20, sqrt(1400.0)}, distance[6];
    const t2i_gallery g = {.images = 3, .dim = 3, .place = feature[0], .length = length};
    const float prediction[6] = {1, 2, -3, 0, 0, 0};
    t2i_gallery_distances(&g, T2I_COSINE, prediction, 2, distance);
    CU_ASSERT(distance[0] == 1.0);
    CU_ASSERT(distance[1] >= 0.0 && distance[1] < 1e-7);
    CU_ASSERT(fabs(distance[2] - 2.0) < 1e-7);
    CU_ASSERT(distance[3] == 1.0 && distance[4] == 1.0 && distance[5] == 1.0);
    t2i_gallery_distances(&g, T2I_EUCLIDEAN, prediction, 2, distance);
    CU_ASSERT(fabs(distance[0] - sqrt(14.0)) < 1e-12 && distance[3] == 0.0);
    CU_ASSERT(fabs(distance[2] - 11.0 * sqrt(14.0)) < 1e-10);
}

static void nearest(void)
{
    const double distance[7] = {3, 1, 2, 1, 0.5, 3, 1};
    const size_t order[7] = {4, 1, 3, 6, 2, 0, 5};
    t2i_near near[7];
    for (size_t top = 1; top <= 7; top++) {
        t2i_gallery_nearest(distance, 7, top, near);
        for (size_t k = 0; k < top; k++)
            CU_ASSERT(near[k].image == order[k] && near[k].distance == distance[order[k]]);
    }
}

/* ---- with a dataset ---- */

static void open_gallery(t2i_gallery *gallery, t2i_dataset **dataset, const char *path)
{
    OK(t2i_dataset_open(dataset, path, &err));
    if (*dataset != NULL) OK(t2i_gallery_new(gallery, *dataset, NULL, &err));
}

static void pictures(void)
{
    t2i_dataset *dataset = NULL;
    t2i_gallery g = {0};
    t2i_image image;
    write_dataset(data_file, 1, D);
    open_gallery(&g, &dataset, data_file);
    if (g.place == NULL) return;
    CU_ASSERT(g.images == PICTURES && g.features == D && g.height == SIDE && g.width == SIDE);
    CU_ASSERT(t2i_gallery_decodes(&g) && t2i_gallery_shows(&g));
    CU_ASSERT(fabs(g.length[4] - sqrt(12.0) * 0.45) < 1e-6);
    for (size_t m = 0; m < PICTURES; m++) {
        OK(t2i_gallery_picture(&g, m, &image, &err));
        CU_ASSERT(image.width == SIDE && image.height == SIDE);
        for (size_t i = 0; i < PIXELS && image.rgb != NULL; i++)
            if (image.rgb[i] != byte_of(colour[m][i % 3])) CU_FAIL("another picture");
        t2i_image_free(&image);
    }
    t2i_gallery_free(&g);
    t2i_dataset_close(dataset);
}

/* A model whose picture.weight (E, D) adds up each channel over the quadrants: places are the
 * pictures' colours, with length 1. */
static void own_space(void)
{
    enum { E = 3 };
    space_model own;
    t2i_dataset *dataset = NULL;
    t2i_gallery g = {0};
    double distance[PICTURES], features[PICTURES];
    space_model_begin(&own, D, E, &err);
    for (size_t d = 0; d < D; d++) own.weights[own.model.picture_weight + d % 3 * D + d] = 1.0f;
    space_model_pack(&own);
    write_dataset(data_file, 1, D);
    OK(t2i_dataset_open(&dataset, data_file, &err));
    OK(t2i_gallery_new(&g, dataset, &own.packed, &err));
    CU_ASSERT(g.features == D && g.dim == E);
    for (size_t m = 0; m < PICTURES; m++) {
        double square = 0;
        for (size_t e = 0; e < E; e++) square += pow((double)colour[m][e] - 0.5, 2);
        for (size_t e = 0; e < E; e++)
            CU_ASSERT(fabs((double)g.place[m * E + e] -
                           ((double)colour[m][e] - 0.5) / sqrt(square)) < 1e-6);
        CU_ASSERT(fabs(g.length[m] - 1.0) < 1e-6);
    }
    t2i_gallery_distances(&g, T2I_COSINE, g.place + 3 * E, 1, distance);
    CU_ASSERT(distance[3] < 1e-7 && distance[0] > 1.0 && distance[2] < 1.0);
    for (size_t i = 0; i < own.model.layout.floats; i++) own.weights[i] = -own.weights[i];
    space_model_pack(&own);
    OK(t2i_gallery_load(&g, &own.packed, &err)); /* again, by other weights */
    CU_ASSERT(fabs((double)g.place[3 * E] + 1.0) < 1e-6);
    OK(t2i_gallery_load(&g, NULL, &err)); /* and in the space of the features */
    CU_ASSERT(g.dim == D);
    t2i_gallery_distances(&g, T2I_COSINE, g.place, 1, features);
    CU_ASSERT(features[0] < 1e-7 && fabs(g.length[4] - sqrt(12.0) * 0.45) < 1e-6);
    t2i_gallery_free(&g);
    t2i_dataset_close(dataset);
    space_model_end(&own);
}

/* More than are decoded together, and values that must be clamped and rounded. */
static void decodes(void)
{
    enum { COUNT = 35 };
    static float feature[COUNT * D];
    static uint8_t rgb[COUNT * PIXELS];
    t2i_dataset *dataset = NULL;
    t2i_gallery g = {0};
    t2i_image image;
    open_gallery(&g, &dataset, data_file);
    if (g.place == NULL) return;
    for (size_t i = 0; i < COUNT * D; i++) feature[i] = value(i);
    feature[0] = 100.4f / 255.0f - 0.5f;
    feature[1] = 100.6f / 255.0f - 0.5f;
    feature[2] = -0.6f;
    feature[3] = 1e30f;
    OK(t2i_gallery_decode(&g, feature, COUNT, rgb, &err));
    CU_ASSERT(rgb[0] == 100 && rgb[1] == 101 && rgb[2] == 0 && rgb[3 * (SIDE - 1)] == 255);
    for (size_t i = 0; i < COUNT * PIXELS; i++) {
        size_t c = i / PIXELS, p = i % PIXELS;
        float level = 0.5f + feature[c * D + quadrant(p / 3) * 3 + p % 3];
        uint8_t right = level <= 0 ? 0 : level >= 1 ? 255 : byte_of(level);
        if (rgb[i] != right) CU_FAIL("a wrong pixel");
    }
    const char *drawn = "";
    OK(t2i_gallery_draw(&g, feature + 33 * D, feature, &image, &drawn, &err));
    CU_ASSERT_STRING_EQUAL(drawn, "prediction");
    CU_ASSERT(image.rgb != NULL && memcmp(image.rgb, rgb + 33 * PIXELS, PIXELS) == 0);
    t2i_image_free(&image);
    t2i_gallery_free(&g);
    t2i_dataset_close(dataset);
}

static void without_pixels(void)
{
    t2i_dataset *dataset = NULL;
    t2i_gallery g = {0};
    t2i_image image;
    write_dataset(bare_file, 0, D);
    open_gallery(&g, &dataset, bare_file);
    if (g.place == NULL) return;
    CU_ASSERT(!t2i_gallery_decodes(&g) && !t2i_gallery_shows(&g));
    OK(t2i_gallery_picture(&g, 2, &image, &err));
    CU_ASSERT(image.rgb == NULL && image.width == 0);
    t2i_gallery_free(&g);
    t2i_dataset_close(dataset);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"distances are those of a plain sum", distances},
        {"zero, equal and opposite vectors", special_vectors},
        {"nearest, ties by number", nearest},
        {"pictures of a dataset", pictures},
        {"places in a space of the model's own", own_space},
        {"features become pictures", decodes},
        {"a dataset of features only", without_pixels},
    };
    if (begin_folder("gallery") != 0) return 1;
    int failed = t2i_test_main("gallery", tests, sizeof tests / sizeof *tests);
    return failed | end_folder(NULL, 0);
}
