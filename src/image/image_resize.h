/* image_resize.h - pictures of another size. */
#ifndef T2I_IMAGE_RESIZE_H
#define T2I_IMAGE_RESIZE_H

#include <stddef.h>
#include "base/error.h"
#include "image/image.h"

/* Bilinear with antialiasing, bit-exact to Image.resize(..., BILINEAR) of Pillow up to 12: across,
 * then down. (Pillow 13 goes down first where that is faster, which moves some values by one.)
 * T2I_DATA when the new size is 0 or over the limits. *out is empty on failure; it must not be in.
 */
T2I_CHECKED t2i_status t2i_image_resize(t2i_image *out, const t2i_image *in, size_t width,
                                        size_t height, t2i_error *err);

/* torchvision's Resize(side) then CenterCrop(crop): shorter side to
 * `side`, then the middle crop x crop. crop at most side. */
T2I_CHECKED t2i_status t2i_image_resize_crop(t2i_image *out, const t2i_image *in, size_t side,
                                             size_t crop, t2i_error *err);

#endif
