/* terminal.h - pictures in a terminal: by the kitty graphics protocol where that is offered, else
 * by half-blocks in 24-bit colour, two pixels a character.
 */
#ifndef T2I_TERMINAL_H
#define T2I_TERMINAL_H

#include <stddef.h>
#include "base/error.h"
#include "image/image.h"
#include "base/text.h"

typedef enum { T2I_NO_PICTURES, T2I_HALF_BLOCKS, T2I_KITTY } t2i_pictures;

/* What standard output takes. Nothing where it is no terminal, TERM is dumb or not set, or NO_COLOR
 * is set; kitty's protocol by KITTY_WINDOW_ID or TERM, but not within tmux or screen. */
t2i_pictures t2i_terminal_pictures(void);

/* Cells of a picture, and from the left edge of one to that of the next. */
enum { T2I_CELLS_WIDE = 18, T2I_CELLS_HIGH = 9, T2I_CELLS_STEP = 20 };

/* Appends pictures beside one another, in T2I_CELLS_HIGH lines; an empty one stays blank. Each is
 * shown as a square. */
T2I_CHECKED t2i_status t2i_terminal_row(t2i_text *out, t2i_pictures how,
                                        const t2i_image *const *picture, size_t count,
                                        t2i_error *err);

#endif
