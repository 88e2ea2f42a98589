/* step.c - the messages of a step on a machine that is not there: comm.c and reduce.c as they are,
 * under SimGrid's SMPI, which runs all ranks in one process and lets their messages take the time
 * of a simulated network. Computing is not done but waited for; the sums are real, and looked at.
 *
 * Usage (run.sh does it): smpirun ... step CHUNKS SECONDS. CHUNKS: of a gradient (4,096 floats);
 * SECONDS: what a shard computes. V is the next power of two >= the ranks. Prints a line: ranks,
 * ranks a node, seconds of compute, exchange, update. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/cpu.h"
#include "comm/reduce.h"
#include "base/mem.h"

/* ---- in place of cpu.c and thread_pool.c: the simulated clock, and no threads ---- */

static const t2i_vectors level = T2I_PLAIN;
const t2i_vectors *const t2i_cpu_vectors = &level;

double t2i_cpu_seconds(void)
{
    return MPI_Wtime();
}

/* A rank that yields must let simulated time pass, or it would wait for ever. */
void t2i_cpu_sleep(double seconds)
{
    smpi_usleep(seconds > 0 ? (useconds_t)(seconds * 1e6 + 0.5) : 10);
}

int t2i_cpu_usable(void)
{
    return 1;
}

void t2i_cpu_mask(unsigned char mask[T2I_CPU_MASK])
{
    memset(mask, 0, T2I_CPU_MASK);
    mask[0] = 1;
}

struct t2i_thread_pool {
    int threads;
};

t2i_status t2i_thread_pool_new(t2i_thread_pool **out, int threads, int spin, t2i_error *err)
{
    (void)spin;
    *out = t2i_alloc(1, sizeof **out);
    if (*out == NULL) return t2i_fail_memory(err, sizeof **out, "threads");
    (*out)->threads = threads;
    return T2I_OK;
}

void t2i_thread_pool_free(t2i_thread_pool *pool)
{
    t2i_free(pool);
}

int t2i_thread_pool_threads(const t2i_thread_pool *pool)
{
    return pool->threads;
}

void t2i_thread_pool_run(t2i_thread_pool *pool, void (*work)(void *, int), void *context)
{
    (void)pool;
    work(context, 0);
}

/* ---- a step ---- */

static void take(void *context, size_t chunk, float *weights, const float *gradient)
{
    (void)context, (void)chunk;
    memcpy(weights, gradient, T2I_CHUNK * sizeof *weights);
}

/* Every number of every gradient is 1, so the sum is V. Returns whether it is. */
static int take_step(t2i_comm *comm, t2i_reduce *reduce, size_t floats, double seconds)
{
    static const double speed = 1e9; /* of a host in the platform file */
    double began = MPI_Wtime(), squares;
    size_t first, end;
    uint8_t *used;
    t2i_leaf total;
    t2i_step_status step_status = {0};
    t2i_reduce_shards(reduce, 0, &first, &end);
    for (size_t v = first; v < end; v++) {
        float *gradient = t2i_reduce_leaf(reduce, 0, &used);
        for (size_t i = 0; i < floats; i++) gradient[i] = 1;
        smpi_execute_flops(seconds * speed);
        t2i_reduce_add(reduce, 0, &(t2i_leaf){.rows = 1});
    }
    double computed = MPI_Wtime();
    t2i_reduce_exchange(reduce, comm, &total, &step_status, &squares);
    double exchanged = MPI_Wtime();
    t2i_reduce_update(reduce, comm, take, NULL);
    if (t2i_comm_rank(comm) == 0)
        printf("%d %d %.6f %.6f %.6f\n", t2i_comm_size(comm), t2i_comm_node_size(comm),
               computed - began, exchanged - computed, MPI_Wtime() - exchanged);
    const float *weights = t2i_reduce_weights(reduce);
    return (double)weights[0] == total.rows && (double)weights[floats - 1] == total.rows;
}

int main(int argc, char **argv)
{
    t2i_comm *comm;
    t2i_error err;
    t2i_thread_pool *pool;
    t2i_reduce *reduce;
    if (argc != 3 || t2i_comm_open(&comm, &argc, &argv, &err) != T2I_OK) return 1;
    size_t floats = (size_t)atoi(argv[1]) * T2I_CHUNK, shards = 1;
    while (shards < (size_t)t2i_comm_size(comm)) shards *= 2;
    t2i_comm_threads(comm, 1);
    if (t2i_thread_pool_new(&pool, 1, 0, &err) != T2I_OK ||
        t2i_reduce_new(&reduce, comm, pool, shards, floats, &err) != T2I_OK)
        return 1;
    int good = take_step(comm, reduce, floats, atof(argv[2]));
    if (!good) fprintf(stderr, "rank %d: the sum is wrong\n", t2i_comm_rank(comm));
    t2i_reduce_free(reduce);
    t2i_thread_pool_free(pool);
    t2i_comm_close(comm);
    return !good;
}
