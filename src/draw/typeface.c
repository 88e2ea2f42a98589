#include "draw/typeface.h"

#include <dirent.h>
#include <freetype/freetype.h>
#include <freetype/ftoutln.h>
#include <hb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"

enum {
    FOUND = 8192,        /* upper limit of fonts that a search finds */
    FACES = 512,         /* and of those that are used: the first ones by rank and path */
    ENTRIES = 20000,     /* upper limit of files that a search looks at */
    DEPTH = 6,           /* of folders below a place */
    PATHS = 1024 * 1024, /* bytes of all paths */
    SIDE_MAX = 1024,     /* pixels of a glyph */
    RANK_NAMED = 0,      /* by $T2I_FONT */
    RANK_PREFERRED = 1,  /* and the next ones: see `preferred` */
    RANK_REGULAR = 10,   /* of another family */
    RANK_OTHER,          /* of an unknown style */
    RANK_STYLED          /* bold, italic */
};

typedef struct {
    const char *path; /* in `paths` */
    int rank;
    enum { CLOSED, OPEN, USELESS } state;
    FT_Face face;
    hb_font_t *shaper;
} typeface;

/* All in one, without memory of ours that somebody would have to free. */
static struct {
    int sought;
    FT_Library library;
    hb_buffer_t *buffer;
    typeface face[FOUND];
    int faces;
    char paths[PATHS];
    size_t used; /* bytes of paths */
    size_t entries;
} fonts;

/* Beginnings and ends of file names. The first one looks alike everywhere, as it has not changed
 * since 2016; it is what ./bootstrap installs. */
static const struct {
    const char *begin, *end;
} preferred[] = {
    {"DejaVuSans.", "ttf"},
    {"NotoSans-Regular.", "ttf"},
    {"NotoSans[", "ttf"},
    {"LiberationSans-Regular.", "ttf"},
    {"NotoSansCJK-Regular.", "ttc"},
    {"NotoSansCJKjp-Regular.", "otf"},
    {"NotoSans", "-Regular.ttf"},
};

/* ---- finding files ---- */

/* -1: not a font of outlines. */
static int rank_of(const char *name)
{
    static const char *const styles[] = {"Bold", "Italic", "Oblique", "Black", "Light", "Thin"};
    if (!t2i_text_ends(name, ".ttf") && !t2i_text_ends(name, ".otf") &&
        !t2i_text_ends(name, ".ttc"))
        return -1;
    for (size_t i = 0; i < sizeof preferred / sizeof *preferred; i++)
        if (strncmp(name, preferred[i].begin, strlen(preferred[i].begin)) == 0 &&
            t2i_text_ends(name, preferred[i].end))
            return RANK_PREFERRED + (int)i;
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        if (strstr(name, styles[i]) != NULL) return RANK_STYLED;
    return strstr(name, "Regular") != NULL ? RANK_REGULAR : RANK_OTHER;
}

static void add(const char *path, int rank)
{
    size_t size = strlen(path) + 1;
    if (fonts.faces == FOUND || size > PATHS - fonts.used) return;
    memcpy(fonts.paths + fonts.used, path, size);
    fonts.face[fonts.faces++] = (typeface){.path = fonts.paths + fonts.used, .rank = rank};
    fonts.used += size;
}

static void search(const char *folder, int depth)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *e; fonts.entries < ENTRIES && (e = readdir(dir)) != NULL;) {
        char path[1024];
        int rank = rank_of(e->d_name);
        fonts.entries++;
        if (e->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path)
            continue;
        if (rank >= 0)
            add(path, rank);
        else if (depth < DEPTH && t2i_fs_is_folder(path))
            search(path, depth + 1);
    }
    closedir(dir);
}

static int compare(const void *a, const void *b)
{
    const typeface *x = a, *y = b;
    return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : strcmp(x->path, y->path);
}

/* ---- opening ---- */

static int usable(const typeface *f)
{
    return f->face != NULL && FT_IS_SCALABLE(f->face) && !FT_HAS_COLOR(f->face) &&
           f->face->charmap != NULL && f->face->charmap->encoding == FT_ENCODING_UNICODE &&
           f->shaper != hb_font_get_empty(); /* what it is without memory */
}

/* HarfBuzz maps the file, and FreeType reads the same memory. */
static void open_face(typeface *f)
{
    hb_blob_t *blob = hb_blob_create_from_file(f->path);
    unsigned size;
    const char *data = hb_blob_get_data(blob, &size);
    hb_face_t *face = hb_face_create(blob, 0);
    f->shaper = hb_font_create(face);
    hb_face_destroy(face); /* the font refers to it */
    if (data == NULL ||
        FT_New_Memory_Face(fonts.library, (const FT_Byte *)data, (FT_Long)size, 0, &f->face) != 0)
        f->face = NULL;
    f->state = usable(f) ? OPEN : USELESS;
    if (f->state == OPEN) return; /* and the blob stays */
    if (f->face != NULL) FT_Done_Face(f->face);
    hb_font_destroy(f->shaper);
    hb_blob_destroy(blob);
}

static void find_fonts(void)
{
    const char *named = getenv("T2I_FONT"), *home = getenv("HOME");
    char own[1024];
    fonts.sought = 1;
    if (named != NULL && strcmp(named, "builtin") == 0) return;
    fonts.buffer = hb_buffer_create();
    if (FT_Init_FreeType(&fonts.library) != 0) return;
    if (named != NULL && *named != '\0') {
        add(named, RANK_NAMED);
        if (fonts.faces > 0) open_face(&fonts.face[0]);
        if (fonts.faces == 0 || fonts.face[0].state != OPEN)
            t2i_log_warn("T2I_FONT: %s is no font with outlines that can be read; text is drawn "
                         "with another font",
                         named);
    }
    if (home != NULL && snprintf(own, sizeof own, "%s/.local/share/fonts", home) < (int)sizeof own)
        search(own, 0);
    search("/usr/local/share/fonts", 0);
    search("/usr/share/fonts", 0);
    qsort(fonts.face, (size_t)fonts.faces, sizeof *fonts.face, compare);
    if (fonts.faces > FACES) fonts.faces = FACES;
}

/* ---- use ---- */

static int has_all(int face, const uint32_t *code, size_t count)
{
    typeface *f = &fonts.face[face];
    if (f->state == CLOSED) open_face(f);
    if (f->state != OPEN) return 0;
    for (size_t i = 0; i < count; i++)
        if (FT_Get_Char_Index(f->face, code[i]) == 0) return 0;
    return 1;
}

int t2i_typeface_find(const uint32_t *code, size_t count, int wished)
{
    if (!fonts.sought) find_fonts();
    if (wished != T2I_TYPEFACE_NONE && has_all(wished, code, count)) return wished;
    for (int i = 0; i < fonts.faces; i++)
        if (has_all(i, code, count)) return i;
    return T2I_TYPEFACE_NONE;
}

static void reverse(t2i_glyph *glyph, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        t2i_glyph other = glyph[i];
        glyph[i] = glyph[count - 1 - i];
        glyph[count - 1 - i] = other;
    }
}

size_t t2i_typeface_shape(int face, long size, const uint32_t *code, size_t count, size_t from,
                          size_t to, int leftwards, t2i_glyph *out, size_t room)
{
    unsigned glyphs;
    hb_font_t *shaper = fonts.face[face].shaper;
    hb_buffer_t *buffer = fonts.buffer;
    hb_buffer_clear_contents(buffer);
    hb_buffer_add_utf32(buffer, code, (int)count, (unsigned)from, (int)(to - from));
    hb_buffer_guess_segment_properties(buffer);
    hb_buffer_set_direction(buffer, leftwards ? HB_DIRECTION_RTL : HB_DIRECTION_LTR);
    hb_font_set_scale(shaper, (int)size * 64, (int)size * 64);
    hb_shape(shaper, buffer, NULL, 0);
    if (!hb_buffer_allocation_successful(buffer)) return 0;
    const hb_glyph_info_t *info = hb_buffer_get_glyph_infos(buffer, &glyphs);
    const hb_glyph_position_t *position = hb_buffer_get_glyph_positions(buffer, NULL);
    if (glyphs > room) glyphs = (unsigned)room;
    for (unsigned i = 0; i < glyphs; i++)
        out[i] = (t2i_glyph){.face = face,
                             .id = info[i].codepoint,
                             .at = info[i].cluster,
                             .x = position[i].x_offset,
                             .y = position[i].y_offset,
                             .advance = position[i].x_advance};
    if (leftwards) reverse(out, glyphs);
    return glyphs;
}

t2i_glyph_pixels t2i_typeface_render(int face, uint32_t id, long size, long shift)
{
    t2i_glyph_pixels out = {0};
    FT_Face f = fonts.face[face].face;
    if (FT_Set_Pixel_Sizes(f, 0, (FT_UInt)size) != 0 ||
        FT_Load_Glyph(f, id, FT_LOAD_NO_BITMAP | FT_LOAD_TARGET_LIGHT) != 0 ||
        f->glyph->format != FT_GLYPH_FORMAT_OUTLINE)
        return out;
    FT_Outline_Translate(&f->glyph->outline, shift, 0);
    if (FT_Render_Glyph(f->glyph, FT_RENDER_MODE_NORMAL) != 0) return out;
    const FT_Bitmap *b = &f->glyph->bitmap;
    if (b->pixel_mode != FT_PIXEL_MODE_GRAY || b->width > SIDE_MAX || b->rows > SIDE_MAX ||
        b->pitch < 0)
        return out;
    return (t2i_glyph_pixels){b->buffer, (long)b->width,        (long)b->rows,
                              b->pitch,  f->glyph->bitmap_left, -f->glyph->bitmap_top};
}
