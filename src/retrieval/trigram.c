#include "retrieval/trigram.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* Symbols beyond Unicode: the marks, and bytes that are not UTF-8. A symbol takes 21 bits of a key;
 * one more bit makes sure that no key is 0. */
enum { BEGIN = 0x110000, END = 0x110001, BYTE = 0x110100 };

void t2i_trigram_free(t2i_trigrams *set)
{
    t2i_free(set->key);
    *set = (t2i_trigrams){0};
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Insertion sort for short prompts: qsort's calls cost more than the comparisons. */
static void sort_keys(uint64_t *key, size_t count)
{
    if (count > 64) {
        qsort(key, count, sizeof *key, by_key);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        uint64_t now = key[i];
        size_t at = i;
        for (; at > 0 && key[at - 1] > now; at--) key[at] = key[at - 1];
        key[at] = now;
    }
}

static uint64_t move_on(uint64_t window, uint32_t code)
{
    static const uint64_t mask = ((uint64_t)1 << 63) - 1;
    return (window << 21 | (code + 1)) & mask;
}

t2i_status t2i_trigram_of(t2i_trigrams *set, const char *bytes, size_t size, t2i_error *err)
{
    if (size + 1 > set->room) {
        size_t room = 2 * size + 64;
        if (t2i_grow(&set->key, 0, room, sizeof *set->key) != 0)
            return t2i_fail_memory(err, room * sizeof *set->key, "trigrams");
        set->room = room;
    }
    uint64_t window = move_on(0, BEGIN);
    size_t count = 0, seen = 1;
    for (size_t at = 0, step; at < size; at += step) {
        uint32_t code;
        step = t2i_utf8_decode(bytes + at, size - at, &code);
        if (step == 0) code = BYTE + (unsigned char)bytes[at], step = 1;
        window = move_on(window, code);
        if (++seen >= 3) set->key[count++] = window;
    }
    set->key[count++] = move_on(window, END); /* an empty prompt has both marks only */
    sort_keys(set->key, count);
    set->count = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || set->key[i] != set->key[i - 1]) set->key[set->count++] = set->key[i];
    return T2I_OK;
}

/* ---- the index ---- */

void t2i_trigram_index_free(t2i_trigram_index *index)
{
    t2i_free(index->size);
    t2i_free(index->key);
    t2i_free(index->number);
    t2i_free(index->first);
    t2i_free(index->has);
    t2i_trigram_free(&index->query);
    *index = (t2i_trigram_index){0};
}

/* Slot of the key, or the free slot where it belongs. At least one slot is free. The highest bits
 * of the product depend on all of the key. */
static size_t slot_of(const t2i_trigram_index *index, uint64_t key)
{
    size_t slot = (size_t)(key * index->factor >> (__builtin_clzll(index->slots) + 1));
    while (index->key[slot] != 0 && index->key[slot] != key) slot = (slot + 1) & (index->slots - 1);
    return slot;
}

/* Keeps at most half of the slots used, so that probe sequences are short. */
static t2i_status make_room(t2i_trigram_index *index, t2i_error *err)
{
    if (2 * (index->keys + 1) <= index->slots) return T2I_OK;
    t2i_trigram_index old = *index;
    size_t slots = old.slots == 0 ? 4096 : 2 * old.slots;
    if (old.slots == 0) index->factor = t2i_hash_seed() | 1;
    index->key = t2i_alloc(slots, sizeof *index->key);
    index->number = t2i_alloc(slots, sizeof *index->number);
    if (index->key == NULL || index->number == NULL ||
        t2i_grow(&index->first, old.first == NULL ? 0 : old.slots / 2 + 2, slots / 2 + 2,
                 sizeof *index->first) != 0) {
        t2i_free(index->key);
        t2i_free(index->number);
        index->key = old.key;
        index->number = old.number;
        return t2i_fail_memory(err, slots * 20, "the trigrams");
    }
    index->slots = slots;
    for (size_t i = 0; i < old.slots; i++) {
        if (old.key[i] == 0) continue;
        size_t slot = slot_of(index, old.key[i]);
        index->key[slot] = old.key[i];
        index->number[slot] = old.number[i];
    }
    t2i_free(old.key);
    t2i_free(old.number);
    return T2I_OK;
}

/* Counts the trigrams of a text in index->first[number + 2], so that the filling leaves the
 * beginnings. */
static t2i_status count_text(t2i_trigram_index *index, size_t i, t2i_error *err)
{
    const t2i_trigrams *set = &index->query;
    index->size[i] = (uint32_t)set->count;
    for (size_t k = 0; k < set->count; k++) {
        T2I_TRY(make_room(index, err));
        size_t slot = slot_of(index, set->key[k]);
        if (index->key[slot] == 0) {
            if (index->keys == UINT32_MAX - 2)
                return t2i_fail(err, T2I_DATA, "the prompts have more than %zu distinct trigrams",
                                index->keys);
            index->key[slot] = set->key[k];
            index->number[slot] = (uint32_t)index->keys++;
        }
        index->first[index->number[slot] + 2]++;
    }
    return T2I_OK;
}

static void put_text(t2i_trigram_index *index, size_t i)
{
    const t2i_trigrams *set = &index->query;
    for (size_t k = 0; k < set->count; k++) {
        uint32_t number = index->number[slot_of(index, set->key[k])];
        index->has[index->first[number + 1]++] = (uint32_t)i;
    }
}

static t2i_status fill(t2i_trigram_index *index, t2i_nth_text nth, void *context, t2i_text *text,
                       t2i_error *err)
{
    for (size_t i = 0; i < index->texts; i++) {
        T2I_TRY(nth(context, i, text, err));
        T2I_TRY(t2i_trigram_of(&index->query, text->data, text->size, err));
        T2I_TRY(count_text(index, i, err));
    }
    for (size_t k = 2; k <= index->keys + 1; k++) index->first[k] += index->first[k - 1];
    size_t all = (size_t)index->first[index->keys + 1];
    index->has = t2i_alloc(all, sizeof *index->has);
    if (index->has == NULL) return t2i_fail_memory(err, all * sizeof *index->has, "the trigrams");
    for (size_t i = 0; i < index->texts; i++) {
        T2I_TRY(nth(context, i, text, err));
        T2I_TRY(t2i_trigram_of(&index->query, text->data, text->size, err));
        put_text(index, i);
    }
    return T2I_OK;
}

t2i_status t2i_trigram_index_new(t2i_trigram_index *out, size_t texts, t2i_nth_text text,
                                 void *context, t2i_error *err)
{
    t2i_text one = {0};
    *out = (t2i_trigram_index){.texts = texts};
    out->size = t2i_alloc(texts, sizeof *out->size);
    t2i_status status = out->size == NULL ? t2i_fail_memory(err, texts * sizeof *out->size, "texts")
                                          : make_room(out, err);
    if (status == T2I_OK) status = fill(out, text, context, &one, err);
    t2i_text_free(&one);
    if (status != T2I_OK) t2i_trigram_index_free(out);
    return status;
}

t2i_status t2i_trigram_shared(t2i_trigram_index *index, const char *bytes, size_t size,
                              uint32_t *shared, size_t *own, t2i_error *err)
{
    t2i_trigrams *set = &index->query;
    T2I_TRY(t2i_trigram_of(set, bytes, size, err));
    memset(shared, 0, index->texts * sizeof *shared);
    for (size_t k = 0; k < set->count; k++) {
        size_t slot = slot_of(index, set->key[k]);
        if (index->key[slot] == 0) continue;
        uint32_t number = index->number[slot];
        const uint32_t *at = index->has + index->first[number];
        for (uint64_t i = index->first[number + 1] - index->first[number]; i > 0; i--)
            shared[*at++]++;
    }
    *own = set->count;
    return T2I_OK;
}
