/* image.h - pictures: reading, writing, resizing. RGB, 8 bits, rows top to bottom.
 *
 * PNG, JPEG and WebP are read, told apart by their first bytes, never by the name. What comes out
 * is what Pillow's convert("RGB") gives: grey is repeated, a palette looked up, alpha dropped, CMYK
 * mixed; of an animation the first frame. Of 16 bits the high byte is taken (Pillow does so too,
 * but for 16-bit grey, which it clips at 255). Colour profiles, gamma and the EXIF orientation are
 * ignored, as torchvision ignores them: a picture that a camera stored lying stays so.
 *
 * Lossy pictures are decoded by the libraries of this system; another version of libjpeg-turbo or
 * libwebp than Pillow's may move a value by one.
 *
 * Limits are checked before memory is taken.
 */
#ifndef T2I_IMAGE_H
#define T2I_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

#define T2I_IMAGE_SIDE_MAX 32768u      /* pixels */
#define T2I_IMAGE_AREA_MAX (64u << 20) /* pixels: 192 MiB as RGB */

typedef struct {
    size_t width, height;
    uint8_t *rgb; /* owned: height x width x 3; NULL when empty */
} t2i_image;

void t2i_image_free(t2i_image *image); /* empties it */
/* White. T2I_DATA when a side is 0 or over the limits, T2I_SYSTEM without memory. *out is empty on
 * failure. */
T2I_CHECKED t2i_status t2i_image_new(t2i_image *out, size_t width, size_t height, t2i_error *err);

/* T2I_NOINPUT when it cannot be opened, T2I_DATA when it is empty, of another kind (which is named
 * where it is known), damaged, cut or over the limits. A JPEG whose data is damaged but there is
 * read as far as it goes, as Pillow does. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_image_read(t2i_image *out, const char *path, t2i_error *err);
/* The same from memory; name stands in messages. */
T2I_CHECKED t2i_status t2i_image_decode(t2i_image *out, const void *bytes, size_t size,
                                        const char *name, t2i_error *err);
/* The same with a lower limit on the pixels. */
T2I_CHECKED t2i_status t2i_image_decode_within(t2i_image *out, const void *bytes, size_t size,
                                               size_t area_max, const char *name, t2i_error *err);

/* Appends the picture as an RGB PNG without time stamps. */
T2I_CHECKED t2i_status t2i_image_encode(const t2i_image *image, t2i_text *out, t2i_error *err);
/* The same with a text (a tEXt chunk of that key, at most T2I_IMAGE_NOTE bytes of Latin-1). */
enum { T2I_IMAGE_NOTE = 200 };
T2I_CHECKED t2i_status t2i_image_encode_note(const t2i_image *image, const char *key,
                                             const char *note, t2i_text *out, t2i_error *err);
/* That text of a PNG in memory, cut to T2I_IMAGE_NOTE bytes; 0 when there is none. Nothing in the
 * file is trusted. */
int t2i_image_find_note(const void *png, size_t size, const char *key,
                        char note[T2I_IMAGE_NOTE + 1]);
/* Writes an RGB PNG without time stamps, whole or not at all (fs.h). */
T2I_CHECKED t2i_status t2i_image_write(const t2i_image *image, const char *path, t2i_error *err);

/* Bilinear with antialiasing, bit-exact to Image.resize(..., BILINEAR) of Pillow up to 12: across,
 * then down. (Pillow 13 goes down first where that is faster, which moves some values by one.)
 * T2I_DATA when the new size is 0 or over the limits. *out is empty on failure; it must not be in.
 */
T2I_CHECKED t2i_status t2i_image_resize(t2i_image *out, const t2i_image *in, size_t width,
                                        size_t height, t2i_error *err);

/* torchvision's Resize(side) then CenterCrop(crop) (facts.md gives the rounding): shorter side to
 * `side`, then the middle crop x crop. crop at most side. */
T2I_CHECKED t2i_status t2i_image_fit(t2i_image *out, const t2i_image *in, size_t side, size_t crop,
                                     t2i_error *err);

#endif
