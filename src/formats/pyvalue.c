#include "formats/pyvalue.h"

#include <string.h>

#include "base/mem.h"

enum { FIRST = 2048, LARGEST = 1 << 20, ALIGN = 16 };

typedef struct chunk chunk;
struct chunk {
    chunk *before;
    size_t used, room; /* bytes after the head */
};

struct t2i_py_arena {
    chunk *last;
    int failed;
};

t2i_py_arena *t2i_py_arena_new(void)
{
    return t2i_alloc(1, sizeof(t2i_py_arena));
}

void t2i_py_arena_free(t2i_py_arena *arena)
{
    if (arena == NULL) return;
    for (chunk *c = arena->last, *before; c != NULL; c = before) {
        before = c->before;
        t2i_free(c);
    }
    t2i_free(arena);
}

int t2i_py_arena_failed(const t2i_py_arena *arena)
{
    return arena->failed;
}

/* Allocates zeroed memory in the arena. Chunks double in size, so that small trees stay small. */
static void *take(t2i_py_arena *arena, size_t count, size_t size)
{
    const size_t head = (sizeof(chunk) + ALIGN - 1) / ALIGN * ALIGN;
    if (arena->failed) return NULL;
    if (count > SIZE_MAX / 4 / size) {
        arena->failed = 1;
        return NULL;
    }
    size_t bytes = (count * size + ALIGN - 1) / ALIGN * ALIGN;
    chunk *c = arena->last;
    if (c == NULL || bytes > c->room - c->used) {
        size_t room = c == NULL ? FIRST : c->room < LARGEST ? c->room * 2 : LARGEST;
        if (room < bytes) room = bytes;
        c = t2i_alloc(head + room, 1);
        if (c == NULL) {
            arena->failed = 1;
            return NULL;
        }
        *c = (chunk){arena->last, 0, room};
        arena->last = c;
    }
    void *out = (char *)c + head + c->used;
    c->used += bytes;
    return out;
}

t2i_py *t2i_py_value(t2i_py_arena *arena, t2i_py_kind kind)
{
    t2i_py *value = take(arena, 1, sizeof *value);
    if (value != NULL) value->kind = kind;
    return value;
}

t2i_py *t2i_py_none(t2i_py_arena *arena)
{
    return t2i_py_value(arena, T2I_PY_NONE);
}

t2i_py *t2i_py_bool(t2i_py_arena *arena, int value)
{
    t2i_py *out = t2i_py_value(arena, T2I_PY_BOOL);
    if (out != NULL) out->integer = value != 0;
    return out;
}

t2i_py *t2i_py_int(t2i_py_arena *arena, int64_t value)
{
    t2i_py *out = t2i_py_value(arena, T2I_PY_INT);
    if (out != NULL) out->integer = value;
    return out;
}

t2i_py *t2i_py_float(t2i_py_arena *arena, double value)
{
    t2i_py *out = t2i_py_value(arena, T2I_PY_FLOAT);
    if (out != NULL) out->real = value;
    return out;
}

char *t2i_py_room(t2i_py_arena *arena, size_t size)
{
    return size < SIZE_MAX ? take(arena, size + 1, 1) : NULL;
}

t2i_py *t2i_py_text(t2i_py_arena *arena, const char *utf8, size_t size)
{
    t2i_py *out = t2i_py_value(arena, T2I_PY_TEXT);
    char *text = t2i_py_room(arena, size);
    if (out == NULL || text == NULL) return NULL;
    if (size > 0) memcpy(text, utf8, size);
    out->text = text;
    out->size = size;
    return out;
}

t2i_py *t2i_py_list(t2i_py_arena *arena)
{
    return t2i_py_value(arena, T2I_PY_LIST);
}

t2i_py *t2i_py_tuple(t2i_py_arena *arena)
{
    return t2i_py_value(arena, T2I_PY_TUPLE);
}

t2i_py *t2i_py_dict(t2i_py_arena *arena, int ordered)
{
    t2i_py *out = t2i_py_value(arena, T2I_PY_DICT);
    if (out != NULL) out->ordered = ordered != 0;
    return out;
}

t2i_py *t2i_py_floats(t2i_py_arena *arena, size_t dims, const uint64_t *dim, const float *data)
{
    t2i_py *out = t2i_py_value(arena, T2I_PY_TENSOR);
    if (out == NULL) return NULL;
    T2I_ASSERT(dims <= T2I_PY_DIMS);
    t2i_py_tensor *tensor = &out->tensor;
    *tensor = (t2i_py_tensor){.dtype = "F32", .dims = dims, .count = 1, .data = data};
    uint64_t stride = 1;
    for (size_t i = dims; i-- > 0;) {
        tensor->dim[i] = dim[i];
        tensor->stride[i] = stride;
        stride *= dim[i] > 0 ? dim[i] : 1; /* as torch does for tensors without elements */
        tensor->count *= dim[i];
    }
    return out;
}

/* Reserves space for one more item (and key); returns 0 if out of memory. */
static int make_room(t2i_py_arena *arena, t2i_py *container)
{
    if (container->size < container->room) return 1;
    size_t room = container->room == 0 ? 4 : container->room * 2;
    t2i_py **item = take(arena, room, sizeof *item);
    t2i_py **key = container->kind == T2I_PY_DICT ? take(arena, room, sizeof *key) : NULL;
    if (item == NULL || (key == NULL && container->kind == T2I_PY_DICT)) return 0;
    if (container->size > 0) memcpy(item, container->item, container->size * sizeof *item);
    if (key != NULL && container->size > 0)
        memcpy(key, container->key, container->size * sizeof *key);
    container->item = item;
    container->key = key;
    container->room = room;
    return 1;
}

void t2i_py_append(t2i_py_arena *arena, t2i_py *container, t2i_py *value)
{
    if (container == NULL || value == NULL || !make_room(arena, container)) {
        arena->failed = 1;
        return;
    }
    T2I_ASSERT(container->kind == T2I_PY_LIST || container->kind == T2I_PY_TUPLE);
    container->item[container->size++] = value;
}

void t2i_py_set_pair(t2i_py_arena *arena, t2i_py *dict, t2i_py *key, t2i_py *value)
{
    if (dict == NULL || key == NULL || value == NULL || !make_room(arena, dict)) {
        arena->failed = 1;
        return;
    }
    T2I_ASSERT(dict->kind == T2I_PY_DICT);
    dict->key[dict->size] = key;
    dict->item[dict->size++] = value;
}

void t2i_py_set(t2i_py_arena *arena, t2i_py *dict, const char *key, t2i_py *value)
{
    t2i_py_set_pair(arena, dict, t2i_py_text(arena, key, strlen(key)), value);
}

const t2i_py *t2i_py_get(const t2i_py *dict, const char *key)
{
    if (dict == NULL || dict->kind != T2I_PY_DICT) return NULL;
    size_t size = strlen(key);
    for (size_t i = 0; i < dict->size; i++) {
        const t2i_py *k = dict->key[i];
        if (k->kind == T2I_PY_TEXT && k->size == size && memcmp(k->text, key, size) == 0)
            return dict->item[i];
    }
    return NULL;
}

const char *t2i_py_kind_name(const t2i_py *value)
{
    static const char *const name[] = {"None", "bool",  "int",  "float", "str",
                                       "list", "tuple", "dict", "tensor"};
    if (value == NULL) return "nothing";
    return (size_t)value->kind < sizeof name / sizeof *name ? name[value->kind] : "something";
}
