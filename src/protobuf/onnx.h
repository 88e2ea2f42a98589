/* onnx.h - writes ONNX files: a graph of operators over tensors.
 *
 * The version is that of opset 17, IR version 8. A file is one protobuf message, which can have at
 * most 2 GiB; weights in a second file are not supported.
 *
 * Usage: t2i_onnx onnx = {.err = err}; inputs, tensors, operators in the order of computation,
 * outputs and metadata in any order; t2i_onnx_save; t2i_onnx_free. A failure of a function without
 * a status is stored, and t2i_onnx_save returns it.
 *
 * Names. Lists of names have blanks between them. `scope` is put before a name that begins with a
 * dot: with the scope "layers.0", ".ln1.weight" is "layers.0.ln1.weight".
 */
#ifndef T2I_ONNX_H
#define T2I_ONNX_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

enum { T2I_ONNX_DIMS = 5 };

/* The data of a float tensor, which follows byte `at` of the graph's text. */
typedef struct {
    size_t at;
    const float *data; /* borrowed */
    size_t count;
    size_t zeros; /* after the data */
} t2i_onnx_data;

typedef struct {
    t2i_error *err;
    char scope[32];
    t2i_text graph;      /* owned: the graph's fields without the data of float tensors */
    t2i_text meta;       /* owned: fields of the model */
    t2i_onnx_data *data; /* owned: `tensors` entries */
    size_t tensors, room;
    uint64_t bytes; /* of all data */
    t2i_status status;
} t2i_onnx;

/* An attribute of an operator: an integer (count 0: value[0]), or a list of integers. */
typedef struct {
    const char *name;
    size_t count;
    int64_t value[T2I_ONNX_DIMS];
} t2i_onnx_attribute;

/* An input or output of the graph. dims: numbers, and names of dimensions that are not fixed. */
typedef enum { T2I_ONNX_FLOAT = 1, T2I_ONNX_INT64 = 7 } t2i_onnx_type;
void t2i_onnx_input(t2i_onnx *onnx, const char *name, t2i_onnx_type type, const char *dims);
void t2i_onnx_output(t2i_onnx *onnx, const char *name, t2i_onnx_type type, const char *dims);

/* A float tensor of dims dimensions. Its data is borrowed until t2i_onnx_save; the file has `zeros`
 * rows of zeros more, which dim[0] does not count. */
void t2i_onnx_floats(t2i_onnx *onnx, const char *name, size_t dims, const size_t *dim,
                     const float *data, size_t zeros);
/* A vector of integers; count 0: a scalar, value[0]. */
void t2i_onnx_integers(t2i_onnx *onnx, const char *name, size_t count, const int64_t *value);

/* An operator with lists of inputs and outputs; attribute: NULL for none. */
void t2i_onnx_node(t2i_onnx *onnx, const char *operation, const char *inputs, const char *outputs,
                   const t2i_onnx_attribute *attribute);

/* An entry of the model's metadata_props. */
void t2i_onnx_meta(t2i_onnx *onnx, const char *key, const char *value);

/* Writes the file atomically (fs.h). name: of the graph; about: the model's doc_string. T2I_DATA if
 * it is over 2 GiB; T2I_CANTCREATE, T2I_IO, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_onnx_save(const t2i_onnx *onnx, const char *path, const char *name,
                                     const char *about);
void t2i_onnx_free(t2i_onnx *onnx);

#endif
