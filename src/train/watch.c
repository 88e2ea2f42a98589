#include "train/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/reduce.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "kernels/ops.h"
#include "model/predict.h"
#include "base/heartbeat.h"
#include "retrieval/contact_sheet.h"

/* ---- set-up ---- */

t2i_status t2i_watch_new(t2i_watch *out, const t2i_job *job, t2i_dataset *dataset,
                         t2i_checkpoint *checkpoint, const uint64_t split_rows[T2I_SPLITS],
                         int rank, int size, t2i_error *err)
{
    *out = (t2i_watch){.job = job,
                       .dataset = dataset,
                       .checkpoint = checkpoint,
                       .rank = rank,
                       .size = size,
                       .last_loss = -1.0};
    memcpy(out->split_rows, split_rows, sizeof out->split_rows);
    out->validated = job->validate_every > 0 ? split_rows[T2I_VALIDATION] : 0;
    out->blocks = (size_t)((out->validated + T2I_WATCH_ROWS - 1) / T2I_WATCH_ROWS);
    out->first_block = t2i_share(out->blocks, rank, size);
    uint64_t end = (uint64_t)t2i_share(out->blocks, rank + 1, size) * T2I_WATCH_ROWS;
    uint64_t first = (uint64_t)out->first_block * T2I_WATCH_ROWS;
    T2I_TRY(t2i_rows_load(&out->rows, dataset, T2I_VALIDATION, first,
                          end < out->validated ? end : out->validated, &checkpoint->vocab,
                          checkpoint->model.config.block_size, 0, err));
    if (out->validated == 0) return T2I_OK;
    return t2i_validation_recall_new(&out->recall, dataset, &out->rows, first, out->validated, err);
}

void t2i_watch_free(t2i_watch *watch)
{
    t2i_rows_free(&watch->rows);
    t2i_rights_free(&watch->right);
    t2i_validation_recall_free(&watch->recall);
    t2i_free(watch->place);
    t2i_free(watch->block_loss);
    t2i_free(watch->index);
    t2i_free(watch->target);
    t2i_free(watch->dprediction);
    t2i_gallery_free(&watch->gallery);
}

void t2i_watch_want(const t2i_watch *watch, uint8_t *wanted)
{
    for (size_t i = 0; i < watch->rows.count; i++) t2i_want(wanted, watch->rows.image[i]);
    t2i_validation_recall_want(&watch->recall, wanted);
}

t2i_status t2i_watch_begin(t2i_watch *watch, const t2i_shared_features *store,
                           t2i_packed_weights *packed, t2i_work *work,
                           t2i_contrastive_loss *contrast, t2i_error *err)
{
    const t2i_checkpoint *c = watch->checkpoint;
    size_t D = c->model.config.vision_feature_dim;
    watch->store = store;
    watch->packed = packed;
    watch->work = work;
    watch->contrast = contrast;
    watch->block_loss = t2i_alloc(watch->blocks, sizeof *watch->block_loss);
    watch->place = t2i_alloc(watch->blocks, T2I_WATCH_ROWS * sizeof *watch->place);
    watch->index = t2i_alloc(T2I_WATCH_ROWS, sizeof *watch->index);
    watch->target = t2i_alloc(T2I_WATCH_ROWS * D, sizeof *watch->target);
    watch->dprediction = t2i_alloc(T2I_WATCH_ROWS * D, sizeof *watch->dprediction);
    if (watch->block_loss == NULL || watch->place == NULL || watch->index == NULL ||
        watch->target == NULL || watch->dprediction == NULL)
        return t2i_fail_memory(err, watch->blocks * 8 + T2I_WATCH_ROWS * D * 8, "validation");
    T2I_TRY(t2i_validation_recall_begin(&watch->recall, store, err));
    if (contrast == NULL) return T2I_OK;
    return t2i_rights_new(&watch->right, contrast, watch->dataset, &watch->rows, T2I_VALIDATION,
                          (uint64_t)watch->first_block * T2I_WATCH_ROWS,
                          watch->split_rows[T2I_VALIDATION], &c->vocab, c->model.config.block_size,
                          err);
}

t2i_status t2i_watch_choose(t2i_watch *watch, t2i_error *err)
{
    const t2i_checkpoint *c = watch->checkpoint;
    const uint64_t *counts = watch->split_rows;
    int split = counts[T2I_VALIDATION] > 0 ? T2I_VALIDATION : T2I_TRAIN;
    watch->samples = counts[split] < T2I_WATCH_SAMPLES ? (size_t)counts[split] : T2I_WATCH_SAMPLES;
    for (size_t i = 0; i < watch->samples; i++) {
        t2i_rows one;
        uint64_t pick = counts[split] * i / watch->samples;
        T2I_TRY(t2i_rows_load(&one, watch->dataset, split, pick, pick + 1, &c->vocab,
                              c->model.config.block_size, 0, err));
        watch->sample[i] = one.pair[0];
        t2i_rows_free(&one);
    }
    return t2i_gallery_new(&watch->gallery, watch->dataset, err);
}

void t2i_watch_tell(const t2i_watch *watch, t2i_comm *comm)
{
    long long prompts = (long long)t2i_comm_sum(comm, (int64_t)watch->recall.questions);
    if (watch->validated > 0)
        t2i_log_note("validation ranks %zu pictures for each of %lld prompts",
                     watch->recall.pictures, prompts);
}

/* ---- validation ---- */

static double loss_of_block(t2i_watch *watch, size_t first, size_t rows)
{
    const t2i_checkpoint *c = watch->checkpoint;
    size_t D = c->model.config.vision_feature_dim;
    const float *prediction =
        t2i_forward(watch->packed, watch->work, watch->rows.row + first, rows, c->vocab.pad);
    for (size_t i = 0; i < rows; i++) {
        watch->index[i] = first + i;
        memcpy(watch->target + i * D,
               t2i_shared_features_feature(watch->store, watch->rows.image[first + i]),
               D * sizeof(float));
    }
    t2i_validation_recall_add_predictions(&watch->recall, first, rows, prediction);
    double loss = t2i_squared_error(watch->dprediction, prediction, watch->target, 0.0f, rows * D);
    if (watch->contrast != NULL)
        loss += watch->job->contrastive_weight * (double)D *
                t2i_contrastive_loss_add(watch->contrast, 0, &watch->right, watch->index, rows,
                                         prediction, watch->target, 0.0f, NULL);
    return loss;
}

/* Collective. The loss; and place. */
static double validate(t2i_watch *watch, t2i_comm *comm)
{
    size_t end = t2i_share(watch->blocks, watch->rank + 1, watch->size);
    if (watch->contrast != NULL) t2i_contrastive_loss_begin(watch->contrast, 0);
    for (size_t b = watch->first_block; b < end; b++) {
        size_t first = (b - watch->first_block) * T2I_WATCH_ROWS, rows = watch->rows.count - first;
        if (rows > T2I_WATCH_ROWS) rows = T2I_WATCH_ROWS;
        t2i_heartbeat_beat();
        watch->block_loss[b] = loss_of_block(watch, first, rows);
    }
    t2i_validation_recall_rank(&watch->recall, watch->place + watch->first_block * T2I_WATCH_ROWS);
    t2i_comm_share_all(comm, watch->block_loss, sizeof *watch->block_loss, watch->blocks);
    t2i_comm_share_all(comm, watch->place, T2I_WATCH_ROWS * sizeof *watch->place, watch->blocks);
    double sum = 0.0;
    for (size_t b = 0; b < watch->blocks; b++) sum += watch->block_loss[b];
    return sum /
           ((double)watch->validated * (double)watch->checkpoint->model.config.vision_feature_dim);
}

/* As a checkpoint writes it, so that a resumed run compares with the very same number. */
static double nine_digits(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    return strtod(text, NULL);
}

void t2i_watch_validate(t2i_watch *watch, t2i_comm *comm, float *weights, int counts,
                        t2i_runlog *log)
{
    t2i_error err = {0};
    t2i_run_state *run = &watch->checkpoint->run;
    double loss = watch->last_loss = validate(watch, comm);
    watch->scores = t2i_scores_recall(watch->place, watch->blocks * T2I_WATCH_ROWS);
    int lower = counts && isfinite(loss) && (run->best < 0.0 || loss < run->best);
    int higher = counts && watch->contrast != NULL && watch->scores.mrr > run->best_mrr;
    int best = watch->contrast != NULL ? higher : lower;
    if (lower) run->best = nine_digits(loss);
    if (higher) run->best_mrr = nine_digits(watch->scores.mrr);
    if (watch->rank != 0) return;
    if (best)
        t2i_runlog_lapse(t2i_watch_save_model(watch, "best.safetensors", weights, &err), &err);
    t2i_log_detail("step %ld: validation loss %.5f", run->step, loss);
    t2i_runlog_lapse(t2i_runlog_validation(log, run->step, loss, &watch->scores, &err), &err);
    t2i_runlog_lapse(t2i_runlog_plot(log, &err), &err);
}

t2i_status t2i_watch_save_model(const t2i_watch *watch, const char *name, float *weights,
                                t2i_error *err)
{
    t2i_checkpoint model = *watch->checkpoint; /* borrowed for one call */
    model.m = model.v = model.ema = NULL;
    model.weights = weights;
    char *path = t2i_fs_join(watch->job->out, name);
    t2i_status status = path == NULL ? t2i_fail_memory(err, 64, "a file name")
                                     : t2i_checkpoint_save(&model, path, err);
    t2i_free(path);
    return status;
}

/* ---- drawn prompts ---- */

static t2i_status read_sample(t2i_dataset *dataset, uint64_t pair, char **text, t2i_prompt *prompt,
                              uint32_t *truth, t2i_error *err)
{
    uint64_t offset[2];
    T2I_TRY(t2i_dataset_prompt_offsets(dataset, pair, 1, offset, err));
    prompt->size = (size_t)(offset[1] - offset[0]);
    prompt->bytes = *text = t2i_alloc(prompt->size + 1, 1);
    if (*text == NULL) return t2i_fail_memory(err, prompt->size, "samples");
    T2I_TRY(t2i_dataset_prompt_bytes(dataset, offset[0], prompt->size, *text, err));
    return t2i_dataset_pairs(dataset, pair, 1, truth, NULL, NULL, err);
}

t2i_status t2i_watch_prompts(const t2i_watch *watch, t2i_json **out, t2i_error *err)
{
    *out = t2i_json_array();
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < watch->samples; i++) {
        t2i_prompt prompt;
        uint32_t truth;
        char *text = NULL;
        status = read_sample(watch->dataset, watch->sample[i], &text, &prompt, &truth, err);
        /* more than that is nobody's to read beside a picture */
        if (status == T2I_OK)
            t2i_json_append(*out, t2i_json_string(text, prompt.size < 500 ? prompt.size : 500));
        t2i_free(text);
    }
    if (status == T2I_OK) return T2I_OK;
    t2i_json_free(*out);
    *out = NULL;
    return status;
}

t2i_status t2i_watch_draw(t2i_watch *watch, const float *weights, t2i_error *err)
{
    const t2i_checkpoint *c = watch->checkpoint;
    size_t D = c->model.config.vision_feature_dim, count = watch->samples;
    t2i_prompt prompt[T2I_WATCH_SAMPLES];
    uint32_t truth[T2I_WATCH_SAMPLES];
    char *text[T2I_WATCH_SAMPLES] = {0}, name[64], title[64];
    float *prediction = t2i_alloc(T2I_WATCH_SAMPLES * D, sizeof *prediction);
    t2i_status status = prediction == NULL ? t2i_fail_memory(err, D, "samples") : T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < count; i++)
        status =
            read_sample(watch->dataset, watch->sample[i], &text[i], &prompt[i], &truth[i], err);
    if (status == T2I_OK)
        status = t2i_predict(&c->model, weights, &c->vocab, prompt, count, prediction, NULL, err);
    snprintf(name, sizeof name, "samples/step-%ld.png", c->run.step);
    snprintf(title, sizeof title, "After step %ld", c->run.step);
    char *path = t2i_fs_join(watch->job->out, name);
    if (status == T2I_OK && path != NULL)
        status = t2i_contact_sheet_samples(path, title, &watch->gallery, prompt, count, prediction,
                                           truth, err);
    t2i_free(path);
    for (size_t i = 0; i < T2I_WATCH_SAMPLES; i++) t2i_free(text[i]);
    t2i_free(prediction);
    return status;
}
