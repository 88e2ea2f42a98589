/* text.h - growing text, and UTF-8.
 *
 * Why: prompts are bytes from strangers; the one place that turns them into
 * characters is here, and it refuses what is not UTF-8 (RFC 3629).
 */
#ifndef T2I_TEXT_H
#define T2I_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* A growing string. {0} is the empty one. data is NUL-terminated once anything was added, and NULL
 * before; it may hold NUL bytes. */
typedef struct {
    char *data;
    size_t size; /* bytes, terminator not counted */
    size_t room;
} t2i_text;

T2I_CHECKED t2i_status t2i_text_add(t2i_text *text, const void *bytes, size_t size, t2i_error *err);
T2I_CHECKED t2i_status t2i_text_addf(t2i_text *text, t2i_error *err, const char *format, ...)
    T2I_PRINTF(3, 4);
/* Text of a stranger (a name, a prompt): control characters become '?', so that none forges a line
 * or reaches a terminal. */
T2I_CHECKED t2i_status t2i_text_add_plain(t2i_text *text, const char *bytes, size_t size,
                                          t2i_error *err);
/* text becomes these bytes (without NUL) with small letters for ASCII's capitals. */
T2I_CHECKED t2i_status t2i_text_small(t2i_text *text, const char *bytes, size_t size,
                                      t2i_error *err);
void t2i_text_free(t2i_text *text);

/* Bytes of the well-formed character at bytes[0..size), its code point in *code; 0 when it is not
 * UTF-8 (overlong, surrogate, beyond U+10FFFF, cut) or size is 0. */
size_t t2i_utf8_decode(const char *bytes, size_t size, uint32_t *code);

/* Writes code (at most U+10FFFF) as UTF-8 into out (4 bytes at most, no terminator); returns the
 * number of bytes. */
size_t t2i_utf8_encode(uint32_t code, char *out);

/* Offset of the first byte that is not UTF-8; size when all is well. */
size_t t2i_utf8_valid(const char *bytes, size_t size);

/* 0 for characters that leave no mark of their own on a terminal, or the wrong one (control
 * characters, combining and formatting ones, private use); a plain blank counts as visible. */
int t2i_utf8_is_visible(uint32_t code);

/* The name among names[0..count) that is nearest to word by edit distance, when that is at most
 * a third of the word's length + 1; else NULL. For "did you mean". */
const char *t2i_text_nearest_name(const char *word, const char *const *names, size_t count);

#endif
