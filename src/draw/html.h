/* html.h - web pages that need nothing but themselves: text, markup, pictures inside.
 *
 * Why: a report is opened years later, from a folder, on a machine without a network. A page holds
 * its style, its few lines of script and its pictures, names no other address, and shows everything
 * without the script. It follows the reader's light or dark setting and fits a phone.
 *
 * What comes from files (prompts, names, options) goes through t2i_html_text and can then be
 * nothing but text. Building never fails at each call: the first failure is kept, what follows does
 * nothing, and t2i_html_write tells it.
 */
#ifndef T2I_HTML_H
#define T2I_HTML_H

#include <stddef.h>
#include "base/error.h"
#include "image/image.h"
#include "base/text.h"

/* {0} is an empty one. */
typedef struct {
    t2i_text text;     /* owned */
    t2i_status status; /* the first failure, */
    t2i_error err;     /* and its words */
} t2i_html;

/* Everything up to the content. */
void t2i_html_begin(t2i_html *page, const char *title);
/* And after it. */
void t2i_html_end(t2i_html *page);

/* Markup of ours, as it is. */
void t2i_html_put(t2i_html *page, const char *format, ...) T2I_PRINTF(2, 3);
/* Anybody's text, for content and for attributes in double quotes: markup is escaped, control
 * characters and bytes that are not UTF-8 become U+FFFD. */
void t2i_html_text(t2i_html *page, const char *bytes, size_t size);
void t2i_html_word(t2i_html *page, const char *text); /* the same, NUL-terminated */
/* A picture's address that is the picture: data:image/png;base64,... */
void t2i_html_picture(t2i_html *page, const t2i_image *image);

/* Keeps a failure of something else that the page needs. */
void t2i_html_fail(t2i_html *page, t2i_status status, const t2i_error *err);

/* Writes it, whole or not at all, and frees it in any case. */
T2I_CHECKED t2i_status t2i_html_write(t2i_html *page, const char *path, t2i_error *err);
void t2i_html_free(t2i_html *page);

/* Appends bytes as base64. */
T2I_CHECKED t2i_status t2i_html_base64(t2i_text *out, const void *bytes, size_t size,
                                       t2i_error *err);

#endif
