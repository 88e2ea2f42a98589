#include "protobuf/onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/commit.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/opts.h"
#include "protobuf/protobuf.h"

enum { IR_VERSION = 8, OPSET = 17 };

/* Numbers of fields in onnx.proto. */
enum { MODEL_IR = 1, MODEL_PRODUCER, MODEL_PRODUCER_VERSION };
enum { MODEL_DOC = 6, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_META = 14 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OPERATOR, NODE_ATTRIBUTE };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };

/* ---- fields; nothing is added after a failure ---- */

static void put_integer(t2i_onnx *o, t2i_text *to, unsigned field, int64_t value)
{
    if (o->status == T2I_OK) o->status = t2i_protobuf_integer(to, field, (uint64_t)value, o->err);
}

static void put_bytes(t2i_onnx *o, t2i_text *to, unsigned field, const void *bytes, size_t size)
{
    if (o->status == T2I_OK) o->status = t2i_protobuf_bytes(to, field, bytes, size, o->err);
}

static void put_text(t2i_onnx *o, t2i_text *to, unsigned field, const char *text)
{
    put_bytes(o, to, field, text, strlen(text));
}

/* Adds a message to the one that it is a field of, and frees it. */
static void put_message(t2i_onnx *o, t2i_text *to, unsigned field, t2i_text *message)
{
    put_bytes(o, to, field, message->size == 0 ? "" : message->data, message->size);
    t2i_text_free(message);
}

/* ---- names ---- */

typedef char full_name[128];

/* The next word of a list, which begins at *list, with the scope; returns 0 at the end. */
static int next_name(const t2i_onnx *o, const char **list, full_name out)
{
    *list += strspn(*list, " ");
    size_t size = strcspn(*list, " ");
    if (size == 0) return 0;
    int used =
        snprintf(out, sizeof(full_name), "%s%.*s", **list == '.' ? o->scope : "", (int)size, *list);
    T2I_ASSERT(used > 0 && (size_t)used < sizeof(full_name));
    *list += size;
    return 1;
}

static void put_name(t2i_onnx *o, t2i_text *to, unsigned field, const char *name)
{
    full_name full;
    if (next_name(o, &name, full)) put_text(o, to, field, full);
}

static void put_names(t2i_onnx *o, t2i_text *to, unsigned field, const char *list)
{
    full_name full;
    while (next_name(o, &list, full)) put_text(o, to, field, full);
}

/* ---- inputs and outputs ---- */

/* ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1; its elem_type 1, shape 2; the shape's
 * dim 1; dim_value 1 or dim_param 2. */
static void put_value(t2i_onnx *o, unsigned field, const char *name, t2i_onnx_type type,
                      const char *dims)
{
    t2i_text shape = {0}, tensor = {0}, any = {0}, value = {0};
    full_name word;
    while (next_name(o, &dims, word)) {
        t2i_text dim = {0};
        if (word[0] >= '0' && word[0] <= '9')
            put_integer(o, &dim, 1, strtoll(word, NULL, 10));
        else
            put_text(o, &dim, 2, word);
        put_message(o, &shape, 1, &dim);
    }
    put_integer(o, &tensor, 1, type);
    put_message(o, &tensor, 2, &shape);
    put_message(o, &any, 1, &tensor);
    put_name(o, &value, 1, name);
    put_message(o, &value, 2, &any);
    put_message(o, &o->graph, field, &value);
}

void t2i_onnx_input(t2i_onnx *o, const char *name, t2i_onnx_type type, const char *dims)
{
    put_value(o, GRAPH_INPUT, name, type, dims);
}

void t2i_onnx_output(t2i_onnx *o, const char *name, t2i_onnx_type type, const char *dims)
{
    put_value(o, GRAPH_OUTPUT, name, type, dims);
}

/* ---- tensors ---- */

static t2i_status add_data(t2i_onnx *o, const t2i_onnx_data *data)
{
    if (o->tensors == o->room) {
        size_t room = o->room == 0 ? 64 : 2 * o->room;
        if (t2i_grow(&o->data, o->room, room, sizeof *o->data) != 0)
            return t2i_fail_memory(o->err, room * sizeof *o->data, "a list of tensors");
        o->room = room;
    }
    o->data[o->tensors++] = *data;
    o->bytes += (data->count + data->zeros) * sizeof(float);
    return T2I_OK;
}

void t2i_onnx_floats(t2i_onnx *o, const char *name, size_t dims, const size_t *dim,
                     const float *data, size_t zeros)
{
    t2i_text head = {0};
    size_t row = 1;
    for (size_t i = 0; i < dims; i++) {
        put_integer(o, &head, TENSOR_DIM, (int64_t)(dim[i] + (i == 0 ? zeros : 0)));
        if (i > 0) row *= dim[i];
    }
    size_t count = dims == 0 ? 1 : dim[0] * row, bytes = (count + zeros * row) * sizeof(float);
    put_integer(o, &head, TENSOR_TYPE, T2I_ONNX_FLOAT);
    put_name(o, &head, TENSOR_NAME, name);
    if (o->status == T2I_OK) o->status = t2i_protobuf_begin(&head, TENSOR_RAW, bytes, o->err);
    if (o->status == T2I_OK)
        o->status = t2i_protobuf_begin(&o->graph, GRAPH_TENSOR, head.size + bytes, o->err);
    if (o->status == T2I_OK) o->status = t2i_text_add(&o->graph, head.data, head.size, o->err);
    if (o->status == T2I_OK)
        o->status = add_data(o, &(t2i_onnx_data){o->graph.size, data, count, zeros * row});
    t2i_text_free(&head);
}

void t2i_onnx_integers(t2i_onnx *o, const char *name, size_t count, const int64_t *value)
{
    t2i_text tensor = {0};
    if (count > 0) put_integer(o, &tensor, TENSOR_DIM, (int64_t)count);
    put_integer(o, &tensor, TENSOR_TYPE, T2I_ONNX_INT64);
    put_name(o, &tensor, TENSOR_NAME, name);
    put_bytes(o, &tensor, TENSOR_RAW, value, (count == 0 ? 1 : count) * sizeof *value);
    put_message(o, &o->graph, GRAPH_TENSOR, &tensor);
}

/* ---- operators ---- */

/* AttributeProto's types are INT 2 and INTS 7. */
static void put_attribute(t2i_onnx *o, t2i_text *node, const t2i_onnx_attribute *a)
{
    t2i_text out = {0};
    put_text(o, &out, ATTRIBUTE_NAME, a->name);
    if (a->count == 0) put_integer(o, &out, ATTRIBUTE_INT, a->value[0]);
    for (size_t i = 0; i < a->count; i++) put_integer(o, &out, ATTRIBUTE_INTS, a->value[i]);
    put_integer(o, &out, ATTRIBUTE_TYPE, a->count == 0 ? 2 : 7);
    put_message(o, node, NODE_ATTRIBUTE, &out);
}

void t2i_onnx_node(t2i_onnx *o, const char *operation, const char *inputs, const char *outputs,
                   const t2i_onnx_attribute *attribute)
{
    t2i_text node = {0};
    put_names(o, &node, NODE_INPUT, inputs);
    put_names(o, &node, NODE_OUTPUT, outputs);
    put_name(o, &node, NODE_NAME, outputs);
    put_text(o, &node, NODE_OPERATOR, operation);
    if (attribute != NULL) put_attribute(o, &node, attribute);
    put_message(o, &o->graph, GRAPH_NODE, &node);
}

/* StringStringEntryProto: key 1, value 2. */
void t2i_onnx_meta(t2i_onnx *o, const char *key, const char *value)
{
    t2i_text entry = {0};
    put_text(o, &entry, 1, key);
    put_text(o, &entry, 2, value);
    put_message(o, &o->meta, MODEL_META, &entry);
}

/* ---- the file ---- */

/* The model up to the graph's first byte. OperatorSetIdProto: version 2. */
static t2i_status add_head(t2i_text *head, const t2i_onnx *o, const t2i_text *name,
                           const char *about, uint64_t graph)
{
    t2i_text opset = {0};
    T2I_TRY(t2i_protobuf_integer(head, MODEL_IR, IR_VERSION, o->err));
    T2I_TRY(t2i_protobuf_bytes(head, MODEL_PRODUCER, "t2i-train", 9, o->err));
    T2I_TRY(
        t2i_protobuf_bytes(head, MODEL_PRODUCER_VERSION, T2I_VERSION, strlen(T2I_VERSION), o->err));
    T2I_TRY(t2i_protobuf_bytes(head, MODEL_DOC, about, strlen(about), o->err));
    t2i_status status = t2i_protobuf_integer(&opset, 2, OPSET, o->err);
    if (status == T2I_OK)
        status = t2i_protobuf_bytes(head, MODEL_OPSET, opset.data, opset.size, o->err);
    t2i_text_free(&opset);
    T2I_TRY(status);
    if (o->meta.size > 0) T2I_TRY(t2i_text_add(head, o->meta.data, o->meta.size, o->err));
    T2I_TRY(t2i_protobuf_begin(head, MODEL_GRAPH, name->size + graph, o->err));
    return t2i_text_add(head, name->data, name->size, o->err);
}

static t2i_status write_zeros(t2i_fs_out *out, size_t count, t2i_error *err)
{
    static const float zero[1024];
    for (size_t part; count > 0; count -= part) {
        part = count < 1024 ? count : 1024;
        T2I_TRY(t2i_fs_out_write(out, zero, part * sizeof *zero, err));
    }
    return T2I_OK;
}

static t2i_status write_graph(t2i_fs_out *out, const t2i_onnx *o)
{
    size_t at = 0;
    for (size_t i = 0; i < o->tensors; i++) {
        const t2i_onnx_data *d = &o->data[i];
        T2I_TRY(t2i_fs_out_write(out, o->graph.data + at, d->at - at, o->err));
        T2I_TRY(t2i_fs_out_write(out, d->data, d->count * sizeof *d->data, o->err));
        T2I_TRY(write_zeros(out, d->zeros, o->err));
        at = d->at;
    }
    return t2i_fs_out_write(out, o->graph.data + at, o->graph.size - at, o->err);
}

static t2i_status write_file(const char *path, const t2i_text *head, const t2i_onnx *o)
{
    t2i_fs_out out;
    T2I_TRY(t2i_fs_out_open(&out, path, o->err));
    t2i_status status = t2i_fs_out_write(&out, head->data, head->size, o->err);
    if (status == T2I_OK) status = write_graph(&out, o);
    if (status == T2I_OK) return t2i_commit(&out, o->err);
    t2i_fs_out_drop(&out);
    return status;
}

t2i_status t2i_onnx_save(const t2i_onnx *o, const char *path, const char *name, const char *about)
{
    t2i_text head = {0}, graph_name = {0};
    T2I_TRY(o->status);
    uint64_t graph = o->graph.size + o->bytes;
    t2i_status status = t2i_protobuf_bytes(&graph_name, GRAPH_NAME, name, strlen(name), o->err);
    if (status == T2I_OK) status = add_head(&head, o, &graph_name, about, graph);
    if (status == T2I_OK && head.size + graph > INT32_MAX)
        status = t2i_fail(o->err, T2I_DATA,
                          "%s would have %" PRIu64 " bytes: an ONNX file cannot have more than "
                          "2 GiB",
                          path, head.size + graph);
    if (status == T2I_OK) status = write_file(path, &head, o);
    t2i_text_free(&head);
    t2i_text_free(&graph_name);
    return status;
}

void t2i_onnx_free(t2i_onnx *o)
{
    t2i_text_free(&o->graph);
    t2i_text_free(&o->meta);
    t2i_free(o->data);
    *o = (t2i_onnx){0};
}
