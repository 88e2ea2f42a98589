/* output: names from prompts, numbers, --force, folders that cannot be written. */
#include "generate/output.h"

#include "../../scratch.h"
#include "../../test.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/mem.h"

static t2i_error err;

static void named(const char *prompt, size_t prompts, const char *wanted)
{
    t2i_text name = {0};
    const char *const list[] = {prompt};
    OK(t2i_output_name(&name, list, prompts, &err));
    if (name.data == NULL || strcmp(name.data, wanted) != 0) {
        fprintf(stderr, "\"%s\": %s, not %s\n", prompt, name.data, wanted);
        CU_FAIL("another name");
    }
    t2i_text_free(&name);
}

static void names(void)
{
    char prompt[400] = "";
    t2i_text name = {0};
    named("a cat", 1, "a-cat");
    named("a Cat", 3, "a-Cat-and-2-more");
    named("../../etc/passwd", 1, "etc-passwd");
    named("-rf *; $(x) `y`\n\t\x1b[31m", 1, "rf-x-y-31m");
    named(".", 1, "prompt");
    named("???", 2, "prompt-and-1-more");
    named("  3.5 cm, \"sharp\"!", 1, "3-5-cm-sharp");
    named("\xe7\x8c\xab\xe3\x80\x82\xe7\x8a\xac", 1, "\xe7\x8c\xab-\xe7\x8a\xac"); /* two words */
    named("e\xcc\x81t\xc3\xa9", 1, "e\xcc\x81t\xc3\xa9");
    named("\xe2\x80\xaegnp\xe2\x80\x9cx\xe2\x80\x9d", 1, "gnp-x"); /* U+202E */
    named("\xe2\x9d\xa4\xef\xb8\x8f", 1, "\xe2\x9d\xa4");          /* a heart */
    /* bounded, without half a character and without a hyphen at its end */
    for (int i = 0; i < 100; i++) strcat(prompt, i % 2 == 0 ? "\xc3\xa9" : " ");
    const char *const list[] = {prompt};
    OK(t2i_output_name(&name, list, 1, &err));
    CU_ASSERT(name.size > 50 && name.size <= T2I_OUTPUT_NAME && name.data[name.size - 1] != '-');
    CU_ASSERT_EQUAL(t2i_utf8_valid(name.data, name.size), name.size);
    t2i_text_free(&name);
}

static void touch(const char *name)
{
    OK(t2i_commit_file(in_scratch(name), "x", 1, &err));
}

static void chosen(const t2i_output_options *options, const char *wanted)
{
    static const char *const prompt[] = {"a cat"};
    char *sheet = NULL;
    OK(t2i_output_choose(options, prompt, 1, &sheet, &err));
    if (sheet == NULL || strcmp(sheet, wanted) != 0) {
        fprintf(stderr, "%s, not %s\n", sheet, wanted);
        CU_FAIL("another path");
    }
    t2i_free(sheet);
}

static void numbers(void)
{
    t2i_output_options options = {.run = in_scratch("run"), .drawings = 1};
    chosen(&options, in_scratch("run/generated/a-cat.png"));
    touch("run/generated/a-cat.png");
    chosen(&options, in_scratch("run/generated/a-cat-2.png"));
    touch("run/generated/a-cat-2-drawn-1.png"); /* a drawing is in the way */
    chosen(&options, in_scratch("run/generated/a-cat-3.png"));
    options.drawings = 0;
    chosen(&options, in_scratch("run/generated/a-cat-2.png"));
    options.force = 1;
    chosen(&options, in_scratch("run/generated/a-cat.png"));
    scratch_remove(in_scratch("run"));
}

static void given(void)
{
    t2i_output_options options = {.out = in_scratch("x.jpg"), .drawings = 2};
    OK(t2i_output_check(&options, &err));
    chosen(&options, in_scratch("x.jpg"));
    touch("x-drawn-2.jpg");
    FAILS(t2i_output_check(&options, &err), T2I_CANTCREATE, "x-drawn-2.jpg exists");
    touch("x.jpg");
    FAILS(t2i_output_check(&options, &err), T2I_CANTCREATE, "x.jpg exists: give another name, or");
    options.number = 1;
    OK(t2i_output_check(&options, &err));
    chosen(&options, in_scratch("x-2.jpg"));
    options.number = 0;
    options.force = 1;
    OK(t2i_output_check(&options, &err));
    chosen(&options, in_scratch("x.jpg"));
    options.out = in_scratch("x");
    FAILS(t2i_output_check(&options, &err), T2I_USAGE, "let the name end in .png");
    options.out = in_scratch("a.png/x");
    FAILS(t2i_output_check(&options, &err), T2I_USAGE, "let the name end in .png");
    options = (t2i_output_options){.out = scratch};
    OK(t2i_output_check(&options, &err));
    chosen(&options, in_scratch("a-cat.png"));
    touch("a-cat.png");
    chosen(&options, in_scratch("a-cat-2.png"));
}

static void no_folder(void)
{
    touch("file");
    t2i_output_options options = {.run = in_scratch("file")}; /* no folder can be made in it */
    chosen(&options, "a-cat.png");
    options.run = NULL;
    chosen(&options, "a-cat.png");
}

static void drawings(void)
{
    char *path = t2i_output_drawing("a.b/c", 1, &err);
    CU_ASSERT(path != NULL && strcmp(path, "a.b/c-drawn-1") == 0);
    t2i_free(path);
    path = t2i_output_drawing("a.b/c.d.webp", 12, &err);
    CU_ASSERT(path != NULL && strcmp(path, "a.b/c.d-drawn-12.webp") == 0);
    t2i_free(path);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"names from prompts", names},   {"names are numbered", numbers},
        {"names that are given", given}, {"a run that cannot be written", no_folder},
        {"names of drawings", drawings},
    };
    if (scratch_begin("output") != 0) return 1;
    int failed = t2i_test_main("output", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
