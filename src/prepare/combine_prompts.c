#include "prepare/combine_prompts.h"

#include <string.h>

#include "base/mem.h"
#include "base/string_table.h"
#include "base/rng.h"

enum { PARTS_MAX = 4, DRAWS = 1 + PARTS_MAX /* random numbers per pair */ };

typedef struct {
    t2i_pair_set *set;
    uint64_t seed;
    size_t old, longest; /* number of given pairs, and bytes of their longest prompt */
    size_t *begin;       /* pictures + 1: where the training pairs of each begin in `pair` */
    uint32_t *pair;
    t2i_string_table held; /* held-out prompts in lower case */
    t2i_text joined;       /* the new prompt */
    t2i_text lower;        /* the same in lower case */
} combiner;

static t2i_status no_memory(t2i_error *err)
{
    return t2i_fail_memory(err, 16, "joined prompts");
}

static size_t length_of(const combiner *c, size_t pair)
{
    return (size_t)(c->set->offset[pair + 1] - c->set->offset[pair]);
}

static t2i_status list_pairs(combiner *c, t2i_error *err)
{
    const t2i_pair_set *set = c->set;
    c->begin = t2i_alloc(set->images + 2, sizeof *c->begin);
    c->pair = t2i_alloc(set->pairs, sizeof *c->pair);
    if (c->begin == NULL || c->pair == NULL) return no_memory(err);
    /* while filling, begin[m + 1] is the place of the next pair of picture m */
    for (size_t i = 0; i < set->pairs; i++)
        c->begin[set->image[i] + 2] += set->split[i] == T2I_TRAIN;
    for (size_t m = 0; m < set->images; m++) c->begin[m + 2] += c->begin[m + 1];
    for (size_t i = 0; i < set->pairs; i++)
        if (set->split[i] == T2I_TRAIN) c->pair[c->begin[set->image[i] + 1]++] = (uint32_t)i;
    return T2I_OK;
}

static t2i_status list_held(combiner *c, t2i_error *err)
{
    const t2i_pair_set *set = c->set;
    size_t number;
    for (size_t i = 0; i < set->pairs; i++) {
        if (length_of(c, i) > c->longest) c->longest = length_of(c, i);
        if (set->split[i] == T2I_TRAIN) continue;
        T2I_TRY(
            t2i_text_lower(&c->lower, set->prompts.data + set->offset[i], length_of(c, i), err));
        T2I_TRY(t2i_string_table_add(&c->held, c->lower.data, &number, err));
    }
    return T2I_OK;
}

/* Joins random prompts of the picture in c->joined; k numbers the joined prompts of a picture. */
static t2i_status draw(combiner *c, size_t picture, size_t k, t2i_error *err)
{
    uint32_t *pair = c->pair + c->begin[picture];
    uint64_t stream = T2I_STREAM_COMBINE + picture;
    size_t own = c->begin[picture + 1] - c->begin[picture];
    size_t outcome = (size_t)t2i_rng_below(c->seed, stream, k * DRAWS, 4);
    size_t count = outcome < 2 ? 2 : 1 + outcome;
    c->joined.size = 0;
    for (size_t i = 0; i < count && i < own; i++) {
        size_t other = i + (size_t)t2i_rng_below(c->seed, stream, k * DRAWS + 1 + i, own - i);
        uint32_t drawn = pair[other];
        pair[other] = pair[i];
        pair[i] = drawn;
        if (i > 0) T2I_TRY(t2i_text_add(&c->joined, " ", 1, err));
        T2I_TRY(t2i_text_add(&c->joined, c->set->prompts.data + c->set->offset[drawn],
                             length_of(c, drawn), err));
    }
    return T2I_OK;
}

/* own: the prompts of this picture so far, empty at first. */
static t2i_status join_prompts(combiner *c, size_t picture, size_t each, t2i_string_table *own,
                               t2i_error *err)
{
    t2i_pair_set *set = c->set;
    size_t number, before, first = c->begin[picture], end = c->begin[picture + 1];
    for (size_t i = first; i < end; i++) {
        c->joined.size = 0;
        T2I_TRY(t2i_text_add(&c->joined, set->prompts.data + set->offset[c->pair[i]],
                             length_of(c, c->pair[i]), err));
        T2I_TRY(t2i_string_table_add(own, c->joined.data, &number, err));
    }
    for (size_t k = 0; k < each && end - first > 1; k++) {
        T2I_TRY(draw(c, picture, k, err));
        T2I_TRY(t2i_text_lower(&c->lower, c->joined.data, c->joined.size, err));
        if (c->joined.size > c->longest ||
            t2i_string_table_find(&c->held, c->lower.data) != SIZE_MAX)
            continue;
        before = own->count;
        T2I_TRY(t2i_string_table_add(own, c->joined.data, &number, err));
        if (own->count == before) continue;
        T2I_TRY(t2i_pairs_set_pair(set, c->joined.data, c->joined.size, picture,
                                   set->row[set->pairs - 1] + 1, T2I_TRAIN, err));
    }
    return T2I_OK;
}

t2i_status t2i_combine_prompts(t2i_pair_set *set, size_t each, uint64_t seed, size_t *added,
                               t2i_error *err)
{
    combiner c = {.set = set, .seed = seed, .old = set->pairs};
    t2i_status status = list_pairs(&c, err);
    if (status == T2I_OK) status = list_held(&c, err);
    for (size_t m = 0; status == T2I_OK && m < set->images; m++) {
        t2i_string_table own = {0};
        status = join_prompts(&c, m, each, &own, err);
        t2i_string_table_free(&own);
    }
    *added = set->pairs - c.old;
    t2i_string_table_free(&c.held);
    t2i_text_free(&c.joined);
    t2i_text_free(&c.lower);
    t2i_free(c.begin);
    t2i_free(c.pair);
    return status;
}
