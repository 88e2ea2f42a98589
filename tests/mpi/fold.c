/* NP: 1 2 3 4 5 6 7 8 11 */
/* The tree gives the same bits at every number of ranks: those of a plain recursion over the
 * shards. */
#include "mpi_test.h"

#include <math.h>
#include <string.h>

#include "t2i/block.h"
#include "t2i/fold.h"
#include "t2i/rng.h"

enum { FLOATS = 5 * T2I_CHUNK };

/* Values of very different sizes, so that another order of additions gives other bits. */
static float value(size_t shard, size_t i)
{
    return (float)(t2i_rng_normal(3, shard, i) *
                   pow(10.0, (double)(t2i_rng_bits(4, shard, i) % 7)));
}

static float tree(size_t first, size_t size, size_t i)
{
    return size == 1 ? value(first, i)
                     : tree(first, size / 2, i) + tree(first + size / 2, size / 2, i);
}

static double loss_tree(size_t first, size_t size)
{
    return size == 1 ? (double)value(first, 99)
                     : loss_tree(first, size / 2) + loss_tree(first + size / 2, size / 2);
}

static void run(t2i_comm *comm, size_t shards)
{
    int rank = t2i_comm_rank(comm), size = t2i_comm_size(comm);
    t2i_fold *fold;
    t2i_error err = {0};
    t2i_status status =
        t2i_comm_agree(comm, t2i_fold_new(&fold, rank, size, shards, FLOATS, &err), &err);
    CHECK(status == T2I_OK);
    if (status != T2I_OK) return;
    size_t calls = t2i_alloc_calls();
    for (int round = 0; round < 3; round++) { /* buffers are used again */
        for (size_t v = t2i_fold_first(shards, rank, size);
             v < t2i_fold_first(shards, rank + 1, size); v++) {
            float *leaf = t2i_fold_leaf(fold);
            for (size_t i = 0; i < FLOATS; i++) leaf[i] = value(v, i);
            t2i_fold_add(fold,
                         &(t2i_leaf){.loss = (double)value(v, 99), .rows = 2, .tokens = (double)v});
        }
        t2i_votes votes = {.stop = 1, .late = rank};
        t2i_leaf total;
        float *slice = t2i_fold_exchange(fold, comm, &total, &votes);
        CHECK(votes.stop == size && votes.late == size * (size - 1) / 2);
        double loss = loss_tree(0, shards);
        CHECK(memcmp(&total.loss, &loss, sizeof loss) == 0);
        CHECK(total.rows == 2.0 * (double)shards &&
              total.tokens == (double)(shards * (shards - 1) / 2));
        size_t first = t2i_share(FLOATS / T2I_CHUNK, rank, size) * T2I_CHUNK;
        size_t end = t2i_share(FLOATS / T2I_CHUNK, rank + 1, size) * T2I_CHUNK;
        size_t wrong = 0;
        for (size_t i = first; i < end; i += 97) wrong += slice[i - first] != tree(0, shards, i);
        CHECK(wrong == 0);
        double squares = t2i_fold_sum_squares(fold, comm, slice), plain = 0.0;
        for (size_t i = 0; i < FLOATS; i++) plain += pow((double)tree(0, shards, i), 2);
        CHECK(fabs(squares - plain) <= 1e-12 * plain);
        CHECK(t2i_comm_same(comm, &squares, sizeof squares));
    }
    CHECK(t2i_alloc_calls() == calls);
    t2i_fold_free(fold);
}

int main(int argc, char **argv)
{
    t2i_comm *comm;
    t2i_error err;
    if (t2i_comm_open(&comm, &argc, &argv, &err) != T2I_OK) return 1;
    const size_t shards[] = {1, 2, 8, 16};
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++)
        run(comm, shards[i]); /* with idle ranks too */
    return mpi_test_end(comm);
}
