/* image.h - a picture in memory: RGB, 8 bits, rows from top to bottom.
 *
 * Limits are checked before memory is allocated. image_file.h reads and writes pictures,
 * image_resize.h resizes them.
 */
#ifndef T2I_IMAGE_H
#define T2I_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define T2I_IMAGE_SIDE_MAX 32768u      /* pixels */
#define T2I_IMAGE_AREA_MAX (64u << 20) /* pixels: 192 MiB as RGB */

typedef struct {
    size_t width, height;
    uint8_t *rgb; /* owned: height x width x 3; NULL when empty */
} t2i_image;

void t2i_image_free(t2i_image *image); /* empties it */
/* A white picture. T2I_DATA if a side is 0 or over the limits; T2I_SYSTEM. *out is empty on
 * failure. */
T2I_CHECKED t2i_status t2i_image_new(t2i_image *out, size_t width, size_t height, t2i_error *err);
/* Turns a picture upright by its EXIF orientation, 1 to 8, of which 1 is upright already.
 * T2I_SYSTEM: *image is empty then. */
T2I_CHECKED t2i_status t2i_image_turn(t2i_image *image, unsigned orientation, t2i_error *err);
/* Colour of a text: white, black, grey or #rrggbb. Returns 0 if it is none of them. */
int t2i_image_colour(const char *text, uint8_t rgb[3]);
/* Are the sides within the limits? */
int t2i_image_size_fits(uint64_t width, uint64_t height);

#endif
