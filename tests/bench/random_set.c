/* Writes a dataset of random prompts: SHORTEST..LONGEST (8..48) characters out of 100, and a random
 * feature vector per picture. Usage: random_set F.h5 [PAIRS PICTURES FEATURES [SHORTEST LONGEST]]
 * Without numbers it is that of time_torch.py's `large` and `ddp`: 4,096 prompts, each with a
 * picture of its own, of 512 features. With more pairs than pictures, picture i has the pairs
 * i, i + PICTURES, ... */
#include <stdio.h>
#include <stdlib.h>

#include "dataset/dataset.h"
#include "base/log.h"
#include "dataset/dataset_writer.h"
#include "lists/pairs.h"
#include "base/rng.h"
#include "base/text.h"

enum { SYMBOLS = 100, FEATURES_MAX = 4096 };

/* numbers: those of the command line, in its order */
enum { PAIRS, PICTURES, FEATURES, SHORTEST, LONGEST, NUMBERS };

static t2i_status add_pair(t2i_pair_set *set, t2i_text *prompt, uint64_t i, const size_t *numbers,
                           t2i_error *err)
{
    size_t pictures = numbers[PICTURES];
    uint64_t length =
        numbers[SHORTEST] + t2i_rng_below(1, 1, i, numbers[LONGEST] - numbers[SHORTEST] + 1);
    char name[32];
    prompt->size = 0;
    for (uint64_t k = 0; k < length; k++) {
        char bytes[4]; /* from '!' on, past the Latin-1 controls */
        uint32_t code = 33 + (uint32_t)t2i_rng_below(1, 2 + i, k, SYMBOLS);
        size_t size = t2i_utf8_encode(code < 127 ? code : code + 64, bytes);
        T2I_TRY(t2i_text_add(prompt, bytes, size, err));
    }
    snprintf(name, sizeof name, "%llu.png", (unsigned long long)i);
    if (i < pictures) T2I_TRY(t2i_pairs_set_image(set, name, (uint32_t)i, err));
    return t2i_pairs_set_pair(set, prompt->data, prompt->size, (size_t)(i % pictures), (uint32_t)i,
                              T2I_TRAIN, err);
}

static t2i_status write_features(const char *path, const t2i_pairs *pairs, size_t features,
                                 t2i_error *err)
{
    static float feature[FEATURES_MAX];
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1.0};
    t2i_dataset_writer *out;
    T2I_TRY(t2i_dataset_writer_create(&out, path, "random_set", pairs, features, &encoder, err));
    t2i_status status = T2I_OK;
    for (uint64_t i = 0; status == T2I_OK && i < pairs->images; i++) {
        for (uint64_t k = 0; k < features; k++) feature[k] = (float)t2i_rng_normal(2, i, k);
        status = t2i_dataset_writer_put_features(out, 1, feature, err);
    }
    if (status == T2I_OK) return t2i_dataset_writer_commit(out, err);
    t2i_dataset_writer_drop(out);
    return status;
}

static t2i_status write_set(const char *path, const size_t *numbers, t2i_error *err)
{
    t2i_pair_set set = {.pairs = 0};
    t2i_text prompt = {0};
    t2i_status status = T2I_OK;
    for (uint64_t i = 0; status == T2I_OK && i < numbers[PAIRS]; i++)
        status = add_pair(&set, &prompt, i, numbers, err);
    const t2i_pairs view = t2i_pairs_set_view(&set);
    if (status == T2I_OK) status = write_features(path, &view, numbers[FEATURES], err);
    t2i_pairs_set_free(&set);
    t2i_text_free(&prompt);
    return status;
}

int main(int argc, char **argv)
{
    t2i_error err;
    t2i_log_program("random_set");
    size_t number[NUMBERS] = {4096, 4096, 512, 8, 48};
    for (int i = 2; i < argc && i < 2 + NUMBERS; i++)
        number[i - 2] = (size_t)strtoull(argv[i], NULL, 10);
    int sound = (argc == 2 || argc == 5 || argc == 7) && number[PICTURES] >= 1 &&
                number[PICTURES] <= number[PAIRS] && number[FEATURES] >= 1 &&
                number[FEATURES] <= FEATURES_MAX && number[SHORTEST] >= 1 &&
                number[SHORTEST] <= number[LONGEST];
    t2i_status status = sound ? write_set(argv[1], number, &err)
                              : t2i_fail(&err, T2I_USAGE,
                                         "usage: random_set F.h5 [PAIRS PICTURES FEATURES "
                                         "[SHORTEST LONGEST]]");
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
