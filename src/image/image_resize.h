/* image_resize.h - resizes pictures as Pillow and torchvision do. */
#ifndef T2I_IMAGE_RESIZE_H
#define T2I_IMAGE_RESIZE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "image/image.h"

/* Bilinear resize with antialiasing, bit-identical to Image.resize(..., BILINEAR) of Pillow up to
 * version 12: rows first, then columns. (Newer versions change the order for some shapes, which
 * changes some values by one.) T2I_DATA if the new size is 0 or over the limits. *out is empty on
 * failure; out must not be in. */
T2I_CHECKED t2i_status t2i_image_resize(t2i_image *out, const t2i_image *in, size_t width,
                                        size_t height, t2i_error *err);

/* torchvision's Resize(side), then CenterCrop(crop): the shorter side becomes `side`, then the
 * central crop x crop is cut out. crop is at most side. */
T2I_CHECKED t2i_status t2i_image_resize_crop(t2i_image *out, const t2i_image *in, size_t side,
                                             size_t crop, t2i_error *err);

/* The whole picture in the middle of a square, as Pillow's ImageOps.pad: the longer side becomes
 * `side`; the rest is the background (RGB). */
T2I_CHECKED t2i_status t2i_image_resize_pad(t2i_image *out, const t2i_image *in, size_t side,
                                            const uint8_t background[3], t2i_error *err);

#endif
