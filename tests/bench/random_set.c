/* Writes the dataset of time_torch.py's `large` and `ddp`: 4,096 prompts of 8..48 random characters
 * out of 100, each with a random feature vector of its own. Usage: random_set F.h5 */
#include <stdio.h>

#include "t2i/dataset.h"
#include "t2i/log.h"
#include "t2i/mem.h"
#include "t2i/rng.h"
#include "t2i/text.h"

enum { ROWS = 4096, FEATURES = 512, SYMBOLS = 100 };

static t2i_status write_set(const char *path, t2i_error *err)
{
    static uint64_t offset[ROWS + 1];
    static uint32_t number[ROWS];
    static uint8_t split[ROWS];
    static char text[ROWS][12];
    static const char *name[ROWS];
    t2i_text prompts = {0};
    for (uint64_t i = 0; i < ROWS; i++) {
        uint64_t length = 8 + t2i_rng_below(1, 1, i, 41);
        for (uint64_t k = 0; k < length; k++) {
            char bytes[4]; /* from '!' on, past the Latin-1 controls */
            uint32_t code = 33 + (uint32_t)t2i_rng_below(1, 2 + i, k, SYMBOLS);
            size_t size = t2i_utf8_encode(code < 127 ? code : code + 64, bytes);
            T2I_TRY(t2i_text_add(&prompts, bytes, size, err));
        }
        offset[i + 1] = prompts.size;
        number[i] = (uint32_t)i;
        snprintf(text[i], sizeof text[i], "%u.png", (unsigned)i);
        name[i] = text[i];
    }
    const t2i_pairs pairs = {.pairs = ROWS,
                             .images = ROWS,
                             .prompt_bytes = prompts.data,
                             .prompt_offset = offset,
                             .image = number,
                             .row = number,
                             .split = split,
                             .image_name = name,
                             .group = number};
    const t2i_encoder_info encoder = {.encoder = "features", .scale = 1.0};
    t2i_dataset_out *out;
    T2I_TRY(t2i_dataset_create(&out, path, "random_set", &pairs, FEATURES, &encoder, err));
    t2i_status status = T2I_OK;
    static float feature[FEATURES];
    for (uint64_t i = 0; status == T2I_OK && i < ROWS; i++) {
        for (uint64_t k = 0; k < FEATURES; k++) feature[k] = (float)t2i_rng_normal(2, i, k);
        status = t2i_dataset_put_features(out, 1, feature, err);
    }
    t2i_text_free(&prompts);
    if (status == T2I_OK) return t2i_dataset_commit(out, err);
    t2i_dataset_drop(out);
    return status;
}

int main(int argc, char **argv)
{
    t2i_error err;
    t2i_log_program("random_set");
    t2i_status status =
        argc == 2 ? write_set(argv[1], &err) : t2i_fail(&err, T2I_USAGE, "usage: random_set F.h5");
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
