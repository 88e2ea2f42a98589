/* dataset_hostile: files that are damaged, forged or something else. Nothing wrong is ever handed
 * out. */
#include "dataset/dataset.h"

#include <hdf5.h>
#include <math.h>
#include <sys/stat.h>

#include "unit/dataset/dataset_sample.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/hash.h"

/* ---- tools: change a sound file by HDF5's own means ---- */

static hid_t edit(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    CU_ASSERT(file >= 0);
    return file;
}

/* Writes the sample and opens it for a change. */
static hid_t fresh(void)
{
    write_sample(path, 1);
    return edit();
}

static void done(hid_t file)
{
    CU_ASSERT(H5Fclose(file) >= 0);
}

static void refused(const char *why)
{
    t2i_dataset *dataset;
    FAILS(t2i_dataset_open(&dataset, path, &err), T2I_DATA, why);
    CU_ASSERT_PTR_NULL(dataset);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    t2i_dataset_close(dataset);
}

static void refused_after(hid_t file, const char *why)
{
    done(file);
    refused(why);
}

/* Opens, and verify finds it. */
static void unverified(const char *why)
{
    t2i_dataset *dataset = NULL;
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    FAILS(t2i_dataset_verify(dataset, &err), T2I_DATA, why);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    t2i_dataset_close(dataset);
}

/* Overwrites all values of a dataset. */
static void set(hid_t file, const char *name, hid_t type, const void *values)
{
    hid_t id = H5Dopen2(file, name, H5P_DEFAULT);
    CU_ASSERT(id >= 0 && H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    CU_ASSERT(H5Dclose(id) >= 0);
}

/* The same, with the right checksum (of one block) beside it. */
static void forge(hid_t file, const char *name, hid_t type, const void *values, size_t size)
{
    char table[64];
    uint64_t sum = t2i_hash_64(values, size);
    set(file, name, type, values);
    snprintf(table, sizeof table, "%s_xxh3", name);
    set(file, table, H5T_NATIVE_UINT64, &sum);
}

static void set_text(hid_t file, const char *name, const char *value, size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    CU_ASSERT(H5Tset_size(type, size) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0);
    CU_ASSERT(H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0);
    H5Adelete(file, name);
    hid_t id = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    CU_ASSERT(id >= 0 &&
              H5Awrite(id, type, size == H5T_VARIABLE ? (const void *)&value : value) >= 0);
    H5Aclose(id);
    H5Sclose(space);
    H5Tclose(type);
}

static void set_number(hid_t object, const char *name, hid_t type, uint64_t value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    H5Adelete(object, name);
    hid_t id = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    CU_ASSERT(id >= 0 && H5Awrite(id, H5T_NATIVE_UINT64, &value) >= 0);
    H5Aclose(id);
    H5Sclose(space);
}

/* Puts another dataset in a name's place; without chunk it is contiguous. Takes plist (0: none). */
static void replace(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dim,
                    const hsize_t *chunk, hid_t plist)
{
    if (plist == 0) plist = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk != NULL) CU_ASSERT(H5Pset_chunk(plist, rank, chunk) >= 0);
    CU_ASSERT(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
    hid_t space = H5Screate_simple(rank, dim, NULL);
    hid_t id = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    CU_ASSERT(id >= 0);
    H5Dclose(id);
    H5Sclose(space);
    H5Pclose(plist);
}

/* Puts a table of that many zeros in its place, really stored, with that block_rows. */
static void replace_table(hid_t file, const char *name, hsize_t blocks, uint64_t block_rows)
{
    uint64_t zeros[16] = {0};
    replace(file, name, H5T_STD_U64LE, 1, &blocks, NULL, 0);
    set(file, name, H5T_NATIVE_UINT64, zeros);
    hid_t id = H5Dopen2(file, name, H5P_DEFAULT);
    set_number(id, "block_rows", H5T_STD_U64LE, block_rows);
    H5Dclose(id);
}

/* Makes the digest right for what is in the file now, as dataset.h documents it. */
static void add_dataset(t2i_hash *hash, hid_t file, const char *name, const char *type)
{
    hid_t id = H5Dopen2(file, name, H5P_DEFAULT), kind = H5Dget_type(id), space = H5Dget_space(id);
    hsize_t dim[4] = {0};
    uint64_t rank = (uint64_t)H5Sget_simple_extent_dims(space, dim, NULL);
    size_t size = (size_t)H5Sget_simple_extent_npoints(space) * H5Tget_size(kind);
    char *values = t2i_alloc(size, 1);
    CU_ASSERT(H5Dread(id, kind, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    t2i_hash_add(hash, name, strlen(name) + 1);
    t2i_hash_add(hash, type, strlen(type) + 1);
    t2i_hash_add(hash, &rank, 8);
    t2i_hash_add(hash, dim, 8 * (size_t)rank);
    t2i_hash_add(hash, values, size);
    t2i_free(values);
    H5Sclose(space);
    H5Tclose(kind);
    H5Dclose(id);
}

static void sign(hid_t file)
{
    static const char *const all[][2] = {
        {"/prompts/bytes", "u8"},     {"/prompts/offsets", "u64"},     {"/pairs/image", "u32"},
        {"/pairs/row", "u32"},        {"/pairs/split", "u8"},          {"/images/features", "f32"},
        {"/images/name_bytes", "u8"}, {"/images/name_offsets", "u64"}, {"/images/group", "u32"},
        {"/images/pixels", "u8"},     {"/decoder/basis", "f32"},       {"/decoder/mean", "f32"}};
    static const char attributes[] =
        "format\0t2i-dataset\0format_version\0\1\0\0\0\0tool\0t2i-data 1\0encoder\0"
        "{\"name\":\"pca\",\"dim\":5,\"height\":4,\"width\":3,\"scale\":0.333333343,"
        "\"weights_xxh3\":\"0123456789abcdef0123456789abcdef\"}";
    t2i_hash *hash = NULL;
    char digest[T2I_HEX];
    OK(t2i_hash_new(&hash, &err));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        add_dataset(hash, file, all[i][0], all[i][1]);
    t2i_hash_add(hash, attributes, sizeof attributes);
    t2i_hash_end(hash, digest);
    t2i_hash_free(hash);
    set_text(file, "digest", digest, 32);
}

static void the_tools_work(void)
{
    t2i_dataset *dataset = NULL;
    hid_t file = fresh();
    uint32_t group[IMAGES] = {7, 7, 9};
    forge(file, "/images/group", H5T_NATIVE_UINT32, group, sizeof group);
    sign(file);
    done(file);
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    CU_ASSERT(is_sample(dataset));
    OK(t2i_dataset_verify(dataset, &err));
    t2i_dataset_close(dataset);
}

/* ---- other files ---- */

static void refuses_other_files(void)
{
    t2i_dataset *dataset;
    t2i_text text = {0};
    unlink(path);
    FAILS(t2i_dataset_open(&dataset, path, &err), T2I_NOINPUT, path);
    FAILS(t2i_dataset_open(&dataset, folder, &err), T2I_NOINPUT, "is a folder, not a dataset");
    OK(t2i_commit_file(path, "", 0, &err));
    refused("HDF5");
    OK(t2i_commit_file(path, "prompt\timage\n", 13, &err));
    refused("HDF5");
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    refused_after(file, "not a t2i dataset");
    write_sample(other_path, 1);
    OK(t2i_fs_read(other_path, 1 << 20, &text, &err));
    for (size_t size = 0; size < text.size; size += 501) { /* cut anywhere */
        OK(t2i_commit_file(path, text.data, size, &err));
        refused("HDF5");
    }
    OK(t2i_commit_file(path, text.data, text.size - 1, &err));
    refused("HDF5");
    t2i_text_free(&text);
}

static void refuses_other_attributes(void)
{
    hid_t file = fresh();
    set_text(file, "format", "t2i-dataset2", 12);
    refused_after(file, "not a t2i dataset");
    set_number(file = fresh(), "format_version", H5T_STD_U32LE, 2);
    refused_after(file, "format version 2");
    set_number(file = fresh(), "format_version", H5T_STD_U64LE, 1);
    refused_after(file, "no format_version");
    CU_ASSERT(H5Adelete(file = fresh(), "tool") >= 0);
    refused_after(file, "tool is missing");
    set_text(file = fresh(), "tool",
             "a tool whose name is so long that there is no room for it at all", 64);
    refused_after(file, "tool is missing, too long");
    set_text(file = fresh(), "tool", "\xff", 1);
    refused_after(file, "not a string");
    set_text(file = fresh(), "tool", "t2i", H5T_VARIABLE);
    refused_after(file, "not a string");
    set_text(file = fresh(), "digest", "0123456789abcdef0123456789abcde", 31);
    refused_after(file, "32 hex digits");
    set_text(file = fresh(), "digest", "0123456789abcdef0123456789abcdeF", 32);
    refused_after(file, "32 hex digits");
    set_text(file = fresh(), "content", "0123456789abcdef0123456789abcdeF", 32);
    refused_after(file, "its content is not 32 hex digits");
    set_text(file = fresh(), "content", "0123456789abcdef0123456789abcdef0", 33);
    refused_after(file, "content is missing, too long");
}

static void refuses_other_encoders(void)
{
#define ENCODER(name, dim, height, width, rest)                                                    \
    "{\"name\":\"" name "\",\"dim\":" dim ",\"height\":" height ",\"width\":" width                \
    ",\"scale\":1" rest "}"
#define WEIGHTS(hex) ",\"weights_xxh3\":\"" hex "\""
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"pca", "not valid JSON"},
        {"[]", "encoder is malformed"},
        {ENCODER("pca", "5", "4", "3", ""), "encoder is malformed"},
        {ENCODER("pca", "5", "4", "3", WEIGHTS("") ",\"x\":1"), "encoder is malformed"},
        {ENCODER("pca", "5", "4", "3", WEIGHTS("12")), "encoder is malformed"},
        {ENCODER("pca", "5.5", "4", "3", WEIGHTS("")), "encoder is malformed"},
        {ENCODER("pca", "0", "4", "3", WEIGHTS("")), "encoder is malformed"},
        {ENCODER("pca", "5", "-4", "3", WEIGHTS("")), "encoder is malformed"},
        {ENCODER("pca", "5", "4", "0", WEIGHTS("")), "encoder is malformed"},
        {ENCODER("pca", "5", "4097", "3", WEIGHTS("")), "encoder is malformed"},
        {ENCODER("a name that is far too long here", "5", "4", "3", WEIGHTS("")),
         "encoder is malformed"},
        {ENCODER("pca", "5", "0", "0", WEIGHTS("")), "pictures do not match its encoder"},
        {ENCODER("pca", "6", "4", "3", WEIGHTS("")), "/images/features has a size"},
        {ENCODER("pca", "70000", "4", "3", WEIGHTS("")), "impossible number"},
        {ENCODER("pca", "5", "3", "4", WEIGHTS("")), "/images/pixels has a size"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hid_t file = fresh();
        set_text(file, "encoder", bad[i].text, strlen(bad[i].text));
        refused_after(file, bad[i].why);
    }
}

/* ---- the schema ---- */

static void refuses_missing_and_linked(void)
{
    static const char *const names[] = {"/prompts/bytes",   "/pairs/split",        "/images/group",
                                        "/decoder/mean",    "/pairs/row_xxh3",     "/decoder/basis",
                                        "/images/features", "/images/pixels_xxh3", "/prompts"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        hid_t file = fresh();
        CU_ASSERT(H5Ldelete(file, names[i], H5P_DEFAULT) >= 0);
        refused_after(file, "is missing");
        file = fresh();
        CU_ASSERT(H5Lmove(file, names[i], file, "/moved", H5P_DEFAULT, H5P_DEFAULT) >= 0);
        CU_ASSERT(H5Lcreate_soft("/moved", file, names[i], H5P_DEFAULT, H5P_DEFAULT) >= 0);
        refused_after(file, "is missing");
        file = fresh();
        CU_ASSERT(H5Ldelete(file, names[i], H5P_DEFAULT) >= 0);
        CU_ASSERT(H5Lcreate_external(other_path, names[i], file, names[i], H5P_DEFAULT,
                                     H5P_DEFAULT) >= 0);
        refused_after(file, "is missing");
    }
    hid_t file = fresh();
    CU_ASSERT(H5Ldelete(file, "/images/pixels", H5P_DEFAULT) >= 0);
    refused_after(file, "pictures do not match its encoder");
    CU_ASSERT(H5Ldelete(file = fresh(), "/pairs/image", H5P_DEFAULT) >= 0);
    H5Gclose(H5Gcreate2(file, "/pairs/image", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    refused_after(file, "is not a dataset");
}

static void refuses_other_types(void)
{
    static const hsize_t one = 1, seven = PAIRS, three = IMAGES, two[2] = {PAIRS, 1},
                         wide[2] = {3, 5};
    hid_t file = fresh();
    replace(file, "/pairs/image", H5T_STD_I32LE, 1, &seven, &seven, 0);
    refused_after(file, "/pairs/image has the wrong type");
    replace(file = fresh(), "/pairs/image", H5T_STD_U64LE, 1, &seven, &seven, 0);
    refused_after(file, "/pairs/image has the wrong type");
    replace(file = fresh(), "/images/group", H5T_IEEE_F32LE, 1, &three, &three, 0);
    refused_after(file, "/images/group has the wrong type");
    replace(file = fresh(), "/images/features", H5T_IEEE_F64LE, 2, wide, wide, 0);
    refused_after(file, "/images/features has the wrong type");
    replace(file = fresh(), "/pairs/image", H5T_STD_U32LE, 2, two, two, 0);
    refused_after(file, "/pairs/image has the wrong type");
    replace(file = fresh(), "/pairs/image_xxh3", H5T_STD_U32LE, 1, &seven, NULL, 0);
    refused_after(file, "/pairs/image_xxh3 has the wrong type");
    replace(file = fresh(), "/pairs/image", H5T_STD_U32LE, 1, &seven, NULL, 0);
    refused_after(file, "an unsupported storage layout");
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(plist, H5D_COMPACT);
    replace(file = fresh(), "/pairs/image", H5T_STD_U32LE, 1, &seven, NULL, plist);
    refused_after(file, "an unsupported storage layout");
    plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, &seven);
    H5Pset_scaleoffset(plist, H5Z_SO_INT, 0);
    replace(file = fresh(), "/pairs/image", H5T_STD_U32LE, 1, &seven, NULL, plist);
    refused_after(file, "a filter other than");
    plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, &seven);
    for (int i = 0; i < 2; i++) H5Pset_filter(plist, H5Z_FILTER_DEFLATE, 0, 1, &(unsigned){9});
    replace(file = fresh(), "/pairs/image", H5T_STD_U32LE, 1, &seven, NULL, plist);
    refused_after(file, "or one twice");
    plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(plist, other_path, 0, 4 * PAIRS);
    replace(file = fresh(), "/pairs/image", H5T_STD_U32LE, 1, &seven, NULL, plist);
    refused_after(file, "/pairs/image keeps its values in other files");
    plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(plist, other_path, 0, 8);
    replace(file = fresh(), "/pairs/image_xxh3", H5T_STD_U64LE, 1, &one, NULL, plist);
    refused_after(file, "/pairs/image_xxh3 keeps its values in other files");
}

/* A virtual dataset with as many rows as the file that it names, a named pipe: HDF5's own driver
 * opens that, and hangs, when it is asked for the dimensions. */
static void refuses_virtual(void)
{
    static const char *const names[] = {"/pairs/image", "/images/group", "/pairs/image_xxh3"};
    static const hsize_t seven = PAIRS, unlimited = H5S_UNLIMITED, zero = 0, one = 1;
    char fifo[PATH_MAX];
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    CU_ASSERT(mkfifo(fifo, 0600) == 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        hid_t file = fresh(), plist = H5Pcreate(H5P_DATASET_CREATE);
        hid_t space = H5Screate_simple(1, &seven, &unlimited), rows = H5Scopy(space);
        H5Sselect_hyperslab(rows, H5S_SELECT_SET, &zero, NULL, &unlimited, &one);
        CU_ASSERT(H5Pset_virtual(plist, rows, fifo, "x", rows) >= 0);
        CU_ASSERT(H5Ldelete(file, names[i], H5P_DEFAULT) >= 0);
        hid_t id =
            H5Dcreate2(file, names[i], H5T_STD_U32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
        CU_ASSERT(id >= 0);
        H5Dclose(id);
        H5Sclose(rows);
        H5Sclose(space);
        H5Pclose(plist);
        refused_after(file, "an unsupported storage layout");
    }
    remove(fifo);
}

static void refuses_other_sizes(void)
{
    static const hsize_t six = 6, seven = 7, five = 5, eight = 8, huge = (hsize_t)1 << 40;
    static const hsize_t chunk = (hsize_t)1 << 24, big[2] = {5, (hsize_t)1 << 60}, one[2] = {1, 1};
    hid_t file = fresh();
    replace(file, "/pairs/row", H5T_STD_U32LE, 1, &six, &six, 0);
    refused_after(file, "has an impossible block_rows");
    replace(file = fresh(), "/pairs/row", H5T_STD_U32LE, 1, &eight, &seven, 0);
    refused_after(file, "does not have one checksum per block");
    replace(file = fresh(), "/pairs/row", H5T_STD_U32LE, 1, &seven, &five, 0);
    refused_after(file, "chunks that do not match its checksums");
    replace(file = fresh(), "/pairs/row", H5T_STD_U32LE, 1, &six, &six, 0);
    replace_table(file, "/pairs/row_xxh3", 1, 6);
    refused_after(file, "/pairs/row has a size that does not match");
    replace_table(file = fresh(), "/pairs/row_xxh3", 1, 0);
    refused_after(file, "impossible block_rows");
    replace_table(file = fresh(), "/pairs/row_xxh3", 1, UINT64_MAX);
    refused_after(file, "impossible block_rows");
    replace_table(file = fresh(), "/pairs/row_xxh3", 2, 7);
    refused_after(file, "does not have one checksum per block");
    replace(file = fresh(), "/pairs/row_xxh3", H5T_STD_U64LE, 1, one, NULL, 0);
    refused_after(file, "lacks its attribute");
    replace(file = fresh(), "/prompts/bytes", H5T_STD_U8LE, 1, &huge, &chunk, 0);
    hsize_t blocks = huge / chunk;
    replace(file, "/prompts/bytes_xxh3", H5T_STD_U64LE, 1, &blocks, NULL, 0);
    hid_t id = H5Dopen2(file, "/prompts/bytes_xxh3", H5P_DEFAULT);
    set_number(id, "block_rows", H5T_STD_U64LE, chunk);
    H5Dclose(id);
    refused_after(file,
                  "does not have one checksum per block"); /* the table is not stored at all */
    static const hsize_t much = (hsize_t)1 << 27;
    replace(file = fresh(), "/prompts/bytes", H5T_STD_U8LE, 1, &much, &chunk, 0);
    replace_table(file, "/prompts/bytes_xxh3", much / chunk, chunk);
    refused_after(file, "claims more than the file can hold");
    replace(file = fresh(), "/decoder/basis", H5T_IEEE_F32LE, 2, big, one, 0);
    refused_after(file, "larger than 16 MiB");
}

static void refuses_pairs_fewer_than_pictures(void)
{
    static const hsize_t dims[2] = {8, 5}, seven = 7;
    hid_t file = fresh();
    replace(file, "/images/features", H5T_IEEE_F32LE, 2, dims, dims, 0);
    replace_table(file, "/images/features_xxh3", 1, 8);
    refused_after(file, "impossible number");
    static const hsize_t none = 0;
    replace(file = fresh(), "/pairs/image", H5T_STD_U32LE, 1, &none, NULL, 0);
    replace_table(file, "/pairs/image_xxh3", 0, 1);
    refused_after(file, "no pairs");
    replace(file = fresh(), "/pairs/image", H5T_STD_U32LE, 1, &none, NULL, 0);
    replace(file, "/pairs/image_xxh3", H5T_STD_U64LE, 1, &seven, NULL, 0);
    refused_after(file, "attribute block_rows");
}

/* ---- values ---- */

static void finds_damaged_blocks(void)
{
    float feature[IMAGES * WIDE] = {0};
    uint64_t zero = 0;
    hid_t file = fresh();
    set(file, "/images/features", H5T_NATIVE_FLOAT, feature);
    done(file);
    t2i_dataset *dataset = NULL;
    OK(t2i_dataset_open(&dataset, path, &err));
    if (dataset == NULL) return;
    static const char why[] = "is damaged: block 0 of /images/features; restore the file";
    FAILS(t2i_dataset_features(dataset, 2, 1, feature, &err), T2I_DATA, why);
    FAILS(t2i_dataset_features(dataset, 2, 1, feature, &err), T2I_DATA, why);
    FAILS(t2i_dataset_verify(dataset, &err), T2I_DATA, why);
    t2i_dataset_close(dataset);
    set(file = fresh(), "/images/pixels_xxh3", H5T_NATIVE_UINT64, &zero);
    done(file);
    unverified("is damaged: block 0 of /images/pixels; restore the file");
    set(file = fresh(), "/prompts/offsets_xxh3", H5T_NATIVE_UINT64, &zero);
    refused_after(file, "is damaged: block 0 of /prompts/offsets");
}

/* One bit of a stored chunk: fletcher32 or the decoder says so. */
static void finds_undecodable_blocks(void)
{
    haddr_t at = 0;
    hsize_t first[2] = {0}, size = 0;
    unsigned mask;
    hid_t file = fresh(), id = H5Dopen2(file, "/images/features", H5P_DEFAULT);
    CU_ASSERT(H5Dget_chunk_info_by_coord(id, first, &mask, &at, &size) >= 0 && size > 10);
    H5Dclose(id);
    done(file);
    for (long i = 0; i < (long)size; i++) {
        FILE *raw = fopen(path, "r+b");
        CU_ASSERT_FATAL(raw != NULL);
        CU_ASSERT(fseek(raw, (long)at + i, SEEK_SET) == 0);
        int byte = fgetc(raw);
        CU_ASSERT(fseek(raw, (long)at + i, SEEK_SET) == 0 && fputc(byte ^ 16, raw) != EOF);
        CU_ASSERT(fclose(raw) == 0);
        unverified("is damaged: block 0 of /images/features cannot be decoded");
        raw = fopen(path, "r+b");
        CU_ASSERT_FATAL(raw != NULL);
        CU_ASSERT(fseek(raw, (long)at + i, SEEK_SET) == 0 && fputc(byte, raw) != EOF);
        CU_ASSERT(fclose(raw) == 0);
    }
}

static void finds_wrong_attributes(void)
{
    hid_t file = fresh();
    set_text(file, "tool", "t2i-data 2", 10);
    done(file);
    unverified("its digest does not match");
    set_text(file = fresh(), "digest", "0123456789abcdef0123456789abcdef", 32);
    done(file);
    unverified("its digest does not match");
    set_text(file = fresh(), "content", "0123456789abcdef0123456789abcdef", 32);
    done(file);
    unverified("its attribute content does not match its pairs");
}

/* Files of version 1 of t2i-data lack the attribute. */
static void computes_an_absent_content(void)
{
    t2i_dataset *dataset = NULL;
    char stored[T2I_HEX], computed[T2I_HEX];
    for (int i = 0; i < 2; i++) {
        hid_t file = fresh();
        if (i == 1) CU_ASSERT(H5Adelete(file, "content") >= 0);
        done(file);
        OK(t2i_dataset_open(&dataset, path, &err));
        if (dataset == NULL) return;
        CU_ASSERT_EQUAL(t2i_dataset_get_info(dataset)->content[0] == '\0', i == 1);
        OK(t2i_dataset_content(dataset, i == 0 ? stored : computed, &err));
        OK(t2i_dataset_verify(dataset, &err));
        t2i_dataset_close(dataset);
    }
    CU_ASSERT_STRING_EQUAL(stored, computed);
}

static void finds_bad_prompts(void)
{
    char bytes[] = "blueblue squareredredzebra\xc3\xa9t\xc3\xa9";
    const size_t size = sizeof bytes - 1;
    hid_t file = fresh();
    bytes[size - 1] = 'e'; /* half a character is left before it */
    forge(file, "/prompts/bytes", H5T_NATIVE_UINT8, bytes, size);
    sign(file);
    done(file);
    unverified("prompt 6 is not UTF-8");
    bytes[size - 1] = '\xa9', bytes[15] = 'b'; /* "red", "red" are now "bed", "red" */
    bytes[18] = 'a';                           /* and now "bed", "aed" */
    forge(file = fresh(), "/prompts/bytes", H5T_NATIVE_UINT8, bytes, size);
    sign(file);
    done(file);
    unverified("out of order");
    static const uint64_t fall[PAIRS + 1] = {0, 5, 4, 15, 18, 21, 26, 31};
    static const uint64_t over[PAIRS + 1] = {0, 0, 4, 15, 18, 21, 99, 31};
    static const uint64_t start[PAIRS + 1] = {1, 1, 4, 15, 18, 21, 26, 31};
    static const uint64_t end[PAIRS + 1] = {0, 0, 4, 15, 18, 21, 26, 30};
    uint64_t offset[PAIRS + 1];
    t2i_dataset *dataset = NULL;
    forge(file = fresh(), "/prompts/offsets", H5T_NATIVE_UINT64, fall, sizeof fall);
    sign(file);
    done(file);
    unverified("row 1 of /prompts/offsets has an impossible length");
    forge(file = fresh(), "/prompts/offsets", H5T_NATIVE_UINT64, over, sizeof over);
    done(file);
    OK(t2i_dataset_open(&dataset, path, &err));
    FAILS(t2i_dataset_prompt_offsets(dataset, 4, 2, offset, &err), T2I_DATA,
          "beyond the end of its bytes");
    FAILS(t2i_dataset_prompt_offsets(dataset, 4, 3, offset, &err), T2I_DATA, "row 6 of");
    t2i_dataset_close(dataset);
    forge(file = fresh(), "/prompts/offsets", H5T_NATIVE_UINT64, start, sizeof start);
    refused_after(file, "does not match the bytes");
    forge(file = fresh(), "/prompts/offsets", H5T_NATIVE_UINT64, end, sizeof end);
    refused_after(file, "does not match the bytes");
}

static void finds_bad_pairs(void)
{
    static const uint32_t swapped[PAIRS] = {5, 2, 1, 6, 0, 9, 4};
    static const uint32_t later[PAIRS] = {5, 2, 3, 0, 6, 9, 1}; /* picture 2 before picture 1 */
    static const uint32_t never[PAIRS] = {0, 1, 1, 0, 0, 1, 0};
    static const uint32_t beyond[PAIRS] = {0, 1, 1, 0, 3, 1, 2};
    static const uint32_t last[PAIRS] = {5, 2, 1, 0, 6, 9, UINT32_MAX};
    static const uint8_t split[PAIRS] = {0, 0, 1, 0, 4, 0, 2};
    uint32_t image[PAIRS];
    uint8_t read[PAIRS];
    hid_t file = fresh();
    forge(file, "/pairs/row", H5T_NATIVE_UINT32, swapped, sizeof swapped);
    sign(file);
    done(file);
    unverified("pair 4 is out of order");
    forge(file = fresh(), "/pairs/row", H5T_NATIVE_UINT32, later, sizeof later);
    sign(file);
    done(file);
    unverified("picture 2 is not in the order of first use");
    forge(file = fresh(), "/pairs/row", H5T_NATIVE_UINT32, last, sizeof last);
    sign(file);
    done(file);
    unverified("pair 6 has an impossible row");
    forge(file = fresh(), "/pairs/image", H5T_NATIVE_UINT32, never, sizeof never);
    sign(file);
    done(file);
    unverified("picture 2 belongs to no pair");
    t2i_dataset *dataset = NULL;
    forge(file = fresh(), "/pairs/image", H5T_NATIVE_UINT32, beyond, sizeof beyond);
    forge(file, "/pairs/split", H5T_NATIVE_UINT8, split, sizeof split);
    sign(file);
    done(file);
    unverified("pair 4 names a picture that does not exist");
    OK(t2i_dataset_open(&dataset, path, &err));
    FAILS(t2i_dataset_pairs(dataset, 4, 1, image, NULL, NULL, &err), T2I_DATA, "pair 4 names");
    FAILS(t2i_dataset_pairs(dataset, 3, 4, NULL, NULL, read, &err), T2I_DATA,
          "pair 4 has an unknown split");
    OK(t2i_dataset_pairs(dataset, 5, 2, image, NULL, read, &err));
    t2i_dataset_close(dataset);
}

static void finds_bad_pictures(void)
{
    float feature[IMAGES * WIDE] = {0}, mean[PIXEL] = {0};
    char *name, bytes[] = "red.pngsub/\xc3\xa9.png";
    t2i_dataset *dataset = NULL;
    feature[6] = NAN;
    mean[35] = INFINITY;
    bytes[3] = '\0';
    hid_t file = fresh();
    forge(file, "/images/features", H5T_NATIVE_FLOAT, feature, sizeof feature);
    forge(file, "/decoder/mean", H5T_NATIVE_FLOAT, mean, sizeof mean);
    sign(file);
    done(file);
    unverified("row 1 of /images/features holds a number that is not finite");
    OK(t2i_dataset_open(&dataset, path, &err));
    FAILS(t2i_dataset_features(dataset, 0, 3, feature, &err), T2I_DATA, "row 1 of /images/feat");
    FAILS(t2i_dataset_mean(dataset, mean, &err), T2I_DATA, "row 35 of /decoder/mean");
    t2i_dataset_close(dataset);
    forge(file = fresh(), "/images/name_bytes", H5T_NATIVE_UINT8, bytes, sizeof bytes - 1);
    sign(file);
    done(file);
    unverified("the name of picture 0 has a NUL byte");
    OK(t2i_dataset_open(&dataset, path, &err));
    FAILS(t2i_dataset_image_name(dataset, 0, &name, &err), T2I_DATA, "NUL");
    CU_ASSERT_PTR_NULL(name);
    t2i_dataset_close(dataset);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"the forger's tools make files that pass", the_tools_work},
        {"other files are refused", refuses_other_files},
        {"other attributes are refused", refuses_other_attributes},
        {"other encoders are refused", refuses_other_encoders},
        {"missing and linked datasets are refused", refuses_missing_and_linked},
        {"other types and ways to store are refused", refuses_other_types},
        {"virtual datasets are refused unopened", refuses_virtual},
        {"sizes that cannot be are refused", refuses_other_sizes},
        {"fewer pairs than pictures, or none", refuses_pairs_fewer_than_pictures},
        {"a damaged block is named", finds_damaged_blocks},
        {"a block that cannot be decoded is named", finds_undecodable_blocks},
        {"the digest covers the attributes", finds_wrong_attributes},
        {"a file without content is read", computes_an_absent_content},
        {"prompts that are wrong in themselves are found", finds_bad_prompts},
        {"pairs that are wrong in themselves are found", finds_bad_pairs},
        {"pictures that are wrong in themselves are found", finds_bad_pictures},
    };
    if (begin_folder("dataset-hostile") != 0) return 1;
    int failed = t2i_test_main("dataset_hostile", tests, sizeof tests / sizeof *tests);
    end_folder();
    return failed;
}
