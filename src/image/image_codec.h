/* image_codec.h - what image.c shares with the readers of each kind of picture. Private to io.
 *
 * A reader checks the size that the header tells (t2i_image_check_size) before it takes memory for
 * it, and keeps *out empty on failure.
 */
#ifndef T2I_IMAGE_CODEC_H
#define T2I_IMAGE_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "image/image.h"

/* A whole picture file in memory; all borrowed. */
typedef struct {
    const uint8_t *bytes;
    size_t size;
    const char *name; /* for messages */
    size_t area_max;  /* pixels */
} t2i_image_file;

int t2i_image_size_fits(uint64_t width, uint64_t height);
T2I_CHECKED t2i_status t2i_image_check_size(const t2i_image_file *file, uint64_t width,
                                            uint64_t height, t2i_error *err);
/* T2I_DATA: "NAME is a damaged KIND (WHY): ..." and "NAME is cut off: ...". */
t2i_status t2i_image_damaged(const t2i_image_file *file, const char *kind, const char *why,
                             t2i_error *err);
t2i_status t2i_image_cut(const t2i_image_file *file, t2i_error *err);

T2I_CHECKED t2i_status t2i_image_decode_png(t2i_image *out, const t2i_image_file *file,
                                            t2i_error *err);
T2I_CHECKED t2i_status t2i_image_decode_jpeg(t2i_image *out, const t2i_image_file *file,
                                             t2i_error *err);
T2I_CHECKED t2i_status t2i_image_decode_webp(t2i_image *out, const t2i_image_file *file,
                                             t2i_error *err);

#endif
