/* pyvalue.h - the values of a file of torch.save: a tree of plain Python values and tensors.
 *
 * A model file of PyTorch is a dict of dicts, lists, numbers, strings and tensors. The reader
 * (torchfile.h) builds such a tree and executes nothing from the file; the writer takes one. Values
 * are allocated in an arena and freed with it.
 *
 * Errors: functions that build values do not report missing memory. A value that cannot be
 * allocated is NULL, adding NULL marks the arena as failed, and the writer reports it, so one check
 * is enough.
 */
#ifndef T2I_PYVALUE_H
#define T2I_PYVALUE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define T2I_PY_DIMS 8

typedef enum {
    T2I_PY_NONE,
    T2I_PY_BOOL,
    T2I_PY_INT,
    T2I_PY_FLOAT,
    T2I_PY_TEXT,
    T2I_PY_LIST,
    T2I_PY_TUPLE,
    T2I_PY_DICT,
    T2I_PY_TENSOR
} t2i_py_kind;

/* A view of a storage: element (i, j, ...) is its element offset + i * stride[0] + j * stride[1]
 * ... */
typedef struct {
    const char *dtype; /* safetensors name: "F32", "F64", "F16", "BF16", "I64", "BOOL", ... */
    size_t dims;
    uint64_t dim[T2I_PY_DIMS], stride[T2I_PY_DIMS];
    uint64_t offset, count; /* in elements */
    size_t storage;         /* reading: number of the file's storage */
    const float *data;      /* writing: count elements, row-major, borrowed; NULL when read */
} t2i_py_tensor;

typedef struct t2i_py t2i_py;
struct t2i_py {
    t2i_py_kind kind;
    int ordered;      /* a dict: a module's state_dict (collections.OrderedDict with _metadata) */
    int64_t integer;  /* BOOL, INT */
    double real;      /* FLOAT */
    const char *text; /* TEXT: UTF-8 with a terminator; size bytes without it */
    size_t size;      /* bytes of a text; items of a list, tuple or dict */
    t2i_py **key, **item; /* a dict's keys in order; a container's values */
    t2i_py_tensor tensor; /* TENSOR */
    size_t room;          /* private: capacity of key and item */
    int seen;             /* private: its keys were checked */
};

typedef struct t2i_py_arena t2i_py_arena;

/* NULL when out of memory. */
t2i_py_arena *t2i_py_arena_new(void);
void t2i_py_arena_free(t2i_py_arena *arena); /* NULL is legal */
int t2i_py_arena_failed(const t2i_py_arena *arena);

/* New values: NULL when out of memory. Texts are copied. */
t2i_py *t2i_py_none(t2i_py_arena *arena);
t2i_py *t2i_py_bool(t2i_py_arena *arena, int value);
t2i_py *t2i_py_int(t2i_py_arena *arena, int64_t value);
t2i_py *t2i_py_float(t2i_py_arena *arena, double value);
t2i_py *t2i_py_text(t2i_py_arena *arena, const char *utf8, size_t size);
t2i_py *t2i_py_list(t2i_py_arena *arena);
t2i_py *t2i_py_tuple(t2i_py_arena *arena);
t2i_py *t2i_py_dict(t2i_py_arena *arena, int ordered);
/* Float32, contiguous; data is borrowed until the file is written. */
t2i_py *t2i_py_floats(t2i_py_arena *arena, size_t dims, const uint64_t *dim, const float *data);

/* For readers: a zeroed value of a kind; size + 1 zeroed bytes for a text. NULL if out of memory.
 */
t2i_py *t2i_py_value(t2i_py_arena *arena, t2i_py_kind kind);
char *t2i_py_room(t2i_py_arena *arena, size_t size);

/* Add to a list or tuple, or to a dict. value may be NULL (out of memory earlier). */
void t2i_py_append(t2i_py_arena *arena, t2i_py *container, t2i_py *value);
void t2i_py_set(t2i_py_arena *arena, t2i_py *dict, const char *key, t2i_py *value);
void t2i_py_set_pair(t2i_py_arena *arena, t2i_py *dict, t2i_py *key, t2i_py *value);

/* The value of a text key, or NULL if there is none or dict is not a dict (NULL is legal). */
const t2i_py *t2i_py_get(const t2i_py *dict, const char *key);
/* "dict", "list", "tensor", ... for messages; NULL is "nothing". */
const char *t2i_py_kind_name(const t2i_py *value);

#endif
