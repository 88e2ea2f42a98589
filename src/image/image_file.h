/* image_file.h - picture files of any kind: which reader is asked.
 *
 * PNG, JPEG and WebP are read, told apart by their first bytes, never by the name. What comes out
 * is what Pillow's convert("RGB") gives: grey is repeated, a palette looked up, alpha dropped, CMYK
 * mixed; of an animation the first frame. Of 16 bits the high byte is taken (Pillow does so too,
 * but for 16-bit grey, which it clips at 255). Colour profiles, gamma and the EXIF orientation are
 * ignored, as torchvision ignores them: a picture that a camera stored lying stays so.
 *
 * Lossy pictures are decoded by the libraries of this system; another version of libjpeg-turbo or
 * libwebp than Pillow's may move a value by one.
 */
#ifndef T2I_IMAGE_FILE_H
#define T2I_IMAGE_FILE_H

#include <stddef.h>
#include "base/error.h"
#include "image/image.h"

/* T2I_NOINPUT when it cannot be opened, T2I_DATA when it is empty, of another kind (which is named
 * where it is known), damaged, cut or over the limits. A JPEG whose data is damaged but there is
 * read as far as it goes, as Pillow does. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_image_file_read(t2i_image *out, const char *path, t2i_error *err);
/* The same from memory; name stands in messages. */
T2I_CHECKED t2i_status t2i_image_file_decode(t2i_image *out, const void *bytes, size_t size,
                                             const char *name, t2i_error *err);
/* The same with a lower limit on the pixels. */
T2I_CHECKED t2i_status t2i_image_file_decode_within(t2i_image *out, const void *bytes, size_t size,
                                                    size_t area_max, const char *name,
                                                    t2i_error *err);

/* Writes an RGB PNG without time stamps, whole or not at all (fs.h). */
T2I_CHECKED t2i_status t2i_image_file_write(const t2i_image *image, const char *path,
                                            t2i_error *err);

#endif
