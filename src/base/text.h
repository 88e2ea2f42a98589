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
/* Replaces in place, by '?', what could forge a line or control a terminal: control characters (C0,
 * DEL, C1) other than those in `keep`, characters that override the direction of writing, line and
 * paragraph separators, and bytes that are not UTF-8. Returns the new size, which is not larger. */
size_t t2i_text_clean(char *text, size_t size, const char *keep);
/* Adds untrusted text (a name, a prompt) as one clean line. */
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

/* Does the character control a terminal, end a line, or override the direction of writing? (C0,
 * DEL, C1; U+2028 to U+202E, U+2066 to U+2069. Marks that right-to-left text needs, as U+200F, do
 * not.) */
int t2i_utf8_is_control(uint32_t code);

/* 0 for characters that have no glyph of their own on a terminal (control, combining, formatting
 * and private use characters, other kinds of space). A plain blank counts as visible. */
int t2i_utf8_is_visible(uint32_t code);

/* Does the text end in `end`? The case of ASCII letters does not count. */
int t2i_text_ends(const char *text, const char *end);

/* The name among names[0..count) with the smallest edit distance to word (swapped neighbours count
 * once), or NULL if that is more than a third of the word's length + 1, or more than 1 for a word
 * of less than 5 bytes. For "did you mean". */
const char *t2i_text_nearest_name(const char *word, const char *const *names, size_t count);

#endif
