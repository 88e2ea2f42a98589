#include "model/search_space.h"

#include <string.h>

#include "kernels/gemm.h"
#include "kernels/ops.h"

size_t t2i_search_space_dim(const t2i_config *config)
{
    return config->embed_dim > 0 ? config->embed_dim : config->vision_feature_dim;
}

float *t2i_search_space_output(const t2i_outputs *outputs)
{
    return outputs->query != NULL ? outputs->query : outputs->features;
}

void t2i_search_space_pictures(const t2i_packed_weights *packed, float *out, const float *feature,
                               size_t count)
{
    const t2i_config *c = &packed->model->config;
    size_t D = c->vision_feature_dim, E = c->embed_dim;
    if (E == 0) {
        memcpy(out, feature, count * D * sizeof *out);
        return;
    }
    t2i_gemm(out, E, feature, D, packed->picture.forward, count, E, D, NULL);
    for (size_t i = 0; i < count; i++) t2i_ops_normalise(out + i * E, out + i * E, E);
}

void t2i_search_space_prompts(const t2i_config *config, float *out, const t2i_outputs *outputs,
                              size_t count)
{
    size_t D = config->vision_feature_dim, E = config->embed_dim;
    if (E == 0) memcpy(out, outputs->features, count * D * sizeof *out);
    for (size_t i = 0; E > 0 && i < count; i++)
        t2i_ops_normalise(out + i * E, outputs->query + i * E, E);
}
