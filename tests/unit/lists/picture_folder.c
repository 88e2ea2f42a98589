/* picture_folder: texts beside pictures, a folder per class, Hugging Face's metadata, and splits.
 */
#include "lists/picture_folder.h"

#include <sys/stat.h>

#include "test.h"
#include "scratch.h"
#include "base/log.h"

static t2i_error err;

/* Writes the file and the folders above it. */
static void write_file(const char *name, const char *text)
{
    char path[700];
    snprintf(path, sizeof path, "%s", in_scratch(name));
    for (char *c = path + strlen(scratch) + 1; *c != '\0'; c++) {
        if (*c != '/') continue;
        *c = '\0';
        mkdir(path, 0700);
        *c = '/';
    }
    FILE *file = fopen(path, "wb");
    CU_ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

typedef enum { TEXTS, CLASSES, METADATA } kind;

static t2i_status read_pairs(t2i_pair_list *list, kind what, const char *folder)
{
    t2i_folder_tree tree;
    *list = (t2i_pair_list){.count = 0};
    OK(t2i_folder_tree_read(&tree, folder, &err));
    t2i_status status = what == TEXTS ? t2i_picture_folder_texts(list, &tree, folder, &err)
                        : what == CLASSES
                            ? t2i_picture_folder_classes(list, &tree, folder, &err)
                            : t2i_picture_folder_metadata(list, &tree, folder, NULL, &err);
    t2i_folder_tree_free(&tree);
    return status;
}

/* Rows as "image=prompt split;", with what is bad. */
static void expect(kind what, const char *folder, const char *wanted, const char *bad)
{
    t2i_pair_list list;
    t2i_text rows = {0};
    OK(read_pairs(&list, what, in_scratch(folder)));
    for (size_t i = 0; i < list.count; i++)
        OK(t2i_text_addf(&rows, &err, "%s=%s %d;", list.text.data + list.row[i].image,
                         list.text.data + list.row[i].prompt, list.row[i].split));
    CU_ASSERT_STRING_EQUAL(rows.data == NULL ? "" : rows.data, wanted);
    CU_ASSERT_STRING_EQUAL(list.report.data == NULL ? "" : list.report.data, bad);
    CU_ASSERT_EQUAL(list.rows, list.count + list.bad);
    CU_ASSERT_EQUAL(list.row[list.count - 1].row, list.rows - 1); /* the last one is never bad */
    t2i_text_free(&rows);
    t2i_pairs_free(&list);
}

static void refuse(kind what, const char *folder, const char *why)
{
    t2i_pair_list list;
    FAILS(read_pairs(&list, what, in_scratch(folder)), T2I_DATA, why);
    t2i_pairs_free(&list);
}

static void test_texts(void)
{
    write_file("s/b.png", "");
    write_file("s/b.txt", "\xef\xbb\xbf"
                          "a blue cat \r\n\r\n  \na cat\r\n\r\n");
    write_file("s/a.jpg", "");
    write_file("s/a.txt", "");
    write_file("s/x/c.png", "");
    write_file("s/x/c.caption", "deep");
    write_file("s/bad.png", "");
    write_file("s/bad.txt", "fine\n\xff\n");
    write_file("s/alone.png", "");
    write_file("s/readme.txt", "no picture");
    expect(TEXTS, "s",
           "a.jpg= -1;b.png=a blue cat -1;b.png=a cat -1;bad.png=fine -1;x/c.png=deep -1;",
           "2\t4\tits prompt is not UTF-8 at byte 1\n");
    write_file("n/a.png", "");
    write_file("n/b.txt", "");
    refuse(TEXTS, "n", "holds no picture with a text of the same name");
    /* two or more folders called as splits are splits, below folders that all pictures share */
    write_file("p/data/val/a.png", "");
    write_file("p/data/val/a.txt", "a");
    write_file("p/data/train/x/b.png", "");
    write_file("p/data/train/x/b.txt", "b");
    write_file("p/data/test/c.png", "");
    write_file("p/data/test/c.txt", "c");
    expect(TEXTS, "p", "data/test/c.png=c 3;data/train/x/b.png=b 0;data/val/a.png=a 1;", "");
    write_file("q/train/a.png", "");
    write_file("q/train/a.txt", "a");
    expect(TEXTS, "q", "train/a.png=a -1;", "");
    write_file("q/trains/a.png", "");
    write_file("q/trains/a.txt", "a");
    expect(TEXTS, "q", "train/a.png=a -1;trains/a.png=a -1;", "");
}

static void test_one_split(void)
{
    write_file("r/val/a.png", "");
    write_file("r/val/a.txt", "a");
    write_file("r/valid/b.png", "");
    write_file("r/valid/b.txt", "b");
    expect(TEXTS, "r", "val/a.png=a -1;valid/b.png=b -1;", "");
}

static int classes(const char *folder)
{
    t2i_folder_tree tree;
    OK(t2i_folder_tree_read(&tree, in_scratch(folder), &err));
    int count = t2i_picture_folder_count_classes(&tree);
    t2i_folder_tree_free(&tree);
    return count;
}

static void test_classes(void)
{
    write_file("c/red_dog/1.png", "");
    CU_ASSERT_EQUAL(classes("c"), 1);
    write_file("c/pets/cat /2.png", "");
    CU_ASSERT_EQUAL(classes("c"), 2);
    expect(CLASSES, "c", "pets/cat /2.png=cat -1;red_dog/1.png=red_dog -1;", "");
    write_file("c/3.png", "");
    CU_ASSERT_EQUAL(classes("c"), 0);
    refuse(CLASSES, "c", "/3.png is in no folder of a class");
    write_file("d/train/cat/1.png", "");
    write_file("d/validation/dog/1.png", "");
    expect(CLASSES, "d", "train/cat/1.png=cat 0;validation/dog/1.png=dog 1;", "");
    write_file("d/validation/2.png", "");
    CU_ASSERT_EQUAL(classes("d"), 0);
}

static void test_metadata(void)
{
    refuse(METADATA, "n", "holds no metadata.csv");
    write_file("h/train/1.png", "");
    write_file("h/train/2.png", "");
    write_file("h/train/metadata.csv", "image_path,prompt\n1.png,one\n,none\nin/3.png,three\n");
    write_file("h/test/4.png", "");
    write_file("h/test/metadata.jsonl", "{\"image_path\": \"4.png\", \"prompt\": \"four\"}\n");
    expect(METADATA, "h", "test/4.png=four 3;train/1.png=one 0;train/in/3.png=three 0;",
           "3\t1\tnames no picture\n");
    write_file("h/train/metadata.jsonl", "");
    refuse(METADATA, "h", "holds both train/metadata.csv and train/metadata.jsonl");
    write_file("g/metadata.csv",
               "image_path,prompt,split\ntrain/1.png,one,validation\nval/2.png,two,\n");
    write_file("g/train/1.png", "");
    write_file("g/val/2.png", "");
    expect(METADATA, "g", "train/1.png=one 1;val/2.png=two 1;", "");
}

/* What was changed in a metadata file is counted. */
static void test_notes(void)
{
    t2i_pair_list list;
    size_t splits = 0;
    write_file("c/metadata.csv", "image_path,prompt,split\n1.png, one ,test\n2.png,two,dev\n");
    OK(read_pairs(&list, METADATA, in_scratch("c")));
    for (int i = 0; i < T2I_OTHER_SPLITS; i++) splits += list.other_splits[i];
    CU_ASSERT_EQUAL(list.trimmed, 1);
    CU_ASSERT_EQUAL(splits, 2);
    t2i_pairs_free(&list);
}

int main(void)
{
    static const t2i_test tests[] = {{"texts", test_texts},
                                     {"one split", test_one_split},
                                     {"classes", test_classes},
                                     {"metadata", test_metadata},
                                     {"notes", test_notes}};
    t2i_log_rank(1); /* says nothing of bad rows */
    if (scratch_begin("picture_folder") != 0) return 1;
    int failed = t2i_test_main("picture_folder", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
