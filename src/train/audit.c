#include "train/audit.h"

#include <string.h>

#include "base/block.h"
#include "comm/comm.h"
#include "base/hash.h"
#include "base/mem.h"

/* ---- whose turn it is ---- */

static size_t shards_of(size_t shards, int rank, int size)
{
    return t2i_comm_share(shards, rank + 1, size) - t2i_comm_share(shards, rank, size);
}

/* Ranks with shards are numbered: all ranks, or one per shard if there are more ranks than
 * shards. */
static int busy_ranks(size_t shards, int size)
{
    return (size_t)size < shards ? size : (int)shards;
}

static int rank_of(size_t shards, int size, int number)
{
    int rank = (size_t)size <= shards ? number : 0;
    while ((size_t)size > shards && t2i_comm_share(shards, rank + 1, size) <= (size_t)number)
        rank++;
    return rank;
}

t2i_audit_turn t2i_audit_plan(size_t shards, uint64_t k, int rank, int size)
{
    t2i_audit_turn turn = {0};
    size_t own = shards_of(shards, rank, size);
    int busy = busy_ranks(shards, size), others = busy > 1 ? busy - 1 : 1;
    if (own == 0) return turn;
    int number = (size_t)size <= shards ? rank : (int)t2i_comm_share(shards, rank, size);
    int step = busy > 1 ? 1 + (int)(k % (uint64_t)others) : 0;
    uint64_t round = k / (uint64_t)others;
    turn.takes_part = 1;
    turn.by = rank_of(shards, size, (number + busy - step) % busy);
    turn.of = rank_of(shards, size, (number + step) % busy);
    turn.own = t2i_comm_share(shards, rank, size) + (size_t)(round % own);
    turn.other =
        t2i_comm_share(shards, turn.of, size) + (size_t)(round % shards_of(shards, turn.of, size));
    return turn;
}

int t2i_audit_third(size_t shards, int size, int one, int two)
{
    for (int r = 0; r < size; r++)
        if (r != one && r != two && shards_of(shards, r, size) > 0) return r;
    return -1;
}

/* ---- batches as messages ---- */

/* The next `size` bytes of the message. */
static void *cut(t2i_audit_batch *p, size_t *at, size_t size)
{
    enum { LINE = 64 };
    void *begin = p->bytes == NULL ? NULL : p->bytes + *at;
    *at += (size + LINE - 1) / LINE * LINE;
    return begin;
}

static void lay_out(t2i_audit_batch *p)
{
    size_t at = 0;
    p->count = cut(p, &at, sizeof *p->count);
    p->length = cut(p, &at, p->rows * sizeof *p->length);
    p->index = cut(p, &at, p->rows * sizeof *p->index);
    p->target = cut(p, &at, p->rows * p->dim * sizeof *p->target);
    p->right.run = cut(p, &at, p->rows * sizeof *p->right.run);
    p->right.begin = cut(p, &at, (p->rows + 1) * sizeof *p->right.begin);
    p->right.right = cut(p, &at, p->rows * p->rights * sizeof *p->right.right);
    p->id = cut(p, &at, p->rows * p->ids * sizeof *p->id);
    p->size = at;
}

t2i_status t2i_audit_batch_new(t2i_audit_batch *p, t2i_error *err)
{
    lay_out(p);
    p->bytes = t2i_alloc(p->size, 1);
    p->row = t2i_alloc(p->rows, sizeof *p->row);
    if (p->bytes == NULL || p->row == NULL)
        return t2i_fail_memory(err, p->size, "a shard of another rank");
    lay_out(p);
    return T2I_OK;
}

void t2i_audit_batch_free(t2i_audit_batch *p)
{
    t2i_free(p->bytes);
    t2i_free(p->row);
    *p = (t2i_audit_batch){0};
}

void t2i_audit_batch_pack(t2i_audit_batch *p, const t2i_row *row, size_t count, const float *target,
                          const t2i_rights *rights, const size_t *index)
{
    uint16_t *id = p->id;
    size_t used = 0;
    T2I_ASSERT(count <= p->rows);
    *p->count = count;
    memcpy(p->target, target, count * p->dim * sizeof *target);
    for (size_t i = 0; i < count; i++) {
        T2I_ASSERT(row[i].length <= p->ids);
        p->length[i] = row[i].length;
        p->index[i] = i;
        memcpy(id, row[i].ids, row[i].length * sizeof *id);
        id += row[i].length;
        if (p->rights == 0) continue;
        size_t begin = rights->begin[rights->run[index[i]]],
               some = rights->begin[rights->run[index[i]] + 1] - begin;
        T2I_ASSERT(some <= p->rights);
        p->right.run[i] = (uint32_t)i;
        p->right.begin[i] = used;
        memcpy(p->right.right + used, rights->right + begin, some * sizeof *rights->right);
        used += some;
    }
    p->right.begin[count] = used;
}

void t2i_audit_batch_open(t2i_audit_batch *p)
{
    const uint16_t *id = p->id;
    T2I_ASSERT(*p->count <= p->rows);
    for (size_t i = 0; i < *p->count; i++) {
        T2I_ASSERT(p->length[i] <= p->ids);
        p->row[i] = (t2i_row){id, p->length[i]};
        id += p->length[i];
    }
}

uint64_t t2i_audit_hash(uint64_t before, double loss, const float *gradient, const uint8_t *used,
                        size_t from, size_t to)
{
    uint64_t word[3] = {t2i_hash_64(&loss, sizeof loss) ^ before};
    for (size_t c = from / T2I_CHUNK, next; from < to; from = next, c++) {
        next = (c + 1) * T2I_CHUNK < to ? (c + 1) * T2I_CHUNK : to;
        if (!used[c]) continue;
        word[1] = c;
        word[2] = t2i_hash_64(gradient + from, (next - from) * sizeof *gradient);
        word[0] = t2i_hash_64(word, sizeof word);
    }
    return word[0] == 0 ? 1 : word[0];
}
