/* Tensors in one block of memory. */
#include "test.h"

#include <stdint.h>

#include "base/block.h"

static t2i_error err;

static void test_layout(void)
{
    t2i_layout layout = {0};
    OK(t2i_layout_add(&layout, 3, 5, &err, "layers.%d.weight", 7));
    OK(t2i_layout_add(&layout, 0, 16, &err, "bias"));
    OK(t2i_layout_add(&layout, 1, 1, &err, "one"));
    CU_ASSERT_TRUE(layout.tensors == 3 && layout.count == 15 + 16 + 1 &&
                   layout.floats == T2I_CHUNK);
    CU_ASSERT_STRING_EQUAL(layout.tensor[0].name, "layers.7.weight");
    CU_ASSERT_TRUE(layout.tensor[0].offset == 0 && layout.tensor[1].offset == 16 &&
                   layout.tensor[2].offset == 32);
    CU_ASSERT_TRUE(t2i_tensor_count(&layout.tensor[0]) == 15 &&
                   t2i_tensor_count(&layout.tensor[1]) == 16);
    CU_ASSERT_TRUE(t2i_layout_find(&layout, "bias") == &layout.tensor[1]);
    CU_ASSERT_PTR_NULL(t2i_layout_find(&layout, "bia"));
    OK(t2i_layout_add(&layout, 0, T2I_CHUNK - 48, &err, "to the end of the chunk"));
    CU_ASSERT_EQUAL(layout.floats, T2I_CHUNK);
    OK(t2i_layout_add(&layout, 0, 1, &err, "one more"));
    CU_ASSERT_EQUAL(layout.floats, 2 * T2I_CHUNK);
    FAILS(t2i_layout_add(&layout, SIZE_MAX / 2, 3, &err, "vast"), T2I_USAGE, "vast");
    CU_ASSERT_TRUE(layout.tensors == 5 && layout.floats == 2 * T2I_CHUNK);
    float *block = t2i_block_new(&layout);
    CU_ASSERT_TRUE(block != NULL && (uintptr_t)block % 64 == 0);
    for (size_t i = 0; block != NULL && i < layout.floats; i++) CU_ASSERT_EQUAL(block[i], 0.0f);
    t2i_free(block);
    char name[200];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    OK(t2i_layout_add(&layout, 0, 1, &err, "%s", name));
    CU_ASSERT_EQUAL(strlen(layout.tensor[5].name), T2I_NAME_MAX - 1);
    t2i_layout_free(&layout);
    CU_ASSERT_TRUE(layout.tensor == NULL && layout.tensors == 0 && layout.floats == 0);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"tensors lie in a block, aligned, in whole chunks", test_layout},
    };
    return t2i_test_main("block", tests, sizeof tests / sizeof *tests);
}
