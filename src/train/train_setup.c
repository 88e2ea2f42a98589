#include "train/train_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/heartbeat.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/writer_lease.h"
#include "checkpoint/run_folder.h"
#include "comm/job_limits.h"
#include "record/runlog.h"
#include "train/replay.h"

/* Collective. Each rank reads the command line and the job file by itself; ranks with different
 * options (several programs in one mpirun, an old copy of a file) would deadlock. Only the path of
 * the dataset may differ between nodes: its contents are compared. */
static t2i_status check_options(t2i_comm *comm, const t2i_train_options *options, t2i_error *err)
{
    char hex[T2I_HEX] = "";
    t2i_text text = {0};
    t2i_status mine = T2I_OK;
    for (size_t i = 0; mine == T2I_OK && i < options->opts.opts; i++) {
        if (options->opts.opt[i].value == (void *)&options->data) continue;
        mine = t2i_opts_value(&options->opts.opt[i], &text, err);
        if (mine == T2I_OK) mine = t2i_text_add(&text, "\n", 1, err);
    }
    if (mine == T2I_OK) t2i_hash_hex(text.data, text.size, hex);
    t2i_text_free(&text);
    T2I_TRY(t2i_comm_agree(comm, mine, err));
    if (!t2i_comm_same(comm, hex, sizeof hex))
        mine = t2i_fail(err, T2I_USAGE,
                        "the ranks were started with different options: give all of them the same "
                        "command line");
    return t2i_comm_agree(comm, mine, err);
}

/* Collective. Only the contents must be equal; the machines may differ, as no result depends on the
 * CPU. */
static t2i_status check_dataset(t2i_comm *comm, t2i_dataset *dataset, t2i_error *err)
{
    t2i_status mine = T2I_OK;
    if (!t2i_comm_same(comm, t2i_dataset_get_info(dataset)->digest, T2I_HEX))
        mine = t2i_fail(
            err, T2I_DATA,
            "the ranks see different contents of %s: put it on a file system that all nodes share",
            t2i_dataset_path(dataset));
    return t2i_comm_agree(comm, mine, err);
}

/* Chooses the number of shards V and the rows from which they draw. */
static t2i_status make_sampler(t2i_train *t, t2i_error *err)
{
    const t2i_train_options *options = t->options;
    t2i_run_state *run = &t->state.run;
    int replays = options->sampler == T2I_SAMPLER_FILE;
    t->sampler = (t2i_sampler){.batch = (size_t)options->batch,
                               .rows = replays ? t2i_dataset_get_info(t->dataset)->pairs
                                               : t->split_rows[T2I_TRAIN],
                               .seed = (uint64_t)options->seed,
                               .kind = options->sampler,
                               .sampler_file = t->sampler_file.rows};
    if (t->initial.resumed)
        t->sampler.shards = (size_t)run->shards;
    else
        T2I_TRY(t2i_sampler_shards(&t->sampler.shards, (size_t)options->shards, (size_t)t->size,
                                   (size_t)t->size * (size_t)t->threads, t->sampler.batch,
                                   t->sampler.rows, err));
    if (t->sampler.shards > t->sampler.batch || (t->sampler.shards & (t->sampler.shards - 1)) != 0)
        return t2i_fail(err, T2I_DATA,
                        "the checkpoint has %zu shards, which do not fit batch = %zu",
                        t->sampler.shards, t->sampler.batch);
    run->shards = (long)t->sampler.shards;
    if ((size_t)t->size > t->sampler.shards)
        t2i_log_warn("%d ranks exceed the %zu shards of the run: %zu of them will be idle", t->size,
                     t->sampler.shards, (size_t)t->size - t->sampler.shards);
    return T2I_OK;
}

static t2i_status load_rows(t2i_train *t, t2i_error *err)
{
    const t2i_train_state *state = &t->state;
    size_t first = t2i_comm_share(t->sampler.shards, t->rank, t->size),
           end = t2i_comm_share(t->sampler.shards, t->rank + 1, t->size);
    int all = t->sampler.kind != T2I_SHARDED;
    t->range =
        (t2i_row_range){.dataset = t->dataset,
                        .split = t->sampler.kind == T2I_SAMPLER_FILE ? T2I_ANY_SPLIT : T2I_TRAIN,
                        .first = all ? 0 : t2i_sampler_first_row(&t->sampler, first),
                        .end = all ? t->sampler.rows : t2i_sampler_first_row(&t->sampler, end),
                        .vocab = &state->vocab,
                        .block_size = state->model.config.block_size,
                        .known = t->options->min_count == 1};
    if (first == end) t->range.end = t->range.first; /* an idle rank */
    T2I_TRY(t2i_rows_load(&t->rows, &t->range, err));
    if (t->sampler.kind == T2I_SAMPLER_FILE &&
        t->rows.count > 0) /* converts the user's row numbers to rows in memory */
        T2I_TRY(t2i_sampler_file_map(&t->sampler_file, t->rows.user_row, t->rows.count, err));
    return t2i_validation_new(&t->validation, t->options, t->dataset, &t->state, t->split_rows,
                              t->rank, t->size, err);
}

/* Collective. */
static t2i_status open_features(t2i_train *t, t2i_error *err)
{
    size_t bytes = ((size_t)t2i_dataset_get_info(t->dataset)->images + 7) / 8;
    uint8_t *wanted = t2i_alloc(bytes, 1);
    t2i_status mine = wanted == NULL ? t2i_fail_memory(err, bytes, "the pictures") : T2I_OK;
    if (mine == T2I_OK && t->options->loss == T2I_LOSS_CONTRASTIVE) {
        t->trains = t2i_alloc(bytes, 1);
        mine = t->trains == NULL ? t2i_fail_memory(err, bytes, "the pictures")
                                 : t2i_dataset_mark_split(t->dataset, T2I_TRAIN, t->trains, err);
        if (mine == T2I_OK && t->options->negatives != T2I_NEGATIVES_BATCH)
            memcpy(wanted, t->trains, bytes);
    }
    for (size_t i = 0; mine == T2I_OK && i < t->rows.count; i++) t2i_want(wanted, t->rows.image[i]);
    if (mine == T2I_OK) t2i_validation_want(&t->validation, wanted);
    t2i_status status = t2i_comm_agree(t->comm, mine, err);
    if (status == T2I_OK)
        status = t2i_shared_features_new(&t->features, t->comm, t->dataset, wanted, err);
    t2i_free(wanted);
    return status;
}

/* The contrastive loss, if it is chosen. */
static t2i_status open_contrastive(t2i_train *t, t2i_error *err)
{
    const t2i_train_options *options = t->options;
    size_t batch = t->sampler.batch < T2I_VALIDATION_ROWS ? T2I_VALIDATION_ROWS : t->sampler.batch;
    const t2i_contrastive_loss_options contrastive = {.temperature = options->temperature,
                                                      .negatives = (size_t)options->negatives,
                                                      .batch = batch,
                                                      .embed_dim = t->state.model.config.embed_dim,
                                                      .seed = (uint64_t)options->seed};
    int replays = t->sampler.kind == T2I_SAMPLER_FILE;
    if (options->loss != T2I_LOSS_CONTRASTIVE) return T2I_OK;
    T2I_TRY(t2i_contrastive_loss_new(&t->contrastive, t->dataset, t->trains, &t->features,
                                     &contrastive, t->most_rows, (size_t)t->threads, err));
    return t2i_contrastive_loss_rights_new(&t->rights, t->contrastive, &t->rows, &t->range,
                                           replays ? t->sampler.rows : t->split_rows[T2I_TRAIN],
                                           err);
}

/* Collective. Limits the number of threads to the number of shards per rank. */
static void choose_threads(t2i_train *t)
{
    int most = t2i_step_threads(&t->sampler, t->size, t->threads);
    if (most == t->threads) return;
    if (t->options->threads > 0)
        t2i_log_warn("threads = %d exceeds the maximum of %d shards per rank (%zu in all): using "
                     "%d thread%s",
                     t->threads, most, t->sampler.shards, most, most == 1 ? "" : "s");
    t->threads = t2i_comm_threads(t->comm, most);
}

/* Collective. All memory of the step loop. */
static t2i_status open_step(t2i_train *t, t2i_error *err)
{
    size_t validated = t->validation.rows.count > 0 ? T2I_VALIDATION_ROWS : 1,
           longest = t->validation.rows.longest;
    size_t own_rows = t->most_rows = t2i_step_rows(&t->sampler, t->rank, t->size);
    if (validated > t->most_rows) t->most_rows = validated;
    if (t->rows.longest > longest) longest = t->rows.longest;
    if (t->options->audit_every > 0) { /* a rank may be sent a shard of any other */
        own_rows = (size_t)t2i_comm_max(t->comm, (int64_t)own_rows);
        t->most_rows = (size_t)t2i_comm_max(t->comm, (int64_t)t->most_rows);
        longest = (size_t)t2i_comm_max(t->comm, (int64_t)longest);
    }
    t2i_status mine = open_contrastive(t, err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    size_t rights =
        t->contrastive == NULL ? 0 : t2i_contrastive_loss_rights_most(&t->rights, t->rows.count);
    if (t->options->audit_every > 0) rights = (size_t)t2i_comm_max(t->comm, (int64_t)rights);
    const t2i_step_input input = {.options = t->options,
                                  .state = &t->state,
                                  .sampler = &t->sampler,
                                  .rows = &t->rows,
                                  .first_row = t->range.first,
                                  .features = &t->features,
                                  .contrastive = t->contrastive,
                                  .rights = &t->rights,
                                  .threads = t->threads,
                                  .plan = t2i_resource_estimate_plan(&t->sizes),
                                  .own_rows = own_rows,
                                  .most_rows = t->most_rows,
                                  .longest = longest,
                                  .most_rights = rights};
    T2I_TRY(t2i_step_new(&t->step, t->comm, &input, err));
    mine = t2i_validation_begin(&t->validation, &t->features, t2i_step_packed(t->step),
                                t2i_step_work(t->step), t->contrastive, err);
    return t2i_comm_agree(t->comm, mine, err);
}

t2i_status t2i_train_setup_step(t2i_train *t, t2i_error *err)
{
    T2I_TRY(open_features(t, err));
    return open_step(t, err);
}

/* The sizes from which memory and disk space are estimated. */
static t2i_run_sizes sizes_of(const t2i_train *t)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(t->dataset);
    size_t longest = t->rows.longest, validated = t->validation.rows.longest;
    return (t2i_run_sizes){.options = t->options,
                           .model = &t->state.model,
                           .sampler = &t->sampler,
                           .size = t->size,
                           .threads = t->threads,
                           .longest = longest > validated ? longest : validated,
                           .prompt_bytes = (double)info->prompt_bytes,
                           .pictures = (double)info->images,
                           .validation = (double)t->split_rows[T2I_VALIDATION]};
}

/* First the lease, then a look: what the owner before has saved is seen, and nothing of it comes
 * later. */
static t2i_status take_folder(const char *out, t2i_error *err)
{
    T2I_TRY(t2i_writer_lease_take(out, err));
    t2i_run_folder_sweep(out);
    return T2I_OK;
}

/* Is it a finished run in a folder that cannot be written, which can only be looked at? */
static int is_read_only(const char *out)
{
    return access(out, W_OK) != 0 && (errno == EACCES || errno == EROFS) && t2i_runlog_ended(out);
}

t2i_status t2i_train_setup_run(t2i_train *t, t2i_error *err)
{
    const t2i_train_options *options = t->options;
    int looks = 0;
    T2I_TRY(check_options(t->comm, options, err));
    t2i_status mine = t2i_dataset_open(&t->dataset, options->data, err);
    if (mine == T2I_OK) mine = t2i_rows_count(t->dataset, t->split_rows, err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    T2I_TRY(t2i_sampler_file_open(&t->sampler_file, t->comm, options, err));
    mine = t2i_train_options_result_options(options, t->sampler_file.name, &t->result_options, err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    T2I_TRY(check_dataset(t->comm, t->dataset, err));
    if (options->replay != NULL)
        T2I_TRY(t2i_replay_check(options->replay, t->comm, t2i_dataset_get_info(t->dataset)->digest,
                                 t->result_options, err));
    if (t->rank == 0 && !options->dry_run && options->replay == NULL) {
        looks = is_read_only(options->out);
        if (!looks) mine = take_folder(options->out, err);
    }
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    T2I_TRY(
        t2i_initial_state_make(&t->initial, t->comm, options, t->dataset, t->result_options, err));
    t2i_train_state_take(&t->state, &t->initial);
    if (t->initial.finished) return T2I_OK;
    t->threads = t2i_comm_threads(t->comm, (int)options->threads);
    if (looks)
        mine =
            t2i_fail(err, T2I_CANTCREATE, "cannot write to %s: %s", options->out, strerror(EACCES));
    if (mine == T2I_OK) mine = make_sampler(t, err);
    t2i_heartbeat_phase(T2I_AT_DATA, 0, 0);
    t->sizes = sizes_of(t);
    if (mine == T2I_OK)
        mine = t2i_job_limits_check_memory(t2i_comm_node_size(t->comm) *
                                               t2i_resource_estimate_rows(&t->sizes, t->rank),
                                           "the training rows of the ranks", err);
    if (mine == T2I_OK) mine = load_rows(t, err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    choose_threads(t);
    t->sizes = sizes_of(t);
    return T2I_OK;
}
