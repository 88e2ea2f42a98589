/* image_file.h - reads picture files of any supported format, and writes PNG files.
 *
 * PNG, JPEG and WebP are read; the format is detected by the first bytes, not by the name. The
 * result equals Pillow's convert("RGB"): grey is replicated, a palette looked up, alpha dropped,
 * CMYK converted; of an animation the first frame is used. Of 16 bits the high byte is used (as in
 * Pillow, except for 16-bit grey, which Pillow clips at 255). Colour profiles, gamma and the EXIF
 * orientation are ignored, as in torchvision.
 *
 * Lossy pictures are decoded by the system's libraries. Values may differ by one if their version
 * differs from that of Pillow's libjpeg-turbo or libwebp.
 */
#ifndef T2I_IMAGE_FILE_H
#define T2I_IMAGE_FILE_H

#include <stddef.h>
#include "base/error.h"
#include "image/image.h"

/* T2I_NOINPUT if the file cannot be opened; T2I_DATA if it is empty, of another format (named if
 * known), damaged, truncated or over the limits. A complete JPEG with damaged data is decoded as
 * far as possible, as in Pillow. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_image_file_read(t2i_image *out, const char *path, t2i_error *err);
/* The same from memory; name is used in messages. */
T2I_CHECKED t2i_status t2i_image_file_decode(t2i_image *out, const void *bytes, size_t size,
                                             const char *name, t2i_error *err);
/* The same with a lower limit on the pixels. */
T2I_CHECKED t2i_status t2i_image_file_decode_within(t2i_image *out, const void *bytes, size_t size,
                                                    size_t area_max, const char *name,
                                                    t2i_error *err);

/* Writes an RGB PNG without timestamps, atomically (fs.h). */
T2I_CHECKED t2i_status t2i_image_file_write(const t2i_image *image, const char *path,
                                            t2i_error *err);

#endif
