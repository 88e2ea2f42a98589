/* webdataset.c - which shards a source names, and what their samples are. */
#include "prepare/webdataset.h"

#include <sys/stat.h>

#include "scratch.h"
#include "tar_out.h"
#include "test.h"

static void put(const char *name, const t2i_text *bytes)
{
    FILE *file = fopen(in_scratch(name), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes->data, 1, bytes->size, file), bytes->size);
    CU_ASSERT_EQUAL(fclose(file), 0);
}

/* ---- shards ---- */

static void touch(const char *name)
{
    const t2i_text nothing = {"", 0, 0};
    put(name, &nothing);
}

/* The names of the shards without what they have in common, each with a blank. */
static const char *found(const char *pattern, t2i_status code)
{
    static char out[4000];
    t2i_error err = {0};
    t2i_string_table shards = {0};
    t2i_status status = t2i_webdataset_find(&shards, pattern, &err);
    CU_ASSERT_EQUAL(status, code);
    out[0] = '\0';
    for (size_t i = 0; status == T2I_OK && i < shards.count; i++) {
        strcat(out, t2i_string_table_at(&shards, i) + t2i_webdataset_common(&shards));
        strcat(out, " ");
    }
    if (status != T2I_OK) snprintf(out, sizeof out, "%s", err.text);
    t2i_string_table_free(&shards);
    return out;
}

static void find_shards(void)
{
    for (int i = 8; i <= 11; i++) {
        char name[32];
        snprintf(name, sizeof name, "%05d.tar", i);
        touch(name);
    }
    mkdir(in_scratch("deep"), 0777);
    mkdir(in_scratch("deep/train"), 0777);
    mkdir(in_scratch("deep/val"), 0777);
    touch("deep/train/2.tar");
    touch("deep/train/10.TAR.GZ");
    touch("deep/train/.hidden.tar");
    touch("deep/val/1.tgz");
    touch("deep/readme.txt");
    mkdir(in_scratch("empty"), 0777);
    CU_ASSERT_STRING_EQUAL(found(in_scratch("{00008..00011}.tar"), T2I_OK),
                           "00008.tar 00009.tar 00010.tar 00011.tar ");
    CU_ASSERT_STRING_EQUAL(found(in_scratch("{00011..00010}.tar"), T2I_OK), "00011.tar 00010.tar ");
    CU_ASSERT_STRING_EQUAL(found(in_scratch("000{0{8,9},10}.tar"), T2I_OK),
                           "00008.tar 00009.tar 00010.tar ");
    CU_ASSERT_STRING_EQUAL(found(in_scratch("0001*.tar"), T2I_OK), "00010.tar 00011.tar ");
    CU_ASSERT_STRING_EQUAL(found(in_scratch("deep"), T2I_OK),
                           "train/10.TAR.GZ train/2.tar val/1.tgz ");
    CU_ASSERT_STRING_EQUAL(found(in_scratch("00008.tar"), T2I_OK), "00008.tar ");
    char both[2000];
    snprintf(both, sizeof both, "%s::%s", in_scratch("00009.tar"), in_scratch("00008.tar"));
    CU_ASSERT_STRING_EQUAL(found(both, T2I_OK), "00009.tar 00008.tar ");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(found(in_scratch("{00008..00012}.tar"), T2I_NOINPUT), "00012.tar"));
    CU_ASSERT_PTR_NOT_NULL(strstr(found(in_scratch("{00008,00008}.tar"), T2I_USAGE), "twice"));
    CU_ASSERT_PTR_NOT_NULL(strstr(found(in_scratch("{00008.tar"), T2I_USAGE), "not closed"));
    CU_ASSERT_PTR_NOT_NULL(strstr(found(in_scratch("{0..9999999}.tar"), T2I_USAGE), "more than"));
    CU_ASSERT_PTR_NOT_NULL(strstr(found(in_scratch("empty"), T2I_NOINPUT), "holds no shard"));
    CU_ASSERT_PTR_NOT_NULL(strstr(found(in_scratch("x*.tar"), T2I_NOINPUT), "no file matches"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(found("https://a.b/{0..9}.tar", T2I_USAGE), "download them first"));
    CU_ASSERT(t2i_webdataset_is_pattern("a*.tar") && !t2i_webdataset_is_pattern(scratch));
    CU_ASSERT_PTR_NOT_NULL(strstr(found("pipe:cat 0.tar", T2I_USAGE), "address"));
}

/* ---- samples ---- */

static char said[20000];

/* All samples: "picture(bytes) prompt|prompt|", "BAD: reason" or "FAILED", one a line. */
static const char *samples(t2i_text *tar, const char *column)
{
    t2i_error err = {0};
    t2i_webdataset_reader *reader;
    t2i_webdataset_sample s = {0};
    int more = 1;
    put("s.tar", tar);
    said[0] = '\0';
    OK(t2i_webdataset_open(&reader, in_scratch("s.tar"), column, &err));
    while (err.status == T2I_OK) {
        OK(t2i_webdataset_next(reader, &s, &more, &err));
        if (!more) break;
        char *at = said + strlen(said);
        size_t room = (size_t)(said + sizeof said - at);
        t2i_part part = s.name[T2I_PART_PICTURE].size > 0 ? T2I_PART_PICTURE : T2I_PART_FEATURES;
        if (s.failed) {
            snprintf(at, room, "FAILED\n");
        } else if (s.count == 0) {
            snprintf(at, room, "BAD: %s\n", s.reason.data);
        } else {
            int size = snprintf(at, room, "%s(%s) ", s.name[part].data, s.bytes[part].data);
            const char *prompt = s.prompts.data;
            for (size_t i = 0; i < s.count; i++, prompt += strlen(prompt) + 1)
                size += snprintf(at + size, room - (size_t)size, "%s|", prompt);
            snprintf(at + size, room - (size_t)size, "\n");
        }
    }
    t2i_webdataset_sample_free(&s);
    t2i_webdataset_close(reader);
    t2i_text_free(tar);
    return said;
}

static void read_captions(void)
{
    t2i_text tar = {0};
    tar_text(&tar, "a.jpg", "A");
    tar_text(&tar, "a.json", "{\"caption\": \"no\"}");
    tar_text(&tar, "a.txt", "\xef\xbb\xbfone\r\n\n  \ntwo");
    tar_text(&tar, "d.e/b.JSON", "{\"caption\": \"three\", \"text\": \"no\"}");
    tar_text(&tar, "d.e/b.Png", "B");
    tar_text(&tar, "c.webp", "C");
    tar_text(&tar, "c.json", "{\"title\": [\"four\", \"five\"], \"url\": \"no\"}");
    tar_text(&tar, "d.cls", "cat\n");
    tar_text(&tar, "d.jpg", "D");
    tar_text(&tar, "__meta__.json", "{}");
    tar_text(&tar, "README", "no sample");
    tar_text(&tar, "x/.DS_Store", "no sample");
    tar_put(&tar, "e/", '5', "", 0);
    tar_text(&tar, "e.npy", "E");
    tar_text(&tar, "e.txt", "six");
    tar_end(&tar);
    CU_ASSERT_STRING_EQUAL(samples(&tar, NULL), "a.jpg(A) one\r|two|\nd.e/b.Png(B) three|\n"
                                                "c.webp(C) four|five|\nd.jpg(D) cat|\n"
                                                "e.npy(E) six|\n");
}

static void name_bad_samples(void)
{
    t2i_text tar = {0};
    tar_text(&tar, "a.jpg", "A");
    tar_text(&tar, "b.txt", "one");
    tar_text(&tar, "c.jpg", "C");
    tar_text(&tar, "c.cls", "7");
    tar_text(&tar, "d.jpg", "D");
    tar_text(&tar, "d.png", "D");
    tar_text(&tar, "d.txt", "two");
    tar_text(&tar, "e.jpg", "E");
    tar_text(&tar, "e.txt", "\xff");
    tar_text(&tar, "f.jpg", "F");
    tar_text(&tar, "f.json", "{\"title\": \"x\", \"text\": \"y\"}");
    tar_text(&tar, "g.jpg", "G");
    tar_text(&tar, "g.json", "{");
    tar_put(&tar, "h.jpg", '1', "a.jpg", 5);
    tar_text(&tar, "h.txt", "three");
    tar_text(&tar, "i.npy", "I");
    tar_text(&tar, "i.png", "I");
    tar_text(&tar, "i.txt", "four");
    tar_text(&tar, "j.json", "{\"status\": \"failed_to_download\", \"caption\": \"x\"}");
    tar_text(&tar, "k.jpg", "K");
    tar_text(&tar, "k.json", "{\"caption\": 5}");
    tar_text(&tar, "l.mask.png", "no");
    tar_text(&tar, "l.png", "L");
    tar_text(&tar, "l.txt", "five");
    tar_text(&tar, "m.jpg", "M");
    tar_text(&tar, "m.txt", " \n");
    tar_text(&tar, "n.jpg", "N");
    tar_text(&tar, "n.jpg", "N");
    tar_text(&tar, "n.txt", "six");
    tar_end(&tar);
    samples(&tar, NULL);
    static const char *const lines[] = {"BAD: a.jpg has no caption",
                                        "BAD: b has no picture",
                                        "BAD: c.cls is class 7, without a name",
                                        "BAD: it has both d.jpg and d.png",
                                        "BAD: e.txt is not UTF-8 at byte 1",
                                        "BAD: f.json has the keys \"text\" and \"title\"",
                                        "BAD: g.json",
                                        "BAD: h.jpg is a link, without content",
                                        "BAD: it has both a picture, i.png, and features, i.npy",
                                        "FAILED",
                                        "BAD: \"caption\" of k.json is not a string",
                                        "l.png(L) five|",
                                        "m.jpg(M) |",
                                        "BAD: n.jpg is in the shard twice"};
    const char *at = said;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (strncmp(at, lines[i], strlen(lines[i])) != 0)
            fprintf(stderr, "expected %s\nnot      %.100s\n", lines[i], at);
        CU_ASSERT_EQUAL(strncmp(at, lines[i], strlen(lines[i])), 0);
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    CU_ASSERT_STRING_EQUAL(at, "");
}

/* A column that was named goes before .txt. */
static void use_the_column(void)
{
    t2i_text tar = {0};
    tar_text(&tar, "a.jpg", "A");
    tar_text(&tar, "a.json", "{\"caption\": \"no\", \"alt\": \"one\"}");
    tar_text(&tar, "a.txt", "no");
    tar_text(&tar, "b.jpg", "B");
    tar_text(&tar, "b.json", "{\"caption\": \"no\"}");
    tar_end(&tar);
    CU_ASSERT_STRING_EQUAL(samples(&tar, "alt"), "a.jpg(A) one|\nBAD: b.json has no key \"alt\"\n");
}

static int begins(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0;
}

static void tell_early_ends(void)
{
    t2i_text tar = {0};
    tar_text(&tar, "a.jpg", "A");
    tar_text(&tar, "a.txt", "one");
    size_t whole = tar.size;
    tar_text(&tar, "b.jpg", "B");
    size_t two = tar.size;
    tar.size = whole;
    t2i_text copy = {0};
    CU_ASSERT_EQUAL(t2i_text_add(&copy, tar.data, two, NULL), T2I_OK);
    CU_ASSERT(begins(samples(&tar, NULL), "a.jpg(A) one|\nBAD: it ends early, after a.txt ("));
    copy.size = two - 512;
    CU_ASSERT(begins(samples(&copy, NULL), "a.jpg(A) one|\nBAD: b.jpg is cut off ("));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "\nBAD: it ends early, after a.txt ("));
    CU_ASSERT_EQUAL(t2i_text_add(&tar, "<!DOCTYPE html>", 15, NULL), T2I_OK);
    CU_ASSERT(begins(samples(&tar, NULL), "BAD: it is no tar archive"));
}

int main(void)
{
    static const t2i_test tests[] = {
        {"patterns, folders and files name shards", find_shards},
        {"captions from .txt, .json and .cls", read_captions},
        {"bad samples say why", name_bad_samples},
        {"a named column", use_the_column},
        {"truncated shards and other files", tell_early_ends},
    };
    if (scratch_begin("webdataset") != 0) return 1;
    int code = t2i_test_main("webdataset", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return code;
}
