/* image.c - PNG reading of every kind, refusals, limits, writing, resizing.
 *
 * The PNGs are put together here byte by byte (stored, not compressed), so that wrong ones can be
 * made too, and so that reading is not tested against our own writing alone.
 */
#include "image/image.h"

#include <sys/stat.h>
#include <unistd.h>
#include "scratch.h"
#include "test.h"
#include "picture.h"
#include "base/commit.h"
#include "base/fs.h"
#include "image/image_codec.h"
#include "image/image_file.h"
#include "image/image_jpeg.h"
#include "image/image_png.h"
#include "image/image_resize.h"
#include "image/image_webp.h"

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGBA = 6 };

static void put32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void add(t2i_text *t, const void *bytes, size_t size)
{
    if (t2i_text_add(t, bytes, size, NULL) != T2I_OK) abort();
}

static void add_chunk(t2i_text *png, const char *type, const void *bytes, size_t size)
{
    uint8_t word[4];
    uint32_t crc = 0xffffffffu;
    put32(word, (uint32_t)size);
    add(png, word, 4);
    size_t from = png->size;
    add(png, type, 4);
    add(png, bytes, size);
    for (size_t i = from; i < png->size; i++) {
        crc ^= (uint8_t)png->data[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    put32(word, ~crc);
    add(png, word, 4);
}

/* One stored deflate block in a zlib wrapper: up to 65,535 bytes. */
static void add_pixels(t2i_text *png, const t2i_text *raw)
{
    t2i_text z = {0};
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < raw->size; i++) {
        a = (a + (uint8_t)raw->data[i]) % 65521;
        b = (b + a) % 65521;
    }
    const uint8_t n0 = (uint8_t)raw->size, n1 = (uint8_t)(raw->size >> 8);
    const uint8_t head[7] = {0x78, 0x01, 0x01, n0, n1, (uint8_t)~n0, (uint8_t)~n1};
    uint8_t sum[4];
    put32(sum, b << 16 | a);
    add(&z, head, 7);
    add(&z, raw->data, raw->size);
    add(&z, sum, 4);
    add_chunk(png, "IDAT", z.data, z.size);
    t2i_text_free(&z);
}

static void add_header(t2i_text *png, uint32_t width, uint32_t height, int depth, int type,
                       int interlace)
{
    uint8_t h[13] = {0};
    put32(h, width);
    put32(h + 4, height);
    h[8] = (uint8_t)depth;
    h[9] = (uint8_t)type;
    h[12] = (uint8_t)interlace;
    add(png, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(png, "IHDR", h, 13);
}

/* The value of a channel of a pixel in the test pictures. */
static unsigned sample(size_t x, size_t y, size_t c, int depth)
{
    unsigned v = (unsigned)(x * 40503u + y * 30011u + c * 20021u + 777u);
    return v & ((1u << depth) - 1u);
}

static size_t channels_of(int type)
{
    return type == RGB ? 3 : type == RGBA ? 4 : type == GREY_ALPHA ? 2 : 1;
}

/* Rows of the pixels x0, x0 + dx, ... of rows y0, y0 + dy, ..., each after a filter byte 0. */
static void add_rows(t2i_text *raw, size_t width, size_t height, int depth, int type,
                     const size_t step[4])
{
    size_t channels = channels_of(type);
    if (step[0] >= width) return;
    for (size_t y = step[1]; y < height; y += step[3]) {
        uint8_t row[256] = {0};
        size_t bit = 8; /* after the filter byte */
        for (size_t x = step[0]; x < width; x += step[2])
            for (size_t c = 0; c < channels; c++)
                for (int k = depth - 1; k >= 0; k--, bit++)
                    if (sample(x, y, c, depth) >> k & 1)
                        row[bit / 8] = (uint8_t)(row[bit / 8] | 0x80u >> bit % 8);
        add(raw, row, (bit + 7) / 8);
    }
}

static void add_palette(t2i_text *png, size_t count)
{
    uint8_t p[768];
    for (size_t i = 0; i < count; i++) {
        p[3 * i] = (uint8_t)(i * 7);
        p[3 * i + 1] = (uint8_t)(255 - i);
        p[3 * i + 2] = (uint8_t)(i ^ 0x55);
    }
    add_chunk(png, "PLTE", p, count * 3);
}

static void build(t2i_text *png, size_t width, size_t height, int depth, int type, int interlace,
                  int transparent)
{
    static const size_t adam7[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                       {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    static const size_t plain[4] = {0, 0, 1, 1};
    static const uint8_t clear[6] = {0, 1, 0, 2, 0, 3};
    t2i_text raw = {0};
    add_header(png, (uint32_t)width, (uint32_t)height, depth, type, interlace);
    add_chunk(png, "gAMA", "\0\0\xff\xff", 4); /* must change nothing */
    if (type == PALETTE) add_palette(png, (size_t)1 << depth);
    if (transparent && type == PALETTE) add_chunk(png, "tRNS", clear, 2);
    if (transparent && type == GREY) add_chunk(png, "tRNS", clear, 2);
    if (transparent && type == RGB) add_chunk(png, "tRNS", clear, 6);
    if (interlace)
        for (int i = 0; i < 7; i++) add_rows(&raw, width, height, depth, type, adam7[i]);
    else
        add_rows(&raw, width, height, depth, type, plain);
    add_pixels(png, &raw);
    add_chunk(png, "IEND", "", 0);
    t2i_text_free(&raw);
}

static unsigned expected(size_t x, size_t y, size_t c, int depth, int type)
{
    if (type == PALETTE) {
        unsigned i = sample(x, y, 0, depth);
        return (c == 0 ? i * 7 : c == 1 ? 255 - i : i ^ 0x55) & 255;
    }
    unsigned v = sample(x, y, type == GREY || type == GREY_ALPHA ? 0 : c, depth);
    if (depth == 16 && type == GREY) return v < 255 ? v : 255; /* as Pillow */
    return depth == 16 ? v >> 8 : v * 255 / ((1u << depth) - 1u);
}

static void check_kind(int depth, int type, int interlace, int transparent)
{
    const size_t width = 11, height = 9;
    t2i_error err;
    t2i_text png = {0};
    t2i_image image;
    size_t wrong = 0;
    build(&png, width, height, depth, type, interlace, transparent);
    OK(t2i_image_file_decode(&image, png.data, png.size, "made", NULL, NULL, &err));
    t2i_text_free(&png);
    CU_ASSERT(image.width == width && image.height == height);
    if (image.rgb == NULL) return;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < 3; c++)
                wrong += image.rgb[(y * width + x) * 3 + c] != expected(x, y, c, depth, type);
    if (wrong != 0)
        fprintf(stderr, "depth %d type %d interlace %d tRNS %d: %zu wrong\n", depth, type,
                interlace, transparent, wrong);
    CU_ASSERT_EQUAL(wrong, 0);
    t2i_image_free(&image);
}

static void every_kind(void)
{
    static const int kinds[][2] = {{1, GREY},    {2, GREY},       {4, GREY},       {8, GREY},
                                   {16, GREY},   {1, PALETTE},    {2, PALETTE},    {4, PALETTE},
                                   {8, PALETTE}, {8, RGB},        {16, RGB},       {8, RGBA},
                                   {16, RGBA},   {8, GREY_ALPHA}, {16, GREY_ALPHA}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int variant = 0; variant < 4; variant++)
            check_kind(kinds[i][0], kinds[i][1], variant & 1, variant >> 1);
}

/* Whatever the bytes, a read succeeds, or fails with T2I_DATA and an empty picture. */
static void must_survive(const char *bytes, size_t size)
{
    t2i_error err = {0};
    t2i_image image;
    t2i_status status = t2i_image_file_decode(&image, bytes, size, "made", NULL, NULL, &err);
    CU_ASSERT(status == T2I_OK || status == T2I_DATA);
    CU_ASSERT((status == T2I_OK) == (image.rgb != NULL));
    CU_ASSERT(status == T2I_OK || strncmp(err.text, "made ", 5) == 0);
    t2i_image_free(&image);
}

static void damage(void)
{
    t2i_error err;
    t2i_text png = {0};
    t2i_image image;
    build(&png, 11, 9, 4, PALETTE, 1, 1);
    for (size_t cut = 0; cut < png.size; cut++) {
        /* A copy of just that size, so that the sanitizer sees a read beyond it. */
        char *part = t2i_alloc(cut, 1);
        memcpy(part, png.data, cut);
        FAILS(t2i_image_file_decode(&image, part, cut, "made", NULL, NULL, &err), T2I_DATA,
              "made is ");
        CU_ASSERT_PTR_NULL(image.rgb);
        t2i_free(part);
    }
    for (size_t i = 0; i < png.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            png.data[i] = (char)(png.data[i] ^ 1 << bit);
            must_survive(png.data, png.size);
            png.data[i] = (char)(png.data[i] ^ 1 << bit);
        }
    t2i_text_free(&png);
}

static void palette_too_short(void)
{
    t2i_text png = {0}, raw = {0};
    static const size_t plain[4] = {0, 0, 1, 1};
    add_header(&png, 40, 40, 8, PALETTE, 0);
    add_palette(&png, 3); /* the pixels use all 256 */
    add_rows(&raw, 40, 40, 8, PALETTE, plain);
    add_pixels(&png, &raw);
    add_chunk(&png, "IEND", "", 0);
    must_survive(png.data, png.size);
    t2i_text_free(&png);
    t2i_text_free(&raw);
}

static void refuse_size(uint32_t width, uint32_t height, const char *part)
{
    t2i_error err;
    t2i_text png = {0};
    t2i_image image;
    add_header(&png, width, height, 8, RGB, 0);
    size_t calls = t2i_alloc_calls();
    FAILS(t2i_image_file_decode(&image, png.data, png.size, "big.png", NULL, NULL, &err), T2I_DATA,
          part);
    CU_ASSERT_EQUAL(t2i_alloc_calls(), calls); /* refused before memory is taken */
    CU_ASSERT_PTR_NULL(image.rgb);
    t2i_text_free(&png);
}

static void limits(void)
{
    t2i_error err;
    t2i_image image;
    refuse_size(40000, 25000, "big.png has 40000 x 25000 pixels, over the limit of 32768 per side");
    refuse_size(32768, 32768, "67108864 in total");
    refuse_size(32769, 1, "32769 x 1 pixels");
    refuse_size(0x7fffffff, 0x7fffffff, "over the limit");
    refuse_size(8192, 8192, "cannot hold");
    refuse_size(0, 5, "damaged");
    FAILS(t2i_image_new(&image, 0, 5, &err), T2I_DATA, "0 x 5");
    FAILS(t2i_image_new(&image, 40000, 5, &err), T2I_DATA, "40000 x 5");
    FAILS(t2i_image_new(&image, (size_t)1 << 33, (size_t)1 << 33, &err), T2I_DATA, "limit");
    CU_ASSERT_PTR_NULL(image.rgb);
}

static void refuse_kind(const void *bytes, size_t size, const char *part)
{
    t2i_error err;
    t2i_image image;
    FAILS(t2i_image_file_decode(&image, bytes, size, "a.png", NULL, NULL, &err), T2I_DATA, part);
    CU_ASSERT_PTR_NULL(image.rgb);
}

static void other_kinds(void)
{
    static const struct {
        const char *bytes, *what;
        size_t size;
    } kinds[] = {
        {"GIF89a\1\0\1\0", "is cut off", 10},
        {"BM\x46\0\0\0", "is cut off", 6},
        {"II*\0\x08\0\0\0", "a damaged TIFF", 8},
        {"MM\0*\0\0\0\x08", "a damaged TIFF", 8},
        {"II+\0\x08\0\0\0", "BigTIFF", 8},
        {"\0\0\1\0\1\0", "an icon", 6},
        {"\x89HDF\r\n\x1a\n", "an HDF5", 8},
        {"PK\3\4", "archive", 4},
        {"\0\0\0\x1c"
         "ftypavif",
         "an AVIF", 12},
        {"\0\0\0\x1c"
         "ftypheic",
         "a HEIC", 12},
        {"\0\0\0\x1c"
         "ftypisom",
         "a video", 12},
        {"\0\0\0\x0cJXL \x0d\x0a\x87\x0a", "a JPEG XL", 12},
        {"<svg xmlns=\"http://www.w3.org/2000/svg\">", "an SVG", 40},
        {"<!DOCTYPE html>", "a web page", 15},
        {"version https://git-lfs.github.com/spec/v1", "Git LFS", 42},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        refuse_kind(kinds[i].bytes, kinds[i].size, kinds[i].what);
    refuse_kind("", 0, "a.png is empty");
    refuse_kind("hello", 5, "a.png is not a PNG, JPEG, WebP, GIF, BMP or TIFF picture");
    refuse_kind("\0", 1, "a.png is not a PNG, JPEG, WebP, GIF, BMP or TIFF picture");
    refuse_kind("\xff\xd8\xff\xe0", 4, "a.png is cut off after 4 bytes");
    refuse_kind("\xff\xd8", 2, "a.png is cut off after 2 bytes");
    refuse_kind("RIFF\x10\0\0\0WE", 10, "a.png is cut off after 10 bytes");
    refuse_kind("RIFF\x10\0\0\0WAVEfmt ", 16,
                "a.png is not a PNG, JPEG, WebP, GIF, BMP or TIFF picture");
}

typedef struct {
    unsigned tag, value;
} tiff_field;

/* A TIFF of 5 x 4 pixels of 8-bit grey, uncompressed, with these fields in place of its own. */
static void make_tiff(t2i_text *tiff, const tiff_field *changed, size_t count)
{
    tiff_field field[] = {{254, 0},   {256, 5}, {257, 4}, {258, 8},  {259, 1}, {262, 1},
                          {273, 170}, {277, 1}, {278, 4}, {279, 20}, {284, 1}, {339, 1}};
    const size_t fields = sizeof field / sizeof *field;
    static const uint8_t zeros[64];
    add(tiff, "II*\0\x08\0\0\0\x0c\0", 10);
    for (size_t i = 0; i < fields; i++) {
        for (size_t k = 0; k < count; k++)
            if (changed[k].tag == field[i].tag) field[i].value = changed[k].value;
        uint8_t entry[12] = {(uint8_t)field[i].tag, (uint8_t)(field[i].tag >> 8), 4, 0, 1};
        for (int k = 0; k < 4; k++) entry[8 + k] = (uint8_t)(field[i].value >> 8 * k);
        add(tiff, entry, sizeof entry);
    }
    add(tiff, zeros, 36);
}

static void refuse_tiff(tiff_field a, tiff_field b, const char *part)
{
    const tiff_field changed[] = {a, b};
    t2i_text tiff = {0};
    make_tiff(&tiff, changed, 2);
    size_t calls = t2i_alloc_calls();
    refuse_kind(tiff.data, tiff.size, part);
    CU_ASSERT_EQUAL(t2i_alloc_calls(), calls); /* before memory is taken */
    t2i_text_free(&tiff);
}

static void other_tiffs(void)
{
    static const tiff_field none = {0, 0};
    t2i_error err;
    t2i_image image;
    t2i_text tiff = {0};
    make_tiff(&tiff, &none, 0);
    OK(t2i_image_file_decode(&image, tiff.data, tiff.size, "a", NULL, NULL, &err));
    CU_ASSERT(image.width == 5 && image.height == 4);
    t2i_image_free(&image);
    t2i_text_free(&tiff);
    refuse_tiff((tiff_field){254, 1}, none, "a TIFF that begins with a thumbnail");
    refuse_tiff((tiff_field){259, 7}, none, "a TIFF with JPEG compression");
    refuse_tiff((tiff_field){259, 6}, none, "a TIFF with JPEG compression");
    refuse_tiff((tiff_field){259, 4}, none, "a TIFF with fax compression");
    refuse_tiff((tiff_field){259, 50000}, none, "a TIFF with Zstandard compression");
    refuse_tiff((tiff_field){259, 32809}, none, "a TIFF with an unusual compression");
    refuse_tiff((tiff_field){262, 5}, none, "a TIFF that is not grey, RGB or with a palette");
    refuse_tiff((tiff_field){339, 3}, (tiff_field){258, 32}, "a TIFF of numbers that are not");
    refuse_tiff((tiff_field){258, 12}, none, "a TIFF of an unusual number of bits");
    refuse_tiff((tiff_field){258, 32}, none, "a TIFF of an unusual number of bits");
    refuse_tiff((tiff_field){277, 3}, (tiff_field){284, 2}, "a TIFF with channels stored apart");
    refuse_tiff((tiff_field){277, 5}, (tiff_field){262, 2}, "a TIFF with additional channels");
    refuse_tiff((tiff_field){256, 0}, none, "a damaged TIFF");
    refuse_tiff((tiff_field){256, 40000}, none, "40000 x 4 pixels, over the limit");
    refuse_tiff((tiff_field){256, 30000}, (tiff_field){257, 30000}, "30000 x 30000 pixels, over");
    refuse_tiff((tiff_field){256, 8000}, (tiff_field){257, 8000}, "a.png is cut off");
}

/* A BMP with a head of 40 bytes and nothing else. */
static void refuse_bmp(uint32_t width, uint32_t height, int bits, int compression, const char *part)
{
    uint8_t bmp[66] = {'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 66, 0, 0, 0, 40};
    put32(bmp + 18, 0);
    for (int i = 0; i < 4; i++) {
        bmp[18 + i] = (uint8_t)(width >> 8 * i);
        bmp[22 + i] = (uint8_t)(height >> 8 * i);
    }
    bmp[26] = 1;
    bmp[28] = (uint8_t)bits;
    bmp[30] = (uint8_t)compression;
    bmp[54] = 0x11; /* a mask of red for BITFIELDS */
    refuse_kind(bmp, sizeof bmp, part);
}

static void other_bmps_and_gifs(void)
{
    refuse_bmp(4, 4, 4, 2, "a BMP with compression, which is not read");
    refuse_bmp(4, 4, 8, 1, "a BMP with compression");
    refuse_bmp(4, 4, 24, 4, "a BMP with compression");
    refuse_bmp(4, 4, 2, 0, "a BMP of an unusual number of bits");
    refuse_bmp(4, 4, 32, 3, "a BMP with unusual colour masks");
    refuse_bmp(4, 4, 16, 3, "a BMP with unusual colour masks");
    refuse_bmp(0, 4, 24, 0, "a damaged BMP (a side is 0)");
    refuse_bmp(40000, 25000, 1, 0, "40000 x 25000 pixels, over the limit");
    refuse_bmp(0xffffffffu, 0xff000000u, 24, 0, "over the limit");
    refuse_bmp(1000, 2000, 24, 0, "a.png is cut off after 66 bytes");
    refuse_bmp(8000, 8000, 24, 0, "66 bytes cannot hold 8000 x 8000 pixels");
    refuse_kind("BM\0\0\0\0\0\0\0\0\0\0\0\0\x29\0\0\0aaaaaaaaaa", 28, "a damaged BMP (its header");

    static const char wide[] = "GIF89a\x40\x9c\xa8\x61\0\0\0,\0\0\0\0\1\0\1\0\0\2\0;";
    static const char large[] = "GIF89a\x40\x1f\x40\x1f\0\0\0,\0\0\0\0\1\0\1\0\0\2\0;";
    static const char shifted[] = "GIF89a\1\0\1\0\0\0\0,\xff\xff\xff\xff\1\0\1\0\0\2\0;";
    static const char empty[] = "GIF89a\1\0\1\0\0\0\0,\0\0\0\0\0\0\1\0\0\2\0;";
    static const char nothing[] = "GIF89a\1\0\1\0\0\0\0;";
    refuse_kind(wide, sizeof wide - 1, "40000 x 25000 pixels, over the limit");
    refuse_kind(large, sizeof large - 1, "26 bytes cannot hold 8000 x 8000 pixels");
    refuse_kind(shifted, sizeof shifted - 1, "65536 x 65536 pixels, over the limit");
    refuse_kind(empty, sizeof empty - 1, "a damaged GIF");
    refuse_kind(nothing, sizeof nothing - 1, "a damaged GIF (it holds no picture)");
}

static void colours(void)
{
    uint8_t rgb[3];
    CU_ASSERT(t2i_image_colour("white", rgb) && rgb[0] == 255 && rgb[2] == 255);
    CU_ASSERT(t2i_image_colour("#0aC85A", rgb) && rgb[0] == 10 && rgb[1] == 200 && rgb[2] == 90);
    CU_ASSERT(!t2i_image_colour("#0ac85", rgb) && !t2i_image_colour("#0ac85g", rgb));
    CU_ASSERT(!t2i_image_colour("", rgb) && !t2i_image_colour("none", rgb));
}

static void files(void)
{
    t2i_error err;
    t2i_image image, back;
    t2i_text png = {0}, again = {0};
    const char *tmp = getenv("TMPDIR");
    char folder[256], path[300];
    snprintf(folder, sizeof folder, "%s/t2i-image-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(folder) == NULL) CU_FAIL("no folder");
    snprintf(path, sizeof path, "%s/a.png", folder);
    FAILS(read_picture(&image, path, &err), T2I_NOINPUT, path);
    OK(t2i_commit_file(path, "", 0, &err));
    FAILS(read_picture(&image, path, &err), T2I_DATA, "a.png is empty");

    OK(t2i_image_new(&image, 13, 7, &err));
    CU_ASSERT(image.rgb[0] == 255 && image.rgb[13 * 7 * 3 - 1] == 255); /* white */
    for (size_t i = 0; i < 13 * 7 * 3; i++) image.rgb[i] = (uint8_t)(i * 37);
    OK(t2i_image_file_write(&image, path, &err));
    OK(read_picture(&back, path, &err));
    CU_ASSERT(back.width == 13 && back.height == 7);
    CU_ASSERT(back.rgb != NULL && memcmp(back.rgb, image.rgb, 13 * 7 * 3) == 0);
    OK(t2i_fs_read(path, 1 << 20, &png, &err));
    OK(t2i_image_png_encode(&image, &again, &err));
    CU_ASSERT(png.size == again.size && memcmp(png.data, again.data, png.size) == 0);
    for (size_t i = 0; i + 4 <= png.size; i++) CU_ASSERT(memcmp(png.data + i, "tIME", 4) != 0);
    unlink(path);

    snprintf(path, sizeof path, "%s/none/a.png", folder);
    FAILS(t2i_image_file_write(&image, path, &err), T2I_CANTCREATE, path);
    t2i_image_free(&image);
    t2i_image_free(&back);
    t2i_text_free(&png);
    t2i_text_free(&again);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

/* Numbers from Pillow, across first. */
static void resize(void)
{
    static const uint8_t two[6] = {0, 10, 255, 255, 20, 0};
    static const uint8_t five[15] = {0,   10,  255, 25, 11,  230, 128, 15,
                                     128, 230, 19,  25, 255, 20,  0};
    static const uint8_t six[18] = {40,  215, 20, 100, 155, 50, 153, 102, 76,
                                    102, 153, 51, 152, 103, 76, 111, 144, 55};
    t2i_error err;
    t2i_image in, out;
    OK(t2i_image_new(&in, 2, 1, &err));
    memcpy(in.rgb, two, 6);
    OK(t2i_image_resize(&out, &in, 5, 1, &err));
    CU_ASSERT(memcmp(out.rgb, five, 15) == 0);
    t2i_image_free(&out);
    OK(t2i_image_resize(&out, &in, 2, 1, &err)); /* the same size changes nothing */
    CU_ASSERT(memcmp(out.rgb, two, 6) == 0);
    t2i_image_free(&out);
    FAILS(t2i_image_resize(&out, &in, 0, 1, &err), T2I_DATA, "0 x 1");
    FAILS(t2i_image_resize(&out, &in, 9, (size_t)1 << 40, &err), T2I_DATA, "limit");
    t2i_image_free(&in);

    OK(t2i_image_new(&in, 7, 5, &err));
    for (size_t y = 0; y < 5; y++)
        for (size_t x = 0; x < 7; x++) {
            uint8_t v = (uint8_t)(x * x * 7 + y * 31), *p = in.rgb + (y * 7 + x) * 3;
            p[0] = v;
            p[1] = (uint8_t)(255 - v);
            p[2] = v / 2;
        }
    OK(t2i_image_resize(&out, &in, 3, 2, &err));
    CU_ASSERT(memcmp(out.rgb, six, 18) == 0);
    t2i_image_free(&out);
    t2i_image_free(&in);
}

/* Each pixel says where it is. */
static void fill_places(t2i_image *image)
{
    for (size_t y = 0; y < image->height; y++)
        for (size_t x = 0; x < image->width; x++) {
            image->rgb[(y * image->width + x) * 3] = (uint8_t)(x * 5);
            image->rgb[(y * image->width + x) * 3 + 1] = (uint8_t)(y * 5);
            image->rgb[(y * image->width + x) * 3 + 2] = (uint8_t)(x * y);
        }
}

/* No scaling: the first pixel shows the crop's offset, half rounded to even. */
static void check_offset(size_t width, size_t height, size_t crop, size_t x, size_t y)
{
    t2i_error err;
    t2i_image in, out;
    OK(t2i_image_new(&in, width, height, &err));
    fill_places(&in);
    OK(t2i_image_resize_crop(&out, &in, width < height ? width : height, crop, &err));
    CU_ASSERT(out.width == crop && out.height == crop);
    CU_ASSERT_EQUAL(out.rgb[0], x * 5);
    CU_ASSERT_EQUAL(out.rgb[1], y * 5);
    t2i_image_free(&in);
    t2i_image_free(&out);
}

static void fit(void)
{
    t2i_error err;
    t2i_image in, whole, out;
    check_offset(7, 4, 3, 2, 0);  /* 1.5 -> 2, 0.5 -> 0 */
    check_offset(4, 9, 2, 1, 4);  /* 1, 3.5 -> 4 */
    check_offset(5, 10, 5, 0, 2); /* 0, 2.5 -> 2 */

    OK(t2i_image_new(&in, 41, 13, &err));
    fill_places(&in);
    OK(t2i_image_resize(&whole, &in, 63, 20, &err)); /* int(20 * 41 / 13) = 63 */
    OK(t2i_image_resize_crop(&out, &in, 20, 11, &err));
    for (size_t y = 0; y < 11; y++) /* 26, 4.5 -> 4 */
        CU_ASSERT(memcmp(out.rgb + y * 33, whole.rgb + ((y + 4) * 63 + 26) * 3, 33) == 0);
    t2i_image_free(&in);
    t2i_image_free(&whole);
    t2i_image_free(&out);

    /* Enlarged whole, this would be 256 x 8,388,608. */
    OK(t2i_image_new(&in, 1, 32768, &err));
    OK(t2i_image_resize_crop(&out, &in, 256, 224, &err));
    CU_ASSERT(out.rgb != NULL && out.rgb[0] == 255);
    t2i_image_free(&in);
    t2i_image_free(&out);
}

/* Sizes from ImageOps.pad of Pillow: round(13 / 41 * 64) = 20, and 22 above it; 1 of 32768 is 1. */
static void pad(void)
{
    static const uint8_t ground[3] = {10, 200, 90};
    t2i_error err;
    t2i_image in, small, out;
    OK(t2i_image_new(&in, 41, 13, &err));
    fill_places(&in);
    OK(t2i_image_resize(&small, &in, 64, 20, &err));
    OK(t2i_image_resize_pad(&out, &in, 64, ground, &err));
    CU_ASSERT(out.width == 64 && out.height == 64);
    for (size_t y = 0; y < 64; y++)
        for (size_t x = 0; x < 64; x++) {
            const uint8_t *right = y < 22 || y >= 42 ? ground : small.rgb + ((y - 22) * 64 + x) * 3;
            CU_ASSERT(memcmp(out.rgb + (y * 64 + x) * 3, right, 3) == 0);
        }
    t2i_image_free(&in);
    t2i_image_free(&small);
    t2i_image_free(&out);

    OK(t2i_image_new(&in, 1, 32768, &err));
    OK(t2i_image_resize_pad(&out, &in, 16, ground, &err));
    size_t white = 0;
    for (size_t i = 0; i < 256; i++) white += out.rgb[i * 3] == 255;
    CU_ASSERT_EQUAL(white, 16); /* one column */
    t2i_image_free(&in);
    t2i_image_free(&out);
}

/* Writes a picture under a name and reads it again. Returns the largest difference of a byte. */
static int round_trip(const t2i_image *image, const char *name, const char *magic)
{
    t2i_error err;
    t2i_text file = {0};
    t2i_image again = {0};
    int most = 0;
    OK(t2i_image_file_check_suffix(in_scratch(name), &err));
    OK(t2i_image_file_write(image, in_scratch(name), &err));
    OK(t2i_image_file_load(&file, in_scratch(name), &err));
    CU_ASSERT(file.size > 16 && memcmp(file.data, magic, strlen(magic)) == 0);
    OK(t2i_image_file_decode(&again, file.data, file.size, name, NULL, NULL, &err));
    CU_ASSERT(again.width == image->width && again.height == image->height);
    for (size_t i = 0; again.rgb != NULL && i < image->width * image->height * 3; i++) {
        int difference = abs(again.rgb[i] - image->rgb[i]);
        if (difference > most) most = difference;
    }
    t2i_image_free(&again);
    t2i_text_free(&file);
    return most;
}

static void suffixes(void)
{
    t2i_error err;
    t2i_image image, wide;
    OK(t2i_image_new(&image, 40, 24, &err));
    for (size_t i = 0; i < 40 * 24; i++) {
        image.rgb[i * 3] = (uint8_t)(i % 40 * 6);
        image.rgb[i * 3 + 1] = (uint8_t)(i / 40 * 10);
        image.rgb[i * 3 + 2] = 90;
    }
    CU_ASSERT_EQUAL(round_trip(&image, "a.png", "\x89PNG"), 0);
    CU_ASSERT_EQUAL(round_trip(&image, "a.WebP", "RIFF"), 0);
    CU_ASSERT(round_trip(&image, "a.jpg", "\xff\xd8\xff") <= 6);
    CU_ASSERT(round_trip(&image, "a.JPEG", "\xff\xd8\xff") <= 6);
    t2i_image_free(&image);
    FAILS(t2i_image_file_check_suffix("a.gif", &err), T2I_USAGE, "a.gif names no format");
    FAILS(t2i_image_file_check_suffix("png", &err), T2I_USAGE, "let the name end in .png");
    OK(t2i_image_new(&wide, 16384, 1, &err));
    FAILS(t2i_image_file_write(&wide, in_scratch("w.webp"), &err), T2I_USAGE, "16383");
    CU_ASSERT(access(in_scratch("w.webp"), F_OK) != 0);
    OK(t2i_image_file_write(&wide, in_scratch("w.jpg"), &err));
    t2i_image_free(&wide);
    wide = (t2i_image){.width = 65501, .height = 1}; /* its pixels are not looked at */
    FAILS(t2i_image_file_write(&wide, in_scratch("x.jpg"), &err), T2I_USAGE, "write a PNG");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"every colour type, depth, interlacing and transparency", every_kind},
        {"cut and damaged files are refused without a crash", damage},
        {"pixels beyond the palette do not crash", palette_too_short},
        {"sizes over the limits are refused before memory is taken", limits},
        {"other kinds and empty files are named", other_kinds},
        {"TIFFs of other kinds and sizes are refused", other_tiffs},
        {"BMPs and GIFs of other kinds and sizes are refused", other_bmps_and_gifs},
        {"colours", colours},
        {"pad: the whole picture in the middle", pad},
        {"files: missing, empty, round trip, no time stamp", files},
        {"suffixes: PNG, JPEG and WebP are written", suffixes},
        {"resize as Pillow", resize},
        {"fit: rounding of size and crop, very long pictures", fit},
    };
    if (scratch_begin("image") != 0) return 1;
    int failed = t2i_test_main("image", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
