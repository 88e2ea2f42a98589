/* block.h - one aligned block of floats and a table of the named tensors in it.
 *
 * Why: whatever is done to all parameters (clear, reduce, update, save) is then one loop, and a
 * checkpoint needs no knowledge of the model.
 */
#ifndef T2I_BLOCK_H
#define T2I_BLOCK_H

#include <stddef.h>
#include "base/error.h"

#define T2I_CHUNK    4096 /* floats; the unit of slices, sums of squares and messages */
#define T2I_NAME_MAX 64   /* bytes of a tensor's name, including the terminator */

typedef struct {
    char name[T2I_NAME_MAX]; /* also its name in a checkpoint */
    size_t rows, columns;    /* rows = 0: a vector of shape (columns) */
    size_t offset;           /* in floats from the block's start, a multiple of 16 */
} t2i_tensor;

/* The layout of a block: tensors in file order. */
typedef struct {
    t2i_tensor *tensor; /* owned */
    size_t tensors;
    size_t count;  /* elements of all tensors, without the padding */
    size_t floats; /* length of a block, a multiple of T2I_CHUNK; its padding is always zero */
} t2i_layout;

/* Number of elements of a tensor. */
size_t t2i_tensor_count(const t2i_tensor *tensor);

/* Appends a tensor (rows = 0: a vector) and updates count and floats. T2I_USAGE if it is too large;
 * T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_layout_add(t2i_layout *layout, size_t rows, size_t columns,
                                      t2i_error *err, const char *format, ...) T2I_PRINTF(5, 6);
void t2i_layout_free(t2i_layout *layout);

/* The tensor of that name, or NULL. */
const t2i_tensor *t2i_layout_find(const t2i_layout *layout, const char *name);

/* A zeroed block for the layout, or NULL if out of memory. Free with t2i_free. */
float *t2i_block_new(const t2i_layout *layout);

#endif
