#include "prepare/holdout.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

typedef struct {
    uint64_t hash;
    uint32_t number;
} hashed;

static int by_hash(const void *a, const void *b)
{
    const hashed *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* ---- likely mistakes ---- */

/* Adds the number of repeated pairs to *repeated. */
static t2i_status count_repeated(const t2i_pair_set *set, size_t *repeated, t2i_error *err)
{
    hashed *pair = t2i_alloc(set->pairs, sizeof *pair);
    if (pair == NULL) return t2i_fail_memory(err, set->pairs * sizeof *pair, "the pairs");
    for (size_t i = 0; i < set->pairs; i++) {
        uint64_t of_prompt = t2i_hash_64(set->prompts.data + set->offset[i],
                                         (size_t)(set->offset[i + 1] - set->offset[i]));
        uint64_t both[2] = {of_prompt, set->image[i]};
        pair[i].hash = t2i_hash_64(both, sizeof both);
    }
    qsort(pair, set->pairs, sizeof *pair, by_hash);
    for (size_t i = 1; i < set->pairs; i++) *repeated += pair[i].hash == pair[i - 1].hash;
    t2i_free(pair);
    return T2I_OK;
}

/* ---- the split ---- */

/* Representative of a set of merged groups (union-find with path halving). */
static uint32_t root_of(uint32_t *parent, uint32_t group)
{
    while (parent[group] != group) group = parent[group] = parent[parent[group]];
    return group;
}

/* Merges groups that have equal pictures; counts the pictures that equal an earlier one. */
static t2i_status merge_equal_pictures(const t2i_pair_set *set, const t2i_pictures *pictures,
                                       uint32_t *parent, size_t *alike, t2i_error *err)
{
    hashed *picture = t2i_alloc(set->images, sizeof *picture);
    const size_t block = t2i_encode_dataset_block(pictures),
                 bytes = t2i_encode_dataset_bytes(pictures);
    uint8_t *pixels = t2i_alloc(block, bytes);
    t2i_status status = picture == NULL || pixels == NULL
                            ? t2i_fail_memory(err, block * bytes, "pictures")
                            : T2I_OK;
    for (size_t first = 0; status == T2I_OK && first < set->images; first += block) {
        size_t count = set->images - first < block ? set->images - first : block;
        status = pictures->read(pictures->context, first, count, pixels, NULL, err);
        for (size_t i = 0; status == T2I_OK && i < count; i++)
            picture[first + i] =
                (hashed){t2i_hash_64(pixels + i * bytes, bytes), (uint32_t)(first + i)};
    }
    if (status == T2I_OK) qsort(picture, set->images, sizeof *picture, by_hash);
    *alike = 0;
    for (size_t i = 1; status == T2I_OK && i < set->images; i++) {
        if (picture[i].hash != picture[i - 1].hash) continue;
        ++*alike;
        uint32_t a = root_of(parent, set->group[picture[i - 1].number]),
                 b = root_of(parent, set->group[picture[i].number]);
        if (a < b)
            parent[b] = a;
        else
            parent[a] = b;
    }
    t2i_free(picture);
    t2i_free(pixels);
    return status;
}

/* ---- what is in training too ---- */

/* Adds to leaks[split] the pairs of a split whose picture or group is in training. */
static void count_leaks(const t2i_pair_set *set, uint32_t *parent, uint8_t *trains,
                        size_t leaks[T2I_SPLITS])
{
    for (size_t i = 0; i < set->pairs; i++)
        if (set->split[i] == T2I_TRAIN) trains[root_of(parent, set->group[set->image[i]])] = 1;
    for (size_t i = 0; i < set->pairs; i++)
        leaks[set->split[i]] += trains[root_of(parent, set->group[set->image[i]])];
}

static t2i_status log_leaks(const t2i_pair_set *set, const t2i_pictures *pictures, t2i_error *err)
{
    size_t leaks[T2I_SPLITS] = {0}, alike = 0;
    /* by group; there are at most as many groups as pictures */
    uint32_t *parent = t2i_alloc(set->images, sizeof *parent);
    uint8_t *trains = t2i_alloc(set->images, 1);
    t2i_status status = parent == NULL || trains == NULL
                            ? t2i_fail_memory(err, 5 * set->images, "the groups")
                            : T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < set->images; i++) parent[i] = (uint32_t)i;
    if (status == T2I_OK && pictures != NULL)
        status = merge_equal_pictures(set, pictures, parent, &alike, err);
    if (status == T2I_OK) count_leaks(set, parent, trains, leaks);
    t2i_free(parent);
    t2i_free(trains);
    for (int split = 0; status == T2I_OK && split < T2I_SPLITS; split++)
        if (leaks[split] > 0 && (split == T2I_VALIDATION || split == T2I_UNSEEN_PICTURES))
            t2i_log_warn("%zu pairs of the split %s have a picture or group that is in training "
                         "too%s",
                         leaks[split], t2i_dataset_split_names[split],
                         pictures == NULL ? "" : " (pictures with equal pixels are one)");
    return status;
}

t2i_status t2i_holdout_log(const t2i_pair_set *set, const t2i_pictures *pictures, t2i_error *err)
{
    size_t repeated = 0;
    T2I_TRY(count_repeated(set, &repeated, err));
    if (repeated > 0)
        t2i_log_note("%zu of %zu pairs are given more than once; each repetition counts", repeated,
                     set->pairs);
    return log_leaks(set, pictures, err);
}

/* Numbers the roots from 1 into number[root], in order of their first pictures. */
static size_t count_units(const t2i_pair_set *set, uint32_t *parent, uint32_t *number)
{
    size_t units = 0;
    for (size_t i = 0; i < set->images; i++) {
        uint32_t root = root_of(parent, set->group[i]);
        if (number[root] == 0) number[root] = (uint32_t)++units;
    }
    return units;
}

static void hold_out(t2i_pair_set *set, uint32_t *parent, const uint32_t *number, size_t units,
                     size_t held, size_t alike, uint64_t seed)
{
    size_t pairs = 0;
    for (size_t i = 0; i < set->pairs; i++) {
        uint32_t unit = number[root_of(parent, set->group[set->image[i]])] - 1;
        if (t2i_rng_permute(seed, T2I_STREAM_HOLDOUT_GROUPS, units, unit) >= held) continue;
        set->split[i] = T2I_VALIDATION;
        pairs++;
    }
    if (alike > 0)
        t2i_log_note("%zu pictures equal another picture; equal pictures get the same split",
                     alike);
    t2i_log_note("no row names a split: %zu of %zu picture groups (%zu of %zu pairs) are held out "
                 "as validation; a split column sets it by row, --validation 0 trains on all",
                 held, units, pairs, set->pairs);
}

t2i_status t2i_holdout_split(t2i_pair_set *set, const t2i_pictures *pictures, double share,
                             uint64_t seed, t2i_error *err)
{
    uint32_t *parent = t2i_alloc(set->images, sizeof *parent);
    uint32_t *number = t2i_alloc(set->images, sizeof *number);
    size_t alike = 0;
    t2i_status status = T2I_OK;
    if (parent == NULL || number == NULL)
        status = t2i_fail_memory(err, 2 * set->images * sizeof *parent, "the groups");
    for (size_t i = 0; status == T2I_OK && i < set->images; i++) parent[i] = (uint32_t)i;
    if (status == T2I_OK && share > 0)
        status = merge_equal_pictures(set, pictures, parent, &alike, err);
    if (status == T2I_OK) {
        size_t units = count_units(set, parent, number);
        size_t held = (size_t)(share * (double)units + 1e-9); /* 0.29 of 100 is 29 */
        if (held > 0) hold_out(set, parent, number, units, held, alike, seed);
    }
    t2i_free(parent);
    t2i_free(number);
    return status;
}
