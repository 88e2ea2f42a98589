/* picture.h - reads a picture file in a test. */
#ifndef T2I_TESTS_PICTURE_H
#define T2I_TESTS_PICTURE_H

#include "image/image_file.h"

static inline t2i_status read_picture(t2i_image *out, const char *path, t2i_error *err)
{
    t2i_text file = {0};
    *out = (t2i_image){0};
    t2i_status status = t2i_image_file_load(&file, path, err);
    if (status == T2I_OK)
        status = t2i_image_file_decode(out, file.data, file.size, path, NULL, NULL, err);
    t2i_text_free(&file);
    return status;
}

#endif
