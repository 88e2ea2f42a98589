/* font.h - the built-in 8 x 16 font, for canvas.
 *
 * ASCII, Latin-1, Latin Extended-A, Greek, Cyrillic and common signs. A cluster node has no fonts,
 * and a prompt is in any language.
 */
#ifndef T2I_FONT_H
#define T2I_FONT_H

#include <stddef.h>
#include <stdint.h>

/* The 16 rows of a character, top first, the left pixel in the highest bit. 0 when the font lacks
 * it. */
int t2i_font_rows(uint32_t code, uint8_t rows[16]);

#endif
