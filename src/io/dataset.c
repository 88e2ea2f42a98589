#include "t2i/dataset.h"

#include <math.h>
#include <string.h>

#include "dataset_schema.h"
#include "t2i/fs.h"
#include "t2i/json.h"
#include "t2i/mem.h"
#include "t2i/text.h"

/* gzip shrinks at most 1,032-fold: a dataset that claims more than this is a lie. */
enum { MOST_SHRUNK = 1100 };

struct t2i_dataset {
    char *path;
    hid_t file;
    uint64_t file_size;
    t2i_column column[COLUMNS];
    t2i_dataset_info info;
    char *encoder; /* JSON, as stored: part of the digest */
};

const char *const t2i_split_names[T2I_SPLITS] = {"train", "validation", "unseen prompts",
                                                 "unseen pictures"};

int t2i_split_find(const char *name)
{
    if (strcmp(name, "val") == 0) return T2I_VALIDATION;
    for (int i = 0; i < T2I_SPLITS; i++) {
        const char *a = name, *b = t2i_split_names[i];
        while (*a != '\0' && (*a == *b || (*b == ' ' && (*a == '-' || *a == '_')))) a++, b++;
        if (*a == '\0' && *b == '\0') return i;
    }
    return -1;
}

/* ---- opening: nothing of the file is believed ---- */

static t2i_status other_schema(const t2i_dataset *dataset, const char *what, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA,
                    "%s is not a sound t2i dataset: %s; build it with t2i-data, or restore it",
                    dataset->path, what);
}

static t2i_status bad_column(const t2i_dataset *dataset, const char *name, const char *what,
                             t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a sound t2i dataset: %s %s", dataset->path, name,
                    what);
}

/* What is linked must lie in this very file: no soft and no external links. */
static int is_hard(hid_t file, const char *path)
{
    H5L_info_t info;
    return H5Lexists(file, path, H5P_DEFAULT) > 0 &&
           H5Lget_info(file, path, &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD;
}

/* The dimensions of a simple space of that rank; 0 when it is another. */
static int get_dims(hid_t id, unsigned rank, uint64_t dim[RANK_MAX])
{
    hsize_t found[H5S_MAX_RANK];
    hid_t space = H5Dget_space(id);
    int fits = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SIMPLE &&
               H5Sget_simple_extent_ndims(space) == (int)rank &&
               H5Sget_simple_extent_dims(space, found, NULL) == (int)rank;
    for (unsigned i = 0; i < RANK_MAX; i++) dim[i] = fits && i < rank ? found[i] : 1;
    if (space >= 0) H5Sclose(space);
    return fits;
}

static int has_kind(hid_t id, t2i_kind kind)
{
    hid_t type = H5Dget_type(id);
    int fits = type >= 0 && t2i_kind_is(type, kind);
    if (type >= 0) H5Tclose(type);
    return fits;
}

static int has_known_filters(hid_t plist)
{
    int filters = H5Pget_nfilters(plist);
    for (int i = 0; i < filters; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_DEFLATE &&
            filter != H5Z_FILTER_FLETCHER32)
            return 0;
    }
    return filters >= 0;
}

/* What is wrong with how a dataset is stored, or NULL. A chunked one tells its chunk. */
static const char *check_storage(hid_t id, unsigned rank, hsize_t chunk[RANK_MAX])
{
    hid_t plist = H5Dget_create_plist(id);
    const char *problem = NULL;
    if (plist < 0)
        problem = "cannot be examined";
    else if (H5Pget_external_count(plist) != 0)
        problem = "keeps its values in other files, which is not allowed";
    else if (!has_known_filters(plist))
        problem = "uses a filter other than shuffle, deflate and fletcher32";
    else if (H5Pget_layout(plist) != (chunk == NULL ? H5D_CONTIGUOUS : H5D_CHUNKED))
        problem = "has another storage layout";
    else if (chunk != NULL && H5Pget_chunk(plist, (int)rank, chunk) != (int)rank)
        problem = "has other chunks";
    if (plist >= 0) H5Pclose(plist);
    return problem;
}

/* A scalar attribute: of that kind, or with room > 0 a UTF-8 string of fixed length below room. 0
 * when it is missing or anything else. */
static int read_attribute(hid_t object, const char *name, t2i_kind kind, void *out, size_t room)
{
    if (H5Aexists(object, name) <= 0) return 0;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
    hid_t space = attribute >= 0 ? H5Aget_space(attribute) : H5I_INVALID_HID;
    int fits = type >= 0 && space >= 0 && H5Sget_simple_extent_type(space) == H5S_SCALAR;
    if (fits && room > 0)
        fits = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
               H5Tget_cset(type) == H5T_CSET_UTF8 && H5Tget_size(type) < room &&
               H5Aread(attribute, type, out) >= 0;
    else if (fits)
        fits = t2i_kind_is(type, kind) && H5Aread(attribute, t2i_kind_native(kind), out) >= 0;
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (attribute >= 0) H5Aclose(attribute);
    return fits;
}

/* The checksums of a column: one a block, really stored. */
static t2i_status open_table(t2i_dataset *dataset, t2i_column *column, t2i_error *err)
{
    char name[64];
    uint64_t dim[RANK_MAX], block_rows = 0;
    snprintf(name, sizeof name, "%s" TABLE_SUFFIX, column->spec->path);
    if (!is_hard(dataset->file, name)) return bad_column(dataset, name, "is missing", err);
    hid_t id = column->table_id = H5Dopen2(dataset->file, name, H5P_DEFAULT);
    if (id < 0) return bad_column(dataset, name, "is not a dataset", err);
    if (!has_kind(id, T2I_U64) || !get_dims(id, 1, dim))
        return bad_column(dataset, name, "has another type or rank", err);
    const char *problem = check_storage(id, 1, NULL);
    if (problem != NULL) return bad_column(dataset, name, problem, err);
    if (!read_attribute(id, BLOCK_ROWS, T2I_U64, &block_rows, 0))
        return bad_column(dataset, name, "lacks its attribute block_rows", err);
    if (block_rows == 0 || block_rows > BLOCK_MAX / column->row_bytes ||
        (block_rows > column->rows && column->rows > 0))
        return bad_column(dataset, name, "has an impossible block_rows", err);
    t2i_column_set_blocks(column, block_rows);
    if (dim[0] > dataset->file_size / sizeof(uint64_t) || dim[0] != column->blocks ||
        H5Dget_storage_size(id) != column->blocks * sizeof(uint64_t))
        return bad_column(dataset, name, "has another number of checksums than blocks", err);
    return T2I_OK;
}

static t2i_status open_column(t2i_dataset *dataset, int which, t2i_error *err)
{
    t2i_column *column = &dataset->column[which];
    const char *path = t2i_columns[which].path;
    unsigned rank = t2i_columns[which].rank;
    uint64_t dim[RANK_MAX];
    char group[32];
    snprintf(group, sizeof group, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (!is_hard(dataset->file, group) || !is_hard(dataset->file, path))
        return bad_column(dataset, path, "is missing", err);
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    /* we keep the last block ourselves: HDF5 need not */
    hid_t id = access >= 0 && H5Pset_chunk_cache(access, 1, 0, 1) >= 0
                   ? H5Dopen2(dataset->file, path, access)
                   : H5I_INVALID_HID;
    if (access >= 0) H5Pclose(access);
    if (id < 0) return bad_column(dataset, path, "is not a dataset", err);
    int fits = has_kind(id, t2i_columns[which].kind) && get_dims(id, rank, dim);
    t2i_status status = fits ? t2i_column_init(column, dataset->path, which, dim, err)
                             : bad_column(dataset, path, "has another type or rank", err);
    column->id = id; /* closed with the dataset from here on */
    if (status != T2I_OK) return status;
    column->rows_put = column->rows;
    hsize_t chunk[RANK_MAX];
    const char *problem = check_storage(id, rank, column->rows > 0 ? chunk : NULL);
    if (problem != NULL) return bad_column(dataset, path, problem, err);
    T2I_TRY(open_table(dataset, column, err));
    fits = column->rows == 0 || chunk[0] == column->block_rows;
    for (unsigned i = 1; i < rank && column->rows > 0; i++) fits = fits && chunk[i] == dim[i];
    if (!fits) return bad_column(dataset, path, "has other chunks than its checksums", err);
    if (column->rows > (dataset->file_size * MOST_SHRUNK + BLOCK_MAX) / column->row_bytes)
        return bad_column(dataset, path, "claims more than the file can hold", err);
    return T2I_OK;
}

static t2i_status read_text(t2i_dataset *dataset, const char *name, char *out, size_t room,
                            t2i_error *err)
{
    memset(out, 0, room);
    if (read_attribute(dataset->file, name, T2I_U8, out, room) &&
        t2i_utf8_valid(out, strlen(out)) == strlen(out))
        return T2I_OK;
    return bad_column(dataset, name, "is missing, too long or no text", err);
}

static int is_hex(const char *text)
{
    size_t size = strlen(text);
    return (size == 0 || size == T2I_HEX - 1) && strspn(text, "0123456789abcdef") == size;
}

/* The encoder as the attribute describes it; 0 when it is not exactly that. */
static int parse_encoder(const t2i_json *json, t2i_encoder_info *out, uint64_t *features)
{
    const char *name, *weights;
    int64_t dim, height, width;
    if (t2i_json_size(json) != 6 || !t2i_json_as_string(t2i_json_get(json, "name"), &name, NULL) ||
        !t2i_json_as_string(t2i_json_get(json, "weights_xxh3"), &weights, NULL) ||
        !t2i_json_as_integer(t2i_json_get(json, "dim"), &dim) ||
        !t2i_json_as_integer(t2i_json_get(json, "height"), &height) ||
        !t2i_json_as_integer(t2i_json_get(json, "width"), &width) ||
        !t2i_json_as_real(t2i_json_get(json, "scale"), &out->scale))
        return 0;
    if (strlen(name) >= sizeof out->encoder || !is_hex(weights) || dim < 1 || height < 0 ||
        width < 0 || height > SIDE_MAX || width > SIDE_MAX || (height == 0) != (width == 0))
        return 0;
    out->scale = (double)(float)out->scale; /* stored with nine digits: exact for a float */
    strcpy(out->encoder, name);
    strcpy(out->weights, weights);
    out->height = (uint64_t)height;
    out->width = (uint64_t)width;
    *features = (uint64_t)dim;
    return 1;
}

static t2i_status read_attributes(t2i_dataset *dataset, t2i_error *err)
{
    char format[sizeof FORMAT + 1], encoder[1024];
    uint32_t version = 0;
    if (H5Aexists(dataset->file, "format") <= 0 ||
        read_text(dataset, "format", format, sizeof format, err) != T2I_OK ||
        strcmp(format, FORMAT) != 0)
        return t2i_fail(err, T2I_DATA,
                        "%s is an HDF5 file but not a t2i dataset; build one with t2i-data",
                        dataset->path);
    if (!read_attribute(dataset->file, "format_version", T2I_U32, &version, 0))
        return other_schema(dataset, "it has no format_version", err);
    if (version != FORMAT_VERSION)
        return t2i_fail(err, T2I_DATA, "%s has format version %u; this program reads version %d",
                        dataset->path, (unsigned)version, FORMAT_VERSION);
    T2I_TRY(read_text(dataset, "tool", dataset->info.tool, sizeof dataset->info.tool, err));
    T2I_TRY(read_text(dataset, "digest", dataset->info.digest, T2I_HEX, err));
    T2I_TRY(read_text(dataset, "encoder", encoder, sizeof encoder, err));
    if (strlen(dataset->info.digest) != T2I_HEX - 1 || !is_hex(dataset->info.digest))
        return other_schema(dataset, "its digest is not 32 hex digits", err);
    dataset->encoder = t2i_strdup(encoder);
    if (dataset->encoder == NULL) return t2i_fail_memory(err, strlen(encoder), "a text");
    t2i_json *json;
    T2I_TRY(t2i_json_parse(&json, encoder, strlen(encoder), dataset->path, err));
    int fits = parse_encoder(json, &dataset->info.encoder, &dataset->info.features);
    t2i_json_free(json);
    return fits ? T2I_OK
                : other_schema(dataset, "its attribute encoder is not as it should be", err);
}

/* Offsets must begin at 0 and end at the end of the bytes. */
static t2i_status check_ends(t2i_dataset *dataset, int offsets, int bytes, t2i_error *err)
{
    t2i_column *column = &dataset->column[offsets];
    uint64_t first, last;
    T2I_TRY(t2i_column_read(column, 0, 1, &first, err));
    T2I_TRY(t2i_column_read(column, column->rows - 1, 1, &last, err));
    if (first == 0 && last == dataset->column[bytes].rows) return T2I_OK;
    return bad_column(dataset, column->spec->path, "does not fit the bytes that it divides", err);
}

/* All sizes against each other. */
static t2i_status check_shape(t2i_dataset *dataset, t2i_error *err)
{
    const t2i_column *column = dataset->column;
    t2i_dataset_info *info = &dataset->info;
    t2i_shape shape = {.pairs = info->pairs = column[PAIR_IMAGE].rows,
                       .images = info->images = column[FEATURES].rows,
                       .features = info->features,
                       .prompt_bytes = info->prompt_bytes = column[PROMPT_BYTES].rows,
                       .name_bytes = column[NAME_BYTES].rows,
                       .height = info->encoder.height,
                       .width = info->encoder.width};
    if (shape.pairs == 0 || shape.images == 0 || shape.pairs > UINT32_MAX ||
        shape.images > shape.pairs || shape.features > FEATURES_MAX)
        return other_schema(dataset, "it has no pairs, or an impossible number of them", err);
    if (info->has_pixels != (shape.height > 0) || info->has_decoder > info->has_pixels)
        return other_schema(dataset, "its pictures do not fit its encoder", err);
    for (int i = 0; i < COLUMNS; i++) {
        uint64_t dim[RANK_MAX];
        t2i_column_dims(&shape, i, dim);
        if (column[i].id >= 0 && memcmp(dim, column[i].dim, sizeof dim) != 0)
            return bad_column(dataset, t2i_columns[i].path, "has a size that does not fit the rest",
                              err);
    }
    T2I_TRY(check_ends(dataset, PROMPT_OFFSETS, PROMPT_BYTES, err));
    return check_ends(dataset, NAME_OFFSETS, NAME_BYTES, err);
}

static t2i_status open_file(t2i_dataset *dataset, t2i_error *err)
{
    T2I_TRY(t2i_fs_size(dataset->path, &dataset->file_size, err));
    hid_t access = t2i_h5_access();
    if (access < 0) return t2i_fail(err, T2I_SYSTEM, "HDF5 cannot be set up");
    dataset->file = H5Fopen(dataset->path, H5F_ACC_RDONLY, access);
    t2i_status status = T2I_OK;
    if (dataset->file < 0) {
        t2i_error why;
        status = t2i_h5_fail(&why, T2I_OK, dataset->path,
                             "open it as an HDF5 file (is it another file, cut or damaged?)");
        status = t2i_fail(err, status == T2I_IO ? T2I_NOINPUT : status, "%s", why.text);
    }
    H5Pclose(access);
    return status;
}

static t2i_status open_all(t2i_dataset *dataset, t2i_error *err)
{
    T2I_TRY(open_file(dataset, err));
    T2I_TRY(read_attributes(dataset, err));
    dataset->info.has_pixels = is_hard(dataset->file, "/images") &&
                               H5Lexists(dataset->file, "/images/pixels", H5P_DEFAULT) > 0;
    dataset->info.has_decoder = H5Lexists(dataset->file, "/decoder", H5P_DEFAULT) > 0;
    for (int i = 0; i < COLUMNS; i++) {
        if (i == PIXELS && !dataset->info.has_pixels) continue;
        if (i >= BASIS && !dataset->info.has_decoder) continue;
        T2I_TRY(open_column(dataset, i, err));
    }
    return check_shape(dataset, err);
}

t2i_status t2i_dataset_open(t2i_dataset **out, const char *path, t2i_error *err)
{
    *out = NULL;
    t2i_dataset *dataset = t2i_alloc(1, sizeof *dataset);
    if (dataset == NULL) return t2i_fail_memory(err, sizeof *dataset, "a dataset");
    dataset->file = H5I_INVALID_HID;
    dataset->path = t2i_strdup(path);
    for (int i = 0; i < COLUMNS; i++) t2i_column_clear(&dataset->column[i], dataset->path, i);
    t2i_status status = dataset->path == NULL ? t2i_fail_memory(err, strlen(path), "a file name")
                                              : open_all(dataset, err);
    if (status == T2I_OK)
        *out = dataset;
    else
        t2i_dataset_close(dataset);
    return status;
}

void t2i_dataset_close(t2i_dataset *dataset)
{
    if (dataset == NULL) return;
    for (int i = 0; i < COLUMNS; i++) t2i_column_close(&dataset->column[i]);
    if (dataset->file >= 0) H5Fclose(dataset->file);
    t2i_free(dataset->encoder);
    t2i_free(dataset->path);
    t2i_free(dataset);
}

const t2i_dataset_info *t2i_dataset_get_info(const t2i_dataset *dataset)
{
    return &dataset->info;
}

const char *t2i_dataset_path(const t2i_dataset *dataset)
{
    return dataset->path;
}

/* ---- ranges ---- */

/* count + 1 offsets, ascending, no string over 1 MiB; in the schema the bytes stand just before. */
static t2i_status read_offsets(t2i_dataset *dataset, int which, uint64_t first, uint64_t count,
                               uint64_t *out, t2i_error *err)
{
    t2i_column *column = &dataset->column[which];
    if (count == UINT64_MAX) return t2i_fail(err, T2I_BUG, "too many offsets were asked for");
    T2I_TRY(t2i_column_read(column, first, count + 1, out, err));
    for (uint64_t i = 0; i < count; i++)
        if (out[i] > out[i + 1] || out[i + 1] - out[i] > STRING_MAX)
            return t2i_fail(
                err, T2I_DATA,
                "%s is not a sound t2i dataset: row %llu of %s has an impossible length",
                dataset->path, (unsigned long long)(first + i), column->spec->path);
    if (out[count] <= dataset->column[which - 1].rows) return T2I_OK;
    return bad_column(dataset, column->spec->path, "points beyond the bytes that it divides", err);
}

t2i_status t2i_dataset_prompt_offsets(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                      uint64_t *out, t2i_error *err)
{
    return read_offsets(dataset, PROMPT_OFFSETS, first, count, out, err);
}

t2i_status t2i_dataset_prompt_bytes(t2i_dataset *dataset, uint64_t first, uint64_t count, char *out,
                                    t2i_error *err)
{
    return t2i_column_read(&dataset->column[PROMPT_BYTES], first, count, out, err);
}

static t2i_status bad_pair(const t2i_dataset *dataset, uint64_t pair, const char *what,
                           t2i_error *err)
{
    return t2i_fail(err, T2I_DATA, "%s is not a sound t2i dataset: pair %llu %s", dataset->path,
                    (unsigned long long)pair, what);
}

t2i_status t2i_dataset_pairs(t2i_dataset *dataset, uint64_t first, uint64_t count, uint32_t *image,
                             uint32_t *row, uint8_t *split, t2i_error *err)
{
    t2i_column *column = dataset->column;
    if (image != NULL) T2I_TRY(t2i_column_read(&column[PAIR_IMAGE], first, count, image, err));
    if (row != NULL) T2I_TRY(t2i_column_read(&column[PAIR_ROW], first, count, row, err));
    if (split != NULL) T2I_TRY(t2i_column_read(&column[PAIR_SPLIT], first, count, split, err));
    for (uint64_t i = 0; i < count; i++) {
        if (image != NULL && image[i] >= dataset->info.images)
            return bad_pair(dataset, first + i, "names a picture that is not there", err);
        if (split != NULL && split[i] >= T2I_SPLITS)
            return bad_pair(dataset, first + i, "is of an unknown split", err);
    }
    return T2I_OK;
}

t2i_status t2i_dataset_features(t2i_dataset *dataset, uint64_t first, uint64_t count, float *out,
                                t2i_error *err)
{
    return t2i_column_read(&dataset->column[FEATURES], first, count, out, err);
}

t2i_status t2i_dataset_pixels(t2i_dataset *dataset, uint64_t first, uint64_t count, uint8_t *out,
                              t2i_error *err)
{
    return t2i_column_read(&dataset->column[PIXELS], first, count, out, err);
}

t2i_status t2i_dataset_groups(t2i_dataset *dataset, uint64_t first, uint64_t count, uint32_t *out,
                              t2i_error *err)
{
    return t2i_column_read(&dataset->column[GROUPS], first, count, out, err);
}

t2i_status t2i_dataset_image_name(t2i_dataset *dataset, uint64_t image, char **out, t2i_error *err)
{
    uint64_t offset[2];
    *out = NULL;
    T2I_TRY(read_offsets(dataset, NAME_OFFSETS, image, 1, offset, err));
    size_t size = (size_t)(offset[1] - offset[0]);
    char *name = t2i_alloc(size + 1, 1);
    if (name == NULL) return t2i_fail_memory(err, size, "a picture's name");
    t2i_status status = t2i_column_read(&dataset->column[NAME_BYTES], offset[0], size, name, err);
    if (status == T2I_OK && strlen(name) != size)
        status = t2i_fail(err, T2I_DATA, "%s: the name of picture %llu has a NUL byte",
                          dataset->path, (unsigned long long)image);
    if (status == T2I_OK)
        *out = name;
    else
        t2i_free(name);
    return status;
}

t2i_status t2i_dataset_basis(t2i_dataset *dataset, uint64_t first, uint64_t count, float *out,
                             t2i_error *err)
{
    return t2i_column_read(&dataset->column[BASIS], first, count, out, err);
}

t2i_status t2i_dataset_mean(t2i_dataset *dataset, float *out, t2i_error *err)
{
    return t2i_column_read(&dataset->column[MEAN], 0, dataset->column[MEAN].rows, out, err);
}

t2i_status t2i_dataset_check_digest(t2i_dataset *dataset, t2i_error *err)
{
    char digest[T2I_HEX];
    T2I_TRY(t2i_dataset_digest(dataset->column, dataset->info.tool, dataset->encoder, digest, err));
    if (strcmp(digest, dataset->info.digest) == 0) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s is damaged: its digest does not fit what is in it; restore the file or "
                    "build it again",
                    dataset->path);
}
