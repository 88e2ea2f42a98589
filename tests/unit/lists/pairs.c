/* pairs: the three kinds of pairs file, every way in which a row can be bad, and gathering. */
#include "dataset/dataset_writer.h"
#include "lists/list.h"

#include <fcntl.h>
#include <unistd.h>

#include "test.h"
#include "base/fs.h"
#include "base/string_table.h"
#include "base/rng.h"
#include "base/log.h"

static t2i_error err;
static char folder[512], path[600];

/* Warnings are what is tested here: they go to a file instead of the terminal. */
static int begin_capture(void)
{
    char name[600];
    snprintf(name, sizeof name, "%s/warnings", folder);
    fflush(stderr);
    int kept = dup(STDERR_FILENO), file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file >= 0) dup2(file, STDERR_FILENO);
    close(file);
    return kept;
}

static void end_capture(int kept, t2i_text *said)
{
    char name[600];
    snprintf(name, sizeof name, "%s/warnings", folder);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    OK(t2i_fs_read(name, 1 << 20, said, &err));
    unlink(name);
}

static void write_file(const char *name, const char *bytes, size_t size)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

typedef struct {
    unsigned row;
    size_t line;
    const char *prompt, *image, *group;
    int split;
} expected;

/* Reads what is at path; the rows, the number of bad ones, and what each warning must hold, in
 * order. */
static void expect(const expected *rows, size_t count, const char *const *warnings, size_t bad)
{
    t2i_pair_list list;
    t2i_text said = {0};
    int kept = begin_capture();
    t2i_status status = t2i_list_read(&list, path, NULL, &err);
    end_capture(kept, &said);
    CU_ASSERT_EQUAL(status, T2I_OK);
    if (status != T2I_OK) fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL(list.count, count);
    CU_ASSERT_EQUAL(list.bad, bad);
    CU_ASSERT_EQUAL(list.rows, count + bad);
    for (size_t i = 0; i < count && i < list.count; i++) {
        const t2i_pair_row *r = &list.row[i];
        const char *text = list.text.data;
        CU_ASSERT_EQUAL(r->row, rows[i].row);
        CU_ASSERT_EQUAL(r->line, rows[i].line);
        CU_ASSERT_EQUAL(r->split, rows[i].split);
        CU_ASSERT_EQUAL(r->prompt_size, strlen(rows[i].prompt));
        CU_ASSERT_STRING_EQUAL(text + r->prompt, rows[i].prompt);
        CU_ASSERT_STRING_EQUAL(text + r->image, rows[i].image);
        CU_ASSERT_EQUAL(r->group == T2I_NO_GROUP, rows[i].group == NULL);
        if (r->group != T2I_NO_GROUP && rows[i].group != NULL)
            CU_ASSERT_STRING_EQUAL(text + r->group, rows[i].group);
    }
    const char *at = said.data;
    for (size_t i = 0; i < bad && at != NULL; i++) {
        const char *found = strstr(at, warnings[i]);
        CU_ASSERT_PTR_NOT_NULL(found);
        if (found == NULL) fprintf(stderr, "no \"%s\" in:\n%s", warnings[i], at);
        at = found == NULL ? NULL : strchr(found, '\n') + 1;
    }
    t2i_pairs_free(&list);
    t2i_text_free(&said);
    unlink(path);
}

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void tsv(void)
{
    static const char text[] = "\xef\xbb\xbf"
                               "a red square\tred.png\r\n"
                               "\tempty.png\n"
                               "caf\xc3\xa9\tsub/b.png\tval\n"
                               "x\ty.png\t\r\n"
                               "last, \"quoted\"\tz.png\tunseen_pictures";
    static const expected rows[] = {
        {0, 1, "a red square", "red.png", NULL, -1},
        {1, 2, "", "empty.png", NULL, -1},
        {2, 3, "caf\xc3\xa9", "sub/b.png", NULL, T2I_VALIDATION},
        {3, 4, "x", "y.png", NULL, -1},
        {4, 5, "last, \"quoted\"", "z.png", NULL, T2I_UNSEEN_PICTURES},
    };
    write_file("a.txt", text, sizeof text - 1);
    expect(rows, LENGTH(rows), NULL, 0);
}

static void tsv_bad_rows(void)
{
    static const char text[] =
        "no tab\n\nok\ta.png\nx\t\nx\ta.png\ttesting\nx\ta.png\ttrain\tmore\n"
        "\xff\ta.png\nnul\0\ta.png\nok again\ta.png\r\nx\x1b[2J\n\t";
    static const expected rows[] = {{2, 3, "ok", "a.png", NULL, -1},
                                    {8, 9, "ok again", "a.png", NULL, -1}};
    static const char *const warnings[] = {
        "a.tsv:1: row 0: has no TAB",
        "a.tsv:2: row 1: the line is empty",
        "a.tsv:4: row 3: names no picture",
        "a.tsv:5: row 4: unknown split \"testing\"",
        "a.tsv:6: row 5: has 4 fields",
        "a.tsv:7: row 6: is not UTF-8 at byte 1",
        "a.tsv:8: row 7: holds a NUL at byte 4",
        "a.tsv:10: row 9: has no TAB",
        "a.tsv:11: row 10: names no picture",
    };
    write_file("a.tsv", text, sizeof text - 1);
    expect(rows, LENGTH(rows), warnings, LENGTH(warnings));
}

static void csv(void)
{
    static const char text[] = "\xef\xbb\xbfimage_path,\"prompt\",colour,group,split\r\n"
                               "a.png,\"say \"\"hi\"\", then\n go\",red,g 1,train\r\n"
                               "b.png,plain \"inside\",,,\n"
                               "\"c,1.png\",,blue,\"\",\"unseen prompts\"\n"
                               "d.png,\"end\",,g 1,val";
    static const expected rows[] = {
        {0, 2, "say \"hi\", then\n go", "a.png", "g 1", T2I_TRAIN},
        {1, 4, "plain \"inside\"", "b.png", NULL, -1},
        {2, 5, "", "c,1.png", NULL, T2I_UNSEEN_PROMPTS},
        {3, 6, "end", "d.png", "g 1", T2I_VALIDATION},
    };
    write_file("a.CSV", text, sizeof text - 1);
    expect(rows, LENGTH(rows), NULL, 0);
}

/* After a row with wrong quotes the next line is read as one. */
static void csv_bad_rows(void)
{
    static const char text[] = "prompt,image_path\n"
                               "few\n"
                               "one,two,three\n"
                               "\n"
                               "\"x\"y,a.png\n"
                               "ok,a.png\n"
                               "\"open,a.png\n"
                               "ok \xff,a.png\n"
                               "\"\",\n"
                               "ok,b.png\n"
                               "\"open,a.png\n"
                               "ok,c.png\n";
    static const expected rows[] = {{4, 6, "ok", "a.png", NULL, -1},
                                    {8, 10, "ok", "b.png", NULL, -1},
                                    {10, 12, "ok", "c.png", NULL, -1}};
    static const char *const warnings[] = {
        "a.csv:2: row 0: has 1 columns, but the header has 2",
        "a.csv:3: row 1: has 3 columns",
        "a.csv:4: row 2: the line is empty",
        "a.csv:5: row 3: text follows a closing quote",
        "a.csv:7: row 5: ",
        "a.csv:8: row 6: is not UTF-8 at byte 4",
        "a.csv:9: row 7: names no picture",
        "a.csv:11: row 9: a quote is not closed",
    };
    write_file("a.csv", text, sizeof text - 1);
    expect(rows, LENGTH(rows), warnings, LENGTH(warnings));
}

static void jsonl(void)
{
    static const char text[] =
        "{\"prompt\":\"a\\n\\u00e9\",\"image_path\":\"a.png\",\"id\":1}\r\n"
        "{\"image_path\":\"b.png\",\"group\":-7,\"split\":null,\"prompt\":\"\"}\n"
        "{\"prompt\":\"b\",\"image_path\":\"c.png\",\"group\":\"-7\",\"split\":\"val\"}";
    static const expected rows[] = {{0, 1, "a\n\xc3\xa9", "a.png", NULL, -1},
                                    {1, 2, "", "b.png", "-7", -1},
                                    {2, 3, "b", "c.png", "-7", T2I_VALIDATION}};
    write_file("a.jsonl", text, sizeof text - 1);
    expect(rows, LENGTH(rows), NULL, 0);
}

static void jsonl_bad_rows(void)
{
    static const char text[] = "{\"prompt\":\"a\"}\n"
                               "{\"image_path\":\"a.png\"}\n"
                               "{\"prompt\":null,\"image_path\":\"a.png\"}\n"
                               "{\"prompt\":1,\"image_path\":\"a.png\"}\n"
                               "{\"prompt\":\"a\",\"image_path\":\"a.png\",\"group\":true}\n"
                               "[]\n"
                               "\n"
                               "{\"prompt\":\n"
                               "{\"prompt\":\"a\",\"prompt\":\"b\",\"image_path\":\"a.png\"}\n"
                               "{\"prompt\":\"\xc3\",\"image_path\":\"a.png\"}\n";
    static const char *const warnings[] = {
        "a.jsonl:1: row 0: names no picture",
        "a.jsonl:2: row 1: has no prompt",
        "a.jsonl:3: row 2: has no prompt",
        "a.jsonl:4: row 3: \"prompt\" is not a string",
        "a.jsonl:5: row 4: \"group\" is not a string or an integer",
        "a.jsonl:6: row 5: is not a JSON object",
        "a.jsonl:7: row 6: the line is empty",
        "a.jsonl:8: row 7: the line: not valid JSON at column ",
        "a.jsonl:9: row 8: the line: not valid JSON",
        "a.jsonl:10: row 9: is not UTF-8",
    };
    write_file("a.jsonl", text, sizeof text - 1);
    expect(NULL, 0, warnings, LENGTH(warnings));
}

static void too_long(void)
{
    t2i_text text = {0};
    static const expected rows[] = {{1, 2, "ok", "a.png", NULL, -1}};
    static const char *const warnings[] = {"a.tsv:1: row 0: its prompt is longer than 1 MiB",
                                           "a.tsv:3: row 2: its file name is longer than"};
    for (int i = 0; i < (1 << 20) + 1; i++) OK(t2i_text_add(&text, "x", 1, &err));
    OK(t2i_text_addf(&text, &err, "\ta.png\nok\ta.png\nok\t"));
    for (int i = 0; i < 5000; i++) OK(t2i_text_add(&text, "y", 1, &err));
    write_file("a.tsv", text.data, text.size);
    expect(rows, 1, warnings, 2);
    /* a quote that is never closed does not swallow the file */
    text.size = 0;
    OK(t2i_text_addf(&text, &err, "prompt,image_path\n\"open,a.png\n"));
    for (int i = 0; i < 500000; i++) OK(t2i_text_addf(&text, &err, "ok,a.png\n"));
    write_file("a.csv", text.data, text.size);
    t2i_pair_list list;
    int kept = begin_capture();
    t2i_status status = t2i_list_read(&list, path, NULL, &err);
    t2i_text said = {0};
    end_capture(kept, &said);
    CU_ASSERT(status == T2I_OK && list.count == 500000 && list.bad == 1 && list.row[7].row == 8);
    t2i_pairs_free(&list);
    t2i_text_free(&said);
    t2i_text_free(&text);
    unlink(path);
}

static void no_such_file(void)
{
    static const struct {
        const char *name, *text, *why;
    } bad[] = {
        {"a.tsv", "", "is empty"},
        {"a.csv", "\xef\xbb\xbf", "is empty"},
        {"a.tsv",
         "\xff\xfe"
         "a",
         "UTF-16"},
        {"a.csv", "words;image_path\na;b\n", "no column is named prompt"},
        {"a.csv", "prompt,bild\na,b\n", "no column is named image_path"},
        {"a.csv", "prompt,image_path,prompt\n",
         "two columns are named the same: \"prompt\", \"prompt\""},
        {"a.csv", "\"prompt,image_path\n", "a quote is not closed"},
        {"a.csv", "prompt,image_path,\xff\n", "not UTF-8"},
    };
    t2i_pair_list list;
    for (size_t i = 0; i < LENGTH(bad); i++) {
        write_file(bad[i].name, bad[i].text, strlen(bad[i].text));
        FAILS(t2i_list_read(&list, path, NULL, &err), T2I_DATA, bad[i].why);
        CU_ASSERT(list.row == NULL && list.text.data == NULL && list.rows == 0);
        unlink(path);
    }
    FAILS(t2i_list_read(&list, path, NULL, &err), T2I_NOINPUT, path);
    FAILS(t2i_list_read(&list, folder, NULL, &err), T2I_NOINPUT, folder);
    t2i_text many = {0};
    for (int i = 0; i < 70; i++) OK(t2i_text_addf(&many, &err, "c%d,", i));
    write_file("a.csv", many.data, many.size);
    FAILS(t2i_list_read(&list, path, NULL, &err), T2I_DATA, "more than 64 columns");
    t2i_text_free(&many);
    unlink(path);
}

/* Whatever the bytes, reading ends without a crash and counts add up. */
static void any_bytes(void)
{
    static const char alphabet[] = "a\",\n\r\t{}:\\\xc3\xa9 \0";
    static const char *const names[] = {"a.tsv", "a.csv", "a.jsonl"};
    for (uint64_t n = 0; n < 600; n++) {
        t2i_text text = {0}, said = {0};
        OK(t2i_text_addf(&text, &err, "%s", n % 3 == 1 ? "prompt,image_path\n" : ""));
        for (uint64_t i = 0; i < 80; i++)
            OK(t2i_text_add(&text, &alphabet[t2i_rng_below(1, n, i, sizeof alphabet - 1)], 1,
                            &err));
        write_file(names[n % 3], text.data, text.size);
        t2i_pair_list list;
        int kept = begin_capture();
        t2i_status status = t2i_list_read(&list, path, NULL, &err);
        end_capture(kept, &said);
        CU_ASSERT_EQUAL(status, T2I_OK);
        CU_ASSERT_EQUAL(list.count + list.bad, list.rows);
        size_t lines = 0;
        for (size_t i = 0; i < said.size; i++) lines += said.data[i] == '\n';
        CU_ASSERT(lines == list.bad || lines == list.bad + 1); /* a note on unknown keys */
        t2i_pairs_free(&list);
        t2i_text_free(&said);
        t2i_text_free(&text);
        unlink(path);
    }
}

static void gathering(void)
{
    t2i_pair_set set = {.pairs = 0};
    char text[32];
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "p%u.png", i);
        OK(t2i_pairs_set_image(&set, text, 1000 - i, &err));
        for (uint32_t k = 0; k < 2; k++) {
            snprintf(text, sizeof text, "%.*s", (int)k, "x");
            OK(t2i_pairs_set_pair(&set, text, k, i, 5 * i + k, (int)(i % 4), &err));
        }
    }
    const t2i_pairs pairs = t2i_pairs_set_view(&set);
    CU_ASSERT(pairs.pairs == 1000 && pairs.images == 500);
    for (size_t i = 0; i < 1000; i++)
        CU_ASSERT(pairs.prompt_offset[i] == i / 2 && pairs.image[i] == i / 2 &&
                  pairs.row[i] == 5 * (i / 2) + i % 2 && pairs.split[i] == i / 2 % 4);
    CU_ASSERT(pairs.prompt_offset[1000] == 500);
    CU_ASSERT(pairs.group[499] == 501);
    CU_ASSERT_STRING_EQUAL(pairs.image_name[499], "p499.png");
    t2i_pairs_set_free(&set);
}

static void names(void)
{
    t2i_string_table all = {0};
    size_t number;
    char text[32];
    CU_ASSERT_EQUAL(t2i_string_table_find(&all, "x"), SIZE_MAX);
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < 3000; i++) {
            snprintf(text, sizeof text, "%zu", i * i);
            OK(t2i_string_table_add(&all, text, &number, &err));
            CU_ASSERT_EQUAL(number, i);
        }
    CU_ASSERT_EQUAL(all.count, 3000);
    CU_ASSERT_EQUAL(t2i_string_table_find(&all, "8994001"), 2999);
    CU_ASSERT_EQUAL(t2i_string_table_find(&all, "899400"), SIZE_MAX);
    CU_ASSERT_EQUAL(t2i_string_table_find(&all, ""), SIZE_MAX);
    CU_ASSERT_STRING_EQUAL(t2i_string_table_at(&all, 12), "144");
    t2i_string_table_free(&all);
}

int main(void)
{
    static const t2i_test tests[] = {{"TSV", tsv},
                                     {"TSV: bad rows are named", tsv_bad_rows},
                                     {"CSV", csv},
                                     {"CSV: bad rows are named", csv_bad_rows},
                                     {"JSONL", jsonl},
                                     {"JSONL: bad rows are named", jsonl_bad_rows},
                                     {"rows that are too long", too_long},
                                     {"files that are no pairs files", no_such_file},
                                     {"any bytes", any_bytes},
                                     {"gathering pairs", gathering},
                                     {"names", names}};
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/t2i-pairs-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL) return 1;
    t2i_log_program("t2i-test"); /* nothing is printed before */
    int failed = t2i_test_main("pairs", tests, sizeof tests / sizeof *tests);
    return rmdir(folder) != 0 || failed;
}
