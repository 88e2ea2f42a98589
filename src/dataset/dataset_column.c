#include "dataset/dataset_column.h"

#include <math.h>
#include <string.h>

#include "base/heartbeat.h"
#include "base/mem.h"
#include "dataset/reader_file.h"

enum { AHEAD = 1 << 20 }; /* bytes of a column kept */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "checksums and digests are computed over little-endian bytes");

static unsigned number_of(const t2i_column *column)
{
    return (unsigned)(column->spec - t2i_columns);
}

static t2i_status load_table(t2i_column *column, t2i_error *err)
{
    if (column->table != NULL) return T2I_OK; /* always when writing */
    uint64_t *table = t2i_alloc((size_t)column->blocks, sizeof *table);
    if (table == NULL)
        return t2i_fail_memory(err, (size_t)column->blocks * sizeof *table, "checksums");
    t2i_status status =
        t2i_reader_sums(column->reader, number_of(column), table, column->blocks, err);
    if (status == T2I_OK)
        column->table = table;
    else
        t2i_free(table);
    return status;
}

static t2i_status check_finite(const t2i_column *column, uint64_t block, const void *bytes,
                               t2i_error *err)
{
    const float *value = bytes;
    size_t count = t2i_column_block_bytes(column, block) / sizeof *value;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(value[i]))
            return t2i_fail(err, T2I_DATA, "%s: row %llu of %s holds a number that is not finite",
                            column->file,
                            (unsigned long long)(block * column->block_rows +
                                                 i * sizeof *value / column->row_bytes),
                            column->spec->path);
    return T2I_OK;
}

static t2i_status check_block(const t2i_column *column, uint64_t block, const void *bytes,
                              t2i_error *err)
{
    if (t2i_hash_64(bytes, t2i_column_block_bytes(column, block)) != column->table[block])
        return t2i_fail(err, T2I_DATA,
                        "%s is damaged: block %llu of %s; restore the file or build it again",
                        column->file, (unsigned long long)block, column->spec->path);
    return column->spec->kind == T2I_F32 ? check_finite(column, block, bytes, err) : T2I_OK;
}

/* Number of blocks to read at once. Each request costs two process switches, so the number is
 * doubled while blocks are read in sequence; it is 1 after a jump. */
static uint64_t blocks_at_once(const t2i_column *column, uint64_t block, uint64_t most)
{
    int goes_on = column->cached_blocks > 0 && block == column->cached + column->cached_blocks;
    uint64_t count = goes_on ? 2 * column->cached_blocks : 1;
    if (count > most) count = most;
    return count < column->blocks - block ? count : column->blocks - block;
}

/* Reads blocks into the cache, beginning with `block`, and verifies them. */
static t2i_status fill_cache(t2i_column *column, uint64_t block, t2i_error *err)
{
    uint64_t block_bytes = column->block_rows * column->row_bytes;
    uint64_t most = column->reader == NULL || block_bytes > AHEAD ? 1 : AHEAD / block_bytes;
    if (most > column->blocks) most = column->blocks;
    size_t room = (size_t)(most * block_bytes);
    T2I_TRY(load_table(column, err));
    if (column->cache == NULL) column->cache = t2i_alloc(room, 1);
    if (column->cache == NULL) return t2i_fail_memory(err, room, "blocks of the dataset");
    uint64_t count = blocks_at_once(column, block, most);
    column->cached_blocks = 0;
    size_t bytes =
        (size_t)((count - 1) * block_bytes) + t2i_column_block_bytes(column, block + count - 1);
    T2I_TRY(column->reader == NULL ? column->read_back(column, block, column->cache, err)
                                   : t2i_reader_blocks(column->reader, number_of(column), block,
                                                       count, column->cache, bytes, err));
    for (uint64_t i = 0; i < count; i++)
        T2I_TRY(check_block(column, block + i, column->cache + i * block_bytes, err));
    column->cached = block;
    column->cached_blocks = count;
    t2i_heartbeat_beat();
    return T2I_OK;
}

t2i_status t2i_column_block(t2i_column *column, uint64_t block, const uint8_t **out, t2i_error *err)
{
    if (block < column->cached || block - column->cached >= column->cached_blocks)
        T2I_TRY(fill_cache(column, block, err));
    *out = column->cache + (block - column->cached) * column->block_rows * column->row_bytes;
    return T2I_OK;
}

t2i_status t2i_column_read(t2i_column *column, uint64_t first, uint64_t count, void *out,
                           t2i_error *err)
{
    uint8_t *to = out;
    if (!column->present || first > column->rows_put || count > column->rows_put - first)
        return t2i_fail(err, T2I_BUG, "%s: rows beyond the end of %s were requested", column->file,
                        column->spec->path);
    while (count > 0) {
        uint64_t block = first / column->block_rows, skip = first % column->block_rows;
        uint64_t rows = column->block_rows - skip < count ? column->block_rows - skip : count;
        int is_written = column->unwritten == NULL || block < column->rows_put / column->block_rows;
        const uint8_t *from = column->unwritten;
        if (is_written) T2I_TRY(t2i_column_block(column, block, &from, err));
        memcpy(to, from + skip * column->row_bytes, (size_t)(rows * column->row_bytes));
        to += rows * column->row_bytes;
        first += rows;
        count -= rows;
    }
    return T2I_OK;
}
