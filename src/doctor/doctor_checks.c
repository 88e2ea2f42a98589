/* doctor_checks.c - the checks: pure functions from the collected data to a finding, its grade and
 * the remedy. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor.h"

/* ---- findings ---- */

static void found(t2i_finding *f, const char *format, ...) T2I_PRINTF(2, 3);
static void doubt(t2i_finding *f, const char *todo, ...) T2I_PRINTF(2, 3);
static void failing(t2i_finding *f, t2i_status status, const char *todo, ...) T2I_PRINTF(3, 4);

/* Appends to the text of the finding. */
static void found(t2i_finding *f, const char *format, ...)
{
    size_t used = strlen(f->found);
    va_list list;
    va_start(list, format);
    vsnprintf(f->found + used, sizeof f->found - used, format, list);
    va_end(list);
}

static void doubt(t2i_finding *f, const char *todo, ...)
{
    va_list list;
    f->grade = T2I_DOUBTFUL;
    va_start(list, todo);
    vsnprintf(f->todo, sizeof f->todo, todo, list);
    va_end(list);
}

static void failing(t2i_finding *f, t2i_status status, const char *todo, ...)
{
    va_list list;
    f->grade = T2I_FAILING;
    f->status = status;
    va_start(list, todo);
    vsnprintf(f->todo, sizeof f->todo, todo, list);
    va_end(list);
}

typedef struct {
    char text[24];
} amount;

static amount bytes_of(double bytes)
{
    amount a;
    if (bytes < 1e9)
        snprintf(a.text, sizeof a.text, "%.1f MB", bytes / 1e6);
    else
        snprintf(a.text, sizeof a.text, "%.1f GB", bytes / 1e9);
    return a;
}

static const char *plural(int count)
{
    return count == 1 ? "" : "s";
}

/* ---- ranks and cores ---- */

/* Totals over the ranks of a node. */
typedef struct {
    int first, ranks, workers, cores, offered;
    double granted;  /* of the cores, by the tightest control group of a rank; at most `cores` */
    int slow, small; /* the ranks with the tightest limits of cores and of memory */
} node;

static node node_of(const t2i_exam *e, int first)
{
    node n = {.first = first, .slow = first, .small = first};
    unsigned char mask[T2I_CPU_MASK] = {0};
    for (int r = 0; r < e->size; r++) {
        const t2i_host_info *f = &e->info[r];
        if (f->node_first != first) continue;
        n.ranks++;
        n.workers += f->threads;
        if (f->parent_cores > n.offered) n.offered = f->parent_cores;
        for (int i = 0; i < T2I_CPU_MASK; i++) mask[i] |= f->mask[i];
        double most = e->info[n.slow].limits.cores;
        if (f->limits.cores > 0 && (most <= 0 || f->limits.cores < most)) n.slow = r;
        if (f->limits.memory < e->info[n.small].limits.memory) n.small = r;
    }
    for (int bit = 0; bit < 8 * T2I_CPU_MASK; bit++) n.cores += mask[bit / 8] >> bit % 8 & 1;
    n.granted = e->info[n.slow].limits.cores;
    if (n.granted <= 0 || n.granted > n.cores) n.granted = n.cores;
    return n;
}

static int is_first(const t2i_exam *e, int rank)
{
    return e->info[rank].node_first == rank;
}

static void judge_launcher(const t2i_exam *e, t2i_finding *f)
{
    static const char *const by[] = {"another launcher", "Open MPI's mpirun", "srun", "Hydra"};
    const t2i_host_info *own = &e->info[0];
    int fewest = e->size, most = 0;
    for (int r = 0; r < e->size; r++) {
        int ranks = is_first(e, r) ? node_of(e, r).ranks : 0;
        if (ranks > 0 && ranks < fewest) fewest = ranks;
        if (ranks > most) most = ranks;
    }
    found(f, "%d rank%s on %d host%s, started by %s", e->size, plural(e->size), e->hosts,
          plural(e->hosts),
          e->size == 1 && own->launcher == T2I_BY_OTHER ? "hand" : by[own->launcher]);
    if (fewest != most) found(f, ", %d to %d per node", fewest, most);
    if (e->size > 1 || own->tasks <= 1) return;
    found(f, "; Slurm allocated %d tasks to this job", own->tasks);
    doubt(
        f,
        "start it with srun --mpi=pmix, or with mpirun of the MPI library that it was built with");
}

static void judge_mpi(const t2i_exam *e, t2i_finding *f)
{
    const t2i_host_info *own = &e->info[0];
    found(f, "%s", own->mpi);
    for (int r = 1; r < e->size; r++)
        if (strcmp(e->info[r].mpi, own->mpi) != 0) {
            found(f, " on rank 0, %s on rank %d (%s)", e->info[r].mpi, r, e->info[r].host);
            failing(f, T2I_SYSTEM, "load the same MPI module on all nodes");
            return;
        }
    if (own->mpi_built[0] == '\0' || strcmp(own->mpi_built, own->mpi) == 0) return;
    found(f, ", built with %s", own->mpi_built);
    doubt(f, "load the MPI module that it was built with, or rebuild it with this one");
}

static void judge_hdf5(const t2i_exam *e, t2i_finding *f)
{
    for (int r = 0; r < e->size; r++) {
        const unsigned *is = e->info[r].hdf5, *was = e->info[r].hdf5_built;
        int differs = memcmp(is, was, 3 * sizeof *is) != 0;
        if (r > 0 && !differs) continue;
        if (r > 0) found(f, "; rank %d on %s: ", r, e->info[r].host);
        found(f, "%u.%u.%u", is[0], is[1], is[2]);
        if (!differs) continue;
        found(f, ", built with %u.%u.%u", was[0], was[1], was[2]);
        failing(f, T2I_SYSTEM, "load the HDF5 module that it was built with, or rebuild it");
        return;
    }
}

/* The reader of the first rank where something is missing; else of rank 0. */
static void judge_reader(const t2i_exam *e, t2i_finding *f)
{
    static const char trust[] = "until then, open only datasets that you trust";
    const t2i_host_info *at = e->info;
    for (int r = e->size - 1; r >= 0; r--)
        if (e->info[r].no_reader || e->info[r].reader.filter != 0) at = &e->info[r];
    int filter = at->reader.filter, landlock = at->reader.landlock;
    if (at->no_reader) {
        found(f, "t2i-reader cannot be started on %s", at->host);
        failing(f, T2I_SYSTEM,
                "install it beside the programs or in ../libexec/t2i, or set T2I_READER");
        return;
    }
    found(f, "%s the process that reads datasets",
          filter == 0     ? landlock == 0 ? "a filter of system calls and Landlock confine"
                                          : "a filter of system calls confines"
          : landlock == 0 ? "Landlock confines"
                          : "nothing confines");
    if (filter == 0) return;
    found(f, " on %s: no filter of system calls (%s)", at->host,
          filter == T2I_READER_NOT_BUILT ? "built without libseccomp" : strerror(filter));
    if (filter == T2I_READER_NOT_BUILT)
        doubt(f, "install libseccomp's development files and build again (make clean all); %s",
              trust);
    else
        doubt(f, "allow seccomp in this kernel or container; %s", trust);
}

/* Are the ranks of a node bound to fewer cores than they could use? */
static int is_tied(const t2i_exam *e, const node *n)
{
    double granted = e->info[n->slow].limits.cores;
    int automatic = e->options->threads == 0 && !e->info[n->first].threads_set;
    if (granted > 0 && granted <= n->cores) return 0;
    return n->cores < n->offered && (automatic || n->workers > n->cores);
}

static void judge_binding(const t2i_exam *e, t2i_finding *f)
{
    for (int r = 0; r < e->size; r++) {
        if (!is_first(e, r)) continue;
        node n = node_of(e, r);
        int tied = is_tied(e, &n);
        if (r > 0 && !tied) continue;
        f->found[0] = '\0';
        found(f, "%d rank%s on %s may use %d core%s", n.ranks, plural(n.ranks), e->info[r].host,
              n.cores, plural(n.cores));
        if (!tied) continue;
        found(f, " of %d", n.offered);
        if (e->info[0].launcher == T2I_BY_MPIRUN)
            doubt(f, "with at most two ranks, mpirun binds each to one core: add --bind-to none");
        else if (e->info[0].launcher == T2I_BY_SRUN)
            doubt(f, "add --cpus-per-task to srun (or set SRUN_CPUS_PER_TASK), or --cpu-bind=none");
        else
            doubt(f, "disable core binding in the launcher");
        return;
    }
}

static void judge_threads(const t2i_exam *e, t2i_finding *f)
{
    for (int r = 0; r < e->size; r++) {
        if (!is_first(e, r)) continue;
        node n = node_of(e, r);
        int crowded = n.workers > n.granted, limited = n.granted < n.cores;
        if (r > 0 && !crowded) continue;
        f->found[0] = '\0';
        found(f, "%d rank%s x %d thread%s %s ", n.ranks, plural(n.ranks), e->info[r].threads,
              plural(e->info[r].threads), crowded ? "share" : "have");
        if (limited) found(f, "%.3g of ", n.granted);
        found(f, "%d core%s on %s", n.cores, plural(n.cores), e->info[r].host);
        if (limited) found(f, " (%s)", e->info[n.slow].limits.cores_by);
        if (!crowded || is_tied(e, &n)) continue; /* otherwise judge_binding reports it */
        if (n.granted < 1)
            doubt(f, "grant the job a whole core: it is stopped for a part of the time");
        else
            doubt(f,
                  "start %d rank%s there, or fewer ranks with more --threads; the result is the "
                  "same",
                  (int)n.granted, plural((int)n.granted));
        return;
    }
}

static void judge_waiting(const t2i_exam *e, t2i_finding *f)
{
    static const double slow = 2e-3;
    found(f, "waiting ranks %s; a barrier takes %.2f ms",
          e->info[0].crowded ? "yield their core at once" : "spin for 0.2 ms", 1e3 * e->meeting);
    if (e->meeting > slow && e->hosts == 1)
        doubt(f, "other processes use these cores: check the load, or start fewer ranks");
}

static void judge_cpu(const t2i_exam *e, t2i_finding *f)
{
    const t2i_host_info *own = &e->info[0];
    found(f, "vectors %s, OpenBLAS %s", own->cpu, own->blas);
    for (int r = 1; r < e->size; r++) {
        const t2i_host_info *other = &e->info[r];
        if (strcmp(other->cpu, own->cpu) == 0 && strcmp(other->blas, own->blas) == 0) continue;
        found(f, " on %s; %s, %s on %s (rank %d)", own->host, other->cpu, other->blas, other->host,
              r);
        doubt(f, "request nodes of one type (--constraint); the result is the same on all types");
        return;
    }
}

/* ---- speed ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_speed(const t2i_exam *e)
{
    double median = 0, *all = malloc((size_t)e->size * sizeof *all);
    if (all == NULL) return 0;
    for (int r = 0; r < e->size; r++) all[r] = e->info[r].gflops;
    qsort(all, (size_t)e->size, sizeof *all, ascending);
    median = all[e->size / 2];
    free(all);
    return median;
}

static void judge_speed(const t2i_exam *e, t2i_finding *f)
{
    static const double part = 0.8;
    double median = median_speed(e);
    int slowest = 0, robbed = 0;
    for (int r = 1; r < e->size; r++) {
        if (e->info[r].gflops < e->info[slowest].gflops) slowest = r;
        if (e->info[r].core_share < e->info[robbed].core_share) robbed = r;
    }
    const t2i_host_info *s = &e->info[slowest], *p = &e->info[robbed];
    found(f, "%.1f GFLOP/s per thread", median);
    if (e->size > 1) found(f, "; slowest: rank %d on %s with %.1f", slowest, s->host, s->gflops);
    if (s->gflops < part * median)
        doubt(f,
              "every step waits for rank %d: check the load, CPU type and clock rate of %s, or "
              "exclude the node (--exclude)",
              slowest, s->host);
    else if (!p->crowded && p->core_share < part) {
        found(f, "; rank %d on %s got %.0f %% of a core", robbed, p->host, 100 * p->core_share);
        doubt(f, "another job uses the same cores (two mpirun jobs on a node bind to the same "
                 "cores: add --bind-to none)");
    }
}

static void judge_sum(const t2i_exam *e, t2i_finding *f)
{
    static const double slow = 50e6; /* bytes per second */
    double speed = 0;
    found(f, "over %d ranks: ", e->size);
    for (int i = 0; i < T2I_EXAM_SUMS; i++) {
        if (e->sum[i].seconds <= 0) continue;
        speed = e->sum[i].bytes / e->sum[i].seconds;
        found(f, "%s%.2g MiB %.2f ms", i > 0 ? ", " : "", e->sum[i].bytes / (1 << 20),
              1e3 * e->sum[i].seconds);
    }
    found(f, " (%.2f GB/s)", speed / 1e9);
    if (e->hosts > 1 && speed < slow)
        doubt(f,
              "the network is slow, or MPI chose a slow interface: select the fast one (Open MPI: "
              "--mca btl_tcp_if_include), or use fewer nodes");
}

/* ---- memory ---- */

/* Private and shared memory needed by the ranks of a node. */
static t2i_rank_estimate estimate_of(const t2i_exam *e, int first)
{
    t2i_rank_estimate sum = {0};
    int ranks = node_of(e, first).ranks;
    for (int r = 0; r < e->size; r++) {
        if (e->info[r].node_first != first) continue;
        t2i_rank_estimate need = t2i_resource_estimate_rank(e->run, r, ranks);
        sum.own += need.own;
        sum.shared += need.shared;
        sum.rows += need.rows;
    }
    sum.shared += t2i_resource_estimate_node(e->run, sum.rows);
    return sum;
}

static void judge_memory(const t2i_exam *e, t2i_finding *f)
{
    static const double little = 500e6;
    for (int r = 0; r < e->size; r++) {
        const t2i_host_info *at = &e->info[r];
        if (!is_first(e, r)) continue;
        const t2i_job_limits *l = &e->info[node_of(e, r).small].limits;
        if (l->memory <= 0) continue;
        t2i_rank_estimate need = {.own = little};
        if (e->run != NULL) need = estimate_of(e, r);
        double all = need.own + need.shared;
        if (r > 0 && all < l->memory_free) continue;
        f->found[0] = '\0';
        if (e->run != NULL) found(f, "the run needs about %s, and ", bytes_of(all).text);
        found(f, "%s has %s free of %s", at->host, bytes_of(l->memory_free).text,
              bytes_of(l->memory).text);
        if (l->memory_by[0] != '\0') found(f, " that %s allows", l->memory_by);
        if (all > l->memory && e->run != NULL)
            failing(f, T2I_SYSTEM,
                    "use more nodes, fewer ranks or threads on each, a smaller "
                    "model or batch, or request more memory (--mem)");
        else if (all > l->memory_free)
            doubt(f, "stop other processes there, or request more memory (--mem)");
        if (f->grade != T2I_FINE) return;
    }
}

static void judge_shared(const t2i_exam *e, t2i_finding *f)
{
    static const double docker = 64 << 20;
    for (int r = 0; r < e->size; r++) {
        const t2i_host_info *at = &e->info[r];
        if (!is_first(e, r) || node_of(e, r).ranks == 1) continue;
        double need = e->run != NULL ? estimate_of(e, r).shared : docker;
        if (r > 0 && need < at->shared) continue;
        f->found[0] = '\0';
        found(f, "/dev/shm of %s has %s", at->host, bytes_of(at->shared).text);
        if (e->run != NULL) found(f, ", and the run needs %s", bytes_of(need).text);
        if (need < at->shared) continue;
        doubt(f, "enlarge it: mount -o remount,size=... /dev/shm; in a container, --shm-size");
        return;
    }
}

/* ---- files ---- */

static void judge_run(const t2i_exam *e, t2i_finding *f)
{
    if (e->start_status == T2I_OK)
        found(f, "%s: %.0f parameters, %zu shards, batch %zu", e->options->data,
              (double)e->run->model->layout.count, e->run->sampler->shards, e->run->sampler->batch);
    else {
        found(f, "%s", e->start_problem);
        failing(f, e->start_status, "correct this: t2i-train would fail with the same error");
    }
}

static void judge_folder(const t2i_exam *e, t2i_finding *f)
{
    const t2i_fs_probe *at = &e->probe;
    found(f, "%s%s on %s", at->path,
          at->is_there || e->options->out == NULL
              ? ""
              : " (parent folder; the run folder will be created)",
          at->type[0] != '\0' ? at->type : "an unknown file system");
    if (at->status != T2I_OK) {
        found(f, ": %s", at->problem);
        failing(f, at->status, "choose another --out, on a writable file system");
    } else if (at->kind == T2I_FS_MEMORY)
        doubt(f, "its contents are lost when the node restarts: choose an --out on a disk");
    else if (at->kind == T2I_FS_LOCAL && e->hosts > 1 && !e->hosts_looked)
        doubt(f, "probably a local disk (t2i-doctor on these nodes tests it): choose an --out on a "
                 "file system that all nodes share");
}

static void judge_space(const t2i_exam *e, t2i_finding *f)
{
    static const double little = 200e6, files = 100;
    const t2i_fs_probe *at = &e->probe;
    double need = e->run != NULL ? t2i_resource_estimate_disk(e->run) : little;
    if (at->status != T2I_OK || at->free_bytes < 0) {
        found(f, "unknown");
        return;
    }
    found(f, "%s has %s free", at->path, bytes_of(at->free_bytes).text);
    if (e->run != NULL)
        found(f, "; the run needs %s (%s per checkpoint, keep %ld)", bytes_of(need).text,
              bytes_of(t2i_resource_estimate_checkpoint(e->run)).text, e->options->keep);
    if (e->run != NULL && at->free_bytes < t2i_resource_estimate_checkpoint(e->run))
        failing(f, T2I_CANTCREATE, "free disk space, or choose another --out: no checkpoint fits");
    else if (at->free_bytes < need)
        doubt(f, "free disk space, lower keep, or choose another --out");
    else if (at->free_files >= 0 && at->free_files < files) {
        found(f, ", and room for %.0f files", at->free_files);
        doubt(f, "remove files there (inodes are nearly exhausted), or choose another --out");
    }
}

static void judge_save(const t2i_exam *e, t2i_finding *f)
{
    static const double slow = 2.0;
    const t2i_fs_probe *at = &e->probe;
    if (at->save_status != T2I_OK) {
        found(f, "%s", at->save_problem);
        failing(f, at->save_status, "free disk space, or choose an --out on a working disk");
        return;
    }
    if (at->bytes <= 0) {
        found(f, "not tested");
        return;
    }
    found(f, "%.0f MB written and fsynced in %.3f s", at->bytes / 1e6, at->save_seconds);
    if (at->save_seconds > slow)
        doubt(f, "choose an --out on a faster file system, or save less often (checkpoint-every), "
                 "and send USR1 early enough (--signal=B:USR1@SECONDS)");
}

static void judge_copies(const t2i_exam *e, t2i_finding *f)
{
    for (int r = 0; r < e->size; r++) {
        const t2i_host_info *own = &e->info[r];
        if (own->copy_error == 0) continue;
        found(f, "rank %d on %s cannot read the memory of another rank: %s", r, own->host,
              strerror(own->copy_error));
        if (strncmp(own->mpi, "Open MPI", 8) != 0) return;
        found(f, "; Open MPI prints 'Read -1, expected N, errno = %d' for each large message",
              own->copy_error);
        doubt(f, "add to mpirun: --mca btl_vader_single_copy_mechanism none (Open MPI 4) or --mca "
                 "smsc ^cma (Open MPI 5); the results are correct with and without it");
        return;
    }
    found(f, "ranks of a node can read each other's memory, or do not try");
}

/* OpenBLAS starts a thread per core in every process. */
static void judge_limits(const t2i_exam *e, t2i_finding *f)
{
    for (int r = 0; r < e->size; r++) {
        const t2i_host_info *own = &e->info[r];
        if (!is_first(e, r)) continue;
        node n = node_of(e, r);
        double needed = n.ranks * (own->cores + 8.0) + n.workers;
        if (own->processes > 0 && own->processes < needed) {
            found(f, "%s permits %.0f processes and threads, and %d rank%s may need %.0f",
                  own->host, own->processes, n.ranks, plural(n.ranks), needed);
            doubt(f,
                  "raise the limit (ulimit -u), or set OPENBLAS_NUM_THREADS=1: otherwise OpenBLAS "
                  "prints 'blas_thread_init: pthread_create failed'");
            return;
        }
        if (own->lockable > 0 && own->lockable < 64e6) {
            found(f, "%s has InfiniBand, but only %.1f MB may be locked in memory", own->host,
                  own->lockable / 1e6);
            doubt(f, "set 'ulimit -l unlimited' (/etc/security/limits.conf; in Slurm "
                     "PropagateResourceLimitsExcept=MEMLOCK): otherwise Open MPI and UCX warn and "
                     "use TCP");
            return;
        }
    }
    found(f, "processes and locked memory suffice");
}

static void judge_locks(const t2i_exam *e, t2i_finding *f)
{
    if (e->probe.lock_error == 0)
        found(f, "%s", e->probe.status == T2I_OK ? "files can be locked" : "unknown");
    else {
        found(f, "files cannot be locked: %s", strerror(e->probe.lock_error));
        doubt(f, "training needs no locks; write datasets elsewhere, and set "
                 "HDF5_USE_FILE_LOCKING=FALSE for h5py");
    }
}

static void judge_visible(const t2i_exam *e, t2i_finding *f)
{
    for (int r = 0; r < e->size; r++)
        if (e->info[r].blind) {
            found(f, "%s of rank 0 is not visible on %s", e->probe.path, e->info[r].host);
            doubt(f, "choose an --out on a file system that all nodes share");
            return;
        }
    if (e->hosts_looked)
        found(f, "%s is visible on all hosts", e->probe.path);
    else
        found(f, "unknown");
}

/* ---- several hosts ---- */

static void judge_clock(const t2i_exam *e, t2i_finding *f)
{
    static const double most = 2.0;
    int worst = 0;
    for (int r = 1; r < e->size; r++) {
        double off = e->info[r].clock, so_far = e->info[worst].clock;
        if (off * off > so_far * so_far) worst = r;
    }
    double off = e->info[worst].clock;
    found(f, "at most %.3f s apart (%s)", off < 0 ? -off : off, e->info[worst].host);
    if (off > most || off < -most)
        doubt(f, "synchronise the clocks by NTP (chronyc tracking): munge, and therefore Slurm, "
                 "rejects differences of minutes");
}

static void judge_links(const t2i_exam *e, t2i_finding *f)
{
    static const double most = 15.0;
    double after = e->info[0].dead_link;
    if (after <= 0) {
        found(f, "not detected by mpirun: only the watchdog ends the job, after %.0f s",
              e->options->watchdog);
        return;
    }
    found(f, "mpirun detects a dead connection after %.0f s", after);
    if (after > most)
        doubt(f,
              "add to mpirun: --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca "
              "oob_tcp_keepalive_probes 3");
}

/* ---- the table ---- */

const t2i_check t2i_doctor_checks[] = {
    {"launcher", "ranks that are not connected would train separately", 0, judge_launcher},
    {"mpi", "an MPI library of another version can crash or hang the program", T2I_IN_SHORT,
     judge_mpi},
    {"hdf5", "HDF5 aborts a program that was built with another version", T2I_IN_SHORT, judge_hdf5},
    {"reader", "code in a hostile dataset has the rights that the process that reads it has", 0,
     judge_reader},
    {"binding", "cores to which no rank is bound stay idle", T2I_IN_SHORT, judge_binding},
    {"threads", "threads that share a core slow each other down", T2I_IN_SHORT, judge_threads},
    {"waiting", "the ranks synchronise three times per step", T2I_WITH_RANKS, judge_waiting},
    {"cpu", "the slowest rank sets the speed of all ranks", T2I_IN_SHORT | T2I_WITH_RANKS,
     judge_cpu},
    {"speed", "the slowest rank sets the speed of all ranks", 0, judge_speed},
    {"sum", "each step sums the gradients and distributes the updated weights", T2I_WITH_RANKS,
     judge_sum},
    {"memory", "a node that runs out of memory kills ranks", T2I_IN_SHORT | T2I_REFUSES,
     judge_memory},
    {"shared-memory", "without it, the ranks of a node exchange messages and keep separate copies",
     T2I_WITH_RANKS, judge_shared},
    {"single-copy",
     "large messages between the ranks of a node are copied once where it is permitted",
     T2I_WITH_RANKS, judge_copies},
    {"limits", "MPI and OpenBLAS print warnings, or fail, where the limits of the system are low",
     T2I_WITH_RANKS, judge_limits},
    {"job", "an error in the job ends it at its start", T2I_WITH_DATA, judge_run},
    {"folder", "checkpoints must outlive the job and be visible to the next one",
     T2I_IN_SHORT | T2I_WITH_OUT, judge_folder},
    {"space", "a checkpoint that does not fit cannot be saved",
     T2I_IN_SHORT | T2I_WITH_OUT | T2I_REFUSES, judge_space},
    {"save", "a checkpoint must be saved between the signal and the end of the job", 0, judge_save},
    {"locks", "t2i-data build locks files that it writes, h5py files that it reads", 0,
     judge_locks},
    {"shared-folder", "a requeued job may start on another node", T2I_WITH_HOSTS, judge_visible},
    {"clock", "timestamps of several nodes are compared", T2I_WITH_HOSTS, judge_clock},
    {"dead-links", "the job hangs until a dead connection is detected",
     T2I_IN_SHORT | T2I_WITH_HOSTS, judge_links},
};
const size_t t2i_doctor_checks_count = sizeof t2i_doctor_checks / sizeof *t2i_doctor_checks;

int t2i_doctor_checks_applies(const t2i_check *check, const t2i_exam *e, int in_short)
{
    unsigned needs = check->needs;
    if (in_short && (needs & T2I_IN_SHORT) == 0) return 0;
    if ((needs & T2I_WITH_RANKS) != 0 && e->size == 1) return 0;
    if ((needs & T2I_WITH_HOSTS) != 0 && e->hosts == 1) return 0;
    if ((needs & T2I_WITH_DATA) != 0 && e->options->data == NULL) return 0;
    return (needs & T2I_WITH_OUT) == 0 || !in_short || e->options->out != NULL;
}
