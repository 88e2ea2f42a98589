/* typeface: text in the fonts that this machine has stays in its place; skipped where there are
 * none.
 */
#include "draw/typeface.h"

#include "scratch.h"
#include "test.h"
#include "base/fs.h"
#include "draw/canvas.h"
#include "draw/typeset.h"

#define SIDE 200u

static t2i_error err;
static t2i_typeset t;

/* The part of a white picture that is not white any more. */
typedef struct {
    long left, right, top, bottom;
} extent;

static extent inked(const t2i_image *image)
{
    extent e = {SIDE, -1, SIDE, -1};
    for (long y = 0; y < (long)SIDE; y++)
        for (long x = 0; x < (long)SIDE; x++) {
            if (image->rgb[(y * (long)SIDE + x) * 3] == 255) continue;
            e.left = x < e.left ? x : e.left;
            e.right = x > e.right ? x : e.right;
            e.top = y < e.top ? y : e.top;
            e.bottom = y > e.bottom ? y : e.bottom;
        }
    return e;
}

/* Draws a box at (50, 60). Returns where its text ends. */
static long boxed(const char *utf8, long width, size_t lines, extent *e)
{
    t2i_image image;
    OK(t2i_image_new(&image, SIDE, SIDE, &err));
    long y = t2i_canvas_text_box(&image, 50, 60, width, lines, utf8, 0);
    *e = inked(&image);
    t2i_image_free(&image);
    return y;
}

static void widths(void)
{
    long narrow = t2i_canvas_text_width("iiii", 1), wide = t2i_canvas_text_width("WWWW", 1);
    CU_ASSERT(narrow > 4 && narrow < 32 && wide > 32);
    t2i_typeset_text(&t, "WWWW", 1);
    CU_ASSERT(t.glyph[0].face != T2I_TYPEFACE_NONE);
    CU_ASSERT_EQUAL(t2i_canvas_text_width("", 1), 0);
    /* A byte that is not UTF-8: the built-in box. */
    t2i_typeset_text(&t,
                     "a\xff"
                     "a",
                     1);
    CU_ASSERT_EQUAL(t.glyphs, 3);
    CU_ASSERT(t.glyph[1].face == T2I_TYPEFACE_NONE && t.glyph[1].advance == 8 * 64);
    CU_ASSERT(t.glyph[2].face == t.glyph[0].face);
}

static void in_its_box(void)
{
    extent e;
    static char piled[6002], huge[300001];
    static const char *const text[] = {
        "a large purple star on the left of a small green triangle",
        piled,
        huge,
        "red_circle_small_left_of_a_wheel.png",
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd7\xa2\xd7\x95\xd7\x9c\xd7\x9d hello 12",
        "\xd8\xaf\xd8\xa7\xd8\xa6\xd8\xb1\xd8\xa9 \xd8\xad\xd9\x85\xd8\xb1\xd8\xa7\xd8\xa1",
        "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\xa4\xe0\xa5\x8d\xe0\xa4\xb0\xe0\xa4\xbf\xe0"
        "\xa4\xaf"};
    for (size_t i = 0; i + 22 < sizeof piled; i += 22) {
        memcpy(piled + i, " Z", 2);
        for (size_t k = 2; k < 22; k += 2)
            memcpy(piled + i + k, i % 44 == 0 ? "\xcc\x81" : "\xcc\xa3", 2);
    }
    memset(huge, 'W', sizeof huge - 1);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        long y = boxed(text[i], 100, 3, &e);
        CU_ASSERT(y > 60 && y <= 60 + 3 * 16);
        CU_ASSERT(e.left >= 48 && e.right < 152 && e.top >= 57 && e.bottom < y + 3);
        CU_ASSERT(e.right >= e.left);
    }
}

/* The last line of a text that goes on ends with three dots: on the left in Hebrew. */
static void cut(void)
{
    extent whole, e;
    boxed("WWWWW", 100, 1, &whole);
    boxed("WWWWW WWWWW WWWWW", 100, 1, &e);
    CU_ASSERT(e.right > whole.right && e.right < 152);
    boxed("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", 100, 2, &e);
    CU_ASSERT(e.right > 140); /* flush right */
    boxed("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", 100, 1, &e);
    CU_ASSERT(e.left < 55);
    boxed("\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9"
          "\xd7\xa9"
          "\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9\xd7\xa9"
          "\xd7\xa9",
          100, 1, &e);
    CU_ASSERT(e.left < 65 && e.right > 145);
    boxed("W", 8, 1, &e);
    CU_ASSERT(e.right < 50 + 8 + 2);
}

/* Glyphs come in the order of the text. */
static void order_of_glyphs(void)
{
    t2i_typeset_text(&t, "\xd7\xa9\xd7\x9c ab", 1);
    for (size_t i = 0; i < 5 && i < t.glyphs; i++) CU_ASSERT_EQUAL(t.glyph[i].at, i);
    CU_ASSERT_EQUAL(t.glyphs, 5);
}

/* A home folder with more fonts than are used, all of them damaged. */
static int make_home(void)
{
    t2i_error why;
    if (t2i_fs_mkdir(in_scratch(".local/share/fonts"), &why) != T2I_OK) return -1;
    for (int i = 0; i < 700; i++) {
        char name[64];
        snprintf(name, sizeof name, ".local/share/fonts/A%d-Regular.ttf", i);
        FILE *file = fopen(in_scratch(name), "w");
        if (file == NULL || fputs(i % 2 ? "no font" : "", file) < 0 || fclose(file) != 0) return -1;
    }
    return setenv("HOME", scratch, 1);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"widths", widths},
        {"any text stays in its box", in_its_box},
        {"the end of what is cut", cut},
        {"glyphs in the order of the text", order_of_glyphs},
    };
    static const uint32_t letters[] = {'a', 'W', 0x5d0, 0x5dd};
    int failed = 1;
    unsetenv("T2I_FONT");
    if (scratch_begin("typeface") != 0) return 1;
    if (make_home() == 0) {
        if (t2i_typeface_find(letters, 4, T2I_TYPEFACE_NONE) != T2I_TYPEFACE_NONE)
            failed = t2i_test_main("typeface", tests, sizeof tests / sizeof *tests);
        else if (!t2i_fs_exists("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"))
            failed = 77;
        puts(failed == 77 ? "no font with Latin and Hebrew letters, such as DejaVu Sans" : "");
    }
    scratch_end();
    return failed;
}
