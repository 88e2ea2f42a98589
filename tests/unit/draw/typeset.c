/* typeset: which characters a text has, where its lines end, and its bounds, in the built-in font.
 */
#include "draw/typeset.h"

#include "test.h"
#include "base/rng.h"
#include "base/utf8.h"

#define BOX UINT32_MAX

static t2i_typeset t;

/* The text has these characters (ended by 0), and each has a glyph. */
static void has(const char *utf8, const uint32_t *code)
{
    size_t i = 0;
    t2i_typeset_text(&t, utf8, 1);
    for (; code[i] != 0 && i < t.codes; i++) CU_ASSERT_EQUAL(t.code[i], code[i]);
    CU_ASSERT(code[i] == 0 && i == t.codes);
    CU_ASSERT_EQUAL(t.glyphs, t.codes);
    CU_ASSERT_EQUAL(t2i_typeset_width(&t, 0, t.glyphs), 8 * (long)i);
}

#define CODES(...) ((const uint32_t[]){__VA_ARGS__, 0})

static void characters(void)
{
    has("a\xc3\xa4", CODES('a', 0xe4));
    has("a\tb\r\nc", CODES('a', ' ', 'b', ' ', ' ', 'c'));
    has("\x1b[m\x7f", CODES(BOX, '[', 'm', BOX));
    has("\xff\xe2\x82", CODES(BOX, BOX, BOX));
    has("\xe2\x80\xae\xe2\x81\xa6z", CODES(BOX, BOX, 'z')); /* override, isolate */
    has("a\xe2\x80\x8f\xe2\x80\x8e!", CODES('a', '!'));     /* marks of direction */
    has("e\xcc\x81u\xcc\x88", CODES(0xe9, 0xfc));           /* accents apart */
}

/* Marks that the built-in font lacks are left out; a pile of them does not take room. */
static void marks(void)
{
    char text[4096] = "q";
    for (size_t i = 1; i + 2 < sizeof text - 2; i += 2) memcpy(text + i, "\xcc\xa3\x62", 3);
    t2i_typeset_text(&t, text, 1);
    CU_ASSERT_EQUAL(t.codes, 8); /* q, six marks, b */
    CU_ASSERT_EQUAL(t.glyphs, 2);
    CU_ASSERT(!t.cut);
}

static void bounds(void)
{
    static char text[3 * T2I_TYPESET_MAX + 2];
    memset(text, 'a', T2I_TYPESET_MAX);
    t2i_typeset_text(&t, text, 1);
    CU_ASSERT_EQUAL(t.codes, T2I_TYPESET_MAX);
    memset(text, 'a', sizeof text - 1);
    t2i_typeset_text(&t, text, 2);
    CU_ASSERT_EQUAL(t.codes, T2I_TYPESET_MAX);
    CU_ASSERT_EQUAL(t.glyphs, T2I_TYPESET_MAX);
    CU_ASSERT(t.cut);
    CU_ASSERT_EQUAL(t2i_typeset_width(&t, 0, t.glyphs), 16 * T2I_TYPESET_MAX);
}

/* The lines of a text in `width` columns, joined by '|'. */
static void breaks(const char *utf8, long width, const char *expected)
{
    char got[256] = "";
    t2i_typeset_text(&t, utf8, 1);
    for (size_t from = 0, to, next; from < t.glyphs; from = next) {
        next = t2i_typeset_line(&t, &from, &to, width * 8, 0);
        size_t size = strlen(got);
        if (size > 0 && from < t.glyphs) got[size++] = '|';
        for (size_t i = from; i < to && size + 5 < sizeof got; i++)
            size += t2i_utf8_encode(t.code[t.glyph[i].at], got + size);
        got[size] = '\0';
    }
    if (strcmp(got, expected) != 0) {
        fprintf(stderr, "\"%s\" in %ld columns: \"%s\", not \"%s\"\n", utf8, width, got, expected);
        CU_FAIL("other lines");
    }
}

static void line_ends(void)
{
    breaks("one two  three ", 8, "one two|three");
    breaks("red_circle_small.png", 12, "red_circle_|small.png");
    breaks("a/b-c_d", 2, "a/|b-|c_|d");
    breaks("at -12 degrees", 5, "at|-12|degre|es");
    breaks("abcdef", 0, "a|b|c|d|e|f");
    breaks("abc\xc2\xa0"
           "def",
           4, "abc\xc2\xa0|def"); /* a blank that binds; the word is too long */
    /* Han: anywhere, but no line begins with a full stop or ends with an opening bracket. */
    breaks("\xe5\xa4\xa9\xe5\xa4\xa9\xe5\xa4\xa9", 2, "\xe5\xa4\xa9\xe5\xa4\xa9|\xe5\xa4\xa9");
    breaks("\xe5\xa4\xa9\xe5\xa4\xa9\xe3\x80\x82", 2, "\xe5\xa4\xa9|\xe5\xa4\xa9\xe3\x80\x82");
    breaks("\xe5\xa4\xa9\xe3\x80\x8c\xe5\xa4\xa9", 2, "\xe5\xa4\xa9|\xe3\x80\x8c\xe5\xa4\xa9");
    breaks("abc\xe5\xa4\xa9", 3, "abc|\xe5\xa4\xa9");
}

/* Hebrew: the order of a line, and of glyphs in it. */
static void leftwards(void)
{
    size_t order[4];
    t2i_typeset_text(&t, "\xd7\x90\xd7\x91 7", 1);
    CU_ASSERT(t.leftwards);
    t2i_typeset_order(&t, 0, 4, order);
    CU_ASSERT(order[0] == 3 && order[1] == 2 && order[2] == 1 && order[3] == 0);
    t2i_typeset_order(&t, 1, 3, order);
    CU_ASSERT(order[0] == 2 && order[1] == 1);
    t2i_typeset_text(&t, "7 a", 1);
    CU_ASSERT(!t.leftwards);
}

/* Random bytes: lines go on, fit, and lose nothing but blanks. */
static void random_texts(void)
{
    static const char *const part[] = {"a",  " ", "\xcc\x81", "\xd7\x90",     "\xe5\xa4\xa9", "-",
                                       "\n", "7", "\xff",     "\xe2\x80\xae", "\xe2\x80\x8d", "."};
    const size_t parts = sizeof part / sizeof *part;
    for (uint64_t round = 0; round < 2000; round++) {
        char text[256] = "";
        size_t count = (size_t)(t2i_rng_uniform(1, round, 0) * 60.0), shown = 0, blanks = 0;
        for (size_t i = 0; i < count; i++)
            strcat(text, part[(size_t)(t2i_rng_uniform(1, round, i + 1) * (double)parts)]);
        t2i_typeset_text(&t, text, 1);
        for (size_t i = 0; i < t.glyphs; i++) blanks += t.code[t.glyph[i].at] == ' ';
        for (size_t from = 0, to, next; from < t.glyphs; from = next) {
            size_t start = from;
            next = t2i_typeset_line(&t, &from, &to, 40, round % 2 != 0);
            CU_ASSERT_FATAL(next > start && from >= start && to >= from && next >= to);
            CU_ASSERT(t2i_typeset_width(&t, from, to) <= 40);
            for (size_t i = from; i < to; i++) blanks -= t.code[t.glyph[i].at] == ' ';
            shown += to - from;
        }
        CU_ASSERT_EQUAL(shown + blanks, t.glyphs);
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"characters, and what is none", characters},
        {"piles of marks", marks},
        {"long texts are cut", bounds},
        {"where lines end", line_ends},
        {"scripts that go to the left", leftwards},
        {"random texts", random_texts},
    };
    setenv("T2I_FONT", "builtin", 1);
    return t2i_test_main("typeset", tests, sizeof tests / sizeof *tests);
}
