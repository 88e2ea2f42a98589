/* html.h - writes HTML pages that need no other files.
 *
 * Why: a report may be opened years later, from a folder, without a network. A page contains its
 * style sheet, a short script and its pictures, has no links to other addresses, and shows all its
 * content without the script. It supports light and dark mode and small screens.
 *
 * Text from files (prompts, names, options) must go through t2i_html_text, which escapes it. Calls
 * do not return failures: the first failure is kept, later calls do nothing, and t2i_html_write
 * returns it.
 */
#ifndef T2I_HTML_H
#define T2I_HTML_H

#include <stddef.h>
#include "base/error.h"
#include "image/image.h"
#include "base/text.h"

/* {0} is an empty page. */
typedef struct {
    t2i_text text;     /* owned */
    t2i_status status; /* first failure */
    t2i_error err;     /* its message */
} t2i_html;

/* Writes everything before the content. */
void t2i_html_begin(t2i_html *page, const char *title);
/* Writes everything after the content. */
void t2i_html_end(t2i_html *page);

/* Appends trusted markup unchanged. */
void t2i_html_put(t2i_html *page, const char *format, ...) T2I_PRINTF(2, 3);
/* Appends untrusted text, as content or in an attribute in double quotes. Markup is escaped;
 * control characters and bytes that are not UTF-8 become U+FFFD. */
void t2i_html_text(t2i_html *page, const char *bytes, size_t size);
void t2i_html_word(t2i_html *page, const char *text); /* NUL-terminated text */
/* Appends a picture as a data URL: data:image/png;base64,... */
void t2i_html_picture(t2i_html *page, const t2i_image *image);

/* Records a failure from elsewhere as the failure of the page, unless it has one. */
void t2i_html_fail(t2i_html *page, t2i_status status, const t2i_error *err);

/* Writes the page atomically and frees it, also on failure. Returns the first failure of the page.
 * T2I_CANTCREATE if the path has a file that is no HTML page (t2i_fs_may_replace). */
T2I_CHECKED t2i_status t2i_html_write(t2i_html *page, const char *path, t2i_error *err);
void t2i_html_free(t2i_html *page);

/* Appends bytes as base64. */
T2I_CHECKED t2i_status t2i_html_base64(t2i_text *out, const void *bytes, size_t size,
                                       t2i_error *err);

#endif
