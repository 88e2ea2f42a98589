#include "prepare/emoji_split.h"

#include <string.h>

#include "dataset/dataset.h"
#include "image/emoji_font.h"
#include "base/mem.h"
#include "base/rng.h"

enum { STREAM_GROUPS = 5, STREAM_PROMPTS = 6, PEOPLE_MAX = 7 };
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

/* Genders that have a character of their own. */
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

/* Sequences of people (after the above), and the character that they are. */
static const struct {
    uint32_t code[PEOPLE_MAX], is;
} couples[] = {
    {{PERSON, JOINER, HANDSHAKE, JOINER, PERSON}, HANDS_HELD},
    {{PERSON, JOINER, HEART, JOINER, PERSON}, COUPLE},
    {{PERSON, JOINER, HEART, JOINER, KISS_MARK, JOINER, PERSON}, KISS},
    {{0x1faf1, JOINER, 0x1faf2}, HANDSHAKE},
    {{PERSON, JOINER, 0x1f384}, 0x1f385}, /* mx claus */
};

static int says_little(uint32_t code)
{
    return code == T2I_EMOJI_FE0F || (code >= 0x1f3fb && code <= 0x1f3ff);
}

/* People, the last of them a child, and nobody else. */
static int is_family(const uint32_t *code, size_t count)
{
    if (count < 3 || count % 2 == 0 || code[count - 1] != CHILD) return 0;
    for (size_t i = 0; i < count; i++)
        if (i % 2 == 0 ? code[i] != PERSON && code[i] != CHILD : code[i] != JOINER) return 0;
    return 1;
}

/* Without skin tones, U+FE0F and gender signs; a skin tone that stands alone stays. */
static size_t strip(uint32_t *code, size_t count)
{
    size_t left = 0, kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!says_little(code[i]) || count == 1) code[left++] = code[i];
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

size_t t2i_emoji_group(uint32_t *code, size_t count)
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
    uint32_t *begin; /* of each prompt, and one more: its pictures in `picture` */
    uint32_t *picture;
    uint32_t *only;  /* of each prompt: the one group that all its pictures are of, or SHARED */
    uint8_t *unseen; /* of each picture */
    uint8_t *owns;   /* of each picture: it has a prompt that no other group has */
    uint8_t *may;    /* of each group: all its pictures do */
    uint32_t *left;  /* of each picture: its training prompts */
    uint8_t *state;  /* of each prompt: its split where it was held out */
} job;

static t2i_status make_room(job *j, t2i_error *err)
{
    const t2i_emoji_pairs *p = j->pairs;
    j->begin = t2i_alloc(p->prompts + 1, sizeof *j->begin);
    j->picture = t2i_alloc(p->pairs, sizeof *j->picture);
    j->only = t2i_alloc(p->prompts, sizeof *j->only);
    j->unseen = t2i_alloc(p->images, 1);
    j->owns = t2i_alloc(p->images, 1);
    j->may = t2i_alloc(p->groups, 1);
    j->left = t2i_alloc(p->images, sizeof *j->left);
    j->state = t2i_alloc(p->prompts, 1);
    if (j->begin != NULL && j->picture != NULL && j->only != NULL && j->unseen != NULL &&
        j->owns != NULL && j->may != NULL && j->left != NULL && j->state != NULL)
        return T2I_OK;
    return t2i_fail_memory(err, (p->pairs + 3 * p->prompts) * sizeof *j->begin, "the splits");
}

static void list_pictures(job *j)
{
    const t2i_emoji_pairs *p = j->pairs;
    for (size_t i = 0; i < p->pairs; i++) j->begin[p->prompt[i] + 1]++;
    for (size_t k = 0; k < p->prompts; k++) j->begin[k + 1] += j->begin[k];
    for (size_t i = 0; i < p->pairs; i++) j->picture[j->begin[p->prompt[i]]++] = p->image[i];
    for (size_t k = p->prompts; k > 0; k--)
        j->begin[k] = j->begin[k - 1]; /* moved by the filling */
    if (p->prompts > 0) j->begin[0] = 0;
}

/* Which groups could be asked for if they were unseen? */
static void find_owned(job *j)
{
    const t2i_emoji_pairs *p = j->pairs;
    for (size_t k = 0; k < p->prompts; k++) {
        j->only[k] = p->group[j->picture[j->begin[k]]];
        for (size_t i = j->begin[k]; i < j->begin[k + 1]; i++)
            if (p->group[j->picture[i]] != j->only[k]) j->only[k] = SHARED;
        for (size_t i = j->begin[k]; j->only[k] != SHARED && i < j->begin[k + 1]; i++)
            j->owns[j->picture[i]] = 1;
    }
    memset(j->may, 1, p->groups);
    for (size_t m = 0; m < p->images; m++)
        if (!j->owns[m]) j->may[p->group[m]] = 0;
}

static void hold_groups(job *j)
{
    const t2i_emoji_pairs *p = j->pairs;
    size_t wanted = (size_t)(GROUPS_HELD * (double)p->groups), held = 0;
    for (size_t n = 0; n < p->groups && held < wanted; n++) {
        uint32_t group = (uint32_t)t2i_rng_permute(j->seed, STREAM_GROUPS, p->groups, n);
        if (!j->may[group]) continue;
        j->may[group] = 2;
        held++;
    }
    for (size_t m = 0; m < p->images; m++) j->unseen[m] = j->may[p->group[m]] == 2;
}

/* Pictures in training that the prompt has. */
static size_t seen_pictures(const job *j, size_t prompt)
{
    size_t seen = 0;
    for (size_t i = j->begin[prompt]; i < j->begin[prompt + 1]; i++)
        seen += !j->unseen[j->picture[i]];
    return seen;
}

static int may_hold(const job *j, size_t prompt)
{
    size_t count = j->begin[prompt + 1] - j->begin[prompt];
    if (j->state[prompt] != T2I_TRAIN || count > T2I_EMOJI_MANY || seen_pictures(j, prompt) < count)
        return 0;
    for (size_t i = j->begin[prompt]; i < j->begin[prompt + 1]; i++)
        if (j->left[j->picture[i]] < 2) return 0;
    return 1;
}

/* Goes on at *at of a random order, until so many prompts are of that split. */
static void hold_prompts(job *j, size_t wanted, uint8_t split, size_t *at)
{
    size_t prompts = j->pairs->prompts;
    for (; *at < prompts && wanted > 0; ++*at) {
        size_t prompt = (size_t)t2i_rng_permute(j->seed, STREAM_PROMPTS, prompts, *at);
        if (!may_hold(j, prompt)) continue;
        for (size_t i = j->begin[prompt]; i < j->begin[prompt + 1]; i++) j->left[j->picture[i]]--;
        j->state[prompt] = split;
        wanted--;
    }
}

static void split_pairs(job *j, uint8_t *split)
{
    const t2i_emoji_pairs *p = j->pairs;
    size_t seen = 0, at = 0;
    list_pictures(j);
    find_owned(j);
    hold_groups(j);
    for (size_t k = 0; k < p->prompts; k++) {
        if (seen_pictures(j, k) > 0)
            seen++;
        else
            j->state[k] = T2I_UNSEEN_PICTURES;
    }
    for (size_t i = 0; i < p->pairs; i++) j->left[p->image[i]]++;
    hold_prompts(j, (size_t)(PROMPTS_HELD * (double)seen), T2I_UNSEEN_PROMPTS, &at);
    hold_prompts(j, (size_t)(PROMPTS_VALIDATION * (double)seen), T2I_VALIDATION, &at);
    for (size_t i = 0; i < p->pairs; i++) {
        int lost = j->unseen[p->image[i]] && j->state[p->prompt[i]] != T2I_UNSEEN_PICTURES;
        split[i] = lost ? T2I_EMOJI_LEFT_OUT : j->state[p->prompt[i]];
    }
}

t2i_status t2i_emoji_split(const t2i_emoji_pairs *pairs, uint64_t seed, uint8_t *split,
                           t2i_error *err)
{
    job j = {.pairs = pairs, .seed = seed};
    t2i_status status = make_room(&j, err);
    if (status == T2I_OK) split_pairs(&j, split);
    void *all[] = {j.begin, j.picture, j.only, j.unseen, j.owns, j.may, j.left, j.state};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    return status;
}
