#include "prepare/ready_features.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "formats/npy.h"
#include "formats/tensors.h"
#include "prepare/webdataset.h"

enum { WIDTH_MAX = 65536, BLOCK = 1 << 20 /* floats */, KEYS = 4, NAME_MAX_BYTES = 4096 };

/* A .npy file of a table. */
typedef struct {
    t2i_byte_source source;
    t2i_npy npy;
    uint64_t first; /* row of the table that its first row is */
} part;

struct t2i_ready_features {
    char *path;
    const t2i_string_table *names;
    size_t width;

    t2i_tensors *tensors; /* NULL with .npy files */
    size_t *index;        /* of each name: its tensor, or its row of the table; SIZE_MAX: none */
    size_t *other;        /* by name: the picture with which it shares a name; SIZE_MAX: none */

    /* by position */
    int is_table;
    const t2i_tensor_info *table; /* NULL with .npy files */
    part *part;
    size_t parts;
    uint64_t rows;
    float *block; /* rows [begin, end) of the table */
    uint64_t begin, end;
};

/* ---- rows of a table ---- */

static part *part_of(const t2i_ready_features *f, uint64_t row)
{
    size_t low = 0, high = f->parts;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (f->part[middle].first <= row)
            low = middle;
        else
            high = middle;
    }
    return &f->part[low];
}

/* Reads the block of rows with that row. */
static t2i_status read_block(t2i_ready_features *f, uint64_t row, t2i_error *err)
{
    uint64_t rows = f->width < BLOCK ? BLOCK / f->width : 1, first = 0, count = f->rows;
    part *p = f->parts > 0 ? part_of(f, row) : NULL;
    if (p != NULL) {
        first = p->first;
        count = p->npy.rows;
    }
    uint64_t from = (row - first) / rows * rows;
    if (rows > count - from) rows = count - from;
    if (f->block == NULL) f->block = t2i_alloc(f->width < BLOCK ? BLOCK : f->width, sizeof(float));
    if (f->block == NULL) return t2i_fail_memory(err, BLOCK * sizeof(float), "features");
    f->begin = f->end = 0;
    T2I_TRY(p != NULL ? t2i_npy_rows(&p->npy, &p->source, from, rows, f->block, err)
                      : t2i_tensors_rows(f->tensors, f->table, from, rows, f->block, err));
    f->begin = first + from;
    f->end = f->begin + rows;
    return T2I_OK;
}

static t2i_status read_row(t2i_ready_features *f, uint64_t row, float *out, t2i_error *err)
{
    if (row < f->begin || row >= f->end) T2I_TRY(read_block(f, row, err));
    memcpy(out, f->block + (row - f->begin) * f->width, f->width * sizeof *out);
    return T2I_OK;
}

/* ---- .npy files ---- */

/* The last number in a name; -1 without one. */
static long number_of(const char *name)
{
    const char *end = name + strlen(name);
    while (end > name && (end[-1] < '0' || end[-1] > '9')) end--;
    const char *begin = end;
    while (begin > name && begin[-1] >= '0' && begin[-1] <= '9') begin--;
    return begin < end && end - begin < 18 ? strtol(begin, NULL, 10) : -1;
}

static int by_number(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    long i = number_of(x), j = number_of(y);
    return i != j ? (i > j) - (i < j) : strcmp(x, y);
}

/* Adds the .npy files of a folder; of clip-retrieval's output only those of pictures. */
static t2i_status list_folder(t2i_string_table *files, const char *folder, t2i_error *err)
{
    int of_pictures = 0;
    for (int pass = 0; pass < 2; pass++) {
        DIR *dir = opendir(folder);
        t2i_status status = T2I_OK;
        if (dir == NULL)
            return t2i_fail(err, T2I_NOINPUT, "cannot read the folder %s: %s", folder,
                            strerror(errno));
        for (struct dirent *e; status == T2I_OK && (e = readdir(dir)) != NULL;) {
            size_t number;
            int emb = strncmp(e->d_name, "img_emb", 7) == 0;
            if (e->d_name[0] == '.' || !t2i_text_ends(e->d_name, ".npy")) continue;
            of_pictures |= emb;
            if (pass == 0 || (of_pictures && !emb)) continue;
            char *path = t2i_fs_join(folder, e->d_name, err);
            status = path == NULL ? T2I_SYSTEM : t2i_string_table_add(files, path, &number, err);
            t2i_free(path);
        }
        closedir(dir);
        T2I_TRY(status);
    }
    if (files->count > 0) return T2I_OK;
    return t2i_fail(err, T2I_NOINPUT, "%s holds no .npy file of features", folder);
}

static t2i_status list_files(t2i_string_table *files, const char *path, t2i_error *err)
{
    size_t number;
    if (!t2i_fs_exists(path)) return t2i_webdataset_find(files, path, err);
    if (!t2i_fs_is_folder(path)) return t2i_string_table_add(files, path, &number, err);
    char *inner = t2i_fs_join(path, "img_emb", err); /* clip-retrieval's output */
    if (inner == NULL) return T2I_SYSTEM;
    t2i_status status = list_folder(files, t2i_fs_is_folder(inner) ? inner : path, err);
    t2i_free(inner);
    return status;
}

/* Opens a part; its rows follow those of the part before it. */
static t2i_status open_part(t2i_ready_features *f, const char *path, const char *before,
                            t2i_error *err)
{
    part *p = &f->part[f->parts];
    if (before != NULL && number_of(path) >= 0 && number_of(path) > number_of(before) + 1)
        return t2i_fail(err, T2I_DATA, "after %s comes %s: a file between them is missing", before,
                        path);
    T2I_TRY(t2i_byte_source_open(&p->source, path, err));
    f->parts++;
    T2I_TRY(t2i_npy_open(&p->npy, &p->source, err));
    if (p->npy.dims != 2 || p->npy.width == 0)
        return t2i_fail(err, T2I_DATA,
                        "%s has %zu dimensions%s; a table is needed: a row per picture, a column "
                        "per feature",
                        path, p->npy.dims, p->npy.dims == 2 ? " and no columns" : "");
    if (f->parts > 1 && p->npy.width != f->width)
        return t2i_fail(err, T2I_DATA, "%s has %llu columns, but %s has %zu", path,
                        (unsigned long long)p->npy.width, before, f->width);
    if (p->npy.width > WIDTH_MAX)
        return t2i_fail(err, T2I_DATA, "%s has %llu columns; at most 65,536 are allowed", path,
                        (unsigned long long)p->npy.width);
    if (p->npy.extra > 0)
        t2i_log_warn("%s: %llu bytes after its array are ignored", path,
                     (unsigned long long)p->npy.extra);
    f->width = (size_t)p->npy.width;
    p->first = f->rows;
    f->rows += p->npy.rows;
    return T2I_OK;
}

static t2i_status open_parts(t2i_ready_features *f, const t2i_string_table *files, t2i_error *err)
{
    const char **path = t2i_alloc(files->count, sizeof *path);
    f->part = t2i_alloc(files->count, sizeof *f->part);
    t2i_status status =
        path == NULL || f->part == NULL
            ? t2i_fail_memory(err, files->count * sizeof *f->part, "a list of files")
            : T2I_OK;
    for (size_t i = 0; path != NULL && i < files->count; i++)
        path[i] = t2i_string_table_at(files, i);
    if (path != NULL) qsort(path, files->count, sizeof *path, by_number);
    for (size_t i = 0; status == T2I_OK && i < files->count; i++)
        status = open_part(f, path[i], i == 0 ? NULL : path[i - 1], err);
    t2i_free(path);
    f->is_table = 1;
    return status;
}

/* Does the path name .npy files? */
static int is_npy(const char *path)
{
    char magic[6] = "";
    if (t2i_fs_is_folder(path) || (!t2i_fs_exists(path) && t2i_webdataset_is_pattern(path)))
        return 1;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : t2i_fs_read_at(fd, magic, sizeof magic, 0);
    if (fd >= 0) close(fd);
    return got == sizeof magic && memcmp(magic, "\x93NUMPY", sizeof magic) == 0;
}

/* ---- by position ---- */

/* Are all pictures called by numbers of rows? */
static int are_numbers(const t2i_ready_features *f)
{
    for (size_t i = 0; i < f->names->count; i++) {
        const char *name = t2i_string_table_at(f->names, i);
        size_t size = strlen(name);
        if (size > 18 || strspn(name, "0123456789") != size || (name[0] == '0' && size > 1))
            return 0;
        f->index[i] = (size_t)strtoull(name, NULL, 10);
    }
    return 1;
}

/* Every row of the list has a row of the table. */
static t2i_status use_rows(t2i_ready_features *f, const t2i_pair_list *list, const size_t *picture,
                           t2i_error *err)
{
    float *a = t2i_alloc(f->width, sizeof *a), *b = t2i_alloc(f->width, sizeof *b);
    t2i_status status =
        a == NULL || b == NULL ? t2i_fail_memory(err, f->width * 4, "features") : T2I_OK;
    for (size_t i = 0; i < f->names->count; i++) f->index[i] = SIZE_MAX;
    for (size_t i = 0; status == T2I_OK && i < list->count; i++) {
        size_t name = picture[i], row = list->row[i].row;
        if (f->index[name] == SIZE_MAX) {
            f->index[name] = row;
            continue;
        }
        status = read_row(f, f->index[name], a, err);
        if (status == T2I_OK) status = read_row(f, row, b, err);
        if (status == T2I_OK && memcmp(a, b, f->width * sizeof *a) != 0)
            f->other[name] = row; /* told by t2i_ready_features_check */
    }
    t2i_free(a);
    t2i_free(b);
    return status;
}

static t2i_status use_table(t2i_ready_features *f, const char *list_path, const t2i_pair_list *list,
                            const size_t *picture, t2i_error *err)
{
    unsigned long long rows = f->rows;
    const char *rule = NULL;
    if (f->names->count > 0 && are_numbers(f)) {
        rule = "the list names them by number, from 0";
        for (size_t i = 0; i < f->names->count; i++)
            if (f->index[i] >= rows)
                return t2i_fail(err, T2I_DATA, "%s names row %zu, but %s has %llu rows (from 0)",
                                list_path, f->index[i], f->path, rows);
    } else if (rows == list->rows) {
        rule = "in the order of the list's rows";
        T2I_TRY(use_rows(f, list, picture, err));
    } else if (rows == f->names->count && list->count == list->rows) {
        rule = "in the order of the list's distinct pictures";
        for (size_t i = 0; i < f->names->count; i++) f->index[i] = i;
    } else {
        return t2i_fail(err, T2I_DATA,
                        "%s has %llu rows, but %s has %zu rows that name %zu pictures: a row of "
                        "features is needed for each row or for each picture, or the list names "
                        "its pictures by number of the row, from 0",
                        f->path, rows, list_path, list->rows, f->names->count);
    }
    t2i_log_note("%s: %llu rows of %zu features: %s", f->path, rows, f->width, rule);
    return T2I_OK;
}

/* ---- by name ---- */

/* The names that a picture's tensor may have: as given, without extension, the last component, and
 * that without extension. Returns their number; equal ones are left out. */
static size_t keys_of(const char *name, char key[KEYS][NAME_MAX_BYTES])
{
    const char *slash = strrchr(name, '/'), *last = slash == NULL ? name : slash + 1;
    const char *dot = strrchr(last, '.');
    size_t keys = 0, size = strlen(name),
           stem = dot == NULL || dot == last ? size : (size_t)(dot - name);
    if (size >= NAME_MAX_BYTES) return 0;
    strcpy(key[keys++], name);
    if (stem < size) snprintf(key[keys++], NAME_MAX_BYTES, "%.*s", (int)stem, name);
    if (last != name) strcpy(key[keys++], last);
    if (last != name && stem < size)
        snprintf(key[keys++], NAME_MAX_BYTES, "%.*s", (int)(stem - (size_t)(last - name)), last);
    return keys;
}

/* For each key the first picture that has it, and whether another one has it too. */
typedef struct {
    t2i_string_table keys;
    size_t *first, *second; /* of each key; SIZE_MAX: none */
    size_t room;
} owners;

static t2i_status add_owner(owners *all, const char *key, size_t picture, t2i_error *err)
{
    size_t number, before = all->keys.count;
    T2I_TRY(t2i_string_table_add(&all->keys, key, &number, err));
    if (number == all->room) {
        size_t room = all->room == 0 ? 1024 : 2 * all->room;
        if (t2i_grow(&all->first, all->room, room, sizeof *all->first) != 0 ||
            t2i_grow(&all->second, all->room, room, sizeof *all->second) != 0)
            return t2i_fail_memory(err, room * sizeof *all->first, "the pictures' names");
        all->room = room;
    }
    if (number == before) {
        all->first[number] = picture;
        all->second[number] = SIZE_MAX;
    } else if (all->first[number] != picture && all->second[number] == SIZE_MAX) {
        all->second[number] = picture;
    }
    return T2I_OK;
}

/* Finds the tensor of a picture: the whole name wins, another must be its alone. */
static void find_tensor(t2i_ready_features *f, const owners *all, const t2i_string_table *tensors,
                        size_t picture, char key[KEYS][NAME_MAX_BYTES])
{
    size_t keys = keys_of(t2i_string_table_at(f->names, picture), key);
    f->index[picture] = f->other[picture] = SIZE_MAX;
    for (size_t i = 0; i < keys && f->index[picture] == SIZE_MAX; i++) {
        size_t found = t2i_string_table_find(tensors, key[i]);
        if (found == SIZE_MAX) continue;
        size_t number = t2i_string_table_find(&all->keys, key[i]);
        if (i == 0 || all->second[number] == SIZE_MAX)
            f->index[picture] = found;
        else if (f->other[picture] == SIZE_MAX)
            f->other[picture] =
                all->first[number] != picture ? all->first[number] : all->second[number];
    }
}

static t2i_status find_all(t2i_ready_features *f, owners *all, t2i_string_table *tensors,
                           char key[KEYS][NAME_MAX_BYTES], t2i_error *err)
{
    for (size_t i = 0; i < t2i_tensors_count(f->tensors); i++) {
        size_t number;
        T2I_TRY(t2i_string_table_add(tensors, t2i_tensors_at(f->tensors, i)->name, &number, err));
        T2I_ASSERT(number == i); /* names are distinct in a sound file */
    }
    for (size_t i = 0; i < f->names->count; i++) {
        size_t keys = keys_of(t2i_string_table_at(f->names, i), key);
        for (size_t k = 0; k < keys; k++) T2I_TRY(add_owner(all, key[k], i, err));
    }
    for (size_t i = 0; i < f->names->count; i++) find_tensor(f, all, tensors, i, key);
    return T2I_OK;
}

static t2i_status find_by_name(t2i_ready_features *f, t2i_error *err)
{
    owners all = {.room = 0};
    t2i_string_table tensors = {0};
    char(*key)[NAME_MAX_BYTES] = t2i_alloc(KEYS, sizeof *key);
    t2i_status status = key == NULL ? t2i_fail_memory(err, KEYS * sizeof *key, "names")
                                    : find_all(f, &all, &tensors, key, err);
    t2i_string_table_free(&all.keys);
    t2i_string_table_free(&tensors);
    t2i_free(all.first);
    t2i_free(all.second);
    t2i_free(key);
    return status;
}

/* Number of tensors of two dimensions with more than a row; *table: one of them. */
static size_t count_tables(const t2i_ready_features *f, const t2i_tensor_info **table)
{
    size_t tables = 0;
    for (size_t i = 0; i < t2i_tensors_count(f->tensors); i++) {
        const t2i_tensor_info *t = t2i_tensors_at(f->tensors, i);
        if (t->dims != 2 || t->dim[1] == 0) continue;
        tables++;
        *table = t;
    }
    return tables;
}

/* No picture has a tensor of its own: is there one table, or which is meant? */
static t2i_status find_table(t2i_ready_features *f, const char *list_path, t2i_error *err)
{
    const t2i_tensor_info *table = NULL;
    size_t tables = count_tables(f, &table), count = t2i_tensors_count(f->tensors);
    const char *picture = f->names->count > 0 ? t2i_string_table_at(f->names, 0) : "";
    if (tables == 1) {
        if (table->dim[1] > WIDTH_MAX)
            return t2i_fail(err, T2I_DATA, "%s has %llu columns; at most 65,536 are allowed",
                            f->path, (unsigned long long)table->dim[1]);
        f->is_table = 1;
        f->table = table;
        f->rows = table->dim[0];
        f->width = (size_t)table->dim[1];
        return T2I_OK;
    }
    if (tables > 1)
        return t2i_fail(err, T2I_DATA,
                        "%s has %zu tables and no tensor named like a picture of %s (such as "
                        "%.100s): name the table, as in --features %s:%.100s",
                        f->path, tables, list_path, picture, t2i_tensors_path(f->tensors),
                        table->name);
    return t2i_fail(err, T2I_DATA,
                    "%s has no tensor named like a picture of %s (such as %.100s), and no table: "
                    "it has %zu tensors%s%.100s",
                    f->path, list_path, picture, count, count == 0 ? "" : ", such as ",
                    count == 0 ? "" : t2i_tensors_at(f->tensors, 0)->name);
}

/* ---- opening and reading ---- */

static t2i_status open_all(t2i_ready_features *f, const char *list_path, const t2i_pair_list *list,
                           const size_t *picture, t2i_error *err)
{
    size_t found = 0, shared = 0;
    f->index = t2i_alloc(f->names->count, sizeof *f->index);
    f->other = t2i_alloc(f->names->count, sizeof *f->other);
    if (f->index == NULL || f->other == NULL)
        return t2i_fail_memory(err, 2 * f->names->count * sizeof *f->index, "the pictures");
    for (size_t i = 0; i < f->names->count; i++) f->other[i] = SIZE_MAX;
    if (is_npy(f->path)) {
        t2i_string_table files = {0};
        t2i_status status = list_files(&files, f->path, err);
        if (status == T2I_OK) status = open_parts(f, &files, err);
        t2i_string_table_free(&files);
        T2I_TRY(status);
    } else {
        T2I_TRY(t2i_tensors_open(&f->tensors, f->path, err));
        T2I_TRY(find_by_name(f, err));
        for (size_t i = 0; i < f->names->count; i++) {
            found += f->index[i] != SIZE_MAX;
            shared += f->other[i] != SIZE_MAX;
        }
        if (f->names->count > 0 && found + shared == 0) T2I_TRY(find_table(f, list_path, err));
    }
    if (f->is_table) return use_table(f, list_path, list, picture, err);
    if (found == f->names->count) /* else a bad row tells */
        t2i_log_note("%s: features by name: of all %zu pictures", f->path, found);
    return T2I_OK;
}

t2i_status t2i_ready_features_open(t2i_ready_features **out, const char *path,
                                   const char *list_path, const t2i_string_table *names,
                                   const t2i_pair_list *list, const size_t *picture, t2i_error *err)
{
    *out = NULL;
    t2i_ready_features *f = t2i_alloc(1, sizeof *f);
    if (f == NULL) return t2i_fail_memory(err, sizeof *f, "features");
    f->names = names;
    f->path = t2i_fs_copy_path(path, err);
    t2i_status status = f->path == NULL ? T2I_SYSTEM : open_all(f, list_path, list, picture, err);
    if (status == T2I_OK)
        *out = f;
    else
        t2i_ready_features_close(f);
    return status;
}

void t2i_ready_features_close(t2i_ready_features *f)
{
    if (f == NULL) return;
    for (size_t i = 0; i < f->parts; i++) t2i_byte_source_close(&f->part[i].source);
    t2i_tensors_close(f->tensors);
    t2i_free(f->part);
    t2i_free(f->index);
    t2i_free(f->other);
    t2i_free(f->block);
    t2i_free(f->path);
    t2i_free(f);
}

size_t t2i_ready_features_width(const t2i_ready_features *f)
{
    return f->width;
}

t2i_status t2i_ready_features_read(t2i_ready_features *f, size_t name, float *out, t2i_error *err)
{
    if (f->is_table) return read_row(f, f->index[name], out, err);
    return t2i_tensors_floats(f->tensors, t2i_tensors_at(f->tensors, f->index[name]), out, err);
}

/* Why a picture has no vector of its own. */
static t2i_status refuse_picture(const t2i_ready_features *f, size_t name, t2i_error *why)
{
    const char *text = t2i_string_table_at(f->names, name);
    if (f->is_table)
        return t2i_fail(why, T2I_DATA,
                        "%s: rows %zu and %zu of the list name %s, but their features differ",
                        f->path, f->index[name], f->other[name], text);
    if (f->other[name] == SIZE_MAX)
        return t2i_fail(why, T2I_DATA, "%s has no features for %s", f->path, text);
    return t2i_fail(why, T2I_DATA,
                    "%s has features for the last part of the name %s, but %s shares it: name the "
                    "tensors as the list names its pictures",
                    f->path, text, t2i_string_table_at(f->names, f->other[name]));
}

t2i_status t2i_ready_features_check(t2i_ready_features *f, size_t name, t2i_error *why)
{
    if (f->index[name] == SIZE_MAX || (f->is_table && f->other[name] != SIZE_MAX))
        return refuse_picture(f, name, why);
    uint64_t count = f->width;
    if (!f->is_table) count = t2i_tensors_at(f->tensors, f->index[name])->count;
    if (count == 0 || count > WIDTH_MAX)
        return t2i_fail(why, T2I_DATA, "the picture has %llu features; 1 to 65,536 are allowed",
                        (unsigned long long)count);
    if (f->width != 0 && count != f->width)
        return t2i_fail(why, T2I_DATA,
                        "the picture has %llu features, but earlier pictures have %zu",
                        (unsigned long long)count, f->width);
    float *value = t2i_alloc((size_t)count, sizeof *value);
    if (value == NULL) return t2i_fail_memory(why, (size_t)count * 4, "features");
    t2i_status status = t2i_ready_features_read(f, name, value, why);
    for (size_t i = 0; status == T2I_OK && i < count; i++)
        if (!isfinite(value[i]))
            status = t2i_fail(why, T2I_DATA, "feature %zu of the picture is not finite", i);
    t2i_free(value);
    if (status == T2I_OK) f->width = (size_t)count;
    return status;
}
