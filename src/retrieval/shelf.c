#include "retrieval/shelf.h"

#include "base/mem.h"

enum { BLOCK_FLOATS = 1 << 19, ROWS_LEAST = 8, ROWS_MOST = 4096 };

size_t t2i_shelf_rows(size_t features)
{
    size_t rows = BLOCK_FLOATS / features;
    return rows < ROWS_LEAST ? ROWS_LEAST : rows > ROWS_MOST ? ROWS_MOST : rows;
}

t2i_status t2i_shelf_new(t2i_shelf *out, t2i_dataset *dataset, size_t first, size_t end,
                         size_t bytes, t2i_error *err)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    size_t D = (size_t)info->features, M = (size_t)info->images, rows = t2i_shelf_rows(D);
    size_t block = rows * D * sizeof(float), most = bytes / block, wanted = end - first;
    *out = (t2i_shelf){.dataset = dataset,
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
    t2i_shelf_free(out);
    return t2i_fail_memory(err, block * ((wanted < most ? wanted : most) + 1),
                           "the pictures' features");
}

void t2i_shelf_free(t2i_shelf *shelf)
{
    t2i_free(shelf->keep);
    t2i_free(shelf->here);
    t2i_free(shelf->other);
    t2i_free(shelf->one);
    *shelf = (t2i_shelf){0};
}

size_t t2i_shelf_count(const t2i_shelf *shelf, size_t block)
{
    size_t left = shelf->images - block * shelf->rows;
    return left < shelf->rows ? left : shelf->rows;
}

static float *kept_place(const t2i_shelf *shelf, size_t block)
{
    return shelf->keep + (block - shelf->first) * shelf->rows * shelf->features;
}

static int is_kept(const t2i_shelf *shelf, size_t block)
{
    return block >= shelf->first && block - shelf->first < shelf->kept;
}

t2i_status t2i_shelf_block(t2i_shelf *shelf, size_t block, const float **out, t2i_error *err)
{
    int keeps = is_kept(shelf, block);
    int have = keeps ? shelf->here[block - shelf->first] : shelf->other_block == block;
    float *place = keeps ? kept_place(shelf, block) : shelf->other;
    *out = place;
    if (have) return T2I_OK;
    if (!keeps) shelf->other_block = SIZE_MAX; /* while it is not whole */
    T2I_TRY(t2i_dataset_features(shelf->dataset, block * shelf->rows, t2i_shelf_count(shelf, block),
                                 place, err));
    if (keeps)
        shelf->here[block - shelf->first] = 1;
    else
        shelf->other_block = block;
    return T2I_OK;
}

t2i_status t2i_shelf_picture(t2i_shelf *shelf, size_t image, const float **out, t2i_error *err)
{
    size_t block = image / shelf->rows, at = image % shelf->rows * shelf->features;
    if (is_kept(shelf, block) && shelf->here[block - shelf->first]) {
        *out = kept_place(shelf, block) + at;
        return T2I_OK;
    }
    if (shelf->other_block == block) {
        *out = shelf->other + at;
        return T2I_OK;
    }
    *out = shelf->one; /* the file's own chunks are smaller than a block */
    return t2i_dataset_features(shelf->dataset, image, 1, shelf->one, err);
}
