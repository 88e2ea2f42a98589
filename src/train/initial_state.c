#include "train/initial_state.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/job_limits.h"
#include "checkpoint/run_folder.h"
#include "base/heartbeat.h"
#include "train/rows.h"
#include "record/runlog.h"

void t2i_initial_state_free(t2i_initial_state *initial)
{
    t2i_checkpoint_free(&initial->checkpoint);
    *initial = (t2i_initial_state){0};
}

/* ---- rank 0 decides ---- */

/* The configuration of a model file applies; an option that contradicts it is an error. */
static t2i_status check_shape(const t2i_train_options *options, const t2i_config *c,
                              const char *path, int resumed, t2i_error *err)
{
    int ngrams = c->ngram_buckets > 0;
    if (!ngrams && options->ngram_hidden != T2I_NGRAM_HIDDEN)
        return t2i_fail(err, T2I_USAGE,
                        "ngram-hidden = %ld, but the model in %s has no n-grams: %s",
                        options->ngram_hidden, path,
                        resumed ? "omit the option to resume the run, or give another out and "
                                  "ngram-buckets, too"
                                : "give ngram-buckets, too");
    const struct {
        const char *key;
        long wanted;
        size_t is;
    } keys[] = {
        {"d-model", options->d_model, c->d_model},
        {"heads", options->heads, c->n_heads},
        {"layers", options->layers, c->n_layers},
        {"d-ff", options->d_ff, c->d_ff},
        {"block-size", options->block_size, c->block_size},
        {"ngram-buckets", options->ngram_buckets, c->ngram_buckets},
        {"ngram-hidden", options->ngram_hidden, ngrams ? c->ngram_hidden : T2I_NGRAM_HIDDEN},
        {"embed-dim", options->embed_dim, c->embed_dim}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (t2i_train_options_gave(options, keys[i].key) && keys[i].wanted != (long)keys[i].is)
            return t2i_fail(
                err, T2I_USAGE, "%s = %ld, but the model in %s has %zu, which is fixed; %s",
                keys[i].key, keys[i].wanted, path, keys[i].is,
                resumed ? "omit the option to resume the run, or give another out for a new model"
                        : "omit the option, or train a new model without init");
    return T2I_OK;
}

static t2i_status check_features(const t2i_config *c, const t2i_dataset *dataset, const char *path,
                                 t2i_error *err)
{
    uint64_t features = t2i_dataset_get_info(dataset)->features;
    if (c->vision_feature_dim == features) return T2I_OK;
    return t2i_fail(
        err, T2I_DATA,
        "the model in %s predicts %zu features, but the pictures of %s have %llu; give "
        "a dataset of the encoder and size that it was trained on, or train a new model",
        path, c->vision_feature_dim, t2i_dataset_path(dataset), (unsigned long long)features);
}

static t2i_status refuse_dataset(const t2i_checkpoint *c, const t2i_dataset *dataset,
                                 const char *path, t2i_error *err)
{
    char init[400] = "";
    if (c->model.config.vision_feature_dim == t2i_dataset_get_info(dataset)->features)
        snprintf(init, sizeof init, ", with --init %.350s for its weights", path);
    return t2i_fail(err, T2I_USAGE,
                    "%s was trained on another dataset than %s (option data); give that dataset to "
                    "resume it, or another out for a new run%s",
                    path, t2i_dataset_path(dataset), init);
}

/* Checks that a loaded checkpoint belongs to this run. */
static t2i_status check_same_run(const t2i_train_options *options, const t2i_checkpoint *c,
                                 const t2i_dataset *dataset, const char *result_options,
                                 const char *path, t2i_error *err)
{
    if (!c->ours || c->m == NULL)
        return t2i_fail(err, T2I_DATA,
                        "%s is a model, not a checkpoint to resume from; use --init, which starts "
                        "a new run from its weights",
                        path);
    T2I_TRY(t2i_train_options_same_result(c->run.options, result_options, path, path, err));
    if (options->ema > 0 && c->ema == NULL)
        return t2i_fail(
            err, T2I_DATA,
            "%s has no averaged weights, which ema needs; restore the file, or give another out",
            path);
    if (strcmp(c->run.dataset, t2i_dataset_get_info(dataset)->digest) != 0)
        return refuse_dataset(c, dataset, path, err);
    T2I_TRY(check_shape(options, &c->model.config, path, 1, err));
    if (t2i_train_options_gave(options, "shards") && options->shards != 0 &&
        options->shards != c->run.shards)
        return t2i_fail(err, T2I_USAGE,
                        "shards = %ld, but %s has %ld, which is fixed for the life of a run; omit "
                        "shards to resume "
                        "it, or give another out for a new run",
                        options->shards, path, c->run.shards);
    if (c->run.step > options->steps)
        return t2i_fail(
            err, T2I_USAGE,
            "%s is at step %ld, beyond steps = %ld; give a larger steps, or another out "
            "for a new run",
            path, c->run.step, options->steps);
    return check_features(&c->model.config, dataset, path, err);
}

/* Loads a checkpoint of ours, which takes as much memory as its file has bytes. */
static t2i_status load_state(t2i_checkpoint *out, const char *path, size_t features, t2i_error *err)
{
    uint64_t bytes;
    t2i_error ignored;
    if (t2i_fs_size(path, &bytes, &ignored) == T2I_OK)
        T2I_TRY(t2i_job_limits_check_memory((double)bytes, "the weights and moments", err));
    return t2i_checkpoint_load(out, path, 1, features, err);
}

/* Loads the newest intact checkpoint of the run folder; *found = 0 if there is none. */
static t2i_status find_newest(t2i_checkpoint *out, const char *run, char **path, int *found,
                              t2i_error *err)
{
    long *steps;
    size_t count;
    T2I_TRY(t2i_run_folder_checkpoints(run, &steps, &count, err));
    t2i_status status = T2I_OK;
    *found = 0;
    for (size_t i = 0;
         i < count && !*found && (status == T2I_OK || status == T2I_DATA || status == T2I_IO);
         i++) {
        t2i_free(*path);
        *path = t2i_run_folder_checkpoint(run, steps[i], err);
        status = *path == NULL ? T2I_SYSTEM : load_state(out, *path, 0, err);
        *found = status == T2I_OK;
        if (status == T2I_DATA || status == T2I_IO)
            t2i_log_warn("%s; trying the previous checkpoint", err->text);
    }
    t2i_free(steps);
    if (count > 0 && !*found && status == T2I_DATA)
        return t2i_fail(err, T2I_DATA,
                        "none of the %zu checkpoints in %s/checkpoints is intact; restore one, or "
                        "move them away to start a new run",
                        count, run);
    return status;
}

/* Checks that a folder without checkpoints does not belong to another run. */
static t2i_status check_owner(const char *run, const t2i_dataset *dataset,
                              const char *result_options, t2i_error *err)
{
    char *digest, *theirs;
    t2i_status status = t2i_runlog_owner(run, &digest, &theirs, err);
    if (status == T2I_OK && theirs != NULL)
        status = t2i_train_options_same_result(theirs, result_options, run, NULL, err);
    if (status == T2I_OK && digest != NULL &&
        strcmp(digest, t2i_dataset_get_info(dataset)->digest) != 0)
        status = t2i_fail(
            err, T2I_USAGE,
            "%s holds a run on another dataset than %s (option data); give that dataset, or "
            "another out",
            run, t2i_dataset_path(dataset));
    t2i_free(digest);
    t2i_free(theirs);
    return status;
}

/* A run cannot resume from a model without checkpoints, and a new run would overwrite it. */
static t2i_status check_no_model(const char *run, t2i_error *err)
{
    char *path = t2i_fs_join(run, "model.safetensors", err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = T2I_OK;
    if (t2i_fs_exists(path))
        status =
            t2i_fail(err, T2I_USAGE,
                     "%s holds a model but no checkpoint to resume from; give another out (with "
                     "--init %s to start from this model), or move model.safetensors away",
                     run, run);
    t2i_free(path);
    return status;
}

/* Is the model of the last step there and intact? There may be one of fewer steps if `steps` or
 * `patience` was increased. */
static int has_model(const t2i_train_options *options, long step)
{
    t2i_checkpoint model;
    t2i_error ignored;
    char *path = options->out == NULL ? NULL : t2i_fs_join(options->out, "model.safetensors", NULL);
    int found = path != NULL && t2i_checkpoint_load(&model, path, 0, 0, &ignored) == T2I_OK;
    int last = found && model.run.step == step;
    if (found) t2i_checkpoint_free(&model);
    t2i_free(path);
    return last;
}

/* The checkpoint that `resume` names: a file, or the newest of another run folder. */
static t2i_status load_named(t2i_checkpoint *out, const char *named, const t2i_dataset *dataset,
                             char **path, t2i_error *err)
{
    int found = 0;
    if (t2i_fs_is_folder(named)) {
        T2I_TRY(find_newest(out, named, path, &found, err));
        return found ? T2I_OK
                     : t2i_fail(err, T2I_NOINPUT,
                                "%s holds no checkpoint to resume from (resume = %s); name a "
                                "checkpoint or another run folder",
                                named, named);
    }
    if (!t2i_fs_exists(named))
        return t2i_fail(err, T2I_NOINPUT,
                        "cannot open %s: there is no such checkpoint or run folder (resume = %s; "
                        "auto takes the newest checkpoint of out)",
                        named, named);
    *path = t2i_fs_copy_path(named, err);
    if (*path == NULL) return T2I_SYSTEM;
    /* a width is given, so that a model without a head is reported as a model, not as lacking a
     * head */
    return load_state(out, named, (size_t)t2i_dataset_get_info(dataset)->features, err);
}

/* In a replay, an option that does not fit is one of job.ini: what to do for a resume is left out.
 */
static t2i_status refuse_job(t2i_error *err)
{
    char why[sizeof err->text];
    snprintf(why, sizeof why, "%.*s", (int)strcspn(err->text, ";"), err->text);
    return t2i_fail(err, T2I_DATA, "job.ini was edited, or is of another run: %s", why);
}

/* Is the run to begin at the checkpoint that `resume` names? That counts at the first start only,
 * as `init` does, so that the same command goes on: not where out has checkpoints, unless it is the
 * newest of them. An older one is refused: as a log is cut back at a resume, later checkpoints
 * would stay without their lines, and the next start would go on from them. */
static t2i_status begins_at_named(const t2i_train_options *options, int *named, t2i_error *err)
{
    const char *path = options->resume_path;
    long *steps = NULL;
    size_t count = 0;
    t2i_status status = T2I_OK;
    *named = options->resume == T2I_RESUME_NAMED;
    if (!*named || options->out == NULL) return T2I_OK;
    T2I_TRY(t2i_run_folder_checkpoints(options->out, &steps, &count, err));
    *named = count == 0;
    for (size_t i = 0; i < count && !*named && status == T2I_OK; i++) {
        char *own = t2i_run_folder_checkpoint(options->out, steps[i], err);
        if (own == NULL) status = T2I_SYSTEM;
        *named = own != NULL && t2i_fs_is_same(own, path);
        if (*named && i > 0)
            status = t2i_fail(err, T2I_USAGE,
                              "%s is not the newest checkpoint of its run, which has one of step "
                              "%ld: give another out for a run from step %ld on, or remove the "
                              "newer ones",
                              path, steps[0], steps[i]);
        t2i_free(own);
    }
    t2i_free(steps);
    return status;
}

static t2i_status resume(t2i_initial_state *out, const t2i_train_options *options,
                         const t2i_dataset *dataset, const char *result_options, t2i_error *err)
{
    t2i_checkpoint *c = &out->checkpoint;
    char *path = NULL;
    t2i_status status = T2I_OK;
    int never = options->resume == T2I_RESUME_NEVER, found = 0, named;
    T2I_TRY(begins_at_named(options, &named, err));
    if (named) {
        status = load_named(c, options->resume_path, dataset, &path, err);
        found = status == T2I_OK;
        if (found && options->out != NULL)
            status = check_owner(options->out, dataset, result_options, err);
    } else if (options->out != NULL && t2i_fs_is_folder(options->out)) {
        status = find_newest(c, options->out, &path, &found, err);
        if (never && (found || status == T2I_DATA))
            status = t2i_fail(
                err, T2I_USAGE,
                "%s already holds checkpoints of a run; give another out for a new run, or "
                "resume = auto to resume this one",
                options->out);
        else if (status == T2I_OK && !found)
            status = check_owner(options->out, dataset, result_options, err);
        if (status == T2I_OK && !found) status = check_no_model(options->out, err);
    }
    if (status == T2I_OK && found) {
        status = check_same_run(options, c, dataset, result_options, path, err);
        if (status == T2I_USAGE && options->replay != NULL) status = refuse_job(err);
        out->resumed = 1;
        out->own = !named;
        out->finished = status == T2I_OK && t2i_train_options_ended(options, &c->run) &&
                        has_model(options, c->run.step) && t2i_runlog_ended(options->out);
        if (status == T2I_OK && !out->finished && options->replay == NULL)
            t2i_log_note("resuming from %s%s", path,
                         out->own && options->resume == T2I_RESUME_NAMED
                             ? "; resume counts at the first start only"
                             : "");
    }
    t2i_free(path);
    return status;
}

/* Initialises an output head that the file lacks, as in a new model. */
static void fill_head(t2i_checkpoint *c, uint64_t seed, const char *path)
{
    if (c->has_head) return;
    t2i_log_note("%s has no head: head.weight and head.bias are initialised at random", path);
    for (size_t i = 0; i < c->model.layout.tensors; i++)
        if (strncmp(c->model.layout.tensor[i].name, "head.", 5) == 0)
            t2i_model_init_tensor(&c->model, &c->model.layout.tensor[i], seed, c->weights);
    c->has_head = 1;
}

/* The sizes of what the model in the file lacks and the options ask for. */
static t2i_config wanted_config(const t2i_config *of_file, const t2i_train_options *options)
{
    t2i_config wanted = *of_file;
    if (wanted.ngram_buckets == 0 && options->ngram_buckets > 0) {
        wanted.ngram_buckets = (size_t)options->ngram_buckets;
        wanted.ngram_hidden = (size_t)options->ngram_hidden;
    }
    if (wanted.embed_dim == 0) wanted.embed_dim = (size_t)options->embed_dim;
    return wanted;
}

/* Adds these parts to the model. n-gram rows and the last linear maps of their direct layer begin
 * at zero, so that the first predictions are those of the file. */
static t2i_status add_parts(t2i_checkpoint *c, const t2i_train_options *options, const char *path,
                            t2i_error *err)
{
    const t2i_config wanted = wanted_config(&c->model.config, options);
    int ngrams = wanted.ngram_buckets > c->model.config.ngram_buckets,
        space = wanted.embed_dim > c->model.config.embed_dim;
    t2i_model model;
    if (!ngrams && !space) return T2I_OK;
    T2I_TRY(t2i_model_new(&model, &wanted, err));
    float *weights = t2i_block_new(&model.layout);
    if (weights == NULL) {
        t2i_model_free(&model);
        return t2i_fail_memory(err, model.layout.floats * sizeof *weights, "the weights");
    }
    for (size_t i = 0; i < model.layout.tensors; i++) {
        const t2i_tensor *t = &model.layout.tensor[i],
                         *old = t2i_layout_find(&c->model.layout, t->name);
        if (old != NULL)
            memcpy(weights + t->offset, c->weights + old->offset,
                   t2i_tensor_count(t) * sizeof *weights);
        else if (t->offset != model.ngram_weight && t->offset != model.ngram_head_weight &&
                 t->offset != model.ngram_query_weight)
            t2i_model_init_tensor(&model, t, (uint64_t)options->seed, weights);
        t2i_heartbeat_beat();
    }
    t2i_log_note("%s has no %s%s%s: added", path, ngrams ? "n-grams" : "",
                 ngrams && space ? " and no " : "", space ? "embed-dim" : "");
    t2i_model_free(&c->model);
    t2i_free(c->weights);
    c->model = model;
    c->weights = weights;
    return T2I_OK;
}

/* Rank 0 has the weights, two moments and, with ema, averages. */
static t2i_status check_memory(const t2i_model *model, const t2i_train_options *options,
                               t2i_error *err)
{
    return t2i_job_limits_check_memory((double)model->layout.floats * sizeof(float) *
                                           (options->ema > 0 ? 4 : 3),
                                       "the weights and moments", err);
}

static t2i_status from_file(t2i_checkpoint *out, const t2i_train_options *options,
                            const t2i_dataset *dataset, t2i_error *err)
{
    char *path;
    T2I_TRY(t2i_run_folder_model(options->init, &path, err));
    t2i_status status =
        t2i_checkpoint_load(out, path, 0, (size_t)t2i_dataset_get_info(dataset)->features, err);
    if (status == T2I_OK) {
        t2i_checkpoint_log(out, path);
        fill_head(out, (uint64_t)options->seed, path);
        status = add_parts(out, options, path, err);
    }
    if (status == T2I_OK) status = check_shape(options, &out->model.config, path, 0, err);
    if (status == T2I_OK) status = check_features(&out->model.config, dataset, path, err);
    if (status == T2I_OK) status = check_memory(&out->model, options, err);
    t2i_free(path);
    return status;
}

static t2i_status fresh(t2i_checkpoint *out, const t2i_train_options *options, t2i_dataset *dataset,
                        t2i_error *err)
{
    T2I_TRY(t2i_rows_vocab(&out->vocab, dataset, (size_t)options->min_count, err));
    const t2i_config config = {
        .vocab_size = out->vocab.size,
        .d_model = (size_t)options->d_model,
        .n_heads = (size_t)options->heads,
        .n_layers = (size_t)options->layers,
        .d_ff = (size_t)options->d_ff,
        .block_size = (size_t)options->block_size,
        .ngram_buckets = (size_t)options->ngram_buckets,
        .ngram_hidden = options->ngram_buckets > 0 ? (size_t)options->ngram_hidden : 0,
        .embed_dim = (size_t)options->embed_dim,
        .vision_feature_dim = (size_t)t2i_dataset_get_info(dataset)->features,
        .out_bias = 1,
        .ffn1_bias = 1,
        .ffn2_bias = 1,
        .head_bias = 1}; /* qkv has none, as in the tutorial */
    T2I_TRY(t2i_model_new(&out->model, &config, err));
    T2I_TRY(check_memory(&out->model, options, err));
    out->has_head = 1;
    out->weights = t2i_block_new(&out->model.layout);
    if (out->weights == NULL)
        return t2i_fail_memory(err, out->model.layout.floats * sizeof(float), "the weights");
    for (size_t i = 0; i < out->model.layout.tensors; i++) {
        t2i_model_init_tensor(&out->model, &out->model.layout.tensor[i], (uint64_t)options->seed,
                              out->weights);
        t2i_heartbeat_beat();
    }
    return T2I_OK;
}

static t2i_status decide(t2i_initial_state *out, const t2i_train_options *options,
                         t2i_dataset *dataset, const char *result_options, t2i_error *err)
{
    t2i_checkpoint *c = &out->checkpoint;
    T2I_TRY(resume(out, options, dataset, result_options, err));
    if (out->resumed) return T2I_OK;
    T2I_TRY(options->init != NULL ? from_file(c, options, dataset, err)
                                  : fresh(c, options, dataset, err));
    if (c->model.config.embed_dim > 0 && options->loss != T2I_LOSS_CONTRASTIVE)
        return t2i_fail(err, T2I_USAGE,
                        "the model in %s has a space of its own for search (embed-dim %zu), which "
                        "only loss = contrastive trains: give that loss",
                        options->init, c->model.config.embed_dim);
    t2i_free(c->run.options); /* those of the file named by init */
    c->run = (t2i_run_state){.best = -1.0, .options = t2i_strdup(result_options)};
    memcpy(c->run.dataset, t2i_dataset_get_info(dataset)->digest, T2I_HEX);
    t2i_free(c->m);
    t2i_free(c->v);
    t2i_free(c->ema);
    size_t bytes = c->model.layout.floats * sizeof(float);
    c->m = t2i_block_new(&c->model.layout);
    c->v = t2i_block_new(&c->model.layout);
    c->ema = options->ema > 0 ? t2i_block_new(&c->model.layout) : NULL;
    if (c->m == NULL || c->v == NULL || c->run.options == NULL ||
        (options->ema > 0 && c->ema == NULL))
        return t2i_fail_memory(err, 3 * bytes, "AdamW's moments");
    if (c->ema != NULL) memcpy(c->ema, c->weights, bytes);
    return T2I_OK;
}

/* ---- broadcast ---- */

/* The names of a vocabulary as consecutive NUL-terminated strings. */
static t2i_status pack_names(const t2i_vocab *vocab, t2i_text *out, t2i_error *err)
{
    for (size_t i = 0; i < vocab->size; i++)
        T2I_TRY(t2i_text_add(out, vocab->name[i], strlen(vocab->name[i]) + 1, err));
    return T2I_OK;
}

static t2i_status unpack_names(t2i_vocab *vocab, const char *names, size_t count, t2i_error *err)
{
    const char **name = t2i_alloc(count, sizeof *name);
    if (name == NULL) return t2i_fail_memory(err, count * sizeof *name, "the vocabulary");
    for (size_t i = 0; i < count; i++, names += strlen(names) + 1) name[i] = names;
    t2i_status status = t2i_vocab_new(vocab, name, count, err);
    t2i_free(name);
    return status;
}

/* The part of fixed size. */
typedef struct {
    t2i_config config;
    int resumed, own, finished;
    long step, updates, skipped, shards, waited;
    double best, best_mrr;
    t2i_loss_spike usual;
    size_t names; /* bytes */
} head;

/* Collective. */
static t2i_status broadcast(t2i_initial_state *out, t2i_comm *comm, t2i_error *err)
{
    t2i_checkpoint *c = &out->checkpoint;
    int root = t2i_comm_rank(comm) == 0;
    t2i_text names = {0};
    t2i_status mine = root ? pack_names(&c->vocab, &names, err) : T2I_OK;
    head h = {.config = c->model.config,
              .resumed = out->resumed,
              .own = out->own,
              .finished = out->finished,
              .step = c->run.step,
              .updates = c->run.updates,
              .skipped = c->run.skipped,
              .shards = c->run.shards,
              .best = c->run.best,
              .best_mrr = c->run.best_mrr,
              .waited = c->run.waited,
              .usual = c->run.usual,
              .names = names.size};
    t2i_comm_bcast(comm, 0, &h, sizeof h);
    if (!root) {
        names.data = t2i_alloc(h.names + 1, 1);
        if (names.data == NULL) mine = t2i_fail_memory(err, h.names, "the vocabulary");
    }
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) {
        t2i_comm_bcast(comm, 0, names.data, h.names);
        if (!root) {
            out->resumed = h.resumed;
            out->own = h.own;
            out->finished = h.finished;
            c->run = (t2i_run_state){.step = h.step,
                                     .updates = h.updates,
                                     .skipped = h.skipped,
                                     .shards = h.shards,
                                     .best = h.best,
                                     .best_mrr = h.best_mrr,
                                     .waited = h.waited,
                                     .usual = h.usual};
            mine = t2i_model_new(&c->model, &h.config, err);
            if (mine == T2I_OK)
                mine = unpack_names(&c->vocab, names.data, h.config.vocab_size, err);
            if (mine == T2I_OK)
                mine = t2i_job_limits_check_memory((double)c->model.layout.floats * sizeof(float) *
                                                       t2i_comm_node_size(comm),
                                                   "the weights of the ranks", err);
            c->weights = mine == T2I_OK ? t2i_block_new(&c->model.layout) : NULL;
            if (mine == T2I_OK && c->weights == NULL)
                mine = t2i_fail_memory(err, c->model.layout.floats * sizeof(float), "the weights");
        }
        status = t2i_comm_agree(comm, mine, err);
    }
    if (status == T2I_OK)
        t2i_comm_bcast(comm, 0, c->weights, c->model.layout.floats * sizeof(float));
    t2i_text_free(&names);
    return status;
}

t2i_status t2i_initial_state_make(t2i_initial_state *out, t2i_comm *comm,
                                  const t2i_train_options *options, t2i_dataset *dataset,
                                  const char *result_options, t2i_error *err)
{
    *out = (t2i_initial_state){0};
    t2i_status mine =
        t2i_comm_rank(comm) == 0 ? decide(out, options, dataset, result_options, err) : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status == T2I_OK) status = broadcast(out, comm, err);
    if (status != T2I_OK) t2i_initial_state_free(out);
    return status;
}
