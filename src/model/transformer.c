#include "t2i/transformer.h"

#include <math.h>
#include <string.h>

#include "t2i/elementary.h"
#include "t2i/hash.h"
#include "t2i/linalg.h"
#include "t2i/mem.h"
#include "t2i/ops.h"
#include "t2i/rng.h"

/* ---- the model's table of tensors ---- */

static t2i_status check_config(const t2i_config *c, t2i_error *err)
{
    static const size_t most = 1u << 20;
    if (c->d_model == 0 || c->n_heads == 0 || c->n_layers == 0 || c->d_ff == 0 ||
        c->block_size == 0 || c->vocab_size == 0 || c->vision_feature_dim == 0)
        return t2i_fail(err, T2I_USAGE, "every size of a model must be at least 1");
    if (c->d_model > most || c->d_ff > most || c->block_size > 65535 || c->n_layers > 1000 ||
        c->vocab_size > 65535 || c->vision_feature_dim > most ||
        c->block_size * c->d_model > (size_t)1 << 28) /* its positions: 1 GiB */
        return t2i_fail(err, T2I_USAGE, "a size of the model is too large");
    if (c->d_model % c->n_heads != 0)
        return t2i_fail(err, T2I_USAGE, "d-model %zu is not a multiple of heads %zu", c->d_model,
                        c->n_heads);
    if (c->d_model % 2 != 0)
        return t2i_fail(err, T2I_USAGE, "d-model %zu is odd; it must be even", c->d_model);
    return T2I_OK;
}

/* Appends a tensor and notes where it is. */
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

static t2i_status add_tensors(t2i_model *model, t2i_error *err)
{
    const t2i_config *c = &model->config;
    t2i_layout *l = &model->layout;
    T2I_TRY(add(l, &model->embedding, c->vocab_size, c->d_model, "", "embedding.weight", err));
    for (size_t i = 0; i < c->n_layers; i++) T2I_TRY(add_layer(model, i, err));
    T2I_TRY(add(l, &model->final_weight, 0, c->d_model, "", "final_ln.weight", err));
    T2I_TRY(add(l, &model->final_bias, 0, c->d_model, "", "final_ln.bias", err));
    T2I_TRY(add(l, &model->head_weight, c->vision_feature_dim, c->d_model, "", "head.weight", err));
    return add_bias(l, &model->head_bias, c->head_bias, c->vision_feature_dim, "", "head.bias",
                    err);
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

static int ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), more = strlen(end);
    return size >= more && strcmp(text + size - more, end) == 0;
}

/* Inputs of the linear layer that a weight or bias belongs to. */
static size_t fan_in(const t2i_model *model, const t2i_tensor *tensor)
{
    if (tensor->rows > 0) return tensor->columns;
    return ends_with(tensor->name, "ffn2.bias") ? model->config.d_ff : model->config.d_model;
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
        else
            out[i] = (float)((2.0 * t2i_rng_uniform(seed, stream, i) - 1.0) * bound);
    }
}

/* ---- one shard ---- */

/* What a layer keeps for its backward pass. Q is T, or the number of rows in the last layer. */
typedef struct {
    float *x;             /* (T, d) input                         */
    float *mean1, *rstd1; /* (T)                                 */
    float *h;             /* (T, d) ln1                           */
    float *qkv;           /* (T, 3d), per head [q k v]            */
    float *prob;          /* softmax weights, row after row, head after head */
    float *o;             /* (Q, d) attention's output            */
    float *mid;           /* (Q, d) after the first residual      */
    float *mean2, *rstd2; /* (Q)                                 */
    float *h2;            /* (Q, d) ln2                           */
    float *f;             /* (Q, d_ff) after ReLU                 */
} t2i_layer_work;

struct t2i_work {
    size_t rows, tokens;  /* of the last forward */
    size_t *start;        /* rows + 1: where a row's tokens begin */
    uint16_t *ids, *pos;  /* (T) */
    unsigned char *empty; /* rows: a prompt of no characters */
    t2i_layer_work *layer;
    float *top;                  /* (rows, d) output of the last layer */
    float *mean, *rstd, *normal; /* the final norm */
    float *prediction;           /* (rows, D) */
    float *dx, *dy;              /* (T, d) */
    float *dqkv;                 /* (T, 3d) */
    float *df;                   /* (T, d_ff) */
    float *scratch;              /* of attention */
    float *floats;               /* owned: all of the above */
};

/* Hands out pieces of one block; with base NULL it only counts. */
typedef struct {
    float *base;
    size_t used;
} carver;

static float *carve(carver *from, size_t count)
{
    float *piece = from->base == NULL ? NULL : from->base + from->used;
    from->used += (count + 15) / 16 * 16;
    return piece;
}

static void carve_all(const t2i_config *c, t2i_work *w, carver *from, size_t rows, size_t longest)
{
    size_t T = rows * longest, d = c->d_model;
    for (size_t i = 0; i < c->n_layers; i++) {
        size_t Q = i + 1 == c->n_layers ? rows : T;
        t2i_layer_work unused, *l = w == NULL ? &unused : &w->layer[i];
        l->x = carve(from, T * d);
        l->mean1 = carve(from, T);
        l->rstd1 = carve(from, T);
        l->h = carve(from, T * d);
        l->qkv = carve(from, T * 3 * d);
        l->prob = carve(from, c->n_heads * Q * longest);
        l->o = carve(from, Q * d);
        l->mid = carve(from, Q * d);
        l->mean2 = carve(from, Q);
        l->rstd2 = carve(from, Q);
        l->h2 = carve(from, Q * d);
        l->f = carve(from, Q * c->d_ff);
    }
    t2i_work unused, *o = w == NULL ? &unused : w;
    o->top = carve(from, rows * d);
    o->mean = carve(from, rows);
    o->rstd = carve(from, rows);
    o->normal = carve(from, rows * d);
    o->prediction = carve(from, rows * c->vision_feature_dim);
    o->dx = carve(from, T * d);
    o->dy = carve(from, T * d);
    o->dqkv = carve(from, T * 3 * d);
    o->df = carve(from, T * c->d_ff);
    o->scratch = carve(from, t2i_attention_scratch(longest, d / c->n_heads));
}

size_t t2i_work_bytes(const t2i_model *model, size_t rows, size_t longest)
{
    carver count = {0};
    carve_all(&model->config, NULL, &count, rows, longest == 0 ? 1 : longest);
    return count.used * sizeof(float);
}

t2i_status t2i_work_new(t2i_work **out, const t2i_model *model, size_t rows, size_t longest,
                        t2i_error *err)
{
    if (longest == 0) longest = 1; /* an empty prompt is one token */
    size_t bytes = t2i_work_bytes(model, rows, longest);
    t2i_work *w = *out = t2i_alloc(1, sizeof *w);
    if (w == NULL) return t2i_fail_memory(err, sizeof *w, "a shard's buffers");
    w->start = t2i_alloc(rows + 1, sizeof *w->start);
    w->ids = t2i_alloc(rows * longest, sizeof *w->ids);
    w->pos = t2i_alloc(rows * longest, sizeof *w->pos);
    w->empty = t2i_alloc(rows, sizeof *w->empty);
    w->layer = t2i_alloc(model->config.n_layers, sizeof *w->layer);
    w->floats = t2i_alloc(bytes, 1);
    if (w->start == NULL || w->ids == NULL || w->pos == NULL || w->empty == NULL ||
        w->layer == NULL || w->floats == NULL) {
        t2i_work_free(w);
        *out = NULL;
        return t2i_fail_memory(err, bytes,
                               "the activations of a shard; use more shards or a smaller batch");
    }
    carver from = {.base = w->floats};
    carve_all(&model->config, w, &from, rows, longest);
    return T2I_OK;
}

void t2i_work_free(t2i_work *work)
{
    if (work == NULL) return;
    t2i_free(work->start);
    t2i_free(work->ids);
    t2i_free(work->pos);
    t2i_free(work->empty);
    t2i_free(work->layer);
    t2i_free(work->floats);
    t2i_free(work);
}

size_t t2i_work_tokens(const t2i_work *work)
{
    return work->tokens;
}

static void pack(t2i_work *w, const t2i_row *row, size_t rows, uint16_t pad)
{
    w->rows = rows;
    w->tokens = 0;
    for (size_t r = 0; r < rows; r++) {
        w->start[r] = w->tokens;
        w->empty[r] = row[r].length == 0;
        size_t length = w->empty[r] ? 1 : row[r].length;
        for (size_t t = 0; t < length; t++) {
            w->ids[w->tokens] = w->empty[r] ? pad : row[r].ids[t];
            w->pos[w->tokens++] = (uint16_t)t;
        }
    }
    w->start[rows] = w->tokens;
}

static const float *at(const float *weights, size_t offset)
{
    return offset == T2I_ABSENT ? NULL : weights + offset;
}

/* Visits every row and head of a layer's attention; forward or backward. An empty prompt attends to
 * nothing. */
static void attend(const t2i_config *c, t2i_work *w, t2i_layer_work *l, int last, const float *dout,
                   float *dqkv)
{
    size_t d = c->d_model, dk = d / c->n_heads;
    float *prob = l->prob;
    for (size_t r = 0; r < w->rows; r++) {
        size_t t = w->start[r], T = w->start[r + 1] - t, first = last ? T - 1 : 0, q = last ? r : t;
        if (w->empty[r]) {
            if (dout == NULL)
                memset(l->o + q * d, 0, d * sizeof(float));
            else
                memset(dqkv + t * 3 * d, 0, 3 * d * sizeof(float));
            continue;
        }
        for (size_t head = 0; head < c->n_heads; head++) {
            const float *qkv = l->qkv + t * 3 * d + head * 3 * dk;
            if (dout == NULL)
                t2i_attention(l->o + q * d + head * dk, prob, qkv, w->scratch, T, first, dk, 3 * d,
                              d);
            else
                t2i_attention_back(dqkv + t * 3 * d + head * 3 * dk, dout + q * d + head * dk, prob,
                                   qkv, w->scratch, T, first, dk, 3 * d, d);
            prob += (T - first) * T;
        }
    }
}

/* The last characters' rows of x (T, d), one after the other in out (rows, d). */
static void gather_last(float *out, const float *x, const t2i_work *w, size_t d)
{
    for (size_t r = 0; r < w->rows; r++)
        memcpy(out + r * d, x + (w->start[r + 1] - 1) * d, d * sizeof *out);
}

static void layer_forward(const t2i_model *model, const float *weights, t2i_work *w, size_t number,
                          float *out)
{
    const t2i_config *c = &model->config;
    const t2i_layer_at *p = &model->layer[number];
    t2i_layer_work *l = &w->layer[number];
    int last = number + 1 == c->n_layers;
    size_t T = w->tokens, Q = last ? w->rows : T, d = c->d_model;
    t2i_layer_norm(l->h, l->mean1, l->rstd1, l->x, weights + p->ln1_weight, weights + p->ln1_bias,
                   T, d);
    t2i_gemm_nt(l->qkv, l->h, weights + p->qkv_weight, T, 3 * d, d);
    t2i_add_bias(l->qkv, at(weights, p->qkv_bias), T, 3 * d);
    attend(c, w, l, last, NULL, NULL);
    t2i_gemm_nt(w->dy, l->o, weights + p->out_weight, Q, d, d);
    const float *residual = l->x;
    if (last) {
        gather_last(w->dx, l->x, w, d);
        residual = w->dx;
    }
    t2i_add_residual(l->mid, residual, w->dy, at(weights, p->out_bias), Q, d);
    t2i_layer_norm(l->h2, l->mean2, l->rstd2, l->mid, weights + p->ln2_weight,
                   weights + p->ln2_bias, Q, d);
    t2i_gemm_nt(l->f, l->h2, weights + p->ffn1_weight, Q, c->d_ff, d);
    t2i_add_bias_relu(l->f, at(weights, p->ffn1_bias), Q, c->d_ff);
    t2i_gemm_nt(w->dy, l->f, weights + p->ffn2_weight, Q, d, c->d_ff);
    t2i_add_residual(out, l->mid, w->dy, at(weights, p->ffn2_bias), Q, d);
}

const float *t2i_forward(const t2i_model *model, const float *weights, t2i_work *w,
                         const t2i_row *row, size_t rows, uint16_t pad)
{
    const t2i_config *c = &model->config;
    size_t d = c->d_model;
    pack(w, row, rows, pad);
    t2i_embed(w->layer[0].x, weights + model->embedding, model->position, w->ids, w->pos, w->tokens,
              d);
    for (size_t i = 0; i < c->n_layers; i++)
        layer_forward(model, weights, w, i, i + 1 < c->n_layers ? w->layer[i + 1].x : w->top);
    t2i_layer_norm(w->normal, w->mean, w->rstd, w->top, weights + model->final_weight,
                   weights + model->final_bias, rows, d);
    t2i_gemm_nt(w->prediction, w->normal, weights + model->head_weight, rows, c->vision_feature_dim,
                d);
    t2i_add_bias(w->prediction, at(weights, model->head_bias), rows, c->vision_feature_dim);
    return w->prediction;
}

static void linear_back(float *dinput, float *gradient, size_t weight_at, size_t bias_at,
                        const float *weights, const float *dout, const float *input, size_t T,
                        size_t outputs, size_t inputs)
{
    t2i_gemm_tn(gradient + weight_at, dout, input, outputs, inputs, T, 0);
    if (bias_at != T2I_ABSENT) t2i_bias_back(gradient + bias_at, dout, T, outputs);
    t2i_gemm_nn(dinput, dout, weights + weight_at, T, inputs, outputs);
}

/* w->dx: gradient of the layer's output (Q, d) on entry, of its input (T, d) on return. */
static void layer_back(const t2i_model *model, const float *weights, t2i_work *w, size_t number,
                       float *gradient)
{
    const t2i_config *c = &model->config;
    const t2i_layer_at *p = &model->layer[number];
    t2i_layer_work *l = &w->layer[number];
    int last = number + 1 == c->n_layers;
    size_t T = w->tokens, Q = last ? w->rows : T, d = c->d_model;
    linear_back(w->df, gradient, p->ffn2_weight, p->ffn2_bias, weights, w->dx, l->f, Q, d, c->d_ff);
    t2i_relu_back(w->df, l->f, Q * c->d_ff);
    linear_back(w->dy, gradient, p->ffn1_weight, p->ffn1_bias, weights, w->df, l->h2, Q, c->d_ff,
                d);
    t2i_layer_norm_back(w->dx, gradient + p->ln2_weight, gradient + p->ln2_bias, w->dy, l->mid,
                        l->mean2, l->rstd2, weights + p->ln2_weight, Q, d);
    linear_back(w->dy, gradient, p->out_weight, p->out_bias, weights, w->dx, l->o, Q, d, d);
    attend(c, w, l, last, w->dy, w->dqkv);
    linear_back(w->dy, gradient, p->qkv_weight, p->qkv_bias, weights, w->dqkv, l->h, T, 3 * d, d);
    if (last) { /* from rows to their last characters' tokens; top is free by now */
        memcpy(w->top, w->dx, Q * d * sizeof(float));
        memset(w->dx, 0, T * d * sizeof(float));
        for (size_t r = 0; r < Q; r++)
            memcpy(w->dx + (w->start[r + 1] - 1) * d, w->top + r * d, d * sizeof(float));
    }
    t2i_layer_norm_back(w->dx, gradient + p->ln1_weight, gradient + p->ln1_bias, w->dy, l->x,
                        l->mean1, l->rstd1, weights + p->ln1_weight, T, d);
}

void t2i_backward(const t2i_model *model, const float *weights, t2i_work *w,
                  const float *dprediction, float *gradient)
{
    const t2i_config *c = &model->config;
    size_t d = c->d_model, D = c->vision_feature_dim;
    linear_back(w->dy, gradient, model->head_weight, model->head_bias, weights, dprediction,
                w->normal, w->rows, D, d);
    memset(w->dx, 0, w->rows * d * sizeof *w->dx);
    t2i_layer_norm_back(w->dx, gradient + model->final_weight, gradient + model->final_bias, w->dy,
                        w->top, w->mean, w->rstd, weights + model->final_weight, w->rows, d);
    for (size_t i = c->n_layers; i-- > 0;) layer_back(model, weights, w, i, gradient);
    memset(gradient + model->embedding, 0, c->vocab_size * d * sizeof *gradient);
    t2i_embed_back(gradient + model->embedding, w->dx, w->ids, w->tokens, d);
}
