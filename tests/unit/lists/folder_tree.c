/* folder_tree: order, kinds, what is left out, links, and the texts of pictures. */
#include "lists/folder_tree.h"

#include <stdint.h>
#include <sys/stat.h>

#include "test.h"
#include "scratch.h"

static t2i_error err;

static void touch(const char *name)
{
    FILE *file = fopen(in_scratch(name), "wb");
    CU_ASSERT(file != NULL && fclose(file) == 0);
}

static void make_folder(const char *name)
{
    CU_ASSERT_EQUAL(mkdir(in_scratch(name), 0700), 0);
}

static void test_files(void)
{
    static const char *const all[] = {"t/b/z.JPG",    "t/b.png",       "t/b-1.png",
                                      "t/a.txt",      "t/.hidden.png", "t/notes.md",
                                      "t/a.webp",     "t/x.csv",       "t/b/metadata.jsonl",
                                      "t/.git/c.png", "t/s.tar.gz",    "t/b/\xff.gif"};
    static const char *const wanted[] = {
        "a.txt",   "a.webp",     "b-1.png",  "b.png",    "b/metadata.jsonl",
        "b/z.JPG", "b/\xff.gif", "gone.png", "s.tar.gz", "x.csv"};
    t2i_folder_tree tree;
    make_folder("t");
    make_folder("t/b");
    make_folder("t/.git");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) touch(all[i]);
    CU_ASSERT_EQUAL(symlink("nowhere", in_scratch("t/gone.png")), 0);
    CU_ASSERT_EQUAL(mkfifo(in_scratch("t/pipe.txt"), 0600), 0);
    OK(t2i_folder_tree_read(&tree, in_scratch("t"), &err));
    CU_ASSERT_EQUAL(tree.count, sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < tree.count && i < sizeof wanted / sizeof *wanted; i++)
        CU_ASSERT_STRING_EQUAL(tree.file[i].path, wanted[i]);
    CU_ASSERT_EQUAL(tree.of[T2I_TREE_PICTURE], 6);
    CU_ASSERT_EQUAL(tree.of[T2I_TREE_TEXT], 1);
    CU_ASSERT_EQUAL(tree.of[T2I_TREE_METADATA], 1);
    CU_ASSERT_EQUAL(tree.of[T2I_TREE_SHARD], 1);
    CU_ASSERT_EQUAL(tree.of[T2I_TREE_LIST], 1);
    CU_ASSERT_EQUAL(tree.of[T2I_TREE_OTHER], 1);
    CU_ASSERT_EQUAL(tree.matched, 1);
    t2i_folder_tree_free(&tree);
}

static void test_texts(void)
{
    static const char *const all[] = {
        "u/a.png",   "u/a.txt",   "u/a.caption", "u/b.png", "u/b.caption", "u/c.png", "u/d.txt",
        "u/e.f.png", "u/e.f.txt", "u/e.txt",     "u/g.png", "u/g.jpg",     "u/g.txt", "u/h/c.txt"};
    t2i_folder_tree tree;
    make_folder("u");
    make_folder("u/h");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) touch(all[i]);
    OK(t2i_folder_tree_read(&tree, in_scratch("u/"), &err));
    CU_ASSERT_EQUAL(tree.of[T2I_TREE_PICTURE], 6);
    CU_ASSERT_EQUAL(tree.matched, 5);
    CU_ASSERT_EQUAL(tree.doubled, 1);
    CU_ASSERT_EQUAL(tree.lonely, 3); /* d, e, h/c */
    for (size_t i = 0; i < tree.count; i++) {
        const t2i_tree_file *file = &tree.file[i];
        const char *text = file->text == SIZE_MAX ? "" : tree.file[file->text].path;
        if (file->kind != T2I_TREE_PICTURE) CU_ASSERT_STRING_EQUAL(text, "");
        if (strcmp(file->path, "a.png") == 0) CU_ASSERT_STRING_EQUAL(text, "a.txt");
        if (strcmp(file->path, "b.png") == 0) CU_ASSERT_STRING_EQUAL(text, "b.caption");
        if (strcmp(file->path, "c.png") == 0) CU_ASSERT_STRING_EQUAL(text, "");
        if (strcmp(file->path, "e.f.png") == 0) CU_ASSERT_STRING_EQUAL(text, "e.f.txt");
        if (strcmp(file->path, "g.jpg") == 0) CU_ASSERT_STRING_EQUAL(text, "g.txt");
    }
    t2i_folder_tree_free(&tree);
}

static void test_links(void)
{
    t2i_folder_tree tree;
    make_folder("v");
    make_folder("v/w");
    CU_ASSERT_EQUAL(symlink("../../u", in_scratch("v/w/u")), 0);
    OK(t2i_folder_tree_read(&tree, in_scratch("v"), &err));
    CU_ASSERT_EQUAL(tree.of[T2I_TREE_PICTURE], 6);
    CU_ASSERT_STRING_EQUAL(tree.file[0].path, "w/u/a.caption");
    t2i_folder_tree_free(&tree);
    CU_ASSERT_EQUAL(symlink("..", in_scratch("v/w/up")), 0);
    FAILS(t2i_folder_tree_read(&tree, in_scratch("v"), &err), T2I_DATA,
          "v/w/up/ is a link to a folder that holds it");
    CU_ASSERT(tree.file == NULL && tree.count == 0);
    FAILS(t2i_folder_tree_read(&tree, in_scratch("none"), &err), T2I_NOINPUT, "cannot read");
    make_folder("locked");
    make_folder("locked/in");
    CU_ASSERT_EQUAL(chmod(in_scratch("locked/in"), 0), 0);
    if (geteuid() != 0)
        FAILS(t2i_folder_tree_read(&tree, in_scratch("locked"), &err), T2I_NOINPUT, "locked/in/");
    CU_ASSERT_EQUAL(chmod(in_scratch("locked/in"), 0700), 0);
    CU_ASSERT_EQUAL(t2i_folder_tree_stem("a.b/c"), 5);
    CU_ASSERT_EQUAL(t2i_folder_tree_stem("a/.c"), 4);
    CU_ASSERT_EQUAL(t2i_folder_tree_stem("a/b.c.d"), 5);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"files", test_files}, {"texts", test_texts}, {"links", test_links}};
    if (scratch_begin("folder_tree") != 0) return 1;
    int failed = t2i_test_main("folder_tree", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
