/* resnet.c - our features of all golden pictures against PyTorch's, under formula weights; and the
 * channels' means after every stage, to see where a difference would begin. */
#include "model/resnet.h"

#include "test.h"
#include "picture.h"
#include "golden/resnet_formula.h"
#include "image/image.h"
#include "kernels/blas.h"
#include "formats/safetensors.h"

#define FOLDER "tests/golden/resnet18"

static const char *const pictures[] = {
    "alpha_60x40", "big_900x40",           "bit_90x70",    "blue_square", "green_circle",
    "grey_50x50",  "grey_alpha_20x45",     "half_256x257", "one_1x1",     "palette_30x30",
    "red_square",  "palette_colour_47x33", "tall_31x77",   "tiny_3x2",    "wide_500x333",
};

/* Of the largest number. PyTorch's own are up to 0.8e-6 away from the same in double, ours 0.5e-6.
 */
static const double LIMIT = 2e-6;

static t2i_error err;

static t2i_resnet *new_net(void)
{
    float *value[100];
    const t2i_resnet_tensor *tensor;
    t2i_resnet *net = NULL;
    CU_ASSERT_EQUAL(t2i_resnet_tensors(&tensor), 100);
    resnet_formula(value);
    OK(t2i_resnet_new(&net, (const float *const *)value, &err));
    t2i_free(value[0]);
    return net;
}

/* Largest difference, of the largest expected number. */
static double deviation(const float *got, const float *expected, size_t count)
{
    double worst = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)got[i] - expected[i]);
        if (!(difference <= worst)) worst = difference; /* not a number stays */
        most = fmax(most, fabs(expected[i]));
    }
    return worst / most;
}

static void encode(t2i_resnet *net, const char *name, float *features,
                   float (*stage)[T2I_RESNET_FEATURES])
{
    char path[256];
    t2i_image image;
    snprintf(path, sizeof path, FOLDER "/resized/%s.png", name);
    OK(read_picture(&image, path, &err));
    if (image.rgb == NULL) return;
    CU_ASSERT(image.width == T2I_RESNET_SIDE && image.height == T2I_RESNET_SIDE);
    t2i_resnet_encode(net, image.rgb, features, stage);
    t2i_image_free(&image);
}

static void features(void)
{
    t2i_resnet *net = new_net();
    t2i_st *st = NULL;
    OK(t2i_st_open(&st, FOLDER "/resnet18_features.safetensors", &err));
    if (net == NULL || st == NULL) return;
    CU_ASSERT_EQUAL(t2i_st_tensors(st), sizeof pictures / sizeof *pictures);
    double worst = 0;
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        float got[T2I_RESNET_FEATURES] = {0}, expected[T2I_RESNET_FEATURES];
        const t2i_st_tensor *tensor = t2i_st_find(st, pictures[i]);
        CU_ASSERT(tensor != NULL && tensor->count == T2I_RESNET_FEATURES);
        if (tensor == NULL || tensor->count != T2I_RESNET_FEATURES) continue;
        OK(t2i_st_floats(st, tensor, expected, &err));
        encode(net, pictures[i], got, NULL);
        double away = deviation(got, expected, T2I_RESNET_FEATURES);
        if (!(away < LIMIT)) fprintf(stderr, "%s: %.2g of the largest\n", pictures[i], away);
        CU_ASSERT(away < LIMIT);
        worst = fmax(worst, away);
    }
    printf(" (worst deviation %.2g) ", worst);
    t2i_st_close(st);
    t2i_resnet_free(net);
}

static void stages(void)
{
    static const char *const names[T2I_RESNET_STAGES] = {"stem_mean", "layer1_mean", "layer2_mean",
                                                         "layer3_mean", "layer4_mean"};
    t2i_resnet *net = new_net();
    t2i_st *st = NULL;
    OK(t2i_st_open(&st, FOLDER "/resnet18_stages_wide_500x333.safetensors", &err));
    if (net == NULL || st == NULL) return;
    float got[T2I_RESNET_STAGES][T2I_RESNET_FEATURES], last[T2I_RESNET_FEATURES];
    encode(net, "wide_500x333", last, got);
    for (size_t s = 0; s < T2I_RESNET_STAGES; s++) {
        float expected[T2I_RESNET_FEATURES];
        const t2i_st_tensor *tensor = t2i_st_find(st, names[s]);
        CU_ASSERT(tensor != NULL && tensor->count == (s == 0 ? 64 : (size_t)32 << s));
        if (tensor == NULL || tensor->count > T2I_RESNET_FEATURES) continue;
        OK(t2i_st_floats(st, tensor, expected, &err));
        double away = deviation(got[s], expected, (size_t)tensor->count);
        if (!(away < LIMIT)) fprintf(stderr, "%s: %.2g of the largest\n", names[s], away);
        CU_ASSERT(away < LIMIT);
    }
    CU_ASSERT(memcmp(last, got[T2I_RESNET_STAGES - 1], sizeof last) == 0);
    t2i_st_close(st);
    t2i_resnet_free(net);
}

int main(void)
{
    static const t2i_test tests[] = {{"means after each stage as PyTorch's", stages},
                                     {"features as PyTorch's", features}};
    t2i_blas_begin();
    return t2i_test_main("golden/resnet", tests, sizeof tests / sizeof *tests);
}
