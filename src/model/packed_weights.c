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

static void carve_all(t2i_packed_weights *p, t2i_carver *from)
{
    const t2i_config *c = &p->model->config;
    size_t d = c->d_model, dk = d / c->n_heads;
    for (size_t i = 0; i < c->n_layers; i++) {
        t2i_layer_operands unused, *l = p->layer == NULL ? &unused : &p->layer[i];
        l->out = carve_operand(from, d, d, p->training);
        l->ffn1 = carve_operand(from, c->d_ff, d, p->training);
        l->ffn2 = carve_operand(from, d, c->d_ff, p->training);
        if (i + 1 < c->n_layers)
            l->qkv = carve_operand(from, 3 * d, d, p->training);
        else
            l->query = carve_operand(from, d, d, p->training);
    }
    /* the last layer asks for W^T q before its softmax and W z after it: both ways at once */
    for (size_t i = 0; i < 2 * c->n_heads; i++) {
        t2i_operand o = carve_operand(from, dk, d, 1);
        if (p->heads != NULL) p->heads[i] = o;
    }
    p->head = carve_operand(from, c->vision_feature_dim, d, p->training);
    if (c->embed_dim > 0) {
        p->query_head = carve_operand(from, c->embed_dim, d, p->training);
        p->picture = carve_operand(from, c->embed_dim, c->vision_feature_dim, 0);
    }
    if (c->ngram_buckets > 0) {
        size_t wide = c->ngram_hidden + d;
        p->ngram_ffn1 = carve_operand(from, c->ngram_hidden, d, p->training);
        p->ngram_head = carve_operand(from, c->vision_feature_dim, wide, p->training);
        if (c->embed_dim > 0) p->ngram_query = carve_operand(from, c->embed_dim, wide, p->training);
    }
    p->queries = t2i_carve(from, d * d);
}

size_t t2i_packed_weights_bytes(const t2i_model *model, int training)
{
    t2i_packed_weights p = {.model = model, .training = training};
    t2i_carver count = {0};
    carve_all(&p, &count);
    return count.used * sizeof(float);
}

t2i_status t2i_packed_weights_new(t2i_packed_weights *out, const t2i_model *model, int training,
                                  void *memory, t2i_error *err)
{
    const t2i_config *c = &model->config;
    size_t bytes = t2i_packed_weights_bytes(model, training);
    *out = (t2i_packed_weights){.model = model, .training = training, .owns = memory == NULL};
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

/* ---- filling ---- */

/* Selects the operands that this thread packs. */
typedef struct {
    size_t next, part, parts;
} turn;

static int mine(turn *t)
{
    return t->next++ % t->parts == t->part;
}

static void fill(turn *t, const t2i_operand *o, const float *weight, size_t outputs, size_t inputs)
{
    if (!mine(t)) return;
    t2i_gemm_pack_transposed(o->forward, weight, inputs, inputs, outputs);
    if (o->back != NULL) t2i_gemm_pack(o->back, weight, inputs, outputs, inputs);
}

static void fill_last(turn *t, t2i_packed_weights *p, const t2i_layer_operands *l, const float *qkv)
{
    size_t d = p->model->config.d_model, heads = p->model->config.n_heads, dk = d / heads;
    for (size_t a = 0; a < heads; a++) {
        const float *head = qkv + a * 3 * dk * d;
        fill(t, &l->key[a], head + dk * d, dk, d);
        fill(t, &l->value[a], head + 2 * dk * d, dk, d);
    }
    if (!mine(t)) return;
    for (size_t a = 0; a < heads; a++)
        memcpy(p->queries + a * dk * d, qkv + a * 3 * dk * d, dk * d * sizeof *qkv);
    t2i_gemm_pack_transposed(l->query.forward, p->queries, d, d, d);
    if (l->query.back != NULL) t2i_gemm_pack(l->query.back, p->queries, d, d, d);
}

void t2i_packed_weights_fill(t2i_packed_weights *p, const float *weights, size_t part, size_t parts)
{
    const t2i_model *m = p->model;
    const t2i_config *c = &m->config;
    size_t d = c->d_model;
    turn t = {0, part, parts};
    if (part == 0) p->weights = weights;
    for (size_t i = 0; i < c->n_layers; i++) {
        const t2i_layer_at *at = &m->layer[i];
        const t2i_layer_operands *l = &p->layer[i];
        if (i + 1 < c->n_layers)
            fill(&t, &l->qkv, weights + at->qkv_weight, 3 * d, d);
        else
            fill_last(&t, p, l, weights + at->qkv_weight);
        fill(&t, &l->out, weights + at->out_weight, d, d);
        fill(&t, &l->ffn1, weights + at->ffn1_weight, c->d_ff, d);
        fill(&t, &l->ffn2, weights + at->ffn2_weight, d, c->d_ff);
    }
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
    T2I_TRY(t2i_packed_weights_new(out, model, 0, NULL, err));
    t2i_packed_weights_fill(out, weights, 0, 1);
    return T2I_OK;
}
