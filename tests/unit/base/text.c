/* Growing text, the nearest name. */
#include "test.h"

#include "base/text.h"

static t2i_error err;

static void test_text(void)
{
    t2i_text text = {0};
    OK(t2i_text_add(&text, NULL, 0, &err));
    CU_ASSERT_TRUE(text.size == 0 && text.data != NULL && text.data[0] == '\0');
    OK(t2i_text_add(&text, "a\0b", 3, &err));
    OK(t2i_text_addf(&text, &err, "%s=%d", "x", 42));
    CU_ASSERT_EQUAL(text.size, 7);
    CU_ASSERT_EQUAL(memcmp(text.data, "a\0bx=42", 8), 0); /* with its terminator */
    OK(t2i_text_addf(&text, &err, "%s", ""));
    CU_ASSERT_EQUAL(text.size, 7);
    text.size = 0; /* used again */
    OK(t2i_text_add(&text, "yz", 2, &err));
    CU_ASSERT_STRING_EQUAL(text.data, "yz");
    t2i_text_free(&text);
    CU_ASSERT_TRUE(text.data == NULL && text.size == 0 && text.room == 0);
    t2i_text_free(&text);
}

static void test_plain(void)
{
    t2i_text text = {0};
    OK(t2i_text_add(&text, "a\n", 2, &err)); /* what was there stays */
    OK(t2i_text_add_plain(&text, "b\nc\x1b[0m\x7f\0\xc3\xa9", 11, &err));
    CU_ASSERT_EQUAL(text.size, 13);
    CU_ASSERT_STRING_EQUAL(text.data, "a\nb?c?[0m??\xc3\xa9");
    t2i_text_free(&text);
}

static void test_small(void)
{
    t2i_text text = {0};
    OK(t2i_text_add(&text, "gone", 4, &err));
    OK(t2i_text_lower(&text, "TAXI @[` \xc3\x89z!", 12, &err)); /* the E with an accent stays */
    CU_ASSERT_STRING_EQUAL(text.data, "taxi @[` \xc3\x89z");
    t2i_text_free(&text);
}

/* Every size on the way, by both ways of adding. */
static void test_text_grows(void)
{
    t2i_text text = {0};
    int whole = 1;
    for (int i = 0; i < 3000; i++) {
        if (i % 2 == 0)
            OK(t2i_text_add(&text, "xyz", 3, &err));
        else
            OK(t2i_text_addf(&text, &err, "%s", "xyz"));
        whole = whole && text.size == 3 * (size_t)(i + 1) && text.room > text.size &&
                strlen(text.data) == text.size;
    }
    CU_ASSERT_TRUE(whole);
    for (size_t i = 0; i < text.size; i++) whole = whole && text.data[i] == "xyz"[i % 3];
    CU_ASSERT_TRUE(whole);
    volatile size_t much = SIZE_MAX; /* a compiler that looks through all would warn */
    FAILS(t2i_text_add(&text, "xyz", much, &err), T2I_SYSTEM, "memory");
    FAILS(t2i_text_add(&text, "xyz", much / 2, &err), T2I_SYSTEM, "memory");
    CU_ASSERT_EQUAL(text.size, 9000);
    t2i_text_free(&text);
}

static const char *nearest(const char *word)
{
    static const char *const names[] = {"steps", "batch", "block-size", "beta1", "beta2"};
    const char *found = t2i_text_nearest_name(word, names, sizeof names / sizeof *names);
    return found == NULL ? "(none)" : found;
}

static void test_nearest_name(void)
{
    CU_ASSERT_STRING_EQUAL(nearest("steps"), "steps");
    CU_ASSERT_STRING_EQUAL(nearest("step"), "steps");  /* one left out */
    CU_ASSERT_STRING_EQUAL(nearest("bacth"), "batch"); /* two changed: 5 / 3 + 1 = 2 are allowed */
    CU_ASSERT_STRING_EQUAL(nearest("blocksize"), "block-size");
    CU_ASSERT_STRING_EQUAL(nearest("beta"), "beta1"); /* the first of the nearest */
    CU_ASSERT_STRING_EQUAL(nearest("beta2"), "beta2");
    CU_ASSERT_STRING_EQUAL(nearest("sxxps"), "steps");
    CU_ASSERT_STRING_EQUAL(nearest("sxxxs"), "(none)"); /* three of five */
    CU_ASSERT_STRING_EQUAL(nearest("zzzzzzzz"), "(none)");
    CU_ASSERT_STRING_EQUAL(nearest(""), "(none)");
    CU_ASSERT_PTR_NULL(t2i_text_nearest_name("steps", NULL, 0));
    char lengthy[200];
    memset(lengthy, 'a', sizeof lengthy);
    lengthy[sizeof lengthy - 1] = '\0';
    CU_ASSERT_STRING_EQUAL(nearest(lengthy), "(none)");
}

static void test_ends(void)
{
    CU_ASSERT(t2i_text_ends("a.tar.gz", ".tar.gz") && t2i_text_ends("A.NPY", ".npy"));
    CU_ASSERT(t2i_text_ends("true", "true") && t2i_text_ends("a", ""));
    CU_ASSERT(!t2i_text_ends("a.np", ".npy") && !t2i_text_ends("py", ".npy"));
    CU_ASSERT(!t2i_text_ends("a.npyx", ".npy"));
}

int main(void)
{
    static const t2i_test tests[] = {
        {"text holds any bytes and ends in NUL", test_text},
        {"text grows; what is too much is refused", test_text_grows},
        {"text of a stranger is made plain", test_plain},
        {"small letters", test_small},
        {"how a text ends", test_ends},
        {"did you mean", test_nearest_name},
    };
    return t2i_test_main("text", tests, sizeof tests / sizeof *tests);
}
