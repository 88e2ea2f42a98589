/* cpu.h - the cores, vector instructions and memory of this process; its rounding mode; a clock.
 *
 * Why: sums are reproducible only if all threads use the same rounding mode, and the way of waiting
 * depends on whether there is a core per rank.
 */
#ifndef T2I_CPU_H
#define T2I_CPU_H

#include "base/error.h"

/* Number of cores in the affinity mask of this process, at least 1. What else limits them is in
 * job_limits.h. */
int t2i_cpu_usable(void);

/* Number of cores in the affinity mask of the parent process. A launcher that binds ranks to cores
 * had these to distribute. */
int t2i_cpu_usable_by_parent(void);

/* The affinity mask as bits, core i in byte i / 8: for 8,192 cores, the most that Linux supports.
 * The ranks of a node combine theirs. All cores that are online if the kernel does not tell it. */
enum { T2I_CPU_MASK = 1024 };
void t2i_cpu_mask(unsigned char mask[T2I_CPU_MASK]);

/* Sleeps; 0: yields the core to another thread that is ready. */
void t2i_cpu_sleep(double seconds);

/* Sets the calling thread to round to nearest, without flush-to-zero and denormals-are-zero. Every
 * thread that computes calls this first. */
void t2i_cpu_set_rounding(void);

/* Vector instructions that the kernels use: the widest set that the CPU has, or the one that the
 * environment variable T2I_VECTORS names: plain, avx2 or avx512, on aarch64 plain or neon. Set
 * before main starts. */
#if defined(__aarch64__)
typedef enum { T2I_PLAIN, T2I_NEON } t2i_vectors;
#else
typedef enum { T2I_PLAIN, T2I_AVX2, T2I_AVX512 } t2i_vectors;
#endif
extern const t2i_vectors *const t2i_cpu_vectors;
/* "avx512", "avx2", "neon" or "plain". */
const char *t2i_cpu_vectors_name(void);
/* T2I_USAGE if T2I_VECTORS has an unknown value, or names instructions that this CPU lacks. */
T2I_CHECKED t2i_status t2i_cpu_check_vectors(t2i_error *err);

/* Resident memory of the process in bytes: private (anonymous) and shared. 0 if unknown. */
typedef struct {
    double own, shared;
} t2i_memory;
t2i_memory t2i_cpu_memory(void);

/* Seconds on a monotonic clock. */
double t2i_cpu_seconds(void);

/* Defines a function that is compiled once per vector level from the same source; each call
 * dispatches on t2i_cpu_vectors:
 *
 *     T2I_KERNEL(void, t2i_ops_add, (float *x, const float *y, size_t count), (x, y, count))
 *     {
 *         for (size_t i = 0; i < count; i++) x[i] += y[i];
 *     }
 *
 * All levels compute the same bits: the number of lanes of a sum is fixed in the source, the
 * compiler contracts nothing (-ffp-contract=off), and a fused multiply-add is written as fmaf,
 * which rounds once at every level. Functions that a kernel calls must be marked T2I_INLINE. Other
 * architectures than x86-64 have one level here: every aarch64 CPU has NEON, and its compiler uses
 * it everywhere. */
#define T2I_INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define T2I_KERNEL_OF(storage, type, name, parameters, arguments)                                  \
    T2I_INLINE type name##_body parameters;                                                        \
    __attribute__((target("avx512f,avx512vl,avx512dq,fma"))) static type name##_avx512 parameters  \
    {                                                                                              \
        return name##_body arguments;                                                              \
    }                                                                                              \
    __attribute__((target("avx2,fma"))) static type name##_avx2 parameters                         \
    {                                                                                              \
        return name##_body arguments;                                                              \
    }                                                                                              \
    static type name##_plain parameters                                                            \
    {                                                                                              \
        return name##_body arguments;                                                              \
    }                                                                                              \
    storage type name parameters                                                                   \
    {                                                                                              \
        if (*t2i_cpu_vectors == T2I_AVX512) return name##_avx512 arguments;                        \
        if (*t2i_cpu_vectors == T2I_AVX2) return name##_avx2 arguments;                            \
        return name##_plain arguments;                                                             \
    }                                                                                              \
    T2I_INLINE type name##_body parameters
#else
#define T2I_KERNEL_OF(storage, type, name, parameters, arguments) storage type name parameters
#endif
#define T2I_KERNEL(type, name, parameters, arguments)                                              \
    T2I_KERNEL_OF(, type, name, parameters, arguments)
#define T2I_STATIC_KERNEL(type, name, parameters, arguments)                                       \
    T2I_KERNEL_OF(static, type, name, parameters, arguments)

#endif
