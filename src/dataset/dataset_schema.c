#include "dataset/dataset_schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/progress.h"
#include "base/heartbeat.h"

/* gzip shrinks at most 1,032-fold: a dataset that claims more than this is a lie. */
enum { MOST_SHRUNK = 1100, AHEAD = 1 << 20 /* bytes of a column kept */ };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "checksums and digest are over little-endian bytes, as ours are");

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

static const char *kind_name(t2i_kind kind)
{
    return kind == T2I_U8 ? "u8" : kind == T2I_U32 ? "u32" : kind == T2I_U64 ? "u64" : "f32";
}

int t2i_prompt_compare(const char *a, size_t a_size, const char *b, size_t b_size)
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
    return t2i_fail(err, T2I_DATA, "%s is not a sound t2i dataset: %s %s", file, column, what);
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
        return t2i_column_bad(file, name, "has another number of checksums than blocks", err);
    int fits = column->rows == 0 || claims->chunk[0] == block_rows;
    for (unsigned i = 1; i < column->spec->rank && column->rows > 0; i++)
        fits = fits && claims->chunk[i] == claims->dim[i];
    if (!fits) return t2i_column_bad(file, path, "has other chunks than its checksums", err);
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

static unsigned number_of(const t2i_column *column)
{
    return (unsigned)(column->spec - t2i_columns);
}

static t2i_status load_table(t2i_column *column, t2i_error *err)
{
    if (column->table != NULL) return T2I_OK; /* always so where it is written */
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

/* How many blocks to fetch at once: twice as many as before while they are read in sequence, as
 * each turn of the reader costs two switches of processes; one where somebody jumps. */
static uint64_t blocks_at_once(const t2i_column *column, uint64_t block, uint64_t most)
{
    int goes_on = column->cached_blocks > 0 && block == column->cached + column->cached_blocks;
    uint64_t count = goes_on ? 2 * column->cached_blocks : 1;
    if (count > most) count = most;
    return count < column->blocks - block ? count : column->blocks - block;
}

/* Reads from a block on into the cache, and checks all that came. */
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
    T2I_TRY(column->reader == NULL ? t2i_h5_read_block(column, block, column->cache, err)
                                   : t2i_reader_blocks(column->reader, number_of(column), block,
                                                       count, column->cache, bytes, err));
    for (uint64_t i = 0; i < count; i++)
        T2I_TRY(check_block(column, block + i, column->cache + i * block_bytes, err));
    column->cached = block;
    column->cached_blocks = count;
    t2i_heartbeat_beat();
    return T2I_OK;
}

/* A block's bytes, checked; good until another block of the column is asked for. */
static t2i_status load_block(t2i_column *column, uint64_t block, const uint8_t **out,
                             t2i_error *err)
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
        return t2i_fail(err, T2I_BUG, "%s: rows beyond the end of %s were asked for", column->file,
                        column->spec->path);
    while (count > 0) {
        uint64_t block = first / column->block_rows, skip = first % column->block_rows;
        uint64_t rows = column->block_rows - skip < count ? column->block_rows - skip : count;
        int is_written = column->unwritten == NULL || block < column->rows_put / column->block_rows;
        const uint8_t *from = column->unwritten;
        if (is_written) T2I_TRY(load_block(column, block, &from, err));
        memcpy(to, from + skip * column->row_bytes, (size_t)(rows * column->row_bytes));
        to += rows * column->row_bytes;
        first += rows;
        count -= rows;
    }
    return T2I_OK;
}

static void add_number(t2i_hash *hash, uint64_t number)
{
    t2i_hash_add(hash, &number, sizeof number);
}

typedef struct {
    t2i_progress progress;
    double all, done; /* bytes */
} reading;

static t2i_status digest_column(t2i_hash *hash, t2i_column *column, reading *read, t2i_error *err)
{
    const t2i_column_spec *spec = column->spec;
    const char *kind = kind_name(spec->kind);
    t2i_hash_add(hash, spec->path, strlen(spec->path) + 1);
    t2i_hash_add(hash, kind, strlen(kind) + 1);
    add_number(hash, spec->rank);
    for (unsigned i = 0; i < spec->rank; i++) add_number(hash, column->dim[i]);
    for (uint64_t block = 0; block < column->blocks; block++) {
        const uint8_t *bytes;
        T2I_TRY(load_block(column, block, &bytes, err));
        size_t size = t2i_column_block_bytes(column, block);
        t2i_hash_add(hash, bytes, size);
        read->done += (double)size;
        t2i_progress_at(&read->progress, read->done / read->all);
    }
    return T2I_OK;
}

static void digest_text(t2i_hash *hash, const char *name, const char *value)
{
    t2i_hash_add(hash, name, strlen(name) + 1);
    t2i_hash_add(hash, value, strlen(value) + 1);
}

t2i_status t2i_dataset_digest(t2i_column *column, const char *tool, const char *encoder,
                              char out[T2I_HEX], t2i_error *err)
{
    static const char name[] = "format_version";
    const uint32_t version = FORMAT_VERSION;
    t2i_hash *hash;
    reading read = {.all = 0};
    t2i_status status = t2i_hash_new(&hash, err);
    for (int i = 0; i < COLUMNS; i++)
        if (column[i].present) read.all += (double)column[i].rows_put * (double)column[i].row_bytes;
    t2i_progress_begin(&read.progress, "reading all of it for its digest");
    for (int i = 0; i < COLUMNS && status == T2I_OK; i++)
        if (column[i].present) status = digest_column(hash, &column[i], &read, err);
    if (status == T2I_OK) t2i_progress_end(&read.progress);
    if (status == T2I_OK) {
        digest_text(hash, "format", FORMAT);
        t2i_hash_add(hash, name, sizeof name);
        t2i_hash_add(hash, &version, sizeof version);
        t2i_hash_add(hash, "", 1);
        digest_text(hash, "tool", tool);
        digest_text(hash, "encoder", encoder);
        t2i_hash_end(hash, out);
    }
    t2i_hash_free(hash);
    return status;
}
