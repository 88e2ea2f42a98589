/* What control groups of both versions and Slurm allow, over a made-up /proc and /sys. */
#include "test.h"

#include <sys/stat.h>

#include "base/cpu.h"
#include "comm/job_limits.h"
#include "scratch.h"

static t2i_error err;
static t2i_job_limits l;

/* Writes a file below the scratch folder, and the folders above it. */
static void put(const char *name, const char *text)
{
    char path[1200];
    snprintf(path, sizeof path, "%s%s", scratch, name);
    for (char *c = path + strlen(scratch) + 1; *c != '\0'; c++) {
        if (*c != '/') continue;
        *c = '\0';
        mkdir(path, 0700);
        *c = '/';
    }
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

/* A machine with 16 GiB, 12 of them free. lines: /proc/self/cgroup. */
static void machine(const char *lines)
{
    scratch_end();
    CU_ASSERT_EQUAL_FATAL(mkdir(scratch, 0700), 0);
    put("/proc/meminfo",
        "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:   12582912 kB\n");
    put("/proc/self/cgroup", lines);
}

static void look(double cores, const char *cores_by, double memory, double memory_free,
                 const char *memory_by)
{
    t2i_job_limits_look(&l, scratch);
    int good = l.cores == cores && strcmp(l.cores_by, cores_by) == 0 && l.memory == memory &&
               l.memory_free == memory_free && strcmp(l.memory_by, memory_by) == 0;
    if (!good)
        fprintf(stderr, "%g cores (%s), %.0f bytes, %.0f free (%s)\n", l.cores, l.cores_by,
                l.memory, l.memory_free, l.memory_by);
    CU_ASSERT_TRUE(good);
}

static const double GIB = 1 << 30;

static void test_none(void)
{
    scratch_end(); /* neither /proc nor /sys */
    CU_ASSERT_EQUAL_FATAL(mkdir(scratch, 0700), 0);
    look(0, "", 0, 0, "");
    machine("0::/\n");
    look(0, "", 16 * GIB, 12 * GIB, "");
    put("/sys/fs/cgroup/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/memory.max", "max\n");
    put("/sys/fs/cgroup/memory.high", "max\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    look(0, "", 16 * GIB, 12 * GIB, "");
    put("/sys/fs/cgroup/cpu.max", "50000\n"); /* not as the kernel writes it */
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "0\n");
    put("/sys/fs/cgroup/memory.max", "\n");
    put("/proc/self/cgroup", "\n::\n7:\nx:y\n1:cpu\n0::\n");
    look(0, "", 16 * GIB, 12 * GIB, "");
}

static void test_version_2(void)
{
    machine("1:name=systemd:/other\n0::/slurm/job_7/step_0\n");
    put("/sys/fs/cgroup/slurm/job_7/step_0/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/slurm/job_7/cpu.max", "250000 100000\n");
    put("/sys/fs/cgroup/slurm/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/slurm/job_7/step_0/memory.max", "4294967296\n");
    put("/sys/fs/cgroup/slurm/job_7/step_0/memory.current", "1073741824\n");
    put("/sys/fs/cgroup/slurm/job_7/memory.max", "8589934592\n");
    put("/sys/fs/cgroup/slurm/job_7/memory.current", "6442450944\n");
    look(2.5, "cpu.max of /sys/fs/cgroup/slurm/job_7", 4 * GIB, 2 * GIB,
         "memory.max of /sys/fs/cgroup/slurm/job_7/step_0");
    /* cached files are free */
    put("/sys/fs/cgroup/slurm/job_7/memory.stat",
        "anon 5\nfile 2147483648\nactive_file 1073741824\ninactive_file 536870912\nslab 4\n");
    look(2.5, "cpu.max of /sys/fs/cgroup/slurm/job_7", 4 * GIB, 3 * GIB,
         "memory.max of /sys/fs/cgroup/slurm/job_7/step_0");
    put("/sys/fs/cgroup/slurm/job_7/memory.high", "2147483648\n");
    look(2.5, "cpu.max of /sys/fs/cgroup/slurm/job_7", 2 * GIB, 1,
         "memory.high of /sys/fs/cgroup/slurm/job_7");
    /* another one's group does not count */
    put("/sys/fs/cgroup/slurm/job_8/cpu.max", "1000 100000\n");
    put("/sys/fs/cgroup/other/cpu.max", "1000 100000\n");
    look(2.5, "cpu.max of /sys/fs/cgroup/slurm/job_7", 2 * GIB, 1,
         "memory.high of /sys/fs/cgroup/slurm/job_7");
}

static void test_version_1(void)
{
    machine("9:cpuset:/set\n4:memory:/job\n3:cpu,cpuacct:/a/job\n0::/\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/job/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/job/cpu.cfs_period_us", "50000\n");
    put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "3221225472\n");
    put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "2147483648\n");
    put("/sys/fs/cgroup/memory/job/memory.stat",
        "active_file 7\ntotal_active_file 1000\ntotal_inactive_file 73740824\n");
    look(3, "cpu.cfs_quota_us of /sys/fs/cgroup/cpu,cpuacct/a/job", 3 * GIB, GIB + 73741824,
         "memory.limit_in_bytes of /sys/fs/cgroup/memory/job");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n"); /* the parent, by the other name */
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpuset/set/cpu.cfs_quota_us", "1\n"); /* not the controller cpu */
    put("/sys/fs/cgroup/cpuset/set/cpu.cfs_period_us", "100000\n");
    look(0.5, "cpu.cfs_quota_us of /sys/fs/cgroup/cpu/a", 3 * GIB, GIB + 73741824,
         "memory.limit_in_bytes of /sys/fs/cgroup/memory/job");
}

/* A container sees its own group as the root; the path is that of the host, or "/". */
static void test_container(void)
{
    machine("4:memory:/docker/abc\n1:cpu:/docker/abc\n0::/docker/abc\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    look(0.5, "cpu.cfs_quota_us of /sys/fs/cgroup/cpu", GIB, GIB,
         "memory.limit_in_bytes of /sys/fs/cgroup/memory");
    for (int i = 0; i < 3; i++) {
        static const char *const lines[] = {"0::/\n", "0::/../../x\n", "0::/pod/abc\n"};
        machine(lines[i]);
        put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
        put("/sys/fs/cgroup/memory.max", "1073741824\n");
        look(2, "cpu.max of /sys/fs/cgroup", GIB, GIB, "memory.max of /sys/fs/cgroup");
    }
    machine(""); /* no lines: the roots count all the same */
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    look(2, "cpu.max of /sys/fs/cgroup", GIB, GIB,
         "memory.limit_in_bytes of /sys/fs/cgroup/memory");
    machine("0::/x\n"); /* version 2 beside version 1 */
    put("/sys/fs/cgroup/unified/x/cpu.max", "300000 100000\n");
    look(3, "cpu.max of /sys/fs/cgroup/unified/x", 16 * GIB, 12 * GIB, "");
}

static void test_slurm(void)
{
    machine("0::/\n");
    setenv("SLURM_MEM_PER_NODE", "1024", 1);
    look(0, "", GIB, GIB, "SLURM_MEM_PER_NODE");
    setenv("SLURM_MEM_PER_NODE", "0", 1); /* --mem 0: all of the node */
    look(0, "", 16 * GIB, 12 * GIB, "");
    unsetenv("SLURM_MEM_PER_NODE");
    setenv("SLURM_MEM_PER_CPU", "512", 1);
    look(0, "", 16 * GIB, 12 * GIB, ""); /* of how many? */
    setenv("SLURM_CPUS_ON_NODE", "4", 1);
    look(4, "SLURM_CPUS_ON_NODE", 2 * GIB, 2 * GIB, "SLURM_MEM_PER_CPU");
    put("/sys/fs/cgroup/cpu.max", "250000 100000\n");
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    look(2.5, "cpu.max of /sys/fs/cgroup", GIB, GIB, "memory.max of /sys/fs/cgroup");
    setenv("SLURM_CPUS_ON_NODE", "2", 1);
    look(2, "SLURM_CPUS_ON_NODE", GIB, GIB, "memory.max of /sys/fs/cgroup");
    setenv("SLURM_CPUS_ON_NODE", "4", 1);
    setenv("SLURM_MEM_PER_CPU", "1", 1);
    OK(t2i_job_limits_check_memory(4 << 20, "they", &err));
    FAILS(t2i_job_limits_check_memory(4.1 * (1 << 20), "they", &err), T2I_SYSTEM,
          "they need 4.3 MB, but this job may use 4.2 MB on this machine (SLURM_MEM_PER_CPU)");
    unsetenv("SLURM_MEM_PER_CPU");
    unsetenv("SLURM_CPUS_ON_NODE");
    OK(t2i_job_limits_check_memory(1, "they", &err));
    FAILS(t2i_job_limits_check_memory(1e18, "they", &err), T2I_SYSTEM, "1000000000000.0 MB");
}

/* What Slurm does not write, but a script may. */
static void test_odd_numbers(void)
{
    static const char *const none[] = {"nan", "-nan", "inf", "1e999", "-1", "x", "", "0x", "K"};
    static const struct {
        const char *text;
        double bytes;
    } odd[] = {{"2G", 2.0 * (1 << 30)}, {"1048576K", 1 << 30}, {"0.001T", 1024 * 1.024 * (1 << 20)},
               {"512M", 1 << 29},       {"512 ", 1 << 29},     {"512x", 1 << 29}};
    machine("0::/\n");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        setenv("SLURM_MEM_PER_NODE", none[i], 1);
        setenv("SLURM_CPUS_ON_NODE", none[i], 1);
        look(0, "", 16 * GIB, 12 * GIB, "");
    }
    unsetenv("SLURM_CPUS_ON_NODE");
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        setenv("SLURM_MEM_PER_NODE", odd[i].text, 1);
        look(0, "", odd[i].bytes, odd[i].bytes, "SLURM_MEM_PER_NODE");
    }
    unsetenv("SLURM_MEM_PER_NODE");
    put("/sys/fs/cgroup/memory.max", "0\n");
    look(0, "", 1, 1, "memory.max of /sys/fs/cgroup");
}

/* A path as long as the kernel has them. */
static void test_long_path(void)
{
    static char line[4200] = "0::";
    for (size_t at = 3; at < 4090; at += 2) memcpy(line + at, "/d", 3);
    machine(line);
    put("/sys/fs/cgroup/d/d/cpu.max", "100000 100000\n");
    look(1, "cpu.max of /sys/fs/cgroup/d/d", 16 * GIB, 12 * GIB, "");
}

static void test_cores(void)
{
    int cores = t2i_job_limits_cores();
    CU_ASSERT_TRUE(cores >= 1 && cores <= t2i_cpu_usable());
}

int main(void)
{
    static const t2i_test tests[] = {
        {"no limits", test_none},
        {"groups of version 2", test_version_2},
        {"groups of version 1", test_version_1},
        {"the root of a container", test_container},
        {"Slurm", test_slurm},
        {"odd numbers", test_odd_numbers},
        {"a long path", test_long_path},
        {"cores of this process", test_cores},
    };
    unsetenv("SLURM_MEM_PER_NODE");
    unsetenv("SLURM_MEM_PER_CPU");
    unsetenv("SLURM_CPUS_ON_NODE");
    if (scratch_begin("limits") != 0) return 1;
    int failed = t2i_test_main("job_limits", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
