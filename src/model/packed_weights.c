#include "model/packed_weights.h"

#include <string.h>

#include "kernels/gemm.h"
#include "base/carver.h"
#include "base/mem.h"

static t2i_operand carve_operand(t2i_carver *from, size_t outputs, size_t inputs, int training)
{
    t2i_operand o = {.forward = t2i_carve(from, t2i_gemm_pack_floats(inputs, outputs))};
    if (training) o.back = t2i_carve(from, t2i_gemm_pack_floats(outputs, inputs));
    return o;
}

/* The same for one direction at a time: both in the same place. */
static t2i_operand carve_either(t2i_carver *from, size_t outputs, size_t inputs)
{
    size_t forward = t2i_gemm_pack_floats(inputs, outputs),
           back = t2i_gemm_pack_floats(outputs, inputs);
    float *place = t2i_carve(from, forward > back ? forward : back);
    return (t2i_operand){place, place};
}

/* The last layer asks for W^T q before its softmax and W z after it: both ways at once. */
static void carve_heads(const t2i_config *c, t2i_operand *heads, t2i_carver *from)
{
    for (size_t i = 0; i < 2 * c->n_heads; i++) {
        t2i_operand o = carve_operand(from, c->d_model / c->n_heads, c->d_model, 1);
        if (heads != NULL) heads[i] = o;
    }
}

static void carve_all(t2i_packed_weights *p, t2i_carver *from)
{
    const t2i_config *c = &p->model->config;
    int training = p->purpose != T2I_TO_PREDICT, layers = p->purpose != T2I_TO_TRAIN_BY_LAYER;
    size_t d = c->d_model;
    for (size_t i = 0; layers && i < c->n_layers; i++) {
        t2i_layer_operands unused, *l = p->layer == NULL ? &unused : &p->layer[i];
        l->out = carve_operand(from, d, d, training);
        l->ffn1 = carve_operand(from, c->d_ff, d, training);
        l->ffn2 = carve_operand(from, d, c->d_ff, training);
        if (i + 1 < c->n_layers)
            l->qkv = carve_operand(from, 3 * d, d, training);
        else
            l->query = carve_operand(from, d, d, training);
    }
    if (layers) carve_heads(c, p->heads, from);
    p->head = carve_operand(from, c->vision_feature_dim, d, training);
    if (c->embed_dim > 0) {
        p->query_head = carve_operand(from, c->embed_dim, d, training);
        p->picture = carve_operand(from, c->embed_dim, c->vision_feature_dim, 0);
    }
    if (c->ngram_buckets > 0) {
        size_t wide = c->ngram_hidden + d;
        p->ngram_ffn1 = carve_operand(from, c->ngram_hidden, d, training);
        p->ngram_head = carve_operand(from, c->vision_feature_dim, wide, training);
        if (c->embed_dim > 0) p->ngram_query = carve_operand(from, c->embed_dim, wide, training);
    }
    if (layers) p->queries = t2i_carve(from, d * d);
}

size_t t2i_packed_weights_bytes(const t2i_model *model, int purpose)
{
    t2i_packed_weights p = {.model = model, .purpose = purpose};
    t2i_carver count = {0};
    carve_all(&p, &count);
    return count.used * sizeof(float);
}

t2i_status t2i_packed_weights_new(t2i_packed_weights *out, const t2i_model *model, int purpose,
                                  void *memory, t2i_error *err)
{
    const t2i_config *c = &model->config;
    size_t bytes = t2i_packed_weights_bytes(model, purpose);
    *out = (t2i_packed_weights){.model = model, .purpose = purpose, .owns = memory == NULL};
    out->layer = t2i_alloc(c->n_layers, sizeof *out->layer);
    out->heads = t2i_alloc(2 * c->n_heads, sizeof *out->heads);
    out->floats = memory != NULL ? memory : t2i_alloc(bytes, 1);
    if (out->layer == NULL || out->heads == NULL || out->floats == NULL) {
        t2i_packed_weights_free(out);
        return t2i_fail_memory(err, bytes, "the packed weights");
    }
    carve_all(out, &(t2i_carver){.base = out->floats});
    out->layer[c->n_layers - 1].key = out->heads;
    out->layer[c->n_layers - 1].value = out->heads + c->n_heads;
    return T2I_OK;
}

void t2i_packed_weights_free(t2i_packed_weights *packed)
{
    t2i_free(packed->layer);
    t2i_free(packed->heads);
    if (packed->owns) t2i_free(packed->floats);
    *packed = (t2i_packed_weights){0};
}

/* A layer that is not the last has qkv, the last has the rest: both in the same place. */
static void carve_layer(const t2i_config *c, t2i_packed_layer *l, t2i_carver *from)
{
    size_t d = c->d_model;
    l->operands.out = carve_either(from, d, d);
    l->operands.ffn1 = carve_either(from, c->d_ff, d);
    l->operands.ffn2 = carve_either(from, d, c->d_ff);
    t2i_carver last = *from;
    l->operands.qkv = carve_either(from, 3 * d, d);
    l->operands.query = carve_either(&last, d, d);
    carve_heads(c, l->heads, &last);
    l->queries = t2i_carve(&last, d * d);
    if (last.used > from->used) *from = last;
}

size_t t2i_packed_layer_bytes(const t2i_model *model)
{
    t2i_packed_layer l = {0};
    t2i_carver count = {0};
    carve_layer(&model->config, &l, &count);
    return count.used * sizeof(float);
}

t2i_status t2i_packed_layer_new(t2i_packed_layer *out, const t2i_model *model, t2i_error *err)
{
    size_t bytes = t2i_packed_layer_bytes(model);
    *out = (t2i_packed_layer){.heads = t2i_alloc(2 * model->config.n_heads, sizeof *out->heads),
                              .floats = t2i_alloc(bytes, 1)};
    if (out->heads == NULL || out->floats == NULL) {
        t2i_packed_layer_free(out);
        return t2i_fail_memory(err, bytes, "a packed layer");
    }
    carve_layer(&model->config, out, &(t2i_carver){.base = out->floats});
    out->operands.key = out->heads;
    out->operands.value = out->heads + model->config.n_heads;
    return T2I_OK;
}

void t2i_packed_layer_free(t2i_packed_layer *layer)
{
    t2i_free(layer->heads);
    t2i_free(layer->floats);
    *layer = (t2i_packed_layer){0};
}

/* ---- filling ---- */

/* Selects the operands that this thread packs, and the directions. */
typedef struct {
    size_t next, part, parts;
    int forward, back;
} turn;

static int mine(turn *t)
{
    return t->next++ % t->parts == t->part;
}

static void fill(turn *t, const t2i_operand *o, const float *weight, size_t outputs, size_t inputs)
{
    if (!mine(t)) return;
    if (t->forward) t2i_gemm_pack_transposed(o->forward, weight, inputs, inputs, outputs);
    if (t->back && o->back != NULL) t2i_gemm_pack(o->back, weight, inputs, outputs, inputs);
}

static void fill_last(turn *t, const t2i_config *c, const t2i_layer_operands *l, const float *qkv,
                      float *queries)
{
    size_t d = c->d_model, heads = c->n_heads, dk = d / heads;
    turn both = *t;
    both.forward = both.back = 1;
    for (size_t a = 0; a < heads; a++) {
        const float *head = qkv + a * 3 * dk * d;
        fill(&both, &l->key[a], head + dk * d, dk, d);
        fill(&both, &l->value[a], head + 2 * dk * d, dk, d);
    }
    t->next = both.next;
    if (!mine(t)) return;
    for (size_t a = 0; a < heads; a++)
        memcpy(queries + a * dk * d, qkv + a * 3 * dk * d, dk * d * sizeof *qkv);
    turn alone = {0, 0, 1, t->forward, t->back};
    fill(&alone, &l->query, queries, d, d);
}

static void fill_layer(turn *t, const t2i_model *m, size_t number, const t2i_layer_operands *l,
                       const float *weights, float *queries)
{
    const t2i_config *c = &m->config;
    const t2i_layer_at *at = &m->layer[number];
    size_t d = c->d_model;
    if (number + 1 < c->n_layers)
        fill(t, &l->qkv, weights + at->qkv_weight, 3 * d, d);
    else
        fill_last(t, c, l, weights + at->qkv_weight, queries);
    fill(t, &l->out, weights + at->out_weight, d, d);
    fill(t, &l->ffn1, weights + at->ffn1_weight, c->d_ff, d);
    fill(t, &l->ffn2, weights + at->ffn2_weight, d, c->d_ff);
}

const t2i_layer_operands *t2i_packed_weights_layer(const t2i_packed_weights *p, size_t number,
                                                   int back, t2i_packed_layer *room)
{
    if (p->purpose != T2I_TO_TRAIN_BY_LAYER) return &p->layer[number];
    T2I_ASSERT(room->floats != NULL);
    if (room->fill != p->fills || room->number != number || room->back != back) {
        turn t = {0, 0, 1, !back, back};
        fill_layer(&t, p->model, number, &room->operands, p->weights, room->queries);
        room->number = number;
        room->back = back;
        room->fill = p->fills;
    }
    return &room->operands;
}

void t2i_packed_weights_fill(t2i_packed_weights *p, const float *weights, size_t part, size_t parts)
{
    const t2i_model *m = p->model;
    const t2i_config *c = &m->config;
    size_t d = c->d_model;
    turn t = {0, part, parts, 1, 1};
    if (part == 0) p->weights = weights;
    for (size_t i = 0; p->purpose != T2I_TO_TRAIN_BY_LAYER && i < c->n_layers; i++)
        fill_layer(&t, m, i, &p->layer[i], weights, p->queries);
    size_t D = c->vision_feature_dim, E = c->embed_dim, units = c->ngram_hidden;
    fill(&t, &p->head, weights + m->head_weight, D, d);
    if (E > 0) {
        fill(&t, &p->query_head, weights + m->query_weight, E, d);
        fill(&t, &p->picture, weights + m->picture_weight, E, D);
    }
    if (c->ngram_buckets == 0) return;
    fill(&t, &p->ngram_ffn1, weights + m->ngram_ffn1_weight, units, d);
    fill(&t, &p->ngram_head, weights + m->ngram_head_weight, D, units + d);
    if (E > 0) fill(&t, &p->ngram_query, weights + m->ngram_query_weight, E, units + d);
}

t2i_status t2i_packed_weights_of(t2i_packed_weights *out, const t2i_model *model,
                                 const float *weights, t2i_error *err)
{
    T2I_TRY(t2i_packed_weights_new(out, model, T2I_TO_PREDICT, NULL, err));
    t2i_packed_weights_fill(out, weights, 0, 1);
    return T2I_OK;
}
