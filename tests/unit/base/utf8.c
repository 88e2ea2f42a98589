/* UTF-8 by RFC 3629's grammar, and what is made of it for a terminal. */
#include "test.h"

#include "base/utf8.h"

static void test_mark(void)
{
    static const char text[] = "\xef\xbb\xbf\xef\xbb\xbf";
    for (size_t size = 0; size <= 6; size++) {
        t2i_span rest = t2i_utf8_without_mark((t2i_span){text, size});
        CU_ASSERT_TRUE(rest.size == (size < 3 ? size : size - 3) &&
                       rest.data + rest.size == text + size);
    }
    CU_ASSERT_EQUAL(t2i_utf8_without_mark((t2i_span){"abcd", 4}).size, 4);
    CU_ASSERT_PTR_NULL(t2i_utf8_without_mark((t2i_span){NULL, 0}).data);
}

static void test_visible(void)
{
    static const uint32_t seen[] = {' ', '!', '~', 0xa1, 0xe9, 0x4e2d, 0x1f600},
                          hidden[] = {0,     '\n',   0x1b,   0x7f,   0x80,   0xa0,    0xad,
                                      0x301, 0x200b, 0x202e, 0xe000, 0xfeff, 0xe0001, 0x10ffff};
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        CU_ASSERT_TRUE(t2i_utf8_is_visible(seen[i]));
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        CU_ASSERT_FALSE(t2i_utf8_is_visible(hidden[i]));
    CU_ASSERT(t2i_utf8_is_direction_mark(0x61c) && t2i_utf8_is_direction_mark(0x200e));
    CU_ASSERT(t2i_utf8_is_direction_mark(0x200f) && !t2i_utf8_is_direction_mark(0x202e));
}

/* Length of the character by the table of RFC 3629, section 4; 0 when there is none. */
static size_t by_grammar(const unsigned char *b, size_t size)
{
    static const struct {
        unsigned char first[2], second[2];
        size_t length;
    } rule[] = {
        {{0x00, 0x7f}, {0, 0}, 1},       {{0xc2, 0xdf}, {0x80, 0xbf}, 2},
        {{0xe0, 0xe0}, {0xa0, 0xbf}, 3}, {{0xe1, 0xec}, {0x80, 0xbf}, 3},
        {{0xed, 0xed}, {0x80, 0x9f}, 3}, {{0xee, 0xef}, {0x80, 0xbf}, 3},
        {{0xf0, 0xf0}, {0x90, 0xbf}, 4}, {{0xf1, 0xf3}, {0x80, 0xbf}, 4},
        {{0xf4, 0xf4}, {0x80, 0x8f}, 4},
    };
    for (size_t i = 0; size > 0 && i < sizeof rule / sizeof *rule; i++) {
        if (b[0] < rule[i].first[0] || b[0] > rule[i].first[1]) continue;
        if (size < rule[i].length) return 0;
        if (rule[i].length > 1 && (b[1] < rule[i].second[0] || b[1] > rule[i].second[1])) return 0;
        for (size_t k = 2; k < rule[i].length; k++)
            if (b[k] < 0x80 || b[k] > 0xbf) return 0;
        return rule[i].length;
    }
    return 0;
}

/* All first bytes with continuation bytes at every border; overlong, surrogates, too large and cut
 * ones among them. */
static void test_decode(void)
{
    static const unsigned char border[] = {0x00, 0x7f, 0x80, 0x8f, 0x90,
                                           0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    enum { BORDERS = sizeof border };
    int wrong = 0;
    for (unsigned first = 0; first < 256; first++)
        for (unsigned i = 0; i < BORDERS * BORDERS * BORDERS; i++) {
            unsigned char b[4] = {(unsigned char)first, border[i % BORDERS],
                                  border[i / BORDERS % BORDERS], border[i / BORDERS / BORDERS]};
            for (size_t size = 0; size <= 4; size++) {
                uint32_t code = 0xabcdef;
                char *exact = malloc(size); /* so that a checker sees a read beyond it */
                if (size > 0 && exact != NULL) memcpy(exact, b, size);
                size_t length = t2i_utf8_decode(exact, size, &code), right = by_grammar(b, size);
                wrong += length != right || (length == 0 && code != 0xabcdef);
                wrong +=
                    t2i_utf8_decode((const char *)b, size, &code) != right; /* more bytes follow */
                free(exact);
            }
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_round_trip(void)
{
    int wrong = 0;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char out[5] = {1, 1, 1, 1, 1};
        uint32_t back = 0;
        size_t size = t2i_utf8_encode(code, out);
        int surrogate = code >= 0xd800 && code < 0xe000;
        wrong += size != (code < 0x80      ? 1u
                          : code < 0x800   ? 2u
                          : code < 0x10000 ? 3u
                                           : 4u) ||
                 out[size] != 1;
        wrong += surrogate ? t2i_utf8_decode(out, size, &back) != 0
                           : t2i_utf8_decode(out, size, &back) != size || back != code;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    uint32_t code;
    CU_ASSERT_TRUE(t2i_utf8_decode("\xe2\x82\xac!", 4, &code) == 3 && code == 0x20ac);
}

static void test_valid(void)
{
    static const struct {
        const char *bytes;
        size_t size, bad;
    } known[] = {{"", 0, 0},
                 {"a\0b", 3, 3},
                 {"\xc3\xa9t\xc3\xa9", 5, 5},
                 {"\xc3\xa9t\xc3", 4, 3},    /* cut */
                 {"ab\xc0\x80", 4, 2},       /* overlong NUL */
                 {"abc\xed\xa0\x80", 6, 3},  /* a surrogate */
                 {"\xf4\x8f\xbf\xbf", 4, 4}, /* U+10FFFF */
                 {"\xf4\x90\x80\x80", 4, 0}, /* one more */
                 {"ok \xf0\x9f\x98\x80 \xff", 9, 8},
                 {"\xef\xbb\xbf", 3, 3}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CU_ASSERT_EQUAL(t2i_utf8_valid(known[i].bytes, known[i].size), known[i].bad);
}

static void test_clean(void)
{
    static const struct {
        const char *text, *keep, *clean;
    } known[] = {
        {"", "", ""},
        {"a\tb\nc\rd", "\t\n", "a\tb\nc?d"},
        {"\x1b]0;x\a \x7f", "", "?]0;x? ?"},
        {"\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "", "???\xc2\xa0"}, /* C1 */
        {"a\xe2\x80\xae"
         "b\xe2\x80\xaa\xe2\x80\xa8\xe2\x81\xa6\xe2\x81\xa9",
         "", "a?b????"},
        {"\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x8d\xe2\x80\xaf", "", "??\xe2\x80\x8d\xe2\x80\xaf"},
        {"\x9b"
         "31m\xff\xe2\x80",
         "", "?31m???"}, /* not UTF-8 */
        {"\xed\xa0\x80|\xc0\x8a", "\n", "???|??"},
    };
    char text[64];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        strcpy(text, known[i].text);
        text[t2i_utf8_clean(text, strlen(text), known[i].keep)] = '\0';
        CU_ASSERT_STRING_EQUAL(text, known[i].clean);
    }
    memcpy(text, "a\0b", 3);
    CU_ASSERT(t2i_utf8_clean(text, 3, "\n") == 3 && memcmp(text, "a?b", 3) == 0);
}

/* Of all characters, one after the other. */
static void test_controls(void)
{
    char text[8];
    int bad = 0;
    for (uint32_t code = 1; code <= 0x10ffff; code++) {
        int control = code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
                      (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
                      code == 0x61c || code == 0x200e || code == 0x200f || code == 0x2028 ||
                      code == 0x2029;
        if (code >= 0xd800 && code < 0xe000) continue;
        size_t size = t2i_utf8_encode(code, text), kept = t2i_utf8_clean(text, size, "");
        bad += control ? kept != 1 || text[0] != '?' : kept != size;
    }
    CU_ASSERT_EQUAL(bad, 0);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"what controls a terminal is replaced", test_clean},
        {"no other character is replaced", test_controls},
        {"one byte order mark is taken away", test_mark},
        {"characters that leave a mark", test_visible},
        {"UTF-8 is read by RFC 3629, whatever the bytes", test_decode},
        {"every code point goes round, surrogates do not", test_round_trip},
        {"the first bad byte is found", test_valid},
    };
    return t2i_test_main("utf8", tests, sizeof tests / sizeof *tests);
}
