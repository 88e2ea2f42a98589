#include "formats/torchfile_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "base/commit.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the format and therefore the host is little-endian");

enum { ALIGN = 64, DEPTH_MAX = 64, STEM_MAX_BYTES = 200, NAME_ROOM = 300 };

/* ---- little-endian bytes ---- */

static t2i_status put_number(t2i_text *text, uint64_t value, size_t bytes, t2i_error *err)
{
    unsigned char out[8];
    for (size_t i = 0; i < bytes; i++, value >>= 8) out[i] = (unsigned char)(value & 255);
    return t2i_text_add(text, out, bytes, err);
}

/* `what` has pairs of a width in bytes and a value, and ends with a width of 0. */
static t2i_status put_record(t2i_text *text, const uint64_t *what, t2i_error *err)
{
    for (; what[0] != 0; what += 2) T2I_TRY(put_number(text, what[1], (size_t)what[0], err));
    return T2I_OK;
}

/* ---- the pickle ---- */

/* A pickle being written, and its tensors: the index of a tensor is the key of its storage. */
typedef struct {
    t2i_text text;
    const t2i_py_tensor **tensor;
    size_t tensors, room;
    t2i_error *err;
} pickler;

static t2i_status put(pickler *p, const char *bytes)
{
    return t2i_text_add(&p->text, bytes, strlen(bytes), p->err);
}

static t2i_status put_op(pickler *p, int code, uint64_t value, size_t bytes)
{
    T2I_TRY(put_number(&p->text, (uint64_t)code, 1, p->err));
    return put_number(&p->text, value, bytes, p->err);
}

static t2i_status put_text(pickler *p, const char *text, size_t size)
{
    if (size > UINT32_MAX)
        return t2i_fail(p->err, T2I_BUG, "a string of %zu bytes is too long for a pickle", size);
    T2I_TRY(put_op(p, 'X', size, 4));
    return t2i_text_add(&p->text, text, size, p->err);
}

static t2i_status put_int(pickler *p, int64_t value)
{
    if (value >= 0 && value <= UINT8_MAX) return put_op(p, 'K', (uint64_t)value, 1);
    if (value >= 0 && value <= UINT16_MAX) return put_op(p, 'M', (uint64_t)value, 2);
    if (value >= INT32_MIN && value <= INT32_MAX) return put_op(p, 'J', (uint64_t)value, 4);
    T2I_TRY(put_op(p, 0x8a, 8, 1)); /* LONG1 */
    return put_number(&p->text, (uint64_t)value, 8, p->err);
}

static t2i_status put_float(pickler *p, double value)
{
    uint64_t bits, swapped = 0;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++, bits >>= 8) swapped = swapped << 8 | (bits & 255);
    return put_op(p, 'G', swapped, 8);
}

static t2i_status put_sizes(pickler *p, const uint64_t *value, size_t count)
{
    if (count == 0) return put(p, ")");
    if (count > 3) T2I_TRY(put(p, "("));
    for (size_t i = 0; i < count; i++) T2I_TRY(put_int(p, (int64_t)value[i]));
    return put(p, count == 1 ? "\x85" : count == 2 ? "\x86" : count == 3 ? "\x87" : "t");
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, OrderedDict()) */
static t2i_status put_tensor(pickler *p, const t2i_py_tensor *t)
{
    char key[24];
    if (t->data == NULL && t->count > 0)
        return t2i_fail(p->err, T2I_BUG, "a tensor to be written has no numbers");
    if (p->tensors == p->room) {
        size_t room = p->room == 0 ? 64 : p->room * 2;
        if (t2i_grow(&p->tensor, p->room, room, sizeof *p->tensor) != 0)
            return t2i_fail_memory(p->err, room * sizeof *p->tensor, "a list of tensors");
        p->room = room;
    }
    snprintf(key, sizeof key, "%zu", p->tensors);
    p->tensor[p->tensors++] = t;
    T2I_TRY(put(p, "ctorch._utils\n_rebuild_tensor_v2\n(("));
    T2I_TRY(put_text(p, "storage", 7));
    T2I_TRY(put(p, "ctorch\nFloatStorage\n"));
    T2I_TRY(put_text(p, key, strlen(key)));
    T2I_TRY(put_text(p, "cpu", 3));
    T2I_TRY(put_int(p, (int64_t)t->count));
    T2I_TRY(put(p, "tQ"));
    T2I_TRY(put_int(p, 0));
    T2I_TRY(put_sizes(p, t->dim, t->dims));
    T2I_TRY(put_sizes(p, t->stride, t->dims));
    return put(p, "\x89" /* NEWFALSE */
                  "ccollections\nOrderedDict\n)RtR");
}

static t2i_status put_value(pickler *p, const t2i_py *value, int depth);

static t2i_status put_list(pickler *p, const t2i_py *value, int depth)
{
    int tuple = value->kind == T2I_PY_TUPLE;
    T2I_TRY(put(p, tuple ? "(" : "](")); /* an empty tuple is "(t" */
    for (size_t i = 0; i < value->size; i++) T2I_TRY(put_value(p, value->item[i], depth + 1));
    return put(p, tuple ? "t" : "e");
}

/* A state_dict is an OrderedDict with an attribute _metadata: versions of modules. */
static t2i_status put_metadata(pickler *p)
{
    T2I_TRY(put(p, "}"));
    T2I_TRY(put_text(p, "_metadata", 9));
    T2I_TRY(put(p, "ccollections\nOrderedDict\n)R"));
    T2I_TRY(put_text(p, "", 0));
    T2I_TRY(put(p, "}"));
    T2I_TRY(put_text(p, "version", 7));
    T2I_TRY(put_int(p, 1));
    return put(p, "sssb"); /* three SETITEM, BUILD */
}

static t2i_status put_dict(pickler *p, const t2i_py *value, int depth)
{
    T2I_TRY(put(p, value->ordered ? "ccollections\nOrderedDict\n)R(" : "}("));
    for (size_t i = 0; i < value->size; i++) {
        if (value->key[i]->kind > T2I_PY_TEXT || value->key[i]->kind == T2I_PY_FLOAT)
            return t2i_fail(p->err, T2I_BUG, "a dict to be written has a %s as key",
                            t2i_py_kind_name(value->key[i]));
        T2I_TRY(put_value(p, value->key[i], depth + 1));
        T2I_TRY(put_value(p, value->item[i], depth + 1));
    }
    T2I_TRY(put(p, "u"));
    return value->ordered ? put_metadata(p) : T2I_OK;
}

/* The memo is not used (no BINPUT), so a shared value is written once per use. */
static t2i_status put_value(pickler *p, const t2i_py *value, int depth)
{
    if (depth > DEPTH_MAX)
        return t2i_fail(p->err, T2I_BUG, "a tree to be written is deeper than %d", DEPTH_MAX);
    switch (value->kind) {
    case T2I_PY_NONE:
        return put(p, "N");
    case T2I_PY_BOOL:
        return put(p, value->integer ? "\x88" : "\x89");
    case T2I_PY_INT:
        return put_int(p, value->integer);
    case T2I_PY_FLOAT:
        return put_float(p, value->real);
    case T2I_PY_TEXT:
        return put_text(p, value->text, value->size);
    case T2I_PY_LIST:
    case T2I_PY_TUPLE:
        return put_list(p, value, depth);
    case T2I_PY_DICT:
        return put_dict(p, value, depth);
    case T2I_PY_TENSOR:
        return put_tensor(p, &value->tensor);
    }
    return t2i_fail(p->err, T2I_BUG, "a value to be written has an unknown type");
}

/* ---- the zip archive, in PyTorch's layout: bit 3, data descriptors, padding ---- */

#define FULL32 0xffffffffu /* this value and larger ones are in a zip64 field */

typedef struct {
    t2i_fs_out out;
    uint64_t at; /* bytes written */
    char root[STEM_MAX_BYTES + 1];
    t2i_text directory;
    uint64_t entries;
    t2i_error *err;
} archive;

static t2i_status append(archive *a, const void *bytes, size_t size)
{
    T2I_TRY(t2i_fs_out_write(&a->out, bytes, size, a->err));
    a->at += size;
    return T2I_OK;
}

/* The root folder: the file's name without its suffix, as in PyTorch; "archive" for a name that is
 * not plain ASCII. */
static void name_root(char root[STEM_MAX_BYTES + 1], const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(base, '.');
    size_t size = dot == NULL ? strlen(base) : (size_t)(dot - base);
    int plain = size > 0 && size <= STEM_MAX_BYTES && base[0] != '.';
    for (size_t i = 0; i < size && plain; i++)
        plain = base[i] >= ' ' && base[i] < 0x7f && base[i] != '\\';
    if (!plain) {
        base = "archive";
        size = strlen(base);
    }
    memcpy(root, base, size);
    root[size] = '\0';
}

/* The zip64 field: those of the sizes and the offset that are too large for 32 bits. */
static t2i_status put_zip64(t2i_text *text, uint64_t size, uint64_t place, t2i_error *err)
{
    uint64_t bytes = (size >= FULL32 ? 16u : 0u) + (place >= FULL32 ? 8u : 0u);
    if (bytes == 0) return T2I_OK;
    T2I_TRY(put_record(text, (uint64_t[]){2, 1, 2, bytes, 0}, err));
    if (size >= FULL32) T2I_TRY(put_record(text, (uint64_t[]){8, size, 8, size, 0}, err));
    return place >= FULL32 ? put_number(text, place, 8, err) : T2I_OK;
}

/* The extra field "FB", whose length aligns the data to a multiple of 64. */
static t2i_status put_padding(t2i_text *extra, uint64_t begin, t2i_error *err)
{
    static const char filler[ALIGN + 1] =
        "ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ";
    size_t size = (size_t)(-(begin + 4) & (ALIGN - 1));
    T2I_TRY(t2i_text_add(extra, "FB", 2, err));
    T2I_TRY(put_number(extra, size, 2, err));
    return t2i_text_add(extra, filler, size, err);
}

static t2i_status put_central(archive *a, const char *name, uint64_t flags, uint64_t crc,
                              uint64_t size, uint64_t place)
{
    t2i_text extra = {0};
    uint64_t size32 = size < FULL32 ? size : FULL32, place32 = place < FULL32 ? place : FULL32;
    t2i_status status = put_zip64(&extra, size, place, a->err);
    if (status == T2I_OK)
        status = put_record(
            &a->directory,
            (uint64_t[]){4, 0x02014b50, 4, 0,      2, flags,        2, 0,          4, 0, 4, crc,
                         4, size32,     4, size32, 2, strlen(name), 2, extra.size, 2, 0, 2, 0,
                         2, 0,          4, 0,      4, place32,      0},
            a->err);
    if (status == T2I_OK) status = t2i_text_add(&a->directory, name, strlen(name), a->err);
    if (status == T2I_OK && extra.size > 0)
        status = t2i_text_add(&a->directory, extra.data, extra.size, a->err);
    t2i_text_free(&extra);
    return status;
}

static t2i_status put_local(archive *a, const char *name, uint64_t flags, uint64_t size)
{
    t2i_text head = {0}, extra = {0};
    t2i_status status = put_zip64(&extra, size, a->at, a->err);
    if (status == T2I_OK)
        status = put_padding(&extra, a->at + 30 + strlen(name) + extra.size, a->err);
    if (status == T2I_OK)
        status = put_record(&head, (uint64_t[]){4, 0x04034b50, 2, 0, 2, flags, 2, 0, 4,
                                                0, 4,          0, 4, 0, 4,     0, 2, strlen(name),
                                                2, extra.size, 0},
                            a->err);
    if (status == T2I_OK) status = t2i_text_add(&head, name, strlen(name), a->err);
    if (status == T2I_OK) status = t2i_text_add(&head, extra.data, extra.size, a->err);
    if (status == T2I_OK) status = append(a, head.data, head.size);
    t2i_text_free(&head);
    t2i_text_free(&extra);
    return status;
}

static t2i_status append_entry(archive *a, const char *in_root, const void *bytes, uint64_t size)
{
    char name[NAME_ROOM];
    const unsigned char *at = bytes;
    uint64_t place = a->at, flags = size > 0 ? 0x808 : 0x800; /* UTF-8; an empty entry has no */
    uLong crc = crc32(0, NULL, 0);                            /* descriptor */
    int wide = size >= FULL32 || place >= FULL32;
    snprintf(name, sizeof name, "%s/%s", a->root, in_root);
    T2I_TRY(put_local(a, name, flags, size));
    for (uint64_t left = size; left > 0;) {
        size_t part = left < 1u << 20 ? (size_t)left : 1u << 20;
        crc = crc32(crc, at, (uInt)part);
        T2I_TRY(append(a, at, part));
        at += part;
        left -= part;
    }
    if (size > 0) {
        t2i_text after = {0};
        uint64_t width = wide ? 8 : 4;
        t2i_status status = put_record(
            &after, (uint64_t[]){4, 0x08074b50, 4, crc, width, size, width, size, 0}, a->err);
        if (status == T2I_OK) status = append(a, after.data, after.size);
        t2i_text_free(&after);
        T2I_TRY(status);
    }
    a->entries++;
    return put_central(a, name, flags, crc, size, place);
}

/* The directory and both kinds of end record, which PyTorch always writes. */
static t2i_status append_end(archive *a)
{
    uint64_t begin = a->at, size = a->directory.size, end = begin + size;
    uint64_t few = a->entries < 0xffff ? a->entries : 0xffff;
    T2I_TRY(put_record(&a->directory,
                       (uint64_t[]){4, 0x06064b50, 8, 44,         2, 0x31e, 2, 45,    4, 0, 4, 0,
                                    8, a->entries, 8, a->entries, 8, size,  8, begin, 0},
                       a->err));
    T2I_TRY(put_record(&a->directory, (uint64_t[]){4, 0x07064b50, 4, 0, 8, end, 4, 1, 0}, a->err));
    T2I_TRY(put_record(&a->directory,
                       (uint64_t[]){4, 0x06054b50, 2, 0, 2, 0, 2, few, 2, few, 4,
                                    size < FULL32 ? size : FULL32, 4,
                                    begin < FULL32 ? begin : FULL32, 2, 0, 0},
                       a->err));
    return append(a, a->directory.data, a->directory.size);
}

static t2i_status append_all(archive *a, const pickler *p)
{
    char name[32];
    T2I_TRY(append_entry(a, "data.pkl", p->text.data, p->text.size));
    T2I_TRY(append_entry(a, ".format_version", "1", 1));
    T2I_TRY(append_entry(a, ".storage_alignment", "64", 2));
    T2I_TRY(append_entry(a, "byteorder", "little", 6));
    for (size_t i = 0; i < p->tensors; i++) {
        snprintf(name, sizeof name, "data/%zu", i);
        T2I_TRY(append_entry(a, name, p->tensor[i]->data, p->tensor[i]->count * sizeof(float)));
    }
    T2I_TRY(append_entry(a, "version", "3\n", 2));
    return append_end(a);
}

static t2i_status write_archive(const char *path, const pickler *p, t2i_error *err)
{
    archive a = {.err = err};
    T2I_TRY(t2i_fs_out_open(&a.out, path, err));
    name_root(a.root, path);
    t2i_status status = append_all(&a, p);
    t2i_text_free(&a.directory);
    if (status == T2I_OK) return t2i_commit(&a.out, err);
    t2i_fs_out_drop(&a.out);
    return status;
}

t2i_status t2i_torchfile_out_save(const char *path, const t2i_py_arena *arena, const t2i_py *root,
                                  t2i_error *err)
{
    pickler p = {.err = err};
    if (t2i_py_arena_failed(arena) || root == NULL)
        return t2i_fail_memory(err, sizeof(t2i_py), "what is to be written");
    t2i_status status = put(&p, "\x80\x02");
    if (status == T2I_OK) status = put_value(&p, root, 0);
    if (status == T2I_OK) status = put(&p, ".");
    if (status == T2I_OK) status = write_archive(path, &p, err);
    t2i_text_free(&p.text);
    t2i_free(p.tensor);
    return status;
}
