/* font.h - the built-in 8 x 16 font of canvas.h.
 *
 * It has ASCII, Latin-1, Latin Extended-A, Greek, Cyrillic and common signs. The font is Spleen
 * (BSD-2); Greek, Cyrillic and some signs are from X.Org's misc-fixed (public domain). It is built
 * in because a cluster node often has no fonts.
 */
#ifndef T2I_FONT_H
#define T2I_FONT_H

#include <stddef.h>
#include <stdint.h>

#define T2I_FONT_WIDTH  8  /* of a character, in pixels, at scale 1 */
#define T2I_FONT_HEIGHT 16 /* of a line, of text in any font */

/* Sets rows to the 16 rows of a character: top row first, left pixel in the highest bit. Returns 0
 * if the font lacks the character. */
int t2i_font_rows(uint32_t code, uint8_t rows[T2I_FONT_HEIGHT]);

#endif
