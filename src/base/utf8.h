/* utf8.h - bytes as characters.
 *
 * Why: prompts are untrusted bytes. They are decoded to characters here only, and what is not UTF-8
 * (RFC 3629) is refused; and whatever is printed is made harmless here only.
 */
#ifndef T2I_UTF8_H
#define T2I_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* A part of a text, borrowed; data is NULL when there is none. */
typedef struct {
    const char *data;
    size_t size;
} t2i_span;

/* Length in bytes of the first character of bytes[0..size), with its code point in *code; 0 if it
 * is not UTF-8 (overlong, surrogate, beyond U+10FFFF, truncated) or size is 0. */
size_t t2i_utf8_decode(const char *bytes, size_t size, uint32_t *code);

/* Writes code (at most U+10FFFF) as UTF-8 to out (at most 4 bytes, no terminator). Returns the
 * number of bytes. */
size_t t2i_utf8_encode(uint32_t code, char *out);

/* Offset of the first byte that is not UTF-8, or size if all are. */
size_t t2i_utf8_valid(const char *bytes, size_t size);

/* The text without the byte order mark that Windows writes before it. */
t2i_span t2i_utf8_without_mark(t2i_span text);

/* The text without the blanks at its ends: the characters of Unicode's property White_Space, such
 * as U+00A0 and U+3000, and line ends. */
t2i_span t2i_utf8_trim(t2i_span text);

/* Does the character control a terminal, end a line, or change the direction of writing? (C0, DEL,
 * C1; U+061C, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069.) */
int t2i_utf8_is_control(uint32_t code);

/* Is the character a mark of direction (U+061C, U+200E, U+200F)? In a page or a picture it changes
 * nothing but the blanks and signs beside it. */
int t2i_utf8_is_direction_mark(uint32_t code);

/* 0 for characters that have no glyph of their own on a terminal (control, combining, formatting
 * and private use characters, other kinds of space). A plain blank counts as visible. */
int t2i_utf8_is_visible(uint32_t code);

/* Replaces in place, by '?', what could forge a line or control a terminal: characters of which
 * t2i_utf8_is_control is true, other than those in `keep`, and bytes that are not UTF-8. Returns
 * the new size, which is not larger.
 *
 * All foreign text (names, prompts, values, keys) that is printed passes this function: in an error
 * when t2i_fail makes it, in any other line and in results when log.c prints them. */
size_t t2i_utf8_clean(char *text, size_t size, const char *keep);

#endif
