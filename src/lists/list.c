#include "lists/list.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "formats/file_kind.h"
#include "lists/gzip.h"
#include "lists/list_internal.h"

static const size_t FILE_MAX = (size_t)4 << 30;
enum { LOOKED_AT = 100 }; /* lines that tell whether TABs separate the fields */

/* ---- bytes become UTF-8 ---- */

static uint32_t unit_at(const t2i_text *file, size_t at, int big)
{
    unsigned a = (unsigned char)file->data[at], b = (unsigned char)file->data[at + 1];
    return big ? a << 8 | b : b << 8 | a;
}

/* Spreadsheets save "Unicode text" as UTF-16 with a byte order mark. */
static t2i_status decode_utf16(t2i_text *file, const char *path, t2i_error *err)
{
    const int big = (unsigned char)file->data[0] == 0xfe;
    t2i_text out = {0};
    t2i_status status = T2I_OK;
    for (size_t at = 2; status == T2I_OK && at < file->size; at += 2) {
        uint32_t code = 0, low = 0;
        char bytes[4];
        int whole = file->size - at >= 2;
        if (whole) code = unit_at(file, at, big);
        if (whole && code >= 0xd800 && code < 0xe000) {
            whole = code < 0xdc00 && file->size - at >= 4;
            if (whole) low = unit_at(file, at + 2, big);
            whole = whole && low >= 0xdc00 && low < 0xe000;
            code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
            if (whole) at += 2;
        }
        if (whole)
            status = t2i_text_add(&out, bytes, t2i_utf8_encode(code, bytes), err);
        else
            status = t2i_fail(err, T2I_DATA,
                              "%s is not valid UTF-16 at byte %zu: save the list as UTF-8", path,
                              at + 1);
    }
    if (status == T2I_OK) {
        t2i_text_free(file);
        *file = out;
    } else {
        t2i_text_free(&out);
    }
    return status;
}

static t2i_status unpack(t2i_text *file, const char *path, t2i_error *err)
{
    t2i_text inner = {0};
    t2i_status status = T2I_OK;
    if (t2i_gzip_is(file->data, file->size)) {
        status = t2i_gzip_read(file->data, file->size, FILE_MAX, path, &inner, err);
        t2i_text_free(file);
        *file = inner;
    }
    if (status == T2I_OK && file->size >= 2 &&
        (memcmp(file->data, "\xff\xfe", 2) == 0 || memcmp(file->data, "\xfe\xff", 2) == 0))
        status = decode_utf16(file, path, err);
    /* line ends of old Macintosh programs */
    if (status == T2I_OK && file->size > 0 && memchr(file->data, '\n', file->size) == NULL)
        for (size_t i = 0; i < file->size; i++)
            if (file->data[i] == '\r') file->data[i] = '\n';
    return status;
}

/* ---- which format it is ---- */

/* Does the file's name end so, without .gz? */
static int has_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path), tail = strlen(suffix);
    if (size > 3 && strcasecmp(path + size - 3, ".gz") == 0) size -= 3;
    return size >= tail && strncasecmp(path + size - tail, suffix, tail) == 0;
}

static int is_plain_line(t2i_span line)
{
    for (size_t i = 0; i < line.size; i++)
        if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t') return 0;
    return t2i_utf8_valid(line.data, line.size) == line.size;
}

static int has_tabs(const t2i_list_reader *r)
{
    t2i_list_reader copy = *r;
    for (int i = 0; copy.at < copy.end && i < LOOKED_AT; i++) {
        t2i_span line = t2i_list_line(&copy);
        if (memchr(line.data, '\t', line.size) != NULL) return 1;
    }
    return 0;
}

/* Every second byte of the first ones is NUL, and no other. */
static int looks_like_utf16(const char *bytes, size_t size)
{
    size_t zeros[2] = {0, 0}, end = size < 32 ? size & ~(size_t)1 : 32;
    for (size_t i = 0; i < end; i++) zeros[i % 2] += bytes[i] == '\0';
    return end > 4 && zeros[0] + zeros[1] == end / 2 && (zeros[0] == 0 || zeros[1] == 0);
}

/* A file of another kind is named as what it is, unless its first line can be one of a list. */
static t2i_status check_kind(const t2i_list_reader *r, t2i_error *err)
{
    const size_t size = (size_t)(r->end - r->at);
    const char *advice;
    t2i_list_reader copy = *r;
    t2i_span line = t2i_list_line(&copy);
    if (memchr(line.data, '\t', line.size) != NULL && is_plain_line(line)) return T2I_OK;
    const char *kind = t2i_file_kind_name(r->at, size, &advice);
    if (kind != NULL && strcmp(kind, "a text file") != 0 && strncmp(kind, "a list", 6) != 0 &&
        strncmp(kind, "a JSON", 6) != 0)
        return t2i_file_kind_refuse(r->at, size, r->path, "a list of pairs", err);
    if (looks_like_utf16(r->at, size))
        return t2i_fail(err, T2I_DATA, "%s looks like UTF-16: save the list as UTF-8", r->path);
    return T2I_OK;
}

static t2i_status fail_format(const t2i_list_reader *r, t2i_error *err)
{
    t2i_list_reader copy = *r;
    t2i_span line = t2i_list_line(&copy);
    return t2i_fail(err, T2I_DATA,
                    "%s is not a list of pairs: it begins with \"%.*s\". A list has a header such "
                    "as \"prompt,image_path\" (with commas, TABs, semicolons or pipes), or lines "
                    "of prompt TAB file, or JSON objects",
                    r->path, line.size < 100 ? (int)line.size : 100, line.data);
}

static t2i_status read_list(t2i_list_reader *r, t2i_error *err)
{
    const t2i_list_columns *given = r->columns;
    const int named = given->prompt != NULL || given->image != NULL || given->split != NULL ||
                      given->group != NULL;
    t2i_list_json_kind json = t2i_list_json_find(r);
    if (json != T2I_LIST_NO_JSON) return t2i_list_json_read(r, json, err);
    char delimiter = t2i_list_table_find(r);
    if (delimiter != 0) return t2i_list_table_read(r, delimiter, err);
    T2I_TRY(check_kind(r, err));
    if (has_suffix(r->path, ".jsonl") || has_suffix(r->path, ".ndjson"))
        return t2i_list_json_read(r, T2I_LIST_LINES, err);
    if (has_suffix(r->path, ".json"))
        return t2i_fail(err, T2I_DATA,
                        "%s is not a JSON array of objects, nor JSON objects one per line: a list "
                        "has an object such as {\"prompt\": \"a cat\", \"image_path\": "
                        "\"cat.png\"} per picture",
                        r->path);
    delimiter = t2i_list_table_guess(r);
    if (named || (has_suffix(r->path, ".csv") && delimiter != '\t'))
        return t2i_list_table_read(r, delimiter, err);
    if (has_suffix(r->path, ".tsv") || has_tabs(r)) return t2i_list_table_read_plain(r, err);
    return fail_format(r, err);
}

static t2i_status read_text(t2i_list_reader *r, const t2i_text *file, t2i_error *err)
{
    t2i_span all = t2i_utf8_without_mark((t2i_span){file->data, file->size});
    if (all.size > 0) {
        r->end = all.data + all.size;
        r->at = all.data;
        t2i_list_drop_empty_end(r, 0);
    }
    if (r->at == r->end) return t2i_fail(err, T2I_DATA, "%s is empty: it holds no pairs", r->path);
    return read_list(r, err);
}

t2i_status t2i_list_read(t2i_pair_list *out, const char *path, const t2i_list_columns *columns,
                         t2i_error *err)
{
    static const t2i_list_columns usual = {NULL, NULL, NULL, NULL};
    t2i_text file = {0};
    *out = (t2i_pair_list){0};
    t2i_list_reader r = {.list = out,
                         .path = path,
                         .columns = columns == NULL ? &usual : columns,
                         .line = 1,
                         .part = "column"};
    t2i_status status = t2i_fs_read_stream(path, FILE_MAX, &file, err);
    if (status == T2I_OK) status = unpack(&file, path, err);
    if (status == T2I_OK) status = read_text(&r, &file, err);
    t2i_text_free(&file);
    t2i_text_free(&r.ignored);
    t2i_string_table_free(&r.ignored_names);
    if (status != T2I_OK) t2i_pairs_free(out);
    return status;
}
