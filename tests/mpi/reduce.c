/* NP: 1 2 3 4 5 6 7 8 11 */
/* The tree gives the same bits at every number of ranks and threads, in shared memory and by
 * messages: those of a plain recursion over the shards. */
#include "mpi/mpi_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "comm/reduce.h"
#include "base/rng.h"

enum { FLOATS = 9 * T2I_CHUNK };

static int shares; /* may ranks share memory? */

/* Values of very different sizes, so that another order of additions gives other bits. */
static float value(size_t shard, size_t i)
{
    return (float)(t2i_rng_normal(3, shard, i) *
                   pow(10.0, (double)(t2i_rng_bits(4, shard, i) % 7)));
}

static int is_used(size_t shard, size_t chunk)
{
    if (chunk == 2) return shard / 2 % 4 > 0; /* the first of the pairs of siblings by none */
    return chunk < 2 || t2i_rng_bits(5, shard, chunk) % 4 == 0; /* others: now and then by none */
}

/* The sum of shards first .. first + size; *used: of any. */
static float tree(size_t first, size_t size, size_t i, int *used)
{
    if (size == 1) {
        *used = is_used(first, i / T2I_CHUNK);
        return value(first, i);
    }
    int left_used, right_used;
    float left = tree(first, size / 2, i, &left_used),
          right = tree(first + size / 2, size / 2, i, &right_used);
    *used = left_used || right_used;
    return left_used && right_used ? left + right : left_used ? left : right;
}

static float whole_tree(size_t shards, size_t i)
{
    int used;
    float sum = tree(0, shards, i, &used);
    return used ? sum : 0.0f;
}

static double loss_tree(size_t first, size_t size)
{
    return size == 1 ? (double)value(first, 99)
                     : loss_tree(first, size / 2) + loss_tree(first + size / 2, size / 2);
}

typedef struct {
    t2i_reduce *reduce;
    size_t bundle;  /* 0: the whole gradient of a shard at a time */
    float *changes; /* of the slice: how often a chunk was changed */
} setting;

/* Sections, the last first; one cut is within a chunk that every shard uses. */
static const size_t cut[] = {FLOATS, 3 * T2I_CHUNK, T2I_CHUNK + 48, 0};
enum { SECTIONS = sizeof cut / sizeof *cut - 1, MOST = FLOATS - 3 * T2I_CHUNK };

static void fill_floats(float *leaf, uint8_t *used, size_t shard, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        int here = used[i / T2I_CHUNK] = (uint8_t)is_used(shard, i / T2I_CHUNK);
        leaf[i] = here ? value(shard, i) : NAN; /* nothing may read it */
    }
}

static t2i_leaf leaf_of(size_t shard)
{
    return (t2i_leaf){.loss = (double)value(shard, 99), .rows = 2, .tokens = (double)shard};
}

static void fill_bundle(const setting *s, int thread, size_t first, size_t count)
{
    uint8_t *used;
    for (size_t i = 0; i < SECTIONS; i++)
        for (size_t v = first; v < first + count; v++) {
            t2i_leaf leaf = leaf_of(v);
            float *floats = t2i_reduce_section(s->reduce, thread, cut[i + 1], cut[i], &used);
            fill_floats(floats, used, v, cut[i + 1], cut[i]);
            t2i_reduce_add(s->reduce, thread, i + 1 < SECTIONS ? NULL : &leaf);
        }
}

static void fill_leaves(void *context, int thread)
{
    const setting *s = context;
    size_t first, end;
    t2i_reduce_shards(s->reduce, thread, &first, &end);
    for (size_t v = first, count = 1; v < end; v += count) {
        if (s->bundle > 0) {
            count = t2i_reduce_bundle(s->reduce, thread);
            T2I_ASSERT(count <= s->bundle && v + count <= end);
            fill_bundle(s, thread, v, count);
            continue;
        }
        uint8_t *used;
        t2i_leaf leaf = leaf_of(v);
        float *floats = t2i_reduce_leaf(s->reduce, thread, &used);
        fill_floats(floats, used, v, 0, FLOATS);
        t2i_reduce_add(s->reduce, thread, &leaf);
    }
}

static void change(void *context, size_t chunk, float *weights, const float *gradient)
{
    const setting *s = context;
    s->changes[chunk] += 1.0f;
    for (size_t i = 0; i < T2I_CHUNK; i++) weights[i] = gradient[i];
}

/* The slices, the squares and the weights against the recursion. */
static void check_sums(t2i_comm *comm, setting *s, size_t shards, double squares)
{
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    const float *slice = t2i_reduce_slice(s->reduce), *weights = t2i_reduce_weights(s->reduce);
    size_t chunks = FLOATS / T2I_CHUNK, first = t2i_comm_share(chunks, rank, size) * T2I_CHUNK,
           end = t2i_comm_share(chunks, rank + 1, size) * T2I_CHUNK, wrong = 0;
    for (size_t i = first; i < end; i += 97) wrong += slice[i - first] != whole_tree(shards, i);
    CHECK(wrong == 0);
    t2i_reduce_update(s->reduce, comm, change, s);
    double plain = 0.0;
    for (size_t i = 0; i < FLOATS; i++) {
        plain += pow((double)weights[i], 2);
        wrong += i % 61 == 0 && weights[i] != whole_tree(shards, i);
    }
    CHECK(wrong == 0);
    CHECK(fabs(squares - plain) <= 1e-12 * plain);
    CHECK(t2i_comm_same(comm, &squares, sizeof squares));
}

/* Where each of several nodes has one subtree, what passes between them is one gradient a node,
 * then the weights: each slice once to each other node; besides, few bytes of numbers. */
static void check_sent(t2i_comm *comm, t2i_traffic before, size_t shards)
{
    const char *node_ranks = getenv("T2I_NODE_RANKS");
    int size = t2i_comm_size(comm), p = node_ranks != NULL && shares ? atoi(node_ranks) : 0;
    int nodes = p > 0 && size % p == 0 ? size / p : 0;
    if (nodes < 2 || (nodes & (nodes - 1)) != 0 || (size_t)nodes > shards) return;
    t2i_traffic now = t2i_comm_sent(comm);
    int64_t bytes = t2i_comm_sum(comm, (int64_t)(now.bytes - before.bytes)),
            messages = t2i_comm_max(comm, (int64_t)(now.messages - before.messages));
    int64_t least = (nodes - 1) * 2 * FLOATS * (int64_t)sizeof(float);
    CHECK(bytes >= least && bytes < least + least / 8);
    CHECK(messages <= 4 * (nodes - 1));
}

static void run(t2i_comm *comm, size_t shards, int threads, size_t bundle)
{
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    t2i_thread_pool *pool;
    setting s = {.bundle = bundle};
    t2i_error err = {0};
    t2i_status status = t2i_comm_agree(comm, t2i_thread_pool_new(&pool, threads, 0, &err), &err);
    CHECK(status == T2I_OK);
    if (status != T2I_OK) return;
    const t2i_reduce_sections sections = {bundle, MOST};
    status = bundle == 0
                 ? t2i_reduce_new(&s.reduce, comm, pool, shards, FLOATS, &err)
                 : t2i_reduce_new_by_section(&s.reduce, comm, pool, shards, FLOATS, sections, &err);
    CHECK(status == T2I_OK);
    if (status != T2I_OK) return;
    CHECK(t2i_reduce_shares(s.reduce) == (shares && t2i_comm_node_size(comm) > 1));
    size_t chunks = FLOATS / T2I_CHUNK, calls = 0,
           slice = t2i_comm_share(chunks, rank + 1, size) - t2i_comm_share(chunks, rank, size);
    s.changes = t2i_alloc(slice, sizeof *s.changes);
    for (int round = 0; round < 3; round++) { /* buffers are used again */
        if (round == 1) calls = t2i_alloc_calls();
        t2i_thread_pool_run(pool, fill_leaves, &s);
        t2i_step_status step_status = {.stop = 1, .late = rank};
        t2i_leaf total;
        double squares, loss = loss_tree(0, shards);
        t2i_traffic before = t2i_comm_sent(comm);
        t2i_reduce_exchange(s.reduce, comm, &total, &step_status, &squares);
        CHECK(step_status.stop == size && step_status.late == size * (size - 1) / 2);
        CHECK(memcmp(&total.loss, &loss, sizeof loss) == 0);
        CHECK(total.rows == 2.0 * (double)shards &&
              total.tokens == (double)(shards * (shards - 1) / 2));
        if (round != 1) check_sums(comm, &s, shards, squares); /* 1: a skipped step */
        if (round == 0) check_sent(comm, before, shards);
    }
    CHECK(t2i_alloc_calls() == calls);
    for (size_t c = 0; c < slice; c++) CHECK(s.changes[c] == 2.0f);
    t2i_free(s.changes);
    t2i_reduce_free(s.reduce);
    t2i_thread_pool_free(pool);
}

/* tests/mpi/fold.sh also starts this with T2I_NODE_RANKS and T2I_NODE_MEMORY set. */
int main(int argc, char **argv)
{
    t2i_comm *comm;
    t2i_error err;
    if (t2i_comm_open(&comm, &argc, &argv, &err) != T2I_OK) return 1;
    shares = getenv("T2I_NODE_MEMORY") == NULL;
    const size_t shards[] = {1, 2, 8, 16};
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) /* with idle ranks too */
        for (int threads = 1; threads <= 3; threads++) {
            run(comm, shards[i], threads, 0);
            run(comm, shards[i], threads, (size_t)1 << (i + (size_t)threads) % 4);
        }
    return mpi_test_end(comm);
}
