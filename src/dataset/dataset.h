/* dataset.h - reads dataset files: prompts, pairs, pictures, features and decoder in HDF5.
 *
 * docs/file-formats.md has the schema, the digest and all limits. Pair i has prompt i; pairs are
 * sorted by the bytes of the prompt, then by the row of the user's list. N pairs, M pictures, D
 * features, H x W pixels.
 *
 * HDF5 1.10 crashes on some damaged files, so a separate process reads them (reader.h). Its blocks
 * are checked as untrusted data, and a crash of it is T2I_DATA
 * (docs/decisions/021-hdf5-in-its-own-process.md). t2i_dataset_open checks all sizes against each
 * other. Every range is checked (fletcher32, and XXH3 per block of rows) before it is returned, and
 * offsets and indices are checked to be in range.
 *
 * A block is read as a whole and cached, so that small ranges in sequence decompress it once. The
 * cache has 1 MiB per object of the file, or one block if that is larger.
 *
 * No function of this module is collective. Every rank opens the file by itself, read-only.
 */
#ifndef T2I_DATASET_H
#define T2I_DATASET_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/hash.h"

enum {
    T2I_TRAIN = 0,
    T2I_VALIDATION = 1,
    T2I_UNSEEN_PROMPTS = 2,
    T2I_UNSEEN_PICTURES = 3,
    T2I_SPLITS = 4
};

/* "train", "validation", "unseen prompts", "unseen pictures" */
extern const char *const t2i_dataset_split_names[T2I_SPLITS];
/* Split of a name, or -1. '-', '_' and ' ' are equal, and "val" is validation. */
int t2i_dataset_split_find(const char *name);

typedef struct {
    char encoder[32];       /* "pca", "resnet18", "features" */
    uint64_t height, width; /* of stored pictures, in pixels; 0 without pictures */
    double scale;           /* scale of the encoder, stored as a float; 1 if it has none */
    char weights[T2I_HEX];  /* XXH3-128 of the encoder's weights file; "" if it has none */
} t2i_encoder_info;

typedef struct {
    uint64_t pairs, images, features; /* N, M, D */
    uint64_t prompt_bytes;            /* bytes of all prompts */
    t2i_encoder_info encoder;
    int has_pixels, has_decoder;
    char tool[64];
    char digest[T2I_HEX];
    char content[T2I_HEX]; /* as stored; "" if it is not */
} t2i_dataset_info;

typedef struct t2i_dataset t2i_dataset;

/* T2I_NOINPUT: missing; T2I_DATA: not HDF5, truncated, another schema, or inconsistent sizes. All
 * reading functions return T2I_DATA for damage, and T2I_IO when the disk does not respond or the
 * reader process was killed. *out is NULL on failure. */
T2I_CHECKED t2i_status t2i_dataset_open(t2i_dataset **out, const char *path, t2i_error *err);
void t2i_dataset_close(t2i_dataset *dataset);
const t2i_dataset_info *t2i_dataset_get_info(const t2i_dataset *dataset);
const char *t2i_dataset_path(const t2i_dataset *dataset);

/* The following functions read rows [first, first + count) into the caller's `out`. A range beyond
 * the end is T2I_BUG. */
/* out (count + 1): ascending offsets into the bytes of the prompts. */
T2I_CHECKED t2i_status t2i_dataset_prompt_offsets(t2i_dataset *dataset, uint64_t first,
                                                  uint64_t count, uint64_t *out, t2i_error *err);
/* out (count): bytes [first, first + count) of all prompts, concatenated. */
T2I_CHECKED t2i_status t2i_dataset_prompt_bytes(t2i_dataset *dataset, uint64_t first,
                                                uint64_t count, char *out, t2i_error *err);
/* image, row, split (count): any may be NULL. image < M, split < T2I_SPLITS. */
T2I_CHECKED t2i_status t2i_dataset_pairs(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                         uint32_t *image, uint32_t *row, uint8_t *split,
                                         t2i_error *err);
/* Sets bit i % 8 of marked[i / 8] for each picture i of a pair of `split`; other bits stay. */
T2I_CHECKED t2i_status t2i_dataset_mark_split(t2i_dataset *dataset, int split, uint8_t *marked,
                                              t2i_error *err);
/* out (count, D), all finite. */
T2I_CHECKED t2i_status t2i_dataset_features(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                            float *out, t2i_error *err);
/* out (count, H, W, 3): RGB. */
T2I_CHECKED t2i_status t2i_dataset_pixels(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                          uint8_t *out, t2i_error *err);
T2I_CHECKED t2i_status t2i_dataset_groups(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                          uint32_t *out, t2i_error *err);
/* Name of a picture, NUL-terminated; the caller frees it. A name with a NUL byte is T2I_DATA. */
T2I_CHECKED t2i_status t2i_dataset_image_name(t2i_dataset *dataset, uint64_t image, char **out,
                                              t2i_error *err);
/* out (count, H*W*3): rows of the basis of the decoder. out (H*W*3): the mean. */
T2I_CHECKED t2i_status t2i_dataset_basis(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                         float *out, t2i_error *err);
T2I_CHECKED t2i_status t2i_dataset_mean(t2i_dataset *dataset, float *out, t2i_error *err);

/* Digest of the pairs: the stored one, or computed, which reads all pictures. */
T2I_CHECKED t2i_status t2i_dataset_content(t2i_dataset *dataset, char out[T2I_HEX], t2i_error *err);

/* Versions of the HDF5 library in use and of that at build time: major, minor, release. */
void t2i_dataset_hdf5(unsigned running[3], unsigned built[3]);

/* Reads the whole file and checks it: checksums, ranges, order (pairs sorted, pictures in order of
 * first use by row), UTF-8, the digest and the content. */
T2I_CHECKED t2i_status t2i_dataset_verify(t2i_dataset *dataset, t2i_error *err);

#endif
