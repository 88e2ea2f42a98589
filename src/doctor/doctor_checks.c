/* doctor_checks.c - the checks: what was found, how good that is, what to do. Pure functions. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor.h"

/* ---- saying it ---- */

static void found(t2i_finding *f, const char *format, ...) T2I_PRINTF(2, 3);
static void doubt(t2i_finding *f, const char *todo, ...) T2I_PRINTF(2, 3);
static void failing(t2i_finding *f, t2i_status status, const char *todo, ...) T2I_PRINTF(3, 4);

/* Adds to what was found. */
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

/* A node's ranks and what they have together. */
typedef struct {
    int first, ranks, workers, cores, offered;
} node;

static node node_of(const t2i_exam *e, int first)
{
    node n = {.first = first};
    unsigned char mask[T2I_CPU_MASK] = {0};
    for (int r = 0; r < e->size; r++) {
        const t2i_host_info *f = &e->info[r];
        if (f->node_first != first) continue;
        n.ranks++;
        n.workers += f->threads;
        if (f->parent_cores > n.offered) n.offered = f->parent_cores;
        for (int i = 0; i < T2I_CPU_MASK; i++) mask[i] |= f->mask[i];
    }
    for (int bit = 0; bit < 8 * T2I_CPU_MASK; bit++) n.cores += mask[bit / 8] >> bit % 8 & 1;
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
    if (fewest != most) found(f, ", %d to %d a node", fewest, most);
    if (e->size > 1 || own->tasks <= 1) return;
    found(f, "; Slurm gave this job %d tasks", own->tasks);
    doubt(f, "start it with srun --mpi=pmix, or with the mpirun of the MPI library that it was "
             "built with");
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
    doubt(f, "load the module it was built with, or build it again with this one");
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
        failing(f, T2I_SYSTEM, "load the HDF5 module it was built with, or build it again");
        return;
    }
}

/* Are a node's ranks kept from cores that they could use? */
static int is_tied(const t2i_exam *e, const node *n)
{
    int automatic = e->options->threads == 0 && !e->info[n->first].threads_set;
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
            doubt(f, "mpirun ties each of two ranks or fewer to one core: give it --bind-to none");
        else if (e->info[0].launcher == T2I_BY_SRUN)
            doubt(f, "give srun --cpus-per-task (or SRUN_CPUS_PER_TASK), or --cpu-bind=none");
        else
            doubt(f, "start it without binding to cores");
        return;
    }
}

static void judge_threads(const t2i_exam *e, t2i_finding *f)
{
    for (int r = 0; r < e->size; r++) {
        if (!is_first(e, r)) continue;
        node n = node_of(e, r);
        int crowded = n.workers > n.cores;
        if (r > 0 && !crowded) continue;
        f->found[0] = '\0';
        found(f, "%d rank%s x %d thread%s %s %d core%s on %s", n.ranks, plural(n.ranks),
              e->info[r].threads, plural(e->info[r].threads), crowded ? "share" : "have", n.cores,
              plural(n.cores), e->info[r].host);
        if (!crowded || is_tied(e, &n)) continue; /* then the binding is why */
        doubt(f, "start %d rank%s there, or fewer with more --threads: the result is the same",
              n.cores, plural(n.cores));
        return;
    }
}

static void judge_waiting(const t2i_exam *e, t2i_finding *f)
{
    static const double slow = 2e-3;
    found(f, "waiting ranks %s; a barrier takes %.2f ms",
          e->info[0].crowded ? "give their core away at once" : "spin for 0.2 ms",
          1e3 * e->meeting);
    if (e->meeting > slow && e->hosts == 1)
        doubt(f, "something else uses these cores: look at the load, and start fewer ranks");
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
        doubt(f, "ask for nodes of one kind (--constraint); the bits are the same on any");
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
    found(f, "%.1f GF/s a thread", median);
    if (e->size > 1) found(f, "; slowest: rank %d on %s with %.1f", slowest, s->host, s->gflops);
    if (s->gflops < part * median)
        doubt(f,
              "every step waits for rank %d: look at what runs on %s, at its CPU's type and clock, "
              "or leave the node out (--exclude)",
              slowest, s->host);
    else if (!p->crowded && p->core_share < part) {
        found(f, "; rank %d on %s got %.0f %% of a core", robbed, p->host, 100 * p->core_share);
        doubt(f, "another job runs on the same cores (two mpiruns on a node tie their ranks to the "
                 "same ones: --bind-to none)");
    }
}

static void judge_sum(const t2i_exam *e, t2i_finding *f)
{
    static const double slow = 50e6; /* bytes a second */
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
        doubt(f, "the network is slow, or MPI chose a slow interface: name the fast one (Open MPI: "
                 "--mca btl_tcp_if_include), or use fewer nodes");
}

/* ---- memory ---- */

/* What a node's ranks need: their own, and to share. */
static t2i_rank_estimate estimate_of(const t2i_exam *e, int first)
{
    t2i_rank_estimate sum = {0, 0};
    int ranks = node_of(e, first).ranks;
    for (int r = 0; r < e->size; r++) {
        if (e->info[r].node_first != first) continue;
        t2i_rank_estimate need = t2i_resource_estimate_rank(e->run, r, ranks);
        sum.own += need.own;
        sum.shared += need.shared;
    }
    sum.shared += t2i_resource_estimate_node(e->run);
    return sum;
}

static void judge_memory(const t2i_exam *e, t2i_finding *f)
{
    static const double little = 500e6;
    for (int r = 0; r < e->size; r++) {
        const t2i_host_info *at = &e->info[r];
        if (!is_first(e, r) || at->memory <= 0) continue;
        t2i_rank_estimate need = {little, 0};
        if (e->run != NULL) need = estimate_of(e, r);
        double all = need.own + need.shared;
        if (r > 0 && all < at->memory_free) continue;
        f->found[0] = '\0';
        if (e->run != NULL) found(f, "the run needs about %s, and ", bytes_of(all).text);
        found(f, "%s has %s free of %s", at->host, bytes_of(at->memory_free).text,
              bytes_of(at->memory).text);
        if (all > at->memory && e->run != NULL)
            failing(f, T2I_SYSTEM,
                    "use more nodes, fewer ranks or threads on each, a smaller "
                    "model or batch, or ask for more memory (--mem)");
        else if (all > at->memory_free)
            doubt(f, "end what else runs there, or ask for more memory (--mem)");
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
        doubt(f, "give it more: mount -o remount,size=... /dev/shm, in a container --shm-size");
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
        failing(f, e->start_status, "mend that: t2i-train would end with the same words");
    }
}

static void judge_folder(const t2i_exam *e, t2i_finding *f)
{
    const t2i_fs_probe *at = &e->probe;
    found(f, "%s%s on %s", at->path,
          at->is_there || e->options->out == NULL ? "" : " (above it: it will be made)",
          at->type[0] != '\0' ? at->type : "nothing");
    if (at->status != T2I_OK) {
        found(f, ": %s", at->problem);
        failing(f, at->status, "give another --out, on a file system that you may write to");
    } else if (at->kind == T2I_FS_MEMORY)
        doubt(f, "it is gone with the node's next start: give an --out on a disk");
    else if (at->kind == T2I_FS_LOCAL && e->hosts > 1 && !e->hosts_looked)
        doubt(f, "a disk of one host, it seems (t2i-doctor on these nodes tries it): give an --out "
                 "on a file system that all nodes see");
}

static void judge_space(const t2i_exam *e, t2i_finding *f)
{
    static const double little = 200e6, files = 100;
    const t2i_fs_probe *at = &e->probe;
    double need = e->run != NULL ? t2i_resource_estimate_disk(e->run) : little;
    if (at->status != T2I_OK) {
        found(f, "not known");
        return;
    }
    found(f, "%s free", bytes_of(at->free_bytes).text);
    if (e->run != NULL)
        found(f, "; the run needs %s (a checkpoint %s, keep %ld)", bytes_of(need).text,
              bytes_of(t2i_resource_estimate_checkpoint(e->run)).text, e->options->keep);
    if (e->run != NULL && at->free_bytes < t2i_resource_estimate_checkpoint(e->run))
        failing(f, T2I_CANTCREATE, "make room, or give another --out: no checkpoint fits");
    else if (at->free_bytes < need)
        doubt(f, "make room, lower keep, or give another --out");
    else if (at->free_files >= 0 && at->free_files < files) {
        found(f, ", and room for %.0f files", at->free_files);
        doubt(f, "remove files there (inodes run out), or give another --out");
    }
}

static void judge_save(const t2i_exam *e, t2i_finding *f)
{
    static const double slow = 2.0;
    const t2i_fs_probe *at = &e->probe;
    if (at->save_status != T2I_OK) {
        found(f, "%s", at->save_problem);
        failing(f, at->save_status, "make room, or give an --out on a disk that works");
        return;
    }
    if (at->bytes <= 0) {
        found(f, "not tried");
        return;
    }
    found(f, "%.0f MB written and fsynced in %.3f s", at->bytes / 1e6, at->save_seconds);
    if (at->save_seconds > slow)
        doubt(f,
              "give an --out on a faster file system, or save less often (checkpoint-every), and "
              "leave USR1 time enough (--signal=B:USR1@SECONDS)");
}

static void judge_locks(const t2i_exam *e, t2i_finding *f)
{
    if (e->probe.lock_error == 0)
        found(f, "%s", e->probe.status == T2I_OK ? "files can be locked" : "not known");
    else {
        found(f, "files cannot be locked: %s", strerror(e->probe.lock_error));
        doubt(f, "training locks nothing; write datasets elsewhere, and let h5py read with "
                 "HDF5_USE_FILE_LOCKING=FALSE");
    }
}

static void judge_visible(const t2i_exam *e, t2i_finding *f)
{
    for (int r = 0; r < e->size; r++)
        if (e->info[r].blind) {
            found(f, "%s of rank 0 is not seen on %s", e->probe.path, e->info[r].host);
            doubt(f, "give an --out on a file system that all nodes see");
            return;
        }
    if (e->hosts_looked)
        found(f, "all hosts see %s", e->probe.path);
    else
        found(f, "not known");
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
        doubt(f, "set the clocks by NTP (chronyc tracking): munge, and so Slurm, refuses minutes");
}

static void judge_links(const t2i_exam *e, t2i_finding *f)
{
    static const double most = 15.0;
    double after = e->info[0].dead_link;
    if (after <= 0) {
        found(f, "not by mpirun: the watchdog alone ends the job, after %.0f s",
              e->options->watchdog);
        return;
    }
    found(f, "mpirun notices a dead link after %.0f s", after);
    if (after > most)
        doubt(f, "give mpirun --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca "
                 "oob_tcp_keepalive_probes 3");
}

/* ---- the table ---- */

const t2i_check t2i_doctor_checks[] = {
    {"launcher", "ranks that do not see each other would each train alone", 0, judge_launcher},
    {"mpi", "libraries that do not fit the program crash it or hang", T2I_IN_SHORT, judge_mpi},
    {"hdf5", "HDF5 ends a program that meets another version of it", T2I_IN_SHORT, judge_hdf5},
    {"binding", "cores that no rank may use do nothing", T2I_IN_SHORT, judge_binding},
    {"threads", "more threads than cores wait for each other's turn", T2I_IN_SHORT, judge_threads},
    {"waiting", "ranks wait for each other three times a step", T2I_WITH_RANKS, judge_waiting},
    {"cpu", "all ranks go at the pace of the slowest", T2I_IN_SHORT | T2I_WITH_RANKS, judge_cpu},
    {"speed", "all ranks go at the pace of the slowest", 0, judge_speed},
    {"sum", "gradients are added and new weights handed out in every step", T2I_WITH_RANKS,
     judge_sum},
    {"memory", "a node without memory kills ranks", T2I_IN_SHORT, judge_memory},
    {"shared-memory", "without it the ranks of a node send messages and keep copies",
     T2I_WITH_RANKS, judge_shared},
    {"job", "what is wrong with a job ends it at its start", T2I_WITH_DATA, judge_run},
    {"folder", "checkpoints must outlive the job, and be found by the next",
     T2I_IN_SHORT | T2I_WITH_OUT, judge_folder},
    {"space", "a checkpoint that does not fit is lost", T2I_IN_SHORT | T2I_WITH_OUT, judge_space},
    {"save", "a save must fit between the signal and the end of the job", 0, judge_save},
    {"locks", "t2i-data build locks what it writes, h5py what it reads", 0, judge_locks},
    {"shared-folder", "a requeued job may start on another node", T2I_WITH_HOSTS, judge_visible},
    {"clock", "times in logs and files of several nodes are compared", T2I_WITH_HOSTS, judge_clock},
    {"dead-links", "until a dead link is noticed the job stands still",
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
