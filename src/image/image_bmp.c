/* image_bmp.c - decodes BMP of 1, 4, 8, 16, 24 and 32 bits, without compression.
 *
 * Why not a library: there is none in all distributions that is smaller than this. Alpha is not
 * used: most 32-bit files have zeros there and mean an opaque picture.
 */
#include "image/image_bmp.h"

#include <string.h>

enum { FILE_HEAD = 14, CORE_HEAD = 12, INFO_HEAD = 40, BITFIELDS = 3 };

typedef struct {
    uint64_t width, height, head, colours, offset, stride;
    unsigned bits, compression, entry; /* entry: bytes of a palette entry */
    int upright;                       /* rows from top to bottom */
    uint32_t mask[3];                  /* 16 and 32 bits: red, green, blue */
} header;

static uint32_t number(const uint8_t *b, int bytes)
{
    uint32_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | b[i];
    return value;
}

static t2i_status refuse(const t2i_image_codec_source *file, const char *kind, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA,
                    "%s is a BMP %s, which is not read: convert it to PNG, for example "
                    "`mogrify -format png FILE`, or leave it out",
                    file->name, kind);
}

/* Masks of 16 and 32 bits; those of BITFIELDS follow the first 40 bytes of every header. */
static t2i_status read_masks(header *h, const t2i_image_codec_source *file, t2i_error *err)
{
    static const uint32_t b5[3] = {0x7c00, 0x3e0, 0x1f}, b6[3] = {0xf800, 0x7e0, 0x1f};
    static const uint32_t whole[3] = {0xff0000, 0xff00, 0xff}, none[3] = {0, 0, 0};
    memcpy(h->mask, h->bits == 16 ? b5 : whole, sizeof h->mask);
    if (h->compression != BITFIELDS) return T2I_OK;
    if (file->size < FILE_HEAD + INFO_HEAD + 12) return t2i_image_codec_cut(file, err);
    for (int i = 0; i < 3; i++) h->mask[i] = number(file->bytes + FILE_HEAD + INFO_HEAD + 4 * i, 4);
    if (memcmp(h->mask, none, sizeof none) == 0) memcpy(h->mask, whole, sizeof whole);
    int known = h->bits == 16 &&
                (memcmp(h->mask, b5, sizeof b5) == 0 || memcmp(h->mask, b6, sizeof b6) == 0);
    if (h->bits == 24) known = memcmp(h->mask, whole, sizeof whole) == 0;
    for (int i = 0, bytes = 0; h->bits == 32 && i < 3; i++) {
        for (int k = 0; k < 4; k++) bytes += h->mask[i] == 0xffu << 8 * k;
        known = bytes == 3;
    }
    return known ? T2I_OK : refuse(file, "with unusual colour masks", err);
}

static t2i_status read_header(header *h, const t2i_image_codec_source *file, t2i_error *err)
{
    const uint8_t *b = file->bytes + FILE_HEAD;
    if (file->size < FILE_HEAD + CORE_HEAD) return t2i_image_codec_cut(file, err);
    *h = (header){.head = number(b, 4), .entry = 4, .offset = number(file->bytes + 10, 4)};
    if (h->head == CORE_HEAD) {
        h->width = number(b + 4, 2);
        h->height = number(b + 6, 2);
        h->bits = number(b + 10, 2);
        h->entry = 3;
    } else if (h->head == 40 || h->head == 52 || h->head == 56 || h->head == 64 || h->head == 108 ||
               h->head == 124) {
        if (file->size < FILE_HEAD + h->head) return t2i_image_codec_cut(file, err);
        uint32_t height = number(b + 8, 4);
        h->upright = height >> 24 == 0xff; /* negative */
        h->width = number(b + 4, 4);
        h->height = h->upright ? 0 - height : height;
        h->bits = number(b + 14, 2);
        h->compression = number(b + 16, 4);
        h->colours = number(b + 32, 4);
    } else {
        return t2i_image_codec_damaged(file, "BMP", "its header has an unknown size", err);
    }
    if (h->compression != 0 && (h->compression != BITFIELDS || h->head == 64))
        return refuse(file, "with compression", err);
    if (h->width == 0 || h->height == 0)
        return t2i_image_codec_damaged(file, "BMP", "a side is 0", err);
    T2I_TRY(t2i_image_codec_check_size(file, h->width, h->height, err));
    const int palette = h->bits == 1 || h->bits == 4 || h->bits == 8;
    if ((!palette && h->bits != 16 && h->bits != 24 && h->bits != 32) ||
        (palette && h->compression != 0))
        return refuse(file, "of an unusual number of bits", err);
    if (palette && h->colours == 0) h->colours = (uint64_t)1 << h->bits;
    return palette ? T2I_OK : read_masks(h, file, err);
}

/* Where palette and pixels are, all inside the file. */
static t2i_status find_pixels(header *h, const t2i_image_codec_source *file, t2i_error *err)
{
    uint64_t palette = h->bits <= 8 ? h->colours * h->entry : 0, after = FILE_HEAD + h->head;
    if (h->bits > 8 && h->head == INFO_HEAD && h->compression == BITFIELDS) after += 12;
    if (after + palette > file->size) return t2i_image_codec_cut(file, err);
    /* some programs leave the palette out of the offset, or the offset out */
    if (h->offset == 0 || (h->bits <= 8 && h->offset == FILE_HEAD + h->head))
        h->offset = after + palette;
    uint64_t row = h->width * h->bits;
    h->stride = (row + 31) / 32 * 4;
    if (h->offset + (h->height - 1) * h->stride + (row + 7) / 8 > file->size)
        return t2i_image_codec_cut(file, err);
    return T2I_OK;
}

/* The value of a channel as 8 bits. */
static uint8_t channel(uint32_t value, uint32_t mask)
{
    uint32_t lowest = mask & (0 - mask);
    return (uint8_t)((value & mask) / lowest * 255 / (mask / lowest));
}

static void put_row(const header *h, const uint8_t *palette, const uint8_t *from, uint8_t *rgb)
{
    for (size_t x = 0; x < h->width; x++, rgb += 3) {
        if (h->bits > 8) {
            uint32_t value = number(from + x * (h->bits / 8), (int)h->bits / 8);
            for (int c = 0; c < 3; c++) rgb[c] = channel(value, h->mask[c]);
            continue;
        }
        size_t bit = x * h->bits, shift = 8 - h->bits - bit % 8;
        unsigned index = (unsigned)from[bit / 8] >> shift & ((1u << h->bits) - 1);
        for (int c = 0; c < 3; c++) /* blue comes first */
            rgb[c] = index < h->colours ? palette[index * h->entry + 2 - (unsigned)c] : 0;
    }
}

t2i_status t2i_image_bmp_decode(t2i_image *out, const t2i_image_codec_source *file, t2i_error *err)
{
    header h;
    T2I_TRY(read_header(&h, file, err));
    T2I_TRY(find_pixels(&h, file, err));
    T2I_TRY(t2i_image_new(out, (size_t)h.width, (size_t)h.height, err));
    const uint8_t *palette = file->bytes + FILE_HEAD + h.head;
    for (size_t y = 0; y < h.height; y++) {
        size_t row = h.upright ? y : (size_t)h.height - 1 - y;
        put_row(&h, palette, file->bytes + h.offset + row * h.stride,
                out->rgb + y * out->width * 3);
    }
    return T2I_OK;
}
