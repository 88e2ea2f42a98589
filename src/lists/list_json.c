#include "lists/list_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "formats/json.h"

/* The keys that hold the fields; they are the same in all objects of a list. */
typedef struct {
    t2i_list_reader *r;
    char *key[T2I_LIST_FIELDS]; /* owned; NULL: not seen yet */
    int objects, url;
    int many;   /* several keys can hold one field */
    int inside; /* a key holds an array of objects */
    int mapped; /* a key is the name of a picture */
} json_list;

/* ---- where a value ends ---- */

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Returns the end of the string whose quote is at *at, or NULL if it is not closed. */
static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at < end ? at + 1 : NULL;
}

/* Returns the end of the value at `at`, or NULL if the text ends before. The value need not be
 * valid. */
static const char *value_end(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = string_end(at, end);
            if (at == NULL || depth == 0) return at;
            continue;
        }
        if (depth == 0 && *at != '{' && *at != '[') {
            while (at < end && *at != ',' && *at != ']' && *at != '}' && !is_space(*at)) at++;
            return at;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (depth == 0) return at;
    }
    return NULL;
}

static void skip_space(t2i_list_reader *r)
{
    for (; r->at < r->end && is_space(*r->at); r->at++) r->line += *r->at == '\n';
}

/* Is the text an object with keys? */
static int is_row(t2i_span text)
{
    t2i_error ignored;
    t2i_json *json = NULL;
    t2i_status status = t2i_json_parse(&json, text.data, text.size, "the value", &ignored);
    int row = status == T2I_OK && t2i_json_is_object(json) && t2i_json_size(json) > 0;
    if (status == T2I_OK) t2i_json_free(json);
    return row;
}

t2i_list_json_kind t2i_list_json_find(const t2i_list_reader *r)
{
    t2i_list_reader copy = *r;
    skip_space(&copy);
    const char *at = copy.at;
    if (at == copy.end || (*at != '{' && *at != '[')) return T2I_LIST_NO_JSON;
    if (*at == '[') {
        copy.at++;
        skip_space(&copy);
        if (copy.at == copy.end) return T2I_LIST_NO_JSON;
        if (*copy.at == '{') return T2I_LIST_ARRAY;
        return *copy.at == ']' && copy.end - copy.at < 8 ? T2I_LIST_ARRAY : T2I_LIST_NO_JSON;
    }
    t2i_span line = t2i_utf8_trim(t2i_list_line(&copy));
    if (is_row(line)) return T2I_LIST_LINES;
    const char *end = value_end(at, copy.end);
    if (end == NULL || end <= line.data + line.size) return T2I_LIST_NO_JSON;
    return is_row((t2i_span){at, (size_t)(end - at)}) ? T2I_LIST_STREAM : T2I_LIST_NO_JSON;
}

/* ---- one object; T2I_DATA: the row is bad ---- */

static t2i_status fail_many(json_list *j, size_t line, int field, const t2i_json *object,
                            t2i_error *err)
{
    t2i_text names = {0};
    t2i_status status = t2i_text_addf(&names, err, "\"%.64s\"", j->key[field]);
    for (const char *key = NULL; (key = t2i_json_next_key(object, key)) != NULL;)
        if (status == T2I_OK && strcmp(key, j->key[field]) != 0 &&
            (int)t2i_list_find_field(j->r->columns, (t2i_span){key, strlen(key)}) == field)
            status = t2i_text_addf(&names, err, ", \"%.64s\"", key);
    j->many = 1;
    if (status == T2I_OK)
        status = t2i_list_fail_many(j->r, line, (t2i_list_field)field, names.data, err);
    t2i_text_free(&names);
    return status;
}

/* Finds what each key holds. */
static t2i_status find_keys(json_list *j, size_t line, const t2i_json *object, t2i_error *why)
{
    for (const char *key = NULL; (key = t2i_json_next_key(object, key)) != NULL;) {
        const t2i_span name = {key, strlen(key)};
        t2i_list_field f = t2i_list_find_field(j->r->columns, name);
        j->url |= f == T2I_LIST_URL;
        const t2i_json *value = t2i_json_get(object, key);
        if (f >= T2I_LIST_FIELDS) {
            j->inside |= t2i_json_is_object(t2i_json_at(value, 0));
            j->mapped |= t2i_list_is_picture(name);
            T2I_TRY(t2i_list_ignore(j->r, name, why));
            continue;
        }
        if (j->key[f] != NULL &&
            t2i_list_same_name(name, (t2i_span){j->key[f], strlen(j->key[f])}) &&
            t2i_json_get(object, j->key[f]) == NULL) {
            t2i_free(j->key[f]); /* in other letters than before */
            j->key[f] = NULL;
        }
        if (j->key[f] == NULL && (j->key[f] = t2i_strdup(key)) == NULL)
            return t2i_fail_memory(why, name.size, "a key");
        if (strcmp(j->key[f], key) != 0) return fail_many(j, line, (int)f, object, why);
    }
    j->objects++;
    return T2I_OK;
}

/* Is a column of values there, as pandas and `datasets` write a whole table? */
static int is_column(const t2i_json *value)
{
    return t2i_json_is_array(value) ||
           (t2i_json_is_object(value) && t2i_json_get(value, "path") == NULL &&
            t2i_json_get(value, "bytes") == NULL);
}

static t2i_status fail_type(const json_list *j, int field, const t2i_json *value, t2i_error *why)
{
    const char *key = j->key[field];
    if ((field == T2I_LIST_IMAGE && is_column(value)) ||
        (field == T2I_LIST_PROMPT && t2i_json_is_object(value)))
        return t2i_fail(why, T2I_DATA,
                        "\"%s\" holds many values: write one object per picture (pandas: "
                        "to_json(..., orient=\"records\", lines=True))",
                        key);
    if (field == T2I_LIST_IMAGE && t2i_json_is_object(value))
        return t2i_fail(why, T2I_DATA,
                        "\"%s\" holds a picture's bytes: save the pictures as files, and give "
                        "their names",
                        key);
    return t2i_fail(why, T2I_DATA, "\"%s\" is not a string%s", key,
                    field == T2I_LIST_GROUP    ? " or an integer"
                    : field == T2I_LIST_PROMPT ? " or a list of strings"
                                               : "");
}

static int is_null(const t2i_json *value)
{
    char *text;
    int null = 0;
    if (t2i_json_is_object(value) || t2i_json_is_array(value)) return 0;
    if (t2i_json_text(value, 0, &text, NULL) == T2I_OK) {
        null = strcmp(text, "null") == 0;
        t2i_free(text);
    }
    return null;
}

/* A field of an object: a string; for a group also an integer, written to `digits`. null counts as
 * absent. */
static t2i_status read_field(const json_list *j, int field, const t2i_json *value, t2i_span *out,
                             char digits[32], t2i_error *why)
{
    int64_t number;
    if (value == NULL || t2i_json_as_string(value, &out->data, &out->size)) return T2I_OK;
    if (field == T2I_LIST_GROUP && t2i_json_as_integer(value, &number)) {
        *out = (t2i_span){digits, (size_t)snprintf(digits, 32, "%lld", (long long)number)};
        return T2I_OK;
    }
    return is_null(value) ? T2I_OK : fail_type(j, field, value, why);
}

/* Adds the pair or, where the prompt is a list, the pairs of an object. */
static t2i_status add_object(json_list *j, size_t line, const t2i_json *object, t2i_error *err)
{
    t2i_span fields[T2I_LIST_FIELDS] = {{NULL, 0}};
    char digits[32];
    t2i_error why = {0};
    t2i_status status = T2I_OK;
    const t2i_json *prompts = NULL;
    if (!t2i_json_is_object(object))
        status = t2i_fail(&why, T2I_DATA, "is not a JSON object");
    else
        status = find_keys(j, line, object, &why);
    if (j->many || (status != T2I_OK && status != T2I_DATA)) {
        *err = why;
        return status;
    }
    for (int f = 0; status == T2I_OK && f < T2I_LIST_FIELDS; f++) {
        const t2i_json *value = j->key[f] == NULL ? NULL : t2i_json_get(object, j->key[f]);
        if (f == T2I_LIST_PROMPT && t2i_json_is_array(value) && t2i_json_size(value) > 0)
            prompts = value;
        else
            status = read_field(j, f, value, &fields[f], digits, &why);
    }
    if (prompts == NULL || status != T2I_OK)
        return t2i_list_row(j->r, line, status, fields, &why, err);
    for (size_t i = 0; i < t2i_json_size(prompts); i++) {
        fields[T2I_LIST_PROMPT] = (t2i_span){NULL, 0};
        status = read_field(j, T2I_LIST_PROMPT, t2i_json_at(prompts, i), &fields[T2I_LIST_PROMPT],
                            digits, &why);
        T2I_TRY(t2i_list_row(j->r, line, status, fields, &why, err));
    }
    return T2I_OK;
}

/* The parser counts lines and columns from the beginning of the value: of those of one line, only
 * the column is of use. */
static void drop_line_number(t2i_error *why)
{
    static const char said[] = " at line 1, column ", wanted[] = " at column ";
    char *at = strstr(why->text, said);
    if (at == NULL) return;
    memcpy(at, wanted, sizeof wanted - 1);
    const char *rest = at + sizeof said - 1;
    memmove(at + sizeof wanted - 1, rest, strlen(rest) + 1);
}

/* Appends the text with null for NaN and infinities, which Python writes, and integers that may
 * not fit into 64 bits as strings. */
static t2i_status add_strict(t2i_text *out, t2i_span text, t2i_error *err)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    const char *at = text.data, *end = at + text.size;
    t2i_status status = T2I_OK;
    while (status == T2I_OK && at < end) {
        const char *next = at + 1, *wanted = NULL;
        size_t digits = *at == '-' ? 1 : 0;
        while (at + digits < end && at[digits] >= '0' && at[digits] <= '9') digits++;
        if (*at == '"' && (next = string_end(at, end)) == NULL) next = end;
        if (digits > 0) next = at + digits;
        int big = digits > 18 && (next == end || strchr(".eE", *next) == NULL);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if ((size_t)(end - at) >= strlen(words[i]) &&
                memcmp(at, words[i], strlen(words[i])) == 0) {
                wanted = "null";
                next = at + strlen(words[i]);
            }
        status = t2i_text_addf(out, err, "%s", wanted != NULL ? wanted : big ? "\"" : "");
        if (status == T2I_OK && wanted == NULL)
            status = t2i_text_add(out, at, (size_t)(next - at), err);
        if (status == T2I_OK && big) status = t2i_text_add(out, "\"", 1, err);
        at = next;
    }
    return status;
}

static t2i_status parse(t2i_span text, t2i_json **json, t2i_error *why)
{
    t2i_text strict = {0};
    t2i_error ignored;
    t2i_status status = t2i_list_check_bytes(text, why);
    if (status == T2I_OK && text.size == 0) return t2i_fail(why, T2I_DATA, "the line is empty");
    if (status == T2I_OK) status = t2i_json_parse(json, text.data, text.size, "the line", why);
    if (status != T2I_DATA || text.size == 0) return status;
    drop_line_number(why);
    if (add_strict(&strict, text, &ignored) == T2I_OK && strict.size > 0 &&
        t2i_json_parse(json, strict.data, strict.size, "the line", &ignored) == T2I_OK)
        status = T2I_OK;
    t2i_text_free(&strict);
    return status;
}

static t2i_status add_text(json_list *j, size_t line, t2i_span text, t2i_error *err)
{
    static const t2i_span none[T2I_LIST_FIELDS] = {{NULL, 0}};
    t2i_error why = {0};
    t2i_json *json = NULL;
    t2i_status status = parse(text, &json, &why);
    status = status == T2I_OK ? add_object(j, line, json, err)
                              : t2i_list_row(j->r, line, status, none, &why, err);
    t2i_json_free(json);
    return status;
}

/* ---- the three layouts ---- */

static t2i_status read_lines(json_list *j, t2i_error *err)
{
    t2i_list_reader *r = j->r;
    while (r->at < r->end) {
        size_t line = r->line;
        T2I_TRY(add_text(j, line, t2i_list_line(r), err));
    }
    return T2I_OK;
}

/* The value at r->at; moves past it. */
static t2i_status read_value(json_list *j, t2i_error *err)
{
    t2i_list_reader *r = j->r;
    const char *begin = r->at, *end = value_end(begin, r->end);
    const size_t line = r->line;
    if (end == NULL || end == begin)
        return t2i_fail(err, T2I_DATA, "%s:%zu: %s", r->path, line,
                        end == NULL ? "the file ends inside of a JSON value: it is cut off"
                                    : "an object is missing here");
    for (const char *c = begin; c < end; c++) r->line += *c == '\n';
    r->at = end;
    return add_text(j, line, (t2i_span){begin, (size_t)(end - begin)}, err);
}

static t2i_status read_array(json_list *j, t2i_error *err)
{
    t2i_list_reader *r = j->r;
    skip_space(r);
    r->at++; /* its bracket */
    skip_space(r);
    while (r->at < r->end && *r->at != ']') {
        T2I_TRY(read_value(j, err));
        skip_space(r);
        if (r->at == r->end || *r->at == ']') break;
        if (*r->at != ',')
            return t2i_fail(err, T2I_DATA, "%s:%zu: a comma is missing between two objects",
                            r->path, r->line);
        r->at++;
        skip_space(r);
    }
    if (r->at == r->end)
        return t2i_fail(err, T2I_DATA, "%s ends inside of its JSON array: it is cut off", r->path);
    r->at++;
    skip_space(r);
    if (r->at == r->end) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s:%zu: text follows the JSON array", r->path, r->line);
}

static t2i_status read_stream(json_list *j, t2i_error *err)
{
    for (skip_space(j->r); j->r->at < j->r->end; skip_space(j->r)) T2I_TRY(read_value(j, err));
    return T2I_OK;
}

/* No object had a key for the prompt or for the picture, or not the given one. */
static t2i_status check_keys(const json_list *j, t2i_error *err)
{
    const t2i_list_columns *given = j->r->columns;
    const int missing[] = {j->r->list->count == 0, j->r->list->count == 0, given->split != NULL,
                           given->group != NULL};
    const int lost =
        j->r->list->count == 0 && j->key[T2I_LIST_PROMPT] == NULL && j->key[T2I_LIST_IMAGE] == NULL;
    if (lost && j->inside)
        return t2i_fail(
            err, T2I_DATA,
            "%s holds a list inside of an object (%s): write the array of objects alone",
            j->r->path, j->r->ignored.data);
    if (lost && j->mapped)
        return t2i_fail(err, T2I_DATA,
                        "%s has names of pictures as keys (%.200s): write one object per picture, "
                        "such as {\"prompt\": \"a cat\", \"image_path\": \"cat.png\"}",
                        j->r->path, j->r->ignored.data);
    for (int f = 0; j->objects > 0 && f < T2I_LIST_FIELDS; f++)
        if (missing[f] && j->key[f] == NULL && j->r->ignored.size > 0)
            return t2i_list_fail_none(j->r, 1, (t2i_list_field)f, j->url, j->r->ignored.data, err);
    return T2I_OK;
}

t2i_status t2i_list_json_read(t2i_list_reader *r, t2i_list_json_kind kind, t2i_error *err)
{
    json_list j = {.r = r};
    t2i_span name[T2I_LIST_FIELDS] = {{NULL, 0}};
    r->part = "key";
    t2i_list_drop_empty_end(r, '\t');
    t2i_status status = kind == T2I_LIST_ARRAY    ? read_array(&j, err)
                        : kind == T2I_LIST_STREAM ? read_stream(&j, err)
                                                  : read_lines(&j, err);
    if (status == T2I_OK) status = check_keys(&j, err);
    for (int f = 0; f < T2I_LIST_FIELDS; f++)
        if (j.key[f] != NULL) name[f] = (t2i_span){j.key[f], strlen(j.key[f])};
    if (status == T2I_OK)
        t2i_list_log_format(r, kind == T2I_LIST_ARRAY ? "JSON array" : "JSON objects", name);
    if (status == T2I_OK) t2i_list_log_ignored(r);
    for (int f = 0; f < T2I_LIST_FIELDS; f++) t2i_free(j.key[f]);
    return status;
}
