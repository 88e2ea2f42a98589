/* canvas.h - draws rectangles, lines, pictures and text on a picture.
 *
 * Text uses the fonts of the machine (typeface.h), else the built-in one (font.h), because a
 * cluster node often has none. Foreign text does no harm (typeset.h).
 */
#ifndef T2I_CANVAS_H
#define T2I_CANVAS_H

#include <stddef.h>
#include <stdint.h>
#include "draw/font.h"
#include "image/image.h"

/* Colours are 0xRRGGBB. Everything is clipped to the picture; coordinates may lie outside. */
void t2i_canvas_fill(t2i_image *image, long x, long y, long width, long height, uint32_t colour);
/* A frame one pixel wide. */
void t2i_canvas_frame(t2i_image *image, long x, long y, long width, long height, uint32_t colour);
/* Antialiased line with round ends; thickness in pixels. The centre of pixel (x, y) is at (x, y). A
 * line of length 0 is a dot. Draws nothing if a coordinate is not finite or exceeds 1e9. */
void t2i_canvas_line(t2i_image *image, double x0, double y0, double x1, double y1, double thickness,
                     uint32_t colour);
/* Copies `from` to top left corner (x, y). */
void t2i_canvas_paste(t2i_image *image, const t2i_image *from, long x, long y);
/* The same, enlarged by an integer factor without interpolation. */
void t2i_canvas_paste_scaled(t2i_image *image, const t2i_image *from, long x, long y,
                             size_t factor);

/* Draws UTF-8 text with top left corner (x, y), enlarged by the integer `scale`. Returns the x
 * coordinate after the text. */
long t2i_canvas_text(t2i_image *image, long x, long y, const char *utf8, size_t scale,
                     uint32_t colour);
/* Width in pixels of text drawn by t2i_canvas_text. */
long t2i_canvas_text_width(const char *utf8, size_t scale);
/* Draws text in at most `lines` lines of at most `width` pixels. A line ends at a blank, after one
 * of "-_/", between characters of scripts without blanks, or, if it has none of these, anywhere.
 * Text that does not fit ends in "...". A text in several lines that begins with Arabic or Hebrew
 * is flush right. Returns the y coordinate below the last line. */
long t2i_canvas_text_box(t2i_image *image, long x, long y, long width, size_t lines,
                         const char *utf8, uint32_t colour);

#endif
