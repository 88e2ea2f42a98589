/* resnet_formula.h - weights for ResNet-18 that any language can make, since ImageNet's cannot be
 * fetched in tests: an FNV-1a hash of the tensor's name seeds splitmix64, one draw a number. The
 * golden features were made by PyTorch with the same.
 */
#ifndef T2I_RESNET_FORMULA_H
#define T2I_RESNET_FORMULA_H

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "model/resnet.h"

/* out: tensor->count floats. Convolutions: uniform within sqrt(6 / fan-in); a norm's weight and
 * running_var: 0.5 .. 1.5; its bias and running_mean: -0.1 .. 0.1. */
static inline void resnet_formula_tensor(const t2i_resnet_tensor *tensor, float *out)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = tensor->name; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    int conv = tensor->dims == 4;
    int around_one =
        strstr(tensor->name, ".weight") != NULL || strstr(tensor->name, "running_var") != NULL;
    double reach = conv ? sqrt(6.0 / (double)(tensor->count / tensor->dim[0])) : 0;
    for (size_t i = 0; i < tensor->count; i++) {
        uint64_t z = hash + (i + 1) * 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        double u = (double)((z ^ (z >> 31)) >> 40) / (1 << 24);
        out[i] = (float)(conv ? (2 * u - 1) * reach : around_one ? 0.5 + u : 0.2 * u - 0.1);
    }
}

/* All tensors in one allocation at value[0], for t2i_resnet_new; value has room for each. NULL
 * there when there is no memory. */
static inline void resnet_formula(float **value)
{
    const t2i_resnet_tensor *tensor;
    size_t tensors = t2i_resnet_tensors(&tensor), total = 0;
    for (size_t t = 0; t < tensors; t++) total += tensor[t].count;
    value[0] = t2i_alloc(total, sizeof *value[0]);
    for (size_t t = 0; t < tensors && value[0] != NULL; t++) {
        if (t > 0) value[t] = value[t - 1] + tensor[t - 1].count;
        resnet_formula_tensor(&tensor[t], value[t]);
    }
}

#endif
