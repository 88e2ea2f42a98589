/* Who computes whose shard again, and what a rank is sent for it. */
#include "test.h"

#include "train/audit.h"
#include "base/block.h"
#include "comm/comm.h"
#include "base/mem.h"

static t2i_error err;

static const struct {
    size_t shards;
    int size;
} cases[] = {{8, 1}, {8, 2}, {8, 3}, {8, 8}, {16, 5}, {4, 6}, {2, 7}, {1, 3}, {1, 1}, {64, 10}};
enum { CASES = sizeof cases / sizeof *cases };

static size_t first_of(size_t k, int rank)
{
    return t2i_comm_share(cases[k].shards, rank, cases[k].size);
}

/* What one rank expects of another is what that one does. */
static void test_pairs(void)
{
    for (size_t k = 0; k < CASES; k++)
        for (uint64_t n = 0; n < 200; n++)
            for (int r = 0; r < cases[k].size; r++) {
                t2i_audit_turn t = t2i_audit_plan(cases[k].shards, n, r, cases[k].size);
                CU_ASSERT_EQUAL(t.takes_part, first_of(k, r) < first_of(k, r + 1));
                if (!t.takes_part) continue;
                t2i_audit_turn by = t2i_audit_plan(cases[k].shards, n, t.by, cases[k].size);
                CU_ASSERT_TRUE(by.takes_part && by.of == r && by.other == t.own);
                CU_ASSERT_TRUE(first_of(k, r) <= t.own && t.own < first_of(k, r + 1));
                CU_ASSERT_TRUE(t.by != r || cases[k].size == 1 || cases[k].shards == 1);
            }
}

/* After (ranks - 1) x shards each shard was computed by every rank but its own. */
static void test_all_in_turn(void)
{
    enum { V = 8, RANKS = 4 };
    int seen[V][RANKS] = {{0}};
    for (uint64_t n = 0; n < (RANKS - 1) * (V / RANKS); n++)
        for (int r = 0; r < RANKS; r++) {
            t2i_audit_turn t = t2i_audit_plan(V, n, r, RANKS);
            seen[t.own][t.by]++;
        }
    for (size_t v = 0; v < V; v++)
        for (int r = 0; r < RANKS; r++) CU_ASSERT_EQUAL(seen[v][r], (int)(v / (V / RANKS)) != r);
}

static void test_third(void)
{
    CU_ASSERT_EQUAL(t2i_audit_third(8, 3, 0, 1), 2);
    CU_ASSERT_EQUAL(t2i_audit_third(8, 3, 2, 0), 1);
    CU_ASSERT_EQUAL(t2i_audit_third(8, 2, 0, 1), -1);
    CU_ASSERT_EQUAL(t2i_audit_third(8, 1, 0, 0), -1);
    int third = t2i_audit_third(4, 6, 1, 2); /* ranks 0 and 3 have no shard */
    CU_ASSERT_TRUE(third == 4 || third == 5);
    CU_ASSERT_TRUE(t2i_comm_share(4, third, 6) < t2i_comm_share(4, third + 1, 6));
}

static void test_parcel(void)
{
    const uint16_t ids[] = {7, 8, 9, 5};
    const t2i_row row[] = {{ids, 3}, {ids, 0}, {ids + 3, 1}};
    const float target[] = {1, 2, 3, 4, 5, 6};
    const size_t index[] = {4, 0, 2};
    uint32_t run[] = {1, 0, 0, 0, 1}, right[] = {30, 31, 40};
    size_t begin[] = {0, 2, 3};
    const t2i_rights rights = {run, begin, right};
    t2i_audit_batch from = {.rows = 5, .ids = 4, .dim = 2, .rights = 2}, to = from;
    CU_ASSERT_EQUAL_FATAL(t2i_audit_batch_new(&from, &err), T2I_OK);
    CU_ASSERT_EQUAL_FATAL(t2i_audit_batch_new(&to, &err), T2I_OK);
    t2i_audit_batch_pack(&from, row, 3, target, &rights, index);
    CU_ASSERT_EQUAL_FATAL(from.size, to.size);
    memcpy(to.bytes, from.bytes, from.size);
    t2i_audit_batch_open(&to);
    CU_ASSERT_EQUAL_FATAL(*to.count, 3);
    CU_ASSERT_EQUAL(memcmp(to.target, target, sizeof target), 0);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(to.row[i].length, row[i].length);
        CU_ASSERT_EQUAL(memcmp(to.row[i].ids, row[i].ids, row[i].length * sizeof *ids), 0);
        size_t mine = to.right.begin[to.right.run[to.index[i]]],
               end = to.right.begin[to.right.run[to.index[i]] + 1], theirs = begin[run[index[i]]];
        CU_ASSERT_EQUAL_FATAL(end - mine, begin[run[index[i]] + 1] - theirs);
        for (size_t e = 0; mine + e < end; e++)
            CU_ASSERT_EQUAL(to.right.right[mine + e], right[theirs + e]);
    }
    t2i_audit_batch_free(&from);
    t2i_audit_batch_free(&to);
}

enum { CHUNKS = 3 };

/* In two sections, which meet within the second or the third chunk. */
static uint64_t hash_of(double loss, const float *x, const uint8_t *used)
{
    size_t cut = used[1] ? T2I_CHUNK + 16 : 2 * T2I_CHUNK + 16;
    uint64_t late = t2i_audit_hash(0, loss, x, used, cut, CHUNKS * T2I_CHUNK);
    CU_ASSERT_NOT_EQUAL(t2i_audit_hash(late + 1, loss, x, used, 0, cut),
                        t2i_audit_hash(late, loss, x, used, 0, cut));
    return t2i_audit_hash(late, loss, x, used, 0, cut);
}

/* Every bit of what is used counts, and nothing else. */
static void test_hash(void)
{
    float *x = t2i_alloc(CHUNKS * T2I_CHUNK, sizeof *x);
    uint8_t used[CHUNKS] = {1, 0, 1};
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    for (size_t i = 0; i < CHUNKS * T2I_CHUNK; i++) x[i] = (float)i;
    uint64_t hash = hash_of(1.5, x, used);
    x[T2I_CHUNK + 3] = -1;
    CU_ASSERT_EQUAL(hash_of(1.5, x, used), hash);
    CU_ASSERT_NOT_EQUAL(hash_of(1.25, x, used), hash);
    x[0] = -0.0f;
    CU_ASSERT_NOT_EQUAL(hash_of(1.5, x, used), hash);
    x[0] = 0.0f;
    CU_ASSERT_EQUAL(hash_of(1.5, x, used), hash);
    used[1] = 1;
    CU_ASSERT_NOT_EQUAL(hash_of(1.5, x, used), hash);
    t2i_free(x);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"one computes what the other expects", test_pairs},
        {"all shards, by all ranks", test_all_in_turn},
        {"a third rank", test_third},
        {"a batch on its way", test_parcel},
        {"a hash of a gradient", test_hash},
    };
    return t2i_test_main("audit", tests, sizeof tests / sizeof *tests);
}
