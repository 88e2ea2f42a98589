#include "retrieval/feature_cache.h"

#include "base/mem.h"

enum { BLOCK_FLOATS = 1 << 19, ROWS_LEAST = 8, ROWS_MOST = 4096 };

size_t t2i_feature_cache_rows(size_t features)
{
    size_t rows = BLOCK_FLOATS / features;
    return rows < ROWS_LEAST ? ROWS_LEAST : rows > ROWS_MOST ? ROWS_MOST : rows;
}

t2i_status t2i_feature_cache_new(t2i_feature_cache *out, t2i_dataset *dataset, size_t first,
                                 size_t end, size_t bytes, t2i_error *err)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    size_t D = (size_t)info->features, M = (size_t)info->images, rows = t2i_feature_cache_rows(D);
    size_t block = rows * D * sizeof(float), most = bytes / block, wanted = end - first;
    *out = (t2i_feature_cache){.dataset = dataset,
                               .images = M,
                               .features = D,
                               .rows = rows,
                               .blocks = M / rows + (M % rows > 0),
                               .first = first,
                               .kept = wanted < most ? wanted : most,
                               .other_block = SIZE_MAX};
    out->keep = t2i_alloc(out->kept, block);
    out->here = t2i_alloc(out->kept, 1);
    out->other = t2i_alloc(rows, D * sizeof *out->other);
    out->one = t2i_alloc(D, sizeof *out->one);
    if (out->keep != NULL && out->here != NULL && out->other != NULL && out->one != NULL)
        return T2I_OK;
    t2i_feature_cache_free(out);
    return t2i_fail_memory(err, block * ((wanted < most ? wanted : most) + 1),
                           "the pictures' features");
}

void t2i_feature_cache_free(t2i_feature_cache *cache)
{
    t2i_free(cache->keep);
    t2i_free(cache->here);
    t2i_free(cache->other);
    t2i_free(cache->one);
    *cache = (t2i_feature_cache){0};
}

size_t t2i_feature_cache_count(const t2i_feature_cache *cache, size_t block)
{
    size_t left = cache->images - block * cache->rows;
    return left < cache->rows ? left : cache->rows;
}

static float *kept_place(const t2i_feature_cache *cache, size_t block)
{
    return cache->keep + (block - cache->first) * cache->rows * cache->features;
}

static int is_kept(const t2i_feature_cache *cache, size_t block)
{
    return block >= cache->first && block - cache->first < cache->kept;
}

t2i_status t2i_feature_cache_block(t2i_feature_cache *cache, size_t block, const float **out,
                                   t2i_error *err)
{
    int keeps = is_kept(cache, block);
    int have = keeps ? cache->here[block - cache->first] : cache->other_block == block;
    float *place = keeps ? kept_place(cache, block) : cache->other;
    *out = place;
    if (have) return T2I_OK;
    if (!keeps) cache->other_block = SIZE_MAX; /* while it is not whole */
    T2I_TRY(t2i_dataset_features(cache->dataset, block * cache->rows,
                                 t2i_feature_cache_count(cache, block), place, err));
    if (keeps)
        cache->here[block - cache->first] = 1;
    else
        cache->other_block = block;
    return T2I_OK;
}

t2i_status t2i_feature_cache_picture(t2i_feature_cache *cache, size_t image, const float **out,
                                     t2i_error *err)
{
    size_t block = image / cache->rows, at = image % cache->rows * cache->features;
    if (is_kept(cache, block) && cache->here[block - cache->first]) {
        *out = kept_place(cache, block) + at;
        return T2I_OK;
    }
    if (cache->other_block == block) {
        *out = cache->other + at;
        return T2I_OK;
    }
    *out = cache->one; /* the file's own chunks are smaller than a block */
    return t2i_dataset_features(cache->dataset, image, 1, cache->one, err);
}
