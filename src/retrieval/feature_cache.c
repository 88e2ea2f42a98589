#include "retrieval/feature_cache.h"

#include "base/mem.h"

enum { BLOCK_FLOATS = 1 << 19, ROWS_LEAST = 8, ROWS_MOST = 4096 };

size_t t2i_feature_cache_rows(size_t features)
{
    size_t rows = BLOCK_FLOATS / features;
    return rows < ROWS_LEAST ? ROWS_LEAST : rows > ROWS_MOST ? ROWS_MOST : rows;
}

/* Allocates the buffers of a cache with all sizes but `cached` set. */
static t2i_status allocate(t2i_feature_cache *out, size_t end, size_t bytes, t2i_error *err)
{
    size_t block = out->rows * out->width * sizeof(float), most = bytes / block;
    size_t wanted = end - out->first;
    out->cached = wanted < most ? wanted : most;
    out->other_block = SIZE_MAX;
    out->data = t2i_alloc(out->cached, block);
    out->loaded = t2i_alloc(out->cached, 1);
    out->other = t2i_alloc(1, block);
    out->one = t2i_alloc(out->width, sizeof *out->one);
    if (out->data != NULL && out->loaded != NULL && out->other != NULL && out->one != NULL)
        return T2I_OK;
    t2i_feature_cache_free(out);
    return t2i_fail_memory(err, block * ((wanted < most ? wanted : most) + 1), "features");
}

t2i_status t2i_feature_cache_new(t2i_feature_cache *out, t2i_dataset *dataset, size_t first,
                                 size_t end, size_t bytes, t2i_error *err)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    size_t D = (size_t)info->features, M = (size_t)info->images, rows = t2i_feature_cache_rows(D);
    *out = (t2i_feature_cache){.dataset = dataset,
                               .images = M,
                               .width = D,
                               .rows = rows,
                               .blocks = M / rows + (M % rows > 0),
                               .first = first};
    return allocate(out, end, bytes, err);
}

t2i_status t2i_feature_cache_map(t2i_feature_cache *out, t2i_feature_cache *source,
                                 const t2i_packed_weights *packed, size_t first, size_t end,
                                 size_t bytes, t2i_error *err)
{
    *out = (t2i_feature_cache){.source = source,
                               .packed = packed,
                               .images = source->images,
                               .width = t2i_search_space_dim(&packed->model->config),
                               .rows = source->rows,
                               .blocks = source->blocks,
                               .first = first};
    return allocate(out, end, bytes, err);
}

void t2i_feature_cache_free(t2i_feature_cache *cache)
{
    t2i_free(cache->data);
    t2i_free(cache->loaded);
    t2i_free(cache->other);
    t2i_free(cache->one);
    *cache = (t2i_feature_cache){0};
}

size_t t2i_feature_cache_count(const t2i_feature_cache *cache, size_t block)
{
    size_t left = cache->images - block * cache->rows;
    return left < cache->rows ? left : cache->rows;
}

static float *cached_block(const t2i_feature_cache *cache, size_t block)
{
    return cache->data + (block - cache->first) * cache->rows * cache->width;
}

static int is_cached(const t2i_feature_cache *cache, size_t block)
{
    return block >= cache->first && block - cache->first < cache->cached;
}

static t2i_status read_block(t2i_feature_cache *cache, size_t block, float *out, t2i_error *err)
{
    const float *feature;
    size_t count = t2i_feature_cache_count(cache, block);
    if (cache->source == NULL)
        return t2i_dataset_features(cache->dataset, block * cache->rows, count, out, err);
    T2I_TRY(t2i_feature_cache_block(cache->source, block, &feature, err));
    t2i_search_space_pictures(cache->packed, out, feature, count);
    return T2I_OK;
}

t2i_status t2i_feature_cache_block(t2i_feature_cache *cache, size_t block, const float **out,
                                   t2i_error *err)
{
    int cached = is_cached(cache, block);
    int ready = cached ? cache->loaded[block - cache->first] : cache->other_block == block;
    float *place = cached ? cached_block(cache, block) : cache->other;
    *out = place;
    if (ready) return T2I_OK;
    if (!cached) cache->other_block = SIZE_MAX; /* invalid until the read succeeds */
    T2I_TRY(read_block(cache, block, place, err));
    if (cached)
        cache->loaded[block - cache->first] = 1;
    else
        cache->other_block = block;
    return T2I_OK;
}

t2i_status t2i_feature_cache_picture(t2i_feature_cache *cache, size_t image, const float **out,
                                     t2i_error *err)
{
    size_t block = image / cache->rows, at = image % cache->rows * cache->width;
    if (is_cached(cache, block) && cache->loaded[block - cache->first]) {
        *out = cached_block(cache, block) + at;
        return T2I_OK;
    }
    if (cache->other_block == block) {
        *out = cache->other + at;
        return T2I_OK;
    }
    *out = cache->one;
    if (cache->source == NULL) /* reads a chunk of the file, which is smaller than a block */
        return t2i_dataset_features(cache->dataset, image, 1, cache->one, err);
    const float *feature;
    T2I_TRY(t2i_feature_cache_picture(cache->source, image, &feature, err));
    t2i_search_space_pictures(cache->packed, cache->one, feature, 1);
    return T2I_OK;
}
