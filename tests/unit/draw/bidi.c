/* bidi: levels and the order of lines that mix directions. */
#include "draw/bidi.h"

#include <string.h>
#include "test.h"

/* Stand-ins as in Unicode's own examples: capitals are Hebrew letters, `7` is an Arabic digit, `'`
 * is a mark. */
static uint32_t meant(char c)
{
    if (c >= 'A' && c <= 'Z') return 0x5d0u + (uint32_t)(c - 'A');
    return c == '7' ? 0x667u : c == '\'' ? 0x301u : (uint32_t)(unsigned char)c;
}

static void shows(const char *text, const char *expected, int leftwards)
{
    uint32_t code[64] = {0};
    uint8_t level[64] = {0};
    size_t order[64], count = strlen(text);
    char line[64] = "";
    for (size_t i = 0; i < count; i++) code[i] = meant(text[i]);
    CU_ASSERT_EQUAL(t2i_bidi_levels(code, count, level), leftwards);
    t2i_bidi_order(level, count, order);
    for (size_t i = 0; i < count; i++) line[i] = text[order[i]];
    if (strcmp(line, expected) != 0) {
        fprintf(stderr, "\"%s\" shows as \"%s\", not \"%s\"\n", text, line, expected);
        CU_FAIL("another order");
    }
}

static void one_direction(void)
{
    shows("", "", 0);
    shows("a red square, 12 of 3!", "a red square, 12 of 3!", 0);
    shows("...", "...", 0);
    shows("ABC DE", "ED CBA", 1);
    shows("123", "123", 0);
}

static void both_directions(void)
{
    shows("car is CAR.", "car is RAC.", 0);
    shows("CAR is car.", ".is car RAC", 1);
    shows("a ABC DEF b", "a FED CBA b", 0);
    shows("AB ab cd EF", "FE ab cd BA", 1);
    shows("(A) b", "b )A(", 1);
}

static void numbers(void)
{
    shows("AB 12 CD", "DC 12 BA", 1);
    shows("AB 1,234.5 CD", "DC 1,234.5 BA", 1);
    shows("a AB 12 CD b", "a DC 12 BA b", 0);
    shows("a 12 AB", "a 12 BA", 0);
    shows("AB $12 50% CD", "DC 50% $12 BA", 1);
    shows("AB 77.77 CD", "DC 77.77 BA", 1);
    shows("AB-12", "12-BA", 1);
}

static void marks(void)
{
    shows("A'B", "B'A", 1);
    shows("a'b", "a'b", 0);
    shows("'", "'", 0);
    shows("a B' c", "a 'B c", 0);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"one direction", one_direction},
        {"both", both_directions},
        {"numbers go to the right", numbers},
        {"marks go with what they stand on", marks},
    };
    return t2i_test_main("bidi", tests, sizeof tests / sizeof *tests);
}
