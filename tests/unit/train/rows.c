/* Rows of a dataset in memory: splits and ranges, prompts as ids, features once a picture; also
 * beyond a block of pairs. */
#include "dataset/dataset_writer.h"
#include "unit/dataset/dataset_sample.h"
#include "train/rows.h"

static t2i_dataset *dataset;

static void open_sample(void)
{
    write_sample(path, 0);
    OK(t2i_dataset_open(&dataset, path, &err));
}

static void close_sample(void)
{
    t2i_dataset_close(dataset);
    dataset = NULL;
    unlink(path);
}

/* The prompt of a loaded row is these characters. */
static int says(const t2i_rows *rows, size_t i, const t2i_vocab *vocab, const char *wanted)
{
    char text[100] = "";
    for (size_t k = 0; k < rows->row[i].length; k++) strcat(text, vocab->name[rows->row[i].ids[k]]);
    return strcmp(text, wanted) == 0;
}

static int has_image(const t2i_rows *rows, size_t i, size_t image)
{
    return rows->image[i] == image;
}

static void test_counts_and_vocab(void)
{
    uint64_t counts[T2I_SPLITS];
    t2i_vocab vocab;
    open_sample();
    OK(t2i_rows_count(dataset, counts, &err));
    CU_ASSERT_TRUE(counts[0] == 4 && counts[1] == 1 && counts[2] == 1 && counts[3] == 1);
    OK(t2i_rows_vocab(&vocab, dataset, 1,
                      &err)); /* of "", "blue", "red", "zebra": not of the other splits */
    static const char *const names[] = {"a", "b", "d", "e", "l", "r", "u", "z", "<PAD>", "<UNK>"};
    CU_ASSERT_EQUAL(vocab.size, sizeof names / sizeof *names);
    for (size_t i = 0; i < vocab.size && i < sizeof names / sizeof *names; i++)
        CU_ASSERT_STRING_EQUAL(vocab.name[i], names[i]);
    t2i_vocab_free(&vocab);
    close_sample();
}

static void test_load_training(void)
{
    static const char *const prompts[] = {"", "blue", "red", "zebra"};
    static const uint32_t user_row[] = {5, 2, 0, 9};
    static const uint64_t pair[] = {0, 1, 3, 5};
    static const size_t image[] = {0, 1, 0, 1};
    t2i_vocab vocab;
    t2i_rows rows;
    open_sample();
    OK(t2i_rows_vocab(&vocab, dataset, 1, &err));
    for (uint64_t first = 0; first < 4; first++) /* every range */
        for (uint64_t end = first + 1; end <= 4; end++) {
            OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_TRAIN, first, end, &vocab, 64, 1},
                             &err));
            CU_ASSERT_TRUE(rows.count == end - first && rows.cut == 0);
            size_t longest = 0;
            for (size_t i = 0; i < rows.count; i++) {
                size_t k = (size_t)first + i;
                CU_ASSERT_TRUE(says(&rows, i, &vocab, prompts[k]) && has_image(&rows, i, image[k]));
                CU_ASSERT_TRUE(rows.user_row[i] == user_row[k] && rows.pair[i] == pair[k]);
                if (strlen(prompts[k]) > longest) longest = strlen(prompts[k]);
            }
            CU_ASSERT_EQUAL(rows.longest, longest);
            t2i_rows_free(&rows);
            CU_ASSERT_TRUE(rows.row == NULL && rows.count == 0);
        }
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_TRAIN, 2, 2, &vocab, 64, 1},
                     &err)); /* a rank without rows */
    CU_ASSERT_TRUE(rows.count == 0 && rows.row == NULL);
    t2i_rows_free(&rows);
    t2i_vocab_free(&vocab);
    close_sample();
}

static void test_other_splits(void)
{
    t2i_vocab vocab;
    t2i_rows rows;
    open_sample();
    OK(t2i_rows_vocab(&vocab, dataset, 1, &err));
    FAILS(
        t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_VALIDATION, 0, 1, &vocab, 64, 1}, &err),
        T2I_DATA,
        "a.h5: row 1 has the character ' ' (U+0020), which is not in the model's vocabulary");
    CU_ASSERT_TRUE(rows.row == NULL && rows.ids == NULL && rows.count == 0);
    FAILS(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_UNSEEN_PROMPTS, 0, 1, &vocab, 64, 1},
                        &err),
          T2I_DATA, "row 4 has the character '\xc3\xa9' (U+00E9)");
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_UNSEEN_PROMPTS, 0, 1, &vocab, 64, 0},
                     &err));
    CU_ASSERT_TRUE(rows.count == 1 && says(&rows, 0, &vocab, "<UNK><UNK><UNK>") &&
                   has_image(&rows, 0, 2));
    t2i_rows_free(&rows);
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_ANY_SPLIT, 0, PAIRS, &vocab, 64, 0},
                     &err));
    CU_ASSERT_TRUE(rows.count == PAIRS && rows.longest == 11);
    for (size_t i = 0; i < rows.count; i++) {
        size_t from = (size_t)sample_order[i];
        CU_ASSERT_TRUE(rows.pair[i] == i && rows.user_row[i] == sample_row[from] &&
                       has_image(&rows, i, sample_image[from]));
    }
    CU_ASSERT_TRUE(says(&rows, 2, &vocab, "blue<UNK><UNK><UNK>uare")); /* "blue square" */
    t2i_rows_free(&rows);
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_ANY_SPLIT, 4, 6, &vocab, 64, 0},
                     &err)); /* pictures 2 and 1 */
    CU_ASSERT_TRUE(has_image(&rows, 0, 2) && has_image(&rows, 1, 1));
    t2i_rows_free(&rows);
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_ANY_SPLIT, 3, 5, &vocab, 64, 0},
                     &err)); /* 0 and 2, but not 1 */
    CU_ASSERT_TRUE(has_image(&rows, 0, 0) && has_image(&rows, 1, 2));
    t2i_rows_free(&rows);
    t2i_vocab_free(&vocab);
    close_sample();
}

static void test_cut_prompts(void)
{
    t2i_vocab vocab;
    t2i_rows rows;
    open_sample();
    OK(t2i_rows_vocab(&vocab, dataset, 1, &err));
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_ANY_SPLIT, 0, PAIRS, &vocab, 4, 0},
                     &err));
    CU_ASSERT_TRUE(rows.cut == 2 && rows.longest == 4); /* "blue square", "zebra" */
    CU_ASSERT_TRUE(says(&rows, 1, &vocab, "blue") && says(&rows, 2, &vocab, "blue") &&
                   says(&rows, 5, &vocab, "zebr"));
    t2i_rows_free(&rows);
    /* a character that is cut off need not be known */
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, T2I_VALIDATION, 0, 1, &vocab, 4, 1}, &err));
    CU_ASSERT_TRUE(rows.cut == 1 && says(&rows, 0, &vocab, "blue"));
    t2i_rows_free(&rows);
    t2i_vocab_free(&vocab);
    close_sample();
}

/* ---- more pairs than are read at a time ---- */

enum { MANY = 20000, PICTURES = 50, LETTERS = 6 };
static char many_bytes[MANY * LETTERS];
static uint64_t many_offset[MANY + 1];
static uint32_t many_image[MANY], many_row[MANY];
static uint8_t many_split[MANY];

/* Prompt i is "p" and five digits, so the order is that of i; every third pair is validation. */
static void write_many(void)
{
    static const char *names[PICTURES];
    static uint32_t groups[PICTURES];
    static const t2i_pairs pairs = {MANY,     PICTURES,   many_bytes, many_offset, many_image,
                                    many_row, many_split, names,      groups};
    t2i_dataset_writer *out = NULL;
    float feature[PICTURES];
    for (uint32_t i = 0; i < MANY; i++) {
        char prompt[12];
        snprintf(prompt, sizeof prompt, "p%05u", (unsigned)i);
        memcpy(many_bytes + i * LETTERS, prompt, LETTERS);
        many_offset[i + 1] = (i + 1) * LETTERS;
        many_image[i] = i % PICTURES;
        many_row[i] = 2 * i;
        many_split[i] = i % 3 == 1 ? T2I_VALIDATION : T2I_TRAIN;
    }
    for (size_t i = 0; i < PICTURES; i++) {
        names[i] = "";
        groups[i] = (uint32_t)i;
        feature[i] = (float)i;
    }
    OK(t2i_dataset_writer_create(&out, path, "test", &pairs, 1, &bare_encoder, &err));
    if (out == NULL) return;
    OK(t2i_dataset_writer_put_features(out, PICTURES, feature, &err));
    OK(t2i_dataset_writer_commit(out, &err));
}

/* Row k of a split, counted in the dataset's order. */
static uint32_t nth(int split, uint64_t k)
{
    return (uint32_t)(split == T2I_ANY_SPLIT    ? k
                      : split == T2I_VALIDATION ? 3 * k + 1
                                                : k / 2 * 3 + k % 2 * 2);
}

static void check_range(int split, uint64_t first, uint64_t end, const t2i_vocab *vocab)
{
    t2i_rows rows;
    size_t wrong = 0;
    OK(t2i_rows_load(&rows, &(t2i_row_range){dataset, split, first, end, vocab, 64, 1}, &err));
    CU_ASSERT_EQUAL(rows.count, end - first);
    for (size_t i = 0; i < rows.count; i++) {
        uint32_t pair = nth(split, first + i);
        wrong += rows.pair[i] != pair || rows.user_row[i] != 2 * pair ||
                 rows.row[i].length != LETTERS || rows.image[i] != pair % PICTURES;
        for (size_t k = 0; k < LETTERS; k++)
            wrong += vocab->name[rows.row[i].ids[k]][0] != many_bytes[pair * LETTERS + k];
    }
    CU_ASSERT_EQUAL(wrong, 0);
    t2i_rows_free(&rows);
}

static void test_many(void)
{
    t2i_vocab vocab;
    uint64_t counts[T2I_SPLITS];
    write_many();
    OK(t2i_dataset_open(&dataset, path, &err));
    OK(t2i_rows_vocab(&vocab, dataset, 1, &err));
    CU_ASSERT_EQUAL(vocab.size, 13); /* digits, p, two specials */
    OK(t2i_rows_count(dataset, counts, &err));
    CU_ASSERT_TRUE(counts[T2I_VALIDATION] == 6667 && counts[T2I_TRAIN] == MANY - 6667);
    static const uint64_t ranges[][2] = {{0, MANY},      {0, 1},        {8191, 8192},
                                         {8192, 8193},   {8191, 8193},  {8000, 17000},
                                         {16383, 16385}, {16384, MANY}, {MANY - 1, MANY}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        check_range(T2I_ANY_SPLIT, ranges[i][0], ranges[i][1], &vocab);
    for (int split = T2I_TRAIN; split <= T2I_VALIDATION; split++)
        for (uint64_t part = 0; part < 8; part++) /* as eight ranks would */
            check_range(split, counts[split] * part / 8, counts[split] * (part + 1) / 8, &vocab);
    t2i_vocab_free(&vocab);
    t2i_dataset_close(dataset);
    unlink(path);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"rows of each split; the training prompts' characters", test_counts_and_vocab},
        {"any range of the training rows", test_load_training},
        {"other splits, unknown characters", test_other_splits},
        {"prompts that are cut", test_cut_prompts},
        {"more pairs than are read at a time", test_many},
    };
    if (begin_folder("rows") != 0) return 1;
    int failed = t2i_test_main("rows", tests, sizeof tests / sizeof *tests);
    end_folder();
    return failed;
}
