/* text.h - growing strings, and the nearest of several names. */
#ifndef T2I_TEXT_H
#define T2I_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/utf8.h"

/* A growing string; {0} is empty. data is NULL until something is added, then NUL-terminated; it
 * may contain NUL bytes. */
typedef struct {
    char *data;
    size_t size; /* bytes, without the terminator */
    size_t room;
} t2i_text;

/* Makes room for so many more bytes at once, as a growing text takes up to four times as much. */
T2I_CHECKED t2i_status t2i_text_reserve(t2i_text *text, size_t more, t2i_error *err);
T2I_CHECKED t2i_status t2i_text_add(t2i_text *text, const void *bytes, size_t size, t2i_error *err);
T2I_CHECKED t2i_status t2i_text_addf(t2i_text *text, t2i_error *err, const char *format, ...)
    T2I_PRINTF(3, 4);
/* Adds untrusted text (a name, a prompt) as one clean line. */
T2I_CHECKED t2i_status t2i_text_add_plain(t2i_text *text, const char *bytes, size_t size,
                                          t2i_error *err);
/* Replaces text by these bytes (without NUL), with ASCII letters in lower case. */
T2I_CHECKED t2i_status t2i_text_lower(t2i_text *text, const char *bytes, size_t size,
                                      t2i_error *err);
void t2i_text_free(t2i_text *text);

/* Does the text end in `end`? The case of ASCII letters does not count. */
int t2i_text_ends(const char *text, const char *end);

/* The name among names[0..count) with the smallest edit distance to word (swapped neighbours count
 * once), or NULL if that is more than a third of the word's length + 1, or more than 1 for a word
 * of less than 5 bytes. For "did you mean". */
const char *t2i_text_nearest_name(const char *word, const char *const *names, size_t count);

#endif
