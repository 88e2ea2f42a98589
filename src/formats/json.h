/* json.h - JSON values. The library jansson is used by this module only.
 *
 * Used for logs, status files, checkpoint metadata and --json. Objects keep the insertion order.
 *
 * Ownership: a t2i_json from parse, object or array is owned by the caller until it is passed to
 * t2i_json_set or t2i_json_append, which take ownership (also if they fail). The results of
 * t2i_json_get and t2i_json_at are borrowed from their parent.
 *
 * Errors: functions that build values do not report missing memory. A NULL or incomplete part makes
 * the final t2i_json_text fail with T2I_SYSTEM, so one check is enough.
 */
#ifndef T2I_JSON_H
#define T2I_JSON_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct t2i_json t2i_json;

t2i_json *t2i_json_object(void);
t2i_json *t2i_json_array(void);
t2i_json *t2i_json_string(const char *utf8, size_t size); /* invalid UTF-8 bytes become U+FFFD */
t2i_json *t2i_json_integer(int64_t value);
t2i_json *t2i_json_real(double value); /* written as %.9g; null if not finite */
t2i_json *t2i_json_bool(int value);
t2i_json *t2i_json_null(void);
void t2i_json_free(t2i_json *json); /* NULL is legal */

void t2i_json_set(t2i_json *object, const char *key, t2i_json *value);
void t2i_json_append(t2i_json *array, t2i_json *value);
void t2i_json_set_string(t2i_json *object, const char *key, const char *utf8);
void t2i_json_set_integer(t2i_json *object, const char *key, int64_t value);
void t2i_json_set_real(t2i_json *object, const char *key, double value);

/* Text on one line (indent 0) or indented; newly allocated, NUL-terminated; free with t2i_free.
 * Indented text is for people: characters that could control a terminal (t2i_utf8_is_control) are
 * escaped in it. */
T2I_CHECKED t2i_status t2i_json_text(const t2i_json *json, int indent, char **out, t2i_error *err);
/* Takes ownership of json. Its text on one line, escaped like indented text, with a newline in
 * place of the terminator: size bytes for a single write. Free with t2i_free. */
T2I_CHECKED t2i_status t2i_json_line(t2i_json *json, char **out, size_t *size, t2i_error *err);

/* Strict: duplicate keys, trailing bytes, invalid UTF-8 and nesting beyond 64 levels are T2I_DATA,
 * with line and column in the text; so are more than 131,072 values, since each takes up to 300
 * bytes: a text of N bytes takes at most 40 MB + 4 N. Larger ones are cut by json_scan.h. what:
 * name of the source for messages. */
T2I_CHECKED t2i_status t2i_json_parse(t2i_json **out, const char *text, size_t size,
                                      const char *what, t2i_error *err);

/* Reading. These return NULL or 0 for a missing key or another type. */
const t2i_json *t2i_json_get(const t2i_json *object, const char *key);
size_t t2i_json_size(const t2i_json *container); /* elements of an array or an object, else 0 */
const t2i_json *t2i_json_at(const t2i_json *array, size_t index);
int t2i_json_is_object(const t2i_json *json);
int t2i_json_is_array(const t2i_json *json);
/* Each returns 1 and sets *out if json has that type, else 0. Strings are borrowed. size NULL:
 * strings with NUL bytes return 0. */
int t2i_json_as_string(const t2i_json *json, const char **out, size_t *size);
int t2i_json_as_integer(const t2i_json *json, int64_t *out);
int t2i_json_as_real(const t2i_json *json, double *out); /* also of an integer */
/* Iteration in insertion order: the key after `key` (NULL: the first key); NULL at the end. */
const char *t2i_json_next_key(const t2i_json *object, const char *key);

#endif
