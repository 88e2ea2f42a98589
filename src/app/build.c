#include "t2i/build.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t2i/encode.h"
#include "t2i/fs.h"
#include "t2i/image.h"
#include "t2i/log.h"
#include "t2i/mem.h"
#include "t2i/names.h"
#include "t2i/pairs.h"
#include "t2i/progress.h"
#include "t2i/safetensors.h"

typedef struct {
    const t2i_build_options *options;
    t2i_pair_list list;
    t2i_pair_set set;
    size_t bad, good;
    t2i_progress progress;

    /* each distinct picture of the list */
    t2i_names names;
    char **reason;  /* why it cannot be used; NULL: it can */
    size_t *number; /* its number in the dataset, when it can */
    size_t *line;   /* where its group was first said */
    size_t *group;  /* number of that group in groups + 1; 0: not said */
    size_t room;
    t2i_names groups;

    /* pictures */
    char *folder;
    int spool; /* their pixels in a file without a name, as they are needed several times */

    /* ready features */
    t2i_st *st;
    t2i_names tensors;
    size_t *tensor; /* of each picture of the dataset */
    size_t features;
} job;

/* ---- the spool ---- */

/* Beside the dataset, where there must be room anyway; unlinked at once, so that nothing is left
 * however this ends. */
static t2i_status open_spool(job *j, t2i_error *err)
{
    t2i_text name = {0};
    T2I_TRY(t2i_text_addf(&name, err, "%s.pixels.XXXXXX", j->options->out));
    j->spool = mkstemp(name.data);
    int why = errno;
    if (j->spool >= 0) unlink(name.data);
    t2i_text_free(&name);
    if (j->spool >= 0) return T2I_OK;
    return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: %s", j->options->out, strerror(why));
}

static t2i_status write_spool(job *j, size_t picture, const uint8_t *pixels, t2i_error *err)
{
    off_t at = (off_t)(picture * T2I_PICTURE);
    for (size_t done = 0; done < T2I_PICTURE;) {
        ssize_t wrote = pwrite(j->spool, pixels + done, T2I_PICTURE - done, at + (off_t)done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0)
            return t2i_fail(err, T2I_IO, "cannot keep pictures beside %s: %s", j->options->out,
                            strerror(errno));
        done += (size_t)wrote;
    }
    return T2I_OK;
}

static t2i_status read_spool(void *context, size_t first, size_t count, uint8_t *pixels,
                             t2i_error *err)
{
    const job *j = context;
    off_t at = (off_t)(first * T2I_PICTURE);
    for (size_t done = 0, size = count * T2I_PICTURE; done < size;) {
        ssize_t got = pread(j->spool, pixels + done, size - done, at + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return t2i_fail(err, T2I_IO, "cannot read back pictures kept beside %s: %s",
                            j->options->out, got == 0 ? "the file ended" : strerror(errno));
        done += (size_t)got;
    }
    return T2I_OK;
}

/* ---- a picture, or its features: T2I_OK, or why this one cannot be used ---- */

static t2i_status take_picture(job *j, const char *name, t2i_error *why)
{
    t2i_image whole, fitted = {0};
    char *path = t2i_fs_join(j->folder, name);
    if (path == NULL) return t2i_fail_memory(why, strlen(name), "a file name");
    t2i_status status = t2i_image_read(&whole, path, why);
    t2i_free(path);
    if (status == T2I_OK) status = t2i_image_fit(&fitted, &whole, T2I_SIDE, T2I_SIDE, why);
    t2i_image_free(&whole);
    if (status != T2I_OK) return status == T2I_SYSTEM || status == T2I_BUG ? status : T2I_DATA;
    status = write_spool(j, j->set.images, fitted.rgb, why);
    t2i_image_free(&fitted);
    return status;
}

/* The tensor of a picture: by its name as given, its last part, that without extension. */
static size_t find_tensor(const job *j, const char *name)
{
    char stem[4096];
    const char *slash = strrchr(name, '/'), *last = slash == NULL ? name : slash + 1;
    size_t found = t2i_names_find(&j->tensors, name);
    if (found == SIZE_MAX) found = t2i_names_find(&j->tensors, last);
    const char *dot = strrchr(last, '.');
    if (found != SIZE_MAX || dot == NULL || dot == last || strlen(last) >= sizeof stem)
        return found;
    snprintf(stem, sizeof stem, "%.*s", (int)(dot - last), last);
    return t2i_names_find(&j->tensors, stem);
}

static t2i_status check_features(job *j, const t2i_st_tensor *tensor, t2i_error *why)
{
    if (tensor->count == 0 || tensor->count > 65536)
        return t2i_fail(why, T2I_DATA, "its features are %llu numbers, not 1 to 65,536",
                        (unsigned long long)tensor->count);
    if (j->features != 0 && tensor->count != j->features)
        return t2i_fail(why, T2I_DATA, "its features are %llu numbers, but those before are %zu",
                        (unsigned long long)tensor->count, j->features);
    float *value = t2i_alloc((size_t)tensor->count, sizeof *value);
    if (value == NULL) return t2i_fail_memory(why, (size_t)tensor->count * 4, "features");
    t2i_status status = t2i_st_floats(j->st, tensor, value, why);
    for (size_t i = 0; status == T2I_OK && i < tensor->count; i++)
        if (!isfinite(value[i]))
            status = t2i_fail(why, T2I_DATA, "number %zu of its features is not finite", i);
    t2i_free(value);
    if (status == T2I_OK) j->features = (size_t)tensor->count;
    return status;
}

static t2i_status take_features(job *j, const char *name, t2i_error *why)
{
    size_t found = find_tensor(j, name);
    if (found == SIZE_MAX)
        return t2i_fail(why, T2I_DATA, "%s has no features for %s", j->options->features, name);
    T2I_TRY(check_features(j, t2i_st_at(j->st, found), why));
    j->tensor[j->set.images] = found;
    return T2I_OK;
}

static t2i_status open_features(job *j, t2i_error *err)
{
    T2I_TRY(t2i_st_open(&j->st, j->options->features, err));
    for (size_t i = 0; i < t2i_st_tensors(j->st); i++) {
        size_t number;
        T2I_TRY(t2i_names_add(&j->tensors, t2i_st_at(j->st, i)->name, &number, err));
        T2I_ASSERT(number == i); /* names are distinct in a sound file */
    }
    j->tensor = t2i_alloc(j->list.count, sizeof *j->tensor);
    return j->tensor != NULL ? T2I_OK
                             : t2i_fail_memory(err, j->list.count * sizeof *j->tensor, "pictures");
}

/* ---- rows ---- */

static t2i_status make_room(job *j, t2i_error *err)
{
    size_t old = j->room, room = 2 * old + 64;
    if (j->names.count <= old) return T2I_OK;
    if (t2i_grow(&j->reason, old, room, sizeof *j->reason) != 0 ||
        t2i_grow(&j->number, old, room, sizeof *j->number) != 0 ||
        t2i_grow(&j->line, old, room, sizeof *j->line) != 0 ||
        t2i_grow(&j->group, old, room, sizeof *j->group) != 0)
        return t2i_fail_memory(err, room * sizeof *j->reason, "the pictures");
    j->room = room;
    return T2I_OK;
}

/* The number of the row's picture among the names; read when it is new. T2I_DATA: it cannot be
 * used. */
static t2i_status use_picture(job *j, const char *name, size_t *known, t2i_error *why)
{
    size_t before = j->names.count;
    T2I_TRY(t2i_names_add(&j->names, name, known, why));
    T2I_TRY(make_room(j, why));
    if (j->names.count > before) {
        t2i_status status =
            j->st == NULL ? take_picture(j, name, why) : take_features(j, name, why);
        if (status == T2I_DATA && (j->reason[*known] = t2i_strdup(why->text)) == NULL)
            return t2i_fail_memory(why, sizeof why->text, "a message");
        if (status != T2I_OK) return status;
        j->number[*known] = j->set.images;
        return t2i_pair_set_image(&j->set, name, UINT32_MAX, why);
    }
    if (j->reason[*known] == NULL) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "%s", j->reason[*known]);
}

/* A picture is in one group, or in none that was said. */
static t2i_status use_group(job *j, const t2i_pair_row *row, size_t known, t2i_error *why)
{
    if (row->group == T2I_NO_GROUP) return T2I_OK;
    size_t group;
    T2I_TRY(t2i_names_add(&j->groups, j->list.text.data + row->group, &group, why));
    if (j->group[known] == 0) {
        j->group[known] = group + 1;
        j->line[known] = row->line;
    }
    if (j->group[known] == group + 1) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "%s is in group %s here, but in %s in line %zu",
                    j->list.text.data + row->image, j->list.text.data + row->group,
                    t2i_names_at(&j->groups, j->group[known] - 1), j->line[known]);
}

static t2i_status use_row(job *j, const t2i_pair_row *row, t2i_error *why)
{
    const char *text = j->list.text.data;
    size_t known;
    T2I_TRY(use_picture(j, text + row->image, &known, why));
    T2I_TRY(use_group(j, row, known, why));
    return t2i_pair_set_pair(&j->set, text + row->prompt, row->prompt_size, j->number[known],
                             row->row, row->split < 0 ? T2I_TRAIN : row->split, why);
}

static t2i_status use_rows(job *j, t2i_error *err)
{
    j->bad = j->list.bad;
    t2i_progress_begin(&j->progress, j->st == NULL ? "reading pictures" : "reading features");
    for (size_t i = 0; i < j->list.count; i++) {
        t2i_error why = {0};
        const t2i_pair_row *row = &j->list.row[i];
        t2i_status status = use_row(j, row, &why);
        if (status == T2I_DATA) {
            t2i_pairs_warn(j->options->pairs, row->line, row->row, why.text);
            j->bad++;
        } else if (status != T2I_OK) {
            *err = why;
            return status;
        }
        t2i_progress_at(&j->progress, (double)(i + 1) / (double)j->list.count);
    }
    t2i_progress_end(&j->progress);
    return T2I_OK;
}

/* Pictures of one group get one number; a picture without a group gets its own. */
static t2i_status number_groups(job *j, t2i_error *err)
{
    uint32_t next = 0, *of_group = t2i_alloc(j->groups.count, sizeof *of_group); /* + 1 */
    if (of_group == NULL) return t2i_fail_memory(err, j->groups.count * 4, "groups");
    for (size_t i = 0; i < j->names.count; i++) {
        if (j->reason[i] != NULL) continue;
        uint32_t *group = &j->set.group[j->number[i]];
        if (j->group[i] == 0)
            *group = next++;
        else if (of_group[j->group[i] - 1] != 0)
            *group = of_group[j->group[i] - 1] - 1;
        else
            of_group[j->group[i] - 1] = (*group = next++) + 1;
    }
    t2i_free(of_group);
    return T2I_OK;
}

static t2i_status judge_rows(const job *j, t2i_error *err)
{
    const char *pairs = j->options->pairs;
    size_t rows = j->list.rows;
    if (rows == 0) return t2i_fail(err, T2I_DATA, "%s holds no pairs", pairs);
    if (j->set.pairs == 0)
        return t2i_fail(
            err, T2I_DATA, "%s: all %zu rows are bad (named above)%s", pairs, rows,
            j->options->features != NULL ? "" : "; --images FOLDER says where the pictures are");
    if (j->bad > 0 && !j->options->skip_bad)
        return t2i_fail(err, T2I_DATA,
                        "%s: %zu of %zu rows are bad (named above); mend them, or leave them out "
                        "with --skip-bad",
                        pairs, j->bad, rows);
    if (j->bad > 0) t2i_log_note("%s: %zu of %zu rows are bad and left out", pairs, j->bad, rows);
    return T2I_OK;
}

/* ---- the dataset ---- */

static t2i_status put_features(const job *j, t2i_dataset_out *out, t2i_error *err)
{
    float *value = t2i_alloc(j->features, sizeof *value);
    if (value == NULL) return t2i_fail_memory(err, j->features * sizeof *value, "features");
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < j->set.images; i++) {
        status = t2i_st_floats(j->st, t2i_st_at(j->st, j->tensor[i]), value, err);
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
    T2I_TRY(t2i_dataset_create(&out, j->options->out, T2I_DATA_TOOL, pairs, j->features, &encoder,
                               err));
    t2i_status status = put_features(j, out, err);
    if (status == T2I_OK) return t2i_dataset_commit(out, err);
    t2i_dataset_drop(out);
    return status;
}

static t2i_status write_dataset(job *j, t2i_error *err)
{
    T2I_TRY(number_groups(j, err));
    const t2i_pairs pairs = t2i_pair_set_view(&j->set);
    const t2i_pictures pictures = {read_spool, j};
    if (j->st != NULL)
        T2I_TRY(write_features(j, &pairs, err));
    else
        T2I_TRY(t2i_encode_pca(j->options->out, &pairs, &pictures, j->options->dim, err));
    t2i_log_note("%s: %zu pairs, %zu pictures", j->options->out, pairs.pairs, pairs.images);
    return T2I_OK;
}

/* ---- */

/* The dataset must not take the place of what it is made from. */
static t2i_status check_options(const t2i_build_options *options, t2i_error *err)
{
    struct stat out, in;
    const char *inputs[] = {options->pairs, options->features};
    if (options->pairs == NULL)
        return t2i_fail(err, T2I_USAGE,
                        "build needs --pairs FILE: the list of prompts and pictures");
    if (options->features != NULL && options->images != NULL)
        return t2i_fail(err, T2I_USAGE,
                        "--features excludes --images: ready features need no pictures");
    if (stat(options->out, &out) != 0) return T2I_OK;
    if (S_ISDIR(out.st_mode))
        return t2i_fail(err, T2I_CANTCREATE, "cannot create %s: it is a folder", options->out);
    for (size_t i = 0; i < 2; i++)
        if (inputs[i] != NULL && stat(inputs[i], &in) == 0 && in.st_dev == out.st_dev &&
            in.st_ino == out.st_ino)
            return t2i_fail(err, T2I_USAGE, "--out would overwrite the input %s: name another file",
                            inputs[i]);
    return T2I_OK;
}

static t2i_status find_folder(job *j, t2i_error *err)
{
    const char *slash = strrchr(j->options->pairs, '/');
    const char *from = j->options->images != NULL ? j->options->images : j->options->pairs;
    if (j->options->images != NULL && !t2i_fs_is_folder(from))
        return t2i_fail(err, T2I_NOINPUT, "the folder of pictures %s is not there", from);
    j->folder = t2i_strdup(from);
    if (j->folder == NULL) return t2i_fail_memory(err, strlen(from), "a folder's name");
    if (j->options->images == NULL) j->folder[slash == NULL ? 0 : slash - from + 1] = '\0';
    return T2I_OK;
}

static t2i_status build(job *j, t2i_error *err)
{
    T2I_TRY(check_options(j->options, err));
    if (j->options->features == NULL) T2I_TRY(find_folder(j, err));
    T2I_TRY(t2i_pairs_read(&j->list, j->options->pairs, err));
    T2I_TRY(j->options->features != NULL ? open_features(j, err) : open_spool(j, err));
    T2I_TRY(use_rows(j, err));
    T2I_TRY(judge_rows(j, err));
    return write_dataset(j, err);
}

t2i_status t2i_build(const t2i_build_options *options, t2i_error *err)
{
    job j = {.options = options, .spool = -1};
    t2i_status status = build(&j, err);
    t2i_pairs_free(&j.list);
    t2i_pair_set_free(&j.set);
    for (size_t i = 0; i < j.room; i++) t2i_free(j.reason[i]);
    t2i_free(j.reason);
    t2i_free(j.number);
    t2i_free(j.line);
    t2i_free(j.group);
    t2i_free(j.tensor);
    t2i_free(j.folder);
    t2i_names_free(&j.names);
    t2i_names_free(&j.groups);
    t2i_names_free(&j.tensors);
    t2i_st_close(j.st);
    if (j.spool >= 0) close(j.spool);
    return status;
}
