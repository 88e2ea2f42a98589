/* image_gif.c - decodes GIF by giflib; of an animation the first frame.
 *
 * As in Pillow, the canvas grows to hold the frame; around a smaller frame it has the transparent
 * colour, or colour 0 without one.
 */
#include "image/image_gif.h"

#include <gif_lib.h>
#include <string.h>
#include "base/mem.h"

typedef struct {
    const t2i_image_codec_source *file;
    size_t at; /* bytes read */
    int cut;
    GifFileType *gif;
    int transparent; /* colour; -1: none */
} codec;

static int on_read(GifFileType *gif, GifByteType *to, int size)
{
    codec *c = gif->UserData;
    size_t left = c->file->size - c->at, count = (size_t)size < left ? (size_t)size : left;
    c->cut |= count < (size_t)size;
    if (count > 0) memcpy(to, c->file->bytes + c->at, count);
    c->at += count;
    return (int)count;
}

/* Reads up to the first frame. Returns 0, or -1 if there is none. */
static int find_frame(codec *c)
{
    GifRecordType type;
    while (DGifGetRecordType(c->gif, &type) == GIF_OK) {
        int code = 0;
        GifByteType *block = NULL;
        if (type == IMAGE_DESC_RECORD_TYPE) return DGifGetImageDesc(c->gif) == GIF_OK ? 0 : -1;
        if (type != EXTENSION_RECORD_TYPE) return -1;
        if (DGifGetExtension(c->gif, &code, &block) != GIF_OK) return -1;
        /* length; flags, delay (2 bytes), transparent colour */
        if (code == GRAPHICS_EXT_FUNC_CODE && block != NULL && block[0] >= 4 && (block[1] & 1))
            c->transparent = block[4];
        while (block != NULL)
            if (DGifGetExtensionNext(c->gif, &block) != GIF_OK) return -1;
    }
    return -1;
}

/* Colours of all 256 indices as RGBA. Without a palette they are grey. */
static void make_colours(const codec *c, uint8_t colour[256][4])
{
    const GifImageDesc *frame = &c->gif->Image;
    const ColorMapObject *map = frame->ColorMap != NULL ? frame->ColorMap : c->gif->SColorMap;
    for (int i = 0; i < 256; i++) {
        uint8_t grey = map == NULL ? (uint8_t)i : 0;
        const uint8_t plain[4] = {grey, grey, grey, i == c->transparent ? 0 : 255};
        memcpy(colour[i], plain, 4);
        if (map == NULL || i >= map->ColorCount) continue;
        colour[i][0] = map->Colors[i].Red;
        colour[i][1] = map->Colors[i].Green;
        colour[i][2] = map->Colors[i].Blue;
    }
}

/* Puts the colours of `width` indices at `rgb`. */
static void put_row(const codec *c, uint8_t colour[256][4], const uint8_t *index, size_t width,
                    uint8_t *rgb)
{
    for (size_t x = 0; x < width; x++)
        t2i_image_codec_flatten(c->file, rgb + x * 3, colour[index[x]], 1);
}

/* Returns 0, or -1 if giflib fails. `row`: as wide as the canvas. */
static int draw(codec *c, t2i_image *image, uint8_t *row)
{
    static const size_t starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
    const GifImageDesc *frame = &c->gif->Image;
    const size_t left = (size_t)frame->Left, top = (size_t)frame->Top;
    const size_t width = (size_t)frame->Width, height = (size_t)frame->Height;
    uint8_t colour[256][4];
    make_colours(c, colour);
    if (width < image->width || height < image->height) {
        memset(row, c->transparent < 0 ? 0 : c->transparent, image->width);
        for (size_t y = 0; y < image->height; y++)
            put_row(c, colour, row, image->width, image->rgb + y * image->width * 3);
    }
    for (size_t pass = 0; pass < (frame->Interlace ? 4 : 1); pass++)
        for (size_t y = frame->Interlace ? starts[pass] : 0; y < height;
             y += frame->Interlace ? steps[pass] : 1) {
            if (DGifGetLine(c->gif, row, (int)width) != GIF_OK) return -1;
            put_row(c, colour, row, width, image->rgb + ((top + y) * image->width + left) * 3);
        }
    return 0;
}

static t2i_status tell(const codec *c, t2i_error *err)
{
    const char *why = c->gif == NULL ? NULL : GifErrorString(c->gif->Error);
    if (c->cut) return t2i_image_codec_cut(c->file, err);
    return t2i_image_codec_damaged(c->file, "GIF", why == NULL ? "it holds no picture" : why, err);
}

static t2i_status decode(codec *c, t2i_image *out, t2i_error *err)
{
    int ignored;
    c->gif = DGifOpen(c, on_read, &ignored);
    if (c->gif == NULL || find_frame(c) != 0) return tell(c, err);
    const GifImageDesc *frame = &c->gif->Image;
    size_t width = (size_t)frame->Left + (size_t)frame->Width;
    size_t height = (size_t)frame->Top + (size_t)frame->Height;
    if (frame->Width < 1 || frame->Height < 1)
        return t2i_image_codec_damaged(c->file, "GIF", "its first frame is empty", err);
    if ((size_t)c->gif->SWidth > width) width = (size_t)c->gif->SWidth;
    if ((size_t)c->gif->SHeight > height) height = (size_t)c->gif->SHeight;
    T2I_TRY(t2i_image_codec_check_size(c->file, width, height, err));
    T2I_TRY(t2i_image_new(out, width, height, err));
    uint8_t *row = t2i_alloc(width, 1);
    t2i_status status = T2I_OK;
    if (row == NULL)
        status = t2i_fail_memory(err, width, "a row");
    else if (draw(c, out, row) != 0)
        status = tell(c, err);
    t2i_free(row);
    return status;
}

t2i_status t2i_image_gif_decode(t2i_image *out, const t2i_image_codec_source *file, t2i_error *err)
{
    codec c = {.file = file, .transparent = -1};
    t2i_status status = decode(&c, out, err);
    int ignored;
    if (c.gif != NULL) DGifCloseFile(c.gif, &ignored);
    if (status != T2I_OK) t2i_image_free(out);
    return status;
}
