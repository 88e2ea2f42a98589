/* loaded_pairs.h - all pairs of a dataset in memory, and their order by row.
 *
 * A file has them sorted by prompt; a list or another dataset is written in the order of the rows.
 * It takes 21 bytes per pair, 4 per picture and the prompts.
 */
#ifndef T2I_LOADED_PAIRS_H
#define T2I_LOADED_PAIRS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "dataset/dataset.h"

typedef struct {
    size_t pairs, images;
    char *prompts;         /* owned, as all: end to end */
    uint64_t *offset;      /* (pairs + 1) */
    uint32_t *image, *row; /* (pairs) */
    uint8_t *split;        /* (pairs) */
    uint32_t *group;       /* (images) */
    uint32_t *order;       /* (pairs): numbers of pairs, by ascending row */
} t2i_loaded_pairs;

/* T2I_SYSTEM, and the failures of reading. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_loaded_pairs_read(t2i_loaded_pairs *out, t2i_dataset *dataset,
                                             t2i_error *err);
void t2i_loaded_pairs_free(t2i_loaded_pairs *pairs);

#endif
