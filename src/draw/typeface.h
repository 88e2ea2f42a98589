/* typeface.h - the scalable fonts of this machine: found, shaped by HarfBuzz, drawn by FreeType.
 *
 * They are looked for when the first text is drawn, and a font is opened when a character needs it:
 * DejaVu Sans, Noto Sans, Liberation Sans, then any other. $T2I_FONT names a file that comes before
 * them, or is `builtin`: no scalable font. Found fonts stay open. For one thread at a time.
 */
#ifndef T2I_TYPEFACE_H
#define T2I_TYPEFACE_H

#include <stddef.h>
#include <stdint.h>

enum { T2I_TYPEFACE_NONE = -1 };

/* A glyph of a text. Distances are in 1/64 pixel, upwards and to the right. */
typedef struct {
    int face;     /* T2I_TYPEFACE_NONE: the built-in font */
    uint32_t id;  /* in its font; of the built-in font: the code point */
    uint32_t at;  /* index of the first code point that it shows */
    long x, y;    /* from where the glyph before it ends */
    long advance; /* to where the next one begins */
} t2i_glyph;

/* How a glyph covers pixels: 0..255 in rows of `pitch` bytes. */
typedef struct {
    const uint8_t *cover; /* valid until the next call; NULL: nothing to draw */
    long width, height, pitch;
    long left,
        top; /* of its first pixel, from the start of the glyph and downwards from the base */
} t2i_glyph_pixels;

/* The font that has all these characters: `wished` if it does, else the first one;
 * T2I_TYPEFACE_NONE: none has. */
int t2i_typeface_find(const uint32_t *code, size_t count, int wished);

/* Shapes code[from..to), one script in one direction, with the rest as its context, for an em of
 * `size` pixels. The glyphs are in the order of the text. Characters that the font lacks are those
 * of the built-in font. Returns the number of glyphs, at most `room`. */
size_t t2i_typeface_shape(int face, long size, const uint32_t *code, size_t count, size_t from,
                          size_t to, int leftwards, t2i_glyph *out, size_t room);

/* Renders a glyph of a scalable font, moved right by `shift` (0..63) 1/64 pixel. */
t2i_glyph_pixels t2i_typeface_render(int face, uint32_t id, long size, long shift);

#endif
