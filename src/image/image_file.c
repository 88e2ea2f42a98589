#include "image/image_file.h"

#include <string.h>
#include "image/image_bmp.h"
#include "image/image_codec.h"
#include "image/image_gif.h"
#include "image/image_jpeg.h"
#include "image/image_png.h"
#include "image/image_tiff.h"
#include "image/image_webp.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "formats/file_kind.h"

#define FILE_MAX ((size_t)640 << 20) /* bytes: the largest picture as 16-bit RGBA, and a margin */

/* Do the bytes from `at` on begin with magic? Compares the bytes that exist. */
static int begins(const t2i_image_codec_source *file, size_t at, const char *magic)
{
    if (file->size <= at) return 0;
    size_t length = strlen(magic), left = file->size - at;
    return memcmp(file->bytes + at, magic, left < length ? left : length) == 0;
}

static t2i_status refuse_format(const t2i_image_codec_source *file, t2i_error *err)
{
    const char *advice, *kind = t2i_file_kind_name(file->bytes, file->size, &advice);
    if (kind == NULL) advice = "convert it to PNG or leave it out";
    if (*advice == '\0') advice = "leave it out";
    return t2i_fail(err, T2I_DATA, "%s is not a PNG, JPEG, WebP, GIF, BMP or TIFF picture%s%s: %s",
                    file->name, kind == NULL ? "" : ", but ", kind == NULL ? "" : kind, advice);
}

static t2i_status decode(t2i_image *out, const t2i_image_codec_source *file, t2i_error *err)
{
    static const char tiffs[4][4] = {"II*\0", "MM\0*", "II+\0", "MM\0+"};
    if (file->size == 0) return t2i_fail(err, T2I_DATA, "%s is empty", file->name);
    if (begins(file, 0, "\x89PNG\r\n\x1a\n")) return t2i_image_png_decode(out, file, err);
    if (begins(file, 0, "\xff\xd8\xff")) return t2i_image_jpeg_decode(out, file, err);
    if (begins(file, 0, "RIFF") && (file->size <= 8 || begins(file, 8, "WEBP")))
        return t2i_image_webp_decode(out, file, err);
    if (begins(file, 0, "GIF8")) return t2i_image_gif_decode(out, file, err);
    if (begins(file, 0, "BM")) return t2i_image_bmp_decode(out, file, err);
    for (size_t i = 0; i < 4; i++)
        if (file->size >= 3 && memcmp(file->bytes, tiffs[i], file->size < 4 ? 3 : 4) == 0)
            return t2i_image_tiff_decode(out, file, err);
    return refuse_format(file, err);
}

t2i_status t2i_image_file_decode(t2i_image *out, const void *bytes, size_t size, const char *name,
                                 const t2i_image_how *how, unsigned *found, t2i_error *err)
{
    static const t2i_image_how as_stored;
    t2i_image_codec_notes notes = {.orientation = 1};
    if (how == NULL) how = &as_stored;
    const t2i_image_codec_source file = {.bytes = bytes,
                                         .size = size,
                                         .name = name,
                                         .area_max = how->area_max == 0 ? T2I_IMAGE_AREA_MAX
                                                                        : how->area_max,
                                         .background = how->background,
                                         .notes = &notes};
    *out = (t2i_image){0};
    t2i_status status = decode(out, &file, err);
    if (notes.orientation != 1) notes.found |= T2I_IMAGE_ORIENTED;
    if (status == T2I_OK && how->upright) status = t2i_image_turn(out, notes.orientation, err);
    if (out->width != out->height) notes.found |= T2I_IMAGE_OBLONG;
    if (found != NULL) *found = notes.found;
    return status;
}

t2i_status t2i_image_file_load(t2i_text *out, const char *path, t2i_error *err)
{
    return t2i_fs_read(path, FILE_MAX, out, err);
}

/* The format that the suffix names; 0: another. */
typedef enum { PNG = 1, JPEG, WEBP } format;

static format format_of(const char *path)
{
    if (t2i_text_ends(path, ".png")) return PNG;
    if (t2i_text_ends(path, ".jpg") || t2i_text_ends(path, ".jpeg")) return JPEG;
    return t2i_text_ends(path, ".webp") ? WEBP : 0;
}

t2i_status t2i_image_file_check_suffix(const char *path, t2i_error *err)
{
    if (format_of(path) != 0) return T2I_OK;
    return t2i_fail(err, T2I_USAGE,
                    "%s names no format of pictures that is written: let the name end in .png, "
                    ".jpg, .jpeg or .webp",
                    path);
}

t2i_status t2i_image_file_write(const t2i_image *image, const char *path, t2i_error *err)
{
    t2i_text file = {0};
    format wanted = format_of(path);
    t2i_status status = wanted == JPEG   ? t2i_image_jpeg_encode(image, &file, err)
                        : wanted == WEBP ? t2i_image_webp_encode(image, &file, err)
                                         : t2i_image_png_encode(image, &file, err);
    if (status == T2I_OK) status = t2i_commit_file(path, file.data, file.size, err);
    t2i_text_free(&file);
    return status;
}
