#include "convert/merge.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/string_table.h"
#include "dataset/dataset.h"
#include "dataset/dataset_writer.h"
#include "prepare/encode_dataset.h"
#include "prepare/holdout.h"
#include "convert/loaded_pairs.h"
#include "lists/pairs.h"

/* A picture of the result. */
typedef struct {
    uint32_t part, image; /* where it is: dataset, and number there */
    uint32_t group;       /* index into `parent` */
} merged;

typedef struct {
    const char *const *path;
    size_t parts;
    char (*digest)[T2I_HEX]; /* of each dataset */
    t2i_dataset *dataset;    /* the one that is open */
    size_t opened;           /* its number */
    t2i_dataset_info first;  /* of the first dataset */
    t2i_loaded_pairs pairs;  /* of one dataset */
    t2i_pair_set set;
    merged *picture;        /* (set.images) */
    t2i_string_table names; /* digest and name of each picture of `set` */
    uint32_t *parent;       /* groups of all datasets: union-find */
    size_t groups;
    size_t *number;     /* pictures of one dataset: numbers in `set` */
    size_t all, joined; /* pictures of all datasets; of these, equal to an earlier one */
    size_t rows;        /* rows of the datasets before */
    char *values;       /* pixels or features of one picture */
    t2i_progress progress;
} merger;

/* ---- the datasets ---- */

static t2i_status open_part(merger *m, size_t part, t2i_error *err)
{
    if (m->dataset != NULL && m->opened == part) return T2I_OK;
    t2i_dataset_close(m->dataset);
    m->dataset = NULL;
    T2I_TRY(t2i_dataset_open(&m->dataset, m->path[part], err));
    m->opened = part;
    const char *digest = t2i_dataset_get_info(m->dataset)->digest;
    if (m->digest[part][0] == '\0') strcpy(m->digest[part], digest);
    if (strcmp(m->digest[part], digest) == 0) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s was replaced while it was read", m->path[part]);
}

static int is_pca(const merger *m)
{
    return strcmp(m->first.encoder.encoder, "pca") == 0;
}

static t2i_status differ(const merger *m, size_t part, const char *what, t2i_error *err)
{
    return t2i_fail(err, T2I_DATA,
                    "%s and %s have %s: merge datasets of one encoder and one size, or build both "
                    "again from their pictures (t2i-data export)",
                    m->path[0], m->path[part], what);
}

/* Checks that a dataset fits to the first. */
static t2i_status check_part(const merger *m, size_t part, t2i_error *err)
{
    const t2i_dataset_info *a = &m->first, *b = t2i_dataset_get_info(m->dataset);
    if (strcmp(a->encoder.encoder, b->encoder.encoder) != 0)
        return differ(m, part, "different encoders", err);
    if (strcmp(a->encoder.weights, b->encoder.weights) != 0)
        return differ(m, part, "encoders with different weights", err);
    if (a->encoder.width != b->encoder.width || a->encoder.height != b->encoder.height)
        return differ(m, part, "pictures of different sizes", err);
    if (!is_pca(m) && a->features != b->features)
        return differ(m, part, "different numbers of features", err);
    if (b->encoder.width == b->encoder.height) return T2I_OK;
    return t2i_fail(err, T2I_DATA, "%s has pictures that are not square, which cannot be merged",
                    m->path[part]);
}

/* Opens each dataset once, before any is read. */
static t2i_status survey(merger *m, t2i_error *err)
{
    size_t most = 0;
    for (size_t i = 0; i < m->parts; i++) {
        T2I_TRY(open_part(m, i, err));
        const t2i_dataset_info *info = t2i_dataset_get_info(m->dataset);
        if (i == 0) m->first = *info;
        T2I_TRY(check_part(m, i, err));
        m->all += (size_t)info->images;
        if (info->images > most) most = (size_t)info->images;
    }
    m->picture = t2i_alloc(m->all, sizeof *m->picture);
    m->parent = t2i_alloc(m->all, sizeof *m->parent);
    m->number = t2i_alloc(most, sizeof *m->number);
    size_t values = (size_t)(m->first.encoder.width * m->first.encoder.height * 3);
    if (values == 0) values = (size_t)m->first.features * sizeof(float);
    m->values = t2i_alloc(values, 1);
    if (m->picture == NULL || m->parent == NULL || m->number == NULL || m->values == NULL)
        return t2i_fail_memory(err, m->all * (sizeof *m->picture + 4), "the pictures");
    return T2I_OK;
}

/* ---- groups ---- */

static uint32_t root_of(uint32_t *parent, uint32_t group)
{
    while (parent[group] != group) group = parent[group] = parent[parent[group]];
    return group;
}

static void join_groups(merger *m, uint32_t a, uint32_t b)
{
    a = root_of(m->parent, a);
    b = root_of(m->parent, b);
    m->parent[a > b ? a : b] = a < b ? a : b;
}

/* A number for a group of the present dataset; `groups` are those of this dataset so far. */
static t2i_status number_group(merger *m, t2i_string_table *groups, uint32_t group, uint32_t *out,
                               t2i_error *err)
{
    char text[16];
    size_t number, before = groups->count;
    snprintf(text, sizeof text, "%lu", (unsigned long)group);
    T2I_TRY(t2i_string_table_add(groups, text, &number, err));
    *out = (uint32_t)(m->groups - before + number);
    if (number == before) {
        m->parent[m->groups] = (uint32_t)m->groups;
        m->groups++;
    }
    return T2I_OK;
}

/* Numbers the groups of `set` in the order of their first pictures, as t2i-data build does. */
static t2i_status renumber_groups(merger *m, t2i_error *err)
{
    uint32_t next = 0, *of_root = t2i_alloc(m->groups, sizeof *of_root); /* + 1 */
    if (of_root == NULL) return t2i_fail_memory(err, m->groups * sizeof *of_root, "the groups");
    for (size_t i = 0; i < m->set.images; i++) {
        uint32_t root = root_of(m->parent, m->picture[i].group);
        if (of_root[root] == 0) of_root[root] = ++next;
        m->set.group[i] = of_root[root] - 1;
    }
    t2i_free(of_root);
    return T2I_OK;
}

/* ---- pictures and pairs ---- */

static t2i_status read_values(merger *m, uint64_t image, char look[T2I_HEX], t2i_error *err)
{
    size_t size = (size_t)(m->first.encoder.width * m->first.encoder.height * 3);
    if (size > 0)
        T2I_TRY(t2i_dataset_pixels(m->dataset, image, 1, (uint8_t *)m->values, err));
    else
        T2I_TRY(t2i_dataset_features(m->dataset, image, 1, (float *)(void *)m->values, err));
    t2i_hash_hex(m->values, size > 0 ? size : (size_t)m->first.features * sizeof(float), look);
    return T2I_OK;
}

/* Adds a picture of the open dataset to the set, unless it is there. */
static t2i_status add_picture(merger *m, uint32_t image, t2i_string_table *groups, t2i_error *err)
{
    char *name, look[T2I_HEX];
    t2i_text key = {0};
    uint32_t group;
    T2I_TRY(read_values(m, image, look, err));
    T2I_TRY(number_group(m, groups, m->pairs.group[image], &group, err));
    T2I_TRY(t2i_dataset_image_name(m->dataset, image, &name, err));
    t2i_status status = t2i_text_addf(&key, err, "%s%s", look, name);
    if (status == T2I_OK)
        status = t2i_string_table_add(&m->names, key.data, &m->number[image], err);
    int is_new = status == T2I_OK && m->number[image] == m->set.images;
    if (is_new) {
        m->picture[m->set.images] = (merged){(uint32_t)m->opened, image, group};
        status = t2i_pairs_set_image(&m->set, name, 0, err);
    } else if (status == T2I_OK) {
        m->joined++;
        join_groups(m, m->picture[m->number[image]].group, group);
    }
    t2i_text_free(&key);
    t2i_free(name);
    return status;
}

static t2i_status add_pair(merger *m, uint32_t pair, t2i_error *err)
{
    const t2i_loaded_pairs *p = &m->pairs;
    uint64_t row = m->rows + p->row[pair];
    if (row >= UINT32_MAX)
        return t2i_fail(err, T2I_DATA,
                        "the datasets have more than 4,294,967,294 rows together, the limit of a "
                        "dataset");
    return t2i_pairs_set_pair(&m->set, p->prompts + p->offset[pair],
                              (size_t)(p->offset[pair + 1] - p->offset[pair]),
                              m->number[p->image[pair]], (uint32_t)row, p->split[pair], err);
}

static t2i_status read_part(merger *m, t2i_string_table *groups, t2i_error *err)
{
    t2i_loaded_pairs *p = &m->pairs;
    T2I_TRY(t2i_loaded_pairs_read(p, m->dataset, err));
    for (uint32_t i = 0; i < p->images; i++) {
        T2I_TRY(add_picture(m, i, groups, err));
        t2i_progress_at(&m->progress, (double)(m->set.images + m->joined) / (double)m->all);
    }
    for (size_t i = 0; i < p->pairs; i++) T2I_TRY(add_pair(m, p->order[i], err));
    m->rows += (size_t)p->row[p->order[p->pairs - 1]] + 1;
    return T2I_OK;
}

static t2i_status read_parts(merger *m, t2i_error *err)
{
    t2i_progress_begin(&m->progress, "reading the datasets");
    for (size_t i = 0; i < m->parts; i++) {
        t2i_string_table groups = {0};
        t2i_status status = open_part(m, i, err);
        if (status == T2I_OK) status = read_part(m, &groups, err);
        t2i_loaded_pairs_free(&m->pairs);
        t2i_string_table_free(&groups);
        T2I_TRY(status);
    }
    t2i_progress_end(&m->progress);
    return renumber_groups(m, err);
}

/* ---- the result ---- */

static t2i_status read_pictures(void *context, size_t first, size_t count, uint8_t *pixels,
                                float *features, t2i_error *err)
{
    merger *m = context;
    size_t size = (size_t)(m->first.encoder.width * m->first.encoder.height * 3);
    for (size_t i = 0; i < count; i++) {
        const merged *p = &m->picture[first + i];
        T2I_TRY(open_part(m, p->part, err));
        if (pixels != NULL)
            T2I_TRY(t2i_dataset_pixels(m->dataset, p->image, 1, pixels + i * size, err));
        if (features != NULL)
            T2I_TRY(t2i_dataset_features(m->dataset, p->image, 1,
                                         features + i * (size_t)m->first.features, err));
    }
    return T2I_OK;
}

static t2i_status write_features(merger *m, const char *path, const t2i_pairs *pairs,
                                 t2i_error *err)
{
    t2i_dataset_writer *out;
    float *values = (float *)(void *)m->values;
    T2I_TRY(t2i_dataset_writer_create(&out, path, T2I_DATA_TOOL, pairs, (size_t)m->first.features,
                                      &m->first.encoder, err));
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < m->set.images; i++) {
        status = read_pictures(m, i, 1, NULL, values, err);
        if (status == T2I_OK) status = t2i_dataset_writer_put_features(out, 1, values, err);
    }
    if (status == T2I_OK) return t2i_dataset_writer_commit(out, err);
    t2i_dataset_writer_drop(out);
    return status;
}

static t2i_status write_merged(merger *m, const char *out, size_t dim, t2i_error *err)
{
    const t2i_pairs pairs = t2i_pairs_set_view(&m->set);
    const t2i_pictures pictures = {read_pictures, m, (size_t)m->first.encoder.width};
    T2I_TRY(t2i_holdout_log(&m->set, m->first.has_pixels ? &pictures : NULL, err));
    if (!m->first.has_pixels) return write_features(m, out, &pairs, err);
    if (is_pca(m)) {
        t2i_log_note("pca is fitted again, to the training pictures of all datasets: models that "
                     "were trained on one of them do not fit the result");
        return t2i_encode_dataset_pca(NULL, out, &pairs, &pictures, dim, err);
    }
    return t2i_encode_dataset_ready(out, &pairs, &pictures, &m->first.encoder,
                                    (size_t)m->first.features, err);
}

static t2i_status check_out(const merger *m, const char *out, t2i_error *err)
{
    T2I_TRY(t2i_dataset_writer_may_replace(out, err));
    for (size_t i = 0; i < m->parts; i++) T2I_TRY(t2i_fs_keep_input(m->path[i], "--out", out, err));
    return T2I_OK;
}

static t2i_status merge(merger *m, const char *out, size_t dim, t2i_error *err)
{
    T2I_TRY(check_out(m, out, err));
    m->digest = t2i_alloc(m->parts, sizeof *m->digest);
    if (m->digest == NULL) return t2i_fail_memory(err, m->parts * sizeof *m->digest, "digests");
    T2I_TRY(survey(m, err));
    T2I_TRY(read_parts(m, err));
    if (m->joined > 0)
        t2i_log_note("%zu pictures are in several datasets, with the same name and the same %s; "
                     "they are joined",
                     m->joined, m->first.has_pixels ? "pixels" : "features");
    T2I_TRY(write_merged(m, out, dim, err));
    t2i_log_note("wrote %s: %zu pairs, %zu pictures of %zu datasets", out, m->set.pairs,
                 m->set.images, m->parts);
    return T2I_OK;
}

t2i_status t2i_merge(const char *const *paths, size_t count, const char *out, size_t dim,
                     t2i_error *err)
{
    merger m = {.path = paths, .parts = count};
    t2i_status status = merge(&m, out, dim, err);
    t2i_dataset_close(m.dataset);
    t2i_loaded_pairs_free(&m.pairs);
    t2i_pairs_set_free(&m.set);
    t2i_string_table_free(&m.names);
    void *owned[] = {m.digest, m.picture, m.parent, m.number, m.values};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) t2i_free(owned[i]);
    return status;
}
