/* unicode_form.h - the composed form (NFC) of accented letters in Unicode (UAX #15).
 *
 * Why: macOS and some archives write file names decomposed (NFD), while lists have them composed,
 * so that a name looks right and its file is not found.
 */
#ifndef T2I_UNICODE_FORM_H
#define T2I_UNICODE_FORM_H

#include "base/error.h"
#include "base/text.h"

/* Appends the text composed (NFC) to *out; text that is not UTF-8 unchanged. T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_unicode_form_compose(t2i_text *out, t2i_span text, t2i_error *err);

#endif
