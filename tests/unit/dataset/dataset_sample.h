/* dataset_sample.h - a small dataset for tests, and a folder to write it into. */
#ifndef T2I_DATASET_SAMPLE_H
#define T2I_DATASET_SAMPLE_H

#include <stdio.h>
#include <unistd.h>

#include "test.h"
#include "dataset/dataset.h"
#include "dataset/dataset_writer.h"

static t2i_error err;
static char folder[512], path[600], other_path[600];

static inline int begin_folder(const char *name)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/t2i-%s-XXXXXX", base == NULL ? "/tmp" : base, name);
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/a.h5", folder);
    snprintf(other_path, sizeof other_path, "%s/b.h5", folder);
    return 0;
}

static inline void end_folder(void)
{
    unlink(path);
    unlink(other_path);
    if (rmdir(folder) != 0) fprintf(stderr, "%s is not empty\n", folder);
}

enum { PAIRS = 7, IMAGES = 3, WIDE = 5, HIGH = 4, ACROSS = 3, PIXEL = HIGH * ACROSS * 3 };

/* As the user gave them: rows with a gap, two prompts alike, one empty, one the beginning of
 * another, one beyond ASCII (bytes sort as unsigned). */
static const char sample_bytes[] = "red"
                                   "blue square"
                                   "blue"
                                   "\xc3\xa9t\xc3\xa9"
                                   ""
                                   "red"
                                   "zebra";
static const uint64_t sample_offset[PAIRS + 1] = {0, 3, 14, 18, 23, 23, 26, 31};
static const uint32_t sample_image[PAIRS] = {0, 1, 1, 2, 0, 2, 1};
static const uint32_t sample_row[PAIRS] = {0, 1, 2, 4, 5, 6, 9};
static const uint8_t sample_split[PAIRS] = {0, 1, 0, 2, 0, 3, 0};
static const char *const sample_name[IMAGES] = {"red.png", "", "sub/\xc3\xa9.png"};
static const uint32_t sample_group[IMAGES] = {7, 7, 9};
/* sorted: place in the user's order */
static const int sample_order[PAIRS] = {4, 2, 1, 0, 5, 6, 3};

static const t2i_pairs sample_pairs = {PAIRS,         IMAGES,       sample_bytes,
                                       sample_offset, sample_image, sample_row,
                                       sample_split,  sample_name,  sample_group};
static const t2i_encoder_info sample_encoder = {"pca", HIGH, ACROSS, 1.0 / 3,
                                                "0123456789abcdef0123456789abcdef"};
static const t2i_encoder_info bare_encoder = {"features", 0, 0, 1, ""};

static inline float sample_feature(size_t i)
{
    return (float)i * 0.25f - 1;
}

static inline uint8_t sample_pixel(size_t i)
{
    return (uint8_t)(i * 37 + i / 7);
}

static inline void put_sample_features(t2i_dataset_writer *out)
{
    float value[IMAGES * WIDE];
    for (size_t i = 0; i < IMAGES * WIDE; i++) value[i] = sample_feature(i);
    OK(t2i_dataset_writer_put_features(out, 2, value, &err));
    OK(t2i_dataset_writer_put_features(out, 1, value + 2 * WIDE, &err));
}

static inline void put_sample_pictures(t2i_dataset_writer *out)
{
    uint8_t pixels[IMAGES * PIXEL];
    float basis[WIDE * PIXEL], mean[PIXEL];
    for (size_t i = 0; i < IMAGES * PIXEL; i++) pixels[i] = sample_pixel(i);
    for (size_t i = 0; i < WIDE * PIXEL; i++) basis[i] = sample_feature(3 * i);
    for (size_t i = 0; i < PIXEL; i++) mean[i] = (float)i;
    OK(t2i_dataset_writer_put_pixels(out, 1, pixels, &err));
    OK(t2i_dataset_writer_put_pixels(out, 2, pixels + PIXEL, &err));
    OK(t2i_dataset_writer_put_decoder(out, basis, mean, &err));
}

/* Writes the sample; with pictures and a decoder, or without. */
static inline void write_sample(const char *to, int pictures)
{
    t2i_dataset_writer *out = NULL;
    OK(t2i_dataset_writer_create(&out, to, "t2i-data 1", &sample_pairs, WIDE,
                                 pictures ? &sample_encoder : &bare_encoder, &err));
    if (out == NULL) return;
    put_sample_features(out);
    if (pictures) put_sample_pictures(out);
    OK(t2i_dataset_writer_commit(out, &err));
}

/* All that can be read through the interface is the sample with pictures. Says so quietly, as a
 * child of a fuzzing test asks too. */
static inline int is_sample(t2i_dataset *dataset)
{
    const t2i_dataset_info *info = t2i_dataset_get_info(dataset);
    uint64_t offset[PAIRS + 1] = {0};
    char bytes[sizeof sample_bytes] = "";
    uint32_t image[PAIRS], row[PAIRS], group[IMAGES];
    uint8_t split[PAIRS], pixels[IMAGES * PIXEL];
    float feature[IMAGES * WIDE], basis[WIDE * PIXEL], mean[PIXEL];
    if (info->pairs != PAIRS || info->images != IMAGES || info->features != WIDE ||
        info->prompt_bytes != sizeof sample_bytes - 1 || !info->has_pixels || !info->has_decoder ||
        info->encoder.height != HIGH || info->encoder.width != ACROSS ||
        info->encoder.scale != (double)(float)(1.0 / 3) ||
        strcmp(info->encoder.encoder, "pca") != 0 || strcmp(info->tool, "t2i-data 1") != 0 ||
        strcmp(info->encoder.weights, sample_encoder.weights) != 0)
        return 0;
    if (t2i_dataset_prompt_offsets(dataset, 0, PAIRS, offset, &err) != T2I_OK ||
        t2i_dataset_prompt_bytes(dataset, 0, offset[PAIRS], bytes, &err) != T2I_OK ||
        t2i_dataset_pairs(dataset, 0, PAIRS, image, row, split, &err) != T2I_OK ||
        t2i_dataset_features(dataset, 0, IMAGES, feature, &err) != T2I_OK ||
        t2i_dataset_groups(dataset, 0, IMAGES, group, &err) != T2I_OK ||
        t2i_dataset_pixels(dataset, 0, IMAGES, pixels, &err) != T2I_OK ||
        t2i_dataset_basis(dataset, 0, WIDE, basis, &err) != T2I_OK ||
        t2i_dataset_mean(dataset, mean, &err) != T2I_OK)
        return 0;
    int same = 1;
    for (size_t i = 0; i < PAIRS; i++) {
        int from = sample_order[i];
        uint64_t begin = sample_offset[from], size = sample_offset[from + 1] - begin;
        same = same && offset[i + 1] - offset[i] == size &&
               memcmp(bytes + offset[i], sample_bytes + begin, size) == 0 &&
               image[i] == sample_image[from] && row[i] == sample_row[from] &&
               split[i] == sample_split[from];
    }
    for (size_t i = 0; i < IMAGES * WIDE; i++) same = same && feature[i] == sample_feature(i);
    for (size_t i = 0; i < IMAGES * PIXEL; i++) same = same && pixels[i] == sample_pixel(i);
    for (size_t i = 0; i < WIDE * PIXEL; i++) same = same && basis[i] == sample_feature(3 * i);
    for (size_t i = 0; i < PIXEL; i++) same = same && mean[i] == (float)i;
    for (size_t i = 0; i < IMAGES; i++) {
        char *name = NULL;
        same = same && t2i_dataset_image_name(dataset, i, &name, &err) == T2I_OK &&
               strcmp(name, sample_name[i]) == 0 && group[i] == sample_group[i];
        t2i_free(name);
    }
    return same;
}

#endif
