/* source: every kind is recognised by what it is, what is none is refused with what to do, and
 * pictures are found near their list. */
#include "prepare/source.h"

#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "scratch.h"
#include "base/log.h"

static t2i_error err;

/* Writes the file and the folders above it. */
static void write_bytes(const char *name, const char *bytes, size_t size)
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
    CU_ASSERT(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void write_file(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static void is_kind(const char *name, const char *from, t2i_source_kind kind)
{
    t2i_source source;
    OK(t2i_source_find(&source, in_scratch(name), NULL, from, &err));
    CU_ASSERT_EQUAL(source.kind, kind);
    t2i_source_free(&source);
}

static void refuse(const char *name, const char *images, const char *from, t2i_status status,
                   const char *why)
{
    t2i_source source;
    FAILS(t2i_source_find(&source, in_scratch(name), images, from, &err), status, why);
    CU_ASSERT_PTR_NULL(source.images);
}

static void test_files(void)
{
    char tar[600] = "member";
    memcpy(tar + 257, "ustar", 5);
    write_file("pairs.tsv", "a cat\tcat.png\n");
    write_file("captions.json", "{\"images\": [{\"id\": 1, \"file_name\": \"a.png\"}]}");
    write_file("dataset.json", "{\"images\": [{\"filename\": \"a.png\", \"sentences\": []}]}");
    write_bytes("renamed.csv", tar, sizeof tar);
    is_kind("pairs.tsv", "auto", T2I_SOURCE_LIST);
    is_kind("not-there.csv", "auto", T2I_SOURCE_LIST); /* its reader says so */
    is_kind("captions.json", "auto", T2I_SOURCE_COCO);
    is_kind("dataset.json", "auto", T2I_SOURCE_KARPATHY);
    is_kind("dataset.json", "list", T2I_SOURCE_LIST);
    is_kind("renamed.csv", "auto", T2I_SOURCE_WEBDATASET);
    is_kind("x.tar", "auto", T2I_SOURCE_WEBDATASET);
    is_kind("x.TAR.gz", "auto", T2I_SOURCE_WEBDATASET);
    is_kind("{00..12}.zip", "auto", T2I_SOURCE_WEBDATASET);
    write_file("{a}.tsv", "a\tb.png\n");
    is_kind("{a}.tsv", "auto", T2I_SOURCE_LIST);
    refuse("pairs.tsv", NULL, "classes", T2I_NOINPUT, "--from classes needs a folder");
}

static void test_folders(void)
{
    write_file("texts/a.png", "");
    write_file("texts/a.txt", "a");
    write_file("classes/a/1.png", "");
    write_file("classes/b/2.png", "");
    write_file("hub/train/1.png", "");
    write_file("hub/metadata.jsonl", "");
    write_file("shards/0.tar", "");
    write_file("shards/0_stats.json", "");
    write_file("bare/1.png", "");
    write_file("one/photos/1.png", "");
    write_file("kaggle/Images/1.png", "");
    write_file("kaggle/captions.csv", "");
    write_file("both/a.png", "");
    write_file("both/a.txt", "");
    write_file("both/metadata.csv", "");
    write_file("mixed/a.png", "");
    write_file("mixed/b.tar", "");
    write_file("empty/.hidden.png", "");
    write_file("flickr/Images/1.png", "");
    write_file("flickr/captions.txt", "");
    write_file("hub2/data/train.parquet", "");
    write_file("hub2/README.md", "");
    write_file("named/a/1.png", "");
    write_file("named/b/2.png", "");
    write_file("named/labels.txt", "");
    write_file("named/Readme.TXT", "");
    write_file("named/set.h5.bad.tsv", "");
    is_kind("named", "auto", T2I_SOURCE_CLASSES);
    refuse("flickr/", NULL, "auto", T2I_DATA, "flickr/captions.txt, with --images");
    refuse("hub2", NULL, "auto", T2I_DATA, "holds no pictures, but data/train.parquet");
    is_kind("texts", "auto", T2I_SOURCE_SIDECAR);
    is_kind("classes", "auto", T2I_SOURCE_CLASSES);
    is_kind("hub", "auto", T2I_SOURCE_IMAGEFOLDER);
    is_kind("shards", "auto", T2I_SOURCE_WEBDATASET);
    is_kind("one", "classes", T2I_SOURCE_CLASSES);
    is_kind("mixed", "webdataset", T2I_SOURCE_WEBDATASET);
    refuse("bare", NULL, "auto", T2I_DATA, "holds 1 pictures without prompts: looked for");
    refuse("one", NULL, "auto", T2I_DATA, "holds 1 pictures without prompts: looked for");
    refuse("kaggle", NULL, "auto", T2I_DATA, "kaggle/captions.csv, with --images");
    refuse("both", NULL, "auto", T2I_DATA, "say --from imagefolder or --from sidecar");
    refuse("mixed", NULL, "auto", T2I_DATA, "holds tar shards (b.tar) and pictures (a.png)");
    refuse("empty", NULL, "auto", T2I_DATA, "holds no pictures: looked for");
    refuse("texts", NULL, "list", T2I_NOINPUT, "texts is a folder");
    refuse("texts", in_scratch("bare"), "auto", T2I_USAGE, "--images is for lists");
    t2i_source source;
    OK(t2i_source_find(&source, in_scratch("texts"), in_scratch("texts/"), "auto", &err));
    t2i_source_free(&source);
}

/* Reads the source; where its pictures are taken from. */
static void expect_images(const char *name, const char *images, const char *wanted)
{
    t2i_source source;
    t2i_pair_list list;
    OK(t2i_source_find(&source, in_scratch(name), images, "auto", &err));
    OK(t2i_source_read(&source, NULL, &list, &err));
    CU_ASSERT_STRING_EQUAL(source.images, wanted);
    t2i_pairs_free(&list);
    t2i_source_free(&source);
}

static void test_images(void)
{
    static const char coco[] = "{\"images\": [{\"id\": 1, \"file_name\": \"a.png\"}], "
                               "\"annotations\": [{\"image_id\": 1, \"caption\": \"a\"}]}";
    write_file("beside/pairs.tsv", "a\ta.png\n");
    write_file("beside/a.png", "");
    write_file("beside/sub/a.png", "");
    expect_images("beside/pairs.tsv", NULL, in_scratch("beside/"));
    expect_images("beside/pairs.tsv", in_scratch("texts"), in_scratch("texts"));
    refuse("beside/pairs.tsv", "photos", "auto", T2I_NOINPUT, "no such folder");
    refuse("beside/pairs.tsv", in_scratch("beside/a.png"), "auto", T2I_NOINPUT, "it is a file");
    write_file("below/pairs.tsv", "a\ta.png\nb\tb.png\n");
    write_file("below/one/a.png", "");
    write_file("below/two/a.png", "");
    write_file("below/two/b.png", "");
    write_file("below/three.png", "");
    expect_images("below/pairs.tsv", NULL, in_scratch("below/two/"));
    write_file("coco/annotations/c.json", coco);
    expect_images("coco/annotations/c.json", NULL, in_scratch("coco/annotations/"));
    write_file("coco/train2017/a.png", "");
    expect_images("coco/annotations/c.json", NULL, in_scratch("coco/annotations/../train2017/"));
    CU_ASSERT_EQUAL(symlink("train2017", in_scratch("coco/same")), 0);
    expect_images("coco/annotations/c.json", NULL, in_scratch("coco/annotations/../same/"));
    write_file("coco/other/a.png", "");
    t2i_source source;
    t2i_pair_list list;
    OK(t2i_source_find(&source, in_scratch("coco/annotations/c.json"), NULL, "auto", &err));
    FAILS(t2i_source_read(&source, NULL, &list, &err), T2I_DATA, "choose a folder with --images");
    t2i_source_free(&source);
    expect_images("texts", NULL, in_scratch("texts"));
    expect_images("classes", NULL, in_scratch("classes"));
}

static void test_forms(void)
{
    t2i_source source;
    t2i_pair_list list;
    write_file("forms/\xc3\xa4.png",
               ""); /* the picture's name is composed, that of its text is not */
    write_file("forms/a\xcc\x88.txt", "letters");
    OK(t2i_source_find(&source, in_scratch("forms"), NULL, "auto", &err));
    OK(t2i_source_read(&source, NULL, &list, &err));
    CU_ASSERT_EQUAL(list.count, 1);
    t2i_pairs_free(&list);
    t2i_source_free(&source);
}

int main(void)
{
    static const t2i_test tests[] = {{"files", test_files},
                                     {"folders", test_folders},
                                     {"pictures", test_images},
                                     {"forms", test_forms}};
    t2i_log_rank(1);
    if (scratch_begin("source") != 0) return 1;
    int failed = t2i_test_main("source", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
