#include "image/image.h"

#include <string.h>

#include "base/mem.h"

void t2i_image_free(t2i_image *image)
{
    t2i_free(image->rgb);
    *image = (t2i_image){0};
}

int t2i_image_size_fits(uint64_t width, uint64_t height)
{
    return width <= T2I_IMAGE_SIDE_MAX && height <= T2I_IMAGE_SIDE_MAX &&
           width * height <= T2I_IMAGE_AREA_MAX;
}

t2i_status t2i_image_new(t2i_image *out, size_t width, size_t height, t2i_error *err)
{
    *out = (t2i_image){0};
    if (width == 0 || height == 0 || !t2i_image_size_fits(width, height))
        return t2i_fail(err, T2I_DATA,
                        "a picture of %zu x %zu pixels cannot be made: the limits are 1 to %u "
                        "pixels per side and %u in total",
                        width, height, T2I_IMAGE_SIDE_MAX, T2I_IMAGE_AREA_MAX);
    uint8_t *rgb = t2i_alloc(width * height, 3);
    if (rgb == NULL) return t2i_fail_memory(err, width * height * 3, "a picture");
    memset(rgb, 255, width * height * 3);
    *out = (t2i_image){width, height, rgb};
    return T2I_OK;
}
