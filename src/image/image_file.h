/* image_file.h - reads picture files of any supported format, and writes PNG, JPEG and WebP.
 *
 * PNG, JPEG, WebP, GIF, BMP and TIFF are read; the format is detected by the first bytes, not by
 * the name. The result equals Pillow's convert("RGB"): grey is replicated, a palette looked up,
 * alpha dropped unless there is a background, CMYK converted; of an animation the first frame is
 * used. Of 16 bits the high byte is used, but 16-bit grey is clipped at 255, as in Pillow. Colour
 * profiles and gamma are ignored, as in torchvision.
 *
 * Lossy pictures are decoded by the system's libraries. Values may differ by one if their version
 * differs from that of Pillow's libjpeg-turbo or libwebp.
 */
#ifndef T2I_IMAGE_FILE_H
#define T2I_IMAGE_FILE_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"
#include "image/image.h"

/* How to read a picture; NULL or zeros: as stored, alpha dropped, up to the limits of image.h. */
typedef struct {
    size_t area_max;           /* pixels; 0: T2I_IMAGE_AREA_MAX */
    int upright;               /* turn it as its EXIF orientation says */
    const uint8_t *background; /* RGB, behind transparent pixels; NULL: alpha is dropped */
} t2i_image_how;

/* What was found in a picture: bits. */
typedef enum {
    T2I_IMAGE_ORIENTED = 1, /* its EXIF orientation is not upright; a TIFF is turned in any case */
    T2I_IMAGE_TRANSPARENT = 2, /* it has pixels that are not opaque */
    T2I_IMAGE_REPAIRED = 4,    /* JPEG: data was damaged, and libjpeg filled it */
    T2I_IMAGE_CLIPPED = 8,     /* 16-bit grey above 255 became white */
    T2I_IMAGE_OBLONG = 16      /* width and height differ */
} t2i_image_found;

/* name is used in messages. T2I_DATA if the file is empty, of another format (named if known),
 * damaged, truncated or over the limits. A complete JPEG with damaged data is decoded as far as
 * possible, as in Pillow. *found, unless NULL: bits of t2i_image_found. *out is empty on failure.
 */
T2I_CHECKED t2i_status t2i_image_file_decode(t2i_image *out, const void *bytes, size_t size,
                                             const char *name, const t2i_image_how *how,
                                             unsigned *found, t2i_error *err);

/* Appends a picture file. T2I_NOINPUT if it cannot be opened or is no regular file; T2I_DATA if it
 * is larger than any picture within the limits; T2I_IO. */
T2I_CHECKED t2i_status t2i_image_file_load(t2i_text *out, const char *path, t2i_error *err);

/* Refuses the name of a picture that is to be written, unless its suffix is .png, .jpg, .jpeg or
 * .webp. T2I_USAGE. */
T2I_CHECKED t2i_status t2i_image_file_check_suffix(const char *path, t2i_error *err);

/* Writes a picture atomically (fs.h): JPEG of high quality or lossless WebP by the suffix, else an
 * RGB PNG without timestamps. T2I_USAGE for a picture that is too large for the format. */
T2I_CHECKED t2i_status t2i_image_file_write(const t2i_image *image, const char *path,
                                            t2i_error *err);

#endif
