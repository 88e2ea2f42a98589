/* image_gif.h - decodes the first frame of a GIF. */
#ifndef T2I_IMAGE_GIF_H
#define T2I_IMAGE_GIF_H

#include "base/error.h"
#include "image/image_codec.h"

/* T2I_DATA if the file is damaged, cut off or over the limits of the source. *out is empty on
 * failure. */
T2I_CHECKED t2i_status t2i_image_gif_decode(t2i_image *out, const t2i_image_codec_source *file,
                                            t2i_error *err);

#endif
