/* cpu.h - what this process may use of the machine, and how it must compute on it.
 *
 * Why: sums are reproducible only if every thread rounds alike, and waiting must know whether the
 * ranks fit the cores.
 */
#ifndef T2I_CPU_H
#define T2I_CPU_H

#include "base/error.h"

/* Cores that this process may run on (its affinity mask), at least 1. */
int t2i_cpu_usable(void);

/* Cores that the process which started this one may run on: a launcher that ties ranks to cores of
 * their own could have given these. */
int t2i_cpu_of_parent(void);

/* What t2i_cpu_usable counts as a set of bits, core i in byte i / 8: ranks of a node put theirs
 * together. */
enum { T2I_CPU_MASK = 128 };
void t2i_cpu_mask(unsigned char mask[T2I_CPU_MASK]);

/* Gives up the core for so long, 0: just to whoever waits for it. */
void t2i_cpu_rest(double seconds);

/* Round to nearest, no flush-to-zero, no denormals-are-zero: for the calling thread. Every thread
 * that computes calls this first. */
void t2i_cpu_set_rounding(void);

/* Vector instructions that our kernels use here: the widest that the CPU has, or what the
 * environment variable T2I_VECTORS (plain, avx2, avx512) asks for. Set before main starts. */
typedef enum { T2I_PLAIN, T2I_AVX2, T2I_AVX512 } t2i_vectors;
extern const t2i_vectors *const t2i_cpu_vectors;
/* "avx512", "avx2" or "plain". */
const char *t2i_cpu_vectors_name(void);
/* T2I_USAGE when T2I_VECTORS asks for what does not exist, or for what this CPU does not have. */
T2I_CHECKED t2i_status t2i_cpu_check_vectors(t2i_error *err);

/* What the process has in memory now, in bytes: its own, and shared with others. 0 where the system
 * does not say. */
typedef struct {
    double own, shared;
} t2i_memory;
t2i_memory t2i_cpu_memory(void);

/* Seconds on a clock that only goes forward. */
double t2i_cpu_seconds(void);

/* A kernel, compiled for each of the vector levels from one source, and picked by
 * t2i_cpu_vectors:
 *
 *     T2I_KERNEL(void, t2i_ops_add, (float *x, const float *y, size_t count), (x, y, count))
 *     {
 *         for (size_t i = 0; i < count; i++) x[i] += y[i];
 *     }
 *
 * All levels give the same bits: sums have a written-out number of lanes, the compiler fuses
 * nothing (-ffp-contract=off), and where a fused multiply-add is wanted it says fmaf, which every
 * level rounds once. Functions that a kernel calls must be marked T2I_INLINE. */
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
