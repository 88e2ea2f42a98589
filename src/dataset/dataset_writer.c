#include "dataset/dataset_writer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataset/dataset_digest.h"
#include "dataset/dataset_h5.h"
#include "base/commit.h"
#include "base/fs.h"
#include "formats/json.h"
#include "base/mem.h"
#include "base/text.h"

enum { GZIP_LEVEL = 4 };

struct t2i_dataset_writer {
    t2i_fs_out file; /* the open temporary file; HDF5 opens it a second time */
    hid_t h5;
    t2i_shape shape;
    t2i_column column[COLUMNS];
    t2i_encoder_info encoder;
    char tool[64];
    int broken; /* HDF5 could not write: see t2i_dataset_writer_drop */
};

static t2i_status failed(t2i_dataset_writer *out, const char *what, t2i_error *err)
{
    out->broken = 1;
    return t2i_h5_fail(err, T2I_IO, out->file.path, what);
}

/* ---- checks of the arguments ---- */

static t2i_status check_pairs(const t2i_pairs *pairs, t2i_error *err)
{
    uint32_t images = 0;
    if (pairs->pairs == 0 || pairs->pairs > UINT32_MAX || pairs->images == 0)
        return t2i_fail(err, T2I_DATA, "a dataset needs 1 to 4,294,967,295 pairs");
    for (size_t i = 0; i < pairs->pairs; i++) {
        uint64_t begin = pairs->prompt_offset[i], end = pairs->prompt_offset[i + 1];
        if (begin > end || (i == 0 && begin != 0) || pairs->image[i] > images ||
            pairs->split[i] >= T2I_SPLITS || pairs->row[i] == UINT32_MAX ||
            (i > 0 && pairs->row[i] <= pairs->row[i - 1]))
            return t2i_fail(err, T2I_BUG, "pair %zu of the new dataset is invalid", i);
        if (end - begin > STRING_MAX)
            return t2i_fail(err, T2I_DATA, "the prompt of row %lu is longer than 1 MiB",
                            (unsigned long)pairs->row[i]);
        size_t size = (size_t)(end - begin);
        if (t2i_utf8_valid(pairs->prompt_bytes + begin, size) != size)
            return t2i_fail(err, T2I_DATA, "the prompt of row %lu is not UTF-8",
                            (unsigned long)pairs->row[i]);
        images += pairs->image[i] == images;
    }
    if (images != pairs->images)
        return t2i_fail(err, T2I_BUG, "a picture of the new dataset belongs to no pair");
    for (size_t i = 0; i < pairs->images; i++)
        if (strlen(pairs->image_name[i]) > STRING_MAX)
            return t2i_fail(err, T2I_DATA, "the name of picture %zu is longer than 1 MiB", i);
    return T2I_OK;
}

static t2i_status check_encoder(const t2i_encoder_info *encoder, const char *tool, size_t features,
                                t2i_error *err)
{
    if (features > 0 && features <= FEATURES_MAX &&
        strlen(tool) < sizeof((t2i_dataset_writer *)0)->tool && encoder->height <= SIDE_MAX &&
        encoder->width <= SIDE_MAX && (encoder->height == 0) == (encoder->width == 0))
        return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "cannot write %zu features and pictures of %llu x %llu pixels: the limits are "
                    "65,536 and 4,096 x 4,096",
                    features, (unsigned long long)encoder->height,
                    (unsigned long long)encoder->width);
}

static int compare_prompts(const t2i_pairs *pairs, uint32_t a, uint32_t b)
{
    const uint64_t *offset = pairs->prompt_offset;
    return t2i_dataset_schema_compare_prompts(
        pairs->prompt_bytes + offset[a], (size_t)(offset[a + 1] - offset[a]),
        pairs->prompt_bytes + offset[b], (size_t)(offset[b + 1] - offset[b]));
}

/* Bottom-up merge sort of index; spare is a buffer of the same size. It is stable, so that equal
 * prompts stay in the order of their rows. */
static void sort_pairs(const t2i_pairs *pairs, uint32_t *index, uint32_t *spare)
{
    size_t count = pairs->pairs;
    uint32_t *from = index, *to = spare;
    for (size_t i = 0; i < count; i++) index[i] = (uint32_t)i;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            size_t middle = begin + width < count ? begin + width : count;
            size_t end = middle + width < count ? middle + width : count;
            size_t left = begin, right = middle;
            for (size_t i = begin; i < end; i++)
                to[i] = right == end || (left < middle &&
                                         compare_prompts(pairs, from[left], from[right]) <= 0)
                            ? from[left++]
                            : from[right++];
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != index) memcpy(index, from, count * sizeof *index);
}

/* ---- columns ---- */

/* Storage of a column: filtered chunks, one per block. An empty column cannot be chunked. There are
 * no time stamps, so that equal input gives an equal file. */
static hid_t storage(const t2i_column *column)
{
    hsize_t chunk[RANK_MAX];
    for (int i = 0; i < RANK_MAX; i++) chunk[i] = column->dim[i];
    chunk[0] = column->block_rows;
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    if (plist < 0) return plist;
    int fine = H5Pset_obj_track_times(plist, 0) >= 0;
    if (fine && column->rows > 0)
        fine = H5Pset_chunk(plist, (int)column->spec->rank, chunk) >= 0 &&
               H5Pset_shuffle(plist) >= 0 && H5Pset_deflate(plist, GZIP_LEVEL) >= 0 &&
               H5Pset_fletcher32(plist) >= 0;
    if (fine) return plist;
    H5Pclose(plist);
    return H5I_INVALID_HID;
}

static t2i_status create_column(t2i_dataset_writer *out, int which, t2i_error *err)
{
    t2i_column *column = &out->column[which];
    uint64_t dim[RANK_MAX];
    t2i_column_dims(&out->shape, which, dim);
    T2I_TRY(t2i_column_init(column, out->file.path, which, dim, err));
    column->read_back = t2i_h5_read_block;
    column->table = t2i_alloc((size_t)column->blocks, sizeof *column->table);
    if (column->table == NULL) return t2i_fail_memory(err, 8 * (size_t)column->blocks, "checksums");
    hsize_t size[RANK_MAX];
    for (int i = 0; i < RANK_MAX; i++) size[i] = dim[i];
    hid_t plist = storage(column), access = H5Pcreate(H5P_DATASET_ACCESS);
    hid_t space = H5Screate_simple((int)column->spec->rank, size, NULL);
    t2i_status status = T2I_OK;
    /* write whole chunks: HDF5's cache would delay writes, and lose them on a full disk */
    if (plist < 0 || access < 0 || space < 0 || H5Pset_chunk_cache(access, 1, 0, 1) < 0)
        status = failed(out, "be prepared", err);
    else
        column->id = H5Dcreate2(out->h5, column->spec->path, t2i_kind_disk(column->spec->kind),
                                space, H5P_DEFAULT, plist, access);
    if (status == T2I_OK && column->id < 0) status = failed(out, "create a dataset", err);
    if (plist >= 0) H5Pclose(plist);
    if (access >= 0) H5Pclose(access);
    if (space >= 0) H5Sclose(space);
    return status;
}

static t2i_status put(t2i_dataset_writer *out, int which, uint64_t rows, const void *data,
                      t2i_error *err)
{
    const uint8_t *from = data;
    t2i_column *column = &out->column[which];
    if (column->id < 0 || rows > column->rows - column->rows_put)
        return t2i_fail(err, T2I_BUG, "%s: too many rows of %s", column->file, column->spec->path);
    size_t room = (size_t)(column->block_rows * column->row_bytes);
    if (rows > 0 && column->unwritten == NULL) column->unwritten = t2i_alloc(room, 1);
    if (rows > 0 && column->unwritten == NULL)
        return t2i_fail_memory(err, room, "a block of the dataset");
    while (rows > 0) {
        uint64_t block = column->rows_put / column->block_rows;
        uint64_t at = column->rows_put % column->block_rows;
        uint64_t count = column->block_rows - at < rows ? column->block_rows - at : rows;
        memcpy(column->unwritten + at * column->row_bytes, from,
               (size_t)(count * column->row_bytes));
        if (at + count == column->block_rows || column->rows_put + count == column->rows) {
            column->table[block] =
                t2i_hash_64(column->unwritten, t2i_column_block_bytes(column, block));
            t2i_status status = t2i_h5_write_block(column, block, err);
            out->broken = out->broken || status != T2I_OK;
            T2I_TRY(status);
        }
        column->rows_put += count;
        from += count * column->row_bytes;
        rows -= count;
    }
    if (column->rows_put == column->rows) {
        t2i_free(column->unwritten);
        column->unwritten = NULL;
    }
    return T2I_OK;
}

static t2i_status create_group(t2i_dataset_writer *out, const char *name, t2i_error *err)
{
    hid_t plist = H5Pcreate(H5P_GROUP_CREATE), id = H5I_INVALID_HID;
    if (plist >= 0 && H5Pset_obj_track_times(plist, 0) >= 0)
        id = H5Gcreate2(out->h5, name, H5P_DEFAULT, plist, H5P_DEFAULT);
    t2i_status status = id < 0 ? failed(out, "create a group", err) : T2I_OK;
    if (plist >= 0) H5Pclose(plist);
    if (id >= 0) H5Gclose(id);
    return status;
}

/* ---- create, put, drop ---- */

static t2i_status create_file(t2i_dataset_writer *out, t2i_error *err)
{
    hid_t access = t2i_h5_access(), plist = H5Pcreate(H5P_FILE_CREATE);
    t2i_status status = T2I_OK;
    if (access >= 0 && plist >= 0 && H5Pset_obj_track_times(plist, 0) >= 0)
        out->h5 = H5Fcreate(out->file.temp, H5F_ACC_TRUNC, plist, access);
    if (out->h5 < 0) status = t2i_h5_fail(err, T2I_CANTCREATE, out->file.path, "create it");
    if (access >= 0) H5Pclose(access);
    if (plist >= 0) H5Pclose(plist);
    return status;
}

static t2i_status put_strings(t2i_dataset_writer *out, const t2i_pairs *pairs,
                              const uint32_t *index, t2i_error *err)
{
    uint64_t end = 0;
    T2I_TRY(put(out, PROMPT_OFFSETS, 1, &end, err));
    for (size_t i = 0; i < pairs->pairs; i++) {
        uint64_t begin = pairs->prompt_offset[index[i]];
        uint64_t size = pairs->prompt_offset[index[i] + 1] - begin;
        end += size;
        T2I_TRY(put(out, PROMPT_BYTES, size, pairs->prompt_bytes + begin, err));
        T2I_TRY(put(out, PROMPT_OFFSETS, 1, &end, err));
    }
    end = 0;
    T2I_TRY(put(out, NAME_OFFSETS, 1, &end, err));
    for (size_t i = 0; i < pairs->images; i++) {
        size_t size = strlen(pairs->image_name[i]);
        end += size;
        T2I_TRY(put(out, NAME_BYTES, size, pairs->image_name[i], err));
        T2I_TRY(put(out, NAME_OFFSETS, 1, &end, err));
    }
    return T2I_OK;
}

static t2i_status put_sorted(t2i_dataset_writer *out, const t2i_pairs *pairs, const uint32_t *index,
                             t2i_error *err)
{
    T2I_TRY(put_strings(out, pairs, index, err));
    for (size_t i = 0; i < pairs->pairs; i++) {
        T2I_TRY(put(out, PAIR_IMAGE, 1, &pairs->image[index[i]], err));
        T2I_TRY(put(out, PAIR_ROW, 1, &pairs->row[index[i]], err));
        T2I_TRY(put(out, PAIR_SPLIT, 1, &pairs->split[index[i]], err));
    }
    return put(out, GROUPS, pairs->images, pairs->group, err);
}

static t2i_status put_pairs(t2i_dataset_writer *out, const t2i_pairs *pairs, t2i_error *err)
{
    uint32_t *index = t2i_alloc(pairs->pairs, 2 * sizeof *index);
    if (index == NULL) return t2i_fail_memory(err, pairs->pairs * 2 * sizeof *index, "sorting");
    sort_pairs(pairs, index, index + pairs->pairs);
    t2i_status status = put_sorted(out, pairs, index, err);
    t2i_free(index);
    return status;
}

static t2i_status create_all(t2i_dataset_writer *out, const t2i_pairs *pairs, t2i_error *err)
{
    T2I_TRY(create_file(out, err));
    T2I_TRY(create_group(out, "/prompts", err));
    T2I_TRY(create_group(out, "/pairs", err));
    T2I_TRY(create_group(out, "/images", err));
    for (int i = 0; i < BASIS; i++)
        if (i != PIXELS || out->shape.height > 0) T2I_TRY(create_column(out, i, err));
    return put_pairs(out, pairs, err);
}

t2i_status t2i_dataset_writer_may_replace(const char *path, t2i_error *err)
{
    return t2i_fs_may_replace(path, "\x89HDF\r\n\x1a\n", "a dataset", err);
}

t2i_status t2i_dataset_writer_create(t2i_dataset_writer **result, const char *path,
                                     const char *tool, const t2i_pairs *pairs, size_t features,
                                     const t2i_encoder_info *encoder, t2i_error *err)
{
    *result = NULL;
    T2I_TRY(t2i_dataset_writer_may_replace(path, err));
    T2I_TRY(check_pairs(pairs, err));
    T2I_TRY(check_encoder(encoder, tool, features, err));
    t2i_dataset_writer *out = t2i_alloc(1, sizeof *out);
    if (out == NULL) return t2i_fail_memory(err, sizeof *out, "a dataset");
    out->h5 = H5I_INVALID_HID;
    out->encoder = *encoder;
    strcpy(out->tool, tool);
    out->shape = (t2i_shape){.pairs = pairs->pairs,
                             .images = pairs->images,
                             .features = features,
                             .prompt_bytes = pairs->prompt_offset[pairs->pairs],
                             .height = encoder->height,
                             .width = encoder->width};
    for (size_t i = 0; i < pairs->images; i++)
        out->shape.name_bytes += strlen(pairs->image_name[i]);
    t2i_status status = t2i_fs_out_open(&out->file, path, err);
    for (int i = 0; i < COLUMNS; i++) t2i_column_clear(&out->column[i], out->file.path, i);
    if (status == T2I_OK) status = create_all(out, pairs, err);
    if (status == T2I_OK)
        *result = out;
    else
        t2i_dataset_writer_drop(out);
    return status;
}

t2i_status t2i_dataset_writer_put_pixels(t2i_dataset_writer *out, size_t count,
                                         const uint8_t *pixels, t2i_error *err)
{
    return put(out, PIXELS, count, pixels, err);
}

t2i_status t2i_dataset_writer_put_features(t2i_dataset_writer *out, size_t count,
                                           const float *features, t2i_error *err)
{
    for (size_t i = 0; i < count * out->shape.features; i++)
        if (!isfinite(features[i]))
            return t2i_fail(
                err, T2I_DATA, "%s: a feature of picture %llu is not finite", out->file.path,
                (unsigned long long)(out->column[FEATURES].rows_put + i / out->shape.features));
    return put(out, FEATURES, count, features, err);
}

t2i_status t2i_dataset_writer_put_decoder(t2i_dataset_writer *out, const float *basis,
                                          const float *mean, t2i_error *err)
{
    if (out->shape.height == 0 || out->column[BASIS].id >= 0)
        return t2i_fail(err, T2I_BUG, "%s: a decoder without pictures, or a second one",
                        out->file.path);
    T2I_TRY(create_group(out, "/decoder", err));
    T2I_TRY(create_column(out, BASIS, err));
    T2I_TRY(create_column(out, MEAN, err));
    T2I_TRY(put(out, BASIS, out->column[BASIS].rows, basis, err));
    return put(out, MEAN, out->column[MEAN].rows, mean, err);
}

/* Closes all HDF5 objects of the file. Returns 0 on success. */
static int close_h5(t2i_dataset_writer *out)
{
    for (int i = 0; i < COLUMNS; i++) {
        t2i_h5_close_column(&out->column[i]);
        t2i_column_clear(&out->column[i], out->file.path, i);
    }
    hid_t h5 = out->h5;
    out->h5 = H5I_INVALID_HID;
    return h5 >= 0 && H5Fclose(h5) < 0;
}

/* Closing a file makes HDF5 1.10 write its buffers. If that fails (disk full), it frees half of its
 * state and crashes later. So after a failed write the file stays open in HDF5 until the process
 * ends, empty and without a name. Otherwise it is closed as usual. */
void t2i_dataset_writer_drop(t2i_dataset_writer *out)
{
    if (out == NULL) return;
    for (int i = 0; i < COLUMNS && out->broken; i++)
        out->column[i].id = out->column[i].table_id = H5I_INVALID_HID;
    if (out->broken) out->h5 = H5I_INVALID_HID;
    int shrunk = out->file.fd >= 0 ? ftruncate(out->file.fd, 0) : 0; /* frees the disk space */
    (void)shrunk;
    close_h5(out);
    t2i_fs_out_drop(&out->file);
    t2i_free(out);
}

/* ---- commit ---- */

static t2i_status put_attribute(t2i_dataset_writer *out, hid_t object, const char *name, hid_t type,
                                const void *value, t2i_error *err)
{
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5I_INVALID_HID;
    if (space >= 0) attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    t2i_status status = attribute < 0 || H5Awrite(attribute, type, value) < 0
                            ? failed(out, "write an attribute", err)
                            : T2I_OK;
    if (attribute >= 0) H5Aclose(attribute);
    if (space >= 0) H5Sclose(space);
    return status;
}

/* Writes a UTF-8 string of fixed length as an attribute. */
static t2i_status put_text(t2i_dataset_writer *out, const char *name, const char *value,
                           t2i_error *err)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    size_t size = strlen(value);
    t2i_status status;
    if (type < 0 || H5Tset_size(type, size > 0 ? size : 1) < 0 ||
        H5Tset_cset(type, H5T_CSET_UTF8) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)
        status = failed(out, "write an attribute", err);
    else
        status = put_attribute(out, out->h5, name, type, value, err);
    if (type >= 0) H5Tclose(type);
    return status;
}

static t2i_status put_table(t2i_dataset_writer *out, t2i_column *column, t2i_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%s" TABLE_SUFFIX, column->spec->path);
    if (column->rows_put != column->rows)
        return t2i_fail(err, T2I_BUG, "%s: only %llu of %llu rows of %s were written",
                        out->file.path, (unsigned long long)column->rows_put,
                        (unsigned long long)column->rows, column->spec->path);
    hsize_t size = column->blocks;
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &size, NULL);
    if (plist >= 0 && space >= 0 && H5Pset_obj_track_times(plist, 0) >= 0)
        column->table_id =
            H5Dcreate2(out->h5, name, H5T_STD_U64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    t2i_status status = T2I_OK;
    if (column->table_id < 0 || H5Dwrite(column->table_id, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL,
                                         H5P_DEFAULT, column->table) < 0)
        status = failed(out, "write checksums", err);
    if (plist >= 0) H5Pclose(plist);
    if (space >= 0) H5Sclose(space);
    T2I_TRY(status);
    return put_attribute(out, column->table_id, BLOCK_ROWS, H5T_STD_U64LE, &column->block_rows,
                         err);
}

static t2i_status encoder_text(const t2i_dataset_writer *out, char **text, t2i_error *err)
{
    t2i_json *json = t2i_json_object();
    t2i_json_set_string(json, "name", out->encoder.encoder);
    t2i_json_set_integer(json, "dim", (int64_t)out->shape.features);
    t2i_json_set_integer(json, "height", (int64_t)out->encoder.height);
    t2i_json_set_integer(json, "width", (int64_t)out->encoder.width);
    t2i_json_set_real(json, "scale", (double)(float)out->encoder.scale);
    t2i_json_set_string(json, "weights_xxh3", out->encoder.weights);
    t2i_status status = t2i_json_text(json, 0, text, err);
    t2i_json_free(json);
    return status;
}

static t2i_status put_attributes(t2i_dataset_writer *out, const char *encoder, t2i_error *err)
{
    const uint32_t version = FORMAT_VERSION;
    char digest[T2I_HEX], content[T2I_HEX];
    T2I_TRY(put_text(out, "format", FORMAT, err));
    T2I_TRY(put_attribute(out, out->h5, "format_version", H5T_STD_U32LE, &version, err));
    T2I_TRY(put_text(out, "tool", out->tool, err));
    T2I_TRY(put_text(out, "encoder", encoder, err));
    T2I_TRY(t2i_dataset_digest(out->column, out->tool, encoder, digest, content, err));
    T2I_TRY(put_text(out, "digest", digest, err));
    return put_text(out, "content", content, err);
}

static t2i_status finish(t2i_dataset_writer *out, t2i_error *err)
{
    char *encoder;
    for (int i = 0; i < COLUMNS; i++)
        if (out->column[i].id >= 0) T2I_TRY(put_table(out, &out->column[i], err));
    T2I_TRY(encoder_text(out, &encoder, err));
    t2i_status status = put_attributes(out, encoder, err);
    t2i_free(encoder);
    if (status == T2I_OK && H5Fflush(out->h5, H5F_SCOPE_LOCAL) < 0)
        status = failed(out, "write it", err);
    if (status == T2I_OK && close_h5(out)) status = failed(out, "close it", err);
    return status;
}

/* The file returns other bytes than were written. */
static t2i_status fail_verification(const t2i_dataset_writer *out, const t2i_error *why,
                                    t2i_error *err)
{
    return t2i_fail(err, T2I_IO, "cannot write %s: verification failed: %s", out->file.path,
                    why->text);
}

/* Verifies the temporary file before it gets its final name. */
static t2i_status read_back(t2i_dataset_writer *out, t2i_error *err)
{
    t2i_dataset *dataset;
    t2i_error why;
    t2i_status status = t2i_dataset_open(&dataset, out->file.temp, &why);
    if (status == T2I_OK) status = t2i_dataset_verify(dataset, &why);
    t2i_dataset_close(dataset);
    if (status == T2I_OK) return T2I_OK;
    return status == T2I_SYSTEM ? t2i_fail(err, status, "%s", why.text)
                                : fail_verification(out, &why, err);
}

t2i_status t2i_dataset_writer_commit(t2i_dataset_writer *out, t2i_error *err)
{
    t2i_error why;
    t2i_status status = finish(out, &why);
    if (status == T2I_OK)
        status = read_back(out, err);
    else /* the digest is computed from what was written */
        status = status == T2I_DATA ? fail_verification(out, &why, err)
                                    : t2i_fail(err, status, "%s", why.text);
    if (status == T2I_OK) status = t2i_commit(&out->file, err);
    t2i_dataset_writer_drop(out);
    return status;
}
