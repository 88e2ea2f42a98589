/* augment: what may become of a prompt, how often, and that only seed, step and position decide. */
#include "train/augment.h"

#include <string.h>

#include "test.h"

static const t2i_augment_options always = {.fraction = 1, .seed = 7, .space = 0, .unknown = 99};

/* Letters a..z are 1..26, the blank is 0. */
static size_t encode(const char *text, uint16_t *ids)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) ids[i] = text[i] == ' ' ? 0 : (uint16_t)(text[i] - 'a' + 1);
    return length;
}

static void decode(const uint16_t *ids, size_t length, char *text)
{
    for (size_t i = 0; i < length; i++)
        text[i] = ids[i] == 99 ? '?' : ids[i] == 0 ? ' ' : (char)(ids[i] + 'a' - 1);
    text[length] = '\0';
}

static void change(const t2i_augment_options *o, uint64_t step, uint64_t position, const char *from,
                   char *to)
{
    uint16_t ids[64], out[64];
    size_t length = encode(from, ids);
    size_t now = t2i_augment(o, step, position, ids, length, out);
    CU_ASSERT(now <= length);
    decode(out, now, to);
}

static void test_share(void)
{
    char to[65];
    for (int k = 0; k <= 4; k++) {
        t2i_augment_options o = always;
        int changed = 0;
        o.fraction = k / 4.0;
        for (uint64_t i = 0; i < 2000; i++) {
            change(&o, 1, i, "one two three four five", to);
            changed += strcmp(to, "one two three four five") != 0;
        }
        /* of those chosen, few are as they were: all words stay by chance, an end of a short word
         */
        CU_ASSERT_DOUBLE_EQUAL(changed / 2000.0, o.fraction * 0.88, 0.06);
        if (k == 0) CU_ASSERT_EQUAL(changed, 0);
    }
}

/* Every kind of change occurs, and nothing else. */
static void test_kinds(void)
{
    int dropped = 0, swapped = 0, shorter = 0, unknown = 0, cut = 0;
    char to[65];
    for (uint64_t i = 0; i < 4000; i++) {
        change(&always, 3, i, "orange yellow", to);
        if (strcmp(to, "orange") == 0 || strcmp(to, "yellow") == 0)
            dropped++;
        else if (strcmp(to, "yellow orange") == 0)
            swapped++;
        else if (strchr(to, '?') != NULL && strlen(to) == 13)
            unknown++;
        else if (strncmp(to, "orange yel", 10) == 0 || strcmp(to, "orang yellow") == 0 ||
                 strcmp(to, "oran yellow") == 0 || strcmp(to, "ora yellow") == 0)
            cut += strlen(to) < 13;
        else if (strlen(to) == 12)
            shorter++;
        else
            CU_ASSERT_STRING_EQUAL(to, "orange yellow");
    }
    /* one or both words go: 0.4 x (1 - E[(1 - loses)^2]) = 0.4 x 0.676 */
    CU_ASSERT_DOUBLE_EQUAL(dropped / 4000.0, 0.27, 0.03);
    CU_ASSERT_DOUBLE_EQUAL(swapped / 4000.0, 0.15, 0.02);
    CU_ASSERT_DOUBLE_EQUAL(unknown / 4000.0, 0.1125, 0.02);
    /* a character that goes may be an end: 4 of 13 places in "yellow" and "orange" look like one */
    CU_ASSERT_DOUBLE_EQUAL(cut / 4000.0, 0.225 + 0.1125 * 4 / 13, 0.03);
    CU_ASSERT_DOUBLE_EQUAL(shorter / 4000.0, 0.1125 * 9 / 13, 0.02);
}

static void test_edges(void)
{
    char to[65];
    t2i_augment_options o = always;
    for (uint64_t i = 0; i < 300; i++) {
        change(&always, 1, i, "", to);
        CU_ASSERT_STRING_EQUAL(to, "");
        change(&always, 1, i, "cat", to);
        CU_ASSERT_STRING_EQUAL(to, "cat");
        change(&always, 1, i, " ", to);
        CU_ASSERT_STRING_EQUAL(to, " ");
        change(&always, 1, i, "a b c d e f g h i j", to);
        CU_ASSERT(strlen(to) >= 1);
        change(&always, 1, i, "squinting", to);
        CU_ASSERT(strncmp(to, "squint", 6) == 0 || strlen(to) >= 8);
    }
    o.space = -1; /* a vocabulary without blank: one word */
    for (uint64_t i = 0; i < 300; i++) {
        change(&o, 1, i, "ab cd", to);
        CU_ASSERT((strlen(to) >= 3 && strlen(to) < 5) || strchr(to, '?') != NULL);
    }
}

static void test_pure(void)
{
    char a[65], b[65];
    int by_step = 0, by_place = 0, by_seed = 0;
    t2i_augment_options other = always;
    other.seed = 8;
    for (uint64_t i = 0; i < 200; i++) {
        change(&always, 5, i, "one two three four", a);
        change(&always, 5, i, "one two three four", b);
        CU_ASSERT_STRING_EQUAL(a, b);
        change(&always, 6, i, "one two three four", b);
        by_step += strcmp(a, b) != 0;
        change(&always, 5, i + 1, "one two three four", b);
        by_place += strcmp(a, b) != 0;
        change(&other, 5, i, "one two three four", b);
        by_seed += strcmp(a, b) != 0;
    }
    CU_ASSERT(by_step > 100 && by_place > 100 && by_seed > 100);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"a share of the prompts", test_share},
        {"kinds of change", test_kinds},
        {"prompts at the edges", test_edges},
        {"a function of seed, step and position", test_pure},
    };
    return t2i_test_main("augment", tests, sizeof tests / sizeof *tests);
}
