/* feature_cache.h - a dataset's features by blocks of pictures, as many of them kept as a limit
 * allows.
 *
 * Why: a million pictures of 512 features are 2 GB, which a rank need not hold to pass over them;
 * but unpacking them takes longer than comparing with them, so what fits is kept for the next pass.
 * What is handed out does not depend on what is kept.
 */
#ifndef T2I_FEATURE_CACHE_H
#define T2I_FEATURE_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"

typedef struct {
    t2i_dataset *dataset;    /* borrowed */
    size_t images, features; /* M, D */
    size_t rows, blocks;     /* pictures of a block (of the last one maybe fewer); blocks in all */
    size_t first, kept;      /* blocks first .. first + kept - 1 stay once they were read */
    float *keep;             /* owned: (kept, rows, D) */
    uint8_t *here;           /* owned: kept; was it read? */
    float *other;            /* owned: (rows, D): the last other block */
    size_t other_block;
    float *one; /* owned: (D) */
} t2i_feature_cache;

/* Pictures of a block: about 2 MiB of features, 8 to 4,096 pictures; depends on D alone. */
size_t t2i_feature_cache_rows(size_t features);

/* first .. end: the blocks that will be asked for again and again, of which at most `bytes` are
 * kept. Empty on failure. */
T2I_CHECKED t2i_status t2i_feature_cache_new(t2i_feature_cache *out, t2i_dataset *dataset,
                                             size_t first, size_t end, size_t bytes,
                                             t2i_error *err);
void t2i_feature_cache_free(t2i_feature_cache *cache);

/* Pictures in a block. */
size_t t2i_feature_cache_count(const t2i_feature_cache *cache, size_t block);

/* Its features (count, D), good until the next call. */
T2I_CHECKED t2i_status t2i_feature_cache_block(t2i_feature_cache *cache, size_t block,
                                               const float **out, t2i_error *err);
/* The features (D) of one picture, good until the next call. Ascending pictures are read fastest.
 */
T2I_CHECKED t2i_status t2i_feature_cache_picture(t2i_feature_cache *cache, size_t image,
                                                 const float **out, t2i_error *err);

#endif
