/* predictor.c - t2i_predictor of t2i.h: a trained model. */
#include "library/library_internal.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/opts.h"
#include "base/text.h"
#include "checkpoint/run_folder.h"
#include "model/packed_weights.h"
#include "model/predict.h"

struct t2i_predictor {
    char *path, *dataset; /* owned */
    t2i_checkpoint checkpoint;
    t2i_packed_weights packed;
    t2i_predictor_info info;
};

const char *t2i_version(void)
{
    return T2I_VERSION;
}

static t2i_predictor_info describe(const t2i_predictor *p)
{
    const t2i_checkpoint *c = &p->checkpoint;
    const t2i_config *config = &c->model.config;
    t2i_predictor_info info = {.path = p->path,
                               .dataset = p->dataset,
                               .features = config->vision_feature_dim,
                               .prompt_length = config->block_size,
                               .vocabulary = c->vocab.size,
                               .layers = config->n_layers,
                               .heads = config->n_heads,
                               .width = config->d_model,
                               .hidden_width = config->d_ff,
                               .step = c->run.step,
                               .verified = c->ours,
                               .place_size = t2i_search_space_dim(config)};
    t2i_checkpoint_tensors(c, &info.parameters);
    return info;
}

static t2i_status open_model(t2i_predictor *p, const char *path, t2i_error *err)
{
    T2I_TRY(t2i_run_folder_model(path, &p->path, err));
    T2I_TRY(t2i_checkpoint_load(&p->checkpoint, p->path, 0, 0, err));
    T2I_TRY(t2i_packed_weights_of(&p->packed, &p->checkpoint.model, p->checkpoint.weights, err));
    t2i_error none; /* ignored: a run folder need not name its dataset */
    if (t2i_fs_is_folder(path) &&
        t2i_run_folder_dataset(path, &p->dataset, NULL, &none) == T2I_SYSTEM)
        return t2i_fail(err, T2I_SYSTEM, "%s", none.text);
    p->info = describe(p);
    return T2I_OK;
}

t2i_status t2i_predictor_open(t2i_predictor **out, const char *path, t2i_error *err)
{
    fenv_t caller;
    *out = NULL;
    t2i_predictor *p = t2i_alloc(1, sizeof *p);
    if (p == NULL) return t2i_fail_memory(err, sizeof *p, "a model");
    t2i_library_enter(&caller);
    t2i_status status = open_model(p, path, err);
    t2i_library_leave(&caller);
    if (status == T2I_OK)
        *out = p;
    else
        t2i_predictor_close(p);
    return status;
}

void t2i_predictor_close(t2i_predictor *p)
{
    if (p == NULL) return;
    t2i_packed_weights_free(&p->packed);
    t2i_checkpoint_free(&p->checkpoint);
    t2i_free(p->dataset);
    t2i_free(p->path);
    t2i_free(p);
}

const t2i_predictor_info *t2i_predictor_get_info(const t2i_predictor *p)
{
    return &p->info;
}

const t2i_checkpoint *t2i_predictor_checkpoint(const t2i_predictor *p)
{
    return &p->checkpoint;
}

const t2i_packed_weights *t2i_predictor_packed(const t2i_predictor *p)
{
    return &p->packed;
}

const char *t2i_predictor_token(const t2i_predictor *p, size_t number)
{
    return number < p->checkpoint.vocab.size ? p->checkpoint.vocab.name[number] : NULL;
}

static t2i_status check_prompt(const char *prompt, size_t number, t2i_error *err)
{
    size_t size = strlen(prompt), good = t2i_utf8_valid(prompt, size);
    if (good == size) return T2I_OK;
    return t2i_fail(err, T2I_USAGE, "prompt %zu is not UTF-8 (byte %zu)", number + 1, good + 1);
}

t2i_status t2i_predictor_place(const t2i_predictor *p, const char *const *prompt, size_t prompts,
                               float *features, float *place, t2i_error *err)
{
    fenv_t caller;
    t2i_prompt block[T2I_PREDICT_BLOCK];
    size_t D = p->info.features, dim = p->info.place_size;
    t2i_status status = T2I_OK;
    t2i_library_enter(&caller);
    for (size_t first = 0, count; first < prompts && status == T2I_OK; first += count) {
        for (count = 0; count < T2I_PREDICT_BLOCK && first + count < prompts; count++) {
            const char *text = prompt[first + count];
            if (status == T2I_OK) status = check_prompt(text, first + count, err);
            block[count] = (t2i_prompt){text, strlen(text)};
        }
        if (status == T2I_OK)
            status = t2i_predict_packed(&p->packed, &p->checkpoint.vocab, block, count,
                                        features == NULL ? NULL : features + first * D,
                                        place == NULL ? NULL : place + first * dim, NULL, err);
    }
    t2i_library_leave(&caller);
    return status;
}

t2i_status t2i_predictor_predict(const t2i_predictor *p, const char *const *prompt, size_t prompts,
                                 float *features, t2i_error *err)
{
    return t2i_predictor_place(p, prompt, prompts, features, NULL, err);
}

t2i_status t2i_predictor_examine(const t2i_predictor *p, const char *prompt, size_t *cut,
                                 char *unknown, t2i_error *err)
{
    T2I_TRY(check_prompt(prompt, 0, err));
    size_t length = 0, limit = p->info.prompt_length;
    for (const char *c = prompt; *c != '\0'; c++) length += ((unsigned char)*c & 0xc0) != 0x80;
    *cut = length > limit ? length - limit : 0;
    t2i_text text = {0};
    t2i_status status = t2i_predict_unknown_characters(
        &p->checkpoint.vocab, (t2i_prompt){prompt, strlen(prompt)}, limit, &text, err);
    if (text.size > 0) memcpy(unknown, text.data, text.size);
    unknown[text.size] = '\0';
    t2i_text_free(&text);
    return status;
}
