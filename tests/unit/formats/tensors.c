/* tensors: the same view of safetensors and torch files. */
#include "formats/tensors.h"

#include <unistd.h>

#include "scratch.h"
#include "test.h"
#include "base/commit.h"
#include "formats/torchfile.h"
#include "formats/torchfile_out.h"

static t2i_error err;
static const float table[6] = {1, 2, 3, 4, 5, 6};

static void expect(t2i_tensors *file, size_t index, const char *name, size_t dims, uint64_t count,
                   float first)
{
    const t2i_tensor_info *info = t2i_tensors_at(file, index);
    float number[6] = {0};
    CU_ASSERT_PTR_NOT_NULL(info);
    if (info == NULL) return;
    CU_ASSERT_STRING_EQUAL(info->name, name);
    CU_ASSERT_STRING_EQUAL(info->dtype, "F32");
    CU_ASSERT(info->dims == dims && info->count == count);
    CU_ASSERT(t2i_tensors_find(file, name) == info);
    OK(t2i_tensors_floats(file, info, number, &err));
    CU_ASSERT_EQUAL(number[0], first);
}

static void reads_safetensors(void)
{
    static const t2i_st_part part[] = {
        {.name = "z", .dims = 2, .dim = {2, 3}, .data = table},
        {.name = "a.weight", .dims = 1, .dim = {2}, .data = table + 4}};
    t2i_tensors *file = NULL;
    OK(t2i_st_save(in_scratch("x.pt"), part, 2, NULL, &err)); /* the name does not matter */
    OK(t2i_tensors_open(&file, in_scratch("x.pt"), &err));
    if (file == NULL) return;
    CU_ASSERT_EQUAL(t2i_tensors_count(file), 2);
    expect(file, 0, "z", 2, 6, 1);
    expect(file, 1, "a.weight", 1, 2, 5);
    CU_ASSERT_PTR_NULL(t2i_tensors_at(file, 2));
    CU_ASSERT_PTR_NULL(t2i_tensors_find(file, "a"));
    CU_ASSERT(t2i_tensors_st(file) != NULL && t2i_tensors_tree(file) == NULL);
    t2i_tensors_close(file);
    t2i_tensors_close(NULL);
}

static void lays_trees_flat(void)
{
    t2i_py_arena *a = t2i_py_arena_new();
    t2i_tensors *file = NULL;
    t2i_py *root = t2i_py_dict(a, 0), *list = t2i_py_list(a), *tuple = t2i_py_tuple(a);
    t2i_py *linear = t2i_py_dict(a, 1), *odd = t2i_py_dict(a, 0);
    t2i_py_set(a, linear, "weight", t2i_py_floats(a, 2, (uint64_t[]){2, 3}, table));
    t2i_py_append(a, list, t2i_py_int(a, 5));
    t2i_py_append(a, list, linear);
    t2i_py_append(a, tuple, t2i_py_floats(a, 0, NULL, table + 2));
    t2i_py_set_pair(a, odd, t2i_py_int(a, -3), t2i_py_floats(a, 0, NULL, table + 3));
    t2i_py_set_pair(a, odd, t2i_py_none(a), t2i_py_floats(a, 0, NULL, table + 4));
    t2i_py_set_pair(a, odd, t2i_py_bool(a, 1), t2i_py_floats(a, 0, NULL, table + 5));
    t2i_py_set(a, root, "none", t2i_py_none(a));
    t2i_py_set(a, root, "mha.qkv", list);
    t2i_py_set(a, root, "t", tuple);
    t2i_py_set(a, root, "odd", odd);
    t2i_py_set(a, root, "", t2i_py_floats(a, 0, NULL, table + 1));
    OK(t2i_torchfile_out_save(in_scratch("x.safetensors"), a, root, &err));
    t2i_py_arena_free(a);
    OK(t2i_tensors_open(&file, in_scratch("x.safetensors"), &err));
    if (file == NULL) return;
    CU_ASSERT_EQUAL(t2i_tensors_count(file), 6);
    expect(file, 0, "mha.qkv.1.weight", 2, 6, 1);
    expect(file, 1, "t.0", 0, 1, 3);
    expect(file, 2, "odd.-3", 0, 1, 4);
    expect(file, 3, "odd.None", 0, 1, 5);
    expect(file, 4, "odd.True", 0, 1, 6);
    expect(file, 5, "", 0, 1, 2);
    CU_ASSERT(t2i_tensors_st(file) == NULL && t2i_tensors_tree(file) != NULL);
    CU_ASSERT_PTR_NOT_NULL(t2i_py_get(t2i_tensors_tree(file), "mha.qkv"));
    t2i_tensors_close(file);
}

static t2i_py *one(t2i_py_arena *a)
{
    return t2i_py_floats(a, 0, NULL, table);
}

static void refuses_two_of_one_name(void)
{
    t2i_py_arena *a = t2i_py_arena_new();
    t2i_tensors *file;
    t2i_py *root = t2i_py_dict(a, 0), *inner = t2i_py_dict(a, 0);
    t2i_py_set(a, inner, "b", one(a));
    t2i_py_set(a, root, "a", inner);
    t2i_py_set(a, root, "c", one(a));
    t2i_py_set(a, root, "a.b", one(a));
    OK(t2i_torchfile_out_save(in_scratch("twice.pt"), a, root, &err));
    FAILS(t2i_tensors_open(&file, in_scratch("twice.pt"), &err), T2I_DATA,
          "has two tensors with the name a.b");
    CU_ASSERT_PTR_NULL(file);
    t2i_py_arena_free(a);
}

static void refuses_long_names(void)
{
    static char key[5000];
    t2i_tensors *file;
    memset(key, 'k', sizeof key - 1);
    for (int deep = 0; deep < 2; deep++) {
        t2i_py_arena *a = t2i_py_arena_new();
        t2i_py *root = t2i_py_dict(a, 0), *inner = t2i_py_dict(a, 0);
        if (deep) key[3000] = '\0';
        t2i_py_set(a, inner, key, one(a));
        t2i_py_set(a, root, key, deep ? inner : one(a));
        OK(t2i_torchfile_out_save(in_scratch("long.pt"), a, root, &err));
        FAILS(t2i_tensors_open(&file, in_scratch("long.pt"), &err), T2I_DATA,
              "the names of its tensors are too long");
        t2i_py_arena_free(a);
    }
}

static void reads_parts(void)
{
    static const t2i_st_part part[] = {
        {.name = "ema.a", .dims = 2, .dim = {2, 3}, .data = table},
        {.name = "ema.b.c", .dims = 1, .dim = {2}, .data = table + 4},
        {.name = "emax", .dims = 1, .dim = {1}, .data = table + 1},
        {.name = "model.a", .dims = 1, .dim = {1}, .data = table + 2}};
    t2i_tensors *file = NULL;
    OK(t2i_st_save(in_scratch("parts"), part, 4, NULL, &err));
    OK(t2i_tensors_open(&file, in_scratch("parts"), &err));
    CU_ASSERT_PTR_NULL(t2i_tensors_part(file));
    t2i_tensors_close(file);
    OK(t2i_tensors_open(&file, in_scratch("parts:ema"), &err));
    if (file == NULL) return;
    CU_ASSERT_EQUAL(t2i_tensors_count(file), 2);
    CU_ASSERT_STRING_EQUAL(t2i_tensors_path(file), in_scratch("parts"));
    CU_ASSERT_STRING_EQUAL(t2i_tensors_part(file), "ema");
    expect(file, 0, "a", 2, 6, 1);
    expect(file, 1, "b.c", 1, 2, 5);
    t2i_tensors_close(file);
    OK(t2i_tensors_open(&file, in_scratch("parts:model"), &err));
    CU_ASSERT_EQUAL(t2i_tensors_count(file), 1);
    expect(file, 0, "a", 1, 1, 3);
    t2i_tensors_close(file);
    OK(t2i_tensors_open(&file, in_scratch("parts:emax"), &err)); /* a tensor itself */
    expect(file, 0, "emax", 1, 1, 2);
    t2i_tensors_close(file);
    OK(t2i_tensors_open(&file, in_scratch("parts:."), &err));
    CU_ASSERT_EQUAL(t2i_tensors_count(file), 4);
    t2i_tensors_close(file);
    FAILS(t2i_tensors_open(&file, in_scratch("parts:em"), &err), T2I_DATA,
          "has no part 'em'; its parts are ema, emax, model");
    FAILS(t2i_tensors_open(&file, in_scratch("parts:"), &err), T2I_NOINPUT, "cannot open");
    FAILS(t2i_tensors_open(&file, in_scratch("none:ema"), &err), T2I_NOINPUT, "cannot open");
    /* a file that has a colon in its name */
    OK(t2i_st_save(in_scratch("parts:ema"), part, 1, NULL, &err));
    OK(t2i_tensors_open(&file, in_scratch("parts:ema"), &err));
    CU_ASSERT(t2i_tensors_count(file) == 1 && t2i_tensors_part(file) == NULL);
    t2i_tensors_close(file);
}

static void reads_rows(void)
{
    static const t2i_st_part part[] = {{.name = "x", .dims = 1, .dim = {1}, .data = table},
                                       {.name = "t", .dims = 2, .dim = {3, 2}, .data = table}};
    t2i_tensors *file = NULL;
    float row[4] = {0};
    OK(t2i_st_save(in_scratch("rows"), part, 2, NULL, &err));
    OK(t2i_tensors_open(&file, in_scratch("rows"), &err));
    OK(t2i_tensors_rows(file, t2i_tensors_find(file, "t"), 1, 2, row, &err));
    CU_ASSERT(row[0] == 3 && row[1] == 4 && row[2] == 5 && row[3] == 6);
    t2i_tensors_close(file);
    /* of PyTorch: arange(6).reshape(2, 3).t() */
    OK(t2i_tensors_open(&file, "tests/fuzz/corpus/torchfile/allowed_strided.pt", &err));
    if (file == NULL) return;
    OK(t2i_tensors_rows(file, t2i_tensors_find(file, "w"), 1, 2, row, &err));
    CU_ASSERT(row[0] == 1 && row[1] == 4 && row[2] == 2 && row[3] == 5);
    OK(t2i_tensors_rows(file, t2i_tensors_find(file, "w"), 3, 0, row, &err));
    t2i_tensors_close(file);
}

static void refuses_other_files(void)
{
    t2i_tensors *file;
    FAILS(t2i_tensors_open(&file, in_scratch("nothing"), &err), T2I_NOINPUT, "cannot open");
    FAILS(t2i_tensors_open(&file, scratch, &err), T2I_NOINPUT, "is a folder");
    OK(t2i_commit_file(in_scratch("text"), "hello, world", 12, &err));
    FAILS(t2i_tensors_open(&file, in_scratch("text"), &err), T2I_DATA,
          "text is a text file, not a model or another file of tensors (safetensors, torch): it "
          "begins with 'hello, world'");
    OK(t2i_commit_file(in_scratch("empty"), "", 0, &err));
    FAILS(t2i_tensors_open(&file, in_scratch("empty"), &err), T2I_DATA, "is an empty file");
    OK(t2i_commit_file(in_scratch("zip"), "PK\3\4aaaa{}", 10, &err));
    FAILS(t2i_tensors_open(&file, in_scratch("zip"), &err), T2I_DATA, "is a zip archive");
    OK(t2i_commit_file(in_scratch("st"), "\2\0\0\0\0\0\0\0{]", 10, &err));
    FAILS(t2i_tensors_open(&file, in_scratch("st"), &err), T2I_DATA, "JSON");
    CU_ASSERT_PTR_NULL(file);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"reads safetensors", reads_safetensors},
        {"lays trees flat", lays_trees_flat},
        {"refuses two tensors of one name", refuses_two_of_one_name},
        {"refuses names that are too long", refuses_long_names},
        {"reads parts of files", reads_parts},
        {"reads rows", reads_rows},
        {"refuses other files", refuses_other_files},
    };
    if (scratch_begin("tensors") != 0) return 1;
    int failed = t2i_test_main("tensors", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
