/* terminal.h - shows pictures in a terminal, by the kitty graphics protocol or by half-block
 * characters in 24-bit colour with two pixels per character.
 */
#ifndef T2I_TERMINAL_H
#define T2I_TERMINAL_H

#include <stddef.h>
#include "base/error.h"
#include "image/image.h"
#include "base/text.h"

typedef enum { T2I_NO_PICTURES, T2I_HALF_BLOCKS, T2I_KITTY } t2i_pictures;

/* What standard output supports. None if it is not a terminal, TERM is dumb or not set, or NO_COLOR
 * is set. The kitty protocol is detected by KITTY_WINDOW_ID or TERM, and not used in tmux or
 * screen. */
t2i_pictures t2i_terminal_pictures(void);

/* Width and height of a picture in cells, and distance between the left edges of pictures. */
enum { T2I_CELLS_WIDE = 18, T2I_CELLS_HIGH = 9, T2I_CELLS_STEP = 20 };

/* Appends a row of pictures in T2I_CELLS_HIGH lines, each as a square. An empty picture is blank.
 * T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_terminal_row(t2i_text *out, t2i_pictures how,
                                        const t2i_image *const *picture, size_t count,
                                        t2i_error *err);

#endif
