#include "model/resnet.h"

#include <math.h>

#include "kernels/conv.h"
#include "base/mem.h"

#define CONV(name, out, in, side)                                                                  \
    {                                                                                              \
        name ".weight", 4, {out, in, side, side}, (size_t)(out) * (in) * (side) * (side)           \
    }
#define PER_CHANNEL(name, out)                                                                     \
    {                                                                                              \
        name, 1, {out, 1, 1, 1}, out                                                               \
    }
#define NORM(name, out)                                                                            \
    PER_CHANNEL(name ".weight", out), PER_CHANNEL(name ".bias", out),                              \
        PER_CHANNEL(name ".running_mean", out), PER_CHANNEL(name ".running_var", out)
#define BLOCK(name, out, in)                                                                       \
    CONV(name ".conv1", out, in, 3), NORM(name ".bn1", out), CONV(name ".conv2", out, out, 3),     \
        NORM(name ".bn2", out)
#define SHRINK(name, out, in)                                                                      \
    BLOCK(name, out, in), CONV(name ".downsample.0", out, in, 1), NORM(name ".downsample.1", out)

/* Every convolution is followed by the four tensors of its batch norm. */
static const t2i_resnet_tensor tensor[] = {
    CONV("conv1", 64, 3, 7),      NORM("bn1", 64),
    BLOCK("layer1.0", 64, 64),    BLOCK("layer1.1", 64, 64),
    SHRINK("layer2.0", 128, 64),  BLOCK("layer2.1", 128, 128),
    SHRINK("layer3.0", 256, 128), BLOCK("layer3.1", 256, 256),
    SHRINK("layer4.0", 512, 256), BLOCK("layer4.1", 512, 512),
};

enum {
    SIDE = T2I_RESNET_SIDE,
    FEATURES = T2I_RESNET_FEATURES,
    TENSORS = sizeof tensor / sizeof *tensor,
    CONVS = TENSORS / 5,
    LAYERS = T2I_RESNET_STAGES - 1
};

struct t2i_resnet {
    float normal[3][256]; /* normalised value of each byte, per channel */
    t2i_conv conv[CONVS];
    t2i_map input, stem;
    t2i_map map[LAYERS]
               [2]; /* per layer: input and output of its blocks; between their convolutions */
    float *work;
};

size_t t2i_resnet_tensors(const t2i_resnet_tensor **out)
{
    *out = tensor;
    return TENSORS;
}

static t2i_status check(size_t t, const float *value, t2i_error *err)
{
    int variance = t % 5 == 4;
    for (size_t i = 0; i < tensor[t].count; i++) {
        if (!isfinite(value[i]))
            return t2i_fail(err, T2I_DATA, "number %zu of tensor '%s' is not finite", i,
                            tensor[t].name);
        if (variance && value[i] < 0)
            return t2i_fail(err, T2I_DATA, "number %zu of tensor '%s' is a negative variance (%g)",
                            i, tensor[t].name, (double)value[i]);
    }
    return T2I_OK;
}

/* Convolution and batch norm: weight (x - mean) / sqrt(var + eps) + bias. */
static t2i_status new_conv(t2i_resnet *net, size_t index, const float *const *value, t2i_error *err)
{
    const size_t *dim = tensor[5 * index].dim;
    const float *const *v = value + 5 * index;
    double scale[FEATURES], bias[FEATURES];
    for (size_t o = 0; o < dim[0]; o++) {
        scale[o] = v[1][o] / sqrt(v[4][o] + 1e-5);
        bias[o] = v[2][o] - v[3][o] * scale[o];
    }
    size_t stride =
        dim[0] == dim[1] ? 1 : 2; /* the stride is 2 where the number of channels changes */
    return t2i_conv_new(&net->conv[index], dim[1], dim[0], dim[2], stride, v[0], scale, bias, err);
}

static t2i_status new_maps(t2i_resnet *net, t2i_error *err)
{
    T2I_TRY(t2i_conv_map_new(&net->input, SIDE, SIDE, 3, 3, err));
    T2I_TRY(t2i_conv_map_new(&net->stem, SIDE / 2, SIDE / 2, 64, 1, err));
    for (size_t i = 0; i < LAYERS; i++)
        for (size_t j = 0; j < 2; j++) {
            size_t side = SIDE >> (i + 2), channels = (size_t)64 << i;
            T2I_TRY(t2i_conv_map_new(&net->map[i][j], side, side, channels, 1, err));
        }
    return T2I_OK;
}

/* Scratch memory: the maximum over all convolutions and their output maps. */
static size_t work_size(const t2i_resnet *net)
{
    size_t most = t2i_conv_work(&net->conv[0], &net->stem);
    for (size_t c = 1; c < CONVS; c++)
        for (size_t i = 0; i < LAYERS; i++) {
            size_t need = t2i_conv_work(&net->conv[c], &net->map[i][0]);
            if (net->map[i][0].channels == net->conv[c].out && need > most) most = need;
        }
    return most;
}

static t2i_status fill(t2i_resnet *net, const float *const *value, t2i_error *err)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 256; i++)
            net->normal[c][i] = ((float)i / 255.0f - mean[c]) / deviation[c];
    for (size_t t = 0; t < TENSORS; t++) T2I_TRY(check(t, value[t], err));
    for (size_t c = 0; c < CONVS; c++) T2I_TRY(new_conv(net, c, value, err));
    T2I_TRY(new_maps(net, err));
    net->work = t2i_alloc(work_size(net), sizeof *net->work);
    if (net->work != NULL) return T2I_OK;
    return t2i_fail_memory(err, work_size(net) * sizeof *net->work, "ResNet-18");
}

t2i_status t2i_resnet_new(t2i_resnet **out, const float *const *value, t2i_error *err)
{
    *out = NULL;
    t2i_resnet *net = t2i_alloc(1, sizeof *net);
    if (net == NULL) return t2i_fail_memory(err, sizeof *net, "ResNet-18");
    t2i_status status = fill(net, value, err);
    if (status == T2I_OK)
        *out = net;
    else
        t2i_resnet_free(net);
    return status;
}

void t2i_resnet_free(t2i_resnet *net)
{
    if (net == NULL) return;
    for (size_t c = 0; c < CONVS; c++) t2i_conv_free(&net->conv[c]);
    for (size_t i = 0; i < LAYERS; i++)
        for (size_t j = 0; j < 2; j++) t2i_conv_map_free(&net->map[i][j]);
    t2i_conv_map_free(&net->input);
    t2i_conv_map_free(&net->stem);
    t2i_free(net->work);
    t2i_free(net);
}

static void take_picture(t2i_resnet *net, const uint8_t *rgb)
{
    for (size_t row = 0; row < SIDE; row++) {
        float *to = t2i_conv_map_row(&net->input, row);
        for (size_t i = 0; i < SIDE; i++, to += 3, rgb += 3)
            for (size_t c = 0; c < 3; c++) to[c] = net->normal[c][rgb[c]];
    }
}

/* Means of the channels over all pixels. */
static void channel_means(const t2i_map *map, float *mean)
{
    double sum[FEATURES] = {0};
    for (size_t row = 0; row < map->height; row++) {
        const float *x = t2i_conv_map_row(map, row);
        for (size_t i = 0; i < map->width; i++, x += map->channels)
            for (size_t c = 0; c < map->channels; c++) sum[c] += x[c];
    }
    for (size_t c = 0; c < map->channels; c++)
        mean[c] = (float)(sum[c] / (double)(map->height * map->width));
}

/* The two blocks of a layer; returns the convolution after it. */
static const t2i_conv *run_layer(t2i_resnet *net, size_t layer, const t2i_conv *conv)
{
    t2i_map *x = &net->map[layer][0], *half = &net->map[layer][1];
    for (size_t block = 0; block < 2; block++) {
        int shrinks = layer > 0 && block == 0;
        const t2i_map *from = shrinks ? &net->map[layer - 1][0] : x;
        t2i_conv_run(conv, from, half, T2I_CONV_RELU, net->work);
        if (shrinks) t2i_conv_run(conv + 2, from, x, 0, net->work);
        t2i_conv_run(conv + 1, half, x, T2I_CONV_ADD | T2I_CONV_RELU, net->work);
        conv += shrinks ? 3 : 2;
    }
    return conv;
}

void t2i_resnet_encode(t2i_resnet *net, const uint8_t *rgb, float *features,
                       float (*stage_mean)[T2I_RESNET_FEATURES])
{
    take_picture(net, rgb);
    t2i_conv_run(&net->conv[0], &net->input, &net->stem, T2I_CONV_RELU, net->work);
    t2i_conv_max_pool(&net->stem, &net->map[0][0]);
    if (stage_mean != NULL) channel_means(&net->map[0][0], stage_mean[0]);
    const t2i_conv *conv = net->conv + 1;
    for (size_t layer = 0; layer < LAYERS; layer++) {
        conv = run_layer(net, layer, conv);
        if (stage_mean != NULL) channel_means(&net->map[layer][0], stage_mean[layer + 1]);
    }
    channel_means(&net->map[LAYERS - 1][0], features);
}
