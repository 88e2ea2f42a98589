/* NP: 1 2 3 4 8 */
/* Agreement, moving bytes, shares. */
#include "mpi/mpi_test.h"

#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"

static void test_agree(t2i_comm *comm)
{
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    t2i_error err = {0};
    CHECK(t2i_comm_agree(comm, T2I_OK, &err) == T2I_OK);
    for (int bad = 0; bad < size; bad++) { /* each rank alone; then that one and all after it */
        t2i_status mine = rank == bad ? t2i_fail(&err, T2I_DATA, "rank %d says no", bad) : T2I_OK;
        CHECK(t2i_comm_agree(comm, mine, &err) == T2I_DATA);
        char say[64];
        snprintf(say, sizeof say, "rank %d says no", bad);
        CHECK(strncmp(err.text, say, strlen(say)) == 0 && err.status == T2I_DATA);
        CHECK(bad == 0 || strstr(err.text, "(rank ") != NULL);
        mine = rank >= bad ? t2i_fail(&err, rank == bad ? T2I_IO : T2I_SYSTEM, "from %d", rank)
                           : T2I_OK;
        CHECK(t2i_comm_agree(comm, mine, &err) == T2I_IO);
    }
}

static void test_bytes(t2i_comm *comm)
{
    enum { ITEMS = 13, BYTES = 3 };
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    unsigned char all[ITEMS * BYTES] = {0}, right[ITEMS * BYTES], mine[ITEMS * BYTES] = {0},
                              back[ITEMS * BYTES] = {0};
    for (int i = 0; i < ITEMS * BYTES; i++) right[i] = (unsigned char)(i * 7 + 1);
    size_t first = t2i_comm_share(ITEMS, rank, size) * BYTES,
           end = t2i_comm_share(ITEMS, rank + 1, size) * BYTES;
    memcpy(all + first, right + first, end - first);
    t2i_comm_allgather(comm, all, BYTES, ITEMS);
    CHECK(memcmp(all, right, sizeof all) == 0);
    if (rank == 0) memcpy(back, right, sizeof back);
    t2i_comm_scatter(comm, back, mine, BYTES, ITEMS);
    CHECK(memcmp(mine, right + first, end - first) == 0);
    memset(back, 0, sizeof back);
    t2i_comm_gather(comm, mine, back, BYTES, ITEMS);
    CHECK(rank != 0 || memcmp(back, right, sizeof back) == 0);
    int from_last = rank == size - 1 ? 42 : 0;
    t2i_comm_bcast(comm, size - 1, &from_last, sizeof from_last);
    CHECK(from_last == 42);
    CHECK(t2i_comm_sum(comm, rank) == size * (size - 1) / 2);
    CHECK(t2i_comm_max(comm, rank) == size - 1);
    CHECK(t2i_comm_same(comm, "alike", 6));
    char differs = rank == size - 1 ? 'x' : 'y';
    CHECK(t2i_comm_same(comm, &differs, 1) == (size == 1));
}

/* A gather of shares longer than its pieces, of different lengths, at the ends of pieces. */
static void test_gather(t2i_comm *comm)
{
    enum { BYTES = 1 << 20, MOST = 43 };
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    unsigned char *all = t2i_alloc(MOST, BYTES), *right = t2i_alloc(MOST, BYTES);
    for (size_t i = 0; i < (size_t)MOST * BYTES; i++) right[i] = (unsigned char)(i * i >> 9);
    for (size_t items = 0; items <= MOST; items += items < 18 ? 1 : 5) {
        size_t mine = t2i_comm_share(items, rank, size) * BYTES;
        memset(all, 0, items * BYTES);
        t2i_comm_gather(comm, right + mine, all, BYTES, items);
        CHECK(rank != 0 || memcmp(all, right, items * BYTES) == 0);
    }
    t2i_free(all);
    t2i_free(right);
}

/* A ring of messages larger than any eager limit, many at once. */
static void test_messages(t2i_comm *comm)
{
    enum { MANY = 100, FLOATS = 20000 };
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm), to = (rank + 1) % size,
        from = (rank + size - 1) % size;
    float *out = t2i_alloc(FLOATS, sizeof *out), *in = t2i_alloc(MANY * FLOATS, sizeof *in);
    for (int i = 0; i < FLOATS; i++) out[i] = (float)(rank * 31 + i);
    for (int i = 0; size > 1 && i < MANY; i++) {
        t2i_comm_send(comm, to, out, sizeof *out, FLOATS);
        t2i_comm_receive(comm, from, in + i * FLOATS, sizeof *in, FLOATS);
    }
    t2i_comm_wait(comm);
    for (int i = 0; size > 1 && i < MANY; i++)
        CHECK(in[i * FLOATS + 77] == (float)(from * 31 + 77));
    t2i_free(out);
    t2i_free(in);
}

/* Each writes its part of the node's memory; all see all of it. Too much to share: each has its
 * own. */
static void test_node_memory(t2i_comm *comm)
{
    enum { ITEMS = 1000 };
    t2i_error err = {0};
    for (int round = 0; round < 2; round++) {
        int turn, sharers, wrong = 0;
        uint32_t *all = NULL;
        CHECK(t2i_comm_node_memory(comm, ITEMS * sizeof *all, (void **)&all, &turn, &sharers,
                                   &err) == T2I_OK);
        CHECK(sharers == 1 || sharers == t2i_comm_node_size(comm));
        CHECK((uintptr_t)all % 64 == 0 && turn >= 0 && turn < sharers);
        for (size_t i = 0; i < ITEMS; i++) wrong += sharers == 1 && all[i] != 0;
        for (size_t i = t2i_comm_share(ITEMS, turn, sharers);
             i < t2i_comm_share(ITEMS, turn + 1, sharers); i++)
            all[i] = (uint32_t)(i * 3 + 1);
        CHECK(t2i_comm_agree(comm, T2I_OK, &err) == T2I_OK);
        for (size_t i = 0; i < ITEMS; i++) wrong += all[i] != i * 3 + 1;
        CHECK(wrong == 0);
    }
    uint8_t bits[3] = {0}, rank = (uint8_t)t2i_comm_rank(comm);
    bits[rank % 3] = (uint8_t)(1u << rank);
    t2i_comm_node_or(comm, bits, sizeof bits);
    int set = 0;
    for (int b = 0; b < 24; b++) set += bits[b / 8] >> b % 8 & 1;
    CHECK(set == t2i_comm_node_size(comm));
}

int main(int argc, char **argv)
{
    t2i_comm *comm;
    t2i_error err;
    if (t2i_comm_open(&comm, &argc, &argv, &err) != T2I_OK) return 1;
    for (size_t items = 0; items < 40; items++) { /* shares cover everything once, evenly */
        size_t at = 0;
        for (int r = 0; r < 7; r++) {
            size_t first = t2i_comm_share(items, r, 7), end = t2i_comm_share(items, r + 1, 7);
            CHECK(first == at && end - first <= items / 7 + 1);
            at = end;
        }
        CHECK(at == items);
    }
    test_agree(comm);
    test_bytes(comm);
    test_gather(comm);
    test_messages(comm);
    test_node_memory(comm);
    return mpi_test_end(comm);
}
