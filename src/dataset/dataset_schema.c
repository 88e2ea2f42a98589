#include "dataset/dataset_schema.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* The largest compression ratio of deflate is 1,032: a larger claim is false. */
enum { MOST_SHRUNK = 1100 };

const t2i_column_spec t2i_columns[COLUMNS] = {
    [PROMPT_BYTES] = {"/prompts/bytes", T2I_U8, 1},
    [PROMPT_OFFSETS] = {"/prompts/offsets", T2I_U64, 1},
    [PAIR_IMAGE] = {"/pairs/image", T2I_U32, 1},
    [PAIR_ROW] = {"/pairs/row", T2I_U32, 1},
    [PAIR_SPLIT] = {"/pairs/split", T2I_U8, 1},
    [FEATURES] = {"/images/features", T2I_F32, 2},
    [NAME_BYTES] = {"/images/name_bytes", T2I_U8, 1},
    [NAME_OFFSETS] = {"/images/name_offsets", T2I_U64, 1},
    [GROUPS] = {"/images/group", T2I_U32, 1},
    [PIXELS] = {"/images/pixels", T2I_U8, 4},
    [BASIS] = {"/decoder/basis", T2I_F32, 2},
    [MEAN] = {"/decoder/mean", T2I_F32, 1},
};

static size_t kind_size(t2i_kind kind)
{
    return kind == T2I_U8 ? 1 : kind == T2I_U64 ? 8 : 4;
}

int t2i_dataset_schema_compare_prompts(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t shared = a_size < b_size ? a_size : b_size;
    int order = shared > 0 ? memcmp(a, b, shared) : 0;
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

void t2i_column_dims(const t2i_shape *shape, int which, uint64_t dim[RANK_MAX])
{
    uint64_t pixel = shape->height * shape->width * 3;
    const uint64_t dims[COLUMNS][RANK_MAX] = {
        [PROMPT_BYTES] = {shape->prompt_bytes, 1, 1, 1},
        [PROMPT_OFFSETS] = {shape->pairs + 1, 1, 1, 1},
        [PAIR_IMAGE] = {shape->pairs, 1, 1, 1},
        [PAIR_ROW] = {shape->pairs, 1, 1, 1},
        [PAIR_SPLIT] = {shape->pairs, 1, 1, 1},
        [FEATURES] = {shape->images, shape->features, 1, 1},
        [NAME_BYTES] = {shape->name_bytes, 1, 1, 1},
        [NAME_OFFSETS] = {shape->images + 1, 1, 1, 1},
        [GROUPS] = {shape->images, 1, 1, 1},
        [PIXELS] = {shape->images, shape->height, shape->width, 3},
        [BASIS] = {shape->features, pixel, 1, 1},
        [MEAN] = {pixel, 1, 1, 1},
    };
    memcpy(dim, dims[which], sizeof dims[which]);
}

void t2i_column_clear(t2i_column *column, const char *file, int which)
{
    *column = (t2i_column){.id = -1, .table_id = -1, .file = file, .spec = &t2i_columns[which]};
}

static void set_blocks(t2i_column *column, uint64_t block_rows)
{
    column->block_rows = block_rows;
    column->blocks = column->rows / block_rows + (column->rows % block_rows != 0);
}

t2i_status t2i_column_init(t2i_column *column, const char *file, int which,
                           const uint64_t dim[RANK_MAX], t2i_error *err)
{
    t2i_column_clear(column, file, which);
    column->present = 1;
    column->rows = dim[0];
    column->row_bytes = kind_size(column->spec->kind);
    memcpy(column->dim, dim, sizeof column->dim);
    for (int i = 1; i < RANK_MAX; i++) {
        if (dim[i] == 0 || dim[i] > BLOCK_MAX || column->row_bytes * dim[i] > BLOCK_MAX)
            return t2i_fail(err, T2I_DATA, "%s: a row of %s is empty or larger than 16 MiB", file,
                            column->spec->path);
        column->row_bytes *= dim[i];
    }
    uint64_t block_rows = BLOCK_BYTES / column->row_bytes;
    if (block_rows > column->rows) block_rows = column->rows;
    set_blocks(column, block_rows > 0 ? block_rows : 1);
    return T2I_OK;
}

t2i_status t2i_column_bad(const char *file, const char *column, const char *what, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a valid t2i dataset: %s %s", file, column, what);
}

t2i_status t2i_column_accept(t2i_column *column, const char *file, int which,
                             const t2i_column_claims *claims, uint64_t file_size, t2i_error *err)
{
    const char *path = t2i_columns[which].path;
    uint64_t block_rows = claims->block_rows;
    char name[64];
    snprintf(name, sizeof name, "%s" TABLE_SUFFIX, path);
    T2I_TRY(t2i_column_init(column, file, which, claims->dim, err));
    column->rows_put = column->rows;
    if (block_rows == 0 || block_rows > BLOCK_MAX / column->row_bytes ||
        (block_rows > column->rows && column->rows > 0))
        return t2i_column_bad(file, name, "has an impossible block_rows", err);
    set_blocks(column, block_rows);
    if (claims->sums > file_size / sizeof(uint64_t) || claims->sums != column->blocks ||
        claims->sum_bytes != column->blocks * sizeof(uint64_t))
        return t2i_column_bad(file, name, "does not have one checksum per block", err);
    int fits = column->rows == 0 || claims->chunk[0] == block_rows;
    for (unsigned i = 1; i < column->spec->rank && column->rows > 0; i++)
        fits = fits && claims->chunk[i] == claims->dim[i];
    if (!fits) return t2i_column_bad(file, path, "has chunks that do not match its checksums", err);
    if (column->rows > (file_size * MOST_SHRUNK + BLOCK_MAX) / column->row_bytes)
        return t2i_column_bad(file, path, "claims more than the file can hold", err);
    return T2I_OK;
}

void t2i_column_free(t2i_column *column)
{
    t2i_free(column->table);
    t2i_free(column->cache);
    t2i_free(column->unwritten);
}

uint64_t t2i_column_block_rows(const t2i_column *column, uint64_t block)
{
    uint64_t left = column->rows - block * column->block_rows;
    return left < column->block_rows ? left : column->block_rows;
}

size_t t2i_column_block_bytes(const t2i_column *column, uint64_t block)
{
    return (size_t)(t2i_column_block_rows(column, block) * column->row_bytes);
}
