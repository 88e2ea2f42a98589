/* carver.h - divides one allocation into aligned pieces of floats. */
#ifndef T2I_CARVER_H
#define T2I_CARVER_H

#include <stddef.h>

/* Pieces are taken from base, which is aligned to 64 bytes; with base NULL they are only counted.
 */
typedef struct {
    float *base;
    size_t used; /* floats, a multiple of 16 */
} t2i_carver;

/* The next piece of `count` floats, or NULL without a base. */
static inline void *t2i_carve(t2i_carver *from, size_t count)
{
    float *piece = from->base == NULL ? NULL : from->base + from->used;
    from->used += (count + 15) / 16 * 16;
    return piece;
}

#endif
