/* mem.h - counted, aligned, zeroed memory that says no instead of overflowing.
 *
 * Why: sizes come from files and options, so count * size is checked here once;
 * 64-byte alignment is what the vector kernels and a reproducible BLAS want; and
 * a counter lets tests prove that a step allocates nothing and a tool frees all.
 */
#ifndef T2I_MEM_H
#define T2I_MEM_H

#include <stddef.h>

/* count * size zeroed bytes, 64-byte aligned; NULL when it overflows or there is
 * no memory. count * size = 0 gives a valid pointer. Free with t2i_free. */
void *t2i_alloc(size_t count, size_t size);

/* Grows (never shrinks) *pointer from old_count to new_count elements, keeping its contents and
 * zeroing the rest. Returns 0, or -1 with *pointer untouched. *pointer may be NULL. */
int t2i_grow(void *pointer, size_t old_count, size_t new_count, size_t size);

char *t2i_strdup(const char *text); /* NULL when out of memory */
void t2i_free(void *pointer);       /* NULL is legal */

/* Calls of t2i_alloc so far; live allocations now. */
size_t t2i_alloc_calls(void);
size_t t2i_alloc_live(void);

#endif
