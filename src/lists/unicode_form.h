/* unicode_form.h - the two forms of accented letters in Unicode (UAX #15): composed (NFC) and
 * decomposed (NFD).
 *
 * Why: macOS and some archives write file names decomposed, while lists have them composed, so that
 * a name looks right and its file is not found.
 */
#ifndef T2I_UNICODE_FORM_H
#define T2I_UNICODE_FORM_H

#include "base/error.h"
#include "base/text.h"

typedef enum { T2I_UNICODE_NFC, T2I_UNICODE_NFD } t2i_unicode_form;

/* Appends the text in this form to *out; text that is not UTF-8 unchanged. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_unicode_form_add(t2i_text *out, t2i_span text, t2i_unicode_form form,
                                            t2i_error *err);

#endif
