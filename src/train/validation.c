#include "train/validation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/job_limits.h"
#include "comm/reduce.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "kernels/ops.h"
#include "model/predict.h"
#include "base/heartbeat.h"
#include "retrieval/contact_sheet.h"

/* ---- set-up ---- */

/* Rows of a split; characters outside the vocabulary are allowed. */
static t2i_row_range range_of(const t2i_validation *validation, int split, uint64_t first,
                              uint64_t end)
{
    return (t2i_row_range){.dataset = validation->dataset,
                           .split = split,
                           .first = first,
                           .end = end,
                           .vocab = &validation->state->vocab,
                           .block_size = validation->state->model.config.block_size};
}

t2i_status t2i_validation_new(t2i_validation *out, const t2i_train_options *options,
                              t2i_dataset *dataset, t2i_train_state *state,
                              const uint64_t split_rows[T2I_SPLITS], int rank, int size,
                              t2i_error *err)
{
    *out = (t2i_validation){.options = options,
                            .dataset = dataset,
                            .state = state,
                            .rank = rank,
                            .size = size,
                            .last_loss = -1.0};
    memcpy(out->split_rows, split_rows, sizeof out->split_rows);
    out->validated = options->validate_every > 0 ? split_rows[T2I_VALIDATION] : 0;
    out->blocks = (size_t)((out->validated + T2I_VALIDATION_ROWS - 1) / T2I_VALIDATION_ROWS);
    out->first_block = t2i_comm_share(out->blocks, rank, size);
    uint64_t first = (uint64_t)out->first_block * T2I_VALIDATION_ROWS;
    uint64_t end = (uint64_t)t2i_comm_share(out->blocks, rank + 1, size) * T2I_VALIDATION_ROWS;
    out->range = range_of(out, T2I_VALIDATION, first, end < out->validated ? end : out->validated);
    T2I_TRY(t2i_rows_load(&out->rows, &out->range, err));
    if (out->validated == 0) return T2I_OK;
    return t2i_validation_recall_new(&out->recall, dataset, &state->model.config, &out->rows, first,
                                     out->validated, err);
}

void t2i_validation_free(t2i_validation *validation)
{
    t2i_rows_free(&validation->rows);
    t2i_contrastive_loss_rights_free(&validation->right);
    t2i_validation_recall_free(&validation->recall);
    t2i_free(validation->place);
    t2i_free(validation->block_loss);
    t2i_free(validation->index);
    t2i_free(validation->target);
    t2i_free(validation->unwanted);
    t2i_gallery_free(&validation->gallery);
}

void t2i_validation_want(const t2i_validation *validation, uint8_t *wanted)
{
    for (size_t i = 0; i < validation->rows.count; i++) t2i_want(wanted, validation->rows.image[i]);
    t2i_validation_recall_want(&validation->recall, wanted);
}

t2i_status t2i_validation_begin(t2i_validation *validation, const t2i_shared_features *features,
                                t2i_packed_weights *packed, t2i_work *work,
                                t2i_contrastive_loss *contrastive, t2i_error *err)
{
    const t2i_train_state *state = validation->state;
    size_t D = state->model.config.vision_feature_dim;
    validation->features = features;
    validation->packed = packed;
    validation->work = work;
    validation->contrastive = contrastive;
    validation->block_loss = t2i_alloc(validation->blocks, sizeof *validation->block_loss);
    validation->place =
        t2i_alloc(validation->blocks, T2I_VALIDATION_ROWS * sizeof *validation->place);
    validation->index = t2i_alloc(T2I_VALIDATION_ROWS, sizeof *validation->index);
    validation->target = t2i_alloc(T2I_VALIDATION_ROWS * D, sizeof *validation->target);
    validation->unwanted = t2i_alloc(T2I_VALIDATION_ROWS * D, sizeof *validation->unwanted);
    if (validation->block_loss == NULL || validation->place == NULL || validation->index == NULL ||
        validation->target == NULL || validation->unwanted == NULL)
        return t2i_fail_memory(err, validation->blocks * 8 + T2I_VALIDATION_ROWS * D * 8,
                               "validation");
    T2I_TRY(t2i_validation_recall_begin(&validation->recall, features, packed, err));
    if (contrastive == NULL) return T2I_OK;
    return t2i_contrastive_loss_rights_new(&validation->right, contrastive, &validation->rows,
                                           &validation->range,
                                           validation->split_rows[T2I_VALIDATION], err);
}

/* The pictures that samples are compared with. Pictures without a space of their own are loaded
 * once, the others placed by the weights of each drawing (packed; NULL: not yet). Memory was
 * estimated for them only with sample-every. */
static t2i_status load_gallery(t2i_validation *validation, const t2i_packed_weights *packed,
                               t2i_error *err)
{
    const t2i_config *config = &validation->state->model.config;
    t2i_gallery *gallery = &validation->gallery;
    int own_space = config->embed_dim > 0;
    if (own_space ? packed == NULL : gallery->place != NULL) return T2I_OK;
    if (validation->options->sample_every == 0)
        T2I_TRY(t2i_job_limits_check_memory(
            (double)gallery->images *
                ((double)t2i_search_space_dim(config) * sizeof(float) + sizeof(double)),
            "the pictures that samples are compared with", err));
    return t2i_gallery_load(gallery, own_space ? packed : NULL, err);
}

t2i_status t2i_validation_choose(t2i_validation *validation, t2i_error *err)
{
    const uint64_t *counts = validation->split_rows;
    int split = counts[T2I_VALIDATION] > 0 ? T2I_VALIDATION : T2I_TRAIN;
    validation->samples =
        counts[split] < T2I_VALIDATION_SAMPLES ? (size_t)counts[split] : T2I_VALIDATION_SAMPLES;
    for (size_t i = 0; i < validation->samples; i++) {
        t2i_rows one;
        uint64_t pick = counts[split] * i / validation->samples;
        const t2i_row_range range = range_of(validation, split, pick, pick + 1);
        T2I_TRY(t2i_rows_load(&one, &range, err));
        validation->sample[i] = one.pair[0];
        t2i_rows_free(&one);
    }
    t2i_gallery_open(&validation->gallery, validation->dataset);
    return validation->options->sample_every > 0 ? load_gallery(validation, NULL, err) : T2I_OK;
}

int t2i_validation_has_samples(const t2i_validation *validation)
{
    return validation->samples > 0 &&
           (validation->options->sample_every > 0 || t2i_gallery_shows(&validation->gallery) ||
            t2i_gallery_decodes(&validation->gallery));
}

void t2i_validation_log(const t2i_validation *validation, t2i_comm *comm)
{
    long long prompts = (long long)t2i_comm_sum(comm, (int64_t)validation->recall.questions);
    if (validation->validated > 0)
        t2i_log_note("validation ranks %zu pictures for each of %lld prompts",
                     validation->recall.pictures, prompts);
}

/* ---- validation ---- */

static double loss_of_block(t2i_validation *validation, size_t first, size_t rows)
{
    const t2i_train_state *state = validation->state;
    const uint32_t *image = validation->rows.image + first;
    size_t D = state->model.config.vision_feature_dim;
    const t2i_outputs outputs =
        t2i_transformer_forward(validation->packed, validation->work, validation->rows.row + first,
                                rows, &state->vocab, NULL);
    for (size_t i = 0; i < rows; i++) {
        validation->index[i] = first + i;
        memcpy(validation->target + i * D,
               t2i_shared_features_feature(validation->features, image[i]), D * sizeof(float));
    }
    t2i_validation_recall_add_predictions(&validation->recall, first, rows, &outputs);
    double loss = t2i_ops_squared_error(validation->unwanted, outputs.features, validation->target,
                                        0.0f, rows * D);
    const t2i_contrastive_batch pictures = {&validation->right, validation->index, rows,
                                            validation->target};
    if (validation->contrastive == NULL) return loss;
    if (validation->options->negatives == T2I_NEGATIVES_BATCH)
        t2i_contrastive_loss_begin_batch(validation->contrastive, validation->packed, image,
                                         validation->target, rows);
    return loss + validation->options->contrastive_weight * (double)D *
                      t2i_contrastive_loss_add(validation->contrastive, 0, &pictures,
                                               t2i_search_space_output(&outputs), 0.0f, NULL, NULL);
}

/* Collective. Returns the loss and fills place. */
static double validate(t2i_validation *validation, t2i_comm *comm)
{
    size_t end = t2i_comm_share(validation->blocks, validation->rank + 1, validation->size);
    if (validation->contrastive != NULL && validation->options->negatives != T2I_NEGATIVES_BATCH)
        t2i_contrastive_loss_begin(validation->contrastive, validation->packed, 0);
    for (size_t b = validation->first_block; b < end; b++) {
        size_t first = (b - validation->first_block) * T2I_VALIDATION_ROWS,
               rows = validation->rows.count - first;
        if (rows > T2I_VALIDATION_ROWS) rows = T2I_VALIDATION_ROWS;
        t2i_heartbeat_beat();
        validation->block_loss[b] = loss_of_block(validation, first, rows);
    }
    t2i_validation_recall_rank(&validation->recall,
                               validation->place + validation->first_block * T2I_VALIDATION_ROWS);
    t2i_comm_allgather(comm, validation->block_loss, sizeof *validation->block_loss,
                       validation->blocks);
    t2i_comm_allgather(comm, validation->place, T2I_VALIDATION_ROWS * sizeof *validation->place,
                       validation->blocks);
    double sum = 0.0;
    for (size_t b = 0; b < validation->blocks; b++) sum += validation->block_loss[b];
    return sum / ((double)validation->validated *
                  (double)validation->state->model.config.vision_feature_dim);
}

/* Rounds as a checkpoint does, so that a resumed run compares with the same number. */
static double nine_digits(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    return strtod(text, NULL);
}

void t2i_validation_validate(t2i_validation *validation, t2i_comm *comm, float *weights, int counts,
                             t2i_runlog *log)
{
    t2i_error err = {0};
    t2i_run_state *run = &validation->state->run;
    double loss = validation->last_loss = validate(validation, comm);
    validation->scores =
        t2i_scores_recall(validation->place, validation->blocks * T2I_VALIDATION_ROWS);
    double mrr = nine_digits(validation->scores.mrr), rounded = nine_digits(loss);
    int lower = isfinite(loss) && (run->best < 0.0 || rounded < run->best);
    int higher = validation->contrastive != NULL && mrr > run->best_mrr;
    int best = validation->contrastive != NULL ? higher : lower;
    if (counts && lower) run->best = rounded;
    if (counts && higher) run->best_mrr = mrr;
    if (counts) run->waited = best || validation->options->patience == 0 ? 0 : run->waited + 1;
    if (validation->rank != 0 || log == NULL) return;
    t2i_status saved = T2I_OK;
    if (counts && best) {
        saved = t2i_validation_save_model(validation, "best.safetensors", weights, &err);
        t2i_runlog_warn_failed(saved, &err);
    } else if (best && t2i_runlog_best(log) > 0)
        t2i_log_note("step %ld validates better than step %ld, which is in best.safetensors; only "
                     "multiples of validate-every count for it",
                     run->step, t2i_runlog_best(log));
    t2i_log_detail("step %ld: validation loss %.5f", run->step, loss);
    t2i_runlog_warn_failed(t2i_runlog_validation(log, run->step, loss, &validation->scores,
                                                 counts && best && saved == T2I_OK, run->waited,
                                                 &err),
                           &err);
    t2i_runlog_warn_failed(t2i_runlog_plot(log, &err), &err);
}

t2i_status t2i_validation_save_model(const t2i_validation *validation, const char *name,
                                     float *weights, t2i_error *err)
{
    const t2i_checkpoint model = t2i_train_state_model(validation->state, weights);
    char *path = t2i_fs_join(validation->options->out, name, err);
    t2i_status status = path == NULL ? T2I_SYSTEM : t2i_checkpoint_save(&model, path, err);
    t2i_free(path);
    return status;
}

/* ---- samples ---- */

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

t2i_status t2i_validation_prompts(const t2i_validation *validation, t2i_json **out, t2i_error *err)
{
    *out = t2i_json_array();
    t2i_status status = T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < validation->samples; i++) {
        t2i_prompt prompt;
        uint32_t truth;
        char *text = NULL;
        status =
            read_sample(validation->dataset, validation->sample[i], &text, &prompt, &truth, err);
        /* the report shows no longer prompts */
        if (status == T2I_OK)
            t2i_json_append(*out, t2i_json_string(text, prompt.size < 500 ? prompt.size : 500));
        t2i_free(text);
    }
    if (status == T2I_OK) return T2I_OK;
    t2i_json_free(*out);
    *out = NULL;
    return status;
}

/* features (count, D) and place (count, dim) of the prompts; places the gallery by the same
 * weights. */
static t2i_status predict_samples(t2i_validation *validation, const float *weights,
                                  const t2i_prompt *prompt, float *features, float *place,
                                  t2i_error *err)
{
    const t2i_train_state *state = validation->state;
    t2i_packed_weights packed;
    T2I_TRY(t2i_packed_weights_of(&packed, &state->model, weights, err));
    t2i_status status = t2i_predict_packed(&packed, &state->vocab, prompt, validation->samples,
                                           features, place, NULL, err);
    if (status == T2I_OK) status = load_gallery(validation, &packed, err);
    t2i_packed_weights_free(&packed);
    return status;
}

t2i_status t2i_validation_draw(t2i_validation *validation, const float *weights, t2i_error *err)
{
    const t2i_train_state *state = validation->state;
    size_t D = state->model.config.vision_feature_dim,
           dim = t2i_search_space_dim(&state->model.config), count = validation->samples;
    t2i_prompt prompt[T2I_VALIDATION_SAMPLES];
    uint32_t truth[T2I_VALIDATION_SAMPLES];
    char *text[T2I_VALIDATION_SAMPLES] = {0}, name[64], title[64];
    float *features = t2i_alloc(T2I_VALIDATION_SAMPLES * D, sizeof *features);
    float *place = t2i_alloc(T2I_VALIDATION_SAMPLES * dim, sizeof *place);
    t2i_status status =
        features == NULL || place == NULL ? t2i_fail_memory(err, D, "samples") : T2I_OK;
    for (size_t i = 0; status == T2I_OK && i < count; i++)
        status = read_sample(validation->dataset, validation->sample[i], &text[i], &prompt[i],
                             &truth[i], err);
    if (status == T2I_OK)
        status = predict_samples(validation, weights, prompt, features, place, err);
    snprintf(name, sizeof name, "samples/step-%ld.png", state->run.step);
    snprintf(title, sizeof title, "After step %ld", state->run.step);
    char *path = t2i_fs_join(validation->options->out, name, err);
    if (status == T2I_OK && path != NULL)
        status = t2i_contact_sheet_samples(path, title, &validation->gallery, prompt, count,
                                           features, place, truth, err);
    t2i_free(path);
    for (size_t i = 0; i < T2I_VALIDATION_SAMPLES; i++) t2i_free(text[i]);
    t2i_free(features);
    t2i_free(place);
    return status;
}
