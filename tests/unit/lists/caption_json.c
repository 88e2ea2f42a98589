/* caption_json: COCO's and Karpathy's captions, what is told apart, and every damage. */
#include "lists/caption_json.h"

#include <fcntl.h>

#include "test.h"
#include "scratch.h"
#include "base/log.h"

static t2i_error err;

static t2i_span span(const char *text)
{
    return (t2i_span){text, strlen(text)};
}

static const char *write_file(const char *text)
{
    const char *path = in_scratch("captions.json");
    FILE *file = fopen(path, "wb");
    CU_ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    return path;
}

/* Rows as "image=prompt split;", with what is bad. */
static void expect(t2i_status (*read)(t2i_pair_list *, const char *, t2i_error *), const char *text,
                   const char *wanted, const char *bad)
{
    t2i_pair_list list = {.count = 0};
    t2i_text rows = {0};
    OK(read(&list, write_file(text), &err));
    for (size_t i = 0; i < list.count; i++)
        OK(t2i_text_addf(&rows, &err, "%s=%s %d;", list.text.data + list.row[i].image,
                         list.text.data + list.row[i].prompt, list.row[i].split));
    CU_ASSERT_STRING_EQUAL(rows.data == NULL ? "" : rows.data, wanted);
    CU_ASSERT_STRING_EQUAL(list.report.data == NULL ? "" : list.report.data, bad);
    t2i_text_free(&rows);
    t2i_pairs_free(&list);
}

static void refuse(t2i_status (*read)(t2i_pair_list *, const char *, t2i_error *), const char *text,
                   const char *why)
{
    t2i_pair_list list = {.count = 0};
    FAILS(read(&list, write_file(text), &err), T2I_DATA, why);
    t2i_pairs_free(&list);
}

static void test_kinds(void)
{
    static const struct {
        const char *head;
        t2i_caption_kind kind;
    } heads[] = {
        {"{\"info\": {}, \"images\": [{\"id\": 1, \"file_name\": \"a", T2I_CAPTION_COCO},
        {"{\"annotations\":[{\"caption\":\"a\"}],\"images\":[]}\n", T2I_CAPTION_COCO},
        {"\xef\xbb\xbf{\"images\": [ {\"filepath\": \"v\", \"sentences\": [{}]}, {",
         T2I_CAPTION_KARPATHY},
        {"{\"dataset\": \"coco\", \"images\":[{\"sentences\":[]}]}", T2I_CAPTION_KARPATHY},
        {"{\"image\": \"a.png\", \"prompt\": \"a\"}\n{\"image\": \"b.png\"", T2I_CAPTION_NONE},
        {"{\"images\": [\"a.png\"], \"prompt\": \"a\"}", T2I_CAPTION_NONE},
        {"{\"images\": [{\"path\": \"a.png\"}]}\n{\"images\": []}", T2I_CAPTION_NONE},
        {"[{\"images\": [{}]}]", T2I_CAPTION_NONE},
        {"prompt,image_path\n", T2I_CAPTION_NONE},
        {"", T2I_CAPTION_NONE},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        CU_ASSERT_EQUAL(t2i_caption_json_kind(span(heads[i].head)), heads[i].kind);
}

static void test_coco(void)
{
    expect(
        t2i_caption_json_coco,
        "{\"annotations\": [{\"image_id\": 7, \"caption\": \"a cat \"},\n"
        "{\"image_id\": \"x\", \"caption\": \"ein K\\u00e4fer\"}, {\"image_id\": 7, \"caption\": "
        "\"again\"},\n"
        "{\"image_id\": 8, \"caption\": \"lost\"}, {\"caption\": \"none\"}, {\"image_id\": 7}, 5,\n"
        "{\"image_id\": 7, \"caption\": \"a\", \"caption\": \"b\"}],\n"
        "\"images\": [{\"id\": 7, \"file_name\": \"c/7.jpg\"}, {\"file_name\": \"x.jpg\", \"id\": "
        "\"x\"}, "
        "{\"id\": 9, \"file_name\": \"9.jpg\"}]}",
        "c/7.jpg=a cat -1;x.jpg=ein K\xc3\xa4"
        "fer -1;c/7.jpg=again -1;",
        "3\t3\tits image_id 8 is not among \"images\"\n3\t4\thas no \"image_id\"\n"
        "3\t5\thas no prompt\n3\t6\tthe entry is no JSON object\n"
        "4\t7\tthe entry: not valid JSON at line 1, column 41: duplicate object key near "
        "'\"caption\"'\n");
    refuse(t2i_caption_json_coco, "{\"images\":[], \"annotations\":[{\"bbox\":[],\"image_id\":1}]}",
           "describe boxes and outlines of objects; of COCO, captions_train2017.json");
    refuse(t2i_caption_json_coco, "{\"images\":[{\"id\":1,\"file_name\":\"a\"}]}",
           "without captions");
    refuse(t2i_caption_json_coco, "{\"annotations\":[]}", "no array \"images\"");
    refuse(t2i_caption_json_coco, "{\"images\":[{\"id\":1}],\"annotations\":[]}",
           "no \"file_name\"");
    refuse(t2i_caption_json_coco, "{\"images\":[{\"file_name\":\"a\"}],\"annotations\":[]}",
           "no \"id\"");
    refuse(t2i_caption_json_coco, "{\"images\":[3],\"annotations\":[]}", "no array \"images\"");
    refuse(t2i_caption_json_coco,
           "{\"images\":[{\"id\":1,\"file_name\":\"a\"},\n{\"id\":1,\"file_name\":\"b\"}],"
           "\"annotations\":[]}",
           ":2: two pictures have the id 1");
    refuse(t2i_caption_json_coco, "{\"images\":[],\"images\":[]}", "two arrays \"images\"");
    refuse(t2i_caption_json_coco, "{\"images\":[],\"annotations\":[]}{", "text follows");
    refuse(t2i_caption_json_coco, "{\"images\":[{\"id\":1", "the file ends inside");
    refuse(t2i_caption_json_coco, "", "is empty");
}

static void test_karpathy(void)
{
    expect(
        t2i_caption_json_karpathy,
        "{\"images\": [{\"filepath\": \"val2014\", \"filename\": \"a.jpg\", \"split\": "
        "\"restval\",\n"
        "\"sentences\": [{\"raw\": \"one\"}, {\"raw\": \" two\"}, {\"tokens\": []}]},\n"
        "{\"filename\": \"b.jpg\", \"split\": \"test\", \"sentences\": [{\"raw\": \"three\"}]},\n"
        "{\"filename\": \"c.jpg\", \"split\": \"val\", \"sentences\": []}, {\"sentences\": [{}]}, "
        "1,\n"
        "{\"filepath\": \"d/\", \"filename\": \"c.jpg\", \"split\": \"odd\", \"sentences\": "
        "[{\"raw\": \"x\"}]}],\n"
        "\"dataset\": \"coco\"}",
        "val2014/a.jpg=one 0;val2014/a.jpg=two 0;b.jpg=three 3;",
        "1\t2\thas no prompt\n4\t4\thas no \"sentences\"\n4\t5\thas no \"filename\"\n"
        "4\t6\tthe entry is no JSON object\n"
        "5\t7\tunknown split \"odd\": use train, validation (or val, valid, dev), test (or unseen "
        "pictures), or unseen prompts\n");
    refuse(t2i_caption_json_karpathy, "[]", "is no file of Karpathy: it holds no JSON object");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"kinds", test_kinds}, {"COCO", test_coco}, {"Karpathy", test_karpathy}};
    t2i_log_rank(1); /* says nothing of bad rows */
    if (scratch_begin("caption_json") != 0) return 1;
    int failed = t2i_test_main("caption_json", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
