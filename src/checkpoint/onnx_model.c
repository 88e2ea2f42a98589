#include "checkpoint/onnx_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "protobuf/onnx.h"
#include "model/ngrams.h"

/* What the nodes are added to. */
typedef struct {
    t2i_onnx file;
    const t2i_checkpoint *checkpoint;
    float scale; /* of attention's scores */
    char x[32];  /* name of the output of the last layer so far, (B T, d) */
} graph;

static const float zero = 0.0f, minus = -1e30f, least_length = 1e-12f;

/* ---- nodes ---- */

static void node(graph *g, const char *operation, const char *inputs, const char *output)
{
    t2i_onnx_node(&g->file, operation, inputs, output, NULL);
}

static void node_with(graph *g, const char *operation, const char *inputs, const char *output,
                      const char *attribute, int64_t value)
{
    t2i_onnx_node(&g->file, operation, inputs, output,
                  &(t2i_onnx_attribute){attribute, 0, {value}});
}

/* out (rows, outputs) = in W^T + addend; addend: a bias, a matrix, or "" */
static void linear(graph *g, const char *in, const char *weight, const char *addend,
                   const char *out)
{
    char inputs[128];
    snprintf(inputs, sizeof inputs, "%s %s %s", in, weight, addend);
    node_with(g, "Gemm", inputs, out, "transB", 1);
}

static void transpose(graph *g, const char *in, const char *out, const t2i_onnx_attribute *order)
{
    t2i_onnx_node(&g->file, "Transpose", in, out, order);
}

/* ---- tensors ---- */

static void add_weights(graph *g)
{
    const t2i_model *model = &g->checkpoint->model;
    for (size_t i = 0; i < model->layout.tensors; i++) {
        const t2i_tensor *t = &model->layout.tensor[i];
        const size_t matrix[] = {t->rows, t->columns};
        int table = model->config.ngram_buckets > 0 && t->offset == model->ngram_weight;
        t2i_onnx_floats(&g->file, t->name, t->rows > 0 ? 2 : 1, t->rows > 0 ? matrix : &t->columns,
                        g->checkpoint->weights + t->offset, table ? 1 : 0);
    }
}

static void add_constants(graph *g)
{
    const t2i_config *c = &g->checkpoint->model.config;
    const int64_t number[] = {0, 1, 2}, width = (int64_t)c->d_model, heads = (int64_t)c->n_heads,
                  of_head[] = {heads, 3, width / heads}, of_prompt[] = {-1, 1, 1, 1},
                  flat[] = {-1, width};
    const size_t positions[] = {c->block_size, c->d_model};
    t2i_onnx_floats(&g->file, "position", 2, positions, g->checkpoint->model.position, 0);
    t2i_onnx_floats(&g->file, "zero", 0, NULL, &zero, 0);
    t2i_onnx_floats(&g->file, "minus", 0, NULL, &minus, 0);
    t2i_onnx_floats(&g->file, "scale", 0, NULL, &g->scale, 0);
    t2i_onnx_integers(&g->file, "from_0", 0, &number[0]);
    t2i_onnx_integers(&g->file, "step_1", 0, &number[1]);
    t2i_onnx_integers(&g->file, "axis_0", 1, &number[0]);
    t2i_onnx_integers(&g->file, "axis_1", 1, &number[1]);
    t2i_onnx_integers(&g->file, "width", 1, &width);
    t2i_onnx_integers(&g->file, "flat", 2, flat);
    t2i_onnx_integers(&g->file, "of_head", 3, of_head);
    t2i_onnx_integers(&g->file, "of_prompt", 4, of_prompt);
    if (c->ngram_buckets > 0) t2i_onnx_integers(&g->file, "axis_2", 1, &number[2]);
    if (c->ngram_buckets > 0) t2i_onnx_integers(&g->file, "axes_1_2", 2, &number[1]);
    if (c->embed_dim > 0) t2i_onnx_floats(&g->file, "least_length", 0, NULL, &least_length, 0);
}

/* ---- the graph ---- */

/* What all layers use: the shape of heads, the mask of attention (T, T), 0 for an empty prompt
 * (B, 1, 1, 1), and where prompts end (B, 1). */
static void add_shapes(graph *g)
{
    node(g, "Shape", "ids", "shape");
    node(g, "Gather", "shape axis_1", "characters");
    node_with(g, "Concat", "shape of_head", "by_head", "axis", 0);
    node(g, "Squeeze", "characters", "count");
    node(g, "Range", "from_0 count step_1", "column");
    node(g, "Unsqueeze", "column axis_1", "row");
    node(g, "Less", "row column", "later");
    node(g, "Where", "later minus zero", "mask");
    node(g, "Greater", "length axis_0", "has_any");
    node_with(g, "Cast", "has_any", "any", "to", T2I_ONNX_FLOAT);
    node(g, "Reshape", "any of_prompt", "not_empty");
    node(g, "Sub", "length axis_1", "before_end");
    node(g, "Max", "before_end axis_0", "end");
    node(g, "Unsqueeze", "end axis_1", "last");
}

/* x (B T, d), from characters, positions and pieces. */
static void add_input(graph *g)
{
    node(g, "Gather", "embedding.weight ids", "embedded");
    node(g, "Slice", "position axis_0 characters axis_0", "positions");
    node(g, "Add", "embedded positions", "placed");
    const char *sum = "placed";
    if (g->checkpoint->model.config.ngram_buckets > 0) {
        node(g, "Slice", "rows axis_0 characters axis_1", "rows_within");
        node(g, "Gather", "ngram.weight rows_within", "pieces_within");
        node_with(g, "ReduceSum", "pieces_within axis_2", "pieces", "keepdims", 0);
        node(g, "Add", "placed pieces", "with_pieces");
        sum = "with_pieces";
    }
    char inputs[32];
    snprintf(inputs, sizeof inputs, "%s flat", sum);
    node(g, "Reshape", inputs, "x");
    snprintf(g->x, sizeof g->x, "x");
}

/* .o (B T, d) from .h (B T, d). q, k and v have the shape (1, B, heads, T, d / heads). */
static void add_attention(graph *g)
{
    static const t2i_onnx_attribute parts_first = {"perm", 5, {3, 0, 2, 1, 4}},
                                    turned = {"perm", 5, {0, 1, 2, 4, 3}},
                                    heads_last = {"perm", 5, {0, 1, 3, 2, 4}};
    const t2i_config *c = &g->checkpoint->model.config;
    linear(g, ".h", ".qkv.weight", c->qkv_bias ? ".qkv.bias" : "", ".qkv");
    node(g, "Reshape", ".qkv by_head", ".qkv_by_head");
    transpose(g, ".qkv_by_head", ".parts", &parts_first);
    node_with(g, "Split", ".parts", ".q .k .v", "axis", 0);
    transpose(g, ".k", ".k_turned", &turned);
    node(g, "MatMul", ".q .k_turned", ".products");
    node(g, "Mul", ".products scale", ".scores");
    node(g, "Add", ".scores mask", ".masked");
    node(g, "Softmax", ".masked", ".prob");
    node(g, "MatMul", ".prob .v", ".context");
    node(g, "Mul", ".context not_empty", ".kept");
    transpose(g, ".kept", ".kept_by_character", &heads_last);
    node(g, "Reshape", ".kept_by_character flat", ".o");
}

static void add_layer(graph *g, size_t number)
{
    const t2i_config *c = &g->checkpoint->model.config;
    char inputs[80];
    snprintf(g->file.scope, sizeof g->file.scope, "layers.%zu", number);
    snprintf(inputs, sizeof inputs, "%s .ln1.weight .ln1.bias", g->x);
    node(g, "LayerNormalization", inputs, ".h");
    add_attention(g);
    linear(g, ".o", ".out.weight", c->out_bias ? ".out.bias" : "", ".attended");
    snprintf(inputs, sizeof inputs, "%s .attended", g->x);
    node(g, "Add", inputs, ".mid");
    node(g, "LayerNormalization", ".mid .ln2.weight .ln2.bias", ".h2");
    linear(g, ".h2", ".ffn1.weight", c->ffn1_bias ? ".ffn1.bias" : "", ".units");
    node(g, "Relu", ".units", ".f");
    linear(g, ".f", ".ffn2.weight", c->ffn2_bias ? ".ffn2.bias" : "", ".fed");
    node(g, "Add", ".mid .fed", ".x");
    snprintf(g->x, sizeof g->x, "layers.%zu.x", number);
}

/* normal (B, d): the last states, normalised. */
static void add_end(graph *g)
{
    char inputs[80];
    node_with(g, "Concat", "shape width", "by_character", "axis", 0);
    snprintf(inputs, sizeof inputs, "%s by_character", g->x);
    node(g, "Reshape", inputs, "states");
    node_with(g, "GatherND", "states last", "top", "batch_dims", 1);
    node(g, "LayerNormalization", "top final_ln.weight final_ln.bias", "normal");
}

/* wide (B, H + d): the units of the direct layer of the n-grams, and its normalised input. */
static void add_direct(graph *g)
{
    node(g, "Gather", "ngram.weight rows", "pieces_all");
    node_with(g, "ReduceSum", "pieces_all axes_1_2", "ngram.sum", "keepdims", 0);
    node(g, "LayerNormalization", "ngram.sum ngram.ln.weight ngram.ln.bias", "ngram.normal");
    linear(g, "ngram.normal", "ngram.ffn1.weight", "ngram.ffn1.bias", "ngram.units");
    node(g, "Relu", "ngram.units", "ngram.f");
    node_with(g, "Concat", "ngram.f ngram.normal", "wide", "axis", 1);
}

static void add_heads(graph *g)
{
    const t2i_config *c = &g->checkpoint->model.config;
    int direct = c->ngram_buckets > 0;
    char dims[48];
    if (direct) add_direct(g);
    linear(g, "normal", "head.weight", c->head_bias ? "head.bias" : "",
           direct ? "head" : "features");
    if (direct) linear(g, "wide", "ngram.head.weight", "head", "features");
    snprintf(dims, sizeof dims, "batch %zu", c->vision_feature_dim);
    t2i_onnx_output(&g->file, "features", T2I_ONNX_FLOAT, dims);
    if (c->embed_dim == 0) return;
    linear(g, "normal", "query.weight", "query.bias", direct ? "query_head" : "place");
    if (direct) linear(g, "wide", "ngram.query.weight", "query_head", "place");
    t2i_onnx_node(&g->file, "ReduceL2", "place", "place_length",
                  &(t2i_onnx_attribute){"axes", 1, {1}});
    node(g, "Max", "place_length least_length", "divisor");
    node(g, "Div", "place divisor", "query");
    snprintf(dims, sizeof dims, "batch %zu", c->embed_dim);
    t2i_onnx_output(&g->file, "query", T2I_ONNX_FLOAT, dims);
    snprintf(dims, sizeof dims, "%zu %zu", c->embed_dim, c->vision_feature_dim);
    t2i_onnx_output(&g->file, "picture.weight", T2I_ONNX_FLOAT, dims);
}

static void add_graph(graph *g)
{
    const t2i_config *c = &g->checkpoint->model.config;
    char dims[48];
    t2i_onnx_input(&g->file, "ids", T2I_ONNX_INT64, "batch characters");
    t2i_onnx_input(&g->file, "length", T2I_ONNX_INT64, "batch");
    snprintf(dims, sizeof dims, "batch positions %d", T2I_PIECES);
    if (c->ngram_buckets > 0) t2i_onnx_input(&g->file, "rows", T2I_ONNX_INT64, dims);
    add_weights(g);
    add_constants(g);
    add_shapes(g);
    add_input(g);
    for (size_t i = 0; i < c->n_layers; i++) add_layer(g, i);
    add_end(g);
    add_heads(g);
}

/* ---- metadata ---- */

/* Takes ownership of the json. */
static t2i_status put_json(graph *g, const char *key, t2i_json *json, t2i_error *err)
{
    char *text = NULL;
    t2i_status status = t2i_json_text(json, 0, &text, err);
    if (status == T2I_OK) t2i_onnx_meta(&g->file, key, text);
    t2i_free(text);
    t2i_json_free(json);
    return status;
}

/* The digest of all weights, in the order of a safetensors file. */
static t2i_status put_digest(graph *g, t2i_error *err)
{
    const t2i_layout *layout = &g->checkpoint->model.layout;
    char hex[T2I_HEX];
    t2i_hash *hash;
    T2I_TRY(t2i_hash_new(&hash, err));
    for (size_t i = 0; i < layout->tensors; i++)
        t2i_hash_add(hash, g->checkpoint->weights + layout->tensor[i].offset,
                     t2i_tensor_count(&layout->tensor[i]) * sizeof(float));
    t2i_hash_end(hash, hex);
    t2i_hash_free(hash);
    t2i_onnx_meta(&g->file, "t2i.weights_xxh3", hex);
    return T2I_OK;
}

static t2i_status add_metadata(graph *g, t2i_error *err)
{
    const t2i_checkpoint *c = g->checkpoint;
    T2I_TRY(put_json(g, "t2i.config", t2i_checkpoint_config_json(&c->model.config), err));
    T2I_TRY(put_json(g, "t2i.vocab", t2i_checkpoint_vocab_json(&c->vocab), err));
    if (c->model.config.ngram_buckets > 0) {
        t2i_json *sizes = t2i_json_array();
        for (int n = T2I_NGRAM_LEAST; n <= T2I_NGRAM_MOST; n++)
            t2i_json_append(sizes, t2i_json_integer(n));
        T2I_TRY(put_json(g, "t2i.ngram_sizes", sizes, err));
    }
    if (c->run.dataset[0] != '\0') t2i_onnx_meta(&g->file, "t2i.dataset", c->run.dataset);
    return put_digest(g, err);
}

t2i_status t2i_onnx_model_save(const t2i_checkpoint *checkpoint, const char *path, t2i_error *err)
{
    static const char about[] =
        "The text side of a model of t2i-train. Its docs/pytorch.md has the "
        "Python function that makes the inputs from prompts.";
    const t2i_config *c = &checkpoint->model.config;
    T2I_ASSERT(checkpoint->has_head);
    graph g = {.file = {.err = err}, .checkpoint = checkpoint};
    g.scale = 1.0f / sqrtf((float)(c->d_model / c->n_heads));
    add_graph(&g);
    t2i_status status = add_metadata(&g, err);
    if (status == T2I_OK) status = t2i_onnx_save(&g.file, path, "t2i", about);
    t2i_onnx_free(&g.file);
    return status;
}
