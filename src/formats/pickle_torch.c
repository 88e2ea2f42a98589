#include "formats/pickle_torch.h"

#include <stdlib.h>
#include <string.h>

#include "formats/dtype.h"
#include "base/hash.h"
#include "base/mem.h"

enum { DEPTH_MAX = 64, VISITS_MAX = 1000000 };

typedef enum { ORDERED_DICT, TENSOR, PARAMETER, OLD_PARAMETER, STORAGE_TYPE, TENSOR_TYPE } function;

/* The allow-list. Entries marked "old" occur in files of 2016 to 2018. */
static const struct {
    const char *module, *name;
    function what;
    const char *dtype;
} functions[] = {
    {"collections", "OrderedDict", ORDERED_DICT, NULL},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor", TENSOR, NULL}, /* old */
    {"torch._utils", "_rebuild_parameter", PARAMETER, NULL},
    {"torch.nn.parameter", "Parameter", OLD_PARAMETER, NULL},
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
    {"torch", "FloatTensor", TENSOR_TYPE, "F32"},
    {"torch", "DoubleTensor", TENSOR_TYPE, "F64"},
    {"torch", "HalfTensor", TENSOR_TYPE, "F16"},
    {"torch", "LongTensor", TENSOR_TYPE, "I64"},
    {"torch", "IntTensor", TENSOR_TYPE, "I32"},
    {"torch", "ShortTensor", TENSOR_TYPE, "I16"},
    {"torch", "CharTensor", TENSOR_TYPE, "I8"},
    {"torch", "ByteTensor", TENSOR_TYPE, "U8"},
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
        if (functions[i].what == TENSOR_TYPE && r->kind != T2I_PICKLE_TABLE) break;
        *out = t2i_py_value(r->to->arena, (t2i_py_kind)KIND_FUNCTION);
        if (*out != NULL) (*out)->integer = (int64_t)i;
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

/* (storage, offset, size, stride[, requires_grad, hooks[, metadata]]) */
static t2i_status rebuild_tensor(t2i_pickle_reader *r, const t2i_py *args, t2i_py **out)
{
    const char *problem;
    if (args->size != 4 && args->size != 6 && args->size != 7)
        return t2i_pickle_reader_refuse(r, "a tensor has %zu arguments", args->size);
    const t2i_py *storage = args->item[0], *size = args->item[2], *stride = args->item[3];
    if ((int)storage->kind != KIND_STORAGE || !is(size, T2I_PY_TUPLE) ||
        !is(stride, T2I_PY_TUPLE) || (args->size > 4 && !is(args->item[4], T2I_PY_BOOL)))
        return t2i_pickle_reader_refuse(r, "a tensor has arguments of wrong types");
    if (args->size > 4 && !no_hooks(args->item[5]))
        return t2i_pickle_reader_refuse(r, "a tensor has hooks");
    if (args->size == 7 && !no_hooks(args->item[6]))
        return t2i_pickle_reader_refuse(r, "a tensor is marked as negated or conjugated");
    if (size->size != stride->size || size->size > T2I_PY_DIMS)
        return t2i_pickle_reader_refuse(r,
                                        "a tensor has %zu dimensions and %zu strides (at most %d)",
                                        size->size, stride->size, T2I_PY_DIMS);
    t2i_py_tensor t = {.dims = size->size};
    int sound = as_count(args->item[1], &t.offset);
    for (size_t i = 0; i < t.dims && sound; i++)
        sound = as_count(size->item[i], &t.dim[i]) && as_count(stride->item[i], &t.stride[i]);
    if (!sound)
        return t2i_pickle_reader_refuse(r, "the shape or strides of a tensor are impossible");
    *out = t2i_pickle_torch_view(r->to, storage, &t, &problem);
    return problem == NULL ? T2I_OK : t2i_pickle_reader_refuse(r, "%s", problem);
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

t2i_status t2i_pickle_torch_reduce(t2i_pickle_reader *r, const t2i_py *what, const t2i_py *args,
                                   t2i_py **out)
{
    if (!is(args, T2I_PY_TUPLE))
        return t2i_pickle_reader_refuse(r, "a function's arguments are a %s",
                                        t2i_pickle_torch_kind_name(args));
    if (is_function(what, ORDERED_DICT)) return ordered_dict(r, args, out);
    if (is_function(what, TENSOR)) return rebuild_tensor(r, args, out);
    if (is_function(what, OLD_PARAMETER)) return old_parameter(r, args, out);
    if (!is_function(what, PARAMETER))
        return t2i_pickle_reader_refuse(r, "it calls a %s", t2i_pickle_torch_kind_name(what));
    if (args->size != 3 || !is(args->item[0], T2I_PY_TENSOR) || !is(args->item[1], T2I_PY_BOOL) ||
        !no_hooks(args->item[2]))
        return t2i_pickle_reader_refuse(r, "a parameter has unexpected arguments");
    *out = args->item[0];
    return T2I_OK;
}

/* The attributes of a state_dict are {'_metadata': versions of modules}, which are ignored. */
t2i_status t2i_pickle_torch_build(t2i_pickle_reader *r, t2i_py *value, const t2i_py *state,
                                  t2i_py **out)
{
    *out = value;
    if (is(value, T2I_PY_TENSOR) || (int)value->kind == KIND_PARAMETER)
        return build_parameter(r, value, state);
    if (!is(value, T2I_PY_DICT) || !value->ordered)
        return t2i_pickle_reader_refuse(r, "it sets attributes of a %s",
                                        t2i_pickle_torch_kind_name(value));
    if (!is(state, T2I_PY_DICT) || state->size != 1 || t2i_py_get(state, "_metadata") == NULL)
        return t2i_pickle_reader_refuse(r, "an OrderedDict has attributes other than _metadata");
    return T2I_OK;
}

/* ---- the result ---- */

static int sign(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* True and 1 are equal keys in Python. */
static int by_key(const void *a, const void *b)
{
    const t2i_py *x = *(t2i_py *const *)a, *y = *(t2i_py *const *)b;
    int none = is(x, T2I_PY_NONE), text = is(x, T2I_PY_TEXT);
    if (none != is(y, T2I_PY_NONE)) return none ? -1 : 1;
    if (text != is(y, T2I_PY_TEXT)) return text ? 1 : -1;
    if (none) return 0;
    if (!text) return sign(x->integer, y->integer);
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static t2i_status check_keys(t2i_pickle_reader *r, const t2i_py *dict)
{
    for (size_t i = 0; i < dict->size; i++) {
        const t2i_py *key = dict->key[i];
        if (!is(key, T2I_PY_TEXT) && !is(key, T2I_PY_INT) && !is(key, T2I_PY_BOOL) &&
            !is(key, T2I_PY_NONE))
            return t2i_pickle_reader_refuse(r, "a dict has a %s as key",
                                            t2i_pickle_torch_kind_name(key));
    }
    if (dict->size < 2) return T2I_OK;
    t2i_py **sorted = t2i_alloc(dict->size, sizeof *sorted);
    if (sorted == NULL) return t2i_fail_memory(r->err, dict->size * sizeof *sorted, "keys");
    memcpy(sorted, dict->key, dict->size * sizeof *sorted);
    qsort(sorted, dict->size, sizeof *sorted, by_key);
    t2i_status status = T2I_OK;
    for (size_t i = 0; i + 1 < dict->size && status == T2I_OK; i++) {
        if (by_key(&sorted[i], &sorted[i + 1]) != 0) continue;
        status =
            is(sorted[i], T2I_PY_TEXT)
                ? t2i_pickle_reader_refuse(r, "a dict has the key %.200s twice", sorted[i]->text)
                : t2i_pickle_reader_refuse(r, "a dict has a key twice");
    }
    t2i_free(sorted);
    return status;
}

static t2i_status visit(t2i_pickle_reader *r, t2i_py *value, int depth, size_t *visits)
{
    if (++*visits > VISITS_MAX)
        return t2i_pickle_reader_refuse(r, "its tree has more than %d values", VISITS_MAX);
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
