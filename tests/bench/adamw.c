/* adamw.c - norm, clip and AdamW as a step does them (reduce.h, optim.h), one thread. adamw.py does
 * the same with PyTorch.
 *
 * Usage: adamw [PARAMETERS] (870656 as adamw.py). Prints a line of JSON: the median milliseconds of
 * an update, the gradient being rewritten before each.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/block.h"
#include "comm/comm.h"
#include "base/cpu.h"
#include "comm/reduce.h"
#include "base/mem.h"
#include "kernels/optim.h"

enum { WARMUP = 20, UPDATES = 201 };

typedef struct {
    t2i_comm *comm;
    t2i_reduce *reduce;
    t2i_adamw_factors factors;
    float *m, *v;
} bench;

static void update_chunk(void *context, size_t chunk, float *weights, const float *gradient)
{
    const bench *b = context;
    size_t at = chunk * T2I_CHUNK;
    t2i_optim_adamw_update(weights, b->m + at, b->v + at, gradient, T2I_CHUNK, &b->factors);
}

static double time_of_update(bench *b, size_t floats, unsigned long number)
{
    uint8_t *used;
    float *gradient = t2i_reduce_leaf(b->reduce, 0, &used);
    for (size_t i = 0; i < floats; i++)
        gradient[i] = 1e-3f * (float)((i * 7 + number) % 1999) - 1.0f;
    t2i_reduce_add(b->reduce, 0, &(t2i_leaf){.rows = 1});
    t2i_leaf total;
    t2i_step_status step_status = {0};
    double squares, began = t2i_cpu_seconds();
    t2i_reduce_exchange(b->reduce, b->comm, &total, &step_status, &squares);
    b->factors = t2i_optim_adamw_begin(&(t2i_adamw){1e-4, 0.9, 0.999, 1e-8, 0.01},
                                       t2i_optim_clip_factor(sqrt(squares), 1.0), number);
    t2i_reduce_update(b->reduce, b->comm, update_chunk, b);
    return t2i_cpu_seconds() - began;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    bench b = {0};
    t2i_thread_pool *pool;
    t2i_error err;
    double seconds[UPDATES];
    size_t wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 870656,
           floats = (wanted + T2I_CHUNK - 1) / T2I_CHUNK * T2I_CHUNK;
    b.m = t2i_alloc(floats, sizeof(float));
    b.v = t2i_alloc(floats, sizeof(float));
    if (b.m == NULL || b.v == NULL || t2i_comm_alone(&b.comm, &err) != T2I_OK ||
        t2i_thread_pool_new(&pool, 1, 0, &err) != T2I_OK ||
        t2i_reduce_new(&b.reduce, b.comm, pool, 1, floats, &err) != T2I_OK)
        return 1;
    for (int i = 0; i < WARMUP; i++) time_of_update(&b, floats, (unsigned long)i + 1);
    for (int i = 0; i < UPDATES; i++)
        seconds[i] = time_of_update(&b, floats, (unsigned long)(WARMUP + i) + 1);
    qsort(seconds, UPDATES, sizeof *seconds, ascending);
    printf("{\"bench\": \"adamw\", \"parameters\": %zu, \"ms\": %.4f}\n", floats,
           1e3 * seconds[UPDATES / 2]);
    t2i_reduce_free(b.reduce);
    t2i_thread_pool_free(pool);
    t2i_free(b.m);
    t2i_free(b.v);
    t2i_comm_close(b.comm);
    return 0;
}
