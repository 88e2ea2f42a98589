#include "image/image_codec.h"

#include "image/image_file.h"

uint64_t t2i_image_codec_most(const t2i_image_codec_source *file)
{
    return T2I_IMAGE_CODEC_LEAST + (uint64_t)T2I_IMAGE_CODEC_MOST * file->size;
}

t2i_status t2i_image_codec_check_size(const t2i_image_codec_source *file, uint64_t width,
                                      uint64_t height, t2i_error *err)
{
    if (t2i_image_size_fits(width, height) && width * height <= file->area_max) {
        if (width * height <= t2i_image_codec_most(file)) return T2I_OK;
        return t2i_fail(err, T2I_DATA,
                        "%s is cut off, or no picture of use: %zu bytes cannot hold %llu x %llu "
                        "pixels",
                        file->name, file->size, (unsigned long long)width,
                        (unsigned long long)height);
    }
    return t2i_fail(
        err, T2I_DATA,
        "%s has %llu x %llu pixels, over the limit of %u per side and %zu in total: make "
        "it smaller",
        file->name, (unsigned long long)width, (unsigned long long)height, T2I_IMAGE_SIDE_MAX,
        file->area_max);
}

void t2i_image_codec_flatten(const t2i_image_codec_source *file, uint8_t *rgb, const uint8_t *rgba,
                             size_t count)
{
    for (size_t i = 0; i < count; i++, rgb += 3, rgba += 4) {
        unsigned alpha = rgba[3];
        if (alpha < 255) file->notes->found |= T2I_IMAGE_TRANSPARENT;
        for (int c = 0; c < 3; c++) {
            unsigned t = rgba[c] * alpha + 128;
            if (file->background != NULL) t += file->background[c] * (255u - alpha);
            rgb[c] = file->background == NULL ? rgba[c] : (uint8_t)((t + (t >> 8)) >> 8);
        }
    }
}

t2i_status t2i_image_codec_damaged(const t2i_image_codec_source *file, const char *kind,
                                   const char *why, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is a damaged %s (%s): copy it again or leave it out",
                    file->name, kind, why);
}

t2i_status t2i_image_codec_cut(const t2i_image_codec_source *file, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is cut off after %zu bytes: copy it again or leave it out",
                    file->name, file->size);
}
