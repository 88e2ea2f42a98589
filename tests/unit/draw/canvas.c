/* canvas.c - what is drawn lands where it should, and nothing lands outside the picture. */
#include "draw/canvas.h"

#include <limits.h>
#include <math.h>
#include "test.h"
#include "draw/font.h"

#define WHITE 0xffffffu
#define RED   0xff0000u

static t2i_image blank(size_t width, size_t height)
{
    t2i_error err;
    t2i_image image;
    OK(t2i_image_new(&image, width, height, &err));
    if (image.rgb == NULL) abort();
    return image;
}

static uint32_t at(const t2i_image *image, size_t x, size_t y)
{
    const uint8_t *p = image->rgb + (y * image->width + x) * 3;
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* Pixels that are not white. */
static size_t inked(const t2i_image *image)
{
    size_t count = 0;
    for (size_t y = 0; y < image->height; y++)
        for (size_t x = 0; x < image->width; x++) count += at(image, x, y) != WHITE;
    return count;
}

static void clean(t2i_image *image)
{
    memset(image->rgb, 255, image->width * image->height * 3);
}

static void fill_and_frame(void)
{
    t2i_image image = blank(10, 8);
    t2i_canvas_fill(&image, 2, 3, 4, 2, 0x123456);
    CU_ASSERT_EQUAL(inked(&image), 8);
    CU_ASSERT(at(&image, 2, 3) == 0x123456 && at(&image, 5, 4) == 0x123456);
    clean(&image);
    t2i_canvas_fill(&image, -3, -3, 5, 4, RED); /* 2 x 1 are inside */
    CU_ASSERT_EQUAL(inked(&image), 2);
    clean(&image);
    t2i_canvas_fill(&image, 8, 7, LONG_MAX, LONG_MAX, RED);
    CU_ASSERT_EQUAL(inked(&image), 2);
    clean(&image);
    t2i_canvas_fill(&image, LONG_MIN, 0, LONG_MAX, 5, RED);
    t2i_canvas_fill(&image, 10, 0, 5, 5, RED);
    t2i_canvas_fill(&image, LONG_MAX, LONG_MAX, LONG_MAX, LONG_MAX, RED);
    t2i_canvas_fill(&image, 1, 1, -4, 4, RED);
    t2i_canvas_frame(&image, LONG_MAX, 0, 5, 5, RED);
    CU_ASSERT_EQUAL(inked(&image), 0);
    t2i_canvas_frame(&image, 1, 1, 5, 4, RED);
    CU_ASSERT_EQUAL(inked(&image), 14);
    CU_ASSERT(at(&image, 1, 1) == RED && at(&image, 5, 4) == RED && at(&image, 2, 2) == WHITE);
    t2i_image_free(&image);
}

static void lines(void)
{
    t2i_image image = blank(20, 20);
    t2i_canvas_line(&image, -50, 5, 50, 5, 1, RED); /* exactly one row */
    CU_ASSERT_EQUAL(inked(&image), 20);
    CU_ASSERT(at(&image, 0, 5) == RED && at(&image, 19, 5) == RED);
    clean(&image);
    t2i_canvas_line(&image, 7, -1e9, 7, 9e8, 3, RED); /* three columns, far ends */
    CU_ASSERT_EQUAL(inked(&image), 60);
    CU_ASSERT(at(&image, 6, 0) == RED && at(&image, 8, 19) == RED);
    clean(&image);
    t2i_canvas_line(&image, 0, 0, 19, 19, 1, RED);
    for (size_t i = 0; i < 20; i++) CU_ASSERT_EQUAL(at(&image, i, i), RED);
    CU_ASSERT(at(&image, 10, 11) != WHITE && at(&image, 10, 11) != RED); /* a soft edge */
    CU_ASSERT_EQUAL(at(&image, 10, 12), WHITE);
    CU_ASSERT_EQUAL(at(&image, 10, 11), at(&image, 11, 10)); /* symmetric */
    clean(&image);
    t2i_canvas_line(&image, 10, 10, 10, 10, 4, RED); /* a dot */
    CU_ASSERT(inked(&image) >= 12 && inked(&image) <= 21);
    CU_ASSERT(at(&image, 10, 11) == RED && at(&image, 13, 10) == WHITE);
    clean(&image);
    t2i_canvas_line(&image, NAN, 1, 10, 10, 1, RED);
    t2i_canvas_line(&image, 1, INFINITY, 10, 10, 1, RED);
    t2i_canvas_line(&image, 1, 1, 10, 10, NAN, RED);
    t2i_canvas_line(&image, 1, 1, 10, 10, 0, RED);
    t2i_canvas_line(&image, -9, 1, 10, -30, 1, RED); /* passes by */
    t2i_canvas_line(&image, 1e300, 1, -1e300, -1e300, 2, RED);
    t2i_canvas_line(&image, 7, 0, 7, 1e300, 2, RED);
    t2i_canvas_line(&image, 25, 3, 90, 3, 2, RED);
    CU_ASSERT_EQUAL(inked(&image), 0);
    t2i_image_free(&image);
}

/* A steep and a flat line are the same line, mirrored: shows errors in the band per row. */
static void mirrored_lines(void)
{
    t2i_image a = blank(40, 40), b = blank(40, 40);
    size_t wrong = 0;
    for (int k = 0; k < 12; k++) {
        t2i_canvas_line(&a, 2, 3 * k, 37, 30 - 2 * k, 2.5, RED);
        t2i_canvas_line(&b, 3 * k, 2, 30 - 2 * k, 37, 2.5, RED);
    }
    for (size_t y = 0; y < 40; y++)
        for (size_t x = 0; x < 40; x++) {
            int green = (int)(at(&a, x, y) & 255) - (int)(at(&b, y, x) & 255);
            wrong += green > 1 || green < -1;
        }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(inked(&a) > 400);
    t2i_image_free(&a);
    t2i_image_free(&b);
}

static void paste(void)
{
    t2i_image image = blank(9, 9), stamp = blank(2, 2);
    t2i_canvas_fill(&stamp, 0, 0, 1, 1, 0x111111);
    t2i_canvas_fill(&stamp, 1, 0, 1, 1, 0x222222);
    t2i_canvas_fill(&stamp, 0, 1, 1, 1, 0x333333);
    t2i_canvas_fill(&stamp, 1, 1, 1, 1, 0x444444);
    t2i_canvas_paste(&image, &stamp, -1, -1);
    t2i_canvas_paste(&image, &stamp, 8, 7);
    CU_ASSERT_EQUAL(inked(&image), 3);
    CU_ASSERT(at(&image, 0, 0) == 0x444444);
    CU_ASSERT(at(&image, 8, 7) == 0x111111 && at(&image, 8, 8) == 0x333333);
    clean(&image);
    t2i_canvas_paste_scaled(&image, &stamp, -2, 1, 3); /* 4 x 6 are inside */
    CU_ASSERT_EQUAL(inked(&image), 24);
    CU_ASSERT(at(&image, 0, 1) == 0x111111 && at(&image, 1, 1) == 0x222222);
    CU_ASSERT(at(&image, 0, 6) == 0x333333 && at(&image, 3, 6) == 0x444444);
    t2i_image_free(&image);
    t2i_image_free(&stamp);
}

static int same_character(const char *a, const char *b)
{
    t2i_image one = blank(8, 16), two = blank(8, 16);
    t2i_canvas_text(&one, 0, 0, a, 1, 0);
    t2i_canvas_text(&two, 0, 0, b, 1, 0);
    int same = memcmp(one.rgb, two.rgb, 8 * 16 * 3) == 0;
    t2i_image_free(&one);
    t2i_image_free(&two);
    return same;
}

static void text(void)
{
    t2i_image image = blank(64, 32);
    CU_ASSERT_EQUAL(t2i_canvas_text(&image, 3, 5, "|", 1, RED), 11);
    CU_ASSERT(inked(&image) >= 10 && inked(&image) <= 40);
    for (size_t y = 0; y < 32; y++) /* inside its cell */
        for (size_t x = 0; x < 64; x++)
            if (x < 3 || x >= 11 || y < 5 || y >= 21) CU_ASSERT_EQUAL(at(&image, x, y), WHITE);
    size_t small = inked(&image);
    clean(&image);
    CU_ASSERT_EQUAL(t2i_canvas_text(&image, 0, 0, "|", 2, RED), 16);
    CU_ASSERT_EQUAL(inked(&image), 4 * small);
    clean(&image);
    t2i_canvas_text(&image, -4, -7, "clipped at the corner and far to the right", 1, RED);
    t2i_canvas_text(&image, -4000, 40, "outside", 3, RED);
    CU_ASSERT(inked(&image) > 20);

    CU_ASSERT_EQUAL(t2i_canvas_text_width("", 1), 0);
    CU_ASSERT_EQUAL(t2i_canvas_text_width("abc", 2), 48);
    CU_ASSERT_EQUAL(t2i_canvas_text_width("\xc3\xa4\xe2\x82\xac\xff", 1),
                    24); /* ä € and a stray byte */
    t2i_image_free(&image);
}

static void missing_characters(void)
{
    CU_ASSERT(!same_character("A", "B"));
    CU_ASSERT(same_character("\xe2\x82", "\xff"));         /* cut, stray: a box */
    CU_ASSERT(same_character("\xf0\x9f\x98\x80", "\xff")); /* an emoji: a box */
    CU_ASSERT(!same_character("\xff", " "));
    CU_ASSERT(!same_character("\xff", "?"));
}

static void font(void)
{
    uint8_t rows[16];
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x20, 0x7e}, {0xa0, 0x17f}, {0x391, 0x3a1}, {0x3b1, 0x3c9}, {0x410, 0x44f}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        for (uint32_t c = ranges[i].first; c <= ranges[i].last; c++) {
            unsigned ink = 0;
            if (!t2i_font_rows(c, rows)) {
                fprintf(stderr, "the font lacks U+%04X\n", (unsigned)c);
                CU_FAIL("a character is missing");
            }
            for (int r = 0; r < 16; r++) ink |= rows[r];
            CU_ASSERT((ink != 0) == (c != 0x20 && c != 0xa0));
        }
    CU_ASSERT_EQUAL(t2i_font_rows(0, rows), 0);
    CU_ASSERT_EQUAL(t2i_font_rows(0x1f600, rows), 0);
    CU_ASSERT_EQUAL(t2i_font_rows(UINT32_MAX, rows), 0);
    CU_ASSERT_EQUAL(t2i_font_rows('I', rows), 1); /* upright: left and right of it are empty */
    CU_ASSERT(rows[6] != 0 && (rows[6] & 0x81) == 0 && rows[0] == 0 && rows[15] == 0);
}

/* The box draws what these lines, one a row, would. */
static void box_is(const char *utf8, long width, size_t limit, const char *const *expected)
{
    t2i_image box = blank(100, 80), rows = blank(100, 80);
    long y = 2;
    for (; *expected != NULL; expected++, y += 16) t2i_canvas_text(&rows, 3, y, *expected, 1, RED);
    CU_ASSERT_EQUAL(t2i_canvas_text_box(&box, 3, 2, width, limit, utf8, RED), y);
    if (memcmp(box.rgb, rows.rgb, 100 * 80 * 3) != 0) {
        fprintf(stderr, "\"%s\" in %ld pixels is broken otherwise\n", utf8, width);
        CU_FAIL("the box differs");
    }
    t2i_image_free(&box);
    t2i_image_free(&rows);
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void text_box(void)
{
    static const char *const nothing[] = {NULL};
    box_is("a red square", 96, 2, LINES("a red square"));
    box_is("a red square", 95, 2, LINES("a red", "square"));
    box_is("a red square", 7 * 8, 3, LINES("a red", "square"));
    box_is("a red square", 6 * 8, 2, LINES("a red", "square"));
    box_is("a red square", 5 * 8, 3, LINES("a red", "squar", "e"));
    box_is("a red square", 5 * 8, 2, LINES("a red", "sq..."));
    box_is("a red square", 8 * 8, 1, LINES("a red..."));
    box_is("a red square", 9 * 8, 1, LINES("a red..."));
    box_is("  a   b  ", 5 * 8, 1, LINES("a   b"));
    box_is("aaa  bbb", 4 * 8, 4, LINES("aaa", "bbb"));
    box_is("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 4 * 8, 1, LINES("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f"));
    box_is("abcdef", 2 * 8, 1, LINES(".."));
    box_is("", 50, 3, nothing);
    box_is("   ", 50, 3, nothing);
    box_is("abc", 50, 0, nothing);
    box_is("abc", 7, 3, nothing);
    box_is("abc", -70, 3, nothing);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"rectangles and frames, clipped", fill_and_frame},
        {"lines: exact, soft, far away, not a number", lines},
        {"flat and steep lines mirror each other", mirrored_lines},
        {"pasting, clipped and enlarged", paste},
        {"text: place, scale, width", text},
        {"what the font lacks is a box", missing_characters},
        {"the font has its alphabets", font},
        {"text in a box: breaks and ellipsis", text_box},
    };
    setenv("T2I_FONT", "builtin", 1);
    return t2i_test_main("canvas", tests, sizeof tests / sizeof *tests);
}
