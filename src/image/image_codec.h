/* image_codec.h - common parts of the decoders of picture formats.
 *
 * A decoder checks the size in the file's header (t2i_image_codec_check_size) before it allocates
 * memory for the pixels, and leaves *out empty on failure.
 *
 * Bounds: a picture has at most T2I_IMAGE_CODEC_MOST pixels for each byte of its file. No picture
 * of a camera or a program comes near, but formats allow a picture of any size in 40 bytes.
 * Decoders take at most 12 bytes of memory for a pixel, and time in proportion to pixels and bytes
 * (JPEG: and scans, which are limited), besides 8 times the bytes of the file: tags of a TIFF that
 * share their values are refused.
 */
#ifndef T2I_IMAGE_CODEC_H
#define T2I_IMAGE_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "image/image.h"

/* What a decoder finds besides the pixels. */
typedef struct {
    unsigned found;       /* bits of t2i_image_found (image_file.h) */
    unsigned orientation; /* of EXIF, 1 to 8 */
} t2i_image_codec_notes;

/* A whole picture file in memory; all borrowed. */
typedef struct {
    const uint8_t *bytes;
    size_t size;
    const char *name;             /* for messages */
    size_t area_max;              /* pixels */
    const uint8_t *background;    /* RGB, behind transparent pixels; NULL: alpha is dropped */
    t2i_image_codec_notes *notes; /* output */
} t2i_image_codec_source;

#define T2I_IMAGE_CODEC_MOST  32768u
#define T2I_IMAGE_CODEC_LEAST 65536u /* pixels that a file of any size may have */

/* The most pixels that the bytes of a file may have. */
uint64_t t2i_image_codec_most(const t2i_image_codec_source *file);
/* T2I_DATA if a side is over the limit of image.h, or the area over area_max or over the most that
 * the file may have. */
T2I_CHECKED t2i_status t2i_image_codec_check_size(const t2i_image_codec_source *file,
                                                  uint64_t width, uint64_t height, t2i_error *err);
/* Pixels with alpha to RGB: on the background, rounded as in Pillow's paste, or without alpha.
 * Notes if one is not opaque. */
void t2i_image_codec_flatten(const t2i_image_codec_source *file, uint8_t *rgb, const uint8_t *rgba,
                             size_t count);

/* Return T2I_DATA: "NAME is a damaged KIND (WHY): ..." and "NAME is cut off after N bytes: ...". */
t2i_status t2i_image_codec_damaged(const t2i_image_codec_source *file, const char *kind,
                                   const char *why, t2i_error *err);
t2i_status t2i_image_codec_cut(const t2i_image_codec_source *file, t2i_error *err);

#endif
