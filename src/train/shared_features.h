/* shared_features.h - the features of the pictures that a node's ranks need, one copy a node.
 *
 * Why: eight ranks that name nearly all pictures would otherwise hold eight copies of gigabytes,
 * and read and unpack every chunk of the file eight times. The ranks of a node put together what
 * they want, cut the reading among themselves, and share the memory; where a node has no room for
 * shared memory (a small /dev/shm in a container), each rank there keeps a copy of its own, and
 * says so.
 */
#ifndef T2I_SHARED_FEATURES_H
#define T2I_SHARED_FEATURES_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "dataset/dataset.h"
#include "base/error.h"

typedef struct {
    size_t dim;      /* numbers of a picture's features */
    size_t held;     /* pictures that this node has */
    float *feature;  /* (held, dim); the comm's, until it closes */
    uint32_t *place; /* owned: of each picture of the dataset, which of these; UINT32_MAX: none */
} t2i_shared_features;

/* Bit i % 8 of byte i / 8: picture i is wanted. */
static inline void t2i_want(uint8_t *wanted, uint32_t image)
{
    wanted[image / 8] = (uint8_t)(wanted[image / 8] | 1u << image % 8);
}
/* Adds the pictures of all pairs of a split. */
T2I_CHECKED t2i_status t2i_shared_features_want_split(uint8_t *wanted, t2i_dataset *dataset,
                                                      int split, t2i_error *err);

/* Collective. wanted: a bit a picture; becomes what the node wants. Fails alike on all ranks. Empty
 * on failure. */
T2I_CHECKED t2i_status t2i_shared_features_new(t2i_shared_features *out, t2i_comm *comm,
                                               t2i_dataset *dataset, uint8_t *wanted,
                                               t2i_error *err);
void t2i_shared_features_free(t2i_shared_features *features);

/* A picture that the node wanted. */
const float *t2i_shared_features_feature(const t2i_shared_features *features, uint32_t image);

#endif
