/* list: what users' lists look like, and what is said of those that cannot be read. */
#include "lists/list.h"

#include <fcntl.h>

#include "test.h"
#include "scratch.h"
#include "base/log.h"

static t2i_error err;

static const char *write_file(const char *name, const void *bytes, size_t size)
{
    const char *path = in_scratch(name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    return path;
}

/* The rows as "prompt|image|split|group", one per line; bad ones at the end as "!reason". */
static void dump(const t2i_pair_list *list, t2i_text *out)
{
    const char *text = list->text.data;
    OK(t2i_text_add(out, "", 0, &err));
    for (size_t i = 0; i < list->count; i++) {
        const t2i_pair_row *r = &list->row[i];
        OK(t2i_text_addf(out, &err, "%s|%s", text + r->prompt, text + r->image));
        if (r->split >= 0) OK(t2i_text_addf(out, &err, "|%s", t2i_dataset_split_names[r->split]));
        if (r->group != T2I_NO_GROUP) OK(t2i_text_addf(out, &err, "|g:%s", text + r->group));
        OK(t2i_text_addf(out, &err, "\n"));
    }
    for (const char *at = list->report.data; at != NULL && *at != '\0';) {
        const char *reason =
            strrchr(at, '\t') == NULL ? at : strchr(strchr(at, '\t') + 1, '\t') + 1;
        const char *end = strchr(reason, '\n');
        OK(t2i_text_addf(out, &err, "!%.*s\n", (int)(end - reason), reason));
        at = end + 1;
    }
}

/* Expected rows; a bad row's line may be the beginning of its reason. */
static void compare(const char *name, const t2i_list_columns *columns, const char *bytes,
                    size_t size, const char *wanted)
{
    t2i_pair_list list;
    t2i_text got = {0};
    const char *path = write_file(name, bytes, size);
    t2i_status status = t2i_list_read(&list, path, columns, &err);
    const t2i_error said = err;
    if (status != T2I_OK)
        OK(t2i_text_addf(&got, &err, "%s\n", said.text + strlen(path)));
    else
        dump(&list, &got);
    const char *a = got.data, *w = wanted;
    int equal = 1;
    while (equal && *a != '\0' && *w != '\0') {
        size_t in_a = strcspn(a, "\n"), in_w = strcspn(w, "\n");
        equal = *w == '!' ? in_a >= in_w && memcmp(a, w, in_w) == 0
                          : in_a == in_w && memcmp(a, w, in_w) == 0;
        a += in_a + (a[in_a] == '\n');
        w += in_w + (w[in_w] == '\n');
    }
    if (!equal || *a != '\0' || *w != '\0') {
        fprintf(stderr, "%s:\n%swanted:\n%s\n", name, got.data, wanted);
        CU_FAIL("other rows were expected");
    }
    t2i_pairs_free(&list);
    t2i_text_free(&got);
    unlink(path);
}

#define READS(name, text, wanted) compare(name, NULL, text, sizeof(text) - 1, wanted)

#define TWO "a cat|tom.jpg\na dog|rex.png\n"

static void tables(void)
{
    READS("a.csv", "prompt,image_path\na cat,tom.jpg\na dog,rex.png\n", TWO);
    READS("a.txt", "image,caption\ntom.jpg,a cat\nrex.png,a dog\n", TWO);
    READS("a.csv", "Caption;File Name\r\na cat;tom.jpg\r\na dog;rex.png\r\n", TWO);
    READS("a.csv", "sep=;\r\nprompt;image\r\n\"a cat\";tom.jpg\r\na dog;rex.png", TWO);
    READS("a.csv", "\"sep=|\"\nprompt|image\na cat|tom.jpg\na dog|rex.png", TWO);
    READS("a.csv", "prompt\timage\na cat\ttom.jpg\na dog\trex.png\n", TWO);
    READS("a.tsv", "caption\timage\na cat\ttom.jpg\na dog\trex.png\n", TWO);
    READS("a.csv", ",Text,image,score\n0,a cat,tom.jpg,0.5\n1,a dog,rex.png,1e-3\n", TWO);
    READS("a.csv", "\n\n\"TITLE\" , \"path\"\n\"a cat\" , \"tom.jpg\"\na dog,rex.png\n", TWO);
    READS("a.csv", "prompt,image_path,\na cat,tom.jpg,\na dog,rex.png,,,\n", TWO);
    READS("a.csv", "prompt,image_path\ra cat,tom.jpg\ra dog,rex.png\r", TWO);
    READS("a.csv", "prompt,image_path\na cat,tom.jpg", "a cat|tom.jpg\n");
    READS("a.csv", "prompt,image_path\n", "");
    READS("a.csv", "sentence,file,split,group\na,b.png,Train,7\nc,d.png,DEV,8\n",
          "a|b.png|train|g:7\nc|d.png|validation|g:8\n");
    /* as TABs and pipes are written without quotes, a quote there may be a character */
    READS("a.tsv",
          "caption\timage\n\"Stop\" sign\ta.png\n\"a \"\"dog\"\"\"\tb.png\n\"oh no\tc.png\nso "
          "\"\td.png\n\"two\nlines\"\te.png\n",
          "\"Stop\" sign|a.png\na \"dog\"|b.png\n\"oh no|c.png\nso \"|d.png\ntwo\nlines|e.png\n");
}

static void bad_tables(void)
{
    READS("a.csv", "prompt,image_path\na cat, black,tom.jpg\na dog,rex.png\n",
          "a dog|rex.png\n!has 3 columns, but the header has 2 (quote a field that holds a comma)");
    READS("a.csv", "prompt,image_path\na,a.png\n\nb,b.png\n\n\n",
          "a|a.png\nb|b.png\n!the line is empty\n");
    READS("a.csv", "prompt,image_path\na,http://x/a.png\na,s3://x/b.png\n",
          "!names a web address\n!names a web address");
    READS("a.csv", "prompt,image_path,split\na,b.png,fold1\n", "!unknown split \"fold1\"");
    READS("a.csv", "prompt,image\ncaf\xe9,b.png\n", "!is not UTF-8 at byte 4: save");
    READS("a.csv", "text,title,raw,image\na,b,c,d.png\n",
          ":1: each of \"text\", \"title\", \"raw\" can be the prompt: choose one with "
          "--prompt-column NAME\n");
    READS("a.csv", "text,file,path\na,b,c\n",
          ":1: each of \"file\", \"path\" can be the picture's file name: choose one with "
          "--image-column NAME\n");
    READS("a.csv", "tom.jpg,a cat\nrex.png,a dog\n",
          ":1: its first row is a pair and no header (\"tom.jpg\", \"a cat\"): put a header first "
          "that names the columns, such as \"prompt,image_path\"\n");
    READS("a.csv", "url,caption\nhttp://x/y.jpg,a cat\n",
          ":1: it names web addresses and no files, and nothing is downloaded: get the pictures, "
          "for example with img2dataset, whose output is read as it is; or add a column "
          "image_path\n");
    READS("a.txt", "tom.jpg,a cat\n",
          " is not a list of pairs: it begins with \"tom.jpg,a cat\". A list has a header such as "
          "\"prompt,image_path\" (with commas, TABs, semicolons or pipes), or lines of prompt TAB "
          "file, or JSON objects\n");
}

static void plain_lines(void)
{
    READS("a.txt", "a cat\ttom.jpg\na dog\trex.png\n\n \r\n", TWO);
    READS("a.txt", "tom.jpg#0\ta cat\nrex.png#4\ta dog\n", TWO);
    READS("a.txt", "tom.jpg\ta cat\nrex.png\ta dog\n", TWO);
    READS("a.txt", "image\tx/a\n{b}\tc\n[1]\td\n", "image|x/a\n{b}|c\n[1]|d\n");
    READS("a.tsv", "a.png\tb.png\nb\tc.png\n", "a.png|b.png\nb|c.png\n");
}

static void flickr(void)
{
    READS("results.csv",
          "image_name| comment_number| comment\ntom.jpg| 0| a cat\nrex.png| 4   a dog\nmax.png| 1| "
          "\"Moo\" says\n",
          "a cat|tom.jpg\na dog|rex.png\n\"Moo\" says|max.png\n");
    READS("a.csv",
          "raw,sentids,split,filename,img_id\n\"[\"\"a cat\"\", \"\"tom\"\"]\",\"[0, "
          "1]\",train,tom.jpg,0\n\"[\"\"a dog\"\"]\",[2],test,rex.png,1\n",
          "a cat|tom.jpg|train\ntom|tom.jpg|train\na dog|rex.png|unseen pictures\n");
    READS("a.csv", "raw,image\n\"['a cat', 'tom']\",tom.jpg\n[x],rex.png\n",
          "[x]|rex.png\n!its prompt is a list as Python prints it");
}

static void json(void)
{
    static const char lines[] = "{\"text\":\"a cat\",\"image\":\"tom.jpg\"}\n"
                                "{\"image\":\"rex.png\",\"text\":\"a dog\"}\n\n";
    READS("a.jsonl", lines, TWO);
    READS("a.ndjson", lines, TWO);
    READS("a.json", lines, TWO);
    READS("a", lines, TWO);
    READS("a.json",
          " [ {\"text\":\"a cat\",\n\"image\":\"tom.jpg\"}\n,\n{\"image\":\"rex.png\",\"text\":\"a "
          "dog\"} ]\n",
          TWO);
    READS("a.jsonl", "[{\"text\":\"a cat\",\"image\":\"tom.jpg\"}]", "a cat|tom.jpg\n");
    READS("a.json",
          "{\n \"text\": \"a cat\",\n \"image\": \"tom.jpg\"\n}\n{\n\"text\": \"a dog\", "
          "\"image\": \"rex.png\"}",
          TWO);
    READS("a.json",
          "[{\"captions\":[\"a }\",\" "
          "b\"],\"image\":\"a.png\",\"group\":12345678901234567890,\"x\":NaN}]",
          "a }|a.png|g:12345678901234567890\nb|a.png|g:12345678901234567890\n");
    READS("a.json", "[{\"text\":\"a\",\"image\":\"b.png\"},7,{\"text\":\"c\"}]",
          "a|b.png\n!is not a JSON object\n!names no picture\n");
    READS("a.json", "[]", "");
    READS("a.json", "[{\",\":1,\"b,\":2,\", \":3,\"text\":\"a cat\",\"image\":\"tom.jpg\"}]",
          "a cat|tom.jpg\n");
    READS("a.jsonl",
          "{\"Text\":\"a cat\",\"Image\":\"tom.jpg\"}\n{\"text\":\"a dog\",\"image\":\"rex.png\"}",
          TWO);
}

static void bad_json(void)
{
    READS("a.json", "{\"data\":[{\"text\":\"a\"}]}",
          " holds a list inside of an object (data): write the array of objects alone\n");
    READS("a.json", "{\"a.png\":\"a\"}",
          " has names of pictures as keys (a.png): write one object per picture, such as "
          "{\"prompt\": \"a cat\", \"image_path\": \"cat.png\"}\n");
    READS("a.json", "[{\"text\":\"a\",\"image\":\"b.png\"},{\"te",
          ":1: the file ends inside of a JSON value: it is cut off\n");
    READS("a.json", "[{\"text\":\"a\",\"image\":\"b.png\"}\n{\"text\":\"a\",\"image\":\"b.png\"}]",
          ":2: a comma is missing between two objects\n");
    READS("a.json", "[{\"text\":\"a\",\"image\":\"b.png\"}] x",
          ":1: text follows the JSON array\n");
    READS("a.jsonl",
          "{\"text\":\"a\",\"image\":\"b.png\"}\n{\"caption\":\"a\",\"image\":\"b.png\"}\n",
          ":2: each of \"text\", \"caption\" can be the prompt: choose one with --prompt-column "
          "NAME\n");
    READS("a.jsonl", "{\"words\":\"a\",\"image\":\"b.png\"}\n",
          ":1: no key is named prompt (or caption, text, title, ...); it has: words; name the one "
          "that holds the prompt with --prompt-column NAME\n");
    READS("a.json", "{\"text\":[\"a\",\"b\"],\"image\":[\"a.png\",\"b.png\"]}",
          "!\"image\" holds many values: write one object per picture");
    READS("a.json", "{\"text\":{\"0\":\"a\"},\"image\":{\"0\":\"a.png\"}}",
          "!\"text\" holds many values: write one object per picture");
    READS("a.jsonl", "{\"text\":\"a\",\"image\":{\"bytes\":\"x\",\"path\":null}}",
          "!\"image\" holds a picture's bytes");
    READS(
        "a.json", "a cat\ttom.jpg\n{\n",
        " is not a JSON array of objects, nor JSON objects one per line: a list has an object such "
        "as {\"prompt\": \"a cat\", \"image_path\": \"cat.png\"} per picture\n");
}

static void chosen_columns(void)
{
    static const t2i_list_columns columns = {.prompt = "Words", .image = "bild", .group = "text"};
    static const char table[] = "words,text,bild\na cat,g,tom.jpg\n";
    compare("a.txt", &columns, table, sizeof table - 1, "a cat|tom.jpg|g:g\n");
    static const char object[] = "{\"words\":\"a cat\",\"text\":\"g\",\"bild\":\"tom.jpg\"}";
    compare("a.jsonl", &columns, object, sizeof object - 1, "a cat|tom.jpg|g:g\n");
    static const char other[] = "caption,title,image\nx,a cat,tom.jpg\n";
    static const t2i_list_columns title = {.prompt = "title"}, fold = {.split = "fold"};
    compare("a.csv", &title, other, sizeof other - 1, "a cat|tom.jpg\n");
    t2i_pair_list list;
    const char *path = write_file("a.csv", "caption,image\n", 14);
    FAILS(t2i_list_read(&list, path, &title, &err), T2I_USAGE, "--prompt-column title");
    FAILS(t2i_list_read(&list, path, &fold, &err), T2I_USAGE,
          "has no such column; it has: \"caption\", \"image\"");
}

static void encodings(void)
{
    READS("a.tsv", "\xff\xfe", " is empty: it holds no pairs\n");
    READS("a.tsv",
          "\xff\xfe"
          "a\0\t\0b\0\n\0",
          "a|b\n");
    READS("a.tsv", "\xfe\xff\xd8\x3d\xde\0\0\t\0b", "\xf0\x9f\x98\x80|b\n");
    READS("a.tsv",
          "\xff\xfe"
          "a\0\t\0\0\xd8",
          " is not valid UTF-16 at byte 7: save the list as UTF-8\n");
    READS("a.csv", "p\0r\0o\0m\0p\0t\0,\0i\0m\0a\0g\0e\0\n\0",
          " looks like UTF-16: save the list as UTF-8\n");
    READS("a.tsv",
          "\xef\xbb\xbf\xc2\xa0"
          "a\xe3\x80\x80\tb\r\n",
          "a|b\n");
}

static void other_kinds(void)
{
    READS("a.csv", "PAR1\x15\4",
          " is a Parquet table, not a list of pairs: convert it to JSON Lines (docs/datasets.md, "
          "Parquet)\n");
    READS("a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 5\n",
          " is a Git LFS pointer, not a list of pairs: `git lfs pull` fetches the file itself\n");
    READS("a.csv", "<!DOCTYPE html>\n<html>\n\t<head>\n",
          " is a web page, not a list of pairs: the download has probably failed; download the "
          "file itself\n");
    READS("a.tsv", "%PDF-1.4 is a prompt\ta.png\n", "%PDF-1.4 is a prompt|a.png\n");
}

int main(void)
{
    static const t2i_test tests[] = {{"tables", tables},
                                     {"bad tables", bad_tables},
                                     {"lines without a header", plain_lines},
                                     {"Flickr's lists", flickr},
                                     {"JSON", json},
                                     {"bad JSON", bad_json},
                                     {"chosen columns", chosen_columns},
                                     {"encodings", encodings},
                                     {"files of other kinds", other_kinds}};
    if (scratch_begin("list") != 0) return 1;
    int failed = t2i_test_main("list", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
