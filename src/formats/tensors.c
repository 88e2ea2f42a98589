#include "formats/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "formats/byte_source.h"
#include "base/text.h"
#include "formats/dtype.h"
#include "formats/file_kind.h"
#include "formats/torchfile.h"

enum { NAMES_MAX = 1 << 26, NAME_MAX_BYTES = 4096, HEAD = 16 };
/* Tensors of a torch file may share bytes of the file, and parts of their names. */
enum { MOST_SHARED = 20, LEAST_NAMES = 1 << 16, LEAST_DATA = 1 << 24 };

#define WANTED "a model or another file of tensors (safetensors, torch)"

struct t2i_tensors {
    char *path, *part;    /* part: NULL when not given */
    t2i_torchfile *torch; /* one of st and torch is NULL */
    t2i_st *st;
    t2i_tensor_info *info;
    const t2i_py_tensor **view; /* torch file: the tensor of each info */
    size_t count, room;
    size_t *place;            /* of each info: its number in the file, where a part is given */
    size_t *sorted;           /* indices, sorted by name */
    t2i_text name;            /* torch file: names of all tensors, concatenated */
    uint64_t file_size, data; /* bytes of the file, and of all its tensors */
};

/* State of the walk through a tree. */
typedef struct {
    t2i_tensors *to;
    char name[NAME_MAX_BYTES];
    t2i_error *err;
} walk;

static t2i_status add_tensor(walk *w, const t2i_py_tensor *view)
{
    t2i_tensors *to = w->to;
    if (to->count == to->room) {
        size_t room = to->room == 0 ? 64 : to->room * 2;
        if (t2i_grow(&to->info, to->room, room, sizeof *to->info) != 0 ||
            t2i_grow(&to->view, to->room, room, sizeof *to->view) != 0)
            return t2i_fail_memory(w->err, room * sizeof *to->info, "a list of tensors");
        to->room = room;
    }
    if (to->name.size > NAMES_MAX || to->name.size > MOST_SHARED * to->file_size + LEAST_NAMES)
        return t2i_fail(w->err, T2I_DATA, "%s: the names of its tensors are too long", to->path);
    uint64_t wide = t2i_dtype_bits(view->dtype) / 8 + 1; /* also of types without a name here */
    if (view->count > (MOST_SHARED * to->file_size + LEAST_DATA - to->data) / wide)
        return t2i_fail(w->err, T2I_DATA,
                        "%s: its tensors have more than %d times the bytes of the file", to->path,
                        MOST_SHARED);
    to->data += view->count * wide;
    T2I_TRY(t2i_text_add(&to->name, w->name, strlen(w->name) + 1, w->err));
    t2i_tensor_info *info = &to->info[to->count];
    to->view[to->count++] = view;
    info->dtype = view->dtype;
    info->dims = view->dims;
    memcpy(info->dim, view->dim, sizeof view->dim);
    info->count = view->count;
    return T2I_OK;
}

/* Appends a key to the name at `size`. Returns the new size, or SIZE_MAX if it is too long. */
static size_t add_key(walk *w, size_t size, const t2i_py *key, size_t position)
{
    char number[32];
    const char *text = number;
    snprintf(number, sizeof number, "%zu", position);
    if (key != NULL && key->kind == T2I_PY_TEXT)
        text = key->text;
    else if (key != NULL && key->kind == T2I_PY_INT)
        snprintf(number, sizeof number, "%" PRId64, key->integer);
    else if (key != NULL && key->kind == T2I_PY_FLOAT)
        snprintf(number, sizeof number, "%.17g", key->real);
    else if (key != NULL && key->kind == T2I_PY_TUPLE)
        snprintf(number, sizeof number, "(key %zu)", position);
    else if (key != NULL)
        text = key->kind == T2I_PY_NONE ? "None" : key->integer ? "True" : "False";
    size_t more = strlen(text), dot = size > 0;
    if (more > sizeof w->name - 1 - size - dot) return SIZE_MAX;
    if (dot) w->name[size] = '.';
    memcpy(w->name + size + dot, text, more + 1);
    return size + dot + more;
}

/* Recursive: the depth of the tree is limited (torchfile.h). */
static t2i_status walk_tree(walk *w, const t2i_py *value, size_t size)
{
    if (value->kind == T2I_PY_TENSOR) return add_tensor(w, &value->tensor);
    if (value->kind != T2I_PY_DICT && value->kind != T2I_PY_LIST && value->kind != T2I_PY_TUPLE)
        return T2I_OK;
    for (size_t i = 0; i < value->size; i++) {
        const t2i_py *item = value->item[i];
        if (item->kind < T2I_PY_LIST) continue;
        size_t longer = add_key(w, size, value->kind == T2I_PY_DICT ? value->key[i] : NULL, i);
        if (longer == SIZE_MAX)
            return t2i_fail(w->err, T2I_DATA, "%s: the names of its tensors are too long",
                            w->to->path);
        T2I_TRY(walk_tree(w, item, longer));
        w->name[size] = '\0';
    }
    return T2I_OK;
}

static t2i_status list_torch(t2i_tensors *to, t2i_error *err)
{
    walk *w = t2i_alloc(1, sizeof *w);
    if (w == NULL) return t2i_fail_memory(err, sizeof *w, "the name of a tensor");
    *w = (walk){.to = to, .err = err};
    t2i_status status = walk_tree(w, t2i_torchfile_root(to->torch), 0);
    t2i_free(w);
    const char *name = to->name.data;
    for (size_t i = 0; i < to->count && status == T2I_OK; i++, name += strlen(name) + 1)
        to->info[i].name = name;
    return status;
}

static t2i_status list_st(t2i_tensors *to, t2i_error *err)
{
    size_t count = t2i_st_tensors(to->st);
    to->info = t2i_alloc(count, sizeof *to->info);
    if (to->info == NULL) return t2i_fail_memory(err, count * sizeof *to->info, "tensors");
    for (to->count = 0; to->count < count; to->count++) {
        const t2i_st_tensor *from = t2i_st_at(to->st, to->count);
        t2i_tensor_info *info = &to->info[to->count];
        *info = (t2i_tensor_info){
            .name = from->name, .dtype = from->dtype, .dims = from->dims, .count = from->count};
        memcpy(info->dim, from->dim, sizeof info->dim);
    }
    return T2I_OK;
}

/* What follows PART and a dot in a name, or the whole name if it is PART; NULL: it is elsewhere. */
static const char *below(const char *name, const char *part)
{
    size_t size = strlen(part);
    if (strcmp(part, ".") == 0 || strcmp(name, part) == 0) return name;
    return strncmp(name, part, size) == 0 && name[size] == '.' ? name + size + 1 : NULL;
}

static t2i_status no_such_part(const t2i_tensors *to, size_t count, t2i_error *err)
{
    char list[300] = "";
    for (size_t i = 0, used = 0; i < count && used < 200; i++) {
        const char *name = to->info[i].name;
        int size = (int)strcspn(name, ".");
        if (size > 60 || (i > 0 && strncmp(to->info[i - 1].name, name, (size_t)size + 1) == 0))
            continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.*s", used == 0 ? "" : ", ",
                                 size, name);
    }
    return t2i_fail(err, T2I_DATA, "%s has no part '%.100s'; its parts are %s", to->path, to->part,
                    list);
}

/* Leaves the tensors of the part. */
static t2i_status take_part(t2i_tensors *to, t2i_error *err)
{
    size_t count = to->count;
    if (to->part == NULL) return T2I_OK;
    to->place = t2i_alloc(count, sizeof *to->place);
    if (to->place == NULL) return t2i_fail_memory(err, count * sizeof *to->place, "tensors");
    to->count = 0;
    for (size_t i = 0; i < count; i++)
        if (below(to->info[i].name, to->part) != NULL) to->place[to->count++] = i;
    if (to->count == 0) return no_such_part(to, count, err);
    for (size_t i = 0; i < to->count; i++) {
        to->info[i] = to->info[to->place[i]];
        to->info[i].name = below(to->info[i].name, to->part);
    }
    return T2I_OK;
}

typedef struct {
    const char *name;
    size_t index;
} named;

static int by_name(const void *a, const void *b)
{
    const named *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static t2i_status sort_names(t2i_tensors *to, t2i_error *err)
{
    named *list = t2i_alloc(to->count, sizeof *list);
    to->sorted = t2i_alloc(to->count, sizeof *to->sorted);
    t2i_status status = T2I_OK;
    if (list == NULL || to->sorted == NULL)
        status = t2i_fail_memory(err, to->count * sizeof *list, "names of tensors");
    for (size_t i = 0; i < to->count && status == T2I_OK; i++)
        list[i] = (named){to->info[i].name, i};
    if (status == T2I_OK) qsort(list, to->count, sizeof *list, by_name);
    for (size_t i = 0; i < to->count && status == T2I_OK; i++) {
        to->sorted[i] = list[i].index;
        if (i > 0 && strcmp(list[i - 1].name, list[i].name) == 0)
            status = t2i_fail(err, T2I_DATA, "%s has two tensors with the name %.200s", to->path,
                              list[i].name);
    }
    t2i_free(list);
    return status;
}

static t2i_status open_tensors(t2i_tensors *to, t2i_error *err)
{
    unsigned char head[HEAD];
    t2i_byte_source source;
    if (t2i_fs_is_folder(to->path)) return t2i_file_kind_check(to->path, NULL, WANTED, err);
    T2I_TRY(t2i_byte_source_open(&source, to->path, err));
    size_t size = source.size < HEAD ? (size_t)source.size : HEAD;
    t2i_status status = t2i_byte_source_read(&source, 0, head, size, err);
    to->file_size = source.size;
    t2i_byte_source_close(&source);
    T2I_TRY(status);
    if (t2i_torchfile_is(head, size)) {
        status = t2i_torchfile_open(&to->torch, to->path, err);
        if (status == T2I_DATA) T2I_TRY(t2i_file_kind_check(to->path, "a torch", WANTED, err));
        T2I_TRY(status);
        T2I_TRY(list_torch(to, err));
    } else if (size > 8 && head[8] == '{' && memcmp(head + 4, "\0\0\0", 4) == 0) {
        T2I_TRY(t2i_st_open(&to->st, to->path, err));
        T2I_TRY(list_st(to, err));
    } else {
        return t2i_file_kind_check(to->path, NULL, WANTED, err);
    }
    T2I_TRY(take_part(to, err));
    return sort_names(to, err);
}

/* Cuts PART off the path, unless a file has the whole name. */
static t2i_status split_path(t2i_tensors *to, const char *path, t2i_error *err)
{
    to->path = t2i_fs_copy_path(path, err);
    if (to->path == NULL) return T2I_SYSTEM;
    char *colon = t2i_fs_exists(path) ? NULL : strrchr(to->path, ':');
    if (colon == NULL) return T2I_OK;
    *colon = '\0';
    if (!t2i_fs_exists(to->path) || colon[1] == '\0') {
        *colon = ':';
        return T2I_OK;
    }
    to->part = t2i_fs_copy_path(colon + 1, err);
    return to->part == NULL ? T2I_SYSTEM : T2I_OK;
}

t2i_status t2i_tensors_open(t2i_tensors **out, const char *path, t2i_error *err)
{
    *out = NULL;
    t2i_tensors *to = t2i_alloc(1, sizeof *to);
    if (to == NULL) return t2i_fail_memory(err, sizeof *to, "an open file");
    t2i_status status = split_path(to, path, err);
    if (status == T2I_OK) status = open_tensors(to, err);
    if (status == T2I_OK)
        *out = to;
    else
        t2i_tensors_close(to);
    return status;
}

void t2i_tensors_close(t2i_tensors *tensors)
{
    if (tensors == NULL) return;
    t2i_torchfile_close(tensors->torch);
    t2i_st_close(tensors->st);
    t2i_free(tensors->info);
    t2i_free(tensors->view);
    t2i_free(tensors->place);
    t2i_free(tensors->sorted);
    t2i_text_free(&tensors->name);
    t2i_free(tensors->path);
    t2i_free(tensors->part);
    t2i_free(tensors);
}

size_t t2i_tensors_count(const t2i_tensors *tensors)
{
    return tensors->count;
}

const t2i_tensor_info *t2i_tensors_at(const t2i_tensors *tensors, size_t index)
{
    return index < tensors->count ? &tensors->info[index] : NULL;
}

const t2i_tensor_info *t2i_tensors_find(const t2i_tensors *tensors, const char *name)
{
    size_t low = 0, high = tensors->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const t2i_tensor_info *info = &tensors->info[tensors->sorted[middle]];
        int order = strcmp(name, info->name);
        if (order == 0) return info;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Number of a tensor in the file. */
static size_t place_of(const t2i_tensors *tensors, const t2i_tensor_info *tensor)
{
    size_t index = (size_t)(tensor - tensors->info);
    T2I_ASSERT(index < tensors->count);
    return tensors->place != NULL ? tensors->place[index] : index;
}

t2i_status t2i_tensors_floats(t2i_tensors *tensors, const t2i_tensor_info *tensor, float *out,
                              t2i_error *err)
{
    size_t place = place_of(tensors, tensor);
    if (tensors->st != NULL)
        return t2i_st_floats(tensors->st, t2i_st_at(tensors->st, place), out, err);
    return t2i_torchfile_floats(tensors->torch, tensors->view[place], tensor->name, out, err);
}

t2i_status t2i_tensors_rows(t2i_tensors *tensors, const t2i_tensor_info *tensor, uint64_t first,
                            uint64_t count, float *out, t2i_error *err)
{
    size_t place = place_of(tensors, tensor);
    T2I_ASSERT(tensor->dims == 2 && first <= tensor->dim[0] && count <= tensor->dim[0] - first);
    if (tensors->st != NULL) {
        t2i_st_tensor rows = *t2i_st_at(tensors->st, place);
        uint64_t row = tensor->dim[1] * t2i_dtype_size(tensor->dtype);
        rows.begin += first * row;
        rows.end = rows.begin + count * row;
        return t2i_st_floats(tensors->st, &rows, out, err);
    }
    t2i_py_tensor rows = *tensors->view[place];
    rows.dim[0] = count;
    rows.count = count * rows.dim[1];
    rows.offset += first * rows.stride[0];
    return t2i_torchfile_floats(tensors->torch, &rows, tensor->name, out, err);
}

const char *t2i_tensors_path(const t2i_tensors *tensors)
{
    return tensors->path;
}

const char *t2i_tensors_part(const t2i_tensors *tensors)
{
    return tensors->part;
}

const t2i_py *t2i_tensors_tree(const t2i_tensors *tensors)
{
    return tensors->torch != NULL ? t2i_torchfile_root(tensors->torch) : NULL;
}

const t2i_st *t2i_tensors_st(const t2i_tensors *tensors)
{
    return tensors->st;
}
