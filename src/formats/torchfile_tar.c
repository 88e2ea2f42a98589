/* Tar archives of PyTorch up to 0.1.9, among them torchvision's resnet18-5c106cde. The entries are
 * `sys_info`, a pickle of plain values; `storages`, a table of storages and of views of them;
 * `tensors`, a table of shapes; and `pickle`, the tree, which refers to tensors of the table. A
 * table is a pickle of its number of rows, then for each row a pickle and binary numbers.
 */
#include "formats/torchfile_tar.h"

#include <stdlib.h>
#include <string.h>

#include "formats/pickle_torch.h"
#include "formats/dtype.h"
#include "base/mem.h"

enum { BLOCK = 512, ROWS_MAX = 1 << 16, PAX_MAX = 1 << 14 };

/* Positions of the entries. */
enum { SYS_INFO, PICKLE, TENSORS, STORAGES, ENTRIES };
static const char *const entry_name[ENTRIES] = {"sys_info", "pickle", "tensors", "storages"};

typedef struct {
    t2i_torchfile *file;
    uint64_t begin[ENTRIES], end[ENTRIES]; /* end is 0 until the entry is found */
    size_t room;                           /* allocated size of pickle.named */
    size_t sorted;                         /* number of sorted elements, which can be found */
    t2i_error *err;
} tar;

static t2i_status bad(const tar *t, const char *what)
{
    return t2i_torchfile_common_bad(t->file, what, t->err);
}

/* ---- blocks ---- */

int t2i_torchfile_tar_is(const unsigned char *bytes, size_t size)
{
    return size >= BLOCK && memcmp(bytes + 257, "ustar", 5) == 0;
}

/* Parses an octal number that ends with a space or NUL; returns 0 if it is malformed. */
static int octal(const unsigned char *at, size_t size, uint64_t *out)
{
    size_t i = 0;
    *out = 0;
    while (i < size && at[i] == ' ') i++;
    for (; i < size && at[i] >= '0' && at[i] <= '7'; i++)
        *out = *out << 3 | (uint64_t)(at[i] - '0');
    return i < size && (at[i] == '\0' || at[i] == ' ');
}

/* Does the checksum match: the sum of the header's bytes, with its own field as spaces? */
static int sums_up(const unsigned char block[BLOCK])
{
    uint64_t sum = 0, wanted;
    for (size_t i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : block[i];
    return octal(block + 148, 8, &wanted) && sum == wanted;
}

/* Extended headers may have times of a file, but not another name or size. */
static t2i_status check_extended(const tar *t, uint64_t at, uint64_t size)
{
    static const char *const words[] = {"path=", "size=", "GNU.", "hdrcharset="};
    char text[PAX_MAX + 1] = {0};
    if (size > PAX_MAX) return bad(t, "an extended header is too long");
    T2I_TRY(t2i_byte_source_read(&t->file->source, at, text, (size_t)size, t->err));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(text) != size || strstr(text, words[i]) != NULL)
            return bad(t, "an extended header has a key that is not allowed");
    return T2I_OK;
}

static t2i_status take_entry(tar *t, const unsigned char block[BLOCK], uint64_t at, uint64_t size)
{
    char name[101] = {0};
    memcpy(name, block, 100);
    size_t which = 0;
    while (which < ENTRIES && strcmp(name, entry_name[which]) != 0) which++;
    if (which == ENTRIES || block[345] != '\0' || (block[156] != '0' && block[156] != '\0'))
        return t2i_fail(t->err, T2I_DATA,
                        "%s is a tar archive, but not of torch.save: it has an entry %.100s",
                        t->file->source.name, name);
    if (t->end[which] != 0) return bad(t, "an entry occurs twice");
    t->begin[which] = at;
    t->end[which] = at + size;
    return T2I_OK;
}

static t2i_status find_entries(tar *t)
{
    unsigned char block[BLOCK];
    const t2i_byte_source *source = &t->file->source;
    for (uint64_t at = 0; at < source->size;) {
        uint64_t size, blocks;
        T2I_TRY(t2i_byte_source_read(source, at, block, BLOCK, t->err));
        if (block[0] == '\0') break; /* a block of zeros ends the archive */
        if (!t2i_torchfile_tar_is(block, BLOCK) || !sums_up(block) ||
            !octal(block + 124, 12, &size))
            return bad(t, "a header of its archive is damaged");
        at += BLOCK;
        blocks = (size + BLOCK - 1) / BLOCK; /* size has at most 36 bits */
        if (blocks > (source->size - at) / BLOCK) return bad(t, "it is cut off");
        if (block[156] == 'x' || block[156] == 'g')
            T2I_TRY(check_extended(t, at, size));
        else
            T2I_TRY(take_entry(t, block, at, size));
        at += blocks * BLOCK;
    }
    for (size_t i = 0; i < ENTRIES; i++)
        if (t->end[i] == 0) return bad(t, "its archive lacks an entry");
    return T2I_OK;
}

/* ---- tables ---- */

static t2i_status read_pickle(tar *t, int entry, t2i_pickle_kind kind, t2i_py **root)
{
    return t2i_pickle_read(&t->file->pickle, kind, &t->file->source, &t->begin[entry],
                           t->end[entry], root, t->err);
}

/* Reads a little-endian integer of an entry, which must not be negative. */
static t2i_status read_count(tar *t, int entry, size_t bytes, uint64_t *out)
{
    unsigned char raw[8];
    if (t->end[entry] - t->begin[entry] < bytes) return bad(t, "a table is cut off");
    T2I_TRY(t2i_byte_source_read(&t->file->source, t->begin[entry], raw, bytes, t->err));
    t->begin[entry] += bytes;
    *out = 0;
    for (size_t i = bytes; i-- > 0;) *out = *out << 8 | raw[i];
    return raw[bytes - 1] < 0x80 ? T2I_OK : bad(t, "a table holds a negative number");
}

/* Reads the number of rows of a table. */
static t2i_status read_rows(tar *t, int entry, int64_t *rows)
{
    t2i_py *value;
    T2I_TRY(read_pickle(t, entry, T2I_PICKLE_PLAIN, &value));
    if (value->kind != T2I_PY_INT || value->integer < 0 || value->integer > ROWS_MAX)
        return bad(t, "the length of a table is impossible");
    *rows = value->integer;
    return T2I_OK;
}

static t2i_status add_name(tar *t, int64_t key, t2i_py *value)
{
    t2i_pickle *p = &t->file->pickle;
    if (p->names == t->room) {
        size_t room = t->room == 0 ? 64 : t->room * 2;
        if (t2i_grow(&p->named, t->room, room, sizeof *p->named) != 0) value = NULL;
        if (value != NULL) t->room = room;
    }
    if (value == NULL) return t2i_fail_memory(t->err, sizeof *p->named, "a table of tensors");
    p->named[p->names++] = (t2i_pickle_named){key, value};
    return T2I_OK;
}

static int by_key(const void *a, const void *b)
{
    const t2i_pickle_named *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static t2i_status sort_names(tar *t)
{
    t2i_pickle *p = &t->file->pickle;
    if (p->names > 0) qsort(p->named, p->names, sizeof *p->named, by_key);
    t->sorted = p->names;
    for (size_t i = 0; i + 1 < p->names; i++)
        if (p->named[i].key == p->named[i + 1].key)
            return bad(t, "two tensors have the same number");
    return T2I_OK;
}

/* The storage value with that key; NULL if there is none. */
static t2i_py *find_storage(const tar *t, const t2i_py *key)
{
    const t2i_pickle *p = &t->file->pickle;
    t2i_pickle_named wanted = {.key = key->integer};
    const t2i_pickle_named *found = NULL;
    if (key->kind == T2I_PY_INT && t->sorted > 0)
        found = bsearch(&wanted, p->named, t->sorted, sizeof *p->named, by_key);
    return found != NULL && (int)found->value->kind == KIND_STORAGE ? found->value : NULL;
}

/* (key, location, type), then the number of elements and the elements. */
static t2i_status read_storage(tar *t)
{
    t2i_pickle *p = &t->file->pickle;
    t2i_py *row;
    uint64_t count;
    size_t steps;
    T2I_TRY(read_pickle(t, STORAGES, T2I_PICKLE_TABLE, &row));
    const char *dtype =
        row->kind == T2I_PY_TUPLE && row->size == 3 && row->item[0]->kind == T2I_PY_INT
            ? t2i_pickle_torch_dtype(row->item[2])
            : NULL;
    if (dtype == NULL) return bad(t, "a row of its storages is damaged");
    T2I_TRY(read_count(t, STORAGES, 8, &count));
    size_t wide = t2i_dtype_size(dtype);
    if (count > (t->end[STORAGES] - t->begin[STORAGES]) / wide) return bad(t, "a table is cut off");
    int64_t key = row->item[0]->integer;
    t2i_py *name = t2i_py_text(p->arena, (const char *)&key, sizeof key); /* unique, never shown */
    if (name == NULL) return t2i_fail_memory(t->err, sizeof *name, "a storage");
    size_t before = p->storages, index = t2i_pickle_torch_add(p, name, dtype, count, &steps);
    if (index == SIZE_MAX) return t2i_fail_memory(t->err, sizeof *p->storage, "storages");
    if (p->storages == before) return bad(t, "two storages have the same number");
    p->storage[index].begin = t->begin[STORAGES];
    p->storage[index].checked = 1; /* there are no checksums */
    t->begin[STORAGES] += count * wide;
    return add_name(t, key, t2i_pickle_torch_storage_value(p, index, 0, count));
}

/* [(key, key of another storage, offset, count), ...] */
static t2i_status read_views(tar *t)
{
    t2i_py *list;
    T2I_TRY(read_pickle(t, STORAGES, T2I_PICKLE_PLAIN, &list));
    if (list->kind != T2I_PY_LIST || t->begin[STORAGES] != t->end[STORAGES])
        return bad(t, "the end of its storages is damaged");
    for (size_t i = 0; i < list->size; i++) {
        const t2i_py *row = list->item[i];
        const t2i_py *root = NULL;
        int sound = row->kind == T2I_PY_TUPLE && row->size == 4;
        for (size_t k = 0; k < 4 && sound; k++)
            sound = row->item[k]->kind == T2I_PY_INT && (k < 2 || row->item[k]->integer >= 0);
        if (sound) root = find_storage(t, row->item[1]);
        uint64_t begin = sound ? (uint64_t)row->item[2]->integer : 0;
        uint64_t count = sound ? (uint64_t)row->item[3]->integer : 0;
        if (root == NULL || begin > root->tensor.count || count > root->tensor.count - begin)
            return bad(t, "a view of a storage extends beyond it");
        T2I_TRY(add_name(
            t, row->item[0]->integer,
            t2i_pickle_torch_storage_value(&t->file->pickle, root->tensor.storage, begin, count)));
    }
    return sort_names(t);
}

/* (key, key of a storage, type); then the number of dimensions, 4 unused bytes, sizes, strides and
 * the offset. */
static t2i_status read_tensor(tar *t)
{
    t2i_py *row;
    t2i_py_tensor shape = {0};
    uint64_t dims = 0;
    const char *problem;
    T2I_TRY(read_pickle(t, TENSORS, T2I_PICKLE_TABLE, &row));
    if (row->kind != T2I_PY_TUPLE || row->size != 3 || row->item[0]->kind != T2I_PY_INT)
        return bad(t, "a row of its tensors is damaged");
    T2I_TRY(read_count(t, TENSORS, 4, &dims));
    if (t->end[TENSORS] - t->begin[TENSORS] < 4) return bad(t, "a table is cut off");
    t->begin[TENSORS] += 4;
    if (dims > T2I_PY_DIMS) return bad(t, "a tensor has more than 8 dimensions");
    shape.dims = (size_t)dims;
    for (size_t i = 0; i < dims; i++) T2I_TRY(read_count(t, TENSORS, 8, &shape.dim[i]));
    for (size_t i = 0; i < dims; i++) T2I_TRY(read_count(t, TENSORS, 8, &shape.stride[i]));
    T2I_TRY(read_count(t, TENSORS, 8, &shape.offset));
    const t2i_py *storage = find_storage(t, row->item[1]);
    if (storage == NULL) return bad(t, "a tensor has no storage");
    t2i_py *value = t2i_pickle_torch_view(&t->file->pickle, storage, &shape, &problem);
    if (problem != NULL) return bad(t, problem);
    return add_name(t, row->item[0]->integer, value);
}

t2i_status t2i_torchfile_tar_read(t2i_torchfile *file, t2i_error *err)
{
    tar t = {.file = file, .err = err};
    t2i_py *value;
    int64_t rows = 0;
    T2I_TRY(find_entries(&t));
    T2I_TRY(read_pickle(&t, SYS_INFO, T2I_PICKLE_PLAIN, &value));
    T2I_TRY(t2i_torchfile_common_little(file, value, err));
    T2I_TRY(read_rows(&t, STORAGES, &rows));
    for (; rows > 0; rows--) T2I_TRY(read_storage(&t));
    T2I_TRY(sort_names(&t));
    T2I_TRY(read_views(&t));
    T2I_TRY(read_rows(&t, TENSORS, &rows));
    for (; rows > 0; rows--) T2I_TRY(read_tensor(&t));
    T2I_TRY(sort_names(&t));
    T2I_TRY(read_pickle(&t, PICKLE, T2I_PICKLE_NAMED, &file->root));
    for (size_t i = 0; i < ENTRIES; i++)
        if (t.begin[i] != t.end[i]) return bad(&t, "bytes follow the contents of an entry");
    return T2I_OK;
}
