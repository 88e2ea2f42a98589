/* emoji_split: what belongs together stays together, and no held-out prompt is in training. */
#include "prepare/emoji_split.h"

#include "test.h"
#include "dataset/dataset.h"
#include "base/rng.h"

static t2i_error err;

enum { LONGEST = 12 };

static size_t group(const uint32_t *code, uint32_t out[LONGEST])
{
    size_t count = 0;
    memset(out, 0, LONGEST * sizeof *out);
    while (count < LONGEST && code[count] != 0) count++;
    memcpy(out, code, count * sizeof *out);
    size_t left = t2i_emoji_split_group(out, count);
    CU_ASSERT(left >= 1 && left <= count);
    memset(out + left, 0, (LONGEST - left) * sizeof *out);
    return left;
}

/* Each row is one group; no two rows are. */
static void groups(void)
{
    enum { ROWS = 17, MEMBERS = 6 };
    static const uint32_t rows[ROWS][MEMBERS][LONGEST] = {
        {{0x1f44d}, {0x1f44d, 0x1f3fb}, {0x1f44d, 0x1f3ff}, {0x1f44d, 0xfe0f}},
        /* runner, of any gender and tone */
        {{0x1f3c3},
         {0x1f3c3, 0x200d, 0x2640},
         {0x1f3c3, 0x1f3fd, 0x200d, 0x2642, 0xfe0f},
         {0x1f3c3, 0x1f3fd}},
        /* technologist */
        {{0x1f9d1, 0x200d, 0x1f4bb},
         {0x1f468, 0x200d, 0x1f4bb},
         {0x1f469, 0x1f3fe, 0x200d, 0x1f4bb}},
        {{0x1f9d1}, {0x1f468}, {0x1f469}, {0x1f469, 0x1f3fb}},
        {{0x1f9d2}, {0x1f466}, {0x1f467, 0x1f3fb}},
        {{0x1f46a},
         {0x1f468, 0x200d, 0x1f469, 0x200d, 0x1f466},
         {0x1f469, 0x200d, 0x1f466, 0x200d, 0x1f466},
         {0x1f469, 0x200d, 0x1f467}},
        {{0x1f48f},
         {0x1f469, 0x200d, 0x2764, 0x200d, 0x1f48b, 0x200d, 0x1f468},
         {0x1f9d1, 0x1f3fb, 0x200d, 0x2764, 0xfe0f, 0x200d, 0x1f48b, 0x200d, 0x1f9d1, 0x1f3fd}},
        {{0x1f491}, {0x1f491, 0x1f3fb}, {0x1f468, 0x200d, 0x2764, 0x200d, 0x1f468}},
        {{0x1f46d},
         {0x1f46b},
         {0x1f46c, 0x1f3fb},
         {0x1f9d1, 0x1f3fb, 0x200d, 0x1f91d, 0x200d, 0x1f9d1, 0x1f3fc}},
        {{0x1f91d}, {0x1f91d, 0x1f3fb}, {0x1faf1, 0x1f3fb, 0x200d, 0x1faf2, 0x1f3fc}},
        {{0x1faf1}, {0x1faf1, 0x1f3fb}},
        {{0x1f1e9, 0x1f1ea}},
        {{0x1f1ea, 0x1f1e9}},
        {{0x31, 0x20e3}, {0x31, 0xfe0f, 0x20e3}},
        {{0x2640}, {0x2640, 0xfe0f}},
        {{0x1f3fb}},
        {{0x1f9d1, 0x200d, 0x1f9d1}}, /* two people are no family */
    };
    uint32_t first[ROWS][LONGEST], other[LONGEST];
    for (size_t r = 0; r < ROWS; r++) {
        group(rows[r][0], first[r]);
        for (size_t m = 1; m < MEMBERS && rows[r][m][0] != 0; m++) {
            group(rows[r][m], other);
            CU_ASSERT(memcmp(first[r], other, sizeof other) == 0);
        }
        for (size_t q = 0; q < r; q++) CU_ASSERT(memcmp(first[r], first[q], sizeof other) != 0);
        /* a group's sequence is its own group */
        group(first[r], other);
        CU_ASSERT(memcmp(first[r], other, sizeof other) == 0);
    }
    CU_ASSERT_EQUAL(t2i_emoji_split_group(other, 0), 0);
}

/* ---- splits ---- */

enum { GROUPS = 200, EACH = 3, IMAGES = GROUPS * EACH, OWN = 2, FEW = 60, MANY = 10, HEAVY = 100 };
enum { PROMPTS = IMAGES * OWN + FEW + MANY, PAIRS = IMAGES * OWN + FEW * 5 + MANY * HEAVY };

typedef struct {
    uint32_t prompt[PAIRS], image[PAIRS], group[IMAGES];
    uint8_t split[PAIRS];
    t2i_emoji_pairs pairs;
} sample;

/* Groups of three pictures; each picture has two prompts of its own, some prompts have five
 * pictures, and a few a hundred. */
static sample *make_sample(void)
{
    sample *s = t2i_alloc(1, sizeof *s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    size_t n = 0;
    for (uint32_t m = 0; m < IMAGES; m++) {
        s->group[m] = m / EACH;
        for (uint32_t k = 0; k < OWN; k++, n++) {
            s->prompt[n] = m * OWN + k;
            s->image[n] = m;
        }
    }
    for (uint32_t k = 0; k < FEW + MANY; k++)
        for (uint32_t i = 0; i < (k < FEW ? 5u : HEAVY); i++, n++) {
            s->prompt[n] = IMAGES * OWN + k;
            s->image[n] = (uint32_t)t2i_rng_permute(9, k, IMAGES, i);
        }
    CU_ASSERT_EQUAL(n, PAIRS);
    s->pairs = (t2i_emoji_pairs){.pairs = PAIRS,
                                 .prompts = PROMPTS,
                                 .images = IMAGES,
                                 .groups = GROUPS,
                                 .prompt = s->prompt,
                                 .image = s->image,
                                 .group = s->group};
    return s;
}

/* Counts pairs of each split for each picture and prompt, and checks what must hold. */
static void check(const sample *s, size_t unseen_groups)
{
    static size_t image[IMAGES][256], prompt[PROMPTS][256];
    size_t unseen = 0, held[T2I_SPLITS] = {0}, lost = 0;
    memset(image, 0, sizeof image);
    memset(prompt, 0, sizeof prompt);
    for (size_t i = 0; i < PAIRS; i++) {
        CU_ASSERT(s->split[i] < T2I_SPLITS || s->split[i] == T2I_EMOJI_LEFT_OUT);
        image[s->image[i]][s->split[i]]++;
        prompt[s->prompt[i]][s->split[i]]++;
    }
    for (size_t m = 0; m < IMAGES; m++) {
        int is_unseen = image[m][T2I_UNSEEN_PICTURES] > 0;
        unseen += (size_t)is_unseen;
        CU_ASSERT_EQUAL(is_unseen, image[m / EACH * EACH][T2I_UNSEEN_PICTURES] > 0);
        CU_ASSERT_EQUAL(image[m][T2I_TRAIN] == 0, is_unseen);
        for (int k = T2I_VALIDATION; k <= T2I_UNSEEN_PROMPTS; k++)
            CU_ASSERT(!is_unseen || image[m][k] == 0);
        CU_ASSERT(is_unseen || image[m][T2I_EMOJI_LEFT_OUT] == 0);
        lost += image[m][T2I_EMOJI_LEFT_OUT];
    }
    CU_ASSERT_EQUAL(unseen, unseen_groups * EACH);
    CU_ASSERT(lost > 0);
    for (size_t k = 0; k < PROMPTS; k++) {
        int splits = 0;
        for (int i = 0; i < T2I_SPLITS; i++) {
            splits += prompt[k][i] > 0;
            held[i] += prompt[k][i] > 0;
        }
        CU_ASSERT_EQUAL(splits, 1); /* a prompt is of one split alone */
        CU_ASSERT(k < IMAGES * OWN + FEW || prompt[k][T2I_TRAIN] > 0);
    }
    size_t seen = PROMPTS - held[T2I_UNSEEN_PICTURES];
    CU_ASSERT_EQUAL(held[T2I_UNSEEN_PROMPTS], seen / 10);
    CU_ASSERT_EQUAL(held[T2I_VALIDATION], seen / 50);
}

static void splits(void)
{
    sample *s = make_sample();
    uint8_t *before = t2i_alloc(PAIRS, 1);
    for (uint64_t seed = 0; seed < 40; seed++) {
        OK(t2i_emoji_split(&s->pairs, seed, s->split, &err));
        check(s, GROUPS * 3 / 100);
        CU_ASSERT(memcmp(before, s->split, PAIRS) != 0); /* than of the seed before */
        memcpy(before, s->split, PAIRS);
        OK(t2i_emoji_split(&s->pairs, seed, s->split, &err));
        CU_ASSERT(memcmp(before, s->split, PAIRS) == 0);
    }
    t2i_free(before);
    t2i_free(s);
}

/* One group: no picture is held out, and the seed chooses prompts. */
static void prompts_by_seed(void)
{
    sample *s = make_sample();
    uint8_t *before = t2i_alloc(PAIRS, 1);
    memset(s->group, 0, sizeof s->group);
    s->pairs.groups = 1;
    for (uint64_t seed = 0; seed < 5; seed++) {
        OK(t2i_emoji_split(&s->pairs, seed, s->split, &err));
        CU_ASSERT(memcmp(before, s->split, PAIRS) != 0);
        memcpy(before, s->split, PAIRS);
        CU_ASSERT_PTR_NULL(memchr(s->split, T2I_UNSEEN_PICTURES, PAIRS));
        CU_ASSERT_PTR_NULL(memchr(s->split, T2I_EMOJI_LEFT_OUT, PAIRS));
        CU_ASSERT_PTR_NOT_NULL(memchr(s->split, T2I_UNSEEN_PROMPTS, PAIRS));
    }
    t2i_free(before);
    t2i_free(s);
}

/* Pictures that have but one prompt each, all of them shared: nothing can be held out. */
static void nothing_to_hold(void)
{
    sample *s = make_sample();
    for (uint32_t m = 0; m < IMAGES; m++) {
        s->image[m] = m;
        s->prompt[m] = m % 50;
    }
    s->pairs.pairs = IMAGES;
    s->pairs.prompts = 50;
    OK(t2i_emoji_split(&s->pairs, 1, s->split, &err));
    for (size_t i = 0; i < IMAGES; i++) CU_ASSERT_EQUAL(s->split[i], T2I_TRAIN);
    t2i_free(s);
}

int main(void)
{
    static const t2i_test tests[] = {{"groups", groups},
                                     {"splits", splits},
                                     {"prompts by seed", prompts_by_seed},
                                     {"nothing to hold out", nothing_to_hold}};
    return t2i_test_main("emoji_split", tests, sizeof tests / sizeof *tests);
}
