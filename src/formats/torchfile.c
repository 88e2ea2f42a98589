#include "formats/torchfile.h"

#include <stdio.h>
#include <string.h>

#include "formats/dtype.h"
#include "base/mem.h"
#include "formats/pickle_torch.h"
#include "formats/torchfile_common.h"
#include "formats/torchfile_tar.h"

enum { MAGIC = 15, HEAD = 512, PROTOCOL = 1001, ENTRY_MAX_BYTES = 1100 };

/* The stream's first pickle: the number 0x1950a86a20f9469cfc6c. */
static const unsigned char magic[MAGIC] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                           0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static int is_stream(const void *bytes, size_t size)
{
    return size >= MAGIC && memcmp(bytes, magic, MAGIC) == 0;
}

static int is_zip(const void *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

int t2i_torchfile_is(const void *bytes, size_t size)
{
    /* a tar archive begins with the name of an entry, which may be an extended header */
    return is_stream(bytes, size) || is_zip(bytes, size) ||
           (size >= 9 && memcmp(bytes, "sys_info", 9) == 0) ||
           (size >= 15 && memcmp(bytes, "././@PaxHeader", 15) == 0);
}

/* ---- the zip archive ---- */

/* The entry of a storage; NULL if there is none. */
static const t2i_zip_entry *storage_entry(const t2i_torchfile *file, const t2i_pickle_storage *s)
{
    char name[ENTRY_MAX_BYTES];
    if (strlen(s->key) != s->size || s->size > sizeof name - 6) return NULL;
    snprintf(name, sizeof name, "data/%s", s->key);
    return t2i_zip_find(file->zip, name);
}

static t2i_status place_entries(t2i_torchfile *file, t2i_error *err)
{
    for (size_t i = 0; i < file->pickle.storages; i++) {
        t2i_pickle_storage *s = &file->pickle.storage[i];
        const t2i_zip_entry *entry = storage_entry(file, s);
        if (entry == NULL)
            return t2i_fail(err, T2I_DATA,
                            "%s is not a valid file of torch.save: it has no data/%.100s, which a "
                            "tensor needs",
                            file->source.name, s->key);
        if (entry->size != s->count * t2i_dtype_size(s->dtype))
            return t2i_fail(err, T2I_DATA,
                            "%s is not a valid file of torch.save: data/%.100s has %llu bytes "
                            "where %llu numbers of type %s are needed",
                            file->source.name, s->key, (unsigned long long)entry->size,
                            (unsigned long long)s->count, s->dtype);
        s->begin = entry->begin;
    }
    return T2I_OK;
}

static t2i_status check_byte_order(const t2i_torchfile *file, t2i_error *err)
{
    char order[6];
    const t2i_zip_entry *entry = t2i_zip_find(file->zip, "byteorder");
    if (entry == NULL) return T2I_OK; /* before PyTorch 2.1 */
    T2I_TRY(t2i_zip_check(file->zip, entry, err));
    if (entry->size != sizeof order)
        return t2i_torchfile_common_bad(file, "its byte order is not little-endian", err);
    T2I_TRY(t2i_byte_source_read(&file->source, entry->begin, order, sizeof order, err));
    return memcmp(order, "little", sizeof order) == 0
               ? T2I_OK
               : t2i_torchfile_common_bad(file, "its byte order is not little-endian", err);
}

static t2i_status check_no_script(const t2i_torchfile *file, t2i_error *err)
{
    int script = t2i_zip_find(file->zip, "constants.pkl") != NULL;
    for (size_t i = 0; i < t2i_zip_entries(file->zip) && !script; i++)
        script = strncmp(t2i_zip_at(file->zip, i)->name, "code/", 5) == 0;
    if (!script) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s is a TorchScript archive, a program: save its state_dict() with torch.save "
                    "instead",
                    file->source.name);
}

static t2i_status read_zip(t2i_torchfile *file, t2i_error *err)
{
    T2I_TRY(t2i_zip_open(&file->zip, &file->source, err));
    T2I_TRY(check_no_script(file, err));
    T2I_TRY(check_byte_order(file, err));
    const t2i_zip_entry *entry = t2i_zip_find(file->zip, "data.pkl");
    if (entry == NULL) return t2i_torchfile_common_bad(file, "it has no data.pkl", err);
    T2I_TRY(t2i_zip_check(file->zip, entry, err));
    uint64_t at = entry->begin, end = entry->begin + entry->size;
    T2I_TRY(
        t2i_pickle_read(&file->pickle, T2I_PICKLE_ZIP, &file->source, &at, end, &file->root, err));
    if (at != end)
        return t2i_torchfile_common_bad(file, "bytes follow the pickle in its data.pkl", err);
    return place_entries(file, err);
}

/* ---- the legacy stream ---- */

/* Reads a pickle of plain values at *at. */
static t2i_status read_plain(t2i_torchfile *file, uint64_t *at, t2i_py **root, t2i_error *err)
{
    return t2i_pickle_read(&file->pickle, T2I_PICKLE_PLAIN, &file->source, at, file->source.size,
                           root, err);
}

/* The data of one storage at *at: the number of elements, then the elements. */
static t2i_status place_data(t2i_torchfile *file, const t2i_py *key, uint64_t *at, t2i_error *err)
{
    unsigned char bytes[8];
    uint64_t count = 0;
    size_t index = key->kind == T2I_PY_TEXT
                       ? t2i_pickle_torch_find(&file->pickle, key->text, key->size)
                       : SIZE_MAX;
    if (index == SIZE_MAX)
        return t2i_torchfile_common_bad(file, "it lists a storage that no tensor needs", err);
    t2i_pickle_storage *s = &file->pickle.storage[index];
    if (s->known) return t2i_torchfile_common_bad(file, "it lists a storage twice", err);
    T2I_TRY(t2i_byte_source_read(&file->source, *at, bytes, sizeof bytes, err));
    for (size_t i = sizeof bytes; i-- > 0;) count = count << 8 | bytes[i];
    if (count != s->count)
        return t2i_torchfile_common_bad(
            file, "the size of a storage differs from what its tensors need", err);
    s->begin = *at + sizeof bytes;
    s->known = 1;
    s->checked = 1; /* a stream has no checksums */
    uint64_t size = count * t2i_dtype_size(s->dtype);
    if (size > file->source.size - s->begin)
        return t2i_torchfile_common_bad(file, "it is cut off", err);
    *at = s->begin + size;
    return T2I_OK;
}

static t2i_status read_stream(t2i_torchfile *file, t2i_error *err)
{
    uint64_t at = MAGIC;
    t2i_py *value;
    T2I_TRY(read_plain(file, &at, &value, err));
    if (value->kind != T2I_PY_INT || value->integer != PROTOCOL)
        return t2i_torchfile_common_bad(file, "its protocol is not 1001", err);
    T2I_TRY(read_plain(file, &at, &value, err));
    T2I_TRY(t2i_torchfile_common_little(file, value, err));
    T2I_TRY(t2i_pickle_read(&file->pickle, T2I_PICKLE_STREAM, &file->source, &at, file->source.size,
                            &file->root, err));
    T2I_TRY(read_plain(file, &at, &value, err));
    if (value->kind != T2I_PY_LIST)
        return t2i_torchfile_common_bad(file, "its list of storages is not a list", err);
    for (size_t i = 0; i < value->size; i++) T2I_TRY(place_data(file, value->item[i], &at, err));
    if (value->size != file->pickle.storages)
        return t2i_torchfile_common_bad(file, "it lacks a storage", err);
    return at == file->source.size
               ? T2I_OK
               : t2i_torchfile_common_bad(file, "bytes follow its last storage", err);
}

/* ---- open and close ---- */

static t2i_status read_file(t2i_torchfile *file, t2i_error *err)
{
    unsigned char head[HEAD];
    size_t size = file->source.size < sizeof head ? (size_t)file->source.size : sizeof head;
    T2I_TRY(t2i_byte_source_read(&file->source, 0, head, size, err));
    T2I_TRY(t2i_pickle_new(&file->pickle, err));
    if (is_zip(head, size)) return read_zip(file, err);
    if (is_stream(head, size)) return read_stream(file, err);
    if (t2i_torchfile_tar_is(head, size)) return t2i_torchfile_tar_read(file, err);
    return t2i_fail(err, T2I_DATA, "%s is not a file of torch.save (or it is cut off)",
                    file->source.name);
}

/* Takes ownership of the source. */
static t2i_status open_source(t2i_torchfile **out, t2i_byte_source *source, t2i_error *err)
{
    t2i_torchfile *file = t2i_alloc(1, sizeof *file);
    if (file == NULL) {
        t2i_byte_source_close(source);
        return t2i_fail_memory(err, sizeof *file, "an open file");
    }
    file->source = *source;
    t2i_status status = read_file(file, err);
    if (status == T2I_OK)
        *out = file;
    else
        t2i_torchfile_close(file);
    return status;
}

t2i_status t2i_torchfile_open(t2i_torchfile **out, const char *path, t2i_error *err)
{
    t2i_byte_source source;
    *out = NULL;
    T2I_TRY(t2i_byte_source_open(&source, path, err));
    return open_source(out, &source, err);
}

t2i_status t2i_torchfile_parse(t2i_torchfile **out, const void *bytes, size_t size,
                               const char *name, t2i_error *err)
{
    t2i_byte_source source;
    *out = NULL;
    T2I_TRY(t2i_byte_source_memory(&source, bytes, size, name, err));
    return open_source(out, &source, err);
}

void t2i_torchfile_close(t2i_torchfile *file)
{
    if (file == NULL) return;
    t2i_pickle_free(&file->pickle);
    t2i_zip_close(file->zip);
    t2i_byte_source_close(&file->source);
    t2i_free(file);
}

const t2i_py *t2i_torchfile_root(const t2i_torchfile *file)
{
    return file->root;
}

/* ---- elements of tensors ---- */

/* Reads count elements of a storage from element `from`, as floats. */
static t2i_status read_run(const t2i_torchfile *file, const t2i_pickle_storage *s, uint64_t from,
                           uint64_t count, float *out, t2i_error *err)
{
    double piece[8192]; /* aligned for every type */
    size_t wide = t2i_dtype_size(s->dtype);
    uint64_t at = s->begin + from * wide;
    if (strcmp(s->dtype, "F32") == 0)
        return t2i_byte_source_read(&file->source, at, out, (size_t)count * sizeof *out, err);
    while (count > 0) {
        size_t part = count < sizeof piece / wide ? (size_t)count : sizeof piece / wide;
        T2I_TRY(t2i_byte_source_read(&file->source, at, piece, part * wide, err));
        t2i_dtype_floats(s->dtype, piece, part, out);
        out += part;
        at += part * wide;
        count -= part;
    }
    return T2I_OK;
}

static int is_dense(const t2i_py_tensor *t)
{
    uint64_t stride = 1;
    for (size_t i = t->dims; i-- > 0; stride *= t->dim[i])
        if (t->dim[i] != 1 && t->stride[i] != stride) return 0;
    return 1;
}

/* Reads a view: the part of its storage that it spans, then its elements from it. */
static void pick(const t2i_py_tensor *t, const float *from, float *out)
{
    uint64_t index[T2I_PY_DIMS] = {0};
    uint64_t at = 0;
    for (uint64_t i = 0; i < t->count; i++) {
        out[i] = from[at];
        for (size_t d = t->dims; d-- > 0;) {
            at += t->stride[d];
            if (++index[d] < t->dim[d]) break;
            at -= t->stride[d] * t->dim[d];
            index[d] = 0;
        }
    }
}

/* Reads a view that lies far apart in its storage: for each place in the other dimensions the
 * elements along dimension `run`, or one element if that is SIZE_MAX. */
static t2i_status read_runs(const t2i_torchfile *file, const t2i_pickle_storage *s,
                            const t2i_py_tensor *t, size_t run, float *out, t2i_error *err)
{
    uint64_t index[T2I_PY_DIMS] = {0}, step[T2I_PY_DIMS], at = t->offset, to = 0, whole = 1;
    for (size_t i = t->dims; i-- > 0; whole *= t->dim[i])
        step[i] = whole; /* between elements of out */
    uint64_t stride = run < t->dims ? t->stride[run] : 1;
    uint64_t length = run < t->dims ? t->dim[run] : 1, span = (length - 1) * stride + 1;
    float *piece = t2i_alloc((size_t)span, sizeof *piece);
    if (piece == NULL) return t2i_fail_memory(err, (size_t)span * sizeof *piece, "a tensor");
    t2i_status status = T2I_OK;
    for (uint64_t left = t->count / length; left > 0 && status == T2I_OK; left--) {
        status = read_run(file, s, at, span, piece, err);
        for (uint64_t i = 0; i < length; i++)
            out[to + (run < t->dims ? i * step[run] : 0)] = piece[i * stride];
        for (size_t d = t->dims; d-- > 0;) {
            if (d == run) continue;
            at += t->stride[d];
            to += step[d];
            if (++index[d] < t->dim[d]) break;
            at -= t->stride[d] * t->dim[d];
            to -= step[d] * t->dim[d];
            index[d] = 0;
        }
    }
    t2i_free(piece);
    return status;
}

/* Bytes that are read for each byte of the view, and the elements that are read in any case. */
enum { READ_EACH = 16, READ_LEAST = 16 };

static t2i_status read_view(const t2i_torchfile *file, const t2i_pickle_storage *s,
                            const t2i_py_tensor *t, float *out, t2i_error *err)
{
    uint64_t span = 1;
    size_t near = SIZE_MAX; /* the dimension whose elements are nearest to each other */
    for (size_t i = 0; i < t->dims; i++) {
        span += (t->dim[i] - 1) * t->stride[i];
        if (t->dim[i] > 1 && (near == SIZE_MAX || t->stride[i] < t->stride[near])) near = i;
    }
    if (span / READ_EACH > t->count + READ_LEAST)
        return read_runs(file, s, t, t->stride[near] <= READ_EACH ? near : SIZE_MAX, out, err);
    float *run = t2i_alloc((size_t)span, sizeof *run);
    if (run == NULL) return t2i_fail_memory(err, (size_t)span * sizeof *run, "a tensor");
    t2i_status status = read_run(file, s, t->offset, span, run, err);
    if (status == T2I_OK) pick(t, run, out);
    t2i_free(run);
    return status;
}

t2i_status t2i_torchfile_floats(t2i_torchfile *file, const t2i_py_tensor *tensor, const char *name,
                                float *out, t2i_error *err)
{
    T2I_ASSERT(tensor->storage < file->pickle.storages);
    t2i_pickle_storage *s = &file->pickle.storage[tensor->storage];
    if (!t2i_dtype_is_float(tensor->dtype))
        return t2i_fail(err, T2I_DATA,
                        "%s: tensor %s has dtype %s; F32, F64, F16 or BF16 is needed",
                        file->source.name, name, tensor->dtype);
    if (tensor->count == 0) return T2I_OK;
    if (!s->checked) {
        T2I_TRY(t2i_zip_check(file->zip, storage_entry(file, s), err));
        s->checked = 1;
    }
    return is_dense(tensor) ? read_run(file, s, tensor->offset, tensor->count, out, err)
                            : read_view(file, s, tensor, out, err);
}
