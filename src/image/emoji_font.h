/* emoji_font.h - the pictures of a colour emoji font (Noto Color Emoji, PNG bitmaps in CBDT).
 *
 * Why a shaper: most emoji are sequences (a flag is two letters, a family four people), and only
 * the font's own tables know which of them it draws as one picture. HarfBuzz applies these, and
 * FreeType decodes the bitmaps.
 */
#ifndef T2I_EMOJI_FONT_H
#define T2I_EMOJI_FONT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "image/image.h"

#define T2I_EMOJI_MAX  32u     /* code points of a sequence; Unicode's longest has 10 */
#define T2I_EMOJI_FE0F 0xfe0fu /* "as a picture": written or left out without other meaning */

typedef struct t2i_emoji_font t2i_emoji_font;

/* path NULL: the first that is there of the usual places. T2I_NOINPUT (says what to install);
 * T2I_DATA: no font, or one without colour bitmaps. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_emoji_font_open(t2i_emoji_font **out, const char *path, t2i_error *err);
void t2i_emoji_font_close(t2i_emoji_font *font); /* NULL is legal */

/* Draws the sequence on a plain background (RGB), in the font's own size. *out is empty, without
 * being an error, when the font has no picture for it: it does not come out as exactly one glyph,
 * which has a bitmap with something in it. As files differ in writing U+FE0F, the sequence is also
 * tried without. T2I_DATA: the font is damaged; T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_emoji_font_draw(t2i_emoji_font *font, const uint32_t *code, size_t count,
                                           const uint8_t background[3], t2i_image *out,
                                           t2i_error *err);

#endif
