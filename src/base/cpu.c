/* CPU affinity is not in POSIX. */
#define _GNU_SOURCE
#include "base/cpu.h"

#include <fenv.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* A cpu_set_t has 1,024 bits, and the kernel refuses a set that is smaller than its own. */
typedef struct {
    cpu_set_t part[T2I_CPU_MASK / sizeof(cpu_set_t)];
} cores;

static cores cores_of(pid_t process)
{
    cores set = {0};
    if (sched_getaffinity(process, sizeof set, set.part) == 0) return set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    CPU_ZERO_S(sizeof set, set.part);
    for (size_t core = 0; core == 0 || (long)core < online; core++)
        CPU_SET_S(core, sizeof set, set.part);
    return set;
}

int t2i_cpu_usable(void)
{
    const cores set = cores_of(0);
    return CPU_COUNT_S(sizeof set, set.part);
}

int t2i_cpu_usable_by_parent(void)
{
    const cores set = cores_of(getppid());
    return CPU_COUNT_S(sizeof set, set.part);
}

void t2i_cpu_mask(unsigned char mask[T2I_CPU_MASK])
{
    const cores set = cores_of(0);
    memset(mask, 0, T2I_CPU_MASK);
    for (size_t core = 0; core < 8 * T2I_CPU_MASK; core++)
        if (CPU_ISSET_S(core, sizeof set, set.part))
            mask[core / 8] |= (unsigned char)(1 << core % 8);
}

void t2i_cpu_sleep(double seconds)
{
    time_t whole = (time_t)seconds;
    if (seconds > 0.0)
        nanosleep(&(struct timespec){whole, (long)((seconds - (double)whole) * 1e9)}, NULL);
    else
        sched_yield();
}

void t2i_cpu_set_rounding(void)
{
    fesetround(FE_TONEAREST);
#if defined(__x86_64__)
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
    _mm_setcsr(_mm_getcsr() & ~(unsigned)(FLUSH_TO_ZERO | DENORMALS_ARE_ZERO));
#elif defined(__aarch64__)
    uint64_t
        control; /* FZ (bit 24): flush to zero; AH and FIZ (1, 0): other rules, on newer CPUs */
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" : : "r"(control & ~(uint64_t)(1 << 24 | 3)));
#endif
}

#if defined(__aarch64__)
static const char *const level_name[] = {"plain", "neon"};
#else
static const char *const level_name[] = {"plain", "avx2", "avx512"};
#endif
static t2i_vectors selected = T2I_PLAIN; /* written once, before main */
const t2i_vectors *const t2i_cpu_vectors = &selected;

static t2i_vectors widest(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
        return T2I_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return T2I_AVX2;
#elif defined(__aarch64__)
    return T2I_NEON; /* a part of the architecture */
#endif
    return T2I_PLAIN;
}

/* The level of that name, or -1 if it is unknown or this CPU lacks it. */
static int find_level(const char *name)
{
    for (int level = T2I_PLAIN; level <= (int)widest(); level++)
        if (strcmp(name, level_name[level]) == 0) return level;
    return -1;
}

__attribute__((constructor)) static void select_vectors(void)
{
    const char *wanted = getenv("T2I_VECTORS");
    int level = wanted == NULL ? -1 : find_level(wanted);
    selected = level < 0 ? widest() : (t2i_vectors)level;
}

const char *t2i_cpu_vectors_name(void)
{
    return level_name[selected];
}

t2i_status t2i_cpu_check_vectors(t2i_error *err)
{
    const char *wanted = getenv("T2I_VECTORS");
    if (wanted == NULL || find_level(wanted) >= 0) return T2I_OK;
    char has[64] = "plain";
    for (int level = 1; level <= (int)widest(); level++)
        snprintf(has + strlen(has), sizeof has - strlen(has), ", %s", level_name[level]);
    return t2i_fail(err, T2I_USAGE,
                    "T2I_VECTORS is \"%s\"; this CPU has %s: unset it or set it to one of these",
                    wanted, has);
}

t2i_memory t2i_cpu_memory(void)
{
    t2i_memory memory = {0, 0};
    char line[256];
    double kib;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "RssAnon: %lf", &kib) == 1) memory.own = 1024 * kib;
        if (sscanf(line, "RssShmem: %lf", &kib) == 1) memory.shared = 1024 * kib;
    }
    if (file != NULL) fclose(file);
    return memory;
}

double t2i_cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
