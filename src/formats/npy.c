#include "formats/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/dtype.h"
#include "formats/file_kind.h"
#include "base/mem.h"

enum { HEADER_MAX_BYTES = 1 << 16, WORD = 32 };

/* ---- the header: a dict of Python with three entries ---- */

typedef struct {
    const char *at, *end;
} reader;

static void skip_blanks(reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n\f", *r->at) != NULL && *r->at != '\0') r->at++;
}

/* Skips blanks, then a character if it is there. */
static int take(reader *r, char wanted)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != wanted) return 0;
    r->at++;
    return 1;
}

/* A string in either kind of quotes, without escapes; longer ones are cut. */
static int take_string(reader *r, char out[WORD])
{
    skip_blanks(r);
    if (r->at < r->end && *r->at == 'u') r->at++; /* Python 2 */
    char quote = take(r, '\'') ? '\'' : '"';
    if (quote == '"' && !take(r, '"')) return 0;
    const char *close = memchr(r->at, quote, (size_t)(r->end - r->at));
    if (close == NULL) return 0;
    size_t size = (size_t)(close - r->at) < WORD - 1 ? (size_t)(close - r->at) : WORD - 1;
    memcpy(out, r->at, size);
    out[size] = '\0';
    r->at = close + 1;
    return 1;
}

static int take_word(reader *r, const char *word)
{
    size_t size = strlen(word);
    skip_blanks(r);
    if ((size_t)(r->end - r->at) < size || memcmp(r->at, word, size) != 0) return 0;
    r->at += size;
    return 1;
}

static int take_number(reader *r, uint64_t *out)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at < '0' || *r->at > '9') return 0;
    for (*out = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        uint64_t digit = (uint64_t)(*r->at - '0');
        if (*out > (INT64_MAX - digit) / 10) return 0;
        *out = *out * 10 + digit;
    }
    if (r->at < r->end && *r->at == 'L') r->at++; /* Python 2 */
    return 1;
}

/* (), (3,) or (3, 4) */
static int take_shape(reader *r, t2i_npy *out)
{
    if (!take(r, '(')) return 0;
    for (out->dims = 0; !take(r, ')');) {
        if (out->dims == T2I_NPY_DIMS || !take_number(r, &out->dim[out->dims])) return 0;
        out->dims++;
        if (!take(r, ',')) return out->dims > 1 && take(r, ')');
    }
    return 1;
}

/* Returns the problem, or NULL. descr gets the element type; "" where it is a record. */
static const char *parse_header(reader *r, t2i_npy *out, char descr[WORD])
{
    static const char unsound[] = "its header is not a dict of descr, fortran_order and shape";
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    int seen = 0;
    if (!take(r, '{')) return unsound;
    while (!take(r, '}')) {
        char key[WORD];
        if (!take_string(r, key) || !take(r, ':')) return unsound;
        int which = strcmp(key, "descr") == 0           ? DESCR
                    : strcmp(key, "fortran_order") == 0 ? ORDER
                    : strcmp(key, "shape") == 0         ? SHAPE
                                                        : 0;
        if (which == 0 || (seen & which) != 0) return unsound;
        seen |= which;
        if (which == SHAPE && !take_shape(r, out)) return "its shape is not a tuple of integers";
        if (which == ORDER) {
            out->fortran = take_word(r, "True");
            if (!out->fortran && !take_word(r, "False")) return unsound;
        }
        if (which == DESCR && take(r, '[')) {
            descr[0] = '\0';
            return NULL; /* a record: refused whatever follows */
        }
        if (which == DESCR && !take_string(r, descr)) return unsound;
        if (!take(r, ',')) {
            if (!take(r, '}')) return unsound;
            break;
        }
    }
    return seen == (DESCR | ORDER | SHAPE) ? NULL : unsound;
}

/* Sets the type from numpy's name of it. */
static t2i_status take_type(t2i_npy *out, const char *descr, const char *name, t2i_error *err)
{
    static const struct {
        const char *descr, *dtype;
    } known[] = {{"f2", "F16"}, {"f4", "F32"}, {"f8", "F64"}, {"V2", "BF16"}};
    const char *what = "is not an array of floating-point numbers";
    if (strcmp(descr, "bfloat16") == 0) descr = "<V2";
    int order = descr[0] == '<' || descr[0] == '>' || descr[0] == '=' || descr[0] == '|';
    for (size_t i = 0; order && i < sizeof known / sizeof *known; i++) {
        if (strcmp(descr + 1, known[i].descr) != 0) continue;
        out->dtype = known[i].dtype;
        out->big_endian = descr[0] == '>';
        return T2I_OK;
    }
    switch (descr[order]) {
    case 'O':
        return t2i_fail(err, T2I_DATA,
                        "%s holds Python objects, which are never read; save an array of numbers: "
                        "numpy.save(F, numpy.stack(list(a)).astype('float32'))",
                        name);
    case '\0':
        what = "is an array of records";
        break;
    case 'i':
    case 'u':
        what = "holds integers";
        break;
    case 'b':
        what = "holds truth values";
        break;
    case 'c':
        what = "holds complex numbers";
        break;
    case 'f':
        what = "holds numbers of a type that depends on the machine";
        break;
    case 'S':
    case 'U':
        what = "holds text";
        break;
    }
    return t2i_fail(err, T2I_DATA,
                    "%s %s (%s); float16, float32, float64 or bfloat16 is needed: "
                    "a.astype('float32')",
                    name, what, descr[0] == '\0' ? "several fields" : descr);
}

/* Sets rows, width and extra. Returns the problem, or NULL. */
static const char *take_sizes(t2i_npy *out, uint64_t size)
{
    static const char large[] = "its shape is too large";
    uint64_t wide = t2i_dtype_size(out->dtype);
    out->rows = out->dims == 0 ? 1 : out->dim[0];
    out->width = 1;
    for (size_t i = 1; i < out->dims; i++) {
        if (out->dim[i] != 0 && out->width > INT64_MAX / out->dim[i]) return large;
        out->width *= out->dim[i];
    }
    if (out->width != 0 && out->rows > INT64_MAX / wide / out->width) return large;
    uint64_t bytes = out->rows * out->width * wide;
    if (bytes > size - out->begin)
        return "it is truncated: its data is shorter than its shape says";
    out->extra = size - out->begin - bytes;
    return NULL;
}

static t2i_status bad(const t2i_byte_source *source, const char *what, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a valid .npy file: %s", source->name, what);
}

static t2i_status read_header(t2i_npy *out, const t2i_byte_source *source, char *text,
                              uint64_t length, t2i_error *err)
{
    char descr[WORD] = "";
    T2I_TRY(t2i_byte_source_read(source, out->begin - length, text, (size_t)length, err));
    reader r = {text, text + length};
    const char *problem = parse_header(&r, out, descr);
    if (problem != NULL) return bad(source, problem, err);
    T2I_TRY(take_type(out, descr, source->name, err));
    problem = take_sizes(out, source->size);
    return problem == NULL ? T2I_OK : bad(source, problem, err);
}

t2i_status t2i_npy_open(t2i_npy *out, const t2i_byte_source *source, t2i_error *err)
{
    unsigned char head[12] = {0};
    size_t size = source->size < sizeof head ? (size_t)source->size : sizeof head;
    *out = (t2i_npy){.dtype = "F32"};
    T2I_TRY(t2i_byte_source_read(source, 0, head, size, err));
    if (size < sizeof head || memcmp(head, "\x93NUMPY", 6) != 0)
        return t2i_file_kind_refuse(head, size, source->name, "a .npy file", err);
    if (head[6] < 1 || head[6] > 3 || head[7] != 0)
        return t2i_fail(err, T2I_DATA, "%s has version %d.%d of .npy; 1.0, 2.0 and 3.0 are read",
                        source->name, head[6], head[7]);
    uint64_t length = (uint64_t)head[9] << 8 | head[8];
    if (head[6] > 1) length |= (uint64_t)head[11] << 24 | (uint64_t)head[10] << 16;
    out->begin = (head[6] > 1 ? 12 : 10) + length;
    if (length > HEADER_MAX_BYTES) return bad(source, "its header is over 64 KiB", err);
    if (out->begin > source->size) return bad(source, "it is truncated", err);
    char *text = t2i_alloc((size_t)length + 1, 1);
    if (text == NULL) return t2i_fail_memory(err, (size_t)length, "a file's header");
    t2i_status status = read_header(out, source, text, length, err);
    t2i_free(text);
    return status;
}

/* ---- elements ---- */

static void swap_bytes(unsigned char *at, size_t count, size_t wide)
{
    for (size_t i = 0; i < count; i++, at += wide)
        for (size_t k = 0; k < wide / 2; k++) {
            unsigned char byte = at[k];
            at[k] = at[wide - 1 - k];
            at[wide - 1 - k] = byte;
        }
}

/* Reads count elements from element `from` in the file's order, to out[0], out[step], ... */
static t2i_status read_run(const t2i_npy *npy, const t2i_byte_source *source, uint64_t from,
                           uint64_t count, float *out, size_t step, t2i_error *err)
{
    enum { PIECE = 4096 };
    unsigned char bytes[PIECE * sizeof(double)];
    float number[PIECE];
    size_t wide = t2i_dtype_size(npy->dtype);
    while (count > 0) {
        size_t part = count < PIECE ? (size_t)count : PIECE;
        T2I_TRY(t2i_byte_source_read(source, npy->begin + from * wide, bytes, part * wide, err));
        if (npy->big_endian) swap_bytes(bytes, part, wide);
        t2i_dtype_floats(npy->dtype, bytes, part, step == 1 ? out : number);
        for (size_t i = 0; step != 1 && i < part; i++) out[i * step] = number[i];
        out += part * step;
        from += part;
        count -= part;
    }
    return T2I_OK;
}

/* The column of a C-ordered row, in Fortran's order of the same dimensions. */
static uint64_t fortran_column(const t2i_npy *npy, uint64_t column)
{
    uint64_t at = 0, step = npy->width;
    for (size_t i = npy->dims; i-- > 1;) {
        step /= npy->dim[i];
        at += column % npy->dim[i] * step;
        column /= npy->dim[i];
    }
    return at;
}

t2i_status t2i_npy_rows(const t2i_npy *npy, const t2i_byte_source *source, uint64_t first,
                        uint64_t count, float *out, t2i_error *err)
{
    T2I_ASSERT(first <= npy->rows && count <= npy->rows - first);
    if (!npy->fortran)
        return read_run(npy, source, first * npy->width, count * npy->width, out, 1, err);
    for (uint64_t i = 0; i < npy->width; i++)
        T2I_TRY(read_run(npy, source, fortran_column(npy, i) * npy->rows + first, count, out + i,
                         (size_t)npy->width, err));
    return T2I_OK;
}

/* ---- writing ---- */

void t2i_npy_header(char out[T2I_NPY_HEADER], uint64_t rows, uint64_t columns)
{
    memset(out, ' ', T2I_NPY_HEADER);
    memcpy(out, "\x93NUMPY\1\0\x76\0", 10); /* 0x76 bytes follow */
    int size = snprintf(out + 10, T2I_NPY_HEADER - 10,
                        "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %llu), }",
                        (unsigned long long)rows, (unsigned long long)columns);
    out[10 + size] = ' ';
    out[T2I_NPY_HEADER - 1] = '\n';
}
