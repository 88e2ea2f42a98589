/* prompt_list: prompts of the command line and of files, and what is no prompt. */
#include "generate/prompt_list.h"

#include "../../scratch.h"
#include "../../test.h"
#include "base/commit.h"
#include "base/log.h"

static t2i_error err;
static t2i_prompt_list list;
static char warned[300];

static void on_warning(void *context, const char *text)
{
    (void)context;
    snprintf(warned, sizeof warned, "%s", text);
}

static const char *file(const char *bytes, size_t size)
{
    OK(t2i_commit_file(in_scratch("list.txt"), bytes, size, &err));
    return in_scratch("list.txt");
}
#define LINES(text) file(text, sizeof text - 1)

static void check(size_t number, const char *wanted)
{
    if (list.prompts <= number || strcmp(list.prompt[number], wanted) != 0) {
        fprintf(stderr, "prompt %zu is not \"%s\"\n", number + 1, wanted);
        CU_FAIL("another prompt");
    }
}

static void lines(void)
{
    static const char *const own[] = {"a red cat"};
    OK(t2i_prompt_list_new(&list, own, 1, LINES("one\ntwo words\r\nthree"), &err));
    CU_ASSERT_EQUAL(list.prompts, 4);
    check(0, "a red cat");
    check(1, "one");
    check(2, "two words");
    check(3, "three");
    t2i_prompt_list_free(&list);
    OK(t2i_prompt_list_new(&list, NULL, 0, LINES("\xef\xbb\xbfone\n"), &err));
    CU_ASSERT_EQUAL(list.prompts, 1);
    check(0, "one");
    t2i_prompt_list_free(&list);
}

static void refused(void)
{
    static const char *const empty[] = {"a", ""}, *const blank[] = {" \xc2\xa0"},
                             *const latin1[] = {"caf\xe9"};
    FAILS(t2i_prompt_list_new(&list, empty, 2, NULL, &err), T2I_USAGE,
          "prompt 2 is empty: a prompt says in words");
    FAILS(t2i_prompt_list_new(&list, blank, 1, NULL, &err), T2I_USAGE, "prompt 1 is empty");
    FAILS(t2i_prompt_list_new(&list, latin1, 1, NULL, &err), T2I_USAGE,
          "prompt 1 is not UTF-8 (byte 4)");
    CU_ASSERT(list.prompt == NULL && list.prompts == 0);
    FAILS(t2i_prompt_list_new(&list, NULL, 0, LINES("one\n\ntwo\n"), &err), T2I_DATA,
          "list.txt: prompt 2 is empty");
    FAILS(t2i_prompt_list_new(&list, NULL, 0, LINES("one\ncaf\xe9\n"), &err), T2I_DATA,
          "list.txt: prompt 2 is not UTF-8 (byte 4)");
    FAILS(t2i_prompt_list_new(&list, NULL, 0, LINES(""), &err), T2I_DATA, "is an empty file");
    FAILS(t2i_prompt_list_new(&list, NULL, 0, LINES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), &err),
          T2I_DATA, "is a PNG picture, not a list of prompts, one per line");
    FAILS(t2i_prompt_list_new(&list, NULL, 0, in_scratch("none"), &err), T2I_NOINPUT, "none");
}

static const char *warning_for(const char *const *prompt, size_t prompts)
{
    warned[0] = '\0';
    OK(t2i_prompt_list_new(&list, prompt, prompts, NULL, &err));
    CU_ASSERT_EQUAL(list.prompts, prompts);
    t2i_prompt_list_free(&list);
    return warned;
}

static void quotes(void)
{
    static const char *const words[] = {"a", "cat", "at", "night"}, *const two[] = {"a cat", "dog"},
                             *const one[] = {"cat"};
    t2i_log_on_warning(on_warning, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(warning_for(words, 4), "4 prompts of one word each"));
    CU_ASSERT_PTR_NOT_NULL(strstr(warned, "\"a cat at night\""));
    CU_ASSERT_STRING_EQUAL(warning_for(two, 2), "");
    CU_ASSERT_STRING_EQUAL(warning_for(one, 1), "");
    t2i_log_on_warning(NULL, NULL);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"lines of a file after the command line", lines},
        {"what is no prompt", refused},
        {"words without quotes", quotes},
    };
    t2i_log_program("prompt_list");
    if (scratch_begin("prompt_list") != 0) return 1;
    int failed = t2i_test_main("prompt_list", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
