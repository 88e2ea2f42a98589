/* emoji_font.h - the glyphs of a colour emoji font (Noto Color Emoji, PNG bitmaps in CBDT).
 *
 * Why HarfBuzz: most emoji are sequences (a flag is two letters, a family four persons), and only
 * the font's tables define which sequences have a single glyph. HarfBuzz applies these tables;
 * FreeType decodes the bitmaps.
 */
#ifndef T2I_EMOJI_FONT_H
#define T2I_EMOJI_FONT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "image/image.h"

#define T2I_EMOJI_MAX  32u     /* code points of a sequence; the longest in Unicode has 10 */
#define T2I_EMOJI_FE0F 0xfe0fu /* emoji presentation selector; optional in most sequences */

typedef struct t2i_emoji_font t2i_emoji_font;

/* path NULL: the first existing one of the usual paths. T2I_NOINPUT (the text says what to
 * install); T2I_DATA: not a font, or one without colour bitmaps. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_emoji_font_open(t2i_emoji_font **out, const char *path, t2i_error *err);
void t2i_emoji_font_close(t2i_emoji_font *font); /* NULL is legal */

/* Draws the sequence on a plain background (RGB) in the font's own size. If the font has no picture
 * for it (not exactly one glyph with a bitmap that is not empty), *out is empty and T2I_OK is
 * returned. The sequence is also tried without U+FE0F, which not all files write. T2I_DATA: the
 * font is damaged; T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_emoji_font_draw(t2i_emoji_font *font, const uint32_t *code, size_t count,
                                           const uint8_t background[3], t2i_image *out,
                                           t2i_error *err);

#endif
