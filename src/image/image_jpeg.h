/* image_jpeg.h - decodes and encodes JPEG. */
#ifndef T2I_IMAGE_JPEG_H
#define T2I_IMAGE_JPEG_H

#include "base/error.h"
#include "base/text.h"
#include "image/image_codec.h"

/* T2I_DATA if the file is damaged, cut off or over the limits of the source. *out is empty on
 * failure. */
T2I_CHECKED t2i_status t2i_image_jpeg_decode(t2i_image *out, const t2i_image_codec_source *file,
                                             t2i_error *err);

/* Appends the picture as a JPEG of high quality, without subsampling of colours. T2I_USAGE for more
 * than 65,500 pixels a side. */
T2I_CHECKED t2i_status t2i_image_jpeg_encode(const t2i_image *image, t2i_text *out, t2i_error *err);

#endif
