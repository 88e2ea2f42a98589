/* Distinct texts, numbered in order of first use. */
#include "test.h"

#include <stdint.h>

#include "base/string_table.h"

static t2i_error err;

static void test_numbers(void)
{
    static const char *const words[] = {"red", "", "blue", "red", "blue", "r\xc3\xb6t", ""};
    static const size_t numbers[] = {0, 1, 2, 0, 2, 3, 1};
    t2i_string_table names = {0};
    CU_ASSERT_EQUAL(t2i_string_table_find(&names, "red"), SIZE_MAX);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t number = 99;
        OK(t2i_string_table_add(&names, words[i], &number, &err));
        CU_ASSERT_EQUAL(number, numbers[i]);
        CU_ASSERT_EQUAL(t2i_string_table_find(&names, words[i]), numbers[i]);
        CU_ASSERT_STRING_EQUAL(t2i_string_table_at(&names, number), words[i]);
    }
    CU_ASSERT_EQUAL(names.count, 4);
    CU_ASSERT_EQUAL(t2i_string_table_find(&names, "green"), SIZE_MAX);
    CU_ASSERT_EQUAL(t2i_string_table_find(&names, "re"), SIZE_MAX);
    t2i_string_table_free(&names);
    CU_ASSERT_EQUAL(names.count, 0);
    t2i_string_table_free(&names);
}

static void test_many(void)
{
    enum { MANY = 20000 };
    char name[32];
    size_t number, wrong = 0;
    t2i_string_table names = {0};
    for (size_t turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "picture-%zu.png", i * 7919 % MANY);
            OK(t2i_string_table_add(&names, name, &number, &err));
            wrong += number != i;
        }
    CU_ASSERT_TRUE(wrong == 0 && names.count == MANY);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "picture-%zu.png", i * 7919 % MANY);
        wrong += t2i_string_table_find(&names, name) != i;
        wrong += strcmp(t2i_string_table_at(&names, i), name) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    t2i_string_table_free(&names);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"equal texts have one number, in order of first use", test_numbers},
        {"twenty thousand texts keep their numbers", test_many},
    };
    return t2i_test_main("string_table", tests, sizeof tests / sizeof *tests);
}
