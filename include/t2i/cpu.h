/* cpu.h - what this process may use of the machine, and how it must compute on it.
 *
 * Why: sums are reproducible only if every thread rounds alike, and waiting must know whether the
 * ranks fit the cores.
 */
#ifndef T2I_CPU_H
#define T2I_CPU_H

/* Cores that this process may run on (its affinity mask), at least 1. */
int t2i_cpu_usable(void);

/* The same as a set of bits, core i in byte i / 8: ranks of a node put theirs together. */
enum { T2I_CPU_MASK = 128 };
void t2i_cpu_mask(unsigned char mask[T2I_CPU_MASK]);

/* Gives up the core for so long, 0: just to whoever waits for it. */
void t2i_cpu_rest(double seconds);

/* Round to nearest, no flush-to-zero, no denormals-are-zero: for the calling thread. Every thread
 * that computes calls this first. */
void t2i_cpu_set_rounding(void);

/* Widest vectors that our kernels use here: "avx512", "avx2" or "plain". */
const char *t2i_cpu_vectors(void);

/* What the process has in memory now, in bytes: its own, and shared with others. 0 where the system
 * does not say. */
typedef struct {
    double own, shared;
} t2i_memory;
t2i_memory t2i_cpu_memory(void);

/* Seconds on a clock that only goes forward. */
double t2i_cpu_seconds(void);

/* Kernels marked with this are compiled for several instruction sets, and the loader picks one.
 * They use no fused multiply-add and sum in a written-out number of lanes, so that all of them give
 * the same bits. Not under sanitizers, which cannot run in an ifunc resolver. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(T2I_DEBUG)
#define T2I_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define T2I_CLONES
#endif

#endif
