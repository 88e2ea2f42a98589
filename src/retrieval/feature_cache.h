/* feature_cache.h - reads the features of a dataset in blocks of pictures, or the pictures' places
 * in the search space, and caches blocks in memory up to a limit.
 *
 * Why: a million pictures with 512 features are 2 GB, more than a rank needs in memory for one
 * pass. But decompression takes longer than a comparison, so blocks that fit are kept for the next
 * pass. The values returned do not depend on the limit.
 */
#ifndef T2I_FEATURE_CACHE_H
#define T2I_FEATURE_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "model/search_space.h"

typedef struct t2i_feature_cache {
    t2i_dataset *dataset;             /* borrowed; NULL if `source` is set */
    struct t2i_feature_cache *source; /* borrowed: the features that are mapped, or NULL */
    const t2i_packed_weights *packed; /* borrowed: what maps them */
    size_t images, width;             /* M; numbers per picture: D, or those of the search space */
    size_t rows, blocks;  /* pictures per block (the last may have fewer); number of blocks */
    size_t first, cached; /* blocks first .. first + cached - 1 are cached when read */
    float *data;          /* owned: (cached, rows, width) */
    uint8_t *loaded;      /* owned: (cached) 1 if the block was read */
    float *other;         /* owned: (rows, width): the last block outside the cache */
    size_t other_block;
    float *one; /* owned: (width) */
} t2i_feature_cache;

/* Pictures per block: about 2 MiB of features, 8 to 4,096 pictures; depends on D alone. */
size_t t2i_feature_cache_rows(size_t features);

/* first .. end - 1: the blocks that will be read repeatedly; at most `bytes` of them are cached.
 * T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_feature_cache_new(t2i_feature_cache *out, t2i_dataset *dataset,
                                             size_t first, size_t end, size_t bytes,
                                             t2i_error *err);
/* The same pictures in the search space (search_space.h), mapped as they are read from `source`,
 * so that a cached block is mapped once. T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_feature_cache_map(t2i_feature_cache *out, t2i_feature_cache *source,
                                             const t2i_packed_weights *packed, size_t first,
                                             size_t end, size_t bytes, t2i_error *err);
void t2i_feature_cache_free(t2i_feature_cache *cache);

/* Number of pictures in a block. */
size_t t2i_feature_cache_count(const t2i_feature_cache *cache, size_t block);

/* Features (count, width) of a block, valid until the next call. */
T2I_CHECKED t2i_status t2i_feature_cache_block(t2i_feature_cache *cache, size_t block,
                                               const float **out, t2i_error *err);
/* Features (width) of one picture, valid until the next call. Ascending pictures are read fastest.
 */
T2I_CHECKED t2i_status t2i_feature_cache_picture(t2i_feature_cache *cache, size_t image,
                                                 const float **out, t2i_error *err);

#endif
