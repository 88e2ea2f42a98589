/* eval_set: writes a dataset of any size and a model with random weights for t2i-eval.
 * Usage: eval_set FOLDER PICTURES PROMPTS [FEATURES [EMBED_DIM]]
 * FOLDER/set.h5 has PICTURES pictures (FEATURES features each, default 512), each with one training
 * prompt, and PROMPTS prompts in each other split, each with one picture. Every tenth picture is
 * equal to the one before it. With fewer than 10,000 pictures prompts are short, so that many fit
 * several pictures, also of other splits. FOLDER/model.safetensors is a small untrained model.
 *
 * To measure the time for a million pictures: eval_set /tmp/big 1000000 1000, then
 * mpirun -np 2 t2i-eval /tmp/big/model.safetensors --data /tmp/big/set.h5 --split validation
 */
#include <stdio.h>
#include <stdlib.h>

#include "checkpoint/checkpoint.h"
#include "dataset/dataset.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "dataset/dataset_writer.h"

enum { NAME = 32, CHARACTERS = 27, SMALL = 10000 };

typedef struct {
    size_t pictures, prompts, features, embed_dim;
    uint64_t *offset;
    uint32_t *image, *row, *group;
    uint8_t *split;
    char (*text)[NAME];
    const char **name;
    t2i_text bytes;
} set;

/* Three to seven words out of 3,000 (a small set: one or two of 40), those with low numbers often;
 * each of one to four syllables. */
static t2i_status add_prompt(set *s, uint64_t i, t2i_error *err)
{
    int small = s->pictures < SMALL;
    uint64_t words = small ? 1 + t2i_rng_below(1, i, 0, 2) : 3 + t2i_rng_below(1, i, 0, 5);
    for (uint64_t w = 0; w < words; w++) {
        double u = t2i_rng_uniform(1, i, 1 + w);
        uint64_t word = (uint64_t)(u * u * u * (small ? 40 : 3000));
        uint64_t syllables = 1 + t2i_rng_below(2, word, 0, 4);
        if (w > 0) T2I_TRY(t2i_text_add(&s->bytes, " ", 1, err));
        for (uint64_t k = 0; k < syllables; k++) {
            const char syllable[2] = {"bcdfghjklmnprstvwz"[t2i_rng_below(2, word, 1 + k, 18)],
                                      "aeiouy"[t2i_rng_below(3, word, 1 + k, 6)]};
            T2I_TRY(t2i_text_add(&s->bytes, syllable, 2, err));
        }
    }
    s->offset[i + 1] = s->bytes.size;
    return T2I_OK;
}

static t2i_status make_pairs(set *s, t2i_error *err)
{
    size_t pairs = s->pictures + 3 * s->prompts;
    s->offset = t2i_alloc(pairs + 1, sizeof *s->offset);
    s->image = t2i_alloc(pairs, sizeof *s->image);
    s->row = t2i_alloc(pairs, sizeof *s->row);
    s->split = t2i_alloc(pairs, 1);
    s->group = t2i_alloc(s->pictures, sizeof *s->group);
    s->text = t2i_alloc(s->pictures, NAME);
    s->name = t2i_alloc(s->pictures, sizeof *s->name);
    if (s->offset == NULL || s->image == NULL || s->row == NULL || s->split == NULL ||
        s->group == NULL || s->text == NULL || s->name == NULL)
        return t2i_fail_memory(err, pairs * 20, "the pairs");
    for (size_t i = 0; i < pairs; i++) {
        int trains = i < s->pictures;
        T2I_TRY(add_prompt(s, i, err));
        s->row[i] = (uint32_t)i;
        s->image[i] = (uint32_t)(trains ? i : t2i_rng_below(4, 0, i, s->pictures));
        s->split[i] = (uint8_t)(trains ? T2I_TRAIN : T2I_VALIDATION + (i - s->pictures) % 3);
    }
    for (size_t m = 0; m < s->pictures; m++) {
        s->group[m] = (uint32_t)m;
        snprintf(s->text[m], NAME, "%zu.png", m);
        s->name[m] = s->text[m];
    }
    return T2I_OK;
}

static t2i_status write_set(set *s, const char *path, t2i_error *err)
{
    const t2i_pairs pairs = {.pairs = s->pictures + 3 * s->prompts,
                             .images = s->pictures,
                             .prompt_bytes = s->bytes.data,
                             .prompt_offset = s->offset,
                             .image = s->image,
                             .row = s->row,
                             .split = s->split,
                             .image_name = s->name,
                             .group = s->group};
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1.0};
    t2i_dataset_writer *out;
    T2I_TRY(t2i_dataset_writer_create(&out, path, "eval_set", &pairs, s->features, &encoder, err));
    float *feature = t2i_alloc(s->features + 4, sizeof *feature);
    t2i_status status = feature == NULL ? t2i_fail_memory(err, s->features, "features") : T2I_OK;
    for (uint64_t m = 0; status == T2I_OK && m < s->pictures; m++) {
        for (size_t d = 0; d < s->features; d += 4) {
            uint32_t bits[4];
            t2i_rng_block(5, m % 10 == 9 ? m - 1 : m, d, bits);
            for (size_t k = 0; k < 4; k++) feature[d + k] = (float)((int32_t)bits[k] * 0x1p-31);
        }
        status = t2i_dataset_writer_put_features(out, 1, feature, err);
    }
    t2i_free(feature);
    if (status == T2I_OK) return t2i_dataset_writer_commit(out, err);
    t2i_dataset_writer_drop(out);
    return status;
}

static t2i_status write_model(const set *s, const char *path, t2i_error *err)
{
    const t2i_config config = {.d_model = 32,
                               .n_heads = 2,
                               .n_layers = 1,
                               .d_ff = 64,
                               .block_size = 80,
                               .vision_feature_dim = s->features,
                               .embed_dim = s->embed_dim,
                               .vocab_size = CHARACTERS + 2,
                               .out_bias = 1,
                               .ffn1_bias = 1,
                               .ffn2_bias = 1,
                               .head_bias = 1};
    char letter[CHARACTERS][2];
    const char *names[CHARACTERS + 2] = {" "};
    t2i_checkpoint c = {.has_head = 1, .ours = 1};
    for (size_t i = 1; i < CHARACTERS; i++) {
        snprintf(letter[i], sizeof letter[i], "%c", (char)('a' + i - 1));
        names[i] = letter[i];
    }
    names[CHARACTERS] = "<PAD>";
    names[CHARACTERS + 1] = "<UNK>";
    t2i_status status = t2i_vocab_new(&c.vocab, names, CHARACTERS + 2, err);
    if (status == T2I_OK) status = t2i_model_new(&c.model, &config, err);
    c.weights = status == T2I_OK ? t2i_block_new(&c.model.layout) : NULL;
    c.run.options = t2i_strdup("{}");
    c.run.shards = 1;
    c.run.best = -1;
    if (status == T2I_OK && c.weights != NULL) {
        for (size_t i = 0; i < c.model.layout.tensors; i++)
            t2i_model_init_tensor(&c.model, &c.model.layout.tensor[i], 1, c.weights);
        status = t2i_checkpoint_save(&c, path, err);
    }
    t2i_checkpoint_free(&c);
    return status;
}

static t2i_status write_all(set *s, const char *folder, t2i_error *err)
{
    char *data = t2i_fs_join(folder, "set.h5", err),
         *model = t2i_fs_join(folder, "model.safetensors", err);
    t2i_status status = data == NULL || model == NULL ? T2I_SYSTEM : t2i_fs_mkdir(folder, err);
    if (status == T2I_OK) status = make_pairs(s, err);
    if (status == T2I_OK) status = write_set(s, data, err);
    if (status == T2I_OK) status = write_model(s, model, err);
    t2i_free(data);
    t2i_free(model);
    return status;
}

int main(int argc, char **argv)
{
    t2i_error err;
    set s = {0};
    t2i_log_program("eval_set");
    if (argc >= 4) {
        s.pictures = (size_t)atol(argv[2]);
        s.prompts = (size_t)atol(argv[3]);
        s.features = argc > 4 ? (size_t)atol(argv[4]) : 512;
        s.embed_dim = argc > 5 ? (size_t)atol(argv[5]) : 0;
    }
    t2i_status status =
        s.pictures > 0 && s.features > 0
            ? write_all(&s, argv[1], &err)
            : t2i_fail(&err, T2I_USAGE,
                       "usage: eval_set FOLDER PICTURES PROMPTS [FEATURES [EMBED_DIM]]");
    void *all[] = {s.offset, s.image, s.row, s.split, s.group, s.text, s.name};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) t2i_free(all[i]);
    t2i_text_free(&s.bytes);
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
