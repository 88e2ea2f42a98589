/* shared_features.h - the features of the pictures that the ranks of a node need, one copy per
 * node.
 *
 * The ranks of a node combine the sets of pictures that they need, divide the reading among
 * themselves and share the memory. Otherwise each rank would hold its own copy and decompress every
 * chunk of the file. If a node has too little shared memory (a small /dev/shm in a container), each
 * rank of the node keeps its own copy, and a warning is printed.
 */
#ifndef T2I_SHARED_FEATURES_H
#define T2I_SHARED_FEATURES_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "dataset/dataset.h"
#include "base/error.h"

typedef struct {
    size_t dim;     /* features per picture */
    size_t held;    /* number of pictures held by this node */
    float *feature; /* (held, dim); owned by the communicator, valid until it is closed */
    uint32_t
        *place; /* owned: of each picture of the dataset, its row in feature; UINT32_MAX: none */
} t2i_shared_features;

/* Sets bit i % 8 of byte i / 8: picture i is wanted. */
static inline void t2i_want(uint8_t *wanted, uint32_t image)
{
    wanted[image / 8] = (uint8_t)(wanted[image / 8] | 1u << image % 8);
}

/* Collective. wanted: one bit per picture; on return the union over the ranks of the node. The
 * status is the same on all ranks. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_shared_features_new(t2i_shared_features *out, t2i_comm *comm,
                                               t2i_dataset *dataset, uint8_t *wanted,
                                               t2i_error *err);
void t2i_shared_features_free(t2i_shared_features *features);

/* The features of a picture that the node wanted. */
const float *t2i_shared_features_feature(const t2i_shared_features *features, uint32_t image);

#endif
