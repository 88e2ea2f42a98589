#include "formats/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/dtype.h"
#include "formats/json_scan.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/mem.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, as we are");

enum { HEADER_MAX = 100000000, ENTRY_MAX = 1 << 16, LENGTH = 8, ALIGN = 64 };

typedef struct {
    const char *key, *text;
} pair;

struct t2i_st {
    int fd;
    char *path;
    char *header;
    size_t header_size;
    uint64_t data_size;
    char *texts; /* names and metadata, unescaped, each with a terminator */
    size_t used;
    t2i_st_tensor *tensor;
    size_t tensors;
    pair *meta; /* sorted by key */
    size_t metas;
};

/* A non-negative integer. */
static int as_count(const t2i_json *json, uint64_t *out)
{
    int64_t value;
    if (!t2i_json_as_integer(json, &value) || value < 0) return 0;
    *out = (uint64_t)value;
    return 1;
}

/* Sets *product to a * b; returns 0 on overflow. */
static int multiply(uint64_t a, uint64_t b, uint64_t *product)
{
    *product = a * b;
    return a == 0 || *product / a == b;
}

/* Sets a tensor from its entry; returns the problem, or NULL. */
static const char *read_entry(t2i_st_tensor *tensor, const t2i_json *entry)
{
    const t2i_json *shape = t2i_json_get(entry, "shape");
    const t2i_json *offsets = t2i_json_get(entry, "data_offsets");
    const char *dtype;
    if (!t2i_json_is_object(entry) || !t2i_json_is_array(shape) || !t2i_json_is_array(offsets) ||
        !t2i_json_as_string(t2i_json_get(entry, "dtype"), &dtype, NULL))
        return "its entry is not an object with dtype, shape and data_offsets";
    uint64_t bits = t2i_dtype_bits(dtype), bytes;
    tensor->dtype = t2i_dtype_name(dtype);
    if (bits == 0 || bits > 64) return "its dtype is unknown";
    tensor->dims = t2i_json_size(shape);
    if (tensor->dims > T2I_ST_DIMS) return "it has more than 32 dimensions";
    tensor->count = 1;
    for (size_t i = 0; i < tensor->dims; i++) {
        if (!as_count(t2i_json_at(shape, i), &tensor->dim[i]))
            return "its shape is not a list of integers";
        if (!multiply(tensor->count, tensor->dim[i], &tensor->count))
            return "its shape is too large";
    }
    uint64_t rest = tensor->count % 8 * bits;
    if (!multiply(tensor->count / 8, bits, &bytes)) return "its shape is too large";
    if (t2i_json_size(offsets) != 2 || !as_count(t2i_json_at(offsets, 0), &tensor->begin) ||
        !as_count(t2i_json_at(offsets, 1), &tensor->end) || tensor->begin > tensor->end)
        return "its data_offsets are not two ascending integers";
    if (rest % 8 != 0 || tensor->end - tensor->begin != bytes + rest / 8)
        return "its data_offsets do not fit its dtype and shape";
    return NULL;
}

static int by_offset(const void *a, const void *b)
{
    const t2i_st_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The tensors must cover the data without gaps. */
static t2i_status check_places(const t2i_st *st, t2i_error *err)
{
    uint64_t end = 0;
    for (size_t i = 0; i < st->tensors; end = st->tensor[i++].end) {
        const t2i_st_tensor *tensor = &st->tensor[i];
        const char *problem = tensor->begin < end           ? "it overlaps another tensor"
                              : tensor->begin > end         ? "there is a hole before it"
                              : tensor->end > st->data_size ? "it lies beyond the end of the file"
                                                            : NULL;
        if (problem != NULL)
            return t2i_fail(err, T2I_DATA, "%s is not a valid safetensors file: tensor %s: %s",
                            st->path, tensor->name, problem);
    }
    if (end != st->data_size)
        return t2i_fail(err, T2I_DATA,
                        "%s is not a valid safetensors file: %llu bytes after the last tensor",
                        st->path, (unsigned long long)(st->data_size - end));
    return T2I_OK;
}

/* The next member of an object; out->value.data is NULL after the last one. */
static t2i_status next_member(const t2i_st *st, t2i_json_scan *scan, t2i_json_part *out,
                              t2i_error *err)
{
    t2i_error why;
    if (t2i_json_scan_next(scan, out, &why) == T2I_OK) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s: its header is not valid JSON: %s", st->path, why.text);
}

/* Begins with an object and counts its members. */
static t2i_status begin_object(const t2i_st *st, t2i_span text, t2i_json_scan *scan, size_t *count,
                               t2i_error *err)
{
    t2i_json_part part;
    T2I_TRY(t2i_json_scan_begin(scan, text, 1, err));
    t2i_json_scan at = *scan;
    for (*count = 0;; ++*count) {
        T2I_TRY(next_member(st, &at, &part, err));
        if (part.value.data == NULL) break;
    }
    while (at.at < at.end && strchr(" \t\r\n", *at.at) != NULL && *at.at != '\0') at.at++;
    if (at.at == at.end) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s: its header is not valid JSON: it goes on after its end",
                    st->path);
}

/* Does a string stand for itself? */
static int is_plain(t2i_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == '\\') return 0;
    return t2i_utf8_valid(text.data, text.size) == text.size;
}

/* Keeps a string, given with its quotes, without its escapes. */
static t2i_status keep_string(t2i_st *st, t2i_span quoted, const char **out, t2i_error *err)
{
    t2i_json *json = NULL;
    t2i_span text = {quoted.data + 1, quoted.size - 2};
    if (!is_plain(text)) {
        T2I_TRY(t2i_json_parse(&json, quoted.data, quoted.size, st->path, err));
        if (!t2i_json_as_string(json, &text.data, NULL)) text.data = "";
        text.size = strlen(text.data);
    }
    T2I_ASSERT(text.size < st->header_size - st->used); /* no longer than with its quotes */
    *out = memcpy(st->texts + st->used, text.data, text.size);
    st->used += text.size + 1;
    t2i_json_free(json);
    return T2I_OK;
}

/* Keeps the key of a member. */
static t2i_status keep_key(t2i_st *st, const t2i_json_part *part, const char **out, t2i_error *err)
{
    return keep_string(st, (t2i_span){part->key.data - 1, part->key.size + 2}, out, err);
}

static int by_meta_key(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static t2i_status read_metadata(t2i_st *st, t2i_span text, t2i_error *err)
{
    static const char wrong[] =
        "%s is not a valid safetensors file: __metadata__ is not an object of strings";
    t2i_json_scan scan;
    t2i_json_part part;
    size_t count;
    if (text.size == 4 && memcmp(text.data, "null", 4) == 0) return T2I_OK;
    if (text.data[0] != '{') return t2i_fail(err, T2I_DATA, wrong, st->path);
    T2I_TRY(begin_object(st, text, &scan, &count, err));
    st->meta = t2i_alloc(count, sizeof *st->meta);
    if (st->meta == NULL) return t2i_fail_memory(err, count * sizeof *st->meta, "metadata");
    while (st->metas < count) {
        pair *meta = &st->meta[st->metas++];
        T2I_TRY(next_member(st, &scan, &part, err));
        T2I_TRY(keep_key(st, &part, &meta->key, err));
        if (part.value.data[0] != '"') return t2i_fail(err, T2I_DATA, wrong, st->path);
        T2I_TRY(keep_string(st, part.value, &meta->text, err));
    }
    qsort(st->meta, count, sizeof *st->meta, by_meta_key);
    for (size_t i = 0; i + 1 < count; i++)
        if (strcmp(st->meta[i].key, st->meta[i + 1].key) == 0)
            return t2i_fail(err, T2I_DATA,
                            "%s is not a valid safetensors file: __metadata__ has the duplicate "
                            "key %.200s",
                            st->path, st->meta[i].key);
    return T2I_OK;
}

static t2i_status read_tensor(t2i_st *st, const char *name, t2i_span text, t2i_error *err)
{
    t2i_json *entry = NULL;
    const char *problem = "its entry is too long";
    t2i_st_tensor *tensor = &st->tensor[st->tensors++];
    tensor->name = name;
    if (text.size <= ENTRY_MAX) {
        T2I_TRY(t2i_json_parse(&entry, text.data, text.size, st->path, err));
        problem = read_entry(tensor, entry);
    }
    t2i_json_free(entry);
    if (problem == NULL) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s is not a valid safetensors file: tensor %s: %s", st->path,
                    name, problem);
}

static int by_name(const void *a, const void *b)
{
    const t2i_st_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Checks all that follows from the header's text and the size of the data. */
static t2i_status parse_header(t2i_st *st, t2i_error *err)
{
    t2i_json_scan scan;
    t2i_json_part part;
    size_t count;
    if (st->header_size == 0 || st->header[0] != '{')
        return t2i_fail(err, T2I_DATA,
                        "%s is not a safetensors file: its header is not a JSON object", st->path);
    T2I_TRY(begin_object(st, (t2i_span){st->header, st->header_size}, &scan, &count, err));
    st->tensor = t2i_alloc(count, sizeof *st->tensor);
    st->texts = t2i_alloc(st->header_size, 1);
    if (st->tensor == NULL || st->texts == NULL)
        return t2i_fail_memory(err, count * sizeof *st->tensor, "a list of tensors");
    for (size_t i = 0; i < count; i++) {
        const char *key;
        T2I_TRY(next_member(st, &scan, &part, err));
        T2I_TRY(keep_key(st, &part, &key, err));
        if (strcmp(key, "__metadata__") != 0) {
            T2I_TRY(read_tensor(st, key, part.value, err));
            continue;
        }
        if (st->meta != NULL)
            return t2i_fail(err, T2I_DATA,
                            "%s is not a valid safetensors file: duplicate __metadata__", st->path);
        T2I_TRY(read_metadata(st, part.value, err));
    }
    qsort(st->tensor, st->tensors, sizeof *st->tensor, by_name);
    for (size_t i = 0; i + 1 < st->tensors; i++)
        if (strcmp(st->tensor[i].name, st->tensor[i + 1].name) == 0)
            return t2i_fail(err, T2I_DATA,
                            "%s is not a valid safetensors file: duplicate tensor %.200s", st->path,
                            st->tensor[i].name);
    qsort(st->tensor, st->tensors, sizeof *st->tensor, by_offset);
    return check_places(st, err);
}

static t2i_status read_at(const t2i_st *st, uint64_t offset, void *out, size_t size, t2i_error *err)
{
    ssize_t got = t2i_fs_read_at(st->fd, out, size, offset);
    if (got < 0) return t2i_fail(err, T2I_IO, "cannot read %s: %s", st->path, strerror(errno));
    if ((size_t)got < size)
        return t2i_fail(err, T2I_DATA, "%s became shorter while it was read", st->path);
    return T2I_OK;
}

static t2i_status read_header(t2i_st *st, t2i_error *err)
{
    struct stat info;
    uint64_t length;
    if (fstat(st->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return t2i_fail(err, T2I_NOINPUT, "%s is not a regular file", st->path);
    uint64_t size = (uint64_t)info.st_size;
    if (size < LENGTH)
        return t2i_fail(err, T2I_DATA, "%s is not a safetensors file: it has only %llu bytes",
                        st->path, (unsigned long long)size);
    T2I_TRY(read_at(st, 0, &length, LENGTH, err));
    if (length > HEADER_MAX || length > size - LENGTH)
        return t2i_fail(
            err, T2I_DATA,
            "%s is not a safetensors file, or it is truncated: a header of %llu bytes is %s",
            st->path, (unsigned long long)length,
            length > HEADER_MAX ? "more than the 100 MB allowed" : "longer than the file");
    st->header_size = (size_t)length;
    st->data_size = size - LENGTH - length;
    st->header = t2i_alloc(st->header_size + 1, 1);
    if (st->header == NULL) return t2i_fail_memory(err, st->header_size, "a file's header");
    T2I_TRY(read_at(st, LENGTH, st->header, st->header_size, err));
    return parse_header(st, err);
}

t2i_status t2i_st_open(t2i_st **out, const char *path, t2i_error *err)
{
    *out = NULL;
    t2i_st *st = t2i_alloc(1, sizeof *st);
    if (st == NULL) return t2i_fail_memory(err, sizeof *st, "an open file");
    st->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not block */
    int why = errno;
    st->path = t2i_fs_copy_path(path, err);
    t2i_status status = st->path == NULL ? T2I_SYSTEM
                        : st->fd < 0
                            ? t2i_fail(err, T2I_NOINPUT, "cannot open %s: %s", path, strerror(why))
                            : read_header(st, err);
    if (status == T2I_OK)
        *out = st;
    else
        t2i_st_close(st);
    return status;
}

/* What reading the header made. */
static void free_tables(t2i_st *st)
{
    t2i_free(st->texts);
    t2i_free(st->meta);
    t2i_free(st->tensor);
}

void t2i_st_close(t2i_st *st)
{
    if (st == NULL) return;
    if (st->fd >= 0) close(st->fd);
    free_tables(st);
    t2i_free(st->header);
    t2i_free(st->path);
    t2i_free(st);
}

size_t t2i_st_tensors(const t2i_st *st)
{
    return st->tensors;
}

const t2i_st_tensor *t2i_st_at(const t2i_st *st, size_t index)
{
    return index < st->tensors ? &st->tensor[index] : NULL;
}

const t2i_st_tensor *t2i_st_find(const t2i_st *st, const char *name)
{
    for (size_t i = 0; i < st->tensors; i++)
        if (strcmp(st->tensor[i].name, name) == 0) return &st->tensor[i];
    return NULL;
}

const char *t2i_st_meta(const t2i_st *st, const char *key)
{
    const pair wanted = {.key = key};
    const pair *found = st->metas == 0
                            ? NULL
                            : bsearch(&wanted, st->meta, st->metas, sizeof *st->meta, by_meta_key);
    return found == NULL ? NULL : found->text;
}

const char *t2i_st_header(const t2i_st *st, size_t *size)
{
    *size = st->header_size;
    return st->header;
}

t2i_status t2i_st_read(const t2i_st *st, const t2i_st_tensor *tensor, uint64_t offset, size_t size,
                       void *out, t2i_error *err)
{
    uint64_t bytes = tensor->end - tensor->begin;
    if (offset > bytes || size > bytes - offset)
        return t2i_fail(err, T2I_BUG, "%s: a read beyond the end of tensor %s", st->path,
                        tensor->name);
    return read_at(st, LENGTH + st->header_size + tensor->begin + offset, out, size, err);
}

t2i_status t2i_st_floats(const t2i_st *st, const t2i_st_tensor *tensor, float *out, t2i_error *err)
{
    char piece[1 << 15];
    size_t wide = t2i_dtype_size(tensor->dtype);
    uint64_t bytes = tensor->end - tensor->begin;
    if (strcmp(tensor->dtype, "F32") == 0) return t2i_st_read(st, tensor, 0, bytes, out, err);
    if (!t2i_dtype_is_float(tensor->dtype))
        return t2i_fail(err, T2I_DATA,
                        "%s: tensor %s has dtype %s; F32, F64, F16 or BF16 is needed", st->path,
                        tensor->name, tensor->dtype);
    for (uint64_t done = 0; done < bytes;) {
        size_t size = bytes - done < sizeof piece ? (size_t)(bytes - done) : sizeof piece;
        T2I_TRY(t2i_st_read(st, tensor, done, size, piece, err));
        t2i_dtype_floats(tensor->dtype, piece, size / wide, out);
        out += size / wide;
        done += size;
    }
    return T2I_OK;
}

/* ---- writing ---- */

/* Adds `"name":` or a value; takes ownership of the json. */
static t2i_status add_json(t2i_text *text, t2i_json *json, const char *after, t2i_error *err)
{
    char *piece;
    t2i_status status = t2i_json_text(json, 0, &piece, err);
    t2i_json_free(json);
    if (status == T2I_OK) status = t2i_text_addf(text, err, "%s%s", piece, after);
    t2i_free(piece);
    return status;
}

static t2i_status part_bytes(const t2i_st_part *part, uint64_t *bytes, t2i_error *err)
{
    uint64_t count = 1;
    *bytes = 0;
    int fits = part->dims <= T2I_ST_DIMS;
    for (size_t i = 0; fits && i < part->dims; i++) fits = multiply(count, part->dim[i], &count);
    if (fits && multiply(count, sizeof(float), bytes) && *bytes <= INT64_MAX) return T2I_OK;
    return t2i_fail(err, T2I_BUG, "tensor %s has an impossible shape", part->name);
}

static t2i_status add_entry(t2i_text *text, const t2i_st_part *part, uint64_t *end, t2i_error *err)
{
    uint64_t bytes;
    T2I_TRY(part_bytes(part, &bytes, err));
    if (bytes > INT64_MAX - *end) return t2i_fail(err, T2I_BUG, "the tensors are too large");
    t2i_json *entry = t2i_json_object(), *shape = t2i_json_array(), *offsets = t2i_json_array();
    for (size_t i = 0; i < part->dims; i++)
        t2i_json_append(shape, t2i_json_integer((int64_t)part->dim[i]));
    t2i_json_append(offsets, t2i_json_integer((int64_t)*end));
    *end += bytes;
    t2i_json_append(offsets, t2i_json_integer((int64_t)*end));
    t2i_json_set_string(entry, "dtype", "F32");
    t2i_json_set(entry, "shape", shape);
    t2i_json_set(entry, "data_offsets", offsets);
    t2i_status status = add_json(text, t2i_json_string(part->name, strlen(part->name)), ":", err);
    if (status == T2I_OK) return add_json(text, entry, ",", err);
    t2i_json_free(entry);
    return status;
}

static t2i_status add_header(t2i_text *text, const t2i_st_part *part, size_t parts,
                             const t2i_json *metadata, uint64_t *end, t2i_error *err)
{
    char *piece;
    T2I_TRY(t2i_text_add(text, "{", 1, err));
    if (metadata != NULL) {
        T2I_TRY(t2i_json_text(metadata, 0, &piece, err));
        t2i_status status = t2i_text_addf(text, err, "\"__metadata__\":%s,", piece);
        t2i_free(piece);
        T2I_TRY(status);
    }
    for (size_t i = 0; i < parts; i++) T2I_TRY(add_entry(text, &part[i], end, err));
    if (text->size > 1) text->size--; /* removes the last comma */
    T2I_TRY(t2i_text_add(text, "}", 1, err));
    while ((LENGTH + text->size) % ALIGN != 0) T2I_TRY(t2i_text_add(text, " ", 1, err));
    return T2I_OK;
}

/* Refuses what the reader would refuse: duplicate names, metadata that is not text, a long header.
 */
static t2i_status check_header(const t2i_text *text, uint64_t data_size, t2i_error *err)
{
    t2i_error why;
    t2i_st st = {.fd = -1, .path = "the file", .header = text->data, .data_size = data_size};
    st.header_size = text->size;
    t2i_status status = text->size > HEADER_MAX
                            ? t2i_fail(&why, T2I_DATA, "its header is over 100 MB")
                            : parse_header(&st, &why);
    free_tables(&st);
    if (status == T2I_DATA)
        return t2i_fail(err, T2I_BUG, "these tensors cannot be written: %s", why.text);
    return status == T2I_OK ? T2I_OK : t2i_fail(err, status, "%s", why.text);
}

t2i_status t2i_st_make_header(const t2i_st_part *part, size_t parts, const t2i_json *metadata,
                              char **out, size_t *size, t2i_error *err)
{
    t2i_text text = {0};
    uint64_t end = 0;
    *out = NULL;
    t2i_status status = add_header(&text, part, parts, metadata, &end, err);
    if (status == T2I_OK) status = check_header(&text, end, err);
    if (status != T2I_OK) {
        t2i_text_free(&text);
        return status;
    }
    *out = text.data;
    *size = text.size;
    return T2I_OK;
}

t2i_status t2i_st_write(t2i_fs_out *out, const char *header, size_t header_size,
                        const t2i_st_part *part, size_t parts, t2i_error *err)
{
    uint64_t length = header_size, bytes, all = LENGTH + header_size;
    for (size_t i = 0; i < parts; i++) {
        T2I_TRY(part_bytes(&part[i], &bytes, err));
        all += bytes;
    }
    t2i_fs_out_expect(out, all);
    T2I_TRY(t2i_fs_out_write(out, &length, LENGTH, err));
    T2I_TRY(t2i_fs_out_write(out, header, header_size, err));
    for (size_t i = 0; i < parts; i++) {
        T2I_TRY(part_bytes(&part[i], &bytes, err));
        T2I_TRY(t2i_fs_out_write(out, part[i].data, bytes, err));
    }
    return T2I_OK;
}

t2i_status t2i_st_save(const char *path, const t2i_st_part *part, size_t parts,
                       const t2i_json *metadata, t2i_error *err)
{
    char *header;
    size_t size;
    t2i_fs_out out;
    T2I_TRY(t2i_st_make_header(part, parts, metadata, &header, &size, err));
    t2i_status status = t2i_fs_out_open(&out, path, err);
    if (status == T2I_OK) {
        status = t2i_st_write(&out, header, size, part, parts, err);
        if (status == T2I_OK) status = t2i_commit(&out, err);
        t2i_fs_out_drop(&out);
    }
    t2i_free(header);
    return status;
}
