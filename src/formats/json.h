/* json.h - JSON values, over jansson, seen by this layer only.
 *
 * Why: logs, status files, checkpoint metadata and --json all speak JSON; this
 * keeps one library behind one small interface. Objects keep insertion order.
 *
 * Ownership: a t2i_json from parse/object/array belongs to the caller until it is
 * given away to t2i_json_set or t2i_json_append, which take it (also when they
 * fail). What t2i_json_get and t2i_json_at return is borrowed from its parent.
 * Building never reports memory at each call: a NULL or failed part makes the
 * final t2i_json_text fail (T2I_SYSTEM), so a builder needs one check.
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
t2i_json *t2i_json_real(double value); /* written as %.9g; not finite becomes null */
t2i_json *t2i_json_bool(int value);
t2i_json *t2i_json_null(void);
void t2i_json_free(t2i_json *json); /* NULL is legal */

void t2i_json_set(t2i_json *object, const char *key, t2i_json *value);
void t2i_json_append(t2i_json *array, t2i_json *value);
void t2i_json_set_string(t2i_json *object, const char *key, const char *utf8);
void t2i_json_set_integer(t2i_json *object, const char *key, int64_t value);
void t2i_json_set_real(t2i_json *object, const char *key, double value);

/* Compact text on one line (indent 0) or indented; newly allocated, NUL-terminated; t2i_free it. */
T2I_CHECKED t2i_status t2i_json_text(const t2i_json *json, int indent, char **out, t2i_error *err);
/* Takes json. Its text on one line, with the line's end in the terminator's place: size bytes that
 * can go out in one write. t2i_free it. */
T2I_CHECKED t2i_status t2i_json_line(t2i_json *json, char **out, size_t *size, t2i_error *err);

/* Strict: duplicate keys, trailing bytes, invalid UTF-8 and nesting beyond 64 are T2I_DATA; the
 * text says where (line, column). what names the source in the message. */
T2I_CHECKED t2i_status t2i_json_parse(t2i_json **out, const char *text, size_t size,
                                      const char *what, t2i_error *err);

/* Reading. A missing key or another type gives NULL / 0 from these: */
const t2i_json *t2i_json_get(const t2i_json *object, const char *key);
size_t t2i_json_size(const t2i_json *container); /* elements of an array or an object, else 0 */
const t2i_json *t2i_json_at(const t2i_json *array, size_t index);
int t2i_json_is_object(const t2i_json *json);
int t2i_json_is_array(const t2i_json *json);
/* Each returns 1 and fills *out when json is of that type, else 0. Strings are borrowed; *size may
 * be NULL when the caller wants none with NUL bytes (then such a string gives 0). */
int t2i_json_as_string(const t2i_json *json, const char **out, size_t *size);
int t2i_json_as_integer(const t2i_json *json, int64_t *out);
int t2i_json_as_real(const t2i_json *json, double *out); /* an integer counts too */
/* Iteration in insertion order: the first key after key (NULL: the first); NULL at the end. */
const char *t2i_json_next_key(const t2i_json *object, const char *key);

#endif
