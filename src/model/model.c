#include "model/model.h"

#include <math.h>
#include <string.h>

#include "base/portable_math.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

static const double row_deviation = 0.01; /* of initial n-gram rows */

static const struct {
    const char *key;
    size_t offset;
} sizes[T2I_MODEL_SIZES] = {
    {"vocab_size", offsetof(t2i_config, vocab_size)},
    {"d_model", offsetof(t2i_config, d_model)},
    {"n_heads", offsetof(t2i_config, n_heads)},
    {"n_layers", offsetof(t2i_config, n_layers)},
    {"d_ff", offsetof(t2i_config, d_ff)},
    {"block_size", offsetof(t2i_config, block_size)},
    {"vision_feature_dim", offsetof(t2i_config, vision_feature_dim)},
    {"ngram_buckets", offsetof(t2i_config, ngram_buckets)},
    {"ngram_hidden", offsetof(t2i_config, ngram_hidden)},
    {"embed_dim", offsetof(t2i_config, embed_dim)},
};

const char *t2i_model_size_name(size_t index)
{
    return sizes[index].key;
}

size_t t2i_model_size(const t2i_config *config, size_t index)
{
    size_t value;
    memcpy(&value, (const char *)config + sizes[index].offset, sizeof value);
    return value;
}

int t2i_model_set_size(t2i_config *config, size_t index, int64_t value)
{
    if (value < (index < T2I_MODEL_TUTORIAL_SIZES) || value > INT32_MAX) return 0;
    size_t size = (size_t)value;
    memcpy((char *)config + sizes[index].offset, &size, sizeof size);
    return 1;
}

static t2i_status check_config(const t2i_config *c, t2i_error *err)
{
    static const size_t most = 1u << 20;
    if (c->d_model == 0 || c->n_heads == 0 || c->n_layers == 0 || c->d_ff == 0 ||
        c->block_size == 0 || c->vocab_size == 0 || c->vision_feature_dim == 0)
        return t2i_fail(err, T2I_USAGE, "every size of a model must be at least 1");
    if (c->d_model > most || c->d_ff > most || c->block_size > 65535 || c->n_layers > 1000 ||
        c->vocab_size > 65535 || c->vision_feature_dim > most ||
        c->block_size * c->d_model > (size_t)1 << 28) /* limit of the position table: 1 GiB */
        return t2i_fail(err, T2I_USAGE, "a size of the model is too large");
    if (c->ngram_buckets > (size_t)1 << 26 || c->ngram_hidden > most || c->embed_dim > most)
        return t2i_fail(err, T2I_USAGE, "a size of the model is too large");
    if ((c->ngram_buckets == 0) != (c->ngram_hidden == 0))
        return t2i_fail(err, T2I_USAGE, "n-grams need both ngram_buckets and ngram_hidden");
    if (c->d_model % c->n_heads != 0)
        return t2i_fail(err, T2I_USAGE, "d-model %zu is not a multiple of heads %zu", c->d_model,
                        c->n_heads);
    if (c->d_model % 2 != 0)
        return t2i_fail(err, T2I_USAGE, "d-model %zu is odd; it must be even", c->d_model);
    return T2I_OK;
}

/* Appends a tensor and stores its offset. */
static t2i_status add(t2i_layout *layout, size_t *at, size_t rows, size_t columns,
                      const char *prefix, const char *name, t2i_error *err)
{
    T2I_TRY(t2i_layout_add(layout, rows, columns, err, "%s%s", prefix, name));
    *at = layout->tensor[layout->tensors - 1].offset;
    return T2I_OK;
}

static t2i_status add_bias(t2i_layout *layout, size_t *at, int present, size_t columns,
                           const char *prefix, const char *name, t2i_error *err)
{
    *at = T2I_ABSENT;
    return present ? add(layout, at, 0, columns, prefix, name, err) : T2I_OK;
}

static t2i_status add_layer(t2i_model *model, size_t number, t2i_error *err)
{
    const t2i_config *c = &model->config;
    t2i_layout *l = &model->layout;
    t2i_layer_at *a = &model->layer[number];
    size_t d = c->d_model;
    char p[24] = "layers.";
    size_t digit = number >= 100 ? 100 : number >= 10 ? 10 : 1, end = strlen(p);
    for (; digit > 0; digit /= 10) p[end++] = (char)('0' + number / digit % 10);
    p[end] = '.';
    T2I_TRY(add(l, &a->ln1_weight, 0, d, p, "ln1.weight", err));
    T2I_TRY(add(l, &a->ln1_bias, 0, d, p, "ln1.bias", err));
    T2I_TRY(add(l, &a->qkv_weight, 3 * d, d, p, "qkv.weight", err));
    T2I_TRY(add_bias(l, &a->qkv_bias, c->qkv_bias, 3 * d, p, "qkv.bias", err));
    T2I_TRY(add(l, &a->out_weight, d, d, p, "out.weight", err));
    T2I_TRY(add_bias(l, &a->out_bias, c->out_bias, d, p, "out.bias", err));
    T2I_TRY(add(l, &a->ln2_weight, 0, d, p, "ln2.weight", err));
    T2I_TRY(add(l, &a->ln2_bias, 0, d, p, "ln2.bias", err));
    T2I_TRY(add(l, &a->ffn1_weight, c->d_ff, d, p, "ffn1.weight", err));
    T2I_TRY(add_bias(l, &a->ffn1_bias, c->ffn1_bias, c->d_ff, p, "ffn1.bias", err));
    T2I_TRY(add(l, &a->ffn2_weight, d, c->d_ff, p, "ffn2.weight", err));
    return add_bias(l, &a->ffn2_bias, c->ffn2_bias, d, p, "ffn2.bias", err);
}

static t2i_status add_ngrams(t2i_model *model, t2i_error *err)
{
    static const char p[] = "ngram.";
    const t2i_config *c = &model->config;
    t2i_layout *l = &model->layout;
    size_t d = c->d_model, units = c->ngram_hidden, wide = units + d;
    T2I_TRY(add(l, &model->ngram_weight, c->ngram_buckets, d, p, "weight", err));
    T2I_TRY(add(l, &model->ngram_ln_weight, 0, d, p, "ln.weight", err));
    T2I_TRY(add(l, &model->ngram_ln_bias, 0, d, p, "ln.bias", err));
    T2I_TRY(add(l, &model->ngram_ffn1_weight, units, d, p, "ffn1.weight", err));
    T2I_TRY(add(l, &model->ngram_ffn1_bias, 0, units, p, "ffn1.bias", err));
    T2I_TRY(add(l, &model->ngram_head_weight, c->vision_feature_dim, wide, p, "head.weight", err));
    if (c->embed_dim == 0) return T2I_OK;
    return add(l, &model->ngram_query_weight, c->embed_dim, wide, p, "query.weight", err);
}

static t2i_status add_tensors(t2i_model *model, t2i_error *err)
{
    const t2i_config *c = &model->config;
    t2i_layout *l = &model->layout;
    T2I_TRY(add(l, &model->embedding, c->vocab_size, c->d_model, "", "embedding.weight", err));
    for (size_t i = 0; i < c->n_layers; i++) T2I_TRY(add_layer(model, i, err));
    T2I_TRY(add(l, &model->final_weight, 0, c->d_model, "", "final_ln.weight", err));
    T2I_TRY(add(l, &model->final_bias, 0, c->d_model, "", "final_ln.bias", err));
    T2I_TRY(add(l, &model->head_weight, c->vision_feature_dim, c->d_model, "", "head.weight", err));
    T2I_TRY(
        add_bias(l, &model->head_bias, c->head_bias, c->vision_feature_dim, "", "head.bias", err));
    if (c->embed_dim > 0) {
        T2I_TRY(add(l, &model->query_weight, c->embed_dim, c->d_model, "", "query.weight", err));
        T2I_TRY(add(l, &model->query_bias, 0, c->embed_dim, "", "query.bias", err));
        T2I_TRY(add(l, &model->picture_weight, c->embed_dim, c->vision_feature_dim, "",
                    "picture.weight", err));
    }
    return c->ngram_buckets > 0 ? add_ngrams(model, err) : T2I_OK;
}

/* Sinusoids in float32, in the order of operations of the tutorial's torch code. */
static void fill_positions(float *position, size_t block, size_t d)
{
    float step = (float)(-t2i_log64(10000.0) / (double)d);
    for (size_t t = 0; t < block; t++)
        for (size_t c = 0; c < d; c += 2) {
            float rate = (float)t2i_exp64((double)((float)c * step));
            float angle = (float)t * rate;
            position[t * d + c] = (float)t2i_sin64((double)angle);
            position[t * d + c + 1] = (float)t2i_cos64((double)angle);
        }
}

t2i_status t2i_model_new(t2i_model *out, const t2i_config *config, t2i_error *err)
{
    *out = (t2i_model){.config = *config};
    T2I_TRY(check_config(config, err));
    out->layer = t2i_alloc(config->n_layers, sizeof *out->layer);
    out->position = t2i_alloc(config->block_size * config->d_model, sizeof *out->position);
    t2i_status status =
        out->layer == NULL || out->position == NULL
            ? t2i_fail_memory(err, config->block_size * config->d_model * 4, "a model's table")
            : add_tensors(out, err);
    if (status == T2I_OK)
        fill_positions(out->position, config->block_size, config->d_model);
    else
        t2i_model_free(out);
    return status;
}

void t2i_model_free(t2i_model *model)
{
    t2i_layout_free(&model->layout);
    t2i_free(model->layer);
    t2i_free(model->position);
    *model = (t2i_model){0};
}

size_t t2i_model_sections(const t2i_config *config)
{
    return config->n_layers + 2;
}

t2i_section t2i_model_section(const t2i_model *model, size_t number)
{
    size_t L = model->config.n_layers, layer = L - number;
    if (number == 0) return (t2i_section){model->final_weight, model->layout.floats};
    if (number > L) return (t2i_section){0, model->layer[0].ln1_weight};
    return (t2i_section){model->layer[layer].ln1_weight,
                         layer + 1 < L ? model->layer[layer + 1].ln1_weight : model->final_weight};
}

static int ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), more = strlen(end);
    return size >= more && strcmp(text + size - more, end) == 0;
}

/* fan_in: inputs of the linear layer that a weight or bias belongs to. */
static size_t fan_in(const t2i_model *model, const t2i_tensor *tensor)
{
    if (tensor->rows > 0) return tensor->columns;
    return ends_with(tensor->name, "ffn2.bias") ? model->config.d_ff : model->config.d_model;
}

int t2i_model_is_addition(const t2i_tensor *tensor)
{
    static const char *const begins[] = {"ngram.", "query.", "picture."};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(tensor->name, begins[i], strlen(begins[i])) == 0) return 1;
    return 0;
}

void t2i_model_init_tensor(const t2i_model *model, const t2i_tensor *tensor, uint64_t seed,
                           float *weights)
{
    float *out = weights + tensor->offset;
    size_t count = t2i_tensor_count(tensor);
    uint64_t stream = t2i_hash_64(tensor->name, strlen(tensor->name));
    int norm = strstr(tensor->name, "ln") != NULL;
    double bound = 1.0 / sqrt((double)fan_in(model, tensor));
    for (size_t i = 0; i < count; i++) {
        if (norm)
            out[i] = ends_with(tensor->name, ".weight") ? 1.0f : 0.0f;
        else if (tensor->offset == model->embedding)
            out[i] = (float)t2i_rng_normal(seed, stream, i);
        else if (model->config.ngram_buckets > 0 && tensor->offset == model->ngram_weight)
            out[i] = (float)(row_deviation * t2i_rng_normal(seed, stream, i));
        else
            out[i] = (float)((2.0 * t2i_rng_uniform(seed, stream, i) - 1.0) * bound);
    }
}
