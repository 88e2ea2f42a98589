/* join: what is added is made of a picture's own training prompts, and gives nothing away. */
#include "prepare/combine_prompts.h"

#include "test.h"
#include "dataset/dataset.h"

static t2i_error err;

static const struct {
    const char *prompt;
    size_t image;
    int split;
} given[] = {
    {"a", 0, T2I_TRAIN},
    {"b", 0, T2I_TRAIN},
    {"c", 0, T2I_TRAIN},
    {"d", 0, T2I_TRAIN},
    {"e", 0, T2I_TRAIN},
    {"b c", 0, T2I_TRAIN},
    {"alone", 1, T2I_TRAIN},
    {"held", 1, T2I_VALIDATION},
    {"x", 2, T2I_TRAIN},
    {"Y", 2, T2I_TRAIN},
    {"X y", 3, T2I_UNSEEN_PROMPTS},
    {"far", 3, T2I_UNSEEN_PICTURES},
    {"seventeen letters", 4, T2I_TRAIN},
};
enum { GIVEN = sizeof given / sizeof *given, IMAGES = 5, EACH = 100 };

static void make(t2i_pair_set *set)
{
    *set = (t2i_pair_set){.pairs = 0};
    for (size_t m = 0; m < IMAGES; m++) OK(t2i_pairs_set_image(set, "p", (uint32_t)m, &err));
    for (size_t i = 0; i < GIVEN; i++)
        OK(t2i_pairs_set_pair(set, given[i].prompt, strlen(given[i].prompt), given[i].image,
                              (uint32_t)(10 + i), given[i].split, &err));
}

static int is_prompt(const t2i_pair_set *set, size_t i, const char *text)
{
    size_t size = (size_t)(set->offset[i + 1] - set->offset[i]);
    return size == strlen(text) && memcmp(set->prompts.data + set->offset[i], text, size) == 0;
}

/* Of picture 0: 2 to 4 different ones of a, b, c, d, e, "b c". Returns how many; 0 if not so. */
static size_t parts(const t2i_pair_set *set, size_t i)
{
    size_t letters = 0, blanks = 0, seen[5] = {0};
    for (size_t at = (size_t)set->offset[i]; at < set->offset[i + 1]; at++) {
        char c = set->prompts.data[at];
        if (c >= 'a' && c <= 'e') seen[c - 'a']++;
        letters += c != ' ';
        blanks += c == ' ';
    }
    if (letters != blanks + 1 || letters > 5) return 0;
    for (size_t k = 0; k < 5; k++)
        if (seen[k] > 1 && !((k == 1 || k == 2) && seen[k] == 2)) return 0;
    return letters;
}

static void test_join(void)
{
    t2i_pair_set set;
    size_t added, of[IMAGES] = {0}, length[6] = {0};
    int xy = 0;
    make(&set);
    OK(t2i_combine_prompts(&set, EACH, 1, &added, &err));
    CU_ASSERT_EQUAL_FATAL(set.pairs, GIVEN + added);
    for (size_t i = 0; i < GIVEN; i++) CU_ASSERT_TRUE(is_prompt(&set, i, given[i].prompt));
    for (size_t i = GIVEN; i < set.pairs; i++) {
        of[set.image[i]]++;
        CU_ASSERT_EQUAL(set.split[i], T2I_TRAIN);
        CU_ASSERT_EQUAL(set.row[i], 10 + i);
        CU_ASSERT_TRUE(set.offset[i + 1] - set.offset[i] <= strlen("seventeen letters"));
        if (set.image[i] == 0) length[parts(&set, i)]++;
        if (set.image[i] == 2) CU_ASSERT_TRUE(is_prompt(&set, i, "Y x"));
        for (size_t k = 0; k < i; k++)
            if (set.image[k] == set.image[i])
                CU_ASSERT_FALSE(
                    set.offset[k + 1] - set.offset[k] == set.offset[i + 1] - set.offset[i] &&
                    memcmp(set.prompts.data + set.offset[k], set.prompts.data + set.offset[i],
                           (size_t)(set.offset[i + 1] - set.offset[i])) == 0);
        xy |= is_prompt(&set, i, "x Y");
    }
    CU_ASSERT_EQUAL(xy, 0);                     /* held out by another picture, if in capitals */
    CU_ASSERT_TRUE(of[0] > 50 && of[0] < EACH); /* some of a hundred draws come twice */
    CU_ASSERT_EQUAL(of[2], 1);
    CU_ASSERT_TRUE(of[1] == 0 && of[3] == 0 && of[4] == 0); /* one training prompt, or none */
    CU_ASSERT_EQUAL(length[0] + length[1], 0);
    CU_ASSERT_TRUE(length[2] > 10 && length[3] > 10 && length[4] > 5);
    t2i_pairs_set_free(&set);
}

static void test_seed(void)
{
    t2i_pair_set set[3];
    size_t added[3];
    for (size_t k = 0; k < 3; k++) {
        make(&set[k]);
        OK(t2i_combine_prompts(&set[k], 4, k == 2 ? 8 : 7, &added[k], &err));
    }
    CU_ASSERT_EQUAL(added[0], added[1]);
    CU_ASSERT_EQUAL(set[0].prompts.size, set[1].prompts.size);
    CU_ASSERT_EQUAL(memcmp(set[0].prompts.data, set[1].prompts.data, set[0].prompts.size), 0);
    CU_ASSERT_TRUE(set[2].prompts.size != set[0].prompts.size ||
                   memcmp(set[0].prompts.data, set[2].prompts.data, set[0].prompts.size) != 0);
    for (size_t k = 0; k < 3; k++) t2i_pairs_set_free(&set[k]);
}

static void test_nothing(void)
{
    t2i_pair_set set = {.pairs = 0};
    size_t added = 1;
    OK(t2i_combine_prompts(&set, 3, 1, &added, &err));
    CU_ASSERT_EQUAL(added, 0);
    t2i_pairs_set_free(&set);
    make(&set);
    OK(t2i_combine_prompts(&set, 0, 1, &added, &err));
    CU_ASSERT_TRUE(added == 0 && set.pairs == GIVEN);
    t2i_pairs_set_free(&set);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"several prompts of a picture become one", test_join},
        {"by seed", test_seed},
        {"nothing to join, or nothing wanted", test_nothing},
    };
    return t2i_test_main("join", tests, sizeof tests / sizeof *tests);
}
