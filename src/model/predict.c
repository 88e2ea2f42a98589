#include "model/predict.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

/* Length of the longest prompt in characters, at most the model's block size. */
static t2i_status longest(const t2i_model *model, const t2i_prompt *prompt, size_t prompts,
                          size_t *out, t2i_error *err)
{
    *out = 1;
    for (size_t i = 0; i < prompts; i++) {
        size_t length = 0;
        if (t2i_utf8_valid(prompt[i].bytes, prompt[i].size) != prompt[i].size)
            return t2i_fail(err, T2I_DATA, "prompt %zu is not UTF-8", i + 1);
        for (size_t b = 0; b < prompt[i].size; b++)
            length += ((unsigned char)prompt[i].bytes[b] & 0xc0) != 0x80;
        if (length > *out) *out = length;
    }
    if (*out > model->config.block_size) *out = model->config.block_size;
    return T2I_OK;
}

/* What all blocks of prompts are predicted with. */
typedef struct {
    const t2i_packed_weights *packed;
    const t2i_vocab *vocab;
    t2i_work *work; /* owned */
    size_t limit;   /* characters of a prompt */
    uint16_t *ids;  /* owned: limit for each prompt of a block */
} predictor;

static t2i_status check_finite(const float *out, size_t width, const t2i_prompt *prompt,
                               size_t prompts, t2i_error *err)
{
    for (size_t i = 0; i < prompts * width; i++)
        if (!isfinite(out[i]))
            return t2i_fail(err, T2I_DATA,
                            "the model's prediction for '%.*s' is not finite: its weights "
                            "cannot be used",
                            prompt[i / width].size > 200 ? 200 : (int)prompt[i / width].size,
                            prompt[i / width].bytes);
    return T2I_OK;
}

/* At most T2I_PREDICT_BLOCK prompts. */
static t2i_status predict_block(const predictor *p, const t2i_prompt *prompt, size_t prompts,
                                float *features, float *place, t2i_encoded *encoded, t2i_error *err)
{
    t2i_row row[T2I_PREDICT_BLOCK];
    const t2i_config *c = &p->packed->model->config;
    size_t D = c->vision_feature_dim;
    for (size_t i = 0; i < prompts; i++) {
        uint16_t *ids = p->ids + i * p->limit;
        t2i_encoded done =
            t2i_vocab_encode(p->vocab, prompt[i].bytes, prompt[i].size, p->limit, ids);
        row[i] = (t2i_row){ids, done.length};
        if (encoded != NULL) encoded[i] = done;
    }
    const t2i_outputs result =
        t2i_transformer_forward(p->packed, p->work, row, prompts, p->vocab, NULL);
    T2I_TRY(check_finite(result.features, D, prompt, prompts, err));
    if (result.query != NULL)
        T2I_TRY(check_finite(result.query, c->embed_dim, prompt, prompts, err));
    if (features != NULL) memcpy(features, result.features, prompts * D * sizeof *features);
    if (place != NULL) t2i_search_space_prompts(c, place, &result, prompts);
    return T2I_OK;
}

t2i_status t2i_predict_packed(const t2i_packed_weights *packed, const t2i_vocab *vocab,
                              const t2i_prompt *prompt, size_t prompts, float *features,
                              float *place, t2i_encoded *encoded, t2i_error *err)
{
    predictor p = {.packed = packed, .vocab = vocab};
    size_t D = packed->model->config.vision_feature_dim,
           dim = t2i_search_space_dim(&packed->model->config);
    if (prompts == 0) return T2I_OK;
    T2I_TRY(longest(packed->model, prompt, prompts, &p.limit, err));
    size_t rows = prompts < T2I_PREDICT_BLOCK ? prompts : T2I_PREDICT_BLOCK;
    const t2i_work_sizes sizes = {.passes = 1,
                                  .most_rows = rows,
                                  .longest = p.limit,
                                  .share = 1,
                                  .by_layer = packed->purpose == T2I_TO_TRAIN_BY_LAYER};
    p.ids = t2i_alloc(rows * p.limit, sizeof *p.ids);
    t2i_status status = p.ids == NULL
                            ? t2i_fail_memory(err, rows * p.limit * sizeof *p.ids, "the prompts")
                            : t2i_transformer_work_new(&p.work, packed->model, &sizes, err);
    for (size_t first = 0; status == T2I_OK && first < prompts; first += rows)
        status = predict_block(&p, prompt + first, prompts - first < rows ? prompts - first : rows,
                               features == NULL ? NULL : features + first * D,
                               place == NULL ? NULL : place + first * dim,
                               encoded == NULL ? NULL : encoded + first, err);
    t2i_transformer_work_free(p.work);
    t2i_free(p.ids);
    return status;
}

static int has_character(const t2i_text *text, size_t from, const char *character, size_t length)
{
    uint32_t code;
    for (size_t at = from, step; at < text->size; at += step) {
        step = t2i_utf8_decode(text->data + at, text->size - at, &code);
        if (step == 0) return 0;
        if (step == length && memcmp(text->data + at, character, length) == 0) return 1;
    }
    return 0;
}

t2i_status t2i_predict_unknown_characters(const t2i_vocab *vocab, t2i_prompt prompt, size_t limit,
                                          t2i_text *out, t2i_error *err)
{
    size_t from = out->size, length;
    uint32_t code;
    for (size_t at = 0; limit > 0 && at < prompt.size; at += length, limit--) {
        length = t2i_utf8_decode(prompt.bytes + at, prompt.size - at, &code);
        if (length == 0) break;
        if (t2i_vocab_id(vocab, code) < 0 && !has_character(out, from, prompt.bytes + at, length))
            T2I_TRY(t2i_text_add(out, prompt.bytes + at, length, err));
    }
    return T2I_OK;
}
