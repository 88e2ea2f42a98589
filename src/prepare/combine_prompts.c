#include "prepare/combine_prompts.h"

#include <string.h>

#include "base/mem.h"
#include "base/string_table.h"
#include "base/rng.h"

#define STREAM_JOIN ((uint64_t)1 << 41)
enum { MOST = 4, DRAWS = 1 + MOST /* random numbers of a pair */ };

typedef struct {
    t2i_pair_set *set;
    uint64_t seed;
    size_t old, longest; /* pairs that were there, and bytes of their longest prompt */
    size_t *begin;       /* of each picture, and one more: its training pairs in `pair` */
    uint32_t *pair;
    t2i_string_table held; /* in small letters */
    t2i_text joined;       /* the prompt that is being made */
    t2i_text small;        /* the same in small letters */
} job;

static t2i_status no_memory(t2i_error *err)
{
    return t2i_fail_memory(err, 16, "joined prompts");
}

static size_t length_of(const job *j, size_t pair)
{
    return (size_t)(j->set->offset[pair + 1] - j->set->offset[pair]);
}

static t2i_status list_pairs(job *j, t2i_error *err)
{
    const t2i_pair_set *set = j->set;
    j->begin = t2i_alloc(set->images + 2, sizeof *j->begin);
    j->pair = t2i_alloc(set->pairs, sizeof *j->pair);
    if (j->begin == NULL || j->pair == NULL) return no_memory(err);
    /* begin[m + 1] is where the next pair of picture m goes, in the end where those of m + 1 begin
     */
    for (size_t i = 0; i < set->pairs; i++)
        j->begin[set->image[i] + 2] += set->split[i] == T2I_TRAIN;
    for (size_t m = 0; m < set->images; m++) j->begin[m + 2] += j->begin[m + 1];
    for (size_t i = 0; i < set->pairs; i++)
        if (set->split[i] == T2I_TRAIN) j->pair[j->begin[set->image[i] + 1]++] = (uint32_t)i;
    return T2I_OK;
}

static t2i_status list_held(job *j, t2i_error *err)
{
    const t2i_pair_set *set = j->set;
    size_t number;
    for (size_t i = 0; i < set->pairs; i++) {
        if (length_of(j, i) > j->longest) j->longest = length_of(j, i);
        if (set->split[i] == T2I_TRAIN) continue;
        T2I_TRY(
            t2i_text_small(&j->small, set->prompts.data + set->offset[i], length_of(j, i), err));
        T2I_TRY(t2i_string_table_add(&j->held, j->small.data, &number, err));
    }
    return T2I_OK;
}

/* Puts several of the picture's prompts into j->joined: the k-th time. */
static t2i_status draw(job *j, size_t picture, size_t k, t2i_error *err)
{
    uint32_t *pair = j->pair + j->begin[picture];
    uint64_t stream = STREAM_JOIN + picture;
    size_t own = j->begin[picture + 1] - j->begin[picture];
    size_t four = (size_t)t2i_rng_below(j->seed, stream, k * DRAWS, 4),
           count = four < 2 ? 2 : 1 + four;
    j->joined.size = 0;
    for (size_t i = 0; i < count && i < own; i++) {
        size_t other = i + (size_t)t2i_rng_below(j->seed, stream, k * DRAWS + 1 + i, own - i);
        uint32_t drawn = pair[other];
        pair[other] = pair[i];
        pair[i] = drawn;
        if (i > 0) T2I_TRY(t2i_text_add(&j->joined, " ", 1, err));
        T2I_TRY(t2i_text_add(&j->joined, j->set->prompts.data + j->set->offset[drawn],
                             length_of(j, drawn), err));
    }
    return T2I_OK;
}

/* has: the prompts of this picture so far. */
static t2i_status join_some(job *j, size_t picture, size_t each, t2i_string_table *has,
                            t2i_error *err)
{
    t2i_pair_set *set = j->set;
    size_t number, before, first = j->begin[picture], end = j->begin[picture + 1];
    for (size_t i = first; i < end; i++) {
        j->joined.size = 0;
        T2I_TRY(t2i_text_add(&j->joined, set->prompts.data + set->offset[j->pair[i]],
                             length_of(j, j->pair[i]), err));
        T2I_TRY(t2i_string_table_add(has, j->joined.data, &number, err));
    }
    for (size_t k = 0; k < each && end - first > 1; k++) {
        T2I_TRY(draw(j, picture, k, err));
        T2I_TRY(t2i_text_small(&j->small, j->joined.data, j->joined.size, err));
        if (j->joined.size > j->longest ||
            t2i_string_table_find(&j->held, j->small.data) != SIZE_MAX)
            continue;
        before = has->count;
        T2I_TRY(t2i_string_table_add(has, j->joined.data, &number, err));
        if (has->count == before) continue;
        T2I_TRY(t2i_pair_set_pair(set, j->joined.data, j->joined.size, picture,
                                  set->row[set->pairs - 1] + 1, T2I_TRAIN, err));
    }
    return T2I_OK;
}

t2i_status t2i_combine_prompts(t2i_pair_set *set, size_t each, uint64_t seed, size_t *added,
                               t2i_error *err)
{
    job j = {.set = set, .seed = seed, .old = set->pairs};
    t2i_status status = list_pairs(&j, err);
    if (status == T2I_OK) status = list_held(&j, err);
    for (size_t m = 0; status == T2I_OK && m < set->images; m++) {
        t2i_string_table has = {0};
        status = join_some(&j, m, each, &has, err);
        t2i_string_table_free(&has);
    }
    *added = set->pairs - j.old;
    t2i_string_table_free(&j.held);
    t2i_text_free(&j.joined);
    t2i_text_free(&j.small);
    t2i_free(j.begin);
    t2i_free(j.pair);
    return status;
}
