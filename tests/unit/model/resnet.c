/* resnet: what its tensors are called, what it refuses, and that a picture's features depend on the
 * picture alone. That they are the right ones, tests/golden/resnet.c shows. */
#include "model/resnet.h"

#include "golden/resnet_formula.h"
#include "test.h"
#include "kernels/blas.h"
#include "base/rng.h"

static t2i_error err;

enum { TENSORS = 100, BYTES = T2I_RESNET_SIDE * T2I_RESNET_SIDE * 3 };

/* As torchvision's state_dict has them. */
static const struct {
    const char *conv, *norm;
    size_t out, in, side;
} rows[] = {
    {"conv1", "bn1", 64, 3, 7},
    {"layer1.0.conv1", "layer1.0.bn1", 64, 64, 3},
    {"layer1.0.conv2", "layer1.0.bn2", 64, 64, 3},
    {"layer1.1.conv1", "layer1.1.bn1", 64, 64, 3},
    {"layer1.1.conv2", "layer1.1.bn2", 64, 64, 3},
    {"layer2.0.conv1", "layer2.0.bn1", 128, 64, 3},
    {"layer2.0.conv2", "layer2.0.bn2", 128, 128, 3},
    {"layer2.0.downsample.0", "layer2.0.downsample.1", 128, 64, 1},
    {"layer2.1.conv1", "layer2.1.bn1", 128, 128, 3},
    {"layer2.1.conv2", "layer2.1.bn2", 128, 128, 3},
    {"layer3.0.conv1", "layer3.0.bn1", 256, 128, 3},
    {"layer3.0.conv2", "layer3.0.bn2", 256, 256, 3},
    {"layer3.0.downsample.0", "layer3.0.downsample.1", 256, 128, 1},
    {"layer3.1.conv1", "layer3.1.bn1", 256, 256, 3},
    {"layer3.1.conv2", "layer3.1.bn2", 256, 256, 3},
    {"layer4.0.conv1", "layer4.0.bn1", 512, 256, 3},
    {"layer4.0.conv2", "layer4.0.bn2", 512, 512, 3},
    {"layer4.0.downsample.0", "layer4.0.downsample.1", 512, 256, 1},
    {"layer4.1.conv1", "layer4.1.bn1", 512, 512, 3},
    {"layer4.1.conv2", "layer4.1.bn2", 512, 512, 3},
};

static void names(void)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    const t2i_resnet_tensor *t;
    size_t total = 0;
    CU_ASSERT_EQUAL(t2i_resnet_tensors(&t), TENSORS);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.weight", rows[i].conv);
        CU_ASSERT_STRING_EQUAL(t->name, name);
        CU_ASSERT(t->dims == 4 && t->dim[0] == rows[i].out && t->dim[1] == rows[i].in);
        CU_ASSERT(t->dim[2] == rows[i].side && t->dim[3] == rows[i].side);
        CU_ASSERT_EQUAL(t->count, rows[i].out * rows[i].in * rows[i].side * rows[i].side);
        total += t++->count;
        for (size_t k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "%s.%s", rows[i].norm, parts[k]);
            CU_ASSERT_STRING_EQUAL(t->name, name);
            CU_ASSERT(t->dims == 1 && t->dim[0] == rows[i].out && t->count == rows[i].out);
            total += t++->count;
        }
    }
    /* torchvision counts 11,689,512 parameters: less fc, with means and variances */
    CU_ASSERT_EQUAL(total, 11689512 - 513 * 1000 + 2 * 4800);
}

static void refusals(void)
{
    static const struct {
        size_t tensor;
        float value;
        const char *text;
    } wrongs[] = {
        {0, NAN, "'conv1.weight'"},
        {63, INFINITY, "'layer3.0.downsample.1.running_mean'"},
        {99, NAN, "'layer4.1.bn2.running_var' is not finite"},
        {99, -1e-30f, "'layer4.1.bn2.running_var' is a negative variance"},
        {4, -1, "number 63 of tensor 'bn1.running_var'"},
    };
    float *value[TENSORS];
    const t2i_resnet_tensor *tensor;
    t2i_resnet_tensors(&tensor);
    resnet_formula(value);
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        float *number = &value[wrongs[i].tensor][tensor[wrongs[i].tensor].count - 1], was = *number;
        t2i_resnet *net = (t2i_resnet *)value; /* anything but NULL */
        size_t live = t2i_alloc_live();
        *number = wrongs[i].value;
        FAILS(t2i_resnet_new(&net, (const float *const *)value, &err), T2I_DATA, wrongs[i].text);
        CU_ASSERT(net == NULL && t2i_alloc_live() == live);
        *number = was;
    }
    value[99][0] = 0; /* a channel that never varied */
    t2i_resnet *net;
    OK(t2i_resnet_new(&net, (const float *const *)value, &err));
    t2i_resnet_free(net);
    t2i_resnet_free(NULL);
    t2i_free(value[0]);
}

static void same_bits(void)
{
    enum { N = T2I_RESNET_FEATURES };
    static uint8_t rgb[3][BYTES];
    static float first[3][N], stage[T2I_RESNET_STAGES][N];
    float again[N], *value[TENSORS];
    t2i_resnet *net, *other;
    for (size_t i = 0; i < BYTES; i++) {
        rgb[0][i] = (uint8_t)t2i_rng_below(1, 0, i, 256);
        rgb[1][i] = (uint8_t)(i / 700);
        rgb[2][i] = 255;
    }
    resnet_formula(value);
    OK(t2i_resnet_new(&net, (const float *const *)value, &err));
    OK(t2i_resnet_new(&other, (const float *const *)value, &err));
    t2i_free(value[0]); /* borrowed for the call only */
    size_t calls = t2i_alloc_calls();
    for (size_t i = 0; i < 3; i++) t2i_resnet_encode(net, rgb[i], first[i], NULL);
    for (size_t i = 3; i-- > 0;) {
        t2i_resnet_encode(net, rgb[i], again, i == 1 ? stage : NULL);
        CU_ASSERT(memcmp(again, first[i], sizeof again) == 0);
        t2i_resnet_encode(other, rgb[i], again, NULL);
        CU_ASSERT(memcmp(again, first[i], sizeof again) == 0);
        CU_ASSERT(memcmp(first[i], first[(i + 1) % 3], sizeof again) != 0);
    }
    CU_ASSERT_EQUAL(t2i_alloc_calls(), calls);
    CU_ASSERT(memcmp(stage[T2I_RESNET_STAGES - 1], first[1], sizeof again) == 0);
    CU_ASSERT(stage[0][63] > 0 && stage[0][64] == 0 && stage[1][64] == 0 && stage[2][128] == 0);
    t2i_resnet_free(net);
    t2i_resnet_free(other);
}

int main(void)
{
    static const t2i_test tests[] = {{"names and shapes", names},
                                     {"weights that are refused", refusals},
                                     {"the same bits in any order", same_bits}};
    t2i_blas_begin();
    return t2i_test_main("resnet", tests, sizeof tests / sizeof *tests);
}
