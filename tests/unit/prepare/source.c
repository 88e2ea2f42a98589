/* source: every kind is recognised, and read. */
#include "prepare/source.h"

#include "test.h"
#include "scratch.h"

static t2i_error err;

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_scratch(name), "wb");
    CU_ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void test_list(void)
{
    t2i_source source;
    t2i_pair_list list;
    write_file("pairs.tsv", "a cat\tcat.png\n");
    OK(t2i_source_find(&source, in_scratch("pairs.tsv"), NULL, "auto", &err));
    CU_ASSERT_EQUAL(source.kind, T2I_SOURCE_LIST);
    CU_ASSERT_STRING_EQUAL(source.images, in_scratch(""));
    OK(t2i_source_read(&source, NULL, &list, &err));
    CU_ASSERT_EQUAL(list.count, 1);
    t2i_pairs_free(&list);
    t2i_source_free(&source);
    OK(t2i_source_find(&source, "pairs.tsv", "photos", "list", &err));
    CU_ASSERT_STRING_EQUAL(source.images, "photos");
    t2i_source_free(&source);
    OK(t2i_source_find(&source, "pairs.tsv", NULL, "coco", &err));
    CU_ASSERT_EQUAL(source.kind, T2I_SOURCE_COCO);
    CU_ASSERT_STRING_EQUAL(source.images, "");
    t2i_source_free(&source);
}

int main(void)
{
    static const t2i_test tests[] = {{"lists", test_list}};
    if (scratch_begin("source") != 0) return 1;
    int failed = t2i_test_main("source", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
