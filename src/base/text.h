/* text.h - growing strings, and UTF-8.
 *
 * Why: prompts are untrusted bytes. They are decoded to characters here only, and what is not UTF-8
 * (RFC 3629) is refused.
 */
#ifndef T2I_TEXT_H
#define T2I_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* A growing string; {0} is empty. data is NULL until something is added, then NUL-terminated; it
 * may contain NUL bytes. */
typedef struct {
    char *data;
    size_t size; /* bytes, without the terminator */
    size_t room;
} t2i_text;

/* A part of a text, borrowed; data is NULL when there is none. */
typedef struct {
    const char *data;
    size_t size;
} t2i_span;

T2I_CHECKED t2i_status t2i_text_add(t2i_text *text, const void *bytes, size_t size, t2i_error *err);
T2I_CHECKED t2i_status t2i_text_addf(t2i_text *text, t2i_error *err, const char *format, ...)
    T2I_PRINTF(3, 4);
/* Adds untrusted text (a name, a prompt). Control characters are replaced by '?', so that it can
 * neither forge a line nor control a terminal. */
T2I_CHECKED t2i_status t2i_text_add_plain(t2i_text *text, const char *bytes, size_t size,
                                          t2i_error *err);
/* Replaces text by these bytes (without NUL), with ASCII letters in lower case. */
T2I_CHECKED t2i_status t2i_text_lower(t2i_text *text, const char *bytes, size_t size,
                                      t2i_error *err);
void t2i_text_free(t2i_text *text);

/* Length in bytes of the first character of bytes[0..size), with its code point in *code; 0 if it
 * is not UTF-8 (overlong, surrogate, beyond U+10FFFF, truncated) or size is 0. */
size_t t2i_utf8_decode(const char *bytes, size_t size, uint32_t *code);

/* Writes code (at most U+10FFFF) as UTF-8 to out (at most 4 bytes, no terminator). Returns the
 * number of bytes. */
size_t t2i_utf8_encode(uint32_t code, char *out);

/* Offset of the first byte that is not UTF-8, or size if all are. */
size_t t2i_utf8_valid(const char *bytes, size_t size);

/* The text without the blanks at its ends: the characters of Unicode's property White_Space, such
 * as U+00A0 and U+3000, and line ends. */
t2i_span t2i_utf8_trim(t2i_span text);

/* 0 for characters that have no glyph of their own on a terminal (control, combining, formatting
 * and private use characters, other kinds of space). A plain blank counts as visible. */
int t2i_utf8_is_visible(uint32_t code);

/* The name among names[0..count) with the smallest edit distance to word, or NULL if that is more
 * than a third of the word's length + 1. For "did you mean". */
const char *t2i_text_nearest_name(const char *word, const char *const *names, size_t count);

#endif
