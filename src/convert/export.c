#include "convert/export.h"

#include <stdio.h>
#include <string.h>

#include "base/commit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/progress.h"
#include "dataset/dataset.h"
#include "formats/json.h"
#include "formats/npy.h"
#include "convert/tar_writer.h"
#include "image/image_png.h"
#include "convert/export_names.h"
#include "convert/loaded_pairs.h"
#include "convert/new_folder.h"

enum { LIST_BLOCK = 1 << 20 }; /* bytes of a list that are collected before they are written */

typedef struct {
    t2i_dataset *dataset;
    const t2i_dataset_info *info;
    const t2i_export_options *options;
    t2i_new_folder folder;
    t2i_loaded_pairs pairs;
    t2i_export_names names;
    uint8_t *pixels; /* of one picture */
    t2i_text png;    /* of one picture */
    t2i_progress progress;
    size_t samples; /* webdataset: of all shards; keys are distinct, as t2i-data build wants them */
} exporter;

static t2i_status name_files(exporter *e, t2i_error *err)
{
    for (uint64_t i = 0; i < e->info->images; i++) {
        char *name;
        T2I_TRY(t2i_dataset_image_name(e->dataset, i, &name, err));
        t2i_status status = t2i_export_names_add(&e->names, name, err);
        t2i_free(name);
        T2I_TRY(status);
    }
    return T2I_OK;
}

static t2i_json *prompt_json(const exporter *e, uint32_t pair)
{
    return t2i_json_string(e->pairs.prompts + e->pairs.offset[pair],
                           (size_t)(e->pairs.offset[pair + 1] - e->pairs.offset[pair]));
}

static const char *split_name(const exporter *e, uint32_t pair)
{
    return t2i_dataset_split_names[e->pairs.split[pair]];
}

static int uses_split(const exporter *e, int split)
{
    return memchr(e->pairs.split, split, (size_t)e->info->pairs) != NULL;
}

/* ---- pictures ---- */

static t2i_status encode(exporter *e, uint32_t image, t2i_error *err)
{
    T2I_TRY(t2i_dataset_pixels(e->dataset, image, 1, e->pixels, err));
    const t2i_image picture = {.width = (size_t)e->info->encoder.width,
                               .height = (size_t)e->info->encoder.height,
                               .rgb = e->pixels};
    e->png.size = 0;
    T2I_TRY(t2i_image_png_encode(&picture, &e->png, err));
    t2i_progress_at(&e->progress, (double)(image + 1) / (double)e->info->images);
    return T2I_OK;
}

/* ---- lists: JSON lines in the order of the rows ---- */

typedef struct {
    t2i_fs_out out;
    t2i_text lines;
} list;

static t2i_status open_list(list *l, const exporter *e, const char *name, t2i_error *err)
{
    char *path;
    *l = (list){.out = {.fd = -1}};
    T2I_TRY(t2i_new_folder_file(&e->folder, name, &path, err));
    t2i_status status = t2i_fs_out_open(&l->out, path, err);
    t2i_free(path);
    return status;
}

static t2i_status flush_list(list *l, t2i_error *err)
{
    t2i_status status = t2i_fs_out_write(&l->out, l->lines.data, l->lines.size, err);
    l->lines.size = 0;
    return status;
}

/* Keys of a row. */
typedef struct {
    const char *prompt, *image;
} keys;

static t2i_status add_row(list *l, const exporter *e, const keys *key, uint32_t pair,
                          t2i_error *err)
{
    t2i_json *row = t2i_json_object();
    char *line;
    size_t size;
    t2i_json_set(row, key->prompt, prompt_json(e, pair));
    t2i_json_set_string(row, key->image,
                        t2i_string_table_at(&e->names.files, e->pairs.image[pair]));
    t2i_json_set_string(row, "split", split_name(e, pair));
    t2i_json_set_integer(row, "group", e->pairs.group[e->pairs.image[pair]]);
    T2I_TRY(t2i_json_line(row, &line, &size, err));
    t2i_status status = t2i_text_add(&l->lines, line, size, err);
    t2i_free(line);
    if (status == T2I_OK && l->lines.size >= LIST_BLOCK) status = flush_list(l, err);
    return status;
}

/* Ends a list, also after a failure. */
static t2i_status close_list(list *l, t2i_status status, t2i_error *err)
{
    if (status == T2I_OK) status = flush_list(l, err);
    if (status == T2I_OK)
        status = t2i_commit(&l->out, err);
    else
        t2i_fs_out_drop(&l->out);
    t2i_text_free(&l->lines);
    return status;
}

/* splits: bit mask of the splits of the list. */
static t2i_status write_list(const exporter *e, const char *name, const keys *key, unsigned splits,
                             t2i_error *err)
{
    list l;
    T2I_TRY(open_list(&l, e, name, err));
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < e->info->pairs; i++)
        if (splits >> e->pairs.split[e->pairs.order[i]] & 1)
            status = add_row(&l, e, key, e->pairs.order[i], err);
    return close_list(&l, status, err);
}

/* ---- jsonl ---- */

static const keys own_keys = {"prompt", "image_path"};

static t2i_status write_jsonl(exporter *e, t2i_error *err)
{
    for (uint32_t i = 0; i < e->info->images; i++) {
        T2I_TRY(encode(e, i, err));
        T2I_TRY(t2i_new_folder_write(&e->folder, t2i_string_table_at(&e->names.files, i),
                                     e->png.data, e->png.size, err));
    }
    return write_list(e, "pairs.jsonl", &own_keys, ~0u, err);
}

/* ---- folder: Hugging Face's imagefolder, with a folder for each of its splits ---- */

enum { FOLDERS = 3 };
static const struct {
    const char *name;
    unsigned splits; /* bit mask */
} split_folder[FOLDERS] = {{"train", 1u << T2I_TRAIN},
                           {"validation", 1u << T2I_VALIDATION},
                           {"test", 1u << T2I_UNSEEN_PROMPTS | 1u << T2I_UNSEEN_PICTURES}};

/* A picture lies in the folder of each split that uses it. */
static t2i_status write_copies(exporter *e, uint32_t image, unsigned splits, t2i_error *err)
{
    for (int f = 0; f < FOLDERS; f++) {
        if ((splits & split_folder[f].splits) == 0) continue;
        char *name =
            t2i_fs_join(split_folder[f].name, t2i_string_table_at(&e->names.files, image), err);
        if (name == NULL) return T2I_SYSTEM;
        t2i_status status = t2i_new_folder_write(&e->folder, name, e->png.data, e->png.size, err);
        t2i_free(name);
        T2I_TRY(status);
    }
    return T2I_OK;
}

static t2i_status write_folder(exporter *e, t2i_error *err)
{
    static const keys key = {"text", "file_name"};
    uint8_t *splits = t2i_alloc((size_t)e->info->images, 1);
    if (splits == NULL) return t2i_fail_memory(err, (size_t)e->info->images, "the pictures");
    for (size_t i = 0; i < e->info->pairs; i++)
        splits[e->pairs.image[i]] |= (uint8_t)(1u << e->pairs.split[i]);
    t2i_status status = T2I_OK;
    for (uint32_t i = 0; status == T2I_OK && i < e->info->images; i++) {
        status = encode(e, i, err);
        if (status == T2I_OK) status = write_copies(e, i, splits[i], err);
    }
    t2i_free(splits);
    for (int f = 0; status == T2I_OK && f < FOLDERS; f++) {
        char name[32];
        int used = 0;
        for (int s = 0; s < T2I_SPLITS; s++)
            used = used || ((split_folder[f].splits >> s & 1) && uses_split(e, s));
        snprintf(name, sizeof name, "%s/metadata.jsonl", split_folder[f].name);
        if (used) status = write_list(e, name, &key, split_folder[f].splits, err);
    }
    return status;
}

/* ---- webdataset: a sample per pair, shards per split ---- */

typedef struct {
    t2i_fs_out out;
    size_t samples, shards;
} shard;

static t2i_status open_shard(shard *s, const exporter *e, int split, t2i_error *err)
{
    static const char *const begin[T2I_SPLITS] = {"train", "validation", "unseen-prompts",
                                                  "unseen-pictures"};
    char name[64], *path;
    snprintf(name, sizeof name, "%s/%05zu.tar", begin[split], s->shards++);
    T2I_TRY(t2i_new_folder_file(&e->folder, name, &path, err));
    t2i_status status = t2i_fs_out_open(&s->out, path, err);
    t2i_free(path);
    return status;
}

static t2i_status close_shard(shard *s, t2i_error *err)
{
    if (s->out.fd < 0) return T2I_OK;
    T2I_TRY(t2i_tar_writer_end(&s->out, err));
    return t2i_commit(&s->out, err);
}

static t2i_status add_member(const exporter *e, shard *s, const char *suffix, const void *bytes,
                             size_t size, t2i_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%09zu.%s", e->samples, suffix);
    return t2i_tar_writer_add(&s->out, name, bytes, size, err);
}

/* The prompt is in .json, and in .txt, where every line is a prompt for t2i-data build, if it is
 * one line. */
static t2i_status add_sample(shard *s, exporter *e, uint32_t pair, t2i_error *err)
{
    const char *prompt = e->pairs.prompts + e->pairs.offset[pair];
    size_t size = (size_t)(e->pairs.offset[pair + 1] - e->pairs.offset[pair]), bytes;
    int is_line =
        size > 0 && memchr(prompt, '\n', size) == NULL && memchr(prompt, '\r', size) == NULL;
    char *text;
    t2i_json *json = t2i_json_object();
    t2i_json_set(json, "caption", prompt_json(e, pair));
    t2i_json_set_string(json, "image_path",
                        t2i_string_table_at(&e->names.files, e->pairs.image[pair]));
    t2i_json_set_string(json, "split", split_name(e, pair));
    t2i_json_set_integer(json, "group", e->pairs.group[e->pairs.image[pair]]);
    T2I_TRY(t2i_json_line(json, &text, &bytes, err));
    t2i_status status = add_member(e, s, "png", e->png.data, e->png.size, err);
    if (status == T2I_OK && is_line) status = add_member(e, s, "txt", prompt, size, err);
    if (status == T2I_OK) status = add_member(e, s, "json", text, bytes, err);
    t2i_free(text);
    s->samples++;
    e->samples++;
    return status;
}

/* Orders `order` by picture; pairs of one picture stay in the order of their rows. */
static t2i_status order_by_image(exporter *e, uint64_t **begin, t2i_error *err)
{
    size_t pairs = (size_t)e->info->pairs, images = (size_t)e->info->images;
    uint32_t *order = t2i_alloc(pairs, sizeof *order);
    *begin = t2i_alloc(images + 2, sizeof **begin);
    if (order == NULL || *begin == NULL) {
        t2i_free(order);
        return t2i_fail_memory(err, pairs * sizeof *order + images * sizeof **begin, "the pairs");
    }
    /* begin[m + 1] goes from the first pair of picture m to its end */
    for (size_t i = 0; i < pairs; i++) (*begin)[e->pairs.image[i] + 2]++;
    for (size_t m = 0; m < images; m++) (*begin)[m + 2] += (*begin)[m + 1];
    for (size_t i = 0; i < pairs; i++)
        order[(*begin)[e->pairs.image[e->pairs.order[i]] + 1]++] = e->pairs.order[i];
    t2i_free(e->pairs.order);
    e->pairs.order = order;
    return T2I_OK;
}

static t2i_status add_samples(exporter *e, shard *shards, const uint64_t *begin, t2i_error *err)
{
    for (uint32_t m = 0; m < e->info->images; m++) {
        T2I_TRY(encode(e, m, err));
        for (uint64_t i = begin[m]; i < begin[m + 1]; i++) {
            uint32_t pair = e->pairs.order[i];
            shard *s = &shards[e->pairs.split[pair]];
            if (s->samples % e->options->shard == 0) {
                T2I_TRY(close_shard(s, err));
                T2I_TRY(open_shard(s, e, e->pairs.split[pair], err));
            }
            T2I_TRY(add_sample(s, e, pair, err));
        }
    }
    for (int i = 0; i < T2I_SPLITS; i++) T2I_TRY(close_shard(&shards[i], err));
    return T2I_OK;
}

static t2i_status write_webdataset(exporter *e, t2i_error *err)
{
    shard shards[T2I_SPLITS];
    uint64_t *begin = NULL;
    for (int i = 0; i < T2I_SPLITS; i++) shards[i] = (shard){.out = {.fd = -1}};
    t2i_status status = order_by_image(e, &begin, err);
    if (status == T2I_OK) status = add_samples(e, shards, begin, err);
    for (int i = 0; i < T2I_SPLITS; i++) t2i_fs_out_drop(&shards[i].out);
    t2i_free(begin);
    return status;
}

/* ---- npy: the features, and the list ---- */

static t2i_status write_features(exporter *e, t2i_fs_out *out, t2i_error *err)
{
    size_t features = (size_t)e->info->features;
    float *values = t2i_alloc(features, sizeof *values);
    if (values == NULL) return t2i_fail_memory(err, features * sizeof *values, "features");
    char header[T2I_NPY_HEADER];
    t2i_npy_header(header, e->info->images, features);
    t2i_status status = t2i_fs_out_write(out, header, sizeof header, err);
    for (uint32_t i = 0; status == T2I_OK && i < e->info->images; i++) {
        status = t2i_dataset_features(e->dataset, i, 1, values, err);
        if (status == T2I_OK)
            status = t2i_fs_out_write(out, values, features * sizeof *values, err);
        t2i_progress_at(&e->progress, (double)(i + 1) / (double)e->info->images);
    }
    t2i_free(values);
    return status;
}

static t2i_status write_npy(exporter *e, t2i_error *err)
{
    char *path;
    t2i_fs_out out;
    T2I_TRY(t2i_new_folder_file(&e->folder, "features.npy", &path, err));
    t2i_status status = t2i_fs_out_open(&out, path, err);
    t2i_free(path);
    if (status == T2I_OK) status = write_features(e, &out, err);
    if (status == T2I_OK) status = t2i_commit(&out, err);
    t2i_fs_out_drop(&out);
    return status == T2I_OK ? write_list(e, "pairs.jsonl", &own_keys, ~0u, err) : status;
}

/* ---- */

static const struct {
    const char *name;
    t2i_status (*write)(exporter *e, t2i_error *err);
} kinds[] = {{"folder", write_folder},
             {"webdataset", write_webdataset},
             {"jsonl", write_jsonl},
             {"npy", write_npy}};

static t2i_status write_kind(exporter *e, t2i_error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, e->options->to) == 0) return kinds[i].write(e, err);
    return t2i_fail(err, T2I_BUG, "an unknown kind: %s", e->options->to);
}

static t2i_status export(exporter *e, t2i_error *err)
{
    const t2i_export_options *o = e->options;
    if (!e->info->has_pixels && strcmp(o->to, "npy") != 0)
        return t2i_fail(err, T2I_DATA,
                        "%s has no pictures: it was built from ready features, which --to npy "
                        "exports",
                        t2i_dataset_path(e->dataset));
    T2I_TRY(t2i_new_folder_open(&e->folder, o->out, err));
    T2I_TRY(t2i_loaded_pairs_read(&e->pairs, e->dataset, err));
    size_t bytes = (size_t)(e->info->encoder.width * e->info->encoder.height * 3);
    e->pixels = t2i_alloc(bytes, 1);
    if (e->pixels == NULL) return t2i_fail_memory(err, bytes, "a picture");
    T2I_TRY(name_files(e, err));
    t2i_progress_begin(&e->progress,
                       strcmp(o->to, "npy") == 0 ? "exporting features" : "exporting pictures");
    T2I_TRY(write_kind(e, err));
    T2I_TRY(t2i_new_folder_commit(&e->folder, err));
    t2i_progress_end(&e->progress);
    if (e->names.changed > 0)
        t2i_log_note("%zu of %llu pictures got another file name", e->names.changed,
                     (unsigned long long)e->info->images);
    t2i_log_note("wrote %s: %llu pairs, %llu pictures", o->out, (unsigned long long)e->info->pairs,
                 (unsigned long long)e->info->images);
    return T2I_OK;
}

t2i_status t2i_export(const char *path, const t2i_export_options *options, t2i_error *err)
{
    exporter e = {.options = options, .folder = {.lock = -1}};
    T2I_TRY(t2i_dataset_open(&e.dataset, path, err));
    e.info = t2i_dataset_get_info(e.dataset);
    t2i_status status = export(&e, err);
    t2i_new_folder_drop(&e.folder);
    t2i_export_names_free(&e.names);
    t2i_loaded_pairs_free(&e.pairs);
    t2i_free(e.pixels);
    t2i_text_free(&e.png);
    t2i_dataset_close(e.dataset);
    return status;
}
