/* mem.h - memory allocation: zeroed, aligned to 64 bytes, checked for overflow, and counted.
 *
 * Why: sizes come from files and options, so count * size is checked here; vector kernels and a
 * reproducible BLAS need the alignment; and tests prove with the counters that a step allocates
 * nothing and that a program frees everything.
 */
#ifndef T2I_MEM_H
#define T2I_MEM_H

#include <stddef.h>

/* count * size zeroed bytes; NULL on overflow or if out of memory. count * size = 0 returns a valid
 * pointer. Free with t2i_free. */
void *t2i_alloc(size_t count, size_t size);

/* The same without zeroing: what is there is undefined, and pages that are never written take no
 * memory. */
void *t2i_alloc_untouched(size_t count, size_t size);

/* Are these at least so many million bytes? The environment variable of that name sets another
 * number, for tests. */
int t2i_mem_at_least(size_t bytes, size_t millions, const char *variable);

/* Grows (never shrinks) *pointer from old_count to new_count elements, keeps its contents and
 * zeroes the rest. Returns 0, or -1 with *pointer unchanged. *pointer may be NULL. */
int t2i_grow(void *pointer, size_t old_count, size_t new_count, size_t size);

char *t2i_strdup(const char *text); /* NULL if out of memory */
void t2i_free(void *pointer);       /* NULL is legal */

/* Number of calls of t2i_alloc so far, the bytes that they asked for, and the number of allocations
 * that are not freed. */
size_t t2i_alloc_calls(void);
size_t t2i_alloc_bytes(void);
size_t t2i_alloc_live(void);

#endif
