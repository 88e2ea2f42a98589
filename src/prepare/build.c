#include "prepare/build.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prepare/encode_dataset.h"
#include "base/fs.h"
#include "base/hash.h"
#include "prepare/holdout.h"
#include "kernels/blas.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/string_table.h"
#include "prepare/pairs.h"
#include "prepare/build_journal.h"
#include "base/progress.h"
#include "prepare/encode_images.h"
#include "formats/tensors.h"
#include "prepare/resnet_weights.h"

typedef struct {
    const t2i_build_options *options;
    t2i_string_table names; /* every rank: distinct pictures, in order of first use by row */

    /* pictures: every rank */
    t2i_resnet *net;
    t2i_build_journal_kind kind;
    char *folder, *images; /* owned: OUT.parts, and where the pictures are */
    int lock;              /* rank 0: on the folder; -1: not held */
    t2i_encoder_info encoder;

    /* rank 0 */
    t2i_pair_list list;
    size_t *picture; /* of each row of the list: its number among the names */
    t2i_pair_set set;
    t2i_string_table groups;
    t2i_build_journal *parts;
    t2i_tensors *tensors;   /* ready features */
    t2i_string_table stems; /* their names */
    size_t dim;             /* numbers of one */

    /* of each name */
    char **reason;  /* why it cannot be used; NULL: it can */
    size_t *rows;   /* that name it */
    size_t *number; /* in the dataset + 1; 0: no good row has named it yet */
    size_t *group;  /* number among the groups + 1; 0: not said */
    size_t *line;   /* where that was said first */
    size_t *tensor; /* its features */

    size_t *name; /* of each picture of the dataset */
} job;

static int has_pictures(const job *j)
{
    return j->options->features == NULL;
}

/* ---- what is to be done: rank 0 ---- */

/* The dataset must not take the place of what it is made from. */
static t2i_status check_out(const t2i_build_options *options, t2i_error *err)
{
    struct stat out, in;
    const char *inputs[] = {options->pairs, options->features, options->weights};
    char *folder = t2i_strdup(options->out), *slash = folder == NULL ? NULL : strrchr(folder, '/');
    if (folder == NULL) return t2i_fail_memory(err, strlen(options->out), "a file name");
    if (slash != NULL) slash[slash == folder] = '\0';
    int there = slash == NULL || t2i_fs_is_folder(folder);
    t2i_free(folder);
    if (!there)
        return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: its folder is not there",
                        options->out);
    if (stat(options->out, &out) != 0) return T2I_OK;
    if (S_ISDIR(out.st_mode))
        return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: it is a folder", options->out);
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (inputs[i] != NULL && stat(inputs[i], &in) == 0 && in.st_dev == out.st_dev &&
            in.st_ino == out.st_ino)
            return t2i_fail(err, T2I_USAGE, "--out would overwrite the input %s: name another file",
                            inputs[i]);
    return T2I_OK;
}

static t2i_status check_options(const t2i_build_options *o, t2i_error *err)
{
    int resnet = strcmp(o->encoder, "resnet18") == 0;
    if (o->pairs == NULL)
        return t2i_fail(err, T2I_USAGE,
                        "build needs --pairs FILE: the list of prompts and pictures");
    if (o->features != NULL && o->images != NULL)
        return t2i_fail(err, T2I_USAGE,
                        "--features excludes --images: ready features need no pictures");
    if (o->features != NULL && (resnet || o->weights != NULL))
        return t2i_fail(err, T2I_USAGE,
                        "--features excludes --encoder and --weights: they are taken as they are");
    if (resnet && o->weights == NULL)
        return t2i_fail(err, T2I_USAGE,
                        "--encoder resnet18 needs --weights FILE: torchvision's resnet18-*.pth, or "
                        "a safetensors copy of it");
    if (!resnet && o->weights != NULL)
        return t2i_fail(err, T2I_USAGE, "--weights goes with --encoder resnet18 only");
    T2I_TRY(check_out(o, err));
    return t2i_dataset_may_write(o->out, err);
}

/* Distinct pictures of the rows. */
static t2i_status find_pictures(job *j, t2i_error *err)
{
    j->picture = t2i_alloc(j->list.count, sizeof *j->picture);
    if (j->picture == NULL)
        return t2i_fail_memory(err, j->list.count * sizeof *j->picture, "the rows");
    for (size_t i = 0; i < j->list.count; i++)
        T2I_TRY(t2i_string_table_add(&j->names, j->list.text.data + j->list.row[i].image,
                                     &j->picture[i], err));
    size_t count = j->names.count;
    j->reason = t2i_alloc(count, sizeof *j->reason);
    j->rows = t2i_alloc(count, sizeof *j->rows);
    j->number = t2i_alloc(count, sizeof *j->number);
    j->group = t2i_alloc(count, sizeof *j->group);
    j->line = t2i_alloc(count, sizeof *j->line);
    j->tensor = t2i_alloc(count, sizeof *j->tensor);
    j->name = t2i_alloc(count, sizeof *j->name);
    if (j->reason == NULL || j->rows == NULL || j->number == NULL || j->group == NULL ||
        j->line == NULL || j->tensor == NULL || j->name == NULL)
        return t2i_fail_memory(err, 7 * count * sizeof *j->rows, "the pictures");
    for (size_t i = 0; i < j->list.count; i++) j->rows[j->picture[i]]++;
    return T2I_OK;
}

static t2i_status read_pairs(job *j, t2i_error *err)
{
    T2I_TRY(check_options(j->options, err));
    T2I_TRY(t2i_pairs_read(&j->list, j->options->pairs, err));
    if (j->list.rows == 0) return t2i_fail(err, T2I_DATA, "%s holds no pairs", j->options->pairs);
    if (j->list.splits > 0 && j->options->validation >= 0)
        return t2i_fail(err, T2I_USAGE,
                        "%s says itself what is held out (%zu rows name a split): leave "
                        "--validation out",
                        j->options->pairs, j->list.splits);
    return find_pictures(j, err);
}

/* ---- every rank gets ready ---- */

static t2i_status find_folders(job *j, t2i_error *err)
{
    const char *slash = strrchr(j->options->pairs, '/');
    const char *from = j->options->images != NULL ? j->options->images : j->options->pairs;
    t2i_text folder = {0};
    if (j->options->images != NULL && !t2i_fs_is_folder(from))
        return t2i_fail(err, T2I_NOINPUT, "the folder of pictures %s is not there", from);
    j->images = t2i_strdup(from);
    if (j->images == NULL) return t2i_fail_memory(err, strlen(from), "a folder's name");
    if (j->options->images == NULL) j->images[slash == NULL ? 0 : slash - from + 1] = '\0';
    t2i_status status = t2i_text_addf(&folder, err, "%s.parts", j->options->out);
    j->folder = folder.data;
    return status;
}

static t2i_status open_encoder(job *j, t2i_error *err)
{
    t2i_text key = {0};
    T2I_TRY(find_folders(j, err));
    j->encoder = (t2i_encoder_info){.height = T2I_SIDE, .width = T2I_SIDE, .scale = 1};
    snprintf(j->encoder.encoder, sizeof j->encoder.encoder, "%s", j->options->encoder);
    j->kind =
        (t2i_build_journal_kind){.folder = j->folder, .images = j->images, .pixels = T2I_PICTURE};
    if (j->options->weights != NULL) {
        T2I_TRY(t2i_resnet_weights_load(&j->net, j->options->weights, j->encoder.weights, err));
        j->dim = j->kind.features = T2I_RESNET_FEATURES;
    }
    /* what else a picture's result depends on: the numbers' order, the version, and the kernels */
    static const uint32_t order = 0x01020304;
    T2I_TRY(t2i_text_addf(&key, err, T2I_DATA_TOOL " %d %s %s %d %s", T2I_SIDE, j->options->encoder,
                          j->encoder.weights, *(const char *)&order,
                          j->net == NULL ? "" : t2i_blas_core()));
    t2i_hash_hex(key.data, key.size, j->kind.key);
    t2i_text_free(&key);
    return T2I_OK;
}

/* Collective. Rank 0's names to all. */
static t2i_status share_names(job *j, t2i_comm *comm, t2i_error *err)
{
    uint64_t size = j->names.text.size;
    t2i_comm_bcast(comm, 0, &size, sizeof size);
    char *text = t2i_alloc((size_t)size + 1, 1);
    t2i_status mine =
        text == NULL ? t2i_fail_memory(err, (size_t)size, "the pictures' names") : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        if (t2i_comm_rank(comm) == 0 && size > 0) memcpy(text, j->names.text.data, (size_t)size);
        t2i_comm_bcast(comm, 0, text, (size_t)size);
        for (const char *at = text; mine == T2I_OK && at < text + size; at += strlen(at) + 1) {
            size_t number;
            if (t2i_comm_rank(comm) != 0) mine = t2i_string_table_add(&j->names, at, &number, err);
        }
        status = t2i_comm_agree(comm, mine, err);
    }
    t2i_free(text);
    return status;
}

/* Collective. Programs with different options under one launcher would wait for one another. */
static t2i_status check_alike(const job *j, t2i_comm *comm, t2i_error *err)
{
    const t2i_build_options *o = j->options;
    char digest[T2I_HEX];
    t2i_text text = {0};
    t2i_status mine =
        t2i_text_addf(&text, err, "%s\n%s\n%s\n%s\n%s\n%s\n%zu %d %d %.17g %llu", o->pairs,
                      o->images, o->features, o->out, o->encoder, o->weights, o->dim, o->skip_bad,
                      o->resume, o->validation, (unsigned long long)o->seed);
    t2i_hash_hex(text.data, text.size, digest);
    t2i_text_free(&text);
    if (!t2i_comm_same(comm, digest, sizeof digest) && mine == T2I_OK)
        mine = t2i_fail(err, T2I_USAGE, "the ranks were started with different options");
    return mine;
}

/* Collective. */
static t2i_status take_pictures(job *j, t2i_comm *comm, t2i_error *err)
{
    T2I_TRY(t2i_comm_agree(comm, open_encoder(j, err), err));
    T2I_TRY(t2i_comm_agree(
        comm, t2i_comm_rank(comm) == 0 ? t2i_build_journal_lock(j->folder, &j->lock, err) : T2I_OK,
        err));
    T2I_TRY(share_names(j, comm, err));
    if (j->names.count == 0) return T2I_OK; /* all rows are bad: judged later */
    return t2i_encode_images(comm, &j->kind, &j->names, j->net, j->options->resume, err);
}

/* ---- ready features: rank 0 ---- */

/* The tensor of a picture: by its name as given, its last part, that without extension. */
static size_t find_tensor(const job *j, const char *name)
{
    char stem[4096];
    const char *slash = strrchr(name, '/'), *last = slash == NULL ? name : slash + 1;
    size_t found = t2i_string_table_find(&j->stems, name);
    if (found == SIZE_MAX) found = t2i_string_table_find(&j->stems, last);
    const char *dot = strrchr(last, '.');
    if (found != SIZE_MAX || dot == NULL || dot == last || strlen(last) >= sizeof stem)
        return found;
    snprintf(stem, sizeof stem, "%.*s", (int)(dot - last), last);
    return t2i_string_table_find(&j->stems, stem);
}

static t2i_status check_features(job *j, const t2i_tensor_info *tensor, t2i_error *why)
{
    if (tensor->count == 0 || tensor->count > 65536)
        return t2i_fail(why, T2I_DATA, "its features are %llu numbers, not 1 to 65,536",
                        (unsigned long long)tensor->count);
    if (j->dim != 0 && tensor->count != j->dim)
        return t2i_fail(why, T2I_DATA, "its features are %llu numbers, but those before are %zu",
                        (unsigned long long)tensor->count, j->dim);
    float *value = t2i_alloc((size_t)tensor->count, sizeof *value);
    if (value == NULL) return t2i_fail_memory(why, (size_t)tensor->count * 4, "features");
    t2i_status status = t2i_tensors_floats(j->tensors, tensor, value, why);
    for (size_t i = 0; status == T2I_OK && i < tensor->count; i++)
        if (!isfinite(value[i]))
            status = t2i_fail(why, T2I_DATA, "number %zu of its features is not finite", i);
    t2i_free(value);
    if (status == T2I_OK) j->dim = (size_t)tensor->count;
    return status;
}

static t2i_status take_features(job *j, size_t name, t2i_error *why)
{
    const char *text = t2i_string_table_at(&j->names, name);
    size_t found = find_tensor(j, text);
    if (found == SIZE_MAX)
        return t2i_fail(why, T2I_DATA, "%s has no features for %s", j->options->features, text);
    j->tensor[name] = found;
    return check_features(j, t2i_tensors_at(j->tensors, found), why);
}

static t2i_status read_features(job *j, t2i_error *err)
{
    t2i_progress progress;
    T2I_TRY(t2i_tensors_open(&j->tensors, j->options->features, err));
    for (size_t i = 0; i < t2i_tensors_count(j->tensors); i++) {
        size_t number;
        T2I_TRY(t2i_string_table_add(&j->stems, t2i_tensors_at(j->tensors, i)->name, &number, err));
        T2I_ASSERT(number == i); /* names are distinct in a sound file */
    }
    t2i_progress_begin(&progress, "reading features");
    for (size_t i = 0; i < j->names.count; i++) {
        t2i_error why = {0};
        t2i_status status = take_features(j, i, &why);
        if (status != T2I_OK && status != T2I_DATA) {
            *err = why;
            return status;
        }
        if (status == T2I_DATA && (j->reason[i] = t2i_strdup(why.text)) == NULL)
            return t2i_fail_memory(err, sizeof why.text, "a message");
        t2i_progress_at(&progress, (double)(i + 1) / (double)j->names.count);
    }
    t2i_progress_end(&progress);
    return T2I_OK;
}

static t2i_status open_parts(job *j, t2i_error *err)
{
    T2I_TRY(t2i_build_journal_open(&j->parts, &j->kind, &j->names, 0, err));
    for (size_t i = 0; i < j->names.count; i++) {
        int state = t2i_build_journal_state(j->parts, i);
        if (state < 0) T2I_TRY(t2i_build_journal_reason(j->parts, i, &j->reason[i], err));
        if (state == 0)
            return t2i_fail(err, T2I_IO,
                            "%s does not show what another rank wrote of %s: is it on a file "
                            "system that all nodes share?",
                            j->folder, t2i_string_table_at(&j->names, i));
    }
    return T2I_OK;
}

/* ---- rows become pairs: rank 0 ---- */

/* A picture is in one group, or in none that was said. */
static t2i_status use_group(job *j, const t2i_pair_row *row, size_t name, t2i_error *why)
{
    if (row->group == T2I_NO_GROUP) return T2I_OK;
    size_t group;
    T2I_TRY(t2i_string_table_add(&j->groups, j->list.text.data + row->group, &group, why));
    if (j->group[name] == 0) {
        j->group[name] = group + 1;
        j->line[name] = row->line;
    }
    if (j->group[name] == group + 1) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "%s is in group %s here, but in %s in line %zu",
                    j->list.text.data + row->image, j->list.text.data + row->group,
                    t2i_string_table_at(&j->groups, j->group[name] - 1), j->line[name]);
}

static t2i_status use_row(job *j, size_t i, t2i_error *why)
{
    const t2i_pair_row *row = &j->list.row[i];
    const char *text = j->list.text.data;
    size_t name = j->picture[i];
    T2I_TRY(use_group(j, row, name, why));
    if (j->number[name] == 0) {
        j->name[j->set.images] = name;
        T2I_TRY(t2i_pair_set_image(&j->set, text + row->image, UINT32_MAX, why));
        j->number[name] = j->set.images;
    }
    return t2i_pair_set_pair(&j->set, text + row->prompt, row->prompt_size, j->number[name] - 1,
                             row->row, row->split < 0 ? T2I_TRAIN : row->split, why);
}

static t2i_status use_rows(job *j, t2i_error *err)
{
    for (size_t i = 0; i < j->list.count; i++) {
        const t2i_pair_row *row = &j->list.row[i];
        size_t name = j->picture[i], rows = 1;
        t2i_error why = {0};
        t2i_status status = T2I_OK;
        const char *reason = j->reason[name];
        if (reason == NULL) {
            status = use_row(j, i, &why);
            reason = why.text;
        } else {
            rows = j->rows[name];
            j->rows[name] = 0; /* told of once */
            status = T2I_DATA;
        }
        if (status == T2I_DATA && rows > 0)
            T2I_TRY(
                t2i_pairs_bad(&j->list, j->options->pairs, row->line, row->row, rows, reason, err));
        if (status != T2I_OK && status != T2I_DATA) {
            *err = why;
            return status;
        }
    }
    return T2I_OK;
}

/* Pictures of one group get one number; a picture without a group gets its own. */
static t2i_status number_groups(job *j, t2i_error *err)
{
    uint32_t next = 0, *of_group = t2i_alloc(j->groups.count, sizeof *of_group); /* + 1 */
    if (of_group == NULL) return t2i_fail_memory(err, j->groups.count * 4, "groups");
    for (size_t i = 0; i < j->set.images; i++) {
        size_t said = j->group[j->name[i]];
        if (said == 0)
            j->set.group[i] = next++;
        else if (of_group[said - 1] != 0)
            j->set.group[i] = of_group[said - 1] - 1;
        else
            of_group[said - 1] = (j->set.group[i] = next++) + 1;
    }
    t2i_free(of_group);
    return T2I_OK;
}

/* ---- bad rows ---- */

/* All of them in OUT.bad.tsv; one of an earlier build is removed when there are none. */
static t2i_status report_bad(const job *j, t2i_error *err)
{
    static const char head[] = "line\trow\treason\n";
    t2i_text path = {0}, text = {0};
    t2i_status status = t2i_text_addf(&path, err, "%s.bad.tsv", j->options->out);
    if (status == T2I_OK && j->list.reported == 0) {
        unlink(path.data);
    } else if (status == T2I_OK) {
        status = t2i_text_add(&text, head, sizeof head - 1, err);
        if (status == T2I_OK)
            status = t2i_text_add(&text, j->list.report.data, j->list.report.size, err);
        if (status == T2I_OK) status = t2i_fs_write(path.data, text.data, text.size, err);
        if (status == T2I_OK && j->list.reported > T2I_BAD_SHOWN)
            t2i_log_warn("... and %zu more like these: %s names them all",
                         j->list.reported - T2I_BAD_SHOWN, path.data);
    }
    t2i_text_free(&path);
    t2i_text_free(&text);
    return status;
}

static t2i_status judge_rows(const job *j, t2i_error *err)
{
    const char *pairs = j->options->pairs;
    size_t rows = j->list.rows, bad = j->list.bad;
    T2I_TRY(report_bad(j, err));
    if (j->set.pairs == 0)
        return t2i_fail(err, T2I_DATA,
                        "%s: all %zu rows are bad (named above, and in %s.bad.tsv)%s", pairs, rows,
                        j->options->out,
                        !has_pictures(j) || j->options->images != NULL || j->list.count == 0
                            ? ""
                            : "; --images FOLDER says where the pictures are");
    if (bad > 0 && !j->options->skip_bad)
        return t2i_fail(err, T2I_DATA,
                        "%s: %zu of %zu rows are bad (named above, and in %s.bad.tsv); mend them, "
                        "or leave them out with --skip-bad%s",
                        pairs, bad, rows, j->options->out,
                        has_pictures(j) ? "; --resume keeps the pictures done so far" : "");
    if (bad > 0)
        t2i_log_note("%s: %zu of %zu rows are bad and left out; %s.bad.tsv names them", pairs, bad,
                     rows, j->options->out);
    return T2I_OK;
}

/* ---- the dataset: rank 0 ---- */

static t2i_status put_features(const job *j, t2i_dataset_out *out, t2i_error *err)
{
    float *value = t2i_alloc(j->dim, sizeof *value);
    if (value == NULL) return t2i_fail_memory(err, j->dim * sizeof *value, "features");
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < j->set.images; i++) {
        status = t2i_tensors_floats(j->tensors, t2i_tensors_at(j->tensors, j->tensor[j->name[i]]),
                                    value, err);
        if (status == T2I_OK) status = t2i_dataset_put_features(out, 1, value, err);
    }
    t2i_free(value);
    return status;
}

static t2i_status write_features(const job *j, const t2i_pairs *pairs, t2i_error *err)
{
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    t2i_dataset_out *out;
    if (memchr(pairs->split, T2I_TRAIN, pairs->pairs) == NULL)
        t2i_log_warn("no pair is of the split train: this dataset is good for evaluation only");
    T2I_TRY(t2i_dataset_create(&out, j->options->out, T2I_DATA_TOOL, pairs, j->dim, &encoder, err));
    t2i_status status = put_features(j, out, err);
    if (status == T2I_OK) return t2i_dataset_commit(out, err);
    t2i_dataset_drop(out);
    return status;
}

static t2i_status read_parts(void *context, size_t first, size_t count, uint8_t *pixels,
                             float *features, t2i_error *err)
{
    const job *j = context;
    for (size_t i = 0; i < count; i++)
        T2I_TRY(t2i_build_journal_read(j->parts, j->name[first + i], pixels + i * T2I_PICTURE,
                                       features == NULL ? NULL : features + i * j->dim, err));
    return T2I_OK;
}

static t2i_status write_dataset(job *j, t2i_error *err)
{
    const t2i_build_options *o = j->options;
    const t2i_pictures pictures = {read_parts, j};
    T2I_TRY(number_groups(j, err));
    T2I_TRY(t2i_holdout_log(&j->set, err));
    if (has_pictures(j) && j->list.splits == 0)
        T2I_TRY(t2i_holdout_split(&j->set, &pictures, o->validation < 0 ? 0.1 : o->validation,
                                  o->seed, err));
    const t2i_pairs pairs = t2i_pair_set_view(&j->set);
    if (!has_pictures(j))
        T2I_TRY(write_features(j, &pairs, err));
    else if (j->net == NULL)
        T2I_TRY(t2i_encode_dataset_pca(o->out, &pairs, &pictures, o->dim, err));
    else
        T2I_TRY(t2i_encode_dataset_ready(o->out, &pairs, &pictures, &j->encoder, j->dim, err));
    t2i_log_note("wrote %s: %zu pairs, %zu pictures", o->out, pairs.pairs, pairs.images);
    return T2I_OK;
}

static t2i_status finish(job *j, t2i_error *err)
{
    T2I_TRY(has_pictures(j) ? open_parts(j, err) : read_features(j, err));
    T2I_TRY(use_rows(j, err));
    T2I_TRY(judge_rows(j, err));
    return write_dataset(j, err);
}

/* What is done stays for --resume, when the build did not come to its end; only what holds no
 * picture that can be used is removed. */
static void leave_parts(const job *j, t2i_status status)
{
    int worth = j->parts == NULL;
    for (size_t i = 0; !worth && i < j->names.count; i++)
        worth = t2i_build_journal_state(j->parts, i) == 1;
    if (status == T2I_OK || !worth) t2i_build_journal_remove(j->folder);
}

/* ---- */

static void free_job(job *j)
{
    t2i_build_journal_close(j->parts);
    t2i_pairs_free(&j->list);
    t2i_pair_set_free(&j->set);
    for (size_t i = 0; j->reason != NULL && i < j->names.count; i++) t2i_free(j->reason[i]);
    t2i_free(j->picture);
    t2i_free(j->reason);
    t2i_free(j->rows);
    t2i_free(j->number);
    t2i_free(j->group);
    t2i_free(j->line);
    t2i_free(j->tensor);
    t2i_free(j->name);
    t2i_free(j->folder);
    t2i_free(j->images);
    t2i_string_table_free(&j->names);
    t2i_string_table_free(&j->groups);
    t2i_string_table_free(&j->stems);
    t2i_tensors_close(j->tensors);
    t2i_resnet_free(j->net);
    if (j->lock >= 0) close(j->lock);
}

/* Collective. */
static t2i_status build(job *j, t2i_comm *comm, t2i_error *err)
{
    int root = t2i_comm_rank(comm) == 0;
    T2I_TRY(t2i_comm_agree(comm, check_alike(j, comm, err), err));
    T2I_TRY(t2i_comm_agree(comm, root ? read_pairs(j, err) : T2I_OK, err));
    t2i_status status = has_pictures(j) ? take_pictures(j, comm, err) : T2I_OK;
    if (status == T2I_OK) status = t2i_comm_agree(comm, root ? finish(j, err) : T2I_OK, err);
    if (root && j->lock >= 0 && has_pictures(j)) leave_parts(j, status);
    return status;
}

t2i_status t2i_build(t2i_comm *comm, const t2i_build_options *options, t2i_error *err)
{
    job j = {.options = options, .lock = -1};
    t2i_status status = build(&j, comm, err);
    free_job(&j);
    return status;
}
