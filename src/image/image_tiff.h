/* image_tiff.h - decodes the first page of a TIFF of common kinds. */
#ifndef T2I_IMAGE_TIFF_H
#define T2I_IMAGE_TIFF_H

#include "base/error.h"
#include "image/image_codec.h"

/* T2I_DATA if the file is of another kind, damaged, cut off or over the limits of the source. *out
 * is empty on failure. */
T2I_CHECKED t2i_status t2i_image_tiff_decode(t2i_image *out, const t2i_image_codec_source *file,
                                             t2i_error *err);

#endif
