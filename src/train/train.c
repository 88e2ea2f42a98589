#include "train/train.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/commit.h"
#include "base/cpu.h"
#include "base/fs.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stop_signal.h"
#include "base/writer_lease.h"
#include "checkpoint/run_folder.h"
#include "comm/job_limits.h"
#include "kernels/blas.h"
#include "retrieval/hybrid_search.h"
#include "train/dry_run.h"
#include "train/replay.h"
#include "train/train_internal.h"

/* Number of consecutive skipped steps after which a run ends. */
enum { SKIPS_IN_A_ROW = 50 };
/* A loss this many standard deviations above the recent mean is reported. */
static const double logged_spike = 8.0;

/* ---- set-up ---- */

/* The init that counted at the first start of the run; NULL: none. */
static t2i_status first_init(const t2i_train *t, char **init, t2i_error *err)
{
    *init = NULL;
    t2i_status status = t2i_run_folder_init(t->options->out, init, err);
    return status == T2I_NOINPUT ? T2I_OK : status; /* no job.ini yet */
}

/* The options, and where the run was started: data = ... may be relative to that folder. */
static t2i_status write_job(const t2i_train *t, t2i_error *err)
{
    char folder[PATH_MAX], clean[PATH_MAX], *init = NULL;
    t2i_text text = {0};
    int resumed = t->initial.resumed;
    char *path = t2i_fs_join(t->options->out, "job.ini", err);
    t2i_status status = path == NULL ? T2I_SYSTEM : T2I_OK;
    /* a job file has neither control characters nor bytes that are not UTF-8 */
    if (status == T2I_OK && getcwd(folder, sizeof folder) != NULL) {
        size_t size = strlen(folder);
        if (t2i_utf8_clean(memcpy(clean, folder, size + 1), size, "") == size &&
            memcmp(clean, folder, size) == 0)
            status = t2i_text_addf(&text, err, T2I_STARTED_IN "%s\n", folder);
    }
    if (status == T2I_OK && resumed) status = first_init(t, &init, err);
    if (status == T2I_OK)
        status =
            t2i_train_options_echo(t->options, &t->state.model.config, resumed, init, &text, err);
    if (status == T2I_OK) status = t2i_commit_file(path, text.data, text.size, err);
    t2i_free(init);
    t2i_free(path);
    t2i_text_free(&text);
    return status;
}

/* The folder is this process's own since t2i_train_setup_run. */
static t2i_status begin_folder(t2i_train *t, t2i_error *err)
{
    const t2i_checkpoint start = t2i_train_state_checkpoint(&t->state);
    t2i_status status = t2i_writer_lease_check(err);
    static const char *const folders[] = {"checkpoints", "samples"};
    for (size_t i = 0; status == T2I_OK && i < 2; i++) {
        char *path = t2i_fs_join(t->options->out, folders[i], err);
        status = path == NULL ? T2I_SYSTEM : t2i_fs_mkdir(path, err);
        t2i_free(path);
    }
    if (status == T2I_OK)
        status = t2i_runlog_open(&t->log, t->options->out, t->state.run.step, err);
    if (status == T2I_OK) status = t2i_runlog_begin(t->log, &start, err);
    if (status == T2I_OK && t->options->tensorboard)
        status = t2i_runlog_tensorboard(t->log, t->state.run.step, err);
    return status == T2I_OK ? write_job(t, err) : status;
}

/* Rank 0. */
static t2i_status choose_samples(t2i_train *t, t2i_error *err)
{
    t2i_json *prompts = NULL;
    T2I_TRY(t2i_validation_choose(&t->validation, err));
    if (!t2i_validation_has_samples(&t->validation)) return T2I_OK;
    T2I_TRY(t2i_validation_prompts(&t->validation, &prompts, err));
    t2i_events_samples(&t->events, prompts);
    return T2I_OK;
}

/* What status.json says; message is borrowed. */
static t2i_run_status run_status(const t2i_train *t, const char *state, int code,
                                 const char *message)
{
    return (t2i_run_status){.state = state,
                            .step = t->state.run.step,
                            .exit = code,
                            .message = message,
                            .dataset = t2i_dataset_get_info(t->dataset)->digest,
                            .options = t->result_options,
                            .best = t2i_runlog_best(t->log)};
}

static t2i_status write_status(const t2i_train *t, const char *state, int code, const char *message,
                               t2i_error *err)
{
    const t2i_run_status status = run_status(t, state, code, message);
    return t2i_runlog_status(t->options->out, &status, err);
}

static void print_run(const t2i_train *t)
{
    const t2i_train_state *state = &t->state;
    const t2i_config *m = &state->model.config;
    char ngrams[80] = "", embed[40] = "";
    int cores = t2i_job_limits_cores();
    if (m->ngram_buckets > 0)
        snprintf(ngrams, sizeof ngrams, ", ngram-buckets %zu, ngram-hidden %zu", m->ngram_buckets,
                 m->ngram_hidden);
    if (m->embed_dim > 0) snprintf(embed, sizeof embed, ", embed-dim %zu", m->embed_dim);
    t2i_log_note("%s: %llu training rows, %llu validation rows, %llu pictures of %zu features",
                 t->options->data, (unsigned long long)t->split_rows[T2I_TRAIN],
                 (unsigned long long)t->split_rows[T2I_VALIDATION],
                 (unsigned long long)t2i_dataset_get_info(t->dataset)->images,
                 m->vision_feature_dim);
    t2i_log_note("model: %zu parameters (vocabulary %zu, d-model %zu, heads %zu, layers %zu, d-ff "
                 "%zu, block-size %zu%s%s)",
                 state->model.layout.count, m->vocab_size, m->d_model, m->n_heads, m->n_layers,
                 m->d_ff, m->block_size, ngrams, embed);
    t2i_log_note("%d rank%s (%d on this node, %d core%s available to each), %d thread%s each, %zu "
                 "shards, batch %zu, "
                 "steps %ld..%ld; vectors %s",
                 t->size, t->size == 1 ? "" : "s", t2i_comm_node_size(t->comm), cores,
                 cores == 1 ? "" : "s", t->threads, t->threads == 1 ? "" : "s", t->sampler.shards,
                 t->sampler.batch, state->run.step + 1, t->options->steps, t2i_cpu_vectors_name());
}

/* Memory of rank 0; the other ranks do not hold the moments of a checkpoint. */
static void print_memory(const t2i_train *t)
{
    const t2i_model *model = &t->state.model;
    size_t block = model->layout.floats * sizeof(float);
    size_t rows = t->rows.count * (sizeof(t2i_row) + 40),
           features = t->features.held * t->features.dim * sizeof(float);
    int in_place = t2i_resource_estimate_plan(&t->sizes).in_place, averages = t->options->ema > 0;
    double moments =
        (2.0 + averages) * (in_place ? 1.0 : 1.0 + 1.0 / t->size) + (in_place ? 0.0 : averages);
    size_t work = t2i_step_work_bytes(t->step) +
                  (t->contrastive == NULL ? 0 : t2i_contrastive_loss_bytes(t->contrastive)),
           reduce = t2i_step_reduce_bytes(t->step);
    t2i_log_note("memory of rank 0: weights %.1f MB, moments%s %.1f MB, gradients %.1f MB, "
                 "activations %.1f MB, rows %.1f MB; picture features on its node %.1f MB; "
                 "checkpoint %.1f MB%s%s",
                 (double)block / 1e6, averages ? " and averages" : "",
                 (double)block * moments / 1e6, (double)reduce / 1e6, (double)work / 1e6,
                 (double)rows / 1e6, (double)features / 1e6,
                 t2i_resource_estimate_checkpoint(&t->sizes) / 1e6,
                 t->aside ? ", written in the background" : "",
                 t->aside && !in_place ? " from a copy of the weights" : "");
}

/* Collective. */
static t2i_status open_checkpoint_writer(t2i_train *t, t2i_error *err)
{
    const t2i_train_state *state = &t->state;
    size_t blocks = t->options->ema > 0 ? 4 : 3,
           bytes = state->model.layout.floats * sizeof(float) * blocks;
    int in_place = t2i_resource_estimate_plan(&t->sizes).in_place;
    t->aside = (int)t2i_comm_max(t->comm, t->rank == 0 && t2i_checkpoint_writer_aside(bytes));
    t2i_write_mode mode = !t->aside  ? T2I_WRITE_SYNC
                          : in_place ? T2I_WRITE_IN_PLACE
                                     : T2I_WRITE_COPY;
    t2i_status mine = T2I_OK;
    if (t->rank == 0)
        mine = t2i_checkpoint_writer_new(&t->checkpoint_writer, state, t->options->out,
                                         t->options->keep, mode, err);
    if (mode == T2I_WRITE_IN_PLACE) t2i_step_hold(t->step, t->checkpoint_writer);
    return t2i_comm_agree(t->comm, mine, err);
}

/* Collective. Allocates memory and creates the run folder: everything before the first step. With
 * dry-run, the trial steps are computed instead; a replay is made instead. */
static t2i_status begin(t2i_train *t, t2i_error *err)
{
    const t2i_train_options *options = t->options;
    t2i_status mine = T2I_OK;
    T2I_TRY(t2i_train_setup_step(t, err));
    if (options->replay != NULL)
        return t2i_replay_steps(options->replay, t->comm, t->step, &t->state, &t->validation, err);
    T2I_TRY(open_checkpoint_writer(t, err));
    int64_t cut = (int64_t)t->rows.cut;
    /* with the other samplers every rank that has shards has all rows */
    cut = t->sampler.kind == T2I_SHARDED ? t2i_comm_sum(t->comm, cut) : t2i_comm_max(t->comm, cut);
    if (cut > 0)
        t2i_log_warn("%lld training prompts are longer than block-size %zu and are truncated",
                     (long long)cut, t->state.model.config.block_size);
    if (options->validate_every > 0 && t->validation.validated == 0)
        t2i_log_note("the dataset has no validation rows: validation is off%s",
                     options->patience > 0 ? ", and patience has no effect" : "");
    print_run(t);
    t2i_validation_log(&t->validation, t->comm);
    if (options->dry_run) print_memory(t);
    if (options->dry_run) return t2i_dry_run(t->comm, &t->sizes, t->step, &t->state, err);
    t2i_step_scatter(t->step, t->comm);
    mine = t->rank == 0 ? begin_folder(t, err) : T2I_OK;
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    T2I_TRY(t2i_events_open(&t->events, t->comm, options->out, t->threads, t->sampler.shards, err));
    if (t->rank == 0) mine = choose_samples(t, err);
    if (mine == T2I_OK && t->rank == 0) mine = write_status(t, "running", 0, "", err);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    t->running = 1;
    return T2I_OK;
}

static void tear_down(t2i_train *t)
{
    t2i_checkpoint_writer_free(t->checkpoint_writer);
    t2i_validation_free(&t->validation);
    t2i_step_free(t->step);
    t2i_dataset_close(t->dataset);
    t2i_free(t->result_options);
    t2i_train_state_free(&t->state);
    t2i_sampler_file_close(&t->sampler_file);
    t2i_rows_free(&t->rows);
    t2i_shared_features_free(&t->features);
    t2i_contrastive_loss_free(t->contrastive);
    t2i_free(t->trains);
    t2i_contrastive_loss_rights_free(&t->rights);
    t2i_runlog_close(t->log);
    t2i_events_end(&t->events);
    t2i_report_close(t->report);
    t2i_writer_lease_end();
}

/* ---- logs, checkpoints, reports ---- */

/* Of this session. */
static t2i_seconds all_seconds(const t2i_train *t)
{
    const t2i_seconds *a = &t->seconds0, *b = &t->seconds;
    return (t2i_seconds){a->data + b->data, a->compute + b->compute, a->sync + b->sync,
                         a->checkpoint + b->checkpoint};
}

static int is_spike(const t2i_step_result *result)
{
    return result->spike > logged_spike || (result->skipped && result->spike > 0.0);
}

static t2i_status log_step(t2i_train *t, const t2i_step_result *result, t2i_error *err)
{
    const t2i_run_state *run = &t->state.run;
    double now = t2i_cpu_seconds();
    t2i_traffic sent = t2i_comm_sent(t->comm);
    t2i_log_line line = {.step = run->step,
                         .skipped = result->skipped ? run->skipped : 0,
                         .loss = result->loss,
                         .spike = is_spike(result) ? result->spike : 0.0,
                         .lr = result->lr,
                         .grad_norm = result->norm,
                         .samples_per_s = (double)(run->step - t->line_step) *
                                          (double)t->sampler.batch / (now - t->line_began),
                         .tokens = result->total.tokens,
                         .tokens_saved = result->total.tokens - result->total.prefixes,
                         .memory = t2i_cpu_memory(),
                         .sent = {.messages = sent.messages - t->line_sent.messages,
                                  .bytes = sent.bytes - t->line_sent.bytes},
                         .seconds = t->seconds};
    t->seconds0 = all_seconds(t);
    t->seconds = (t2i_seconds){0};
    t->line_began = now;
    t->line_step = run->step;
    t->line_sent = sent;
    return t2i_runlog_step(t->log, &line, err);
}

/* Announces a write of `blocks` times the size of the weights, for the limit of the watchdog. */
static void begin_writing(const t2i_train *t, t2i_phase phase, long step, unsigned blocks)
{
    size_t block = t->state.model.layout.floats * sizeof(float);
    t2i_heartbeat_phase(phase, step, block * blocks);
}

/* Collective. Waits for the checkpoint that is being written, if one is. */
static t2i_status end_save(t2i_train *t, t2i_error *err)
{
    long step = t->saving;
    double clock = t2i_cpu_seconds();
    if (step < 0) return T2I_OK;
    begin_writing(t, T2I_AT_SAVE, step, 4);
    t2i_status mine = t->rank == 0 ? t2i_checkpoint_writer_end(t->checkpoint_writer, err) : T2I_OK;
    if (mine == T2I_OK) t2i_log_detail("step %ld: checkpoint saved", step);
    t2i_status status = t2i_comm_agree(t->comm, mine, err);
    if (status == T2I_CANTCREATE) { /* has another process taken over the folder? */
        t2i_error why = {0};
        mine = t2i_comm_agree(t->comm, t->rank == 0 ? t2i_writer_lease_check(&why) : T2I_OK, &why);
        t->lost = mine != T2I_OK;
    }
    t->saving = -1;
    if (status == T2I_OK) t->saved_step = t->sound_step = step;
    t->seconds.checkpoint += t2i_cpu_seconds() - clock;
    return status;
}

/* Collective. The same for a periodic checkpoint: a failure is a warning. */
static void try_end_save(t2i_train *t)
{
    t2i_error err = {0};
    t2i_status saved = end_save(t, &err);
    if (!t->lost) t2i_runlog_warn_failed(saved, &err);
}

/* Collective. Gathers the moments, logs the checkpoint and starts the write on rank 0; what could
 * not be logged is not written. A checkpoint that is not written in the background is complete on
 * return. */
static t2i_status begin_save(t2i_train *t, t2i_error *err)
{
    long step = t->state.run.step;
    double clock = t2i_cpu_seconds();
    t2i_status mine = T2I_OK;
    begin_writing(t, T2I_AT_SAVE, step, 4);
    if (t2i_step_damaged(t->step))
        mine = t2i_fail(err, T2I_SYSTEM,
                        "a bit flipped in memory after step %ld: weights or moments do not match "
                        "their checksums; nothing is saved",
                        step);
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    t2i_step_gather(t->step, t->comm);
    if (t->rank == 0) {
        const t2i_checkpoint checkpoint = t2i_train_state_checkpoint(&t->state);
        mine = t2i_runlog_checkpoint(t->log, &checkpoint, err);
    }
    T2I_TRY(t2i_comm_agree(t->comm, mine, err));
    if (t->rank == 0) t2i_checkpoint_writer_begin(t->checkpoint_writer);
    t->saving = step;
    t->seconds.checkpoint += t2i_cpu_seconds() - clock;
    return t->aside ? T2I_OK : end_save(t, err);
}

/* Collective. Saves a checkpoint of this step, unless it exists, and waits for it. */
static t2i_status save(t2i_train *t, t2i_error *err)
{
    try_end_save(t);
    if (t->saved_step == t->state.run.step) return T2I_OK;
    T2I_TRY(begin_save(t, err));
    return end_save(t, err);
}

/* Rank 0. A failure is reported once; an existing report stays. */
static void write_report(t2i_train *t, const t2i_run_status *ends)
{
    t2i_error err = {0};
    t2i_status status = T2I_OK;
    if (t->report == NULL) status = t2i_report_open(&t->report, t->options->out, &err);
    if (status == T2I_OK) status = t2i_report_write(t->report, ends, NULL, &err);
    if (!t->mute) t2i_runlog_warn_failed(status, &err);
    t->mute = t->mute || status != T2I_OK;
}

/* Collective. Records the time spent by each rank and writes the report. ends: the final contents
 * of status.json; NULL: the session continues. */
static void write_records(t2i_train *t, const t2i_run_status *ends)
{
    double clock = t2i_cpu_seconds();
    t2i_seconds seconds = all_seconds(t);
    if (t->lost) return;
    t2i_events_ranks(&t->events, t->comm, &seconds, ends != NULL);
    if (t->rank == 0 && ends != NULL) t2i_events_stop(&t->events, ends);
    if (t->rank == 0) write_report(t, ends);
    t->seconds.checkpoint += t2i_cpu_seconds() - clock;
}

static void show_progress(t2i_train *t, const t2i_step_result *result, int last)
{
    const t2i_run_state *run = &t->state.run;
    double now = t2i_cpu_seconds();
    if (!last && now - t->shown < (t2i_log_is_terminal() ? 0.2 : 10.0)) return;
    t->shown = now;
    double rate = (double)(run->step - t->first_step) / (now - t->began);
    char time[32], validation[64] = "";
    if (t->validation.last_loss >= 0.0)
        snprintf(validation, sizeof validation, " | val %.3g | R@10 %.1f %%",
                 t->validation.last_loss, 100.0 * t->validation.scores.r10);
    t2i_log_duration(last ? now - t->began : (double)(t->options->steps - run->step) / rate, time);
    t2i_log_progress(last,
                     "step %ld/%ld | %s %s | loss %.3g%s | %.0f samples/s | lr %.2e | norm %.3g",
                     run->step, t->options->steps, time, last ? "elapsed" : "left", result->loss,
                     validation, rate * (double)t->sampler.batch, result->lr, result->norm);
}

/* Warns of a skipped step or a loss spike. */
static void log_anomaly(const t2i_train *t, const t2i_step_result *result)
{
    const t2i_run_state *run = &t->state.run;
    char skipped[64] = "";
    if (result->skipped)
        snprintf(skipped, sizeof skipped, "; the step is skipped (%ld so far)", run->skipped);
    if (is_spike(result))
        t2i_log_warn("step %ld: the loss jumps to %.5g, %.0f standard deviations above the recent "
                     "mean (gradient norm %.3g)%s",
                     run->step, result->loss, result->spike, result->norm, skipped);
    else if (result->skipped)
        t2i_log_warn("step %ld: the %s is not finite%s", run->step,
                     isfinite(result->total.loss) ? "gradient" : "loss", skipped);
}

static int due(long step, long every)
{
    return every > 0 && step % every == 0;
}

/* Rank 0. */
static void draw_samples(t2i_train *t, const float *weights)
{
    t2i_error err = {0};
    t2i_status status = t2i_validation_draw(&t->validation, weights, &err);
    if (status == T2I_OK) status = t2i_runlog_sample(t->log, t->state.run.step, &err);
    if (status != T2I_OK)
        t2i_log_warn("%s; the samples of step %ld are missing", err.text, t->state.run.step);
}

/* Collective. Logs, validates, samples and saves after a step, as due. */
static void after_step(t2i_train *t, const t2i_step_result *result)
{
    const t2i_train_options *options = t->options;
    t2i_train_state *state = &t->state;
    t2i_error err = {0};
    long step = state->run.step;
    int last = step == options->steps;
    int logs =
        due(step, options->log_every) || last || result->skipped || step == 1 || is_spike(result);
    log_anomaly(t, result);
    if (t->rank == 0 && logs) t2i_runlog_warn_failed(log_step(t, result, &err), &err);
    /* an extra validation after the last step does not count for the best model, so that a run that
     * is continued with more steps gives the same result */
    if (t->validation.validated > 0 && (due(step, options->validate_every) || last)) {
        begin_writing(t, T2I_AT_VALIDATE, step, 1);
        t2i_validation_validate(&t->validation, t->comm, t2i_step_model(t->step, t->comm),
                                due(step, options->validate_every), t->log);
        last = t2i_train_options_ended(options, &state->run);
        if (t->rank == 0 && last && !logs) t2i_runlog_warn_failed(log_step(t, result, &err), &err);
    }
    if (due(step, options->sample_every)) {
        begin_writing(t, T2I_AT_VALIDATE, step, 1);
        const float *weights = t2i_step_model(t->step, t->comm);
        if (t->rank == 0) draw_samples(t, weights);
    }
    if (due(step, options->checkpoint_every) && !last) {
        try_end_save(t);
        t2i_status begun = t->lost ? T2I_OK : begin_save(t, &err);
        if (!t->lost) t2i_runlog_warn_failed(begun, &err);
        write_records(t, NULL);
    }
    show_progress(t, result, last);
}

/* The error of the rank that reports why the next step was not taken. */
static t2i_status refuse_step(const t2i_train *t, const char *why, t2i_error *err)
{
    char from[112] = "no checkpoint has been saved yet";
    if (t->sound_step >= 0)
        snprintf(from, sizeof from,
                 "run the same command again to resume from the checkpoint of step %ld",
                 t->sound_step);
    t2i_status status =
        t2i_fail(err, t->sound_step >= 0 ? T2I_STOPPED : T2I_SYSTEM, "%s; %s", why, from);
    if (t->rank == 0 && t->size > 1)
        t2i_comm_add_host(t->comm, err); /* t2i_comm_agree names other ranks */
    return status;
}

/* Collective. Fails if the memory of a rank was corrupted. */
static t2i_status check_memory(t2i_train *t, const t2i_step_status *step_status, t2i_error *err)
{
    char why[200];
    int unknown = step_status->culprit == T2I_UNKNOWN;
    if (step_status->culprit == T2I_NOBODY) return T2I_OK;
    try_end_save(t); /* begun before the error */
    snprintf(
        why, sizeof why, "a bit flipped in memory before step %ld: %s", t->state.run.step + 1,
        unknown
            ? "the weights of the ranks differ, and there is no majority to tell which are correct"
        : step_status->damaged > 0
            ? "weights or moments do not match the checksums of the last step"
            : "the weights of this rank differ from those of the other ranks");
    int speaks = t->rank == (unknown ? 0 : step_status->culprit);
    return t2i_comm_agree(t->comm, speaks ? refuse_step(t, why, err) : T2I_OK, err);
}

/* Collective. Fails if recomputing a shard gave a different result. */
static t2i_status check_audit(t2i_train *t, const t2i_step_status *step_status, t2i_error *err)
{
    char why[224], whose[96];
    if (step_status->disputed == T2I_NOBODY) return T2I_OK;
    try_end_save(t);
    int one = (int)step_status->disputed, two = (int)step_status->by;
    int culprit = t2i_step_settle(t->step, t->comm, step_status);
    if (one == two)
        snprintf(whose, sizeof whose, "one of the two results is wrong");
    else if (culprit == T2I_UNKNOWN)
        snprintf(whose, sizeof whose,
                 "there is no third rank to tell whether rank %d or rank %d is wrong", one, two);
    else
        snprintf(whose, sizeof whose, "rank %d is wrong, because two other ranks agree", culprit);
    snprintf(why, sizeof why, "recomputing a shard of step %ld gave a different result: %s",
             t->state.run.step + 1, whose);
    int speaks = t->rank == (culprit == T2I_UNKNOWN ? one : culprit);
    return t2i_comm_agree(t->comm, speaks ? refuse_step(t, why, err) : T2I_OK, err);
}

/* Fails, with the same error on all ranks, after too many consecutive skipped steps. */
static t2i_status check_skips(t2i_train *t, const t2i_step_result *result, t2i_error *err)
{
    t->skips = result->skipped ? t->skips + 1 : 0;
    if (t->skips < SKIPS_IN_A_ROW) return T2I_OK;
    return t2i_fail(
        err, T2I_DATA,
        "training diverged: the %s was %s in each of the last %d steps; stopped at step %ld with "
        "the weights of step %ld; use a lower lr, a longer warmup, or clip",
        isfinite(result->total.loss) && !is_spike(result) ? "gradient" : "loss",
        is_spike(result) ? "far above the recent mean" : "not finite", SKIPS_IN_A_ROW,
        t->state.run.step, t->state.run.step - SKIPS_IN_A_ROW);
}

/* Collective. Computes all steps; *stopped is set if a signal or max-time ended the loop early. */
static t2i_status run_steps(t2i_train *t, int *stopped, t2i_error *err)
{
    const t2i_train_options *options = t->options;
    t->began = t->line_began = t2i_cpu_seconds();
    t->line_step = t->first_step = t->state.run.step;
    t->line_sent = t2i_comm_sent(t->comm);
    *stopped = 0;
    t2i_stop_signal_catch();
    while (!*stopped && !t2i_train_options_ended(options, &t->state.run)) {
        int late = t->rank == 0 && options->max_time > 0.0 &&
                   t2i_cpu_seconds() - t->began > options->max_time;
        int saved = t->rank == 0 && t2i_checkpoint_writer_done(t->checkpoint_writer);
        t2i_step_result result = {
            .step_status = {.stop = t2i_stop_signal_received() != 0, .late = late, .saved = saved}};
        t2i_step_take(t->step, t->comm, &result, &t->seconds);
        T2I_TRY(check_memory(t, &result.step_status, err));
        T2I_TRY(check_audit(t, &result.step_status, err));
        if (result.step_status.saved > 0) try_end_save(t);
        if (!t->lost) after_step(t, &result);
        if (t->lost) return save(t, err);
        T2I_TRY(check_skips(t, &result, err));
        *stopped = result.step_status.stop + result.step_status.late > 0 &&
                   !t2i_train_options_ended(options, &t->state.run);
    }
    return save(t, err);
}

/* Rank 0. The weight of the text index for the weights of the last t2i_step_model. A failure is a
 * warning: the model has no weight then. */
static void choose_index_weight(t2i_train *t)
{
    t2i_error err = {0};
    double *weight = &t->state.run.index_weight;
    if (t->contrastive == NULL) return;
    t2i_status status = t2i_hybrid_search_choose_weight(t2i_step_packed(t->step), &t->state.vocab,
                                                        t->dataset, weight, &err);
    if (status != T2I_OK)
        t2i_log_warn("%s; the model has no weight for the text index", err.text);
    else if (*weight > 0.0)
        t2i_log_note("weight of the text index, for t2i-generate --index on: %g", *weight);
}

/* Rank 0. Writes the model without moments, and the last plot. */
static t2i_status write_end(t2i_train *t, float *weights, t2i_error *err)
{
    choose_index_weight(t);
    t2i_status status =
        t2i_validation_save_model(&t->validation, "model.safetensors", weights, err);
    t2i_error ignored = {0};
    if (status == T2I_OK) t2i_runlog_warn_failed(t2i_runlog_plot(t->log, &ignored), &ignored);
    return status;
}

/* How a finished run ended. */
static void describe_end(const t2i_train *t, char *out, size_t room)
{
    const t2i_run_state *run = &t->state.run;
    if (run->step >= t->options->steps)
        snprintf(out, room, "all %ld steps are done", run->step);
    else
        snprintf(out, room,
                 "stopped early at step %ld of %ld: %ld validations in a row without a better "
                 "score (patience)",
                 run->step, t->options->steps, run->waited);
}

/* Collective. Writes the model and the records, status.json last. */
static t2i_status finish(t2i_train *t, t2i_status status, int stopped, t2i_error *err)
{
    try_end_save(t);
    if (status == T2I_OK && !stopped) {
        begin_writing(t, T2I_AT_SAVE, t->state.run.step, 1);
        float *weights = t2i_step_model(t->step, t->comm);
        status = t2i_comm_agree(t->comm, t->rank == 0 ? write_end(t, weights, err) : T2I_OK, err);
        begin_writing(t, T2I_AT_VALIDATE, t->state.run.step, 1);
        if (status == T2I_OK && t->rank == 0 && !due(t->state.run.step, t->options->sample_every) &&
            t2i_validation_has_samples(&t->validation))
            draw_samples(t, weights);
    }
    long step = t->state.run.step;
    if (status == T2I_OK && stopped)
        status = t2i_fail(err, T2I_STOPPED,
                          "stopped at step %ld of %ld after saving a checkpoint; run the same "
                          "command again to resume",
                          step, t->options->steps);
    t2i_status mine = T2I_OK;
    t2i_error why = {0};
    const char *state = status == T2I_OK        ? "finished"
                        : status == T2I_STOPPED ? "stopped"
                                                : "failed";
    char how[160], best[64] = "";
    describe_end(t, how, sizeof how);
    const t2i_run_status ends =
        run_status(t, state, (int)status, status == T2I_OK ? how : err->text);
    write_records(t, &ends);
    if (t->rank == 0 && !t->lost) mine = t2i_runlog_status(t->options->out, &ends, &why);
    mine = t2i_comm_agree(t->comm, mine, &why);
    t->running = 0;
    if (mine != T2I_OK && (status == T2I_OK || status == T2I_STOPPED)) {
        *err = why;
        status = mine;
    }
    if (status == T2I_OK && step < t->options->steps) t2i_log_note("%s", how);
    if (ends.best > 0) snprintf(best, sizeof best, "; best.safetensors is of step %ld", ends.best);
    if (status == T2I_OK)
        t2i_log_note("finished: wrote %s/model.safetensors and report.html%s", t->options->out,
                     best);
    return status;
}

/* Called by the watchdog when any rank ends the job. */
static void note_end(void *context, const t2i_error *what)
{
    const t2i_train *t = context;
    t2i_error ignored;
    t2i_status status = T2I_OK;
    if (t->running) status = write_status(t, "failed", (int)what->status, what->text, &ignored);
    (void)status;
}

t2i_status t2i_train_open(t2i_train **out, t2i_comm *comm, const t2i_train_options *options,
                          t2i_error *err)
{
    t2i_train *t = *out = t2i_alloc(1, sizeof *t);
    t2i_status mine = t == NULL ? t2i_fail_memory(err, sizeof *t, "the state of the run") : T2I_OK;
    t2i_status status = t2i_comm_agree(comm, mine, err);
    if (status != T2I_OK) {
        t2i_free(t);
        *out = NULL;
        return status;
    }
    *t = (t2i_train){.options = options,
                     .comm = comm,
                     .rank = t2i_comm_rank(comm),
                     .size = t2i_comm_size(comm),
                     .sound_step = -1,
                     .saved_step = -1,
                     .saving = -1};
    if (t->rank == 0) t2i_events_begin(&t->events, &t->state.run.step);
    t2i_cpu_set_rounding();
    t2i_blas_begin(); /* used by the search in validations */
    status = t2i_comm_watch(comm, options->watchdog, note_end, t, err);
    if (status == T2I_OK) status = t2i_train_setup_run(t, err);
    if (status == T2I_OK) return T2I_OK;
    t2i_train_close(t, comm);
    *out = NULL;
    return status;
}

const t2i_run_sizes *t2i_train_sizes(const t2i_train *t)
{
    return t->initial.finished ? NULL : &t->sizes;
}

t2i_status t2i_train_run(t2i_train *t, t2i_comm *comm, t2i_error *err)
{
    int stopped = 0;
    T2I_ASSERT(comm == t->comm);
    if (t->initial.finished) {
        char how[160];
        describe_end(t, how, sizeof how);
        t2i_log_note("%s is finished: %s; nothing to do", t->options->out, how);
        return T2I_OK;
    }
    T2I_TRY(begin(t, err));
    if (t->options->replay != NULL) return T2I_OK;
    if (t->options->dry_run) {
        t2i_log_note("dry run: everything is in order");
        return T2I_OK;
    }
    if (t->initial.own) t->saved_step = t->sound_step = t->state.run.step;
    t2i_status status = run_steps(t, &stopped, err);
    return finish(t, status, stopped, err);
}

void t2i_train_close(t2i_train *t, t2i_comm *comm)
{
    if (t == NULL) return;
    t2i_comm_unwatch(comm);
    tear_down(t);
    t2i_free(t);
}
