#include "dataset/dataset_h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataset/dataset.h"
#include "dataset/h5_descriptor.h"
#include "base/fs.h"
#include "base/mem.h"

struct t2i_h5_file {
    int fd; /* owned */
    char *path;
    hid_t file;
    t2i_column column[COLUMNS];
};

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

static int kind_is(hid_t type, t2i_kind kind)
{
    return H5Tequal(type, t2i_kind_disk(kind)) > 0 || H5Tequal(type, swapped(kind)) > 0;
}

#if H5_VERSION_GE(1, 10, 7)
#define SET_LOCKING(access) H5Pset_file_locking(access, 0, 1)
#else
/* older versions read this; the writer's file has a lock of our own, which theirs would meet */
#define SET_LOCKING(access) setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1)
#endif

hid_t t2i_h5_access(void)
{
    H5dont_atexit(); /* it would write again, and crash: see t2i_dataset_writer_drop */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* HDF5 prints no errors */
    H5PLset_loading_state(0);              /* it runs no code of the folders of plugins */
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
    char *text = strstr(reason, mark); /* the system's message, among many numbers */
    if (text != NULL) {
        text += strlen(mark);
        text[strcspn(text, "'")] = '\0';
    }
    if (status == T2I_OK) status = text != NULL ? T2I_IO : T2I_DATA;
    return t2i_fail(err, status, "%s: cannot %s: %s", file, what, text != NULL ? text : reason);
}

/* Is it a hard link? Soft and external links are refused. */
static int is_hard(hid_t file, const char *path)
{
    H5L_info_t info;
    return H5Lexists(file, path, H5P_DEFAULT) > 0 &&
           H5Lget_info(file, path, &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD;
}

/* dim: the dimensions of a simple dataspace of that rank. Returns 0 for any other dataspace. */
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
    int fits = type >= 0 && kind_is(type, kind);
    if (type >= 0) H5Tclose(type);
    return fits;
}

/* Each at most once: data deflated twice expand by 1,032 times 1,032. */
static int has_known_filters(hid_t plist)
{
    int filters = H5Pget_nfilters(plist), had[H5Z_FILTER_FLETCHER32 + 1] = {0};
    for (int i = 0; i < filters; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_DEFLATE &&
            filter != H5Z_FILTER_FLETCHER32)
            return 0;
        if (had[filter]++) return 0;
    }
    return filters >= 0;
}

#define NOT_THERE    "is missing, or a link to another place"
#define OTHER_TYPE   "has the wrong type or rank"
#define OTHER_LAYOUT "has an unsupported storage layout"

/* Returns what is wrong with the storage of a dataset, or NULL. Asked before anything else: HDF5
 * opens the files that a virtual dataset names when it is asked for its dimensions. chunk: the
 * dimensions of a chunk, zeros if the dataset is contiguous. */
static const char *check_storage(hid_t id, int rank, hsize_t chunk[RANK_MAX])
{
    hid_t plist = H5Dget_create_plist(id);
    H5D_layout_t layout = plist < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(plist);
    const char *problem = NULL;
    memset(chunk, 0, RANK_MAX * sizeof *chunk);
    if (plist < 0)
        problem = "cannot be examined";
    else if (H5Pget_external_count(plist) != 0)
        problem = "keeps its values in other files, which is not allowed";
    else if (!has_known_filters(plist))
        problem = "uses a filter other than shuffle, deflate and fletcher32, or one twice";
    else if (layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
        problem = OTHER_LAYOUT;
    else if (layout == H5D_CHUNKED && H5Pget_chunk(plist, rank, chunk) != rank)
        problem = OTHER_TYPE;
    if (plist >= 0) H5Pclose(plist);
    return problem;
}

/* Reads a scalar attribute: of that kind or, if room > 0, a UTF-8 string of fixed length below
 * room. Returns 0 if it is missing or of another type. */
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
        fits = kind_is(type, kind) && H5Aread(attribute, t2i_kind_native(kind), out) >= 0;
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (attribute >= 0) H5Aclose(attribute);
    return fits;
}

static t2i_status bad(const t2i_h5_file *file, const char *name, const char *what, t2i_error *err)
{
    return t2i_column_bad(file->path, name, what, err);
}

/* Opens the checksums of a column: one per block, all stored in the file. Sets *id also on failure.
 */
static t2i_status open_table(const t2i_h5_file *file, int which, hid_t *id,
                             t2i_column_claims *claims, t2i_error *err)
{
    char name[64];
    uint64_t dim[RANK_MAX];
    hsize_t chunk[RANK_MAX];
    snprintf(name, sizeof name, "%s" TABLE_SUFFIX, t2i_columns[which].path);
    if (!is_hard(file->file, name)) return bad(file, name, NOT_THERE, err);
    *id = H5Dopen2(file->file, name, H5P_DEFAULT);
    if (*id < 0) return bad(file, name, "is not a dataset", err);
    const char *problem = check_storage(*id, 1, chunk);
    if (problem != NULL || chunk[0] > 0)
        return bad(file, name, problem != NULL ? problem : OTHER_LAYOUT, err);
    if (!has_kind(*id, T2I_U64) || !get_dims(*id, 1, dim)) return bad(file, name, OTHER_TYPE, err);
    if (!read_attribute(*id, BLOCK_ROWS, T2I_U64, &claims->block_rows, 0))
        return bad(file, name, "lacks its attribute block_rows", err);
    claims->sums = dim[0];
    claims->sum_bytes = H5Dget_storage_size(*id);
    return T2I_OK;
}

/* Opens the values of a column. Sets *id also on failure. */
static t2i_status open_values(const t2i_h5_file *file, int which, hid_t *id,
                              t2i_column_claims *claims, t2i_error *err)
{
    const t2i_column_spec *spec = &t2i_columns[which];
    char group[32];
    snprintf(group, sizeof group, "%.*s", (int)(strrchr(spec->path, '/') - spec->path), spec->path);
    if (!is_hard(file->file, group) || !is_hard(file->file, spec->path))
        return bad(file, spec->path, NOT_THERE, err);
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    /* no chunk cache: dataset_column.h caches blocks */
    if (access >= 0 && H5Pset_chunk_cache(access, 1, 0, 1) >= 0)
        *id = H5Dopen2(file->file, spec->path, access);
    if (access >= 0) H5Pclose(access);
    if (*id < 0) return bad(file, spec->path, "is not a dataset", err);
    hsize_t chunk[RANK_MAX];
    const char *problem = check_storage(*id, (int)spec->rank, chunk);
    if (problem != NULL) return bad(file, spec->path, problem, err);
    if (!has_kind(*id, spec->kind) || !get_dims(*id, spec->rank, claims->dim))
        return bad(file, spec->path, OTHER_TYPE, err);
    if ((chunk[0] > 0) != (claims->dim[0] > 0)) return bad(file, spec->path, OTHER_LAYOUT, err);
    for (int i = 0; i < RANK_MAX; i++) claims->chunk[i] = chunk[i];
    return T2I_OK;
}

static t2i_status open_column(t2i_h5_file *file, int which, uint64_t file_size,
                              t2i_column_claims *claims, t2i_error *err)
{
    t2i_column *column = &file->column[which];
    hid_t id = H5I_INVALID_HID, table_id = H5I_INVALID_HID;
    t2i_status status = open_values(file, which, &id, claims, err);
    if (status == T2I_OK) status = open_table(file, which, &table_id, claims, err);
    if (status == T2I_OK)
        status = t2i_column_accept(column, file->path, which, claims, file_size, err);
    column->id = id; /* closed with the file from here on */
    column->table_id = table_id;
    claims->present = 1;
    return status;
}

static t2i_status read_text(const t2i_h5_file *file, const char *name, char *out, size_t room,
                            t2i_error *err)
{
    memset(out, 0, room);
    if (read_attribute(file->file, name, T2I_U8, out, room)) return T2I_OK;
    return bad(file, name, "is missing, too long or not a string", err);
}

static t2i_status read_attributes(const t2i_h5_file *file, t2i_claims *claims, t2i_error *err)
{
    char format[sizeof FORMAT + 1] = "";
    uint32_t version = 0;
    if (!read_attribute(file->file, "format", T2I_U8, format, sizeof format) ||
        strcmp(format, FORMAT) != 0)
        return t2i_fail(err, T2I_DATA,
                        "%s is an HDF5 file but not a t2i dataset; build one with t2i-data",
                        file->path);
    if (!read_attribute(file->file, "format_version", T2I_U32, &version, 0))
        return t2i_fail(err, T2I_DATA,
                        "%s is not a valid t2i dataset: it has no format_version; build it again "
                        "with t2i-data, or restore it",
                        file->path);
    if (version != FORMAT_VERSION)
        return t2i_fail(err, T2I_DATA, "%s has format version %u; this program reads version %d",
                        file->path, (unsigned)version, FORMAT_VERSION);
    T2I_TRY(read_text(file, "tool", claims->tool, sizeof claims->tool, err));
    T2I_TRY(read_text(file, "digest", claims->digest, sizeof claims->digest, err));
    if (H5Aexists(file->file, "content") > 0)
        T2I_TRY(read_text(file, "content", claims->content, sizeof claims->content, err));
    return read_text(file, "encoder", claims->encoder, sizeof claims->encoder, err);
}

static t2i_status open_file(t2i_h5_file *file, t2i_error *err)
{
    hid_t access = t2i_h5_access();
    if (access < 0) return t2i_fail(err, T2I_SYSTEM, "HDF5 cannot be initialised");
    t2i_status status = T2I_OK;
    file->file = t2i_h5_descriptor_open(file->fd, access);
    if (file->file < 0)
        status = t2i_h5_fail(err, T2I_OK, file->path,
                             "open it as an HDF5 file (is it another file, cut off or damaged?)");
    H5Pclose(access);
    return status;
}

static t2i_status open_all(t2i_h5_file *file, uint64_t file_size, t2i_claims *claims,
                           t2i_error *err)
{
    T2I_TRY(open_file(file, err));
    T2I_TRY(read_attributes(file, claims, err));
    int has_pixels =
        is_hard(file->file, "/images") && H5Lexists(file->file, "/images/pixels", H5P_DEFAULT) > 0;
    int has_decoder = H5Lexists(file->file, "/decoder", H5P_DEFAULT) > 0;
    for (int i = 0; i < COLUMNS; i++) {
        if (i == PIXELS && !has_pixels) continue;
        if (i >= BASIS && !has_decoder) continue;
        T2I_TRY(open_column(file, i, file_size, &claims->column[i], err));
    }
    return T2I_OK;
}

t2i_status t2i_h5_open(t2i_h5_file **out, int fd, const char *path, uint64_t file_size,
                       t2i_claims *claims, t2i_error *err)
{
    *out = NULL;
    *claims = (t2i_claims){.tool = ""};
    t2i_h5_file *file = t2i_alloc(1, sizeof *file);
    if (file == NULL) {
        close(fd);
        return t2i_fail_memory(err, sizeof *file, "a dataset");
    }
    file->fd = fd;
    file->file = H5I_INVALID_HID;
    file->path = t2i_fs_copy_path(path, err);
    for (int i = 0; i < COLUMNS; i++) t2i_column_clear(&file->column[i], file->path, i);
    t2i_status status = file->path == NULL ? T2I_SYSTEM : open_all(file, file_size, claims, err);
    if (status == T2I_OK)
        *out = file;
    else
        t2i_h5_close(file);
    return status;
}

void t2i_h5_close(t2i_h5_file *file)
{
    if (file == NULL) return;
    for (int i = 0; i < COLUMNS; i++) t2i_h5_close_column(&file->column[i]);
    if (file->file >= 0) H5Fclose(file->file);
    close(file->fd);
    t2i_free(file->path);
    t2i_free(file);
}

void t2i_h5_close_column(t2i_column *column)
{
    if (column->id >= 0) H5Dclose(column->id);
    if (column->table_id >= 0) H5Dclose(column->table_id);
    t2i_column_free(column);
}

const t2i_column *t2i_h5_column(const t2i_h5_file *file, unsigned which)
{
    return &file->column[which];
}

/* Reads or writes rows [start, start + count) of a column (table: of its checksums). */
static t2i_status transfer(const t2i_column *column, int table, uint64_t start, uint64_t count,
                           int writing, void *data, t2i_error *err)
{
    hid_t id = table ? column->table_id : column->id;
    t2i_kind kind = table ? T2I_U64 : column->spec->kind;
    int rank = table ? 1 : (int)column->spec->rank;
    hsize_t from[RANK_MAX] = {start}, size[RANK_MAX] = {count};
    for (int i = 1; i < rank; i++) size[i] = column->dim[i];
    hid_t memory = H5Screate_simple(rank, size, NULL), file = H5Dget_space(id);
    hid_t type = t2i_kind_native(kind);
    int fine = memory >= 0 && file >= 0 &&
               H5Sselect_hyperslab(file, H5S_SELECT_SET, from, NULL, size, NULL) >= 0;
    if (fine && writing)
        fine = H5Dwrite(id, type, memory, file, H5P_DEFAULT, data) >= 0;
    else if (fine)
        fine = H5Dread(id, type, memory, file, H5P_DEFAULT, data) >= 0;
    t2i_status status = T2I_OK;
    if (!fine)
        status = t2i_h5_fail(err, writing ? T2I_IO : T2I_OK, column->file,
                             writing ? "write a block" : "read a block");
    if (memory >= 0) H5Sclose(memory);
    if (file >= 0) H5Sclose(file);
    return status;
}

t2i_status t2i_h5_read_block(const t2i_column *column, uint64_t block, void *out, t2i_error *err)
{
    t2i_error why;
    t2i_status status = transfer(column, 0, block * column->block_rows,
                                 t2i_column_block_rows(column, block), 0, out, &why);
    if (status == T2I_DATA)
        return t2i_fail(err, T2I_DATA,
                        "%s is damaged: block %llu of %s cannot be decoded; restore the file or "
                        "build it again",
                        column->file, (unsigned long long)block, column->spec->path);
    return status == T2I_OK ? T2I_OK : t2i_fail(err, status, "%s", why.text);
}

t2i_status t2i_h5_read_sums(const t2i_column *column, uint64_t first, uint64_t count, uint64_t *out,
                            t2i_error *err)
{
    return transfer(column, 1, first, count, 0, out, err);
}

t2i_status t2i_h5_write_block(t2i_column *column, uint64_t block, t2i_error *err)
{
    return transfer(column, 0, block * column->block_rows, t2i_column_block_rows(column, block), 1,
                    column->unwritten, err);
}

void t2i_dataset_hdf5(unsigned running[3], unsigned built[3])
{
    if (H5get_libversion(&running[0], &running[1], &running[2]) < 0)
        running[0] = running[1] = running[2] = 0;
    built[0] = H5_VERS_MAJOR;
    built[1] = H5_VERS_MINOR;
    built[2] = H5_VERS_RELEASE;
}
