/* picture_set: writes small pictures that all differ.
 * Usage: picture_set FOLDER COUNT
 * FOLDER/0000.png, 0001.png, ... have 20 to 40 pixels a side, in colours that depend on the number.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/rng.h"
#include "image/image.h"
#include "image/image_png.h"

static t2i_status write_picture(const char *folder, uint64_t number, t2i_error *err)
{
    char path[600];
    uint8_t rgb[40 * 40 * 3];
    t2i_text png = {0};
    t2i_image image = {.rgb = rgb,
                       .width = 20 + (size_t)t2i_rng_below(1, number, 0, 21),
                       .height = 20 + (size_t)t2i_rng_below(1, number, 1, 21)};
    for (size_t i = 0; i < image.width * image.height * 3; i++)
        rgb[i] =
            (uint8_t)(t2i_rng_below(1, number, 2 + i % 3, 200) + 50 * (i / (3 * image.width)) / 40);
    snprintf(path, sizeof path, "%s/%04llu.png", folder, (unsigned long long)number);
    t2i_status status = t2i_image_png_encode(&image, &png, err);
    FILE *file = status == T2I_OK ? fopen(path, "wb") : NULL;
    if (status == T2I_OK && (file == NULL || fwrite(png.data, 1, png.size, file) != png.size))
        status = t2i_fail(err, T2I_CANTCREATE, "cannot write %s", path);
    if (file != NULL && fclose(file) != 0 && status == T2I_OK)
        status = t2i_fail(err, T2I_IO, "cannot write %s", path);
    t2i_text_free(&png);
    return status;
}

int main(int argc, char **argv)
{
    t2i_error err = {0};
    t2i_log_program("picture_set");
    t2i_status status = argc == 3 ? t2i_fs_mkdir(argv[1], &err)
                                  : t2i_fail(&err, T2I_USAGE, "usage: picture_set FOLDER COUNT");
    for (long i = 0; status == T2I_OK && i < atol(argv[2]); i++)
        status = write_picture(argv[1], (uint64_t)i, &err);
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
