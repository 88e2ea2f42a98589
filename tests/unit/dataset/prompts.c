/* The distinct prompts of a dataset, the pictures that fit each, and their texts. */
#include "unit/dataset/dataset_sample.h"

#include "base/text.h"
#include "dataset/prompts.h"

static void test_dataset(void)
{
    static const char *const sorted[] = {"",    "blue",  "blue square",      "red",
                                         "red", "zebra", "\xc3\xa9t\xc3\xa9"};
    t2i_dataset *dataset = NULL;
    t2i_prompts prompts;
    t2i_text text = {0};
    write_sample(path, 1);
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    OK(t2i_prompts_new(&prompts, dataset, &err));
    CU_ASSERT_TRUE(prompts.pairs == PAIRS && prompts.count == PAIRS - 1);
    for (uint32_t p = 0; p < prompts.count; p++)
        CU_ASSERT_EQUAL(prompts.first[p], p + (p > 3)); /* "red" has two pairs */
    CU_ASSERT_EQUAL(prompts.first[prompts.count], PAIRS);
    for (uint64_t i = 0; i < PAIRS; i++) {
        OK(t2i_prompts_text(dataset, PAIRS - 1 - i, &text, &err));
        CU_ASSERT_STRING_EQUAL(text.data, sorted[PAIRS - 1 - i]);
        CU_ASSERT_EQUAL(text.size, strlen(text.data));
    }
    FAILS(t2i_prompts_text(dataset, PAIRS, &text, &err), T2I_BUG, "beyond");
    t2i_text_free(&text);
    t2i_prompts_free(&prompts);
    CU_ASSERT_PTR_NULL(prompts.first);
    t2i_dataset_close(dataset);
}

/* Prompt 0 has four pairs, prompt 1 has one. */
static void test_fitting(void)
{
    uint32_t first[] = {0, 4, 5}, image[] = {7, 2, 7, 5, 2};
    uint8_t split[] = {1, 0, 0, 0, 1};
    t2i_prompts prompts = {.pairs = 5, .count = 2, .first = first, .image = image, .split = split};
    t2i_fitting out[4];
    CU_ASSERT_TRUE(t2i_prompts_has(&prompts, 0, 0) && t2i_prompts_has(&prompts, 0, 1));
    CU_ASSERT_TRUE(!t2i_prompts_has(&prompts, 1, 0) && !t2i_prompts_has(&prompts, 0, 2));
    CU_ASSERT_EQUAL_FATAL(t2i_prompts_fitting(&prompts, 0, 1, out), 3);
    CU_ASSERT_TRUE(out[0].image == 2 && !out[0].right);
    CU_ASSERT_TRUE(out[1].image == 5 && !out[1].right);
    CU_ASSERT_TRUE(out[2].image == 7 && out[2].right); /* in either split */
    CU_ASSERT_EQUAL_FATAL(t2i_prompts_fitting(&prompts, 1, 1, out), 1);
    CU_ASSERT_TRUE(out[0].image == 2 && out[0].right);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"equal prompts are one, and texts come back", test_dataset},
        {"pictures that fit, each once, right or known from another split", test_fitting},
    };
    if (begin_folder("prompts") != 0) return 1;
    int failed = t2i_test_main("prompts", tests, sizeof tests / sizeof *tests);
    end_folder();
    return failed;
}
