#include "formats/json_scan.h"

#include <string.h>

enum { DEEPEST = 64 };

static t2i_status bad(const t2i_json_scan *s, const char *what, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s at line %zu", what, s->line);
}

static void skip_blanks(t2i_json_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n'))
        s->line += *s->at++ == '\n';
}

/* Moves past the string whose quote is at s->at; its text goes to *out if that is not NULL. */
static t2i_status skip_string(t2i_json_scan *s, t2i_span *out, t2i_error *err)
{
    const char *begin = ++s->at;
    while (s->at < s->end && *s->at != '"') {
        s->line += *s->at == '\n';
        s->at += *s->at == '\\' && s->end - s->at > 1 ? 2 : 1;
    }
    if (s->at >= s->end) return bad(s, "a string is not closed", err);
    if (out != NULL) *out = (t2i_span){begin, (size_t)(s->at - begin)};
    s->at++;
    return T2I_OK;
}

/* Moves past an object or array. */
static t2i_status skip_container(t2i_json_scan *s, t2i_error *err)
{
    char closing[DEEPEST];
    int depth = 0;
    do {
        if (s->at >= s->end) return bad(s, "the file ends inside of an object or array", err);
        char c = *s->at;
        if (c == '"') {
            T2I_TRY(skip_string(s, NULL, err));
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == DEEPEST) return bad(s, "nested deeper than 64 levels", err);
            closing[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closing[--depth] != c) return bad(s, "a bracket of the wrong kind", err);
        }
        s->line += c == '\n';
        s->at++;
    } while (depth > 0);
    return T2I_OK;
}

static t2i_status skip_value(t2i_json_scan *s, t2i_span *out, t2i_error *err)
{
    const char *begin = s->at;
    *out = (t2i_span){begin, (size_t)(s->end - begin)};
    if (begin == s->end) return bad(s, "the file ends where a value is expected", err);
    if (*begin == '{' || *begin == '[')
        T2I_TRY(skip_container(s, err));
    else if (*begin == '"')
        T2I_TRY(skip_string(s, NULL, err));
    else
        while (s->at < s->end && strchr(",]} \t\r\n", *s->at) == NULL) s->at++;
    if (s->at == begin) return bad(s, "a value is missing", err);
    *out = (t2i_span){begin, (size_t)(s->at - begin)};
    return T2I_OK;
}

t2i_status t2i_json_scan_begin(t2i_json_scan *scan, t2i_span text, size_t line, t2i_error *err)
{
    *scan = (t2i_json_scan){.at = text.data, .end = text.data + text.size, .line = line};
    skip_blanks(scan);
    if (scan->at == scan->end || (*scan->at != '{' && *scan->at != '['))
        return bad(scan, "no object or array", err);
    scan->closing = *scan->at++ == '{' ? '}' : ']';
    return T2I_OK;
}

t2i_status t2i_json_scan_next(t2i_json_scan *scan, t2i_json_part *out, t2i_error *err)
{
    *out = (t2i_json_part){.line = scan->line};
    skip_blanks(scan);
    int closed = scan->at < scan->end && *scan->at == scan->closing;
    if (closed) {
        scan->at++;
        return T2I_OK;
    }
    if (scan->begun) {
        if (scan->at == scan->end || *scan->at != ',') return bad(scan, "a comma is missing", err);
        scan->at++;
        skip_blanks(scan);
    }
    scan->begun = 1;
    if (scan->closing == '}') {
        if (scan->at == scan->end || *scan->at != '"') return bad(scan, "a key is missing", err);
        T2I_TRY(skip_string(scan, &out->key, err));
        skip_blanks(scan);
        if (scan->at == scan->end || *scan->at != ':') return bad(scan, "a colon is missing", err);
        scan->at++;
        skip_blanks(scan);
    }
    out->line = scan->line;
    return skip_value(scan, &out->value, err);
}
