#include "prepare/emoji_split.h"

#include <string.h>

#include "dataset/dataset.h"
#include "image/emoji_font.h"
#include "base/mem.h"
#include "base/rng.h"

enum { PEOPLE_MAX = 7 };
static const double GROUPS_HELD = 0.03, PROMPTS_HELD = 0.10, PROMPTS_VALIDATION = 0.02;

/* ---- groups ---- */

enum {
    JOINER = 0x200d,
    FEMALE = 0x2640,
    MALE = 0x2642,
    PERSON = 0x1f9d1,
    CHILD = 0x1f9d2,
    FAMILY = 0x1f46a,
    KISS = 0x1f48f,
    COUPLE = 0x1f491,
    HANDS_HELD = 0x1f46d,
    HANDSHAKE = 0x1f91d,
    HEART = 0x2764,
    KISS_MARK = 0x1f48b
};

/* Characters that differ in gender, and their common character. */
static const uint32_t alike[][2] = {
    {0x1f468, PERSON},     {0x1f469, PERSON},     /* man, woman */
    {0x1f466, CHILD},      {0x1f467, CHILD},      /* boy, girl */
    {0x1f474, 0x1f9d3},    {0x1f475, 0x1f9d3},    /* old man, old woman */
    {0x1f478, 0x1fac5},    {0x1f934, 0x1fac5},    /* princess, prince; crown */
    {0x1f57a, 0x1f483},                           /* dancing */
    {0x1f936, 0x1f385},                           /* Mrs. Claus, Santa Claus */
    {0x1f930, 0x1fac4},    {0x1fac3, 0x1fac4},    /* pregnant */
    {0x1f46b, HANDS_HELD}, {0x1f46c, HANDS_HELD}, /* two people */
};

/* Sequences of people, after the replacements above, and their common character. */
static const struct {
    uint32_t code[PEOPLE_MAX], is;
} couples[] = {
    {{PERSON, JOINER, HANDSHAKE, JOINER, PERSON}, HANDS_HELD},
    {{PERSON, JOINER, HEART, JOINER, PERSON}, COUPLE},
    {{PERSON, JOINER, HEART, JOINER, KISS_MARK, JOINER, PERSON}, KISS},
    {{0x1faf1, JOINER, 0x1faf2}, HANDSHAKE},
    {{PERSON, JOINER, 0x1f384}, 0x1f385}, /* mx claus */
};

static int is_modifier(uint32_t code)
{
    return code == T2I_EMOJI_FE0F || (code >= 0x1f3fb && code <= 0x1f3ff);
}

/* True for a sequence of people only whose last is a child. */
static int is_family(const uint32_t *code, size_t count)
{
    if (count < 3 || count % 2 == 0 || code[count - 1] != CHILD) return 0;
    for (size_t i = 0; i < count; i++)
        if (i % 2 == 0 ? code[i] != PERSON && code[i] != CHILD : code[i] != JOINER) return 0;
    return 1;
}

/* Removes skin tones, U+FE0F and gender signs. A skin tone alone stays. */
static size_t strip(uint32_t *code, size_t count)
{
    size_t left = 0, kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_modifier(code[i]) || count == 1) code[left++] = code[i];
    for (size_t i = 0; i < left; i++) {
        if (code[i] == JOINER && i + 1 < left && (code[i + 1] == FEMALE || code[i + 1] == MALE))
            i++;
        else
            code[kept++] = code[i];
    }
    return kept;
}

static uint32_t neutral(uint32_t code)
{
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (code == alike[i][0]) return alike[i][1];
    return code;
}

size_t t2i_emoji_split_group(uint32_t *code, size_t count)
{
    count = strip(code, count);
    for (size_t i = 0; i < count; i++) code[i] = neutral(code[i]);
    uint32_t is = is_family(code, count) ? FAMILY : 0;
    for (size_t k = 0; k < sizeof couples / sizeof *couples; k++) {
        size_t length = 0;
        while (length < PEOPLE_MAX && couples[k].code[length] != 0) length++;
        if (count == length && memcmp(code, couples[k].code, length * sizeof *code) == 0)
            is = couples[k].is;
    }
    if (is == 0) return count;
    code[0] = is;
    return 1;
}

/* ---- splits ---- */

#define SHARED UINT32_MAX

typedef struct {
    const t2i_emoji_pairs *pairs;
    uint64_t seed;
    uint32_t *begin; /* prompts + 1: where the pictures of each prompt begin in `picture` */
    uint32_t *picture;
    uint32_t *only;  /* of each prompt: the group of all its pictures, or SHARED */
    uint8_t *unseen; /* of each picture */
    uint8_t *owns;   /* of each picture: has a prompt that no other group has */
    uint8_t *may;    /* of each group: all its pictures do, so it may be held out */
    uint32_t *left;  /* of each picture: number of training prompts left */
    uint8_t *state;  /* of each prompt: its split if it is held out */
} splitter;

static t2i_status allocate(splitter *s, t2i_error *err)
{
    const t2i_emoji_pairs *p = s->pairs;
    s->begin = t2i_alloc(p->prompts + 1, sizeof *s->begin);
    s->picture = t2i_alloc(p->pairs, sizeof *s->picture);
    s->only = t2i_alloc(p->prompts, sizeof *s->only);
    s->unseen = t2i_alloc(p->images, 1);
    s->owns = t2i_alloc(p->images, 1);
    s->may = t2i_alloc(p->groups, 1);
    s->left = t2i_alloc(p->images, sizeof *s->left);
    s->state = t2i_alloc(p->prompts, 1);
    if (s->begin != NULL && s->picture != NULL && s->only != NULL && s->unseen != NULL &&
        s->owns != NULL && s->may != NULL && s->left != NULL && s->state != NULL)
        return T2I_OK;
    return t2i_fail_memory(err, (p->pairs + 3 * p->prompts) * sizeof *s->begin, "the splits");
}

static void list_pictures(splitter *s)
{
    const t2i_emoji_pairs *p = s->pairs;
    for (size_t i = 0; i < p->pairs; i++) s->begin[p->prompt[i] + 1]++;
    for (size_t k = 0; k < p->prompts; k++) s->begin[k + 1] += s->begin[k];
    for (size_t i = 0; i < p->pairs; i++) s->picture[s->begin[p->prompt[i]]++] = p->image[i];
    for (size_t k = p->prompts; k > 0; k--)
        s->begin[k] = s->begin[k - 1]; /* undo the shift by the filling */
    if (p->prompts > 0) s->begin[0] = 0;
}

/* Finds the groups that could be evaluated if they were unseen. */
static void find_owned(splitter *s)
{
    const t2i_emoji_pairs *p = s->pairs;
    for (size_t k = 0; k < p->prompts; k++) {
        s->only[k] = p->group[s->picture[s->begin[k]]];
        for (size_t i = s->begin[k]; i < s->begin[k + 1]; i++)
            if (p->group[s->picture[i]] != s->only[k]) s->only[k] = SHARED;
        for (size_t i = s->begin[k]; s->only[k] != SHARED && i < s->begin[k + 1]; i++)
            s->owns[s->picture[i]] = 1;
    }
    memset(s->may, 1, p->groups);
    for (size_t m = 0; m < p->images; m++)
        if (!s->owns[m]) s->may[p->group[m]] = 0;
}

static void hold_groups(splitter *s)
{
    const t2i_emoji_pairs *p = s->pairs;
    size_t wanted = (size_t)(GROUPS_HELD * (double)p->groups), held = 0;
    for (size_t n = 0; n < p->groups && held < wanted; n++) {
        uint32_t group = (uint32_t)t2i_rng_permute(s->seed, T2I_STREAM_EMOJI_GROUPS, p->groups, n);
        if (!s->may[group]) continue;
        s->may[group] = 2;
        held++;
    }
    for (size_t m = 0; m < p->images; m++) s->unseen[m] = s->may[p->group[m]] == 2;
}

/* Number of training pictures of the prompt. */
static size_t seen_pictures(const splitter *s, size_t prompt)
{
    size_t seen = 0;
    for (size_t i = s->begin[prompt]; i < s->begin[prompt + 1]; i++)
        seen += !s->unseen[s->picture[i]];
    return seen;
}

static int may_hold(const splitter *s, size_t prompt)
{
    size_t count = s->begin[prompt + 1] - s->begin[prompt];
    if (s->state[prompt] != T2I_TRAIN || count > T2I_EMOJI_HELD_MAX ||
        seen_pictures(s, prompt) < count)
        return 0;
    for (size_t i = s->begin[prompt]; i < s->begin[prompt + 1]; i++)
        if (s->left[s->picture[i]] < 2) return 0;
    return 1;
}

/* Continues at *at of a random order until `wanted` prompts are in the split. */
static void hold_prompts(splitter *s, size_t wanted, uint8_t split, size_t *at)
{
    size_t prompts = s->pairs->prompts;
    for (; *at < prompts && wanted > 0; ++*at) {
        size_t prompt = (size_t)t2i_rng_permute(s->seed, T2I_STREAM_EMOJI_PROMPTS, prompts, *at);
        if (!may_hold(s, prompt)) continue;
        for (size_t i = s->begin[prompt]; i < s->begin[prompt + 1]; i++) s->left[s->picture[i]]--;
        s->state[prompt] = split;
        wanted--;
    }
}

static void split_pairs(splitter *s, uint8_t *split)
{
    const t2i_emoji_pairs *p = s->pairs;
    size_t seen = 0, at = 0;
    list_pictures(s);
    find_owned(s);
    hold_groups(s);
    for (size_t k = 0; k < p->prompts; k++) {
        if (seen_pictures(s, k) > 0)
            seen++;
        else
            s->state[k] = T2I_UNSEEN_PICTURES;
    }
    for (size_t i = 0; i < p->pairs; i++) s->left[p->image[i]]++;
    hold_prompts(s, (size_t)(PROMPTS_HELD * (double)seen), T2I_UNSEEN_PROMPTS, &at);
    hold_prompts(s, (size_t)(PROMPTS_VALIDATION * (double)seen), T2I_VALIDATION, &at);
    for (size_t i = 0; i < p->pairs; i++) {
        int lost = s->unseen[p->image[i]] && s->state[p->prompt[i]] != T2I_UNSEEN_PICTURES;
        split[i] = lost ? T2I_EMOJI_LEFT_OUT : s->state[p->prompt[i]];
    }
}

t2i_status t2i_emoji_split(const t2i_emoji_pairs *pairs, uint64_t seed, uint8_t *split,
                           t2i_error *err)
{
    splitter s = {.pairs = pairs, .seed = seed};
    t2i_status status = allocate(&s, err);
    if (status == T2I_OK) split_pairs(&s, split);
    void *all[] = {s.begin, s.picture, s.only, s.unseen, s.owns, s.may, s.left, s.state};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    return status;
}
