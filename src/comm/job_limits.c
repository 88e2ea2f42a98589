#include "comm/job_limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"

#define GROUPS "/sys/fs/cgroup"
enum { PATH = 4608 }; /* PATH_MAX and what is added to it */

static FILE *open_file(const char *root, const char *folder, const char *name)
{
    char path[PATH + 512];
    int size = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    return size < (int)sizeof path ? fopen(path, "r") : NULL;
}

/* The numbers with which a file begins, at most two; returns how many there are. "max": none. */
static int read_numbers(const char *root, const char *folder, const char *name, double number[2])
{
    FILE *file = open_file(root, folder, name);
    int count = file == NULL ? 0 : fscanf(file, "%lf %lf", &number[0], &number[1]);
    if (file != NULL) fclose(file);
    return count;
}

static void limit_cores(t2i_job_limits *l, double cores, const char *name, const char *folder)
{
    if (l->cores > 0 && cores >= l->cores) return;
    l->cores = cores;
    snprintf(l->cores_by, sizeof l->cores_by, "%s%s%s", name, *folder != '\0' ? " of " : "",
             folder);
}

/* used: of these bytes. */
static void limit_memory(t2i_job_limits *l, double bytes, double used, const char *name,
                         const char *folder)
{
    double left = bytes > used ? bytes - used : 1;
    if (!(bytes > 0)) return; /* also not a number */
    if (l->memory <= 0 || left < l->memory_free) l->memory_free = left;
    if (l->memory > 0 && bytes >= l->memory) return;
    l->memory = bytes;
    snprintf(l->memory_by, sizeof l->memory_by, "%s%s%s", name, *folder != '\0' ? " of " : "",
             folder);
}

/* ---- control groups ---- */

/* Bytes of cached files in a group and those below, which the kernel drops when it needs memory. */
static double cached_files(const char *root, const char *folder, const char *active,
                           const char *inactive)
{
    char key[64];
    double bytes, sum = 0;
    FILE *file = open_file(root, folder, "memory.stat");
    while (file != NULL && fscanf(file, "%63s %lf", key, &bytes) == 2)
        if (strcmp(key, active) == 0 || strcmp(key, inactive) == 0) sum += bytes;
    if (file != NULL) fclose(file);
    return sum;
}

/* A folder of version 1 or 2, whichever files it has. "-1" and "max" are no limits. */
static void look_at(t2i_job_limits *l, const char *root, const char *folder)
{
    static const struct {
        const char *limit, *usage, *active, *inactive;
    } memory[] = {
        {"memory.max", "memory.current", "active_file", "inactive_file"},
        {"memory.high", "memory.current", "active_file", "inactive_file"}, /* throttled above it */
        {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file",
         "total_inactive_file"}};
    double a[2], b[2];
    if (read_numbers(root, folder, "cpu.max", a) == 2 && a[0] > 0 && a[1] > 0)
        limit_cores(l, a[0] / a[1], "cpu.max", folder);
    if (read_numbers(root, folder, "cpu.cfs_quota_us", a) > 0 && a[0] > 0 &&
        read_numbers(root, folder, "cpu.cfs_period_us", b) > 0 && b[0] > 0)
        limit_cores(l, a[0] / b[0], "cpu.cfs_quota_us", folder);
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
        if (read_numbers(root, folder, memory[i].limit, a) <= 0) continue;
        double used = read_numbers(root, folder, memory[i].usage, b) > 0 ? b[0] : 0;
        used -= cached_files(root, folder, memory[i].active, memory[i].inactive);
        limit_memory(l, a[0] == 0 ? 1 : a[0], used > 0 ? used : 0, memory[i].limit, folder);
    }
}

/* A group and its parents. */
static void look_along(t2i_job_limits *l, const char *root, const char *below, const char *group)
{
    char folder[PATH];
    size_t top = strlen(below);
    snprintf(folder, sizeof folder, "%s%s", below, group);
    for (char *slash; (slash = strrchr(folder, '/')) >= folder + top; *slash = '\0')
        if (slash[1] != '\0') look_at(l, root, folder);
    look_at(l, root, below);
}

/* A line of /proc/self/cgroup: "4:memory:/job", "3:cpu,cpuacct:/job", "0::/job" (version 2). */
static void look_at_line(t2i_job_limits *l, const char *root, char *line)
{
    static const char *const controllers[] = {"cpu", "memory"};
    char below[256], list[256];
    char *names = strchr(line, ':'), *group = names == NULL ? NULL : strchr(names + 1, ':');
    if (group == NULL) return;
    *names++ = *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*names == '\0') {
        look_along(l, root, GROUPS, group);
        look_along(l, root, GROUPS "/unified", group);
    }
    snprintf(list, sizeof list, ",%.200s,", names);
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
        snprintf(below, sizeof below, ",%s,", controllers[i]);
        if (strstr(list, below) == NULL) continue;
        snprintf(below, sizeof below, GROUPS "/%s", controllers[i]);
        look_along(l, root, below, group);
        snprintf(below, sizeof below, GROUPS "/%.200s", names);
        look_along(l, root, below, group);
    }
}

static void limit_by_groups(t2i_job_limits *l, const char *root)
{
    static const char *const roots[] = {GROUPS, GROUPS "/cpu", GROUPS "/memory"};
    char line[PATH];
    FILE *file = open_file(root, "/proc/self", "cgroup");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) look_at_line(l, root, line);
    if (file != NULL) fclose(file);
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) look_at(l, root, roots[i]);
}

/* ---- machine and Slurm ---- */

static void find_memory(t2i_job_limits *l, const char *root)
{
    char line[128];
    double kib;
    FILE *file = open_file(root, "/proc", "meminfo");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemTotal: %lf", &kib) == 1) l->memory = 1024 * kib;
        if (sscanf(line, "MemAvailable: %lf", &kib) == 1) l->memory_free = 1024 * kib;
    }
    if (file != NULL) fclose(file);
}

/* A number, in MiB also with K, G or T behind it, as in --mem; 0 if there is none. */
static double number_of(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    double number = text == NULL ? 0 : strtod(text, &end);
    if (!isfinite(number) || number <= 0) return 0;
    switch (*end) {
    case 'K':
    case 'k':
        return number / 1024;
    case 'G':
    case 'g':
        return number * 1024;
    case 'T':
    case 't':
        return number * 1024 * 1024;
    default:
        return number;
    }
}

/* Whether or not Slurm enforces them. Memory is in MiB; 0: all of the node. CPUs are those of the
 * job or step on the node where Slurm started this process or its launcher: srun, and mpirun
 * through it, give each node its own; a launcher by ssh gives none. */
static void limit_by_slurm(t2i_job_limits *l)
{
    const double mib = 1 << 20, cores = number_of("SLURM_CPUS_ON_NODE");
    limit_memory(l, mib * number_of("SLURM_MEM_PER_NODE"), 0, "SLURM_MEM_PER_NODE", "");
    limit_memory(l, mib * number_of("SLURM_MEM_PER_CPU") * cores, 0, "SLURM_MEM_PER_CPU", "");
    if (cores > 0) limit_cores(l, cores, "SLURM_CPUS_ON_NODE", "");
}

void t2i_job_limits_look(t2i_job_limits *l, const char *root)
{
    memset(l, 0, sizeof *l); /* including padding: host_info.h */
    find_memory(l, root);
    limit_by_groups(l, root);
    limit_by_slurm(l);
}

int t2i_job_limits_cores(void)
{
    t2i_job_limits limits;
    int cores = t2i_cpu_usable();
    t2i_job_limits_look(&limits, "");
    if (limits.cores > 0 && limits.cores < cores) cores = (int)limits.cores;
    return cores > 0 ? cores : 1;
}

t2i_status t2i_job_limits_check_memory(double bytes, const char *what, t2i_error *err)
{
    t2i_job_limits limits;
    t2i_job_limits_look(&limits, "");
    if (limits.memory <= 0 || bytes <= limits.memory) return T2I_OK;
    return t2i_fail(err, T2I_SYSTEM,
                    "%s need %.1f MB, but this job may use %.1f MB on this machine (%s); request "
                    "more memory (--mem), or make the run smaller",
                    what, bytes / 1e6, limits.memory / 1e6,
                    limits.memory_by[0] != '\0' ? limits.memory_by : "all that it has");
}
