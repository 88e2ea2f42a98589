#include "image/image_codec.h"

t2i_status t2i_image_codec_check_size(const t2i_image_codec_source *file, uint64_t width,
                                      uint64_t height, t2i_error *err)
{
    if (t2i_image_size_fits(width, height) && width * height <= file->area_max) return T2I_OK;
    return t2i_fail(
        err, T2I_DATA,
        "%s has %llu x %llu pixels, over the limit of %u per side and %zu in total: make "
        "it smaller",
        file->name, (unsigned long long)width, (unsigned long long)height, T2I_IMAGE_SIDE_MAX,
        file->area_max);
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
