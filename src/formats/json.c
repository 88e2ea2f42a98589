#include "formats/json.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum { DEEPEST = 64, DIGITS = 9, VALUES_MAX = 1 << 17 };

/* A t2i_json is a json_t. jansson's reading functions are not const-correct. */
static json_t *raw(const t2i_json *json)
{
    return (json_t *)json;
}

static t2i_json *wrap(json_t *json)
{
    return (t2i_json *)json;
}

/* If jansson 2.14 runs out of memory during parsing, it may skip a character and continue, or fail
 * an assertion. Therefore its allocator is ours, and a parse without memory is left at once
 * (longjmp); its allocations are in a ring, to be freed. A chunk stays in its ring until it is
 * freed. */
typedef union chunk {
    struct {
        union chunk *next, *before;
    } ring;
    max_align_t align;
} chunk;

typedef struct {
    jmp_buf out;
    chunk *got; /* any chunk of the ring; NULL: none */
    json_t *json;
} parse;

/* Global, since jansson's allocation functions have no context argument. */
static _Thread_local parse *under_way;

static void *take(size_t size)
{
    chunk *p = size < SIZE_MAX - sizeof *p ? t2i_alloc(sizeof *p + size, 1) : NULL;
    if (p == NULL && under_way != NULL) longjmp(under_way->out, 1);
    if (p == NULL) return NULL;
    chunk *other = under_way != NULL && under_way->got != NULL ? under_way->got : p;
    p->ring.next = other == p ? p : other->ring.next;
    p->ring.before = other;
    p->ring.next->ring.before = p;
    other->ring.next = p;
    if (under_way != NULL) under_way->got = p;
    return p + 1;
}

static void give(void *pointer)
{
    if (pointer == NULL) return;
    chunk *p = (chunk *)pointer - 1, *other = p->ring.before;
    other->ring.next = p->ring.next;
    p->ring.next->ring.before = other;
    if (under_way != NULL && under_way->got == p) under_way->got = other == p ? NULL : other;
    t2i_free(p);
}

/* Must be called before any value is created. */
static void use_our_memory(void)
{
    json_set_alloc_funcs(take, give);
}

/* Returns 0 if out of memory. all->json: NULL if the text is not JSON. */
static int load(parse *all, const char *text, size_t size, json_error_t *why)
{
    if (setjmp(all->out) == 0) {
        under_way = all;
        all->json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, why);
        under_way = NULL;
        return 1;
    }
    while (all->got != NULL) give(all->got + 1);
    under_way = NULL;
    return 0;
}

static int is_container(const json_t *json)
{
    return json_is_object(json) || json_is_array(json);
}

/* An incomplete container is marked by a second reference to itself: this needs no memory, and
 * every container here has exactly one owner, so the count has no other use. */
static int is_spoilt(const json_t *json)
{
    return is_container(json) && json->refcount > 1;
}

static void spoil(json_t *json)
{
    if (is_container(json) && !is_spoilt(json)) json_incref(json);
}

t2i_json *t2i_json_object(void)
{
    use_our_memory();
    return wrap(json_object());
}

t2i_json *t2i_json_array(void)
{
    use_our_memory();
    return wrap(json_array());
}

/* The text with every byte that is not UTF-8 replaced by U+FFFD; empty if out of memory. */
static t2i_text cleaned(const char *bytes, size_t size)
{
    t2i_text text = {0};
    uint32_t code;
    t2i_status status = t2i_text_add(&text, "", 0, NULL);
    for (size_t at = 0; at < size && status == T2I_OK;) {
        size_t length = t2i_utf8_decode(bytes + at, size - at, &code);
        status = length > 0 ? t2i_text_add(&text, bytes + at, length, NULL)
                            : t2i_text_add(&text, "\xef\xbf\xbd", 3, NULL);
        at += length > 0 ? length : 1;
    }
    if (status != T2I_OK) t2i_text_free(&text);
    return text;
}

t2i_json *t2i_json_string(const char *utf8, size_t size)
{
    use_our_memory();
    if (t2i_utf8_valid(utf8, size) == size) return wrap(json_stringn_nocheck(utf8, size));
    t2i_text text = cleaned(utf8, size);
    json_t *json = text.data == NULL ? NULL : json_stringn_nocheck(text.data, text.size);
    t2i_text_free(&text);
    return wrap(json);
}

t2i_json *t2i_json_integer(int64_t value)
{
    use_our_memory();
    return wrap(json_integer(value));
}

t2i_json *t2i_json_real(double value)
{
    use_our_memory();
    return wrap(isfinite(value) ? json_real(value) : json_null());
}

t2i_json *t2i_json_bool(int value)
{
    return wrap(json_boolean(value));
}

t2i_json *t2i_json_null(void)
{
    return wrap(json_null());
}

void t2i_json_free(t2i_json *json)
{
    if (is_spoilt(raw(json))) json_decref(raw(json));
    json_decref(raw(json));
}

void t2i_json_set(t2i_json *object, const char *key, t2i_json *value)
{
    if (value == NULL || is_spoilt(raw(value))) {
        t2i_json_free(value);
        spoil(raw(object));
        return;
    }
    t2i_text text = {0};
    size_t size = strlen(key);
    if (t2i_utf8_valid(key, size) != size) {
        text = cleaned(key, size);
        key = text.data; /* jansson refuses NULL */
    }
    if (json_object_set_new_nocheck(raw(object), key, raw(value)) != 0) spoil(raw(object));
    t2i_text_free(&text);
}

void t2i_json_append(t2i_json *array, t2i_json *value)
{
    if (value == NULL || is_spoilt(raw(value))) {
        t2i_json_free(value);
        spoil(raw(array));
    } else if (json_array_append_new(raw(array), raw(value)) != 0) {
        spoil(raw(array));
    }
}

void t2i_json_set_string(t2i_json *object, const char *key, const char *utf8)
{
    t2i_json_set(object, key, t2i_json_string(utf8, strlen(utf8)));
}

void t2i_json_set_integer(t2i_json *object, const char *key, int64_t value)
{
    t2i_json_set(object, key, t2i_json_integer(value));
}

void t2i_json_set_real(t2i_json *object, const char *key, double value)
{
    t2i_json_set(object, key, t2i_json_real(value));
}

/* Is a part missing? jansson continues after a key that could not be added. */
typedef struct {
    t2i_text text;
    int failed;
} pieces;

static int add_piece(const char *piece, size_t size, void *to)
{
    pieces *all = to;
    if (!all->failed) all->failed = t2i_text_add(&all->text, piece, size, NULL) != T2I_OK;
    return all->failed ? -1 : 0;
}

/* Escapes what JSON does not require to be escaped, but could control a terminal. Outside of
 * strings JSON has no such characters except newlines. */
static t2i_status escape(t2i_text *text)
{
    t2i_text out = {0};
    size_t kept = 0, length;
    uint32_t code;
    t2i_status status = T2I_OK;
    for (size_t at = 0; status == T2I_OK && at < text->size; at += length) {
        length = t2i_utf8_decode(text->data + at, text->size - at, &code);
        if (code == '\n' || !t2i_utf8_is_control(code)) continue;
        status = t2i_text_add(&out, text->data + kept, at - kept, NULL);
        if (status == T2I_OK) status = t2i_text_addf(&out, NULL, "\\u%04X", (unsigned)code);
        kept = at + length;
    }
    if (status == T2I_OK && kept > 0) {
        status = t2i_text_add(&out, text->data + kept, text->size - kept, NULL);
        t2i_text before = *text;
        *text = out;
        out = before;
    }
    t2i_text_free(&out);
    return status;
}

static t2i_status dump(const t2i_json *json, int indent, int escaped, char **out, t2i_error *err)
{
    *out = NULL;
    pieces all = {0};
    size_t layout = indent > 0 ? JSON_INDENT((size_t)indent) : JSON_COMPACT;
    size_t flags = layout | JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS);
    if (json == NULL || is_spoilt(raw(json)) ||
        json_dump_callback(raw(json), add_piece, &all, flags) != 0 || all.failed ||
        (escaped && escape(&all.text) != T2I_OK)) {
        t2i_text_free(&all.text);
        return t2i_fail(err, T2I_SYSTEM, "cannot allocate memory for a JSON text");
    }
    *out = all.text.data;
    return T2I_OK;
}

t2i_status t2i_json_text(const t2i_json *json, int indent, char **out, t2i_error *err)
{
    return dump(json, indent, indent > 0, out, err);
}

t2i_status t2i_json_line(t2i_json *json, char **out, size_t *size, t2i_error *err)
{
    t2i_status status = dump(json, 0, 1, out, err);
    t2i_json_free(json);
    if (status != T2I_OK) return status;
    *size = strlen(*out) + 1;
    (*out)[*size - 1] = '\n';
    return T2I_OK;
}

/* jansson's own limit is 2048 levels, each with a stack frame; and it takes up to 300 bytes for a
 * value of two. Both counts are exact enough for valid JSON; other texts fail here or in the
 * parser. */
static t2i_status check_bounds(const char *text, size_t size, const char *what, t2i_error *err)
{
    size_t depth = 0, line = 1, column = 0, values = 0;
    int quoted = 0;
    for (size_t i = 0; i < size; i++, column++) {
        char c = text[i];
        if (c == '\n') {
            line++;
            column = 0;
        }
        if (quoted) {
            if (c == '\\') i++, column++;
            quoted = c != '"';
        } else {
            quoted = c == '"';
            values += c == ',' || c == '[' || c == '{';
            if (values > VALUES_MAX)
                return t2i_fail(err, T2I_DATA, "%s: JSON of more than %d values", what, VALUES_MAX);
            if ((c == ']' || c == '}') && depth > 0) depth--;
            if ((c == '[' || c == '{') && ++depth > DEEPEST)
                return t2i_fail(err, T2I_DATA,
                                "%s: JSON nested deeper than %d levels at line %zu, column %zu",
                                what, DEEPEST, line, column + 1);
        }
    }
    return T2I_OK;
}

t2i_status t2i_json_parse(t2i_json **out, const char *text, size_t size, const char *what,
                          t2i_error *err)
{
    json_error_t why;
    *out = NULL;
    T2I_TRY(check_bounds(text, size, what, err));
    parse all = {.json = NULL};
    use_our_memory();
    if (!load(&all, size > 0 ? text : "", size, &why)) return t2i_fail_memory(err, size, what);
    if (all.json == NULL)
        return t2i_fail(err, T2I_DATA, "%s: not valid JSON at line %d, column %d: %s", what,
                        why.line, why.column, why.text);
    *out = wrap(all.json);
    return T2I_OK;
}

const t2i_json *t2i_json_get(const t2i_json *object, const char *key)
{
    return wrap(json_object_get(raw(object), key));
}

size_t t2i_json_size(const t2i_json *container)
{
    return t2i_json_is_object(container) ? json_object_size(raw(container))
                                         : json_array_size(raw(container));
}

const t2i_json *t2i_json_at(const t2i_json *array, size_t index)
{
    return wrap(json_array_get(raw(array), index));
}

int t2i_json_is_object(const t2i_json *json)
{
    return json_is_object(raw(json));
}

int t2i_json_is_array(const t2i_json *json)
{
    return json_is_array(raw(json));
}

int t2i_json_as_string(const t2i_json *json, const char **out, size_t *size)
{
    if (!json_is_string(raw(json))) return 0;
    const char *text = json_string_value(raw(json));
    size_t length = json_string_length(raw(json));
    if (size == NULL && strlen(text) != length) return 0;
    if (size != NULL) *size = length;
    *out = text;
    return 1;
}

int t2i_json_as_integer(const t2i_json *json, int64_t *out)
{
    if (!json_is_integer(raw(json))) return 0;
    *out = json_integer_value(raw(json));
    return 1;
}

int t2i_json_as_real(const t2i_json *json, double *out)
{
    if (!json_is_number(raw(json))) return 0;
    *out = json_number_value(raw(json));
    return 1;
}

const char *t2i_json_next_key(const t2i_json *object, const char *key)
{
    void *at = key == NULL
                   ? json_object_iter(raw(object))
                   : json_object_iter_next(raw(object), json_object_iter_at(raw(object), key));
    return at == NULL ? NULL : json_object_iter_key(at);
}
