/* reduce.c - adding gradients over ranks: our tree (reduce.h) against MPI_Allreduce in place.
 *
 * Usage: mpirun -np N reduce [MIB [ROUNDS]]. Each rank rewrites its gradient, then all get the sum:
 * ours folds it (with the sum of squares) and takes it over as if it were the new weights, which
 * all ranks read where they lie. The time of the rewriting alone is measured beside and taken away.
 * In turn, a round at a time. Prints a line of JSON: microseconds (medians), the ratio MPI / ours,
 * lowest and highest.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/cpu.h"
#include "comm/reduce.h"
#include "base/mem.h"

enum { REPEATS = 16, TIMES = 9, MOST = 99 };

typedef struct {
    t2i_comm *comm;
    t2i_reduce *reduce;
    float *gradient;
    size_t floats;
} bench;

/* One code for all three, as its time is taken away. */
__attribute__((noinline)) static void rewrite(float *gradient, size_t floats, int repeat)
{
    for (size_t i = 0; i < floats; i++) gradient[i] = (float)(i & 1023) + (float)repeat;
}

static void keep(void *context, size_t chunk, float *weights, const float *gradient)
{
    (void)context, (void)chunk;
    memcpy(weights, gradient, T2I_CHUNK * sizeof *weights);
}

static void fill_leaves(bench *b, int repeat)
{
    size_t first, end;
    t2i_reduce_shards(b->reduce, 0, &first, &end);
    for (size_t v = first; v < end; v++) {
        uint8_t *used;
        rewrite(t2i_reduce_leaf(b->reduce, 0, &used), b->floats, repeat);
        t2i_reduce_add(b->reduce, 0, &(t2i_leaf){.rows = 1});
    }
}

static void by_tree(bench *b, int repeat)
{
    t2i_leaf total;
    t2i_step_status step_status = {0};
    double squares;
    fill_leaves(b, repeat);
    t2i_reduce_exchange(b->reduce, b->comm, &total, &step_status, &squares);
    t2i_reduce_update(b->reduce, b->comm, keep, NULL);
}

static void by_mpi(bench *b, int repeat)
{
    rewrite(b->gradient, b->floats, repeat);
    MPI_Allreduce(MPI_IN_PLACE, b->gradient, (int)b->floats, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

static void by_none(bench *b, int repeat)
{
    rewrite(b->gradient, b->floats, repeat);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}

/* Seconds of one repeat, from the first rank's start to the last one's end of some of them: the
 * median, as a rank that loses its core for some milliseconds would hide what a mean is of. Of
 * several, as ranks that share a core do not take turns at each. */
static double time_of(bench *b, void (*work)(bench *, int))
{
    double took[TIMES];
    for (int i = 0; i < 3; i++) work(b, i);
    for (int t = 0; t < TIMES; t++) {
        MPI_Barrier(MPI_COMM_WORLD);
        double span[2] = {-t2i_cpu_seconds(), 0};
        for (int i = 0; i < REPEATS; i++) work(b, i);
        span[1] = t2i_cpu_seconds();
        MPI_Allreduce(MPI_IN_PLACE, span, 2, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        took[t] = (span[0] + span[1]) / REPEATS;
    }
    return median(took, TIMES);
}

static void measure(bench *b, double mib, int rounds)
{
    double ours[MOST], theirs[MOST], ratio[MOST];
    for (int r = 0; r < rounds; r++) {
        double none = time_of(b, by_none);
        ours[r] = time_of(b, by_tree) - none;
        theirs[r] = time_of(b, by_mpi) - none;
        ratio[r] = theirs[r] / ours[r];
    }
    double middle = median(ratio, rounds);
    if (t2i_comm_rank(b->comm) == 0)
        printf("{\"bench\": \"reduce\", \"np\": %d, \"mib\": %g, \"ours_us\": %.1f, \"mpi_us\": "
               "%.1f, \"ratio\": %.3f, \"low\": %.3f, \"high\": %.3f, \"rounds\": %d}\n",
               t2i_comm_size(b->comm), mib, 1e6 * median(ours, rounds),
               1e6 * median(theirs, rounds), middle, ratio[0], ratio[rounds - 1], rounds);
}

int main(int argc, char **argv)
{
    bench b = {0};
    t2i_thread_pool *pool;
    t2i_error err;
    if (t2i_comm_open(&b.comm, &argc, &argv, &err) != T2I_OK) return 1;
    double mib = argc > 1 ? atof(argv[1]) : 1;
    int rounds = argc > 2 ? atoi(argv[2]) : 7;
    if (mib < 1 || mib > 1024 || rounds < 1 || rounds > MOST) return 64;
    size_t shards = 1;
    while (shards < (size_t)t2i_comm_size(b.comm)) shards *= 2;
    b.floats = (size_t)(mib * (1 << 20) / sizeof(float)) / T2I_CHUNK * T2I_CHUNK;
    b.gradient = t2i_alloc(b.floats, sizeof(float));
    t2i_comm_threads(b.comm, 1);
    if (b.gradient == NULL || t2i_thread_pool_new(&pool, 1, 0, &err) != T2I_OK ||
        t2i_reduce_new(&b.reduce, b.comm, pool, shards, b.floats, &err) != T2I_OK)
        return 1;
    measure(&b, mib, rounds);
    by_tree(&b, 5);
    by_mpi(&b, 5);
    const float *sum = t2i_reduce_weights(b.reduce);
    for (size_t i = 0; i < b.floats; i++) /* whole numbers: exact in any order */
        if (sum[i] != b.gradient[i]) {
            fprintf(stderr, "the sums differ at %zu: %g and %g\n", i, (double)sum[i],
                    (double)b.gradient[i]);
            return 1;
        }
    t2i_reduce_free(b.reduce);
    t2i_thread_pool_free(pool);
    t2i_free(b.gradient);
    t2i_comm_close(b.comm);
    return 0;
}
