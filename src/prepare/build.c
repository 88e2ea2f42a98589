#include "prepare/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataset/dataset_writer.h"
#include "prepare/encode_dataset.h"
#include "base/commit.h"
#include "base/fs.h"
#include "base/hash.h"
#include "prepare/holdout.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/string_table.h"
#include "image/image.h"
#include "lists/pairs.h"
#include "prepare/source.h"
#include "prepare/build_journal.h"
#include "base/progress.h"
#include "prepare/encode_images.h"
#include "prepare/encode_shards.h"
#include "prepare/ready_features.h"
#include "prepare/webdataset.h"
#include "prepare/resnet_weights.h"

typedef struct {
    const t2i_build_options *options;
    t2i_source source;      /* every rank */
    t2i_string_table paths; /* every rank: shards of a WebDataset */
    t2i_shards shards;      /* every rank */
    t2i_string_table names; /* every rank: distinct pictures, in order of their first rows */

    /* with pictures: every rank */
    t2i_resnet *net;
    t2i_picture_form form;
    t2i_build_journal_kind kind;
    char *folder; /* owned: OUT.parts */
    int lock;     /* rank 0: lock of the folder; -1: not held */
    t2i_encoder_info encoder;

    /* rank 0 */
    t2i_pair_list list;
    size_t *picture; /* of each row of the list: index into names */
    t2i_pair_set set;
    t2i_string_table groups;
    t2i_build_journal *results;
    t2i_ready_features *ready;
    size_t dim; /* features per picture */

    /* for each name */
    char **reason;  /* why the picture cannot be used; NULL: it can */
    size_t *rows;   /* rows that name it */
    size_t *number; /* number in the dataset + 1; 0: not in a good row yet */
    size_t *group;  /* index into groups + 1; 0: not given */
    size_t *line;   /* line that gave the group first */

    size_t *name; /* for each picture of the dataset: index into names */
} builder;

static int has_pictures(const builder *b)
{
    return b->options->features == NULL && b->shards.features == 0;
}

/* Does the folder of journals have the results? Else they are in a file of features. */
static int has_journals(const builder *b)
{
    return b->options->features == NULL;
}

/* ---- options and rows: rank 0 ---- */

/* Refuses an output that is an input too, and one that cannot be created. */
static t2i_status check_out(const t2i_build_options *options, t2i_error *err)
{
    const char *inputs[] = {options->pairs, options->features, options->weights};
    char *folder = t2i_fs_copy_path(options->out, err),
         *slash = folder == NULL ? NULL : strrchr(folder, '/');
    if (folder == NULL) return T2I_SYSTEM;
    if (slash != NULL) slash[slash == folder] = '\0';
    int there = slash == NULL || t2i_fs_is_folder(folder);
    t2i_free(folder);
    if (!there)
        return t2i_fail(err, T2I_CANTCREATE,
                        "cannot create %s: its folder does not exist; make it first", options->out);
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        T2I_TRY(t2i_fs_keep_input(inputs[i], "--out", options->out, err));
    return T2I_OK;
}

static t2i_status check_options(const t2i_build_options *o, t2i_error *err)
{
    int resnet = strcmp(o->encoder, "resnet18") == 0;
    if (o->pairs == NULL)
        return t2i_fail(
            err, T2I_USAGE,
            "build needs --pairs SOURCE: a list of prompts and pictures, or their folder");
    if (o->features != NULL && o->images != NULL)
        return t2i_fail(
            err, T2I_USAGE,
            "--features and --images exclude each other: ready features need no pictures");
    if (o->features != NULL && (resnet || o->weights != NULL))
        return t2i_fail(
            err, T2I_USAGE,
            "--features excludes --encoder and --weights: ready features are stored unchanged");
    if (resnet && o->weights == NULL)
        return t2i_fail(err, T2I_USAGE,
                        "--encoder resnet18 needs --weights FILE: torchvision's resnet18-*.pth, or "
                        "a safetensors copy of it");
    if (!resnet && o->weights != NULL)
        return t2i_fail(err, T2I_USAGE, "--weights needs --encoder resnet18");
    T2I_TRY(check_out(o, err));
    return t2i_dataset_writer_may_replace(o->out, err);
}

/* Finds the distinct pictures of the rows. */
static t2i_status find_pictures(builder *b, t2i_error *err)
{
    b->picture = t2i_alloc(b->list.count, sizeof *b->picture);
    if (b->picture == NULL)
        return t2i_fail_memory(err, b->list.count * sizeof *b->picture, "the rows");
    for (size_t i = 0; i < b->list.count; i++)
        T2I_TRY(t2i_string_table_add(&b->names, b->list.text.data + b->list.row[i].image,
                                     &b->picture[i], err));
    size_t count = b->names.count;
    b->reason = t2i_alloc(count, sizeof *b->reason);
    b->rows = t2i_alloc(count, sizeof *b->rows);
    b->number = t2i_alloc(count, sizeof *b->number);
    b->group = t2i_alloc(count, sizeof *b->group);
    b->line = t2i_alloc(count, sizeof *b->line);
    b->name = t2i_alloc(count, sizeof *b->name);
    if (b->reason == NULL || b->rows == NULL || b->number == NULL || b->group == NULL ||
        b->line == NULL || b->name == NULL)
        return t2i_fail_memory(err, 6 * count * sizeof *b->rows, "the pictures");
    for (size_t i = 0; i < b->list.count; i++) b->rows[b->picture[i]]++;
    return T2I_OK;
}

static t2i_status find_source(builder *b, t2i_error *err)
{
    const t2i_build_options *o = b->options;
    T2I_TRY(check_options(o, err));
    T2I_TRY(t2i_source_find(&b->source, o->pairs, o->images, o->from, err));
    if (o->features != NULL) b->source.given = 1; /* no pictures need be looked for */
    return T2I_OK;
}

/* Checks the rows, from whatever source. */
static t2i_status use_list(builder *b, t2i_error *err)
{
    if (b->list.rows == 0) return t2i_fail(err, T2I_DATA, "%s holds no pairs", b->options->pairs);
    t2i_pairs_log(&b->list, b->options->pairs);
    if (b->list.splits > 0 && b->options->validation >= 0)
        return t2i_fail(err, T2I_USAGE,
                        "%s names the split of %zu rows: leave --validation out, which is for "
                        "lists without splits",
                        b->options->pairs, b->list.splits);
    return find_pictures(b, err);
}

static t2i_status read_pairs(builder *b, t2i_error *err)
{
    T2I_TRY(t2i_source_read(&b->source, &b->options->columns, &b->list, err));
    return use_list(b, err);
}

/* ---- pictures: every rank ---- */

/* The decoder, as floats, at most: a model that draws loads it. */
#define DECODER_MAX ((size_t)128 << 20)

/* What pictures become. The encoder decides what is not given: what a phone or a logo shows is
 * right for pca; the features of resnet18 are torchvision's, which ignores orientation and alpha.
 */
static t2i_status read_form(builder *b, t2i_error *err)
{
    const t2i_build_options *o = b->options;
    const int pca = strcmp(o->encoder, "pca") == 0;
    const char *background = o->background != NULL ? o->background : pca ? "white" : "none";
    const size_t side = o->size, dim = pca ? o->dim : T2I_RESNET_FEATURES;
    b->form = (t2i_picture_form){
        .side = side,
        .pad = strcmp(o->fit, "pad") == 0,
        .upright = o->orientation != NULL ? strcmp(o->orientation, "exif") == 0 : pca,
        .opaque = strcmp(background, "none") != 0,
        .background = {255, 255, 255}};
    if (b->form.opaque && !t2i_image_colour(background, b->form.background))
        return t2i_fail(err, T2I_USAGE,
                        "--background \"%s\" is neither white nor #rrggbb, black, grey or none",
                        background);
    if (dim * side * side * 3 > DECODER_MAX)
        return t2i_fail(err, T2I_USAGE,
                        "--size %zu with %zu features per picture makes a decoder of %zu MiB; at "
                        "most %zu MiB are allowed: lower --size or --dim",
                        side, dim, dim * side * side * 3 >> 18, DECODER_MAX >> 18);
    return T2I_OK;
}

static t2i_status find_folders(builder *b, t2i_error *err)
{
    const char *images = b->options->images;
    t2i_text folder = {0};
    if (images != NULL && !t2i_fs_is_folder(images))
        return t2i_fail(err, T2I_NOINPUT, "--images %s: no such folder", images);
    t2i_status status = t2i_text_addf(&folder, err, "%s.parts", b->options->out);
    b->folder = folder.data;
    return status;
}

static t2i_status open_encoder(builder *b, t2i_error *err)
{
    t2i_text key = {0};
    T2I_TRY(find_folders(b, err));
    const size_t side = b->form.side;
    b->encoder = (t2i_encoder_info){.height = side, .width = side, .scale = 1};
    snprintf(b->encoder.encoder, sizeof b->encoder.encoder, "%s", b->options->encoder);
    b->kind = (t2i_build_journal_kind){
        .folder = b->folder, .images = b->source.images, .pixels = side * side * 3};
    if (b->options->weights != NULL) {
        T2I_TRY(t2i_resnet_weights_load(&b->net, b->options->weights, b->encoder.weights, err));
        b->dim = b->kind.features = T2I_RESNET_FEATURES;
    }
    if (b->shards.features > 0) {
        b->dim = b->kind.features = b->shards.features;
        b->kind.pixels = 0;
    }
    /* what a result depends on besides its picture: byte order and version */
    static const uint32_t order = 0x01020304;
    T2I_TRY(t2i_text_addf(&key, err, T2I_DATA_TOOL " %zu %zu %d %d %d %02x%02x%02x %s %s %d", side,
                          b->shards.features, b->form.pad, b->form.upright, b->form.opaque,
                          b->form.background[0], b->form.background[1], b->form.background[2],
                          b->options->encoder, b->encoder.weights, *(const char *)&order));
    t2i_hash_hex(key.data, key.size, b->kind.key);
    t2i_text_free(&key);
    return T2I_OK;
}

/* Collective. Gives all ranks a copy of rank 0's bytes, with a terminator; the caller frees it. */
static t2i_status share_bytes(t2i_comm *comm, const char *bytes, uint64_t *size, char **out,
                              t2i_error *err)
{
    t2i_comm_bcast(comm, 0, size, sizeof *size);
    *out = t2i_alloc((size_t)*size + 1, 1);
    t2i_status mine =
        *out == NULL ? t2i_fail_memory(err, (size_t)*size, "the pictures' names") : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        if (t2i_comm_rank(comm) == 0 && *size > 0) memcpy(*out, bytes, (size_t)*size);
        t2i_comm_bcast(comm, 0, *out, (size_t)*size);
        return T2I_OK;
    }
    t2i_free(*out);
    *out = NULL;
    return status;
}

/* Collective. What rank 0 found out about the source. */
static t2i_status share_source(builder *b, t2i_comm *comm, t2i_error *err)
{
    char *images;
    uint64_t size = b->source.images == NULL ? 0 : strlen(b->source.images);
    T2I_TRY(share_bytes(comm, b->source.images, &size, &images, err));
    t2i_free(b->source.images);
    b->source.images = images;
    return T2I_OK;
}

/* Collective. Sends the table of rank 0 to all ranks. */
static t2i_status share_names(t2i_string_table *names, t2i_comm *comm, t2i_error *err)
{
    char *text;
    uint64_t size = names->text.size;
    t2i_status mine = T2I_OK;
    T2I_TRY(share_bytes(comm, names->text.data, &size, &text, err));
    for (const char *at = text; mine == T2I_OK && at < text + size; at += strlen(at) + 1) {
        size_t number;
        if (t2i_comm_rank(comm) != 0) mine = t2i_string_table_add(names, at, &number, err);
    }
    t2i_free(text);
    return t2i_comm_agree(comm, mine, err);
}

/* Collective. Ranks with different options would wait for each other forever. */
static t2i_status check_same_options(const builder *b, t2i_comm *comm, t2i_error *err)
{
    const t2i_build_options *o = b->options;
    char digest[T2I_HEX];
    t2i_text text = {0};
    t2i_status mine = t2i_text_addf(
        &text, err,
        "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s %s %s %zu\n%zu %d %d %.17g %llu", o->pairs,
        o->columns.prompt, o->columns.image, o->columns.split, o->columns.group, o->from, o->images,
        o->features, o->out, o->encoder, o->weights, o->fit, o->orientation, o->background, o->size,
        o->dim, o->skip_bad, o->resume, o->validation, (unsigned long long)o->seed);
    t2i_hash_hex(text.data, text.size, digest);
    t2i_text_free(&text);
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    if (!t2i_comm_same(comm, digest, sizeof digest))
        mine = t2i_fail(err, T2I_USAGE,
                        "the ranks were started with different options: give all of them the same "
                        "command line");
    return mine;
}

/* Collective. Loads the encoder, and opens the folder of the journals. */
static t2i_status begin_pictures(builder *b, t2i_comm *comm, t2i_error *err)
{
    T2I_TRY(t2i_comm_agree(comm, open_encoder(b, err), err));
    return t2i_comm_agree(
        comm, t2i_comm_rank(comm) == 0 ? t2i_build_journal_lock(b->folder, &b->lock, err) : T2I_OK,
        err);
}

/* Collective. */
static t2i_status encode_pictures(builder *b, t2i_comm *comm, t2i_error *err)
{
    T2I_TRY(begin_pictures(b, comm, err));
    T2I_TRY(share_names(&b->names, comm, err));
    if (b->names.count == 0) return T2I_OK; /* all rows are bad: reported later */
    return t2i_encode_images(comm, &b->kind, &b->names, &b->form, b->net, b->options->resume, err);
}

/* ---- shards of a WebDataset: every rank ---- */

static t2i_status find_shards(builder *b, t2i_error *err)
{
    const t2i_build_options *o = b->options;
    if (o->images != NULL || o->features != NULL)
        return t2i_fail(err, T2I_USAGE,
                        "--%s does not apply to a WebDataset, whose pictures or features are in "
                        "the shards",
                        o->images != NULL ? "images" : "features");
    if (o->columns.image != NULL || o->columns.split != NULL || o->columns.group != NULL)
        return t2i_fail(err, T2I_USAGE,
                        "a WebDataset has no columns of pictures, splits and groups: only "
                        "--prompt-column applies, a key of the .json members");
    return t2i_webdataset_find(&b->paths, o->pairs, err);
}

static t2i_status read_rows(builder *b, t2i_error *err)
{
    T2I_TRY(t2i_encode_shards_rows(&b->shards, &b->list, err));
    return use_list(b, err);
}

static t2i_status check_shards(const builder *b, t2i_error *err)
{
    const t2i_build_options *o = b->options;
    if (b->shards.features == 0 || (o->weights == NULL && o->validation < 0)) return T2I_OK;
    return t2i_fail(err, T2I_USAGE,
                    "%s holds ready features (.npy), which are stored unchanged: leave --%s out",
                    o->pairs, o->weights != NULL ? "encoder and --weights" : "validation");
}

/* Collective. Finds the shards, and what they hold. */
static t2i_status open_shards(builder *b, t2i_comm *comm, t2i_error *err)
{
    int root = t2i_comm_rank(comm) == 0;
    T2I_TRY(t2i_comm_agree(comm, root ? find_shards(b, err) : T2I_OK, err));
    T2I_TRY(share_names(&b->paths, comm, err));
    b->shards = (t2i_shards){.source = b->options->pairs,
                             .shards = &b->paths,
                             .common = t2i_webdataset_common(&b->paths),
                             .column = b->options->columns.prompt,
                             .resume = b->options->resume};
    size_t dim = 0;
    T2I_TRY(
        t2i_comm_agree(comm, root ? t2i_encode_shards_peek(&b->shards, &dim, err) : T2I_OK, err));
    t2i_comm_bcast(comm, 0, &dim, sizeof dim);
    b->shards.features = dim;
    return check_shards(b, err);
}

/* Collective. Encodes the pictures of all shards, and reads their prompts on the way. */
static t2i_status encode_shards(builder *b, t2i_comm *comm, t2i_error *err)
{
    T2I_TRY(open_shards(b, comm, err));
    T2I_TRY(begin_pictures(b, comm, err));
    b->shards.kind = &b->kind;
    b->shards.form = &b->form;
    b->shards.net = b->net;
    T2I_TRY(t2i_encode_shards(comm, &b->shards, err));
    return t2i_comm_agree(comm, t2i_comm_rank(comm) == 0 ? read_rows(b, err) : T2I_OK, err);
}

/* ---- ready features: rank 0 ---- */

static t2i_status read_features(builder *b, t2i_error *err)
{
    t2i_progress progress;
    T2I_TRY(t2i_ready_features_open(&b->ready, b->options->features, b->options->pairs, &b->names,
                                    &b->list, b->picture, err));
    t2i_progress_begin(&progress, "reading features");
    for (size_t i = 0; i < b->names.count; i++) {
        t2i_error why = {0};
        t2i_status status = t2i_ready_features_check(b->ready, i, &why);
        if (status != T2I_OK && status != T2I_DATA) {
            *err = why;
            return status;
        }
        if (status == T2I_DATA && (b->reason[i] = t2i_strdup(why.text)) == NULL)
            return t2i_fail_memory(err, sizeof why.text, "a message");
        t2i_progress_at(&progress, (double)(i + 1) / (double)b->names.count);
    }
    t2i_progress_end(&progress);
    b->dim = t2i_ready_features_width(b->ready);
    return T2I_OK;
}

static t2i_status open_journals(builder *b, t2i_error *err)
{
    T2I_TRY(t2i_build_journal_open(&b->results, &b->kind, &b->names, 0, err));
    for (size_t i = 0; i < b->names.count; i++) {
        int state = t2i_build_journal_state(b->results, i);
        if (state < 0) T2I_TRY(t2i_build_journal_reason(b->results, i, &b->reason[i], err));
        if (state == 0)
            return t2i_fail(
                err, T2I_IO,
                "%s lacks the result of another rank for %s: the folder must be on a file "
                "system that all nodes share",
                b->folder, t2i_string_table_at(&b->names, i));
    }
    return T2I_OK;
}

/* ---- rows become pairs: rank 0 ---- */

/* All rows of a picture that name a group must name the same. */
static t2i_status use_group(builder *b, const t2i_pair_row *row, size_t name, t2i_error *why)
{
    if (row->group == T2I_NO_GROUP) return T2I_OK;
    size_t group;
    T2I_TRY(t2i_string_table_add(&b->groups, b->list.text.data + row->group, &group, why));
    if (b->group[name] == 0) {
        b->group[name] = group + 1;
        b->line[name] = row->line;
    }
    if (b->group[name] == group + 1) return T2I_OK;
    return t2i_fail(why, T2I_DATA, "%s is in group %s here, but in group %s in line %zu",
                    b->list.text.data + row->image, b->list.text.data + row->group,
                    t2i_string_table_at(&b->groups, b->group[name] - 1), b->line[name]);
}

static t2i_status use_row(builder *b, size_t i, t2i_error *why)
{
    const t2i_pair_row *row = &b->list.row[i];
    const char *text = b->list.text.data;
    size_t name = b->picture[i];
    T2I_TRY(use_group(b, row, name, why));
    if (b->number[name] == 0) {
        b->name[b->set.images] = name;
        T2I_TRY(t2i_pairs_set_image(&b->set, text + row->image, UINT32_MAX, why));
        b->number[name] = b->set.images;
    }
    return t2i_pairs_set_pair(&b->set, text + row->prompt, row->prompt_size, b->number[name] - 1,
                              row->row, row->split < 0 ? T2I_TRAIN : row->split, why);
}

static t2i_status use_rows(builder *b, t2i_error *err)
{
    for (size_t i = 0; i < b->list.count; i++) {
        const t2i_pair_row *row = &b->list.row[i];
        size_t name = b->picture[i], rows = 1;
        t2i_error why = {0};
        t2i_status status = T2I_OK;
        const char *reason = b->reason[name];
        if (reason == NULL) {
            status = use_row(b, i, &why);
            reason = why.text;
        } else {
            rows = b->rows[name];
            b->rows[name] = 0; /* reported once */
            status = T2I_DATA;
        }
        if (status == T2I_DATA && rows > 0)
            T2I_TRY(
                t2i_pairs_bad(&b->list, b->options->pairs, row->line, row->row, rows, reason, err));
        if (status != T2I_OK && status != T2I_DATA) {
            *err = why;
            return status;
        }
    }
    return T2I_OK;
}

/* Pictures of one group get one number; a picture without a group gets its own. */
static t2i_status number_groups(builder *b, t2i_error *err)
{
    uint32_t next = 0, *of_group = t2i_alloc(b->groups.count, sizeof *of_group); /* + 1 */
    if (of_group == NULL) return t2i_fail_memory(err, b->groups.count * 4, "groups");
    for (size_t i = 0; i < b->set.images; i++) {
        size_t said = b->group[b->name[i]];
        if (said == 0)
            b->set.group[i] = next++;
        else if (of_group[said - 1] != 0)
            b->set.group[i] = of_group[said - 1] - 1;
        else
            of_group[said - 1] = (b->set.group[i] = next++) + 1;
    }
    t2i_free(of_group);
    return T2I_OK;
}

/* ---- bad rows ---- */

/* Writes all bad rows to OUT.bad.tsv, or removes that of an earlier build if there are none. */
static t2i_status report_bad(const builder *b, t2i_error *err)
{
    static const char head[] = "line\trow\treason\n";
    t2i_text path = {0}, text = {0};
    t2i_status status = t2i_text_addf(&path, err, "%s.bad.tsv", b->options->out);
    if (status == T2I_OK && b->list.reported == 0) {
        unlink(path.data);
    } else if (status == T2I_OK) {
        status = t2i_text_add(&text, head, sizeof head - 1, err);
        if (status == T2I_OK)
            status = t2i_text_add(&text, b->list.report.data, b->list.report.size, err);
        if (status == T2I_OK) status = t2i_commit_file(path.data, text.data, text.size, err);
        if (status == T2I_OK && b->list.reported > T2I_BAD_SHOWN)
            t2i_log_warn("... and %zu more; %s lists all of them", b->list.reported - T2I_BAD_SHOWN,
                         path.data);
    }
    t2i_text_free(&path);
    t2i_text_free(&text);
    return status;
}

static t2i_status check_bad_rows(const builder *b, t2i_error *err)
{
    const char *pairs = b->options->pairs;
    size_t rows = b->list.rows, bad = b->list.bad;
    T2I_TRY(report_bad(b, err));
    if (b->set.pairs == 0)
        return t2i_fail(err, T2I_DATA,
                        "%s: all %zu rows are bad (listed above and in %s.bad.tsv)%s", pairs, rows,
                        b->options->out,
                        !has_pictures(b) || b->options->images != NULL || b->list.count == 0 ||
                                b->source.kind == T2I_SOURCE_WEBDATASET
                            ? ""
                            : "; is --images FOLDER, the folder of the pictures, missing?");
    if (bad > 0 && !b->options->skip_bad)
        return t2i_fail(err, T2I_DATA,
                        "%s: %zu of %zu rows are bad (listed above and in %s.bad.tsv); correct "
                        "them, or leave them out with --skip-bad%s",
                        pairs, bad, rows, b->options->out,
                        has_journals(b) ? "; --resume reuses the pictures that are done" : "");
    if (bad > 0)
        t2i_log_note("%s: %zu of %zu rows are bad and left out; %s.bad.tsv lists them", pairs, bad,
                     rows, b->options->out);
    return T2I_OK;
}

/* ---- the dataset: rank 0 ---- */

static t2i_status put_features(const builder *b, t2i_dataset_writer *out, t2i_error *err)
{
    float *value = t2i_alloc(b->dim, sizeof *value);
    if (value == NULL) return t2i_fail_memory(err, b->dim * sizeof *value, "features");
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < b->set.images; i++) {
        status = has_journals(b) ? t2i_build_journal_read(b->results, b->name[i], NULL, value, err)
                                 : t2i_ready_features_read(b->ready, b->name[i], value, err);
        if (status == T2I_OK) status = t2i_dataset_writer_put_features(out, 1, value, err);
    }
    t2i_free(value);
    return status;
}

static t2i_status write_features(const builder *b, const t2i_pairs *pairs, t2i_error *err)
{
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1};
    t2i_dataset_writer *out;
    if (memchr(pairs->split, T2I_TRAIN, pairs->pairs) == NULL)
        t2i_log_warn("no pair is of the split train: this dataset can be used for evaluation only");
    T2I_TRY(t2i_dataset_writer_create(&out, b->options->out, T2I_DATA_TOOL, pairs, b->dim, &encoder,
                                      err));
    t2i_status status = put_features(b, out, err);
    if (status == T2I_OK) return t2i_dataset_writer_commit(out, err);
    t2i_dataset_writer_drop(out);
    return status;
}

static t2i_status read_results(void *context, size_t first, size_t count, uint8_t *pixels,
                               float *features, t2i_error *err)
{
    const builder *b = context;
    for (size_t i = first; i < first + count; i++, pixels += b->kind.pixels)
        T2I_TRY(t2i_build_journal_read(b->results, b->name == NULL ? i : b->name[i], pixels,
                                       features == NULL ? NULL : features + (i - first) * b->dim,
                                       err));
    return T2I_OK;
}

/* What there is to tell about the pictures of the dataset, also by a build that was resumed. */
static void tell_pictures(const builder *b)
{
    t2i_picture_notes notes = {0};
    for (size_t i = 0; i < b->set.images; i++)
        t2i_encode_picture_note(&notes, t2i_build_journal_found(b->results, b->name[i]),
                                t2i_string_table_at(&b->names, b->name[i]));
    t2i_encode_picture_tell(&notes, &b->form);
}

/* Decides what the dataset has: rank 0. */
static t2i_status choose_pairs(builder *b, t2i_error *err)
{
    const t2i_build_options *o = b->options;
    const t2i_pictures pictures = {read_results, b, b->form.side};
    T2I_TRY(has_journals(b) ? open_journals(b, err) : read_features(b, err));
    T2I_TRY(use_rows(b, err));
    T2I_TRY(check_bad_rows(b, err));
    if (has_pictures(b)) tell_pictures(b);
    T2I_TRY(number_groups(b, err));
    T2I_TRY(
        t2i_holdout_log(&b->set, has_pictures(b) && b->list.splits > 0 ? &pictures : NULL, err));
    if (has_pictures(b) && b->list.splits == 0)
        return t2i_holdout_split(&b->set, &pictures, o->validation < 0 ? 0.1 : o->validation,
                                 o->seed, err);
    return T2I_OK;
}

/* Collective. Tells all ranks where the results of the dataset's pictures are. */
static t2i_status share_results(builder *b, t2i_comm *comm, t2i_error *err)
{
    t2i_text packed = {0};
    char *bytes = NULL;
    t2i_status mine = T2I_OK;
    int root = t2i_comm_rank(comm) == 0;
    if (root) mine = t2i_build_journal_pack(b->results, b->name, b->set.images, &packed, err);
    t2i_status status = t2i_comm_agree(comm, mine, err);
    uint64_t size = packed.size;
    if (status == T2I_OK) status = share_bytes(comm, packed.data, &size, &bytes, err);
    t2i_text_free(&packed);
    if (status != T2I_OK) return status;
    const t2i_text all = {bytes, (size_t)size, 0};
    if (!root) mine = t2i_build_journal_unpack(&b->results, &b->kind, &all, err);
    t2i_free(bytes);
    return t2i_comm_agree(comm, mine, err);
}

/* Collective: rank 0 writes the dataset; the others help to fit and to encode. */
static t2i_status write_dataset(builder *b, t2i_comm *comm, t2i_error *err)
{
    const t2i_build_options *o = b->options;
    const t2i_pictures pictures = {read_results, b, b->form.side};
    const t2i_pairs pairs = t2i_pairs_set_view(&b->set);
    t2i_status status = T2I_OK;
    if (has_pictures(b) && b->net == NULL) {
        if (t2i_comm_size(comm) > 1) T2I_TRY(share_results(b, comm, err));
        T2I_TRY(t2i_encode_dataset_pca(comm, o->out, &pairs, &pictures, o->dim, err));
    } else {
        if (t2i_comm_rank(comm) == 0)
            status = has_pictures(b) ? t2i_encode_dataset_ready(o->out, &pairs, &pictures,
                                                                &b->encoder, b->dim, err)
                                     : write_features(b, &pairs, err);
        T2I_TRY(t2i_comm_agree(comm, status, err));
    }
    t2i_log_note("wrote %s: %zu pairs, %zu pictures", o->out, pairs.pairs, pairs.images);
    return T2I_OK;
}

/* Removes the journals after success, and after a failure if they hold no result that --resume
 * could use. */
static void keep_or_remove_journals(const builder *b, t2i_status status)
{
    int worth = b->results == NULL;
    for (size_t i = 0; !worth && i < b->names.count; i++)
        worth = t2i_build_journal_state(b->results, i) == 1;
    if (status == T2I_OK || !worth) t2i_build_journal_remove(b->folder);
}

/* ---- */

static void free_builder(builder *b)
{
    t2i_build_journal_close(b->results);
    t2i_pairs_free(&b->list);
    t2i_pairs_set_free(&b->set);
    for (size_t i = 0; b->reason != NULL && i < b->names.count; i++) t2i_free(b->reason[i]);
    t2i_free(b->picture);
    t2i_free(b->reason);
    t2i_free(b->rows);
    t2i_free(b->number);
    t2i_free(b->group);
    t2i_free(b->line);
    t2i_free(b->name);
    t2i_free(b->folder);
    t2i_source_free(&b->source);
    t2i_string_table_free(&b->paths);
    t2i_string_table_free(&b->names);
    t2i_string_table_free(&b->groups);
    t2i_ready_features_close(b->ready);
    t2i_resnet_free(b->net);
    if (b->lock >= 0) close(b->lock);
}

/* Collective. */
static t2i_status build(builder *b, t2i_comm *comm, t2i_error *err)
{
    int root = t2i_comm_rank(comm) == 0;
    T2I_TRY(t2i_comm_agree(comm, check_same_options(b, comm, err), err));
    T2I_TRY(t2i_comm_agree(comm, read_form(b, err), err));
    T2I_TRY(t2i_comm_agree(comm, root ? find_source(b, err) : T2I_OK, err));
    t2i_comm_bcast(comm, 0, &b->source.kind, sizeof b->source.kind);
    t2i_status status;
    if (b->source.kind == T2I_SOURCE_WEBDATASET) {
        status = encode_shards(b, comm, err);
    } else {
        T2I_TRY(t2i_comm_agree(comm, root ? read_pairs(b, err) : T2I_OK, err));
        T2I_TRY(share_source(b, comm, err));
        status = has_pictures(b) ? encode_pictures(b, comm, err) : T2I_OK;
    }
    if (status == T2I_OK) status = t2i_comm_agree(comm, root ? choose_pairs(b, err) : T2I_OK, err);
    if (status == T2I_OK) status = write_dataset(b, comm, err);
    if (root && b->lock >= 0 && has_journals(b)) keep_or_remove_journals(b, status);
    return status;
}

t2i_status t2i_build(t2i_comm *comm, const t2i_build_options *options, t2i_error *err)
{
    builder b = {.options = options, .lock = -1};
    t2i_status status = build(&b, comm, err);
    free_builder(&b);
    return status;
}
