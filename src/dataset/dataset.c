#include "dataset/dataset.h"

#include <math.h>
#include <string.h>

#include "dataset/dataset_column.h"
#include "dataset/dataset_digest.h"
#include "base/fs.h"
#include "formats/file_kind.h"
#include "formats/json.h"
#include "base/mem.h"
#include "base/text.h"

struct t2i_dataset {
    char *path;
    t2i_reader_file file;
    t2i_column column[COLUMNS];
    t2i_dataset_info info;
    char encoder[ENCODER_MAX]; /* JSON, as stored: part of the digest */
};

const char *const t2i_dataset_split_names[T2I_SPLITS] = {"train", "validation", "unseen prompts",
                                                         "unseen pictures"};

int t2i_dataset_split_find(const char *name)
{
    if (strcmp(name, "val") == 0) return T2I_VALIDATION;
    for (int i = 0; i < T2I_SPLITS; i++) {
        const char *a = name, *b = t2i_dataset_split_names[i];
        while (*a != '\0' && (*a == *b || (*b == ' ' && (*a == '-' || *a == '_')))) a++, b++;
        if (*a == '\0' && *b == '\0') return i;
    }
    return -1;
}

/* ---- opening: the file is untrusted ---- */

static t2i_status other_schema(const t2i_dataset *dataset, const char *what, t2i_error *err)
{
    return t2i_fail(
        err, T2I_DATA,
        "%s is not a valid t2i dataset: %s; build it again with t2i-data, or restore it",
        dataset->path, what);
}

/* Copies a string of the file, which must be NUL-terminated UTF-8. */
static t2i_status take_text(const t2i_dataset *dataset, const char *name, const char *claimed,
                            char *out, size_t room, t2i_error *err)
{
    if (memchr(claimed, '\0', room) == NULL ||
        t2i_utf8_valid(claimed, strlen(claimed)) != strlen(claimed))
        return t2i_column_bad(dataset->path, name, "is missing, too long or not a string", err);
    memcpy(out, claimed, room);
    return T2I_OK;
}

static int is_hex(const char *text)
{
    size_t size = strlen(text);
    return (size == 0 || size == T2I_HEX - 1) && strspn(text, "0123456789abcdef") == size;
}

/* Parses the attribute encoder; returns 0 if it is malformed. */
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

static t2i_status take_attributes(t2i_dataset *dataset, const t2i_claims *claims, t2i_error *err)
{
    t2i_dataset_info *info = &dataset->info;
    T2I_TRY(take_text(dataset, "tool", claims->tool, info->tool, sizeof info->tool, err));
    T2I_TRY(take_text(dataset, "digest", claims->digest, info->digest, T2I_HEX, err));
    T2I_TRY(take_text(dataset, "content", claims->content, info->content, T2I_HEX, err));
    T2I_TRY(take_text(dataset, "encoder", claims->encoder, dataset->encoder, ENCODER_MAX, err));
    if (strlen(info->digest) != T2I_HEX - 1 || !is_hex(info->digest))
        return other_schema(dataset, "its digest is not 32 hex digits", err);
    if (!is_hex(info->content))
        return other_schema(dataset, "its content is not 32 hex digits", err);
    t2i_json *json;
    T2I_TRY(t2i_json_parse(&json, dataset->encoder, strlen(dataset->encoder), dataset->path, err));
    int fits = parse_encoder(json, &info->encoder, &info->features);
    t2i_json_free(json);
    return fits ? T2I_OK : other_schema(dataset, "its attribute encoder is malformed", err);
}

/* The first offset must be 0, and the last one the number of bytes. */
static t2i_status check_ends(t2i_dataset *dataset, int offsets, int bytes, t2i_error *err)
{
    t2i_column *column = &dataset->column[offsets];
    uint64_t first, last;
    T2I_TRY(t2i_column_read(column, 0, 1, &first, err));
    T2I_TRY(t2i_column_read(column, column->rows - 1, 1, &last, err));
    if (first == 0 && last == dataset->column[bytes].rows) return T2I_OK;
    return t2i_column_bad(dataset->path, column->spec->path,
                          "does not match the bytes that it points into", err);
}

/* Checks that all sizes are consistent. */
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
        return other_schema(dataset, "its pictures do not match its encoder", err);
    for (int i = 0; i < COLUMNS; i++) {
        uint64_t dim[RANK_MAX];
        t2i_column_dims(&shape, i, dim);
        if (column[i].present && memcmp(dim, column[i].dim, sizeof dim) != 0)
            return t2i_column_bad(dataset->path, t2i_columns[i].path,
                                  "has a size that does not match the other columns", err);
    }
    T2I_TRY(check_ends(dataset, PROMPT_OFFSETS, PROMPT_BYTES, err));
    return check_ends(dataset, NAME_OFFSETS, NAME_BYTES, err);
}

/* Validates the claims of the file. */
static t2i_status take_claims(t2i_dataset *dataset, const t2i_claims *claims, uint64_t file_size,
                              t2i_error *err)
{
    T2I_TRY(take_attributes(dataset, claims, err));
    dataset->info.has_pixels = claims->column[PIXELS].present != 0;
    dataset->info.has_decoder = claims->column[BASIS].present != 0;
    for (int i = 0; i < COLUMNS; i++) {
        if (i == PIXELS && !dataset->info.has_pixels) continue;
        if (i >= BASIS && !dataset->info.has_decoder) continue;
        T2I_TRY(t2i_column_accept(&dataset->column[i], dataset->path, i, &claims->column[i],
                                  file_size, err));
        dataset->column[i].reader = &dataset->file;
    }
    return check_shape(dataset, err);
}

static t2i_status open_all(t2i_dataset *dataset, t2i_error *err)
{
    uint64_t file_size;
    t2i_claims claims;
    T2I_TRY(t2i_file_kind_check(dataset->path, "an HDF5", "a dataset (HDF5)", err));
    T2I_TRY(t2i_fs_size(dataset->path, &file_size, err));
    T2I_TRY(t2i_reader_open(&dataset->file, dataset->path, file_size, &claims, err));
    return take_claims(dataset, &claims, file_size, err);
}

t2i_status t2i_dataset_open(t2i_dataset **out, const char *path, t2i_error *err)
{
    *out = NULL;
    t2i_dataset *dataset = t2i_alloc(1, sizeof *dataset);
    if (dataset == NULL) return t2i_fail_memory(err, sizeof *dataset, "a dataset");
    dataset->path = t2i_fs_copy_path(path, err);
    for (int i = 0; i < COLUMNS; i++) t2i_column_clear(&dataset->column[i], dataset->path, i);
    t2i_status status = dataset->path == NULL ? T2I_SYSTEM : open_all(dataset, err);
    if (status == T2I_OK)
        *out = dataset;
    else
        t2i_dataset_close(dataset);
    return status;
}

void t2i_dataset_close(t2i_dataset *dataset)
{
    if (dataset == NULL) return;
    for (int i = 0; i < COLUMNS; i++) t2i_column_free(&dataset->column[i]);
    t2i_reader_close(&dataset->file);
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

/* Reads count + 1 offsets, which must ascend, with strings of at most 1 MiB. In the schema the
 * bytes are the column before the offsets. */
static t2i_status read_offsets(t2i_dataset *dataset, int which, uint64_t first, uint64_t count,
                               uint64_t *out, t2i_error *err)
{
    t2i_column *column = &dataset->column[which];
    if (count == UINT64_MAX) return t2i_fail(err, T2I_BUG, "too many offsets were requested");
    T2I_TRY(t2i_column_read(column, first, count + 1, out, err));
    for (uint64_t i = 0; i < count; i++)
        if (out[i] > out[i + 1] || out[i + 1] - out[i] > STRING_MAX)
            return t2i_fail(
                err, T2I_DATA,
                "%s is not a valid t2i dataset: row %llu of %s has an impossible length",
                dataset->path, (unsigned long long)(first + i), column->spec->path);
    if (out[count] <= dataset->column[which - 1].rows) return T2I_OK;
    return t2i_column_bad(dataset->path, column->spec->path, "points beyond the end of its bytes",
                          err);
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
    return t2i_fail(err, T2I_DATA, "%s is not a valid t2i dataset: pair %llu %s", dataset->path,
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
            return bad_pair(dataset, first + i, "names a picture that does not exist", err);
        if (split != NULL && split[i] >= T2I_SPLITS)
            return bad_pair(dataset, first + i, "has an unknown split", err);
    }
    return T2I_OK;
}

t2i_status t2i_dataset_mark_split(t2i_dataset *dataset, int split, uint8_t *marked, t2i_error *err)
{
    enum { BLOCK = 4096 };
    uint32_t image[BLOCK];
    uint8_t of[BLOCK];
    uint64_t pairs = dataset->info.pairs;
    for (uint64_t at = 0; at < pairs; at += BLOCK) {
        size_t some = pairs - at < BLOCK ? (size_t)(pairs - at) : BLOCK;
        T2I_TRY(t2i_dataset_pairs(dataset, at, some, image, NULL, of, err));
        for (size_t i = 0; i < some; i++)
            if (of[i] == split)
                marked[image[i] / 8] = (uint8_t)(marked[image[i] / 8] | 1u << image[i] % 8);
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

t2i_status t2i_dataset_content(t2i_dataset *dataset, char out[T2I_HEX], t2i_error *err)
{
    strcpy(out, dataset->info.content);
    return out[0] != '\0' ? T2I_OK : t2i_dataset_digest_content(dataset->column, out, err);
}

t2i_status t2i_dataset_check_digest(t2i_dataset *dataset, char content[T2I_HEX], t2i_error *err)
{
    char digest[T2I_HEX];
    T2I_TRY(t2i_dataset_digest(dataset->column, dataset->info.tool, dataset->encoder, digest,
                               content, err));
    if (strcmp(digest, dataset->info.digest) == 0) return T2I_OK;
    return t2i_fail(err, T2I_DATA,
                    "%s is damaged: its digest does not match its contents; restore the file or "
                    "build it again",
                    dataset->path);
}
