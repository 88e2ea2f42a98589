#include "model/trie.h"

#include <string.h>

#include "base/mem.h"

/* Size of a hash table that is at most half full. */
static unsigned slot_bits(size_t nodes)
{
    unsigned bits = 1;
    while ((size_t)1 << bits < 2 * nodes) bits++;
    return bits;
}

t2i_status t2i_trie_new(t2i_trie *out, size_t rows, size_t longest, t2i_error *err)
{
    size_t nodes = rows * longest;
    *out = (t2i_trie){0};
    out->id = t2i_alloc(nodes, sizeof *out->id);
    out->pos = t2i_alloc(nodes, sizeof *out->pos);
    out->path_of = t2i_alloc(rows, sizeof *out->path_of);
    out->length = t2i_alloc(rows, sizeof *out->length);
    out->shared = t2i_alloc(rows, sizeof *out->shared);
    out->first = t2i_alloc(rows, sizeof *out->first);
    out->last = t2i_alloc(rows, sizeof *out->last);
    out->none = t2i_alloc(rows, sizeof *out->none);
    out->order = t2i_alloc(rows, sizeof *out->order);
    out->node = t2i_alloc(longest, sizeof *out->node);
    out->pair_id = t2i_alloc(nodes, sizeof *out->pair_id);
    out->pair_pos = t2i_alloc(nodes, sizeof *out->pair_pos);
    out->pair_of = t2i_alloc(nodes, sizeof *out->pair_of);
    out->slot = t2i_alloc((size_t)1 << slot_bits(nodes), sizeof *out->slot);
    if (out->id != NULL && out->pos != NULL && out->path_of != NULL && out->length != NULL &&
        out->shared != NULL && out->first != NULL && out->last != NULL && out->none != NULL &&
        out->order != NULL && out->node != NULL && out->pair_id != NULL && out->pair_pos != NULL &&
        out->pair_of != NULL && out->slot != NULL)
        return T2I_OK;
    t2i_trie_free(out);
    return t2i_fail_memory(err, nodes * 24 + rows * 60, "the prefixes of a shard");
}

void t2i_trie_free(t2i_trie *trie)
{
    t2i_free(trie->id);
    t2i_free(trie->pos);
    t2i_free(trie->path_of);
    t2i_free(trie->length);
    t2i_free(trie->shared);
    t2i_free(trie->first);
    t2i_free(trie->last);
    t2i_free(trie->none);
    t2i_free(trie->order);
    t2i_free(trie->node);
    t2i_free(trie->pair_id);
    t2i_free(trie->pair_pos);
    t2i_free(trie->pair_of);
    t2i_free(trie->slot);
    *trie = (t2i_trie){0};
}

/* Length of the common prefix. */
static size_t alike(const t2i_row *a, const t2i_row *b)
{
    size_t i = 0, most = a->length < b->length ? a->length : b->length;
    while (i < most && a->ids[i] == b->ids[i]) i++;
    return i;
}

/* Is a after b in sorted order? */
static int after(const t2i_row *a, const t2i_row *b)
{
    size_t i = alike(a, b);
    if (i == a->length) return 0;
    return i == b->length || a->ids[i] > b->ids[i];
}

/* Insertion sort with bisection: the rows of a shard are few and mostly sorted in the dataset. */
static void sort_rows(size_t *order, const t2i_row *row, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        size_t low = 0, high = r;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (after(&row[order[middle]], &row[r]))
                high = middle;
            else
                low = middle + 1;
        }
        memmove(order + low + 1, order + low, (r - low) * sizeof *order);
        order[low] = r;
    }
}

static void add_path(t2i_trie *t, const t2i_row *row, size_t shared, uint16_t pad)
{
    size_t p = t->paths++;
    t->none[p] = row->length == 0;
    t->length[p] = t->none[p] ? 1 : row->length;
    t->shared[p] = shared;
    if (t->length[p] > t->longest) t->longest = t->length[p];
    t->first[p] = t->nodes;
    for (size_t i = shared; i < t->length[p]; i++) {
        t->id[t->nodes] = t->none[p] ? pad : row->ids[i];
        t->pos[t->nodes++] = (uint16_t)i;
    }
    t->last[p] = (uint32_t)(t->nodes - 1);
}

static void find_pairs(t2i_trie *t)
{
    unsigned bits = slot_bits(t->nodes);
    size_t mask = ((size_t)1 << bits) - 1;
    memset(t->slot, 0, (mask + 1) * sizeof *t->slot);
    for (size_t n = 0; n < t->nodes; n++) {
        uint32_t key = (uint32_t)t->pos[n] << 16 | t->id[n], pair;
        size_t at = key * 2654435769u >> (32 - bits);
        while ((pair = t->slot[at]) != 0 && /* pair number + 1 */
               (t->pair_id[pair - 1] != t->id[n] || t->pair_pos[pair - 1] != t->pos[n]))
            at = (at + 1) & mask;
        if (pair == 0) {
            t->pair_id[t->pairs] = t->id[n];
            t->pair_pos[t->pairs] = t->pos[n];
            pair = t->slot[at] = (uint32_t)++t->pairs;
        }
        t->pair_of[n] = pair - 1;
    }
}

void t2i_trie_fill(t2i_trie *t, const t2i_row *row, size_t rows, uint16_t pad, int share)
{
    t->rows = rows;
    t->paths = t->nodes = t->tokens = t->longest = t->pairs = 0;
    if (share)
        sort_rows(t->order, row, rows);
    else
        for (size_t r = 0; r < rows; r++) t->order[r] = r;
    for (size_t i = 0; i < rows; i++) {
        size_t r = t->order[i];
        const t2i_row *now = &row[r], *before = i > 0 ? &row[t->order[i - 1]] : NULL;
        size_t shared = before == NULL || !share ? 0 : alike(before, now);
        t->tokens += now->length == 0 ? 1 : now->length;
        /* in sorted order, a prompt without new positions equals the previous one */
        if (before == NULL || !share || shared < now->length) add_path(t, now, shared, pad);
        t->path_of[r] = t->paths - 1;
    }
    if (share) find_pairs(t);
}

const uint32_t *t2i_trie_walk(t2i_trie *t, size_t path)
{
    for (size_t i = t->shared[path]; i < t->length[path]; i++)
        t->node[i] = (uint32_t)(t->first[path] + i - t->shared[path]);
    return t->node;
}
