#include "formats/pickle_torch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/dtype.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
    DEPTH_MAX = 64,
    VISITS_MAX = 1000000,
    ITEMS_MAX = 4000000,
    LEAST = 64,
    EACH_BYTE = 4 /* visits and items that a pickle may have for each of its bytes */
};

t2i_status t2i_pickle_reader_refuse(t2i_pickle_reader *r, const char *format, ...)
{
    char what[700];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return t2i_fail(r->err, T2I_DATA, "%s: its pickle is refused (at byte %llu): %s",
                    r->source->name, (unsigned long long)(r->opcode - r->begin), what);
}

static uint64_t allowance(const t2i_pickle_reader *r)
{
    return LEAST + EACH_BYTE * (r->at - r->begin);
}

t2i_status t2i_pickle_reader_count_items(t2i_pickle_reader *r, size_t count)
{
    r->to->items += count;
    if (r->to->items > ITEMS_MAX)
        return t2i_pickle_reader_refuse(r, "its containers have more than %d items", ITEMS_MAX);
    return r->to->items - r->items_before <= allowance(r)
               ? T2I_OK
               : t2i_pickle_reader_refuse(r, "parts of it occur too often");
}

/* ---- the allow-list ---- */

typedef enum {
    ORDERED_DICT,
    COUNTER,
    TENSOR,
    TYPED_TENSOR,
    QUANTIZED_TENSOR,
    SPARSE_TENSOR,
    META_TENSOR,
    PARAMETER,
    OLD_PARAMETER,
    SUBCLASS,
    COPIED_TENSOR,
    STORAGE_TYPE,
    TENSOR_TYPE,
    SHAPE,
    DEVICE,
    LAYOUT,
    BYTES,
    SET,
    COMPLEX,
    WORD /* a value of its own, kept as its name */
} function;

/* The allow-list: that of torch.load(weights_only=True), without functions that need NumPy. Entries
 * marked "old" occur in files of 2016 to 2018. For a WORD dtype is that of a _rebuild_tensor_v3. */
static const struct {
    const char *module, *name;
    function what;
    const char *dtype;
} functions[] = {
    {"collections", "OrderedDict", ORDERED_DICT, NULL},
    {"collections", "Counter", COUNTER, NULL},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor_v3", TYPED_TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor", TENSOR, NULL}, /* old */
    {"torch._utils", "_rebuild_qtensor", QUANTIZED_TENSOR, NULL},
    {"torch._utils", "_rebuild_sparse_tensor", SPARSE_TENSOR, NULL},
    {"torch._utils", "_rebuild_sparse_csr_tensor", SPARSE_TENSOR, NULL},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", META_TENSOR, NULL},
    {"torch._utils", "_rebuild_parameter", PARAMETER, NULL},
    {"torch._utils", "_rebuild_parameter_with_state", PARAMETER, NULL},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", COPIED_TENSOR, NULL},
    {"torch._tensor", "_rebuild_from_type_v2", SUBCLASS, NULL},
    {"torch.nn.parameter", "Parameter", OLD_PARAMETER, NULL},
    {"torch", "Tensor", WORD, NULL},
    {"torch", "Size", SHAPE, NULL},
    {"torch", "device", DEVICE, NULL},
    {"torch.serialization", "_get_layout", LAYOUT, NULL},
    {"_codecs", "encode", BYTES, NULL},
    {"__builtin__", "bytes", BYTES, NULL},
    {"__builtin__", "bytearray", BYTES, NULL}, /* protocol 2 has the names of Python 2 */
    {"builtins", "bytearray", BYTES, NULL},
    {"__builtin__", "set", SET, NULL},
    {"builtins", "set", SET, NULL},
    {"__builtin__", "complex", COMPLEX, NULL},
    {"builtins", "complex", COMPLEX, NULL},
    {"torch", "FloatStorage", STORAGE_TYPE, "F32"},
    {"torch", "DoubleStorage", STORAGE_TYPE, "F64"},
    {"torch", "HalfStorage", STORAGE_TYPE, "F16"},
    {"torch", "BFloat16Storage", STORAGE_TYPE, "BF16"},
    {"torch", "LongStorage", STORAGE_TYPE, "I64"},
    {"torch", "IntStorage", STORAGE_TYPE, "I32"},
    {"torch", "ShortStorage", STORAGE_TYPE, "I16"},
    {"torch", "CharStorage", STORAGE_TYPE, "I8"},
    {"torch", "ByteStorage", STORAGE_TYPE, "U8"},
    {"torch", "BoolStorage", STORAGE_TYPE, "BOOL"},
    {"torch", "ComplexFloatStorage", STORAGE_TYPE, "C64"},
    {"torch", "ComplexDoubleStorage", STORAGE_TYPE, "C128"},
    {"torch", "QInt8Storage", STORAGE_TYPE, "I8"},
    {"torch", "QUInt8Storage", STORAGE_TYPE, "U8"},
    {"torch", "QInt32Storage", STORAGE_TYPE, "I32"},
    {"torch.storage", "UntypedStorage", STORAGE_TYPE, "U8"},
    {"torch", "FloatTensor", TENSOR_TYPE, "F32"},
    {"torch", "DoubleTensor", TENSOR_TYPE, "F64"},
    {"torch", "HalfTensor", TENSOR_TYPE, "F16"},
    {"torch", "LongTensor", TENSOR_TYPE, "I64"},
    {"torch", "IntTensor", TENSOR_TYPE, "I32"},
    {"torch", "ShortTensor", TENSOR_TYPE, "I16"},
    {"torch", "CharTensor", TENSOR_TYPE, "I8"},
    {"torch", "ByteTensor", TENSOR_TYPE, "U8"},
    {"torch", "float32", WORD, NULL},
    {"torch", "float64", WORD, NULL},
    {"torch", "float16", WORD, NULL},
    {"torch", "bfloat16", WORD, NULL},
    {"torch", "int64", WORD, NULL},
    {"torch", "int32", WORD, NULL},
    {"torch", "int16", WORD, NULL},
    {"torch", "int8", WORD, NULL},
    {"torch", "uint8", WORD, NULL},
    {"torch", "bool", WORD, NULL},
    {"torch", "complex32", WORD, NULL},
    {"torch", "complex64", WORD, NULL},
    {"torch", "complex128", WORD, NULL},
    {"torch", "qint8", WORD, NULL},
    {"torch", "quint8", WORD, NULL},
    {"torch", "qint32", WORD, NULL},
    {"torch", "quint4x2", WORD, NULL},
    {"torch", "quint2x4", WORD, NULL},
    {"torch", "uint16", WORD, "U16"},
    {"torch", "uint32", WORD, "U32"},
    {"torch", "uint64", WORD, "U64"},
    {"torch", "float8_e4m3fn", WORD, "F8_E4M3"},
    {"torch", "float8_e5m2", WORD, "F8_E5M2"},
    {"torch", "float8_e4m3fnuz", WORD, "F8_E4M3FNUZ"},
    {"torch", "float8_e5m2fnuz", WORD, "F8_E5M2FNUZ"},
    {"torch", "float8_e8m0fnu", WORD, "F8_E8M0"},
    {"torch", "per_tensor_affine", WORD, NULL},
    {"torch", "per_tensor_symmetric", WORD, NULL},
    {"torch", "per_channel_affine", WORD, NULL},
    {"torch", "per_channel_symmetric", WORD, NULL},
    {"torch", "per_channel_affine_float_qparams", WORD, NULL},
};

const char *t2i_pickle_torch_kind_name(const t2i_py *value)
{
    if ((int)value->kind == KIND_FUNCTION) return "function";
    if ((int)value->kind == KIND_STORAGE) return "storage";
    if ((int)value->kind == KIND_PARAMETER) return "parameter without data";
    return t2i_py_kind_name(value);
}

t2i_status t2i_pickle_torch_global(t2i_pickle_reader *r, const char *module, const char *name,
                                   t2i_py **out)
{
    /* only tables of old files contain types of tensors; the device is ignored there */
    if (r->kind == T2I_PICKLE_TABLE && strcmp(module, "torch.cuda") == 0) module = "torch";
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(functions[i].module, module) != 0 || strcmp(functions[i].name, name) != 0)
            continue;
        char text[64];
        int size = snprintf(text, sizeof text, "%s.%s", module, name);
        *out = t2i_py_text(r->to->arena, text, (size_t)size); /* the name of a WORD */
        if (*out == NULL) return T2I_OK;
        (*out)->kind = (t2i_py_kind)KIND_FUNCTION;
        (*out)->integer = (int64_t)i;
        return T2I_OK;
    }
    return t2i_pickle_reader_refuse(r,
                                    "it uses %.200s.%.200s, which is not allowed: only plain "
                                    "weights are read (save a state_dict)",
                                    module, name);
}

static int is(const t2i_py *value, t2i_py_kind kind)
{
    return value->kind == kind;
}

static int is_function(const t2i_py *value, function what)
{
    return (int)value->kind == KIND_FUNCTION && functions[value->integer].what == what;
}

/* Is it an integer of at least 0? */
static int as_count(const t2i_py *value, uint64_t *out)
{
    if (!is(value, T2I_PY_INT) || value->integer < 0) return 0;
    *out = (uint64_t)value->integer;
    return 1;
}

/* Sets *out to a * b; 0 when it overflows. */
static int multiply(uint64_t a, uint64_t b, uint64_t *out)
{
    *out = a * b;
    return a == 0 || *out / a == b;
}

/* ---- storages ---- */

/* Slot of a key in the hash table: the one that has it, or the free one for it. */
static size_t place_of(const t2i_pickle *p, const char *key, size_t size, size_t *steps)
{
    size_t at = (size_t)t2i_hash_64(key, size) & (p->slots - 1);
    for (*steps = 0; p->slot[at] != 0; at = (at + 1) & (p->slots - 1), ++*steps) {
        const t2i_pickle_storage *s = &p->storage[p->slot[at] - 1];
        if (s->size == size && memcmp(s->key, key, size) == 0) break;
    }
    return at;
}

size_t t2i_pickle_torch_find(const t2i_pickle *pickle, const char *key, size_t size)
{
    size_t steps;
    if (pickle->slots == 0) return SIZE_MAX;
    return pickle->slot[place_of(pickle, key, size, &steps)] - 1; /* 0 - 1: none */
}

/* Makes room for one more storage, and keeps the hash table at most half full. */
static int make_room(t2i_pickle *p)
{
    if (p->storages < p->room) return 1;
    size_t room = p->room == 0 ? 64 : p->room * 2, steps;
    if (t2i_grow(&p->storage, p->room, room, sizeof *p->storage) != 0) return 0;
    p->room = room;
    size_t *slot = t2i_alloc(2 * room, sizeof *slot);
    if (slot == NULL) return 0;
    t2i_free(p->slot);
    p->slot = slot;
    p->slots = 2 * room;
    for (size_t i = 0; i < p->storages; i++)
        p->slot[place_of(p, p->storage[i].key, p->storage[i].size, &steps)] = i + 1;
    return 1;
}

size_t t2i_pickle_torch_add(t2i_pickle *p, const t2i_py *key, const char *dtype, uint64_t count,
                            size_t *steps)
{
    if (!make_room(p)) return SIZE_MAX;
    size_t place = place_of(p, key->text, key->size, steps);
    if (p->slot[place] == 0) {
        p->storage[p->storages++] = (t2i_pickle_storage){
            .key = key->text, .size = key->size, .dtype = dtype, .count = count};
        p->slot[place] = p->storages;
    }
    return p->slot[place] - 1;
}

t2i_py *t2i_pickle_torch_storage_value(t2i_pickle *pickle, size_t index, uint64_t begin,
                                       uint64_t count)
{
    t2i_py *value = t2i_py_value(pickle->arena, (t2i_py_kind)KIND_STORAGE);
    if (value != NULL)
        value->tensor = (t2i_py_tensor){.dtype = pickle->storage[index].dtype,
                                        .offset = begin,
                                        .count = count,
                                        .storage = index};
    return value;
}

const char *t2i_pickle_torch_dtype(const t2i_py *value)
{
    return is_function(value, STORAGE_TYPE) ? functions[value->integer].dtype : NULL;
}

/* The persistent id is the number of a value, or its digits as a string. */
static t2i_status find_named(t2i_pickle_reader *r, const t2i_py *id, t2i_py **out)
{
    char *end = NULL;
    int64_t key = id->integer;
    if (is(id, T2I_PY_TEXT)) key = strtoll(id->text, &end, 10);
    if (!is(id, T2I_PY_INT) && (end == NULL || end == id->text || *end != '\0'))
        return t2i_pickle_reader_refuse(r, "a persistent id is not that of a tensor");
    size_t low = 0, high = r->to->names;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        *out = r->to->named[middle].value;
        if (r->to->named[middle].key == key) return T2I_OK;
        if (r->to->named[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return t2i_pickle_reader_refuse(r, "it refers to a tensor that does not exist");
}

/* ('storage', type, key, location, count); in a stream followed by a view (key, offset, count) or
 * None. Type and count must be equal for all uses of a key. */
t2i_status t2i_pickle_torch_persistent(t2i_pickle_reader *r, const t2i_py *id, t2i_py **out)
{
    uint64_t count, bytes, begin = 0, seen;
    size_t items = r->kind == T2I_PICKLE_ZIP ? 5 : 6, steps = 0;
    if (r->kind == T2I_PICKLE_NAMED) return find_named(r, id, out);
    if (r->kind == T2I_PICKLE_PLAIN || r->kind == T2I_PICKLE_TABLE)
        return t2i_pickle_reader_refuse(r, "it has tensors where only plain values are allowed");
    if (!is(id, T2I_PY_TUPLE) || id->size != items || !is(id->item[0], T2I_PY_TEXT) ||
        strcmp(id->item[0]->text, "storage") != 0 || !is_function(id->item[1], STORAGE_TYPE) ||
        !is(id->item[2], T2I_PY_TEXT) || !is(id->item[3], T2I_PY_TEXT))
        return t2i_pickle_reader_refuse(r, "a persistent id is not that of a storage");
    const char *dtype = t2i_pickle_torch_dtype(id->item[1]);
    if (!as_count(id->item[4], &count) || !multiply(count, t2i_dtype_size(dtype), &bytes))
        return t2i_pickle_reader_refuse(r, "the size of a storage is impossible");
    seen = count;
    if (items == 6 && !is(id->item[5], T2I_PY_NONE)) {
        const t2i_py *view = id->item[5];
        if (!is(view, T2I_PY_TUPLE) || view->size != 3 || !as_count(view->item[1], &begin) ||
            !as_count(view->item[2], &seen) || begin > count || seen > count - begin)
            return t2i_pickle_reader_refuse(r, "a view of a storage extends beyond it");
    }
    size_t index = t2i_pickle_torch_add(r->to, id->item[2], dtype, count, &steps);
    if (index == SIZE_MAX) return t2i_fail_memory(r->err, 1, "a list of storages");
    T2I_TRY(t2i_pickle_reader_count_items(
        r, steps)); /* so that colliding keys cost no more than others */
    const t2i_pickle_storage *s = &r->to->storage[index];
    if (s->count != count || (count > 0 && strcmp(s->dtype, dtype) != 0))
        return t2i_pickle_reader_refuse(r, "storage %.100s has two types or sizes", s->key);
    *out = t2i_pickle_torch_storage_value(r->to, index, begin, seen);
    return T2I_OK;
}

/* ---- tensors ---- */

/* Are all elements of the view within a storage of `count` elements? */
static int within(const t2i_py_tensor *t, uint64_t count)
{
    uint64_t last = t->offset, step;
    for (size_t i = 0; i < t->dims; i++) {
        if (!multiply(t->dim[i] - 1, t->stride[i], &step) || step > UINT64_MAX - last) return 0;
        last += step;
    }
    return last < count;
}

t2i_py *t2i_pickle_torch_view(t2i_pickle *pickle, const t2i_py *storage, const t2i_py_tensor *shape,
                              const char **problem)
{
    t2i_py_tensor t = *shape;
    t.dtype = storage->tensor.dtype;
    t.storage = storage->tensor.storage;
    t.count = 1;
    int empty = 0;
    for (size_t i = 0; i < t.dims; i++) empty |= t.dim[i] == 0;
    *problem = "the shape of a tensor is impossible";
    for (size_t i = 0; i < t.dims; i++)
        if (!multiply(t.count, t.dim[i], &t.count)) return NULL;
    *problem = "a tensor extends beyond its storage";
    if (empty)
        t.offset = 0;
    else if (!within(&t, storage->tensor.count))
        return NULL;
    t.offset += storage->tensor.offset;
    *problem = NULL;
    t2i_py *value = t2i_py_value(pickle->arena, T2I_PY_TENSOR);
    if (value != NULL) value->tensor = t;
    return value;
}

/* Hooks are absent: an empty dict or None. */
static int no_hooks(const t2i_py *value)
{
    return is(value, T2I_PY_NONE) || (is(value, T2I_PY_DICT) && value->size == 0);
}

/* Makes a tensor of a storage from its offset, size and strides. */
static t2i_status make_tensor(t2i_pickle_reader *r, const t2i_py *storage, t2i_py *const *place,
                              t2i_py **out)
{
    const char *problem;
    const t2i_py *size = place[1], *stride = place[2];
    if ((int)storage->kind != KIND_STORAGE || !is(size, T2I_PY_TUPLE) || !is(stride, T2I_PY_TUPLE))
        return t2i_pickle_reader_refuse(r, "a tensor has arguments of wrong types");
    if (size->size != stride->size || size->size > T2I_PY_DIMS)
        return t2i_pickle_reader_refuse(r,
                                        "a tensor has %zu dimensions and %zu strides (at most %d)",
                                        size->size, stride->size, T2I_PY_DIMS);
    t2i_py_tensor t = {.dims = size->size};
    int sound = as_count(place[0], &t.offset);
    for (size_t i = 0; i < t.dims && sound; i++)
        sound = as_count(size->item[i], &t.dim[i]) && as_count(stride->item[i], &t.stride[i]);
    if (!sound)
        return t2i_pickle_reader_refuse(r, "the shape or strides of a tensor are impossible");
    *out = t2i_pickle_torch_view(r->to, storage, &t, &problem);
    return problem == NULL ? T2I_OK : t2i_pickle_reader_refuse(r, "%s", problem);
}

/* (storage, offset, size, stride[, requires_grad, hooks[, metadata]]) */
static t2i_status rebuild_tensor(t2i_pickle_reader *r, const t2i_py *args, t2i_py **out)
{
    if (args->size != 4 && args->size != 6 && args->size != 7)
        return t2i_pickle_reader_refuse(r, "a tensor has %zu arguments", args->size);
    if (args->size > 4 && !is(args->item[4], T2I_PY_BOOL))
        return t2i_pickle_reader_refuse(r, "a tensor has arguments of wrong types");
    if (args->size > 4 && !no_hooks(args->item[5]))
        return t2i_pickle_reader_refuse(r, "a tensor has hooks");
    if (args->size == 7 && !no_hooks(args->item[6]))
        return t2i_pickle_reader_refuse(r, "a tensor is marked as negated or conjugated");
    return make_tensor(r, args->item[0], args->item + 1, out);
}

/* (untyped storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]): of a type that
 * has no storage type, which are no types of weights. Its offset counts elements. */
static t2i_status rebuild_typed_tensor(t2i_pickle_reader *r, const t2i_py *args, t2i_py **out)
{
    if ((args->size != 7 && args->size != 8) || (int)args->item[0]->kind != KIND_STORAGE ||
        !is_function(args->item[6], WORD) || functions[args->item[6]->integer].dtype == NULL)
        return t2i_pickle_reader_refuse(r, "a tensor has arguments of wrong types");
    if (args->size == 8 && !no_hooks(args->item[7]))
        return t2i_pickle_reader_refuse(r, "a tensor is marked as negated or conjugated");
    t2i_py storage = *args->item[0];
    size_t wide = t2i_dtype_size(functions[args->item[6]->integer].dtype);
    if (t2i_dtype_size(storage.tensor.dtype) != 1 || storage.tensor.offset % wide != 0)
        return t2i_pickle_reader_refuse(r, "a tensor has arguments of wrong types");
    storage.tensor.dtype = functions[args->item[6]->integer].dtype;
    storage.tensor.count /= wide;
    storage.tensor.offset /= wide;
    return make_tensor(r, &storage, args->item + 1, out);
}

/* Files of 2016 and 2017: Parameter() and BUILD with (data, gradient, hooks, requires_grad,
 * volatile), or Parameter(data) and BUILD with (requires_grad, volatile, hooks). */
static t2i_status old_parameter(t2i_pickle_reader *r, const t2i_py *args, t2i_py **out)
{
    if (args->size > 2 || (args->size > 0 && !is(args->item[0], T2I_PY_TENSOR)) ||
        (args->size > 1 && !is(args->item[1], T2I_PY_BOOL)))
        return t2i_pickle_reader_refuse(r, "a parameter has unexpected arguments");
    *out = t2i_py_value(r->to->arena, (t2i_py_kind)KIND_PARAMETER);
    if (*out != NULL && args->size > 0) **out = *args->item[0];
    return T2I_OK;
}

static t2i_status build_parameter(t2i_pickle_reader *r, t2i_py *value, const t2i_py *state)
{
    int whole = (int)value->kind == KIND_PARAMETER;
    if (!is(state, T2I_PY_TUPLE) || state->size != (whole ? 5 : 3) || !no_hooks(state->item[2]) ||
        (whole && !is(state->item[0], T2I_PY_TENSOR)))
        return t2i_pickle_reader_refuse(r, "a parameter has unexpected attributes");
    if (whole) *value = *state->item[0];
    return T2I_OK;
}

/* ---- functions ---- */

/* OrderedDict(), or OrderedDict([[key, value], ...]) of Python 2. */
static t2i_status ordered_dict(t2i_pickle_reader *r, const t2i_py *args, t2i_py **out)
{
    t2i_py *dict = *out = t2i_py_dict(r->to->arena, 1);
    if (args->size == 0) return T2I_OK;
    const t2i_py *pairs = args->item[0];
    if (args->size != 1 || !is(pairs, T2I_PY_LIST))
        return t2i_pickle_reader_refuse(r, "an OrderedDict is not made of pairs");
    T2I_TRY(t2i_pickle_reader_count_items(r, pairs->size + 1));
    for (size_t i = 0; i < pairs->size; i++) {
        const t2i_py *pair = pairs->item[i];
        if ((!is(pair, T2I_PY_LIST) && !is(pair, T2I_PY_TUPLE)) || pair->size != 2)
            return t2i_pickle_reader_refuse(r, "an OrderedDict is not made of pairs");
        t2i_py_set_pair(r->to->arena, dict, pair->item[0], pair->item[1]);
    }
    return t2i_py_arena_failed(r->to->arena) ? t2i_fail_memory(r->err, 1, "a dict") : T2I_OK;
}

/* The text of an argument; NULL if there is none. */
static const t2i_py *text_argument(const t2i_py *args, size_t index)
{
    return args->size > index && is(args->item[index], T2I_PY_TEXT) ? args->item[index] : NULL;
}

/* Values of a few functions that are kept in a plain form: a shape as a tuple, a set as a list, the
 * others as texts. */
static t2i_status plain_value(t2i_pickle_reader *r, const t2i_py *what, const t2i_py *args,
                              t2i_py **out)
{
    const t2i_py *text = text_argument(args, 0);
    char made[100];
    *out = NULL;
    switch (functions[what->integer].what) {
    case COUNTER:
        if (args->size == 0) *out = t2i_py_dict(r->to->arena, 0);
        if (args->size == 1 && is(args->item[0], T2I_PY_DICT)) *out = args->item[0];
        break;
    case SHAPE:
        if (args->size == 1 && is(args->item[0], T2I_PY_TUPLE)) *out = args->item[0];
        break;
    case SET:
        if (args->size == 1 && is(args->item[0], T2I_PY_LIST)) *out = args->item[0];
        break;
    case SPARSE_TENSOR: /* layout and parts: no tensor that weights could be */
        if (args->size == 2 && is(args->item[1], T2I_PY_TUPLE)) *out = args->item[1];
        break;
    case META_TENSOR:
        *out = r->to->none;
        break;
    case BYTES:
        if (args->size == 0) *out = t2i_py_text(r->to->arena, "", 0);
        if (text != NULL) *out = args->item[0];
        break;
    case LAYOUT:
        if (text != NULL) *out = args->item[0];
        break;
    case DEVICE:
        if (text != NULL && args->size == 1) *out = args->item[0];
        if (text == NULL || args->size != 2 || !is(args->item[1], T2I_PY_INT)) break;
        snprintf(made, sizeof made, "%.50s:%lld", text->text, (long long)args->item[1]->integer);
        *out = t2i_py_text(r->to->arena, made, strlen(made));
        break;
    case COMPLEX:
        if (args->size != 2 || !is(args->item[0], T2I_PY_FLOAT) || !is(args->item[1], T2I_PY_FLOAT))
            break;
        snprintf(made, sizeof made, "(%.9g%+.9gj)", args->item[0]->real, args->item[1]->real);
        *out = t2i_py_text(r->to->arena, made, strlen(made));
        break;
    default:
        return t2i_pickle_reader_refuse(r, "it calls a %s", t2i_pickle_torch_kind_name(what));
    }
    if (*out != NULL) return T2I_OK;
    return t2i_pickle_reader_refuse(r, "%s.%s has unexpected arguments",
                                    functions[what->integer].module, functions[what->integer].name);
}

/* (function, type, arguments, attributes): a tensor with attributes, which are ignored. */
static t2i_status rebuild_subclass(t2i_pickle_reader *r, const t2i_py *args, t2i_py **out)
{
    if (args->size != 4 || (int)args->item[0]->kind != KIND_FUNCTION ||
        is_function(args->item[0], SUBCLASS) ||
        !(is_function(args->item[1], WORD) || is_function(args->item[1], OLD_PARAMETER)))
        return t2i_pickle_reader_refuse(r, "a tensor has arguments of wrong types");
    return t2i_pickle_torch_reduce(r, args->item[0], args->item[2], out);
}

t2i_status t2i_pickle_torch_reduce(t2i_pickle_reader *r, const t2i_py *what, const t2i_py *args,
                                   t2i_py **out)
{
    if (!is(args, T2I_PY_TUPLE))
        return t2i_pickle_reader_refuse(r, "a function's arguments are a %s",
                                        t2i_pickle_torch_kind_name(args));
    if (is_function(what, ORDERED_DICT)) return ordered_dict(r, args, out);
    if (is_function(what, TENSOR)) return rebuild_tensor(r, args, out);
    if (is_function(what, TYPED_TENSOR)) return rebuild_typed_tensor(r, args, out);
    if (is_function(what, OLD_PARAMETER)) return old_parameter(r, args, out);
    if (is_function(what, SUBCLASS)) return rebuild_subclass(r, args, out);
    if (is_function(what, QUANTIZED_TENSOR) && args->size == 7)
        return make_tensor(r, args->item[0], args->item + 1, out);
    if (is_function(what, COPIED_TENSOR) && args->size == 4 && is(args->item[0], T2I_PY_TENSOR)) {
        *out = args->item[0];
        return T2I_OK;
    }
    if ((int)what->kind != KIND_FUNCTION)
        return t2i_pickle_reader_refuse(r, "it calls a %s", t2i_pickle_torch_kind_name(what));
    if (!is_function(what, PARAMETER)) return plain_value(r, what, args, out);
    /* the attributes of a fourth argument are ignored */
    if ((args->size != 3 && args->size != 4) || !is(args->item[0], T2I_PY_TENSOR) ||
        !is(args->item[1], T2I_PY_BOOL) || !no_hooks(args->item[2]))
        return t2i_pickle_reader_refuse(r, "a parameter has unexpected arguments");
    *out = args->item[0];
    return T2I_OK;
}

/* The attributes of a state_dict, mostly {'_metadata': versions of modules}, are ignored. */
t2i_status t2i_pickle_torch_build(t2i_pickle_reader *r, t2i_py *value, const t2i_py *state,
                                  t2i_py **out)
{
    *out = value;
    if (is(value, T2I_PY_TENSOR) || (int)value->kind == KIND_PARAMETER)
        return build_parameter(r, value, state);
    if (!is(value, T2I_PY_DICT) || !value->ordered)
        return t2i_pickle_reader_refuse(r, "it sets attributes of a %s",
                                        t2i_pickle_torch_kind_name(value));
    if (!is(state, T2I_PY_DICT))
        return t2i_pickle_reader_refuse(r, "the attributes of an OrderedDict are not a dict");
    return T2I_OK;
}

/* ---- the result ---- */

static int sign(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Order of the kinds of keys: True and 1 are equal in Python. */
static int key_order(const t2i_py *key)
{
    switch (key->kind) {
    case T2I_PY_NONE:
        return 0;
    case T2I_PY_BOOL:
    case T2I_PY_INT:
        return 1;
    case T2I_PY_FLOAT:
        return 2;
    case T2I_PY_TEXT:
        return 3;
    default:
        return 4; /* a tuple */
    }
}

static int by_place(const void *a, const void *b)
{
    const t2i_py *x = *(t2i_py *const *)a, *y = *(t2i_py *const *)b;
    return ((uintptr_t)x > (uintptr_t)y) - ((uintptr_t)x < (uintptr_t)y);
}

/* Tuples count as distinct. */
static int by_key(const void *a, const void *b)
{
    const t2i_py *x = *(t2i_py *const *)a, *y = *(t2i_py *const *)b;
    int which = key_order(x);
    if (which != key_order(y)) return which - key_order(y);
    if (which == 0) return 0;
    if (which == 1) return sign(x->integer, y->integer);
    if (which == 2) return memcmp(&x->real, &y->real, sizeof x->real);
    if (which == 4) return by_place(a, b);
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* What stands for itself: a name such as torch.float32 becomes a text, a storage a tensor. */
static void keep(const t2i_pickle_reader *r, t2i_py *value)
{
    if (is_function(value, WORD) ||
        (is_function(value, TENSOR_TYPE) && r->kind != T2I_PICKLE_TABLE))
        value->kind = T2I_PY_TEXT;
    if ((int)value->kind != KIND_STORAGE) return;
    value->kind = T2I_PY_TENSOR;
    value->tensor.dims = 1;
    value->tensor.dim[0] = value->tensor.count;
    value->tensor.stride[0] = 1;
}

/* A key that is there twice; NULL if there is none. Keys that are one value go first: a long text
 * may be recalled by two bytes, and would be compared as often. */
static const t2i_py *find_twice(t2i_py **key, size_t count)
{
    static int (*const order[])(const void *, const void *) = {by_place, by_key};
    for (size_t pass = 0; pass < 2; pass++) {
        qsort(key, count, sizeof *key, order[pass]);
        for (size_t i = 0; i + 1 < count; i++)
            if (order[pass](&key[i], &key[i + 1]) == 0) return key[i];
    }
    return NULL;
}

static t2i_status check_keys(t2i_pickle_reader *r, const t2i_py *dict)
{
    for (size_t i = 0; i < dict->size; i++) {
        const t2i_py *key = dict->key[i];
        keep(r, dict->key[i]);
        if (key->kind > T2I_PY_TUPLE || is(key, T2I_PY_LIST))
            return t2i_pickle_reader_refuse(r, "a dict has a %s as key",
                                            t2i_pickle_torch_kind_name(key));
    }
    if (dict->size < 2) return T2I_OK;
    t2i_py **sorted = t2i_alloc(dict->size, sizeof *sorted);
    if (sorted == NULL) return t2i_fail_memory(r->err, dict->size * sizeof *sorted, "keys");
    memcpy(sorted, dict->key, dict->size * sizeof *sorted);
    const t2i_py *twice = find_twice(sorted, dict->size);
    t2i_status status = T2I_OK;
    if (twice != NULL && is(twice, T2I_PY_TEXT))
        status = t2i_pickle_reader_refuse(r, "a dict has the key %.200s twice", twice->text);
    else if (twice != NULL)
        status = t2i_pickle_reader_refuse(r, "a dict has a key twice");
    t2i_free(sorted);
    return status;
}

static t2i_status visit(t2i_pickle_reader *r, t2i_py *value, int depth, size_t *visits)
{
    if (++*visits > VISITS_MAX)
        return t2i_pickle_reader_refuse(r, "its tree has more than %d values", VISITS_MAX);
    if (*visits > allowance(r)) return t2i_pickle_reader_refuse(r, "parts of it occur too often");
    keep(r, value);
    if (value->kind > T2I_PY_TENSOR &&
        !(r->kind == T2I_PICKLE_TABLE && (int)value->kind == KIND_FUNCTION))
        return t2i_pickle_reader_refuse(r, "a %s stands in place of a value",
                                        t2i_pickle_torch_kind_name(value));
    if (!is(value, T2I_PY_LIST) && !is(value, T2I_PY_TUPLE) && !is(value, T2I_PY_DICT))
        return T2I_OK;
    if (depth > DEPTH_MAX)
        return t2i_pickle_reader_refuse(r, "it is deeper than %d levels, or contains itself",
                                        DEPTH_MAX);
    if (is(value, T2I_PY_DICT) && !value->seen) {
        value->seen = 1;
        T2I_TRY(check_keys(r, value));
    }
    for (size_t i = 0; i < value->size; i++) T2I_TRY(visit(r, value->item[i], depth + 1, visits));
    return T2I_OK;
}

t2i_status t2i_pickle_torch_check_tree(t2i_pickle_reader *r, t2i_py *root)
{
    size_t visits = 0;
    return visit(r, root, 1, &visits);
}
