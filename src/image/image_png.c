/* image_png.c - decodes and encodes PNG by libpng's row interface.
 *
 * The simplified interface, png_image_*, has limits and messages of its own. The size is first read
 * from the header here, so that a file with a false size is refused with a clear message before
 * memory is allocated. libpng then reads the same bytes under the same limits.
 */
#include "image/image_png.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "image/exif.h"
#include "image/image_file.h"
#include "base/text.h"

#define CHUNK_MAX    ((size_t)16 << 20) /* bytes of one chunk that is not pixels */
#define DEFLATE_MAX  1032u              /* largest expansion: bytes per byte of deflate data */
#define HEADER_BYTES 29u                /* signature, then IHDR up to its last field */

/* All state that changes between setjmp and longjmp is here, in the caller's frame, so that no
 * local variable must be volatile. */
typedef struct {
    png_structp png;
    png_infop info;
    const uint8_t *bytes; /* reading: the rest of the file */
    size_t size;
    t2i_text *text; /* writing: the output */
    const char *key, *note;
    t2i_image image;
    const t2i_image_codec_source *file; /* reading */
    uint8_t *rows; /* reading: one row or, of an interlaced picture, all, if they are not RGB */
    int wide;      /* reading: they are 16-bit grey */
    char why[128]; /* libpng's message */
} codec;

static void on_error(png_structp png, png_const_charp why)
{
    codec *c = png_get_error_ptr(png);
    snprintf(c->why, sizeof c->why, "%s", why);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
    codec *c = png_get_io_ptr(png);
    if (size > c->size) png_error(png, "it ends too early");
    memcpy(to, c->bytes, size);
    c->bytes += size;
    c->size -= size;
}

static void on_write(png_structp png, png_bytep from, size_t size)
{
    codec *c = png_get_io_ptr(png);
    if (t2i_text_add(c->text, from, size, NULL) != T2I_OK) png_error(png, "out of memory");
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Asks for 8-bit RGB or RGBA, without gamma correction, as in Pillow; of 16-bit grey, which Pillow
 * clips, for the values themselves, with alpha or without. */
static void ask_for_rgb(codec *c)
{
    int type = png_get_color_type(c->png, c->info);
    c->wide = type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(c->png, c->info) == 16;
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(c->png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(c->png);
    if (png_get_valid(c->png, c->info, PNG_INFO_tRNS) != 0) png_set_tRNS_to_alpha(c->png);
    if (c->wide) return;
    if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(c->png);
    png_set_strip_16(c->png);
}

/* Converts 16-bit grey to RGBA in place: the row has room for it. */
static void clip_grey(const codec *c, uint8_t *row)
{
    int step = png_get_channels(c->png, c->info) * 2;
    for (size_t x = c->image.width; x-- > 0;) {
        const uint8_t *from = row + x * (size_t)step;
        uint8_t value = from[0] > 0 ? 255 : from[1];
        uint8_t alpha = step == 4 && (from[2] | from[3]) == 0 ? 0 : 255;
        if (from[0] > 0) c->file->notes->found |= T2I_IMAGE_CLIPPED;
        row[x * 4] = row[x * 4 + 1] = row[x * 4 + 2] = value;
        row[x * 4 + 3] = alpha;
    }
}

/* Reads the pixels, in as many passes as the file has. */
static void read_passes(codec *c, int passes)
{
    size_t width = c->image.width, height = c->image.height, stride = width * 4;
    int plain = !c->wide && png_get_channels(c->png, c->info) == 3;
    if (!plain) c->rows = t2i_alloc(passes > 1 ? height : 1, stride);
    if (!plain && c->rows == NULL) png_error(c->png, "out of memory");
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++) {
            uint8_t *rgb = c->image.rgb + y * width * 3;
            uint8_t *row = plain ? rgb : c->rows + (passes > 1 ? y * stride : 0);
            png_read_row(c->png, row, NULL);
            if (plain || pass < passes - 1) continue;
            if (c->wide) clip_grey(c, row);
            t2i_image_codec_flatten(c->file, rgb, row, width);
        }
}

/* Returns 0, or -1 with the reason in c->why. */
static int read_rows(codec *c)
{
    if (setjmp(png_jmpbuf(c->png)) != 0) return -1;
    png_set_read_fn(c->png, c, on_read);
    png_set_user_limits(c->png, T2I_IMAGE_SIDE_MAX, T2I_IMAGE_SIDE_MAX);
    png_set_chunk_cache_max(c->png, 16);
    png_set_chunk_malloc_max(c->png, CHUNK_MAX);
    /* Texts, profiles and other chunks are skipped: they are never unpacked. */
    png_set_keep_unknown_chunks(c->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(c->png, c->info);
    ask_for_rgb(c);
    int passes = png_set_interlace_handling(c->png);
    png_read_update_info(c->png, c->info);
    size_t width = c->image.width, bytes = png_get_rowbytes(c->png, c->info);
    if (png_get_image_width(c->png, c->info) != width ||
        png_get_image_height(c->png, c->info) != c->image.height ||
        (c->wide ? bytes > width * 4 : bytes != width * 3 && bytes != width * 4))
        png_error(c->png, "its header is inconsistent");
    read_passes(c, passes);
    png_read_end(c->png, NULL);
    return 0;
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Data of the first chunk of that type that begins with those bytes; NULL if there is none. */
static const uint8_t *find_chunk(const uint8_t *png, size_t size, const char *type,
                                 const char *begin, size_t begins, size_t *length)
{
    enum { SIGNATURE = 8, AROUND = 12 }; /* bytes; AROUND: length, type and checksum of a chunk */
    for (size_t at = SIGNATURE; at + AROUND <= size; at += AROUND + *length) {
        const uint8_t *data = png + at + 8;
        *length = big_endian(png + at);
        if (*length > size - at - AROUND) return NULL;
        if (memcmp(png + at + 4, type, 4) == 0 && *length >= begins &&
            memcmp(data, begin, begins) == 0)
            return data;
    }
    return NULL;
}

/* Reads the size from the header, after all checks that need no memory. */
static t2i_status read_header(const t2i_image_codec_source *file, size_t *width, size_t *height,
                              t2i_error *err)
{
    static const uint8_t channels[8] = {1, 0, 3, 1, 2, 0, 4, 0}; /* by colour type */
    const uint8_t *b = file->bytes;
    if (file->size < HEADER_BYTES) return t2i_image_codec_cut(file, err);
    uint64_t w = big_endian(b + 16), h = big_endian(b + 20);
    if (memcmp(b + 12, "IHDR", 4) != 0 || w == 0 || h == 0)
        return t2i_image_codec_damaged(file, "PNG", "its header is not valid", err);
    T2I_TRY(t2i_image_codec_check_size(file, w, h, err));
    uint64_t bits = w * h * b[24] * channels[b[25] & 7];
    if (bits / 8 / DEFLATE_MAX > file->size)
        return t2i_fail(err, T2I_DATA,
                        "%s is cut off: %zu bytes cannot hold its %llu x %llu pixels", file->name,
                        file->size, (unsigned long long)w, (unsigned long long)h);
    *width = (size_t)w;
    *height = (size_t)h;
    return T2I_OK;
}

t2i_status t2i_image_png_decode(t2i_image *out, const t2i_image_codec_source *file, t2i_error *err)
{
    size_t width = 0, height = 0;
    T2I_TRY(read_header(file, &width, &height, err));
    codec c = {.bytes = file->bytes, .size = file->size, .file = file};
    T2I_TRY(t2i_image_new(&c.image, width, height, err));

    c.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &c, on_error, on_warning);
    c.info = c.png == NULL ? NULL : png_create_info_struct(c.png);
    t2i_status status = T2I_OK;
    if (c.info == NULL)
        status = t2i_fail_memory(err, file->size, "libpng");
    else if (read_rows(&c) != 0)
        status = t2i_image_codec_damaged(file, "PNG", c.why, err);
    png_destroy_read_struct(&c.png, &c.info, NULL);
    t2i_free(c.rows);
    size_t length;
    const uint8_t *exif = find_chunk(file->bytes, file->size, "eXIf", "", 0, &length);
    if (exif != NULL) file->notes->orientation = t2i_exif_orientation(exif, length);
    if (status == T2I_OK)
        *out = c.image;
    else
        t2i_image_free(&c.image);
    return status;
}

static int write_rows(codec *c)
{
    if (setjmp(png_jmpbuf(c->png)) != 0) return -1;
    png_set_write_fn(c->png, c, on_write, on_flush);
    png_set_IHDR(c->png, c->info, (png_uint_32)c->image.width, (png_uint_32)c->image.height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (c->note != NULL) {
        png_text text = {.compression = PNG_TEXT_COMPRESSION_NONE,
                         .key = (png_charp)(uintptr_t)c->key, /* libpng copies both */
                         .text = (png_charp)(uintptr_t)c->note};
        png_set_text(c->png, c->info, &text, 1);
    }
    png_write_info(c->png, c->info);
    for (size_t y = 0; y < c->image.height; y++)
        png_write_row(c->png, c->image.rgb + y * c->image.width * 3);
    png_write_end(c->png, NULL);
    return 0;
}

t2i_status t2i_image_png_encode_note(const t2i_image *image, const char *key, const char *note,
                                     t2i_text *out, t2i_error *err)
{
    T2I_ASSERT(image->rgb != NULL && (note == NULL || strlen(note) <= T2I_IMAGE_PNG_NOTE));
    codec c = {.image = *image, .text = out, .key = key, .note = note};
    c.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &c, on_error, on_warning);
    c.info = c.png == NULL ? NULL : png_create_info_struct(c.png);
    t2i_status status = T2I_OK;
    if (c.info == NULL)
        status = t2i_fail_memory(err, sizeof c, "libpng");
    else if (write_rows(&c) != 0)
        status = t2i_fail(err, T2I_SYSTEM, "cannot encode a picture of %zu x %zu pixels: %s",
                          image->width, image->height, c.why);
    png_destroy_write_struct(&c.png, &c.info);
    return status;
}

t2i_status t2i_image_png_encode(const t2i_image *image, t2i_text *out, t2i_error *err)
{
    return t2i_image_png_encode_note(image, NULL, NULL, out, err);
}

int t2i_image_png_find_note(const void *png, size_t size, const char *key,
                            char note[T2I_IMAGE_PNG_NOTE + 1])
{
    size_t length, named = strlen(key) + 1;
    const uint8_t *data = find_chunk(png, size, "tEXt", key, named, &length);
    if (data == NULL) return 0;
    size_t text = length - named < T2I_IMAGE_PNG_NOTE ? length - named : T2I_IMAGE_PNG_NOTE;
    memcpy(note, data + named, text);
    note[text] = '\0';
    return 1;
}
