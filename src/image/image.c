#include "image/image.h"

#include <stdlib.h>
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

t2i_status t2i_image_turn(t2i_image *image, unsigned orientation, t2i_error *err)
{
    /* of the turned picture: are its rows the columns of the stored one, and which axes of the
     * stored one run backwards? */
    static const struct {
        uint8_t swapped, left, up;
    } turns[9] = {[2] = {0, 1, 0}, [3] = {0, 1, 1}, [4] = {0, 0, 1}, [5] = {1, 0, 0},
                  [6] = {1, 0, 1}, [7] = {1, 1, 1}, [8] = {1, 1, 0}};
    T2I_ASSERT(orientation >= 1 && orientation <= 8);
    if (orientation == 1) return T2I_OK;
    const int swapped = turns[orientation].swapped;
    t2i_image turned;
    t2i_status status = t2i_image_new(&turned, swapped ? image->height : image->width,
                                      swapped ? image->width : image->height, err);
    for (size_t y = 0; y < turned.height; y++)
        for (size_t x = 0; x < turned.width; x++) {
            size_t column = swapped ? y : x, row = swapped ? x : y;
            if (turns[orientation].left) column = image->width - 1 - column;
            if (turns[orientation].up) row = image->height - 1 - row;
            memcpy(turned.rgb + (y * turned.width + x) * 3,
                   image->rgb + (row * image->width + column) * 3, 3);
        }
    t2i_image_free(image);
    *image = turned;
    return status;
}

int t2i_image_colour(const char *text, uint8_t rgb[3])
{
    static const char *const named[][2] = {
        {"white", "#ffffff"}, {"black", "#000000"}, {"grey", "#808080"}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(text, named[i][0]) == 0) text = named[i][1];
    if (text[0] != '#' || strlen(text) != 7 || strspn(text + 1, "0123456789abcdefABCDEF") != 6)
        return 0;
    unsigned long value = strtoul(text + 1, NULL, 16);
    for (unsigned i = 0; i < 3; i++) rgb[i] = (uint8_t)(value >> (16 - 8 * i));
    return 1;
}
