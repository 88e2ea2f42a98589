/* Memory: aligned, zeroed, counted. */
#include "test.h"

#include <stdint.h>

#include "base/mem.h"

static void test_alloc(void)
{
    for (size_t size = 0; size < 200; size++) {
        size_t calls = t2i_alloc_calls(), live = t2i_alloc_live(), bad = 0;
        unsigned char *p = t2i_alloc(size, 3);
        CU_ASSERT_TRUE(p != NULL && (uintptr_t)p % 64 == 0);
        CU_ASSERT_TRUE(t2i_alloc_calls() == calls + 1 && t2i_alloc_live() == live + 1);
        for (size_t i = 0; p != NULL && i < size * 3; i++) bad += p[i] != 0;
        CU_ASSERT_EQUAL(bad, 0);
        if (p != NULL) memset(p, 0xee, size * 3); /* what the next one must clear */
        t2i_free(p);
        CU_ASSERT_EQUAL(t2i_alloc_live(), live);
    }
    size_t live = t2i_alloc_live();
    static const size_t much[][2] = {{SIZE_MAX, 1},        {1, SIZE_MAX},
                                     {SIZE_MAX, SIZE_MAX}, {SIZE_MAX / 2 + 1, 2},
                                     {SIZE_MAX / 3, 4},    {(size_t)1 << 32, (size_t)1 << 32},
                                     {SIZE_MAX - 64, 1}};
    for (size_t i = 0; i < sizeof much / sizeof *much; i++)
        CU_ASSERT_PTR_NULL(t2i_alloc(much[i][0], much[i][1]));
    void *zero = t2i_alloc(SIZE_MAX, 0);
    CU_ASSERT_PTR_NOT_NULL(zero);
    t2i_free(zero);
    t2i_free(NULL);
    CU_ASSERT_EQUAL(t2i_alloc_live(), live);
}

static void test_grow(void)
{
    int *p = NULL;
    CU_ASSERT_EQUAL(t2i_grow(&p, 0, 3, sizeof *p), 0);
    for (int i = 0; p != NULL && i < 3; i++) p[i] = i + 1;
    CU_ASSERT_EQUAL(t2i_grow(&p, 3, 100, sizeof *p), 0);
    CU_ASSERT_TRUE(p[0] == 1 && p[1] == 2 && p[2] == 3);
    for (int i = 3; i < 100; i++) CU_ASSERT_EQUAL(p[i], 0);
    int *before = p;
    CU_ASSERT_EQUAL(t2i_grow(&p, 100, SIZE_MAX / 2, sizeof *p), -1);
    CU_ASSERT_TRUE(p == before && p[2] == 3);
    t2i_free(p);
    char *copy = t2i_strdup("caf\xc3\xa9"), *empty = t2i_strdup("");
    CU_ASSERT_STRING_EQUAL(copy, "caf\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(empty, "");
    t2i_free(copy);
    t2i_free(empty);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"memory is aligned, zeroed, counted; too much is refused", test_alloc},
        {"growing keeps and clears; copies of texts", test_grow},
    };
    return t2i_test_main("mem", tests, sizeof tests / sizeof *tests);
}
