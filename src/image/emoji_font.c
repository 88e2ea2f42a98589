#include "image/emoji_font.h"

#include <freetype/freetype.h>
#include <hb.h>
#include <string.h>

#include "formats/file_kind.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

enum { SIDE_MAX = 1024 }; /* pixels of a glyph; Noto's have 136 x 128 */
#define FILE_MAX ((size_t)256 << 20)

struct t2i_emoji_font {
    char *path;
    t2i_text file; /* contents, read by both libraries */
    FT_Library library;
    FT_Face face;
    hb_font_t *shaper;
    hb_buffer_t *buffer;
    hb_codepoint_t unknown; /* glyph that the font shows for unknown flags; 0: none */
};

/* Paths of Debian and Ubuntu, Fedora, openSUSE, Arch, and local installations. */
static const char *const places[] = {
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
    "/usr/share/fonts/truetype/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/local/share/fonts/NotoColorEmoji.ttf",
};

static t2i_status find_font(const char **path, t2i_error *err)
{
    for (size_t i = 0; *path == NULL && i < sizeof places / sizeof *places; i++)
        if (t2i_fs_exists(places[i])) *path = places[i];
    if (*path == NULL)
        return t2i_fail(err, T2I_NOINPUT,
                        "cannot find NotoColorEmoji.ttf (%s): install fonts-noto-color-emoji, or "
                        "give --font FILE, a Noto Color Emoji with bitmaps",
                        places[0]);
    if (t2i_fs_exists(*path)) return T2I_OK;
    return t2i_fail(err, T2I_NOINPUT,
                    "cannot find the font %s: Debian's fonts-noto-color-emoji installs it as %s",
                    *path, places[0]);
}

/* Selects the largest bitmap size. */
static t2i_status choose_size(t2i_emoji_font *font, t2i_error *err)
{
    FT_Face face = font->face;
    FT_Int best = 0;
    if (!FT_HAS_COLOR(face) || face->num_fixed_sizes < 1)
        return t2i_fail(err, T2I_DATA,
                        "%s has no colour bitmaps (CBDT): use Noto Color Emoji as in Debian's "
                        "fonts-noto-color-emoji",
                        font->path);
    for (FT_Int i = 1; i < face->num_fixed_sizes; i++)
        if (face->available_sizes[i].y_ppem > face->available_sizes[best].y_ppem) best = i;
    if (FT_Select_Size(face, best) == 0) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s is damaged: its bitmaps' size cannot be used", font->path);
}

/* The single glyph of a sequence, or 0 if there is none. Joiners and tags that were not combined
 * count as glyphs. */
static hb_codepoint_t shape(t2i_emoji_font *font, const uint32_t *code, size_t count)
{
    unsigned glyphs;
    hb_buffer_clear_contents(font->buffer);
    hb_buffer_add_utf32(font->buffer, code, (int)count, 0, (int)count);
    hb_buffer_set_direction(font->buffer, HB_DIRECTION_LTR);
    hb_buffer_guess_segment_properties(font->buffer);
    hb_buffer_set_flags(font->buffer, HB_BUFFER_FLAG_PRESERVE_DEFAULT_IGNORABLES);
    hb_shape(font->shaper, font->buffer, NULL, 0);
    const hb_glyph_info_t *info = hb_buffer_get_glyph_infos(font->buffer, &glyphs);
    return glyphs == 1 ? info[0].codepoint : 0;
}

static t2i_status refuse_font(const t2i_emoji_font *font, t2i_error *err)
{
    const char *advice, *kind = t2i_file_kind_name(font->file.data, font->file.size, &advice);
    if (kind == NULL || strcmp(kind, "a font") == 0)
        return t2i_fail(err, T2I_DATA, "%s is not a font, or it is damaged", font->path);
    return t2i_fail(err, T2I_DATA, "%s is not a font, but %s%s%s", font->path, kind,
                    *advice == '\0' ? "" : ": ", advice);
}

static t2i_status open_font(t2i_emoji_font *font, t2i_error *err)
{
    T2I_TRY(t2i_fs_read(font->path, FILE_MAX, &font->file, err));
    if (FT_Init_FreeType(&font->library) != 0)
        return t2i_fail(err, T2I_SYSTEM, "cannot initialise FreeType");
    if (FT_New_Memory_Face(font->library, (const FT_Byte *)font->file.data,
                           (FT_Long)font->file.size, 0, &font->face) != 0)
        return refuse_font(font, err);
    T2I_TRY(choose_size(font, err));
    hb_blob_t *blob = hb_blob_create(font->file.data, (unsigned)font->file.size,
                                     HB_MEMORY_MODE_READONLY, NULL, NULL);
    hb_face_t *face = hb_face_create(blob, 0);
    font->shaper = hb_font_create(face); /* references the face, which references the blob */
    font->buffer = hb_buffer_create();
    hb_face_destroy(face);
    hb_blob_destroy(blob);
    if (!hb_buffer_allocation_successful(font->buffer))
        return t2i_fail_memory(err, T2I_EMOJI_MAX, "HarfBuzz");
    static const uint32_t nowhere[] = {0x1f1ff, 0x1f1ff}; /* the region ZZ, which does not exist */
    font->unknown = shape(font, nowhere, 2);
    return T2I_OK;
}

t2i_status t2i_emoji_font_open(t2i_emoji_font **out, const char *path, t2i_error *err)
{
    *out = NULL;
    T2I_TRY(find_font(&path, err));
    t2i_emoji_font *font = t2i_alloc(1, sizeof *font);
    if (font == NULL || (font->path = t2i_strdup(path)) == NULL) {
        t2i_free(font);
        return t2i_fail_memory(err, sizeof *font, "a font");
    }
    t2i_status status = open_font(font, err);
    if (status == T2I_OK)
        *out = font;
    else
        t2i_emoji_font_close(font);
    return status;
}

void t2i_emoji_font_close(t2i_emoji_font *font)
{
    if (font == NULL) return;
    if (font->buffer != NULL) hb_buffer_destroy(font->buffer);
    if (font->shaper != NULL) hb_font_destroy(font->shaper);
    if (font->face != NULL) FT_Done_Face(font->face);
    if (font->library != NULL) FT_Done_FreeType(font->library);
    t2i_text_free(&font->file);
    t2i_free(font->path);
    t2i_free(font);
}

/* Blends premultiplied BGRA with the background; leaves *out empty if the bitmap is transparent. */
static t2i_status compose(const t2i_emoji_font *font, const FT_Bitmap *from,
                          const uint8_t background[3], t2i_image *out, t2i_error *err)
{
    size_t width = from->width, height = from->rows;
    int seen = 0;
    if (width == 0 || height == 0) return T2I_OK;
    if (width > SIDE_MAX || height > SIDE_MAX || from->pitch < (int)(4 * width))
        return t2i_fail(err, T2I_DATA, "%s has a glyph of %zu x %zu pixels, over the limit of %d",
                        font->path, width, height, SIDE_MAX);
    T2I_TRY(t2i_image_new(out, width, height, err));
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            const uint8_t *bgra = from->buffer + y * (size_t)from->pitch + 4 * x;
            uint8_t *rgb = out->rgb + 3 * (y * width + x);
            unsigned through = 255u - bgra[3];
            seen |= bgra[3] > 0;
            for (size_t c = 0; c < 3; c++) {
                unsigned value = bgra[2 - c] + (background[c] * through + 127u) / 255u;
                rgb[c] = (uint8_t)(value < 255u ? value : 255u);
            }
        }
    if (!seen) t2i_image_free(out);
    return T2I_OK;
}

t2i_status t2i_emoji_font_draw(t2i_emoji_font *font, const uint32_t *code, size_t count,
                               const uint8_t background[3], t2i_image *out, t2i_error *err)
{
    uint32_t plain[T2I_EMOJI_MAX];
    size_t left = 0;
    *out = (t2i_image){0};
    if (count > T2I_EMOJI_MAX) return T2I_OK;
    for (size_t i = 0; i < count; i++)
        if (code[i] != T2I_EMOJI_FE0F) plain[left++] = code[i];
    hb_codepoint_t glyph = shape(font, code, count);
    if (glyph == 0 && left < count) glyph = shape(font, plain, left);
    if (glyph == 0 || glyph == font->unknown) return T2I_OK;
    if (FT_Load_Glyph(font->face, glyph, FT_LOAD_COLOR) != 0) return T2I_OK;
    const FT_GlyphSlot slot = font->face->glyph;
    if (slot->format != FT_GLYPH_FORMAT_BITMAP || slot->bitmap.pixel_mode != FT_PIXEL_MODE_BGRA)
        return T2I_OK;
    return compose(font, &slot->bitmap, background, out, err);
}
