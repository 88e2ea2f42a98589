/* The sampler that is a file: a line of row numbers per step. */
#include "test.h"

#include "base/commit.h"
#include "base/fs.h"
#include "scratch.h"
#include "train/sampler_file.h"

static t2i_error err;

/* Reads that text for two steps of three rows. */
static t2i_status read_text(t2i_sampler_file *file, const char *text)
{
    t2i_train_options options = {.batch = 3, .steps = 2, .sampler_path = in_scratch("rows")};
    if (t2i_commit_file(options.sampler_path, text, strlen(text), &err) != T2I_OK) return T2I_BUG;
    return t2i_sampler_file_read(file, &options, &err);
}

static void test_read(void)
{
    static const uint64_t rows[] = {10, 20, 30, 30, 20, 20};
    static const uint32_t user_row[] = {30, 10, 20};
    char name[T2I_HEX + 8];
    t2i_sampler_file file;
    OK(read_text(&file, "10 20 30\n30,20\t20\r\nwhat follows is not read\n"));
    CU_ASSERT_TRUE(file.count == 6 && memcmp(file.rows, rows, sizeof rows) == 0);
    CU_ASSERT_EQUAL(strncmp(file.name, "file:", 5), 0);
    strcpy(name, file.name);
    OK(t2i_sampler_file_map(&file, user_row, 3, &err));
    CU_ASSERT_TRUE(file.rows[0] == 1 && file.rows[1] == 2 && file.rows[2] == 0);
    t2i_sampler_file_close(&file);
    CU_ASSERT_PTR_NULL(file.rows);
    OK(read_text(&file, "10 20 30\n30 20 20"));
    CU_ASSERT_STRING_EQUAL(file.name, name); /* of the numbers, not of the bytes */
    FAILS(t2i_sampler_file_map(&file, user_row, 2, &err), T2I_DATA, "20");
    t2i_sampler_file_close(&file);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *says;
    } known[] = {
        {"1 2\n1 2 3\n", ":1: 2 row numbers, but batch is 3"},
        {"1 2 3\n1 2 3 4\n", ":2: 4 row numbers, but batch is 3"},
        {"1 2 x\n1 2 3\n", "'x' is not a row number"},
        {"1 2 -3\n1 2 3\n", "'-3' is not a row number"},
        {"1 2 4294967296\n1 2 3\n", "'4294967296' is not a row number"},
        {"1 2 3\n", "has 1 lines, but the run has 2 steps"},
        {"", "has 0 lines"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        t2i_sampler_file file;
        FAILS(read_text(&file, known[i].text), T2I_DATA, known[i].says);
        t2i_sampler_file_close(&file);
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"numbers in any spacing, and the rows that they name", test_read},
        {"what is no number, too few, too many", test_refused},
    };
    if (scratch_begin("sampler_file") != 0) return 1;
    int failed = t2i_test_main("sampler_file", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
