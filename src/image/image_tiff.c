/* image_tiff.c - decodes TIFF by libtiff: grey, palette and RGB of 1 to 16 bits, with alpha or
 * without, in strips or tiles, without compression or with LZW, deflate or PackBits.
 *
 * Other kinds are refused, the compression before libtiff sees the file: its rare decoders are what
 * most of its vulnerabilities were in. The orientation is part of the format and always obeyed, as
 * in Pillow.
 */
#include "image/image_tiff.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tiffio.h>
#include "base/mem.h"
#include "image/exif.h"
#include "image/image_file.h"

#define EXPANSION_MAX 3000u /* more bytes per byte than any of these compressions gives */
#define TAGS_MAX      512u  /* a camera's file has about 60 */
#define TILE_MAX      ((size_t)1 << 22) /* pixels */

enum { NO_ALPHA, ALPHA, PREMULTIPLIED };

typedef struct {
    const t2i_image_codec_source *file;
    uint64_t at; /* where libtiff reads */
    TIFF *tiff;
    uint32_t width, height;
    uint16_t bits, samples, photometric;
    int alpha;
    const uint16_t *red, *green, *blue; /* palette */
    t2i_image image;
    char why[160]; /* libtiff's first message */
} codec;

/* ---- libtiff's view of the file and of us ---- */

static void on_error(thandle_t handle, const char *where, const char *format, va_list arguments)
{
    codec *c = handle;
    (void)where;
    if (c != NULL && c->why[0] == '\0') vsnprintf(c->why, sizeof c->why, format, arguments);
}

static void on_warning(thandle_t handle, const char *where, const char *format, va_list arguments)
{
    (void)handle;
    (void)where;
    (void)format;
    (void)arguments;
}

/* Reads the head; the rest is mapped. */
static tmsize_t on_read(thandle_t handle, void *to, tmsize_t size)
{
    codec *c = handle;
    uint64_t left = c->at < c->file->size ? c->file->size - c->at : 0;
    size_t count = size < 0 ? 0 : (uint64_t)size < left ? (size_t)size : (size_t)left;
    if (count > 0) memcpy(to, c->file->bytes + c->at, count);
    c->at += count;
    return (tmsize_t)count;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t size)
{
    (void)handle;
    (void)from;
    (void)size;
    return -1;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
    codec *c = handle;
    c->at = whence == SEEK_SET ? offset : (whence == SEEK_CUR ? c->at : c->file->size) + offset;
    return c->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    const codec *c = handle;
    return c->file->size;
}

static int on_map(thandle_t handle, void **base, toff_t *size)
{
    const codec *c = handle;
    *base = (void *)(uintptr_t)c->file->bytes; /* only read */
    *size = c->file->size;
    return 1;
}

static void on_unmap(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

/* ---- what kind of TIFF it is ---- */

static t2i_status refuse(const codec *c, const char *kind, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA,
                    "%s is a TIFF %s, which is not read: convert it to PNG, for example "
                    "`mogrify -format png FILE`, or leave it out",
                    c->file->name, kind);
}

/* Before libtiff sees the file. */
static t2i_status check_compression(const codec *c, uint32_t *compression, t2i_error *err)
{
    static const struct {
        uint32_t number;
        const char *name;
    } others[] = {{2, "with fax compression"},      {3, "with fax compression"},
                  {4, "with fax compression"},      {6, "with JPEG compression"},
                  {7, "with JPEG compression"},     {34712, "with JPEG 2000 compression"},
                  {34925, "with LZMA compression"}, {50000, "with Zstandard compression"},
                  {50001, "with WebP compression"}};
    const uint8_t *b = c->file->bytes;
    if (c->file->size < 8) return t2i_image_codec_cut(c->file, err);
    if (b[2] == 43 || b[3] == 43) return refuse(c, "of 64-bit offsets (BigTIFF)", err);
    if (t2i_exif_value(b, c->file->size, T2I_EXIF_SUBFILE, 0) & 1)
        return refuse(c, "that begins with a thumbnail, as a camera's raw file does", err);
    *compression = t2i_exif_value(b, c->file->size, T2I_EXIF_COMPRESSION, COMPRESSION_NONE);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (*compression == others[i].number) return refuse(c, others[i].name, err);
    if (*compression != COMPRESSION_NONE && *compression != COMPRESSION_LZW &&
        *compression != COMPRESSION_ADOBE_DEFLATE && *compression != COMPRESSION_DEFLATE &&
        *compression != COMPRESSION_PACKBITS)
        return refuse(c, "with an unusual compression", err);
    return T2I_OK;
}

/* Before libtiff sees the file: it keeps the values of every tag, also of those that it does not
 * know, and compares each tag with all others. */
static t2i_status check_tags(const codec *c, t2i_error *err)
{
    char why[80];
    uint64_t bytes;
    size_t tags = t2i_exif_tags(c->file->bytes, c->file->size, &bytes);
    if (tags > TAGS_MAX) {
        snprintf(why, sizeof why, "it has more than %u tags", TAGS_MAX);
        return t2i_image_codec_damaged(c->file, "TIFF", why, err);
    }
    if (bytes <= 2 * (uint64_t)c->file->size) return T2I_OK;
    return t2i_image_codec_damaged(c->file, "TIFF", "the values of its tags are larger than it is",
                                   err);
}

static t2i_status read_alpha(codec *c, int colours, t2i_error *err)
{
    uint16_t extras = 0, *type = NULL;
    TIFFGetField(c->tiff, TIFFTAG_EXTRASAMPLES, &extras, &type);
    if (c->samples == colours) return T2I_OK;
    if (c->samples != colours + 1 || (extras == 0 && colours == 1) ||
        c->photometric == PHOTOMETRIC_PALETTE)
        return refuse(c, "with additional channels", err);
    if (extras == 0 || type[0] == EXTRASAMPLE_UNASSALPHA) c->alpha = ALPHA;
    if (extras > 0 && type[0] == EXTRASAMPLE_ASSOCALPHA) c->alpha = PREMULTIPLIED;
    return T2I_OK;
}

/* libtiff copies each strip or tile whose bits are in the other order as a whole. */
static int copies_too_much(const codec *c)
{
    const int tiles = TIFFIsTiled(c->tiff);
    uint64_t *bytes = NULL, sum = 0;
    uint16_t order = FILLORDER_MSB2LSB;
    TIFFGetFieldDefaulted(c->tiff, TIFFTAG_FILLORDER, &order);
    if (order == FILLORDER_MSB2LSB ||
        !TIFFGetField(c->tiff, tiles ? TIFFTAG_TILEBYTECOUNTS : TIFFTAG_STRIPBYTECOUNTS, &bytes))
        return 0;
    uint32_t count = tiles ? TIFFNumberOfTiles(c->tiff) : TIFFNumberOfStrips(c->tiff);
    for (uint32_t i = 0; i < count; i++) sum += bytes[i] < c->file->size ? bytes[i] : c->file->size;
    return sum > 2 * (uint64_t)c->file->size;
}

static t2i_status check_kind(codec *c, uint32_t compression, t2i_error *err)
{
    uint16_t planar, format, used;
    if (!TIFFGetField(c->tiff, TIFFTAG_IMAGEWIDTH, &c->width) ||
        !TIFFGetField(c->tiff, TIFFTAG_IMAGELENGTH, &c->height) || c->width == 0 || c->height == 0)
        return t2i_image_codec_damaged(c->file, "TIFF", "it has no size", err);
    T2I_TRY(t2i_image_codec_check_size(c->file, c->width, c->height, err));
    TIFFGetFieldDefaulted(c->tiff, TIFFTAG_BITSPERSAMPLE, &c->bits);
    TIFFGetFieldDefaulted(c->tiff, TIFFTAG_SAMPLESPERPIXEL, &c->samples);
    TIFFGetFieldDefaulted(c->tiff, TIFFTAG_PLANARCONFIG, &planar);
    TIFFGetFieldDefaulted(c->tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(c->tiff, TIFFTAG_COMPRESSION, &used);
    if (used != compression)
        return t2i_image_codec_damaged(c->file, "TIFF", "its compression is not clear", err);
    if (!TIFFGetField(c->tiff, TIFFTAG_PHOTOMETRIC, &c->photometric))
        c->photometric = PHOTOMETRIC_MINISWHITE;
    const int rgb = c->photometric == PHOTOMETRIC_RGB;
    const int grey = c->photometric <= PHOTOMETRIC_MINISBLACK;
    const int palette = c->photometric == PHOTOMETRIC_PALETTE;
    if (!rgb && !grey && !palette) return refuse(c, "that is not grey, RGB or with a palette", err);
    if (format != SAMPLEFORMAT_UINT) return refuse(c, "of numbers that are not unsigned", err);
    const int few = c->bits == 1 || c->bits == 2 || c->bits == 4;
    if (c->bits != 8 && !(few && c->samples == 1) &&
        !(c->bits == 16 && (rgb || (c->photometric == PHOTOMETRIC_MINISBLACK && c->samples == 1))))
        return refuse(c, "of an unusual number of bits", err);
    if (c->samples > 1 && planar != PLANARCONFIG_CONTIG)
        return refuse(c, "with channels stored apart", err);
    if (palette && !TIFFGetField(c->tiff, TIFFTAG_COLORMAP, &c->red, &c->green, &c->blue))
        return t2i_image_codec_damaged(c->file, "TIFF", "its palette is missing", err);
    if (copies_too_much(c))
        return t2i_image_codec_damaged(c->file, "TIFF", "its strips are larger than it is", err);
    if ((uint64_t)c->width * c->height * c->samples * c->bits / 8 / EXPANSION_MAX > c->file->size)
        return t2i_image_codec_cut(c->file, err);
    return read_alpha(c, rgb ? 3 : 1, err);
}

/* ---- pixels ---- */

static uint8_t divide_by_alpha(unsigned value, unsigned alpha)
{
    if (alpha == 0) return 0;
    return (uint8_t)(value >= alpha ? 255 : value * 255 / alpha);
}

/* Pixel x of a row of samples as RGBA. */
static void read_pixel(const codec *c, const uint8_t *row, size_t x, uint8_t rgba[4])
{
    const unsigned most = (1u << c->bits) - 1, samples = c->samples;
    unsigned value[4] = {0, 0, 0, 0};
    for (unsigned s = 0; s < samples && s < 4; s++) {
        size_t bit = (x * samples + s) * c->bits;
        uint16_t wide;
        if (c->bits == 16)
            memcpy(&wide, row + bit / 8, 2), value[s] = wide;
        else
            value[s] = (unsigned)row[bit / 8] >> (8 - c->bits - bit % 8) & most;
    }
    unsigned alpha = c->alpha == NO_ALPHA ? 255 : value[samples - 1];
    if (c->bits == 16 && c->alpha != NO_ALPHA) alpha >>= 8;
    for (unsigned i = 0; i < 3; i++) {
        unsigned v = value[samples >= 3 ? i : 0];
        if (c->photometric == PHOTOMETRIC_PALETTE) {
            v = (i == 0 ? c->red : i == 1 ? c->green : c->blue)[v] >> 8;
        } else if (c->bits == 16 && samples >= 3) {
            v >>= 8;
        } else if (c->bits == 16) { /* as in Pillow */
            if (v > 255) c->file->notes->found |= T2I_IMAGE_CLIPPED;
            v = v > 255 ? 255 : v;
        } else {
            v = v * 255 / most;
            if (c->photometric == PHOTOMETRIC_MINISWHITE) v = 255 - v;
        }
        rgba[i] = c->alpha == PREMULTIPLIED ? divide_by_alpha(v, alpha) : (uint8_t)v;
    }
    rgba[3] = (uint8_t)alpha;
}

/* Puts `count` pixels of a row of samples at (x, y). */
static void put_row(codec *c, const uint8_t *row, size_t x, size_t y, size_t count)
{
    uint8_t rgba[4];
    for (size_t i = 0; i < count; i++) {
        read_pixel(c, row, i, rgba);
        t2i_image_codec_flatten(c->file, c->image.rgb + (y * c->width + x + i) * 3, rgba, 1);
    }
}

static t2i_status failed(const codec *c, t2i_error *err)
{
    return t2i_image_codec_damaged(c->file, "TIFF", c->why[0] == '\0' ? "libtiff fails" : c->why,
                                   err);
}

static t2i_status read_strips(codec *c, t2i_error *err)
{
    tmsize_t size = TIFFScanlineSize(c->tiff);
    if (size < (tmsize_t)(((size_t)c->width * c->samples * c->bits + 7) / 8)) return failed(c, err);
    uint8_t *row = t2i_alloc((size_t)size, 1);
    if (row == NULL) return t2i_fail_memory(err, (size_t)size, "a row");
    t2i_status status = T2I_OK;
    for (uint32_t y = 0; status == T2I_OK && y < c->height; y++) {
        if (TIFFReadScanline(c->tiff, row, y, 0) != 1)
            status = failed(c, err);
        else
            put_row(c, row, 0, y, c->width);
    }
    t2i_free(row);
    return status;
}

static t2i_status read_tiles(codec *c, t2i_error *err)
{
    uint32_t width = 0, height = 0;
    TIFFGetField(c->tiff, TIFFTAG_TILEWIDTH, &width);
    TIFFGetField(c->tiff, TIFFTAG_TILELENGTH, &height);
    if (width == 0 || height == 0 || (uint64_t)width * height > TILE_MAX)
        return t2i_image_codec_damaged(c->file, "TIFF", "its tiles have no usable size", err);
    tmsize_t size = TIFFTileSize(c->tiff), stride = TIFFTileRowSize(c->tiff);
    if (size < stride * (tmsize_t)height ||
        stride < (tmsize_t)(((size_t)width * c->samples * c->bits + 7) / 8))
        return failed(c, err);
    /* tiles may share their bytes, and go far beyond the picture */
    uint64_t across = (c->width - 1) / width + 1, down = (c->height - 1) / height + 1;
    if (across * down * (uint64_t)size / EXPANSION_MAX > c->file->size + (TILE_MAX >> 10))
        return t2i_image_codec_damaged(c->file, "TIFF", "its tiles are larger than its bytes", err);
    uint8_t *tile = t2i_alloc((size_t)size, 1);
    if (tile == NULL) return t2i_fail_memory(err, (size_t)size, "a tile");
    t2i_status status = T2I_OK;
    for (uint32_t y = 0; y < c->height; y += height)
        for (uint32_t x = 0; status == T2I_OK && x < c->width; x += width) {
            uint32_t columns = c->width - x < width ? c->width - x : width;
            uint32_t rows = c->height - y < height ? c->height - y : height;
            if (TIFFReadTile(c->tiff, tile, x, y, 0, 0) != size) status = failed(c, err);
            for (uint32_t i = 0; status == T2I_OK && i < rows; i++)
                put_row(c, tile + (size_t)stride * i, x, y + i, columns);
        }
    t2i_free(tile);
    return status;
}

static t2i_status decode(codec *c, t2i_error *err)
{
    uint32_t compression = 0;
    uint16_t orientation = 1;
    T2I_TRY(check_compression(c, &compression, err));
    T2I_TRY(check_tags(c, err));
    c->tiff = TIFFClientOpen(c->file->name, "r", c, on_read, on_write, on_seek, on_close, on_size,
                             on_map, on_unmap);
    if (c->tiff == NULL) return failed(c, err);
    T2I_TRY(check_kind(c, compression, err));
    T2I_TRY(t2i_image_new(&c->image, c->width, c->height, err));
    T2I_TRY(TIFFIsTiled(c->tiff) ? read_tiles(c, err) : read_strips(c, err));
    TIFFGetField(c->tiff, TIFFTAG_ORIENTATION, &orientation);
    if (orientation < 1 || orientation > 8) orientation = 1;
    return t2i_image_turn(&c->image, orientation, err);
}

t2i_status t2i_image_tiff_decode(t2i_image *out, const t2i_image_codec_source *file, t2i_error *err)
{
    codec c = {.file = file};
    TIFFErrorHandler error = TIFFSetErrorHandler(NULL), warning = TIFFSetWarningHandler(NULL);
    TIFFErrorHandlerExt error_ext = TIFFSetErrorHandlerExt(on_error);
    TIFFErrorHandlerExt warning_ext = TIFFSetWarningHandlerExt(on_warning);
    t2i_status status = decode(&c, err);
    if (c.tiff != NULL) TIFFClose(c.tiff);
    TIFFSetErrorHandler(error);
    TIFFSetWarningHandler(warning);
    TIFFSetErrorHandlerExt(error_ext);
    TIFFSetWarningHandlerExt(warning_ext);
    if (status == T2I_OK)
        *out = c.image;
    else
        t2i_image_free(&c.image);
    return status;
}
