/* doctor_measure.c - measurements by all ranks together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/block.h"
#include "doctor/doctor.h"
#include "comm/reduce.h"
#include "comm/single_copy.h"
#include "base/commit.h"
#include "base/fs.h"
#include "kernels/gemm.h"
#include "base/mem.h"
#include "base/thread_pool.h"

/* ---- matrix products per thread ---- */

enum { M = 256, N = 512, K = 128 }; /* the size of a feed-forward layer of a typical model */

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Measures CPU time of the thread, so that ranks which share cores can be compared. */
static void time_products(t2i_host_info *f, float *out, const float *a, const float *packed)
{
    static const double span = 0.3;
    double began = t2i_cpu_seconds(), own = thread_seconds(), best = 0;
    do {
        double before = thread_seconds();
        for (int i = 0; i < 8; i++) t2i_gemm(out, N, a, K, packed, M, N, K, NULL);
        double took = thread_seconds() - before, rate = 8 * 2e-9 * M * N * K / took;
        if (took > 0 && rate > best) best = rate;
    } while (t2i_cpu_seconds() - began < span);
    f->gflops = best;
    f->core_share = (thread_seconds() - own) / (t2i_cpu_seconds() - began);
}

/* Collective. All ranks at once, as in a step. */
static t2i_status measure_speed(t2i_exam *e, t2i_comm *comm, t2i_error *err)
{
    float *out = t2i_alloc(M * N, sizeof *out), *a = t2i_alloc(M * K, sizeof *a),
          *packed = t2i_alloc(t2i_gemm_pack_floats(K, N), sizeof *packed);
    t2i_status mine = out == NULL || a == NULL || packed == NULL
                          ? t2i_fail_memory(err, M * N * sizeof *out, "a matrix product")
                          : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) time_products(&e->info[e->rank], out, a, packed);
    t2i_free(out);
    t2i_free(a);
    t2i_free(packed);
    return status;
}

/* Collective. */
static void measure_meeting(t2i_exam *e, t2i_comm *comm)
{
    enum { TIMES = 40 };
    for (int i = 0; i < 3; i++) t2i_comm_barrier(comm);
    double began = t2i_cpu_seconds();
    for (int i = 0; i < TIMES; i++) t2i_comm_barrier(comm);
    e->meeting = (t2i_cpu_seconds() - began) / TIMES;
}

/* ---- the sum of gradients ---- */

static void take_sum(void *context, size_t chunk, float *weights, const float *gradient)
{
    (void)context, (void)chunk;
    memcpy(weights, gradient, T2I_CHUNK * sizeof *weights);
}

/* Collective. One sum, which all ranks have afterwards. */
static void sum_once(t2i_reduce *reduce, t2i_comm *comm)
{
    t2i_leaf total;
    t2i_step_status step_status = {0};
    double squares;
    size_t first, end;
    uint8_t *used;
    t2i_reduce_shards(reduce, 0, &first, &end);
    for (size_t v = first; v < end; v++) {
        t2i_reduce_leaf(reduce, 0, &used);
        t2i_reduce_add(reduce, 0, &(t2i_leaf){.rows = 1});
    }
    t2i_reduce_exchange(reduce, comm, &total, &step_status, &squares);
    t2i_reduce_update(reduce, comm, take_sum, NULL);
}

/* Collective. The fastest of several sums. */
static t2i_status time_sum(t2i_exam *e, int i, t2i_comm *comm, t2i_thread_pool *pool,
                           t2i_error *err)
{
    enum { TIMES = 7 };
    static const size_t chunks[T2I_EXAM_SUMS] = {16, 64, 256}; /* 0.25, 1, 4 MiB */
    size_t floats = chunks[i] * T2I_CHUNK, shards = 1;
    t2i_reduce *reduce = NULL;
    while (shards < (size_t)e->size) shards *= 2;
    t2i_status status = t2i_reduce_new(&reduce, comm, pool, shards, floats, err);
    for (int k = 0; status == T2I_OK && k < TIMES; k++) {
        double began = t2i_cpu_seconds();
        sum_once(reduce, comm);
        double took = t2i_cpu_seconds() - began;
        if (k == 1 || (k > 1 && took < e->sum[i].seconds)) e->sum[i].seconds = took;
    }
    e->sum[i].bytes = (double)(floats * sizeof(float));
    t2i_reduce_free(reduce);
    return status;
}

/* Collective. */
static t2i_status measure_sums(t2i_exam *e, t2i_comm *comm, t2i_error *err)
{
    t2i_thread_pool *pool = NULL;
    t2i_status status = t2i_comm_agree(comm, t2i_thread_pool_new(&pool, 1, 0, err), err);
    for (int i = 0; status == T2I_OK && i < T2I_EXAM_SUMS; i++)
        status = time_sum(e, i, comm, pool, err);
    t2i_thread_pool_free(pool);
    return status;
}

/* ---- memory of other ranks ---- */

/* Collective. Can each rank read the memory of the first of its node, as Open MPI does? */
static void measure_copies(t2i_exam *e, t2i_comm *comm)
{
    static char byte;
    t2i_host_info *own = &e->info[e->rank];
    own->pid = getpid();
    own->place = (uintptr_t)&byte;
    t2i_comm_allgather(comm, e->info, sizeof *e->info, (size_t)e->size);
    const t2i_host_info *first = &e->info[own->node_first];
    if (own->node_first != e->rank && !t2i_single_copy_is_off())
        own->copy_error = t2i_single_copy_read(first->pid, first->place);
    t2i_comm_barrier(comm); /* nobody ends before he has been read */
}

/* ---- hosts ---- */

static double time_of_day(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int is_first_of_host(const t2i_exam *e, int rank)
{
    for (int r = 0; r < rank; r++)
        if (strcmp(e->info[r].host, e->info[rank].host) == 0) return 0;
    return 1;
}

/* Collective. Rank 0 asks the first rank of every other host for the time. Of the quickest reply,
 * the time is assumed to be that of the middle of the round trip. */
static void measure_clocks(t2i_exam *e, t2i_comm *comm)
{
    enum { TIMES = 8 };
    for (int r = 1; r < e->size; r++) {
        if (!is_first_of_host(e, r) || (e->rank != 0 && e->rank != r)) continue;
        double quickest = 1e9, ahead = 0, theirs = 0;
        for (int i = 0; i < TIMES; i++) {
            double sent = time_of_day();
            if (e->rank == r) t2i_comm_receive(comm, 0, &theirs, sizeof theirs, 1);
            if (e->rank == 0) t2i_comm_send(comm, r, &sent, sizeof sent, 1);
            t2i_comm_wait(comm);
            double now = time_of_day();
            if (e->rank == r) t2i_comm_send(comm, 0, &now, sizeof now, 1);
            if (e->rank == 0) t2i_comm_receive(comm, r, &theirs, sizeof theirs, 1);
            t2i_comm_wait(comm);
            double came = time_of_day();
            if (e->rank != 0 || came - sent >= quickest) continue;
            quickest = came - sent;
            ahead = theirs - (sent + came) / 2;
        }
        if (e->rank == 0) t2i_comm_send(comm, r, &ahead, sizeof ahead, 1);
        if (e->rank == r) t2i_comm_receive(comm, 0, &ahead, sizeof ahead, 1);
        t2i_comm_wait(comm);
        if (e->rank == r) e->info[r].clock = ahead;
    }
}

/* Collective. Is a file written by rank 0 visible on every host? */
static void measure_visible(t2i_exam *e, t2i_comm *comm)
{
    char name[sizeof e->probe.path + 64] = "";
    t2i_error ignored;
    if (e->rank == 0 && e->probe.status == T2I_OK)
        snprintf(name, sizeof name, "%s/.t2i-doctor-%ld", e->probe.path, (long)getpid());
    if (name[0] != '\0' && t2i_commit_file(name, name, strlen(name), &ignored) != T2I_OK)
        name[0] = '\0';
    t2i_comm_bcast(comm, 0, name, sizeof name);
    e->hosts_looked = name[0] != '\0';
    e->info[e->rank].blind = e->hosts_looked && !t2i_fs_exists(name);
    t2i_comm_barrier(comm);
    if (e->rank == 0 && name[0] != '\0') remove(name);
}

static void look_at_reader(t2i_host_info *own)
{
    t2i_error why;
    own->no_reader = t2i_reader_look(&own->reader, &why) != T2I_OK;
}

t2i_status t2i_doctor_measure(t2i_exam *e, t2i_comm *comm, t2i_error *err)
{
    T2I_TRY(measure_speed(e, comm, err));
    if (e->size > 1) {
        measure_meeting(e, comm);
        T2I_TRY(measure_sums(e, comm, err));
        measure_copies(e, comm);
    }
    if (e->hosts > 1) measure_clocks(e, comm);
    look_at_reader(&e->info[e->rank]);
    if (e->rank == 0) t2i_fs_probe_try(&e->probe);
    if (e->hosts > 1) measure_visible(e, comm);
    t2i_comm_allgather(comm, e->info, sizeof *e->info, (size_t)e->size);
    return T2I_OK;
}
