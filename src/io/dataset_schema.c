#include "dataset_schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "t2i/mem.h"
#include "t2i/pulse.h"

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

size_t t2i_kind_size(t2i_kind kind)
{
    return kind == T2I_U8 ? 1 : kind == T2I_U64 ? 8 : 4;
}

static const char *kind_name(t2i_kind kind)
{
    return kind == T2I_U8 ? "u8" : kind == T2I_U32 ? "u32" : kind == T2I_U64 ? "u64" : "f32";
}

hid_t t2i_kind_disk(t2i_kind kind)
{
    return kind == T2I_U8    ? H5T_STD_U8LE
           : kind == T2I_U32 ? H5T_STD_U32LE
           : kind == T2I_U64 ? H5T_STD_U64LE
                             : H5T_IEEE_F32LE;
}

static hid_t swapped(t2i_kind kind)
{
    return kind == T2I_U8    ? H5T_STD_U8BE
           : kind == T2I_U32 ? H5T_STD_U32BE
           : kind == T2I_U64 ? H5T_STD_U64BE
                             : H5T_IEEE_F32BE;
}

hid_t t2i_kind_native(t2i_kind kind)
{
    return kind == T2I_U8    ? H5T_NATIVE_UINT8
           : kind == T2I_U32 ? H5T_NATIVE_UINT32
           : kind == T2I_U64 ? H5T_NATIVE_UINT64
                             : H5T_NATIVE_FLOAT;
}

int t2i_kind_is(hid_t type, t2i_kind kind)
{
    return H5Tequal(type, t2i_kind_disk(kind)) > 0 || H5Tequal(type, swapped(kind)) > 0;
}

#if H5_VERSION_GE(1, 10, 7)
#define SET_LOCKING(access) H5Pset_file_locking(access, 0, 1)
#else
#define SET_LOCKING(access) 0 /* older: the user sets HDF5_USE_FILE_LOCKING where it matters */
#endif

hid_t t2i_h5_access(void)
{
    H5dont_atexit(); /* it would write, and crash, again: see t2i_dataset_drop */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* we report errors, HDF5 prints none */
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && SET_LOCKING(access) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0)
        return access;
    if (access >= 0) H5Pclose(access);
    return H5I_INVALID_HID;
}

static herr_t keep_first(unsigned n, const H5E_error2_t *entry, void *reason)
{
    if (n == 0 && entry->desc != NULL) snprintf(reason, 512, "%s", entry->desc);
    return 0;
}

t2i_status t2i_h5_fail(t2i_error *err, t2i_status status, const char *file, const char *what)
{
    static const char mark[] = "error message = '";
    char reason[512] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, reason);
    char *text = strstr(reason, mark); /* what the system said, among a dozen numbers */
    if (text != NULL) {
        text += strlen(mark);
        text[strcspn(text, "'")] = '\0';
    }
    if (status == T2I_OK) status = text != NULL ? T2I_IO : T2I_DATA;
    return t2i_fail(err, status, "%s: cannot %s: %s", file, what, text != NULL ? text : reason);
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
    *column = (t2i_column){.id = H5I_INVALID_HID,
                           .table_id = H5I_INVALID_HID,
                           .file = file,
                           .spec = &t2i_columns[which],
                           .cached = UINT64_MAX};
}

t2i_status t2i_column_init(t2i_column *column, const char *file, int which,
                           const uint64_t dim[RANK_MAX], t2i_error *err)
{
    t2i_column_clear(column, file, which);
    column->rows = dim[0];
    column->row_bytes = t2i_kind_size(column->spec->kind);
    memcpy(column->dim, dim, sizeof column->dim);
    for (int i = 1; i < RANK_MAX; i++) {
        if (dim[i] == 0 || dim[i] > BLOCK_MAX || column->row_bytes * dim[i] > BLOCK_MAX)
            return t2i_fail(err, T2I_DATA, "%s: a row of %s is empty or larger than 16 MiB", file,
                            column->spec->path);
        column->row_bytes *= dim[i];
    }
    uint64_t block_rows = BLOCK_BYTES / column->row_bytes;
    if (block_rows > column->rows) block_rows = column->rows;
    t2i_column_set_blocks(column, block_rows > 0 ? block_rows : 1);
    return T2I_OK;
}

void t2i_column_set_blocks(t2i_column *column, uint64_t block_rows)
{
    column->block_rows = block_rows;
    column->blocks = column->rows / block_rows + (column->rows % block_rows != 0);
}

void t2i_column_close(t2i_column *column)
{
    if (column->id >= 0) H5Dclose(column->id);
    if (column->table_id >= 0) H5Dclose(column->table_id);
    t2i_free(column->table);
    t2i_free(column->cache);
    t2i_free(column->unwritten);
}

static uint64_t rows_of_block(const t2i_column *column, uint64_t block)
{
    uint64_t left = column->rows - block * column->block_rows;
    return left < column->block_rows ? left : column->block_rows;
}

size_t t2i_column_block_bytes(const t2i_column *column, uint64_t block)
{
    return (size_t)(rows_of_block(column, block) * column->row_bytes);
}

t2i_status t2i_column_transfer(t2i_column *column, uint64_t block, int writing, t2i_error *err)
{
    hsize_t start[RANK_MAX] = {0}, count[RANK_MAX];
    int rank = (int)column->spec->rank;
    for (int i = 0; i < rank; i++) count[i] = column->dim[i];
    start[0] = block * column->block_rows;
    count[0] = rows_of_block(column, block);
    hid_t type = t2i_kind_native(column->spec->kind);
    hid_t memory = H5Screate_simple(rank, count, NULL);
    hid_t file = H5Dget_space(column->id);
    int failed = memory < 0 || file < 0 ||
                 H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL) < 0;
    if (!failed && writing)
        failed = H5Dwrite(column->id, type, memory, file, H5P_DEFAULT, column->unwritten) < 0;
    if (!failed && !writing)
        failed = H5Dread(column->id, type, memory, file, H5P_DEFAULT, column->cache) < 0;
    t2i_status status = T2I_OK;
    if (failed)
        status = t2i_h5_fail(err, writing ? T2I_IO : T2I_OK, column->file,
                             writing ? "write a block" : "read a block");
    if (memory >= 0) H5Sclose(memory);
    if (file >= 0) H5Sclose(file);
    return status;
}

static t2i_status load_table(t2i_column *column, t2i_error *err)
{
    if (column->table != NULL) return T2I_OK;
    uint64_t *table = t2i_alloc((size_t)column->blocks, sizeof *table);
    if (table == NULL)
        return t2i_fail_memory(err, (size_t)column->blocks * sizeof *table, "checksums");
    if (H5Dread(column->table_id, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, table) < 0) {
        t2i_free(table);
        return t2i_h5_fail(err, T2I_OK, column->file, "read checksums");
    }
    column->table = table;
    return T2I_OK;
}

static t2i_status check_finite(const t2i_column *column, uint64_t block, t2i_error *err)
{
    const float *value = (const float *)(const void *)column->cache;
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

/* Reads a block into the cache and checks it. */
static t2i_status load_block(t2i_column *column, uint64_t block, t2i_error *err)
{
    if (column->cached == block) return T2I_OK;
    T2I_TRY(load_table(column, err));
    size_t room = (size_t)(column->block_rows * column->row_bytes);
    if (column->cache == NULL) column->cache = t2i_alloc(room, 1);
    if (column->cache == NULL) return t2i_fail_memory(err, room, "a block of the dataset");
    column->cached = UINT64_MAX;
    unsigned long long number = block;
    t2i_error why;
    t2i_status status = t2i_column_transfer(column, block, 0, &why);
    if (status == T2I_DATA)
        return t2i_fail(err, T2I_DATA,
                        "%s is damaged: block %llu of %s cannot be decoded; restore the file or "
                        "build it again",
                        column->file, number, column->spec->path);
    if (status != T2I_OK) return t2i_fail(err, status, "%s", why.text);
    if (t2i_hash_64(column->cache, t2i_column_block_bytes(column, block)) != column->table[block])
        return t2i_fail(err, T2I_DATA,
                        "%s is damaged: block %llu of %s; restore the file or build it again",
                        column->file, number, column->spec->path);
    if (column->spec->kind == T2I_F32) T2I_TRY(check_finite(column, block, err));
    column->cached = block;
    t2i_pulse_beat();
    return T2I_OK;
}

t2i_status t2i_column_read(t2i_column *column, uint64_t first, uint64_t count, void *out,
                           t2i_error *err)
{
    uint8_t *to = out;
    if (column->id < 0 || first > column->rows_put || count > column->rows_put - first)
        return t2i_fail(err, T2I_BUG, "%s: rows beyond the end of %s were asked for", column->file,
                        column->spec->path);
    while (count > 0) {
        uint64_t block = first / column->block_rows, skip = first % column->block_rows;
        uint64_t rows = column->block_rows - skip < count ? column->block_rows - skip : count;
        int is_written = column->unwritten == NULL || block < column->rows_put / column->block_rows;
        if (is_written) T2I_TRY(load_block(column, block, err));
        const uint8_t *from = is_written ? column->cache : column->unwritten;
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

static t2i_status digest_column(t2i_hash *hash, t2i_column *column, t2i_error *err)
{
    const t2i_column_spec *spec = column->spec;
    const char *kind = kind_name(spec->kind);
    t2i_hash_add(hash, spec->path, strlen(spec->path) + 1);
    t2i_hash_add(hash, kind, strlen(kind) + 1);
    add_number(hash, spec->rank);
    for (unsigned i = 0; i < spec->rank; i++) add_number(hash, column->dim[i]);
    for (uint64_t block = 0; block < column->blocks; block++) {
        T2I_TRY(load_block(column, block, err));
        t2i_hash_add(hash, column->cache, t2i_column_block_bytes(column, block));
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
    t2i_status status = t2i_hash_new(&hash, err);
    for (int i = 0; i < COLUMNS && status == T2I_OK; i++)
        if (column[i].id >= 0) status = digest_column(hash, &column[i], err);
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
