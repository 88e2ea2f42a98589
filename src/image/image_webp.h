/* image_webp.h - decodes and encodes WebP. */
#ifndef T2I_IMAGE_WEBP_H
#define T2I_IMAGE_WEBP_H

#include "base/error.h"
#include "base/text.h"
#include "image/image_codec.h"

/* T2I_DATA if the file is damaged, cut off or over the limits of the source. *out is empty on
 * failure. */
T2I_CHECKED t2i_status t2i_image_webp_decode(t2i_image *out, const t2i_image_codec_source *file,
                                             t2i_error *err);

/* Appends the picture as a lossless WebP. T2I_USAGE for more than 16,383 pixels a side. */
T2I_CHECKED t2i_status t2i_image_webp_encode(const t2i_image *image, t2i_text *out, t2i_error *err);

#endif
