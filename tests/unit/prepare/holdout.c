/* holdout: pictures kept out of training by group, and none that looks like one in training. */
#include "prepare/holdout.h"

#include "test.h"

static t2i_error err;

enum { IMAGES = 40 };
static uint8_t colour[IMAGES]; /* a picture is one colour */

static t2i_status read_pictures(void *context, size_t first, size_t count, uint8_t *pixels,
                                float *features, t2i_error *why)
{
    (void)context;
    (void)why;
    CU_ASSERT(features == NULL);
    for (size_t i = 0; i < count; i++)
        memset(pixels + i * T2I_PICTURE, colour[first + i], T2I_PICTURE);
    return T2I_OK;
}

/* 40 pictures with two pairs each, in groups of `together`. */
static t2i_pair_set make_set(uint32_t together)
{
    t2i_pair_set set = {.pairs = 0};
    char name[32];
    for (uint32_t i = 0; i < IMAGES; i++) {
        colour[i] = (uint8_t)i;
        snprintf(name, sizeof name, "picture %u", i);
        OK(t2i_pairs_set_image(&set, name, i / together, &err));
        OK(t2i_pairs_set_pair(&set, name, strlen(name), i, 2 * i, T2I_TRAIN, &err));
        OK(t2i_pairs_set_pair(&set, "again", 5, i, 2 * i + 1, T2I_TRAIN, &err));
    }
    return set;
}

static size_t split(t2i_pair_set *set, double share, uint64_t seed)
{
    const t2i_pictures pictures = {read_pictures, NULL, T2I_SIDE};
    size_t held = 0;
    OK(t2i_holdout_split(set, &pictures, share, seed, &err));
    for (size_t i = 0; i < set->pairs; i++) {
        CU_ASSERT(set->split[i] == T2I_TRAIN || set->split[i] == T2I_VALIDATION);
        held += set->split[i] == T2I_VALIDATION;
    }
    return held;
}

static void test_share(void)
{
    static const struct {
        double share;
        size_t held;
    } cases[] = {{0, 0}, {0.02, 0}, {0.1, 8}, {0.3, 24}, {0.9, 72}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        t2i_pair_set set = make_set(1);
        CU_ASSERT_EQUAL(split(&set, cases[c].share, 1), cases[c].held);
        for (size_t i = 0; i < set.pairs; i += 2) CU_ASSERT_EQUAL(set.split[i], set.split[i + 1]);
        t2i_pairs_set_free(&set);
    }
}

static void test_groups_stay_together(void)
{
    t2i_pair_set set = make_set(4);
    CU_ASSERT_EQUAL(split(&set, 0.25, 7), 16); /* 2 of 10 groups */
    for (size_t i = 0; i < set.pairs; i++) CU_ASSERT_EQUAL(set.split[i], set.split[i / 8 * 8]);
    t2i_pairs_set_free(&set);
}

static void test_seed_chooses(void)
{
    t2i_pair_set a = make_set(1), b = make_set(1), c = make_set(1);
    split(&a, 0.5, 1);
    split(&b, 0.5, 1);
    split(&c, 0.5, 2);
    CU_ASSERT(memcmp(a.split, b.split, a.pairs) == 0);
    CU_ASSERT(memcmp(a.split, c.split, a.pairs) != 0);
    t2i_pairs_set_free(&a);
    t2i_pairs_set_free(&b);
    t2i_pairs_set_free(&c);
}

/* Pictures 0 and 39, 1 and 20 and 30 are the same ones under other names. */
static void test_alike_stay_together(void)
{
    for (uint64_t seed = 1; seed < 30; seed++) {
        t2i_pair_set set = make_set(2); /* groups {0, 1}, {20, 21}, {30, 31}, {38, 39} */
        colour[39] = colour[0];
        colour[20] = colour[30] = colour[1];
        CU_ASSERT_EQUAL(split(&set, 0.5, seed) % 4, 0);
        uint8_t side = set.split[0];
        static const size_t same[] = {1, 20, 21, 30, 31, 38, 39};
        for (size_t i = 0; i < 7; i++) CU_ASSERT_EQUAL(set.split[2 * same[i]], side);
        t2i_pairs_set_free(&set);
    }
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a share of the pictures, rounded down", test_share},
        {"groups stay together", test_groups_stay_together},
        {"the seed chooses", test_seed_chooses},
        {"pictures that look alike stay together", test_alike_stay_together},
    };
    return t2i_test_main("holdout", tests, sizeof tests / sizeof *tests);
}
