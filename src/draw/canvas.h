/* canvas.h - drawing on a picture: rectangles, lines, text in a small built-in font.
 *
 * Why: sheets and plots need labels, and a cluster node has no fonts.
 */
#ifndef T2I_CANVAS_H
#define T2I_CANVAS_H

#include <stddef.h>
#include <stdint.h>
#include "image/image.h"

/* 0xRRGGBB. Everything is clipped to the picture; coordinates may lie outside. */
void t2i_canvas_fill(t2i_image *image, long x, long y, long width, long height, uint32_t colour);
/* One pixel wide frame. */
void t2i_canvas_frame(t2i_image *image, long x, long y, long width, long height, uint32_t colour);
/* Antialiased line with round ends, thickness in pixels. The centre of pixel (x, y) is at (x, y),
 * so a line of no length draws a dot. Nothing is drawn when a coordinate is no number or beyond
 * 1e9. */
void t2i_canvas_line(t2i_image *image, double x0, double y0, double x1, double y1, double thickness,
                     uint32_t colour);
/* Copies `from` so that its top left corner is at (x, y). */
void t2i_canvas_paste(t2i_image *image, const t2i_image *from, long x, long y);
/* The same enlarged by a whole factor (each pixel becomes factor x factor). */
void t2i_canvas_paste_scaled(t2i_image *image, const t2i_image *from, long x, long y,
                             size_t factor);

#define T2I_FONT_WIDTH  8 /* advance of one character, in pixels, at scale 1 */
#define T2I_FONT_HEIGHT 16

/* UTF-8 text with its top left corner at (x, y); scale is a whole number. A character the font
 * lacks is drawn as a small box; a byte that is not UTF-8 likewise. Returns the x after the last
 * character. */
long t2i_canvas_text(t2i_image *image, long x, long y, const char *utf8, size_t scale,
                     uint32_t colour);
/* Width in pixels that t2i_canvas_text would take. */
long t2i_canvas_text_width(const char *utf8, size_t scale);
/* Draws text in at most `lines` lines of at most `width` pixels, broken at spaces where possible;
 * what does not fit ends in an ellipsis ("..."). Returns the y below the last line used. */
long t2i_canvas_text_box(t2i_image *image, long x, long y, long width, size_t lines,
                         const char *utf8, uint32_t colour);

#endif
