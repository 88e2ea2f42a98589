/* image.c - pictures of any kind: limits, which reader is asked, files. The readers are
 * image_png.c, image_jpeg.c and image_webp.c; image_resize.c changes sizes.
 */
#include "image/image.h"

#include <string.h>
#include "image/image_codec.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define FILE_MAX ((size_t)640 << 20) /* bytes: the largest picture at 16 bits RGBA, and a bit */

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

t2i_status t2i_image_check_size(const t2i_image_file *file, uint64_t width, uint64_t height,
                                t2i_error *err)
{
    if (t2i_image_size_fits(width, height) && width * height <= file->area_max) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s has %llu x %llu pixels, over the limit of %u a side and %zu in all: make "
                    "it smaller",
                    file->name, (unsigned long long)width, (unsigned long long)height,
                    T2I_IMAGE_SIDE_MAX, file->area_max);
}

t2i_status t2i_image_damaged(const t2i_image_file *file, const char *kind, const char *why,
                             t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is a damaged %s (%s): copy it again or leave it out",
                    file->name, kind, why);
}

t2i_status t2i_image_cut(const t2i_image_file *file, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is cut off after %zu bytes: copy it again or leave it out",
                    file->name, file->size);
}

t2i_status t2i_image_new(t2i_image *out, size_t width, size_t height, t2i_error *err)
{
    *out = (t2i_image){0};
    if (width == 0 || height == 0 || !t2i_image_size_fits(width, height))
        return t2i_fail(err, T2I_DATA,
                        "a picture of %zu x %zu pixels cannot be made: the limit is 1 to %u a side "
                        "and %u in all",
                        width, height, T2I_IMAGE_SIDE_MAX, T2I_IMAGE_AREA_MAX);
    uint8_t *rgb = t2i_alloc(width * height, 3);
    if (rgb == NULL) return t2i_fail_memory(err, width * height * 3, "a picture");
    memset(rgb, 255, width * height * 3);
    *out = (t2i_image){width, height, rgb};
    return T2I_OK;
}

/* Do the bytes from `at` on begin with magic, as far as there are any? */
static int begins(const t2i_image_file *file, size_t at, const char *magic)
{
    if (file->size <= at) return 0;
    size_t length = strlen(magic), left = file->size - at;
    return memcmp(file->bytes + at, magic, left < length ? left : length) == 0;
}

static t2i_status refuse_format(const t2i_image_file *file, t2i_error *err)
{
    /* The first that fits; where two begin alike, the longer one is above. */
    static const struct {
        size_t at;
        const char *magic, *what;
    } known[] = {
        {0, "GIF8", "a GIF"},
        {0, "BM", "a BMP"},
        {0, "II*", "a TIFF (or a camera's raw file)"},
        {0, "MM", "a TIFF (or a camera's raw file)"},
        {4, "ftypavi", "an AVIF"},
        {4, "ftyphe", "a HEIC"},
        {4, "ftypmif1", "a HEIF (AVIF or HEIC)"},
        {4, "ftyp", "a film"},
        {4, "JXL ", "a JPEG XL"},
        {0, "\xff\x0a", "a JPEG XL"},
        {4, "jP  ", "a JPEG 2000"},
        {0, "\xff\x4f\xff\x51", "a JPEG 2000"},
        {0, "8BPS", "a Photoshop file"},
        {0, "%PDF", "a PDF"},
        {0, "<svg", "an SVG"},
        {0, "<?xml", "an SVG or another XML file"},
        {0, "<!DOCTYPE", "a web page (did a download fail?)"},
        {0, "<!doctype", "a web page (did a download fail?)"},
        {0, "<html", "a web page (did a download fail?)"},
        {0, "version https://git-lfs", "a pointer to a Git LFS file (`git lfs pull` gets it)"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (file->size >= known[i].at + strlen(known[i].magic) &&
            begins(file, known[i].at, known[i].magic))
            return t2i_fail(err, T2I_DATA,
                            "%s is no PNG, JPEG or WebP but looks like %s: convert it to PNG or "
                            "leave it out",
                            file->name, known[i].what);
    return t2i_fail(err, T2I_DATA,
                    "%s is no PNG, JPEG or WebP picture: convert it to PNG or leave it out",
                    file->name);
}

t2i_status t2i_image_decode_within(t2i_image *out, const void *bytes, size_t size, size_t area_max,
                                   const char *name, t2i_error *err)
{
    const t2i_image_file file = {bytes, size, name, area_max};
    *out = (t2i_image){0};
    if (size == 0) return t2i_fail(err, T2I_DATA, "%s is empty", name);
    if (begins(&file, 0, "\x89PNG\r\n\x1a\n")) return t2i_image_decode_png(out, &file, err);
    if (begins(&file, 0, "\xff\xd8\xff")) return t2i_image_decode_jpeg(out, &file, err);
    if (begins(&file, 0, "RIFF") && (size <= 8 || begins(&file, 8, "WEBP")))
        return t2i_image_decode_webp(out, &file, err);
    return refuse_format(&file, err);
}

t2i_status t2i_image_decode(t2i_image *out, const void *bytes, size_t size, const char *name,
                            t2i_error *err)
{
    return t2i_image_decode_within(out, bytes, size, T2I_IMAGE_AREA_MAX, name, err);
}

t2i_status t2i_image_read(t2i_image *out, const char *path, t2i_error *err)
{
    t2i_text file = {0};
    *out = (t2i_image){0};
    uint64_t bytes; /* a pipe or a device could keep us for ever */
    t2i_status status = t2i_fs_size(path, &bytes, err);
    if (status == T2I_OK) status = t2i_fs_read(path, FILE_MAX, &file, err);
    if (status == T2I_OK) status = t2i_image_decode(out, file.data, file.size, path, err);
    t2i_text_free(&file);
    return status;
}

t2i_status t2i_image_write(const t2i_image *image, const char *path, t2i_error *err)
{
    t2i_text file = {0};
    t2i_status status = t2i_image_encode(image, &file, err);
    if (status == T2I_OK) status = t2i_fs_write(path, file.data, file.size, err);
    t2i_text_free(&file);
    return status;
}
