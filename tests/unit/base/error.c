/* Errors are one clean line; a broken assertion ends the process. */
#include "test.h"

#include "base/error.h"
#include "child.h"

static void test_fail(void)
{
    t2i_error e = {0};
    CU_ASSERT_EQUAL(t2i_fail(&e, T2I_DATA, "%s:%d: bad", "file", 3), T2I_DATA);
    CU_ASSERT_EQUAL(e.status, T2I_DATA);
    CU_ASSERT_STRING_EQUAL(e.text, "file:3: bad");
    CU_ASSERT_EQUAL(t2i_fail(NULL, T2I_IO, "nobody wants to know"), T2I_IO);
    t2i_fail(&e, T2I_DATA, "a%sb", "\n\r\t\x1b\x7f\x01");
    CU_ASSERT_STRING_EQUAL(e.text, "a??????b");
    t2i_fail(&e, T2I_DATA, "%s", "a\xc2\x9b\xe2\x80\xae\xe2\x80\x8f\xff"); /* and no C1, ... */
    CU_ASSERT_STRING_EQUAL(e.text, "a????");
    t2i_fail(&e, T2I_DATA, "%s", "\xc3\xa9"); /* UTF-8 stays */
    CU_ASSERT_STRING_EQUAL(e.text, "\xc3\xa9");
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    t2i_fail(&e, T2I_DATA, "%s", text); /* cut, with its end */
    CU_ASSERT_EQUAL(strlen(e.text), sizeof e.text - 1);
    CU_ASSERT_EQUAL(t2i_fail_memory(&e, 12345678, "a thing"), T2I_SYSTEM);
    CU_ASSERT_STRING_EQUAL(e.text, "cannot allocate 12.3 MB of memory for a thing");
}

static void hook(int code)
{
    fprintf(stderr, "hook %d\n", code);
}

static void assert_with_hook(void)
{
    t2i_set_abort_hook(hook);
    T2I_ASSERT(1 + 1 == 2);
    T2I_ASSERT(1 + 1 == 3);
}

static void assert_without_hook(void)
{
    T2I_ASSERT(0);
}

static void test_assert(void)
{
    char said[1000];
    CU_ASSERT_EQUAL(child(assert_with_hook, 2, said, sizeof said), T2I_BUG);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "'1 + 1 == 3'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "tests/unit/base/error.c"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "hook 70\n"));
    CU_ASSERT_EQUAL(child(assert_without_hook, 2, said, sizeof said), T2I_BUG);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"an error is one clean line", test_fail},
        {"a broken assertion ends the process with 70", test_assert},
    };
    if (scratch_begin("error") != 0) return 1;
    int failed = t2i_test_main("error", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
