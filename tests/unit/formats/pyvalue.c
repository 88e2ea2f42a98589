/* pyvalue: trees are built, asked, and go with their arena. */
#include "formats/pyvalue.h"

#include "py_print.h"
#include "test.h"

static void builds_trees(void)
{
    t2i_py_arena *a = t2i_py_arena_new();
    t2i_text text = {0};
    t2i_py *root = t2i_py_dict(a, 1), *list = t2i_py_list(a), *tuple = t2i_py_tuple(a);
    t2i_py_append(a, list, t2i_py_int(a, -7));
    t2i_py_append(a, list, t2i_py_float(a, 0.5));
    t2i_py_append(a, list, t2i_py_bool(a, 5));
    t2i_py_append(a, tuple, t2i_py_none(a));
    t2i_py_append(a, tuple, t2i_py_text(a, "a\0b", 3));
    t2i_py_set(a, root, "list", list);
    t2i_py_set_pair(a, root, t2i_py_int(a, 3), tuple);
    CU_ASSERT(py_print(&text, root));
    CU_ASSERT_STRING_EQUAL(text.data, "O{'list':[-7,0.5,True],3:(None,'a')}");
    CU_ASSERT(tuple->item[1]->size == 3 && memcmp(tuple->item[1]->text, "a\0b", 4) == 0);
    CU_ASSERT_EQUAL(list->item[2]->integer, 1);
    t2i_text_free(&text);
    CU_ASSERT_FALSE(t2i_py_arena_failed(a));
    t2i_py_arena_free(a);
    t2i_py_arena_free(NULL);
}

static void copies_texts(void)
{
    t2i_py_arena *a = t2i_py_arena_new();
    char word[] = "word";
    t2i_py *value = t2i_py_text(a, word, 4), *dict = t2i_py_dict(a, 0);
    t2i_py_set(a, dict, word, value);
    word[0] = 'x';
    CU_ASSERT_STRING_EQUAL(value->text, "word");
    CU_ASSERT(t2i_py_get(dict, "word") == value);
    CU_ASSERT_PTR_NULL(t2i_py_get(dict, "xord"));
    t2i_py_arena_free(a);
}

/* Many values, and one larger than any chunk, stay where they are. */
static void grows(void)
{
    enum { MANY = 20000 };
    t2i_py_arena *a = t2i_py_arena_new();
    t2i_py *list = t2i_py_list(a);
    static char large[3 << 20];
    memset(large, 'z', sizeof large);
    for (int64_t i = 0; i < MANY; i++) {
        t2i_py_append(a, list, t2i_py_int(a, i));
        if (i == MANY / 2) t2i_py_append(a, list, t2i_py_text(a, large, sizeof large));
    }
    CU_ASSERT_EQUAL(list->size, MANY + 1);
    for (size_t i = 0; i <= MANY; i++) {
        const t2i_py *v = list->item[i];
        if (i == MANY / 2 + 1)
            CU_ASSERT(v->size == sizeof large && memcmp(v->text, large, sizeof large) == 0);
        if (i <= MANY / 2) CU_ASSERT_EQUAL(v->integer, (int64_t)i);
        if (i > MANY / 2 + 1) CU_ASSERT_EQUAL(v->integer, (int64_t)i - 1);
    }
    t2i_py_arena_free(a);
}

static void finds_text_keys(void)
{
    t2i_py_arena *a = t2i_py_arena_new();
    t2i_py *dict = t2i_py_dict(a, 0), *one = t2i_py_int(a, 1), *two = t2i_py_int(a, 2);
    t2i_py_set_pair(a, dict, t2i_py_int(a, 1), two);
    t2i_py_set_pair(a, dict, t2i_py_text(a, "1\0", 2), two);
    t2i_py_set(a, dict, "1", one);
    CU_ASSERT(t2i_py_get(dict, "1") == one);
    CU_ASSERT_PTR_NULL(t2i_py_get(dict, ""));
    CU_ASSERT_PTR_NULL(t2i_py_get(one, "1"));
    CU_ASSERT_PTR_NULL(t2i_py_get(NULL, "1"));
    t2i_py_arena_free(a);
}

static void describes_tensors(void)
{
    static const float data[24];
    t2i_py_arena *a = t2i_py_arena_new();
    const t2i_py *t = t2i_py_floats(a, 3, (uint64_t[]){2, 3, 4}, data);
    CU_ASSERT(t->kind == T2I_PY_TENSOR && t->tensor.dims == 3 && t->tensor.count == 24);
    CU_ASSERT(t->tensor.stride[0] == 12 && t->tensor.stride[1] == 4 && t->tensor.stride[2] == 1);
    CU_ASSERT(t->tensor.data == data && t->tensor.offset == 0);
    CU_ASSERT_STRING_EQUAL(t->tensor.dtype, "F32");
    t = t2i_py_floats(a, 0, NULL, data);
    CU_ASSERT(t->tensor.dims == 0 && t->tensor.count == 1);
    t = t2i_py_floats(a, 2, (uint64_t[]){3, 0}, NULL); /* strides as torch's */
    CU_ASSERT(t->tensor.count == 0 && t->tensor.stride[0] == 1 && t->tensor.stride[1] == 1);
    t2i_py_arena_free(a);
}

/* A value that could not be made is seen at the end. */
static void remembers_failures(void)
{
    t2i_py_arena *a = t2i_py_arena_new();
    t2i_py *list = t2i_py_list(a), *dict = t2i_py_dict(a, 0);
    t2i_py_append(a, list, NULL);
    CU_ASSERT(t2i_py_arena_failed(a) && list->size == 0);
    CU_ASSERT_PTR_NULL(t2i_py_int(a, 1));
    t2i_py_arena_free(a);
    a = t2i_py_arena_new();
    dict = t2i_py_dict(a, 0);
    t2i_py_set(a, dict, "x", NULL);
    CU_ASSERT(t2i_py_arena_failed(a) && dict->size == 0);
    t2i_py_arena_free(a);
    a = t2i_py_arena_new();
    t2i_py_append(a, NULL, t2i_py_int(a, 1));
    CU_ASSERT(t2i_py_arena_failed(a));
    t2i_py_arena_free(a);
    a = t2i_py_arena_new();
    CU_ASSERT_PTR_NULL(t2i_py_room(a, SIZE_MAX));
    CU_ASSERT_PTR_NULL(t2i_py_text(a, "", SIZE_MAX - 40));
    CU_ASSERT(t2i_py_arena_failed(a));
    t2i_py_arena_free(a);
}

static void names_kinds(void)
{
    t2i_py_arena *a = t2i_py_arena_new();
    CU_ASSERT_STRING_EQUAL(t2i_py_kind_name(t2i_py_none(a)), "None");
    CU_ASSERT_STRING_EQUAL(t2i_py_kind_name(t2i_py_text(a, "", 0)), "str");
    CU_ASSERT_STRING_EQUAL(t2i_py_kind_name(t2i_py_dict(a, 1)), "dict");
    CU_ASSERT_STRING_EQUAL(t2i_py_kind_name(t2i_py_floats(a, 0, NULL, NULL)), "tensor");
    CU_ASSERT_STRING_EQUAL(t2i_py_kind_name(NULL), "nothing");
    t2i_py_arena_free(a);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"builds trees", builds_trees},
        {"copies texts", copies_texts},
        {"grows", grows},
        {"finds text keys", finds_text_keys},
        {"describes tensors", describes_tensors},
        {"remembers failures", remembers_failures},
        {"names kinds", names_kinds},
    };
    return t2i_test_main("pyvalue", tests, sizeof tests / sizeof *tests);
}
