/* loaded_model_sample.h - a dataset of six pictures and a model that predicts the same vector for
 * every prompt, so that ranks, distances and pictures can be worked out by hand.
 *
 * A picture is four quadrants of one colour each; its features are the quadrants' channels less
 * 0.5, so the decoder gives every picture back. All pictures here are of one colour: grey, but for
 * number 3. The prediction is a grey of 0.35.
 */
#ifndef T2I_LOADED_MODEL_SAMPLE_H
#define T2I_LOADED_MODEL_SAMPLE_H

#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "checkpoint/checkpoint.h"
#include "dataset/dataset.h"
#include "base/commit.h"
#include "dataset/dataset_writer.h"

static t2i_error err;
static char folder[256], data_file[300], bare_file[300], run_folder[300], model_file[330];

enum { SIDE = 16, PIXELS = SIDE * SIDE * 3, D = 12, PICTURES = 6, PAIRS = 7 };

/* Pictures 0 and 5 are equal. */
static const float colour[PICTURES][3] = {{0.2f, 0.2f, 0.2f},    {0.4f, 0.4f, 0.4f},
                                          {0.7f, 0.7f, 0.7f},    {0.8f, 0.5f, 0.5f},
                                          {0.05f, 0.05f, 0.05f}, {0.2f, 0.2f, 0.2f}};
#define PREDICTED 0.35f

static const char sample_bytes[] = "alpha"
                                   "beta"
                                   "beta"
                                   "gamma"
                                   "delta"
                                   "omega"
                                   "sigma";
static const uint64_t sample_offset[PAIRS + 1] = {0, 5, 9, 13, 18, 23, 28, 33};
static const uint32_t sample_image[PAIRS] = {0, 1, 2, 3, 4, 5, 3};
static const uint32_t sample_row[PAIRS] = {0, 1, 2, 3, 4, 5, 6};
static const uint8_t sample_split[PAIRS] = {0, 0, 0, 1, 1, 2, 3};
static const char *const sample_name[PICTURES] = {
    "zero.png", "one.png", "two.png", "three.png", "four.png", "a_rather_long_name_of_five.png"};
static const uint32_t sample_group[PICTURES] = {0, 1, 2, 3, 4, 5};

static inline size_t quadrant(size_t pixel)
{
    size_t y = pixel / SIDE, x = pixel % SIDE, half = SIDE / 2;
    return y / half * 2 + x / half;
}

/* The byte of a value in 0..1. */
static inline uint8_t byte_of(float value)
{
    return (uint8_t)(value * 255.0f + 0.5f);
}

static inline void put_decoder(t2i_dataset_writer *out)
{
    static float basis[D * PIXELS], mean[PIXELS];
    for (size_t i = 0; i < PIXELS; i++) {
        mean[i] = 0.5f;
        for (size_t d = 0; d < D; d++)
            basis[d * PIXELS + i] = d == quadrant(i / 3) * 3 + i % 3 ? 1.0f : 0.0f;
    }
    OK(t2i_dataset_writer_put_decoder(out, basis, mean, &err));
}

static inline void write_split_dataset(const char *to, int pictures, size_t features,
                                       const uint8_t split[PAIRS])
{
    const t2i_pairs pairs = {PAIRS,      PICTURES, sample_bytes, sample_offset, sample_image,
                             sample_row, split,    sample_name,  sample_group};
    const t2i_encoder_info with = {"pca", SIDE, SIDE, 1, ""}, without = {"features", 0, 0, 1, ""};
    t2i_dataset_writer *out = NULL;
    OK(t2i_dataset_writer_create(&out, to, "test", &pairs, features, pictures ? &with : &without,
                                 &err));
    if (out == NULL) return;
    for (size_t m = 0; m < PICTURES; m++) {
        float feature[D];
        uint8_t pixels[PIXELS];
        for (size_t d = 0; d < D; d++) feature[d] = colour[m][d % 3] - 0.5f;
        for (size_t i = 0; i < PIXELS; i++) pixels[i] = byte_of(colour[m][i % 3]);
        OK(t2i_dataset_writer_put_features(out, 1, feature, &err));
        if (pictures) OK(t2i_dataset_writer_put_pixels(out, 1, pixels, &err));
    }
    if (pictures) put_decoder(out);
    OK(t2i_dataset_writer_commit(out, &err));
}

static inline void write_dataset(const char *to, int pictures, size_t features)
{
    write_split_dataset(to, pictures, features, sample_split);
}

/* With embed_dim the first red and the first green of a picture are its place, and every prompt is
 * at (1, 0.2): picture 3, at (1, 0), is nearest, then 2, at (1, 1); the others are at (-1, -1).
 * digest: of the dataset that it claims to be trained on. */
static inline void write_model_with(const char *to, const char *digest, size_t embed_dim)
{
    const t2i_config config = {.d_model = 4,
                               .n_heads = 2,
                               .n_layers = 1,
                               .d_ff = 4,
                               .block_size = 6,
                               .vision_feature_dim = D,
                               .embed_dim = embed_dim,
                               .vocab_size = 10,
                               .out_bias = 1,
                               .ffn1_bias = 1,
                               .ffn2_bias = 1,
                               .head_bias = 1};
    static const char *const names[] = {"a", "b", "e", "g", "h", "l", "p", "t", "<PAD>", "<UNK>"};
    t2i_checkpoint c = {.ours = 1, .has_head = 1};
    OK(t2i_vocab_new(&c.vocab, names, sizeof names / sizeof *names, &err));
    OK(t2i_model_new(&c.model, &config, &err));
    c.weights = t2i_block_new(&c.model.layout);
    if (c.weights != NULL)
        for (size_t d = 0; d < D; d++) c.weights[c.model.head_bias + d] = PREDICTED - 0.5f;
    if (c.weights != NULL && embed_dim == 2) {
        c.weights[c.model.picture_weight] = c.weights[c.model.picture_weight + D + 1] = 1.0f;
        c.weights[c.model.query_bias] = 1.0f;
        c.weights[c.model.query_bias + 1] = 0.2f;
    }
    snprintf(c.run.dataset, sizeof c.run.dataset, "%s", digest);
    c.run.shards = 1;
    c.run.best = -1;
    c.run.options = t2i_strdup("{}");
    OK(t2i_checkpoint_save(&c, to, &err));
    t2i_checkpoint_free(&c);
}

static inline void write_model(const char *to, const char *digest)
{
    write_model_with(to, digest, 0);
}

/* A run folder whose job.ini names the dataset. */
static inline void write_job(const char *data)
{
    char path[330], text[400];
    snprintf(path, sizeof path, "%s/job.ini", run_folder);
    snprintf(text, sizeof text, "data = %s\n", data);
    OK(t2i_commit_file(path, text, strlen(text), &err));
}

static inline int begin_folder(const char *name)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.200s/t2i-%s-XXXXXX", base == NULL ? "/tmp" : base, name);
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(data_file, sizeof data_file, "%s/data.h5", folder);
    snprintf(bare_file, sizeof bare_file, "%s/bare.h5", folder);
    snprintf(run_folder, sizeof run_folder, "%s/run", folder);
    snprintf(model_file, sizeof model_file, "%s/model.safetensors", run_folder);
    return mkdir(run_folder, 0700);
}

/* Removes what the tests made; names beside the above, below the folder. */
static inline int end_folder(const char *const *more, size_t count)
{
    char path[512];
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, more[i]);
        remove(path);
    }
    snprintf(path, sizeof path, "%s/job.ini", run_folder);
    unlink(path);
    unlink(model_file);
    unlink(data_file);
    unlink(bare_file);
    if (rmdir(run_folder) == 0 && rmdir(folder) == 0) return 0;
    fprintf(stderr, "%s is not empty\n", folder);
    return 1;
}

#endif
