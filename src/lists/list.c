#include "lists/list.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "formats/json.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    RECORD_MAX = 4 << 20, /* limit of a CSV record, for a quote that is never closed */
    COLUMNS_MAX = 64,
    NAMED_MAX = 8 /* unknown columns that a note names */
};
static const size_t FILE_MAX = (size_t)4 << 30;

typedef enum { PROMPT, IMAGE, SPLIT, GROUP, FIELDS } field;
static const char *const field_names[FIELDS] = {"prompt", "image_path", "split", "group"};

typedef struct {
    t2i_pair_list *list;
    const char *path;
    const char *at, *end; /* the part that is not read yet */
    size_t line;          /* line number of `at` */
    t2i_text note;        /* names of unknown columns or keys */
    int noted;
    /* CSV */
    t2i_text unquoted;
    int column[COLUMNS_MAX]; /* field of each column; FIELDS: ignored */
    size_t columns;
} reader;

/* ---- all formats. T2I_DATA: the row is bad; any other failure ends the reading ---- */

static t2i_status check_bytes(const char *bytes, size_t size, t2i_error *why)
{
    const char *nul = memchr(bytes, '\0', size);
    if (nul != NULL)
        return t2i_fail(why, T2I_DATA, "holds a NUL at byte %zu", (size_t)(nul - bytes) + 1);
    size_t valid = t2i_utf8_valid(bytes, size);
    if (valid == size) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "is not UTF-8 at byte %zu", valid + 1);
}

/* Counts a row; reports and skips a bad one. */
static t2i_status count_row(reader *r, size_t line, t2i_status status, const t2i_span *fields,
                            const t2i_error *why, t2i_error *err)
{
    const t2i_pair_fields row = {fields[PROMPT], fields[IMAGE], fields[SPLIT], fields[GROUP]};
    if (status == T2I_OK) return t2i_pairs_add(r->list, r->path, line, &row, err);
    if (status == T2I_DATA) return t2i_pairs_add_bad(r->list, r->path, line, why->text, err);
    *err = *why;
    return status;
}

/* Returns the line at r->at without its line end, and moves to the next line. */
static t2i_span next_line(reader *r)
{
    const char *begin = r->at, *end = memchr(begin, '\n', (size_t)(r->end - begin));
    r->at = end == NULL ? r->end : end + 1;
    r->line++;
    if (end == NULL) end = r->end;
    if (end > begin && end[-1] == '\r') end--;
    return (t2i_span){begin, (size_t)(end - begin)};
}

static t2i_status note_unknown(reader *r, const char *name, size_t size, t2i_error *err)
{
    if (r->noted++ >= NAMED_MAX) return T2I_OK;
    return t2i_text_addf(&r->note, err, "%s%.*s", r->note.size > 0 ? ", " : "",
                         size < 64 ? (int)size : 64, name);
}

static void log_unknown(const reader *r, const char *what)
{
    t2i_error text;
    if (r->noted == 0) return;
    t2i_fail(&text, T2I_DATA, "%s: ignored %s: %s%s", r->path, what, r->note.data,
             r->noted > NAMED_MAX ? ", ..." : "");
    t2i_log_note("%s", text.text);
}

/* ---- TSV ---- */

static t2i_status tsv_row(t2i_span text, t2i_span *fields, t2i_error *why)
{
    static const field order[] = {PROMPT, IMAGE, SPLIT};
    if (text.size == 0) return t2i_fail(why, T2I_DATA, "the line is empty");
    T2I_TRY(check_bytes(text.data, text.size, why));
    const char *at = text.data, *end = text.data + text.size;
    size_t count = 0;
    for (;; count++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        if (count < sizeof order / sizeof *order)
            fields[order[count]] = (t2i_span){at, (size_t)((tab == NULL ? end : tab) - at)};
        if (tab == NULL) break;
        at = tab + 1;
    }
    if (count == 0) return t2i_fail(why, T2I_DATA, "has no TAB between prompt and file name");
    if (count > 2)
        return t2i_fail(why, T2I_DATA, "has %zu fields; expected prompt TAB file [TAB split]",
                        count + 1);
    return T2I_OK;
}

static t2i_status read_tsv(reader *r, t2i_error *err)
{
    while (r->at < r->end) {
        t2i_error why = {0};
        t2i_span fields[FIELDS] = {{NULL, 0}};
        size_t line = r->line;
        t2i_status status = tsv_row(next_line(r), fields, &why);
        T2I_TRY(count_row(r, line, status, fields, &why, err));
    }
    return T2I_OK;
}

/* ---- JSONL ---- */

/* A field of an object: a string; for `group` also an integer, written to `digits`. null counts as
 * absent. */
static t2i_status json_field(const t2i_json *object, field which, t2i_span *out, char digits[32],
                             t2i_error *why)
{
    const t2i_json *value = t2i_json_get(object, field_names[which]);
    int64_t number;
    if (value == NULL) return T2I_OK;
    if (t2i_json_as_string(value, &out->data, &out->size))
        return check_bytes(out->data, out->size, why);
    if (which == GROUP && t2i_json_as_integer(value, &number)) {
        *out = (t2i_span){digits, (size_t)snprintf(digits, 32, "%lld", (long long)number)};
        return T2I_OK;
    }
    char *text;
    T2I_TRY(t2i_json_text(value, 0, &text, why));
    int nothing = strcmp(text, "null") == 0;
    t2i_free(text);
    if (nothing) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "\"%s\" is not a string%s", field_names[which],
                    which == GROUP ? " or an integer" : "");
}

static t2i_status json_row(reader *r, const t2i_json *object, t2i_span *fields, char digits[32],
                           t2i_error *why)
{
    if (!t2i_json_is_object(object)) return t2i_fail(why, T2I_DATA, "is not a JSON object");
    for (int i = 0; i < FIELDS; i++) T2I_TRY(json_field(object, (field)i, &fields[i], digits, why));
    for (const char *key = NULL; (key = t2i_json_next_key(object, key)) != NULL;) {
        int known = 0;
        for (int i = 0; i < FIELDS; i++) known |= strcmp(key, field_names[i]) == 0;
        if (known) continue;
        size_t size = strlen(key);
        /* a key is noted once, as long as few are known */
        if (r->note.data == NULL || strstr(r->note.data, key) == NULL)
            T2I_TRY(note_unknown(r, key, size, why));
    }
    return T2I_OK;
}

/* The parser reports line 1 for every row, as it gets one line at a time. */
static void drop_line_number(t2i_error *why)
{
    static const char said[] = " at line 1, column ", wanted[] = " at column ";
    char *at = strstr(why->text, said);
    if (at == NULL) return;
    memcpy(at, wanted, sizeof wanted - 1);
    const char *rest = at + sizeof said - 1;
    memmove(at + sizeof wanted - 1, rest, strlen(rest) + 1);
}

static t2i_status read_jsonl(reader *r, t2i_error *err)
{
    while (r->at < r->end) {
        t2i_error why = {0};
        t2i_span fields[FIELDS] = {{NULL, 0}};
        char digits[32];
        t2i_json *json = NULL;
        size_t line = r->line;
        t2i_span text = next_line(r);
        t2i_status status = check_bytes(text.data, text.size, &why);
        if (status == T2I_OK && text.size == 0)
            status = t2i_fail(&why, T2I_DATA, "the line is empty");
        if (status == T2I_OK) {
            status = t2i_json_parse(&json, text.data, text.size, "the line", &why);
            drop_line_number(&why);
        }
        if (status == T2I_OK) status = json_row(r, json, fields, digits, &why);
        status = count_row(r, line, status, fields, &why, err);
        t2i_json_free(json);
        T2I_TRY(status);
    }
    log_unknown(r, "unknown keys");
    return T2I_OK;
}

/* ---- CSV ---- */

/* Reads a quoted field that begins at *at; its value goes to r->unquoted. */
static t2i_status csv_quoted(reader *r, const char **at, const char *end, size_t *lines,
                             t2i_error *why)
{
    const char *p = *at + 1;
    for (;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (quote == NULL) return t2i_fail(why, T2I_DATA, "a quote is not closed");
        for (const char *c = p; c < quote; c++) *lines += *c == '\n';
        T2I_TRY(t2i_text_add(&r->unquoted, p, (size_t)(quote - p), why));
        p = quote + 1;
        if (p == end || *p != '"') break;
        T2I_TRY(t2i_text_add(&r->unquoted, p++, 1, why));
    }
    *at = p;
    if (p == end || *p == ',' || *p == '\n' || (*p == '\r' && (p + 1 == end || p[1] == '\n')))
        return T2I_OK;
    return t2i_fail(why, T2I_DATA, "text follows a closing quote");
}

static t2i_status csv_plain(reader *r, const char **at, const char *end, t2i_error *why)
{
    const char *p = *at;
    while (p < end && *p != ',' && *p != '\n') p++;
    size_t size = (size_t)(p - *at);
    if (size > 0 && p[-1] == '\r' && (p == end || *p == '\n')) size--;
    T2I_TRY(t2i_text_add(&r->unquoted, *at, size, why));
    *at = p;
    return T2I_OK;
}

/* Reads the record at r->at and moves past it. The fields are valid until the next record. A record
 * with wrong quotes ends at its first line end, so that the next one can be read. */
static t2i_status csv_record(reader *r, t2i_span fields[COLUMNS_MAX], size_t *count, t2i_error *why)
{
    size_t begin[COLUMNS_MAX + 1], lines = 0;
    const char *at = r->at;
    const char *end = (size_t)(r->end - at) > RECORD_MAX ? at + RECORD_MAX : r->end;
    t2i_status status = T2I_OK;
    r->unquoted.size = 0;
    *count = 0;
    for (;;) {
        begin[*count] = r->unquoted.size;
        status = at < end && *at == '"' ? csv_quoted(r, &at, end, &lines, why)
                                        : csv_plain(r, &at, end, why);
        if (at < end && *at == '\r') at++;
        if (status == T2I_OK && at == end && end != r->end)
            status = t2i_fail(why, T2I_DATA, "is longer than 4 MiB");
        begin[++*count] = r->unquoted.size;
        if (status != T2I_OK || at == end || *at == '\n') break;
        if (*count == COLUMNS_MAX) {
            status = t2i_fail(why, T2I_DATA, "has more than %d columns", COLUMNS_MAX);
            break;
        }
        at++;
    }
    const char *first = r->at;
    size_t size = (size_t)(at - first);
    if (status == T2I_OK) status = check_bytes(first, size, why);
    if (status != T2I_OK) {
        next_line(r);
        return status;
    }
    for (size_t i = 0; i < *count; i++)
        fields[i] = (t2i_span){r->unquoted.data + begin[i], begin[i + 1] - begin[i]};
    r->at = at < r->end ? at + 1 : at;
    r->line += lines + 1;
    return T2I_OK;
}

static t2i_status csv_header(reader *r, t2i_error *err)
{
    t2i_span fields[COLUMNS_MAX];
    t2i_error why = {0};
    t2i_text all = {0};
    int have[FIELDS] = {0};
    t2i_status status = csv_record(r, fields, &r->columns, &why);
    if (status != T2I_OK) return t2i_fail(err, status, "%s:1: bad header: %s", r->path, why.text);
    for (size_t c = 0; status == T2I_OK && c < r->columns; c++) {
        int which = 0;
        while (which < FIELDS && (strlen(field_names[which]) != fields[c].size ||
                                  memcmp(field_names[which], fields[c].data, fields[c].size) != 0))
            which++;
        r->column[c] = which;
        if (which == FIELDS)
            status = note_unknown(r, fields[c].data, fields[c].size, err);
        else if (have[which]++)
            status = t2i_fail(err, T2I_DATA, "%s:1: two columns are named %s", r->path,
                              field_names[which]);
        if (status == T2I_OK)
            status = t2i_text_addf(&all, err, "%s%.*s", c > 0 ? ", " : "",
                                   fields[c].size < 64 ? (int)fields[c].size : 64, fields[c].data);
    }
    if (status == T2I_OK && (!have[PROMPT] || !have[IMAGE]))
        status = t2i_fail(err, T2I_DATA,
                          "%s:1: no column is named %s: a .csv file begins with a header such as "
                          "\"prompt,image_path,split\"; this one begins with \"%.300s\"",
                          r->path, field_names[have[PROMPT] ? IMAGE : PROMPT], all.data);
    t2i_text_free(&all);
    return status;
}

static t2i_status csv_row(reader *r, t2i_span *chosen, t2i_error *why)
{
    t2i_span fields[COLUMNS_MAX];
    size_t count;
    const char *begin = r->at;
    T2I_TRY(csv_record(r, fields, &count, why));
    if (count == 1 && fields[0].size == 0 && *begin != '"')
        return t2i_fail(why, T2I_DATA, "the line is empty");
    if (count != r->columns)
        return t2i_fail(why, T2I_DATA, "has %zu columns, but the header has %zu%s", count,
                        r->columns,
                        count > r->columns ? " (quote a field that holds a comma)" : "");
    for (size_t c = 0; c < count; c++)
        if (r->column[c] < FIELDS) chosen[r->column[c]] = fields[c];
    return T2I_OK;
}

static t2i_status read_csv(reader *r, t2i_error *err)
{
    T2I_TRY(csv_header(r, err));
    log_unknown(r, "unknown columns");
    while (r->at < r->end) {
        t2i_error why = {0};
        t2i_span chosen[FIELDS] = {{NULL, 0}};
        size_t line = r->line;
        t2i_status status = csv_row(r, chosen, &why);
        T2I_TRY(count_row(r, line, status, chosen, &why, err));
    }
    return T2I_OK;
}

/* ---- the file ---- */

static int has_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path), tail = strlen(suffix);
    return size >= tail && strcasecmp(path + size - tail, suffix) == 0;
}

static t2i_status read_text(reader *r, const t2i_text *file, t2i_error *err)
{
    size_t mark = file->size >= 3 && memcmp(file->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (file->size >= 2 &&
        (memcmp(file->data, "\xff\xfe", 2) == 0 || memcmp(file->data, "\xfe\xff", 2) == 0))
        return t2i_fail(err, T2I_DATA, "%s looks like UTF-16: save it as UTF-8", r->path);
    r->at = file->data + mark;
    r->end = file->data + file->size;
    r->line = 1;
    if (r->at == r->end) return t2i_fail(err, T2I_DATA, "%s is empty: it holds no pairs", r->path);
    if (has_suffix(r->path, ".csv")) return read_csv(r, err);
    return has_suffix(r->path, ".jsonl") ? read_jsonl(r, err) : read_tsv(r, err);
}

t2i_status t2i_list_read(t2i_pair_list *out, const char *path, const t2i_list_columns *columns,
                         t2i_error *err)
{
    t2i_text file = {0};
    (void)columns;
    *out = (t2i_pair_list){0};
    reader r = {.list = out, .path = path};
    t2i_status status = t2i_fs_read(path, FILE_MAX, &file, err);
    if (status == T2I_OK) status = read_text(&r, &file, err);
    t2i_text_free(&file);
    t2i_text_free(&r.note);
    t2i_text_free(&r.unquoted);
    if (status != T2I_OK) t2i_pairs_free(out);
    return status;
}
