/* dataset.h - the dataset file: prompts, pairs, pictures, features, decoder, in HDF5.
 *
 * Schema: design.md 5, also written out in HACKING.md. Pair i is prompt i; pairs are sorted by
 * prompt bytes, then by row of the user's file. N pairs, M pictures, D features, H x W pixels.
 *
 * Why so narrow: HDF5 1.10 crashes on some damaged files. All reading goes through open, info and
 * ranges, and is done by a separate process (reader.h), which hands over blocks that are checked as
 * if it were hostile. Its crash is T2I_DATA. Every size is checked against the others at open,
 * every range read is checked (fletcher32, XXH3 per block of rows) before it is handed out, and
 * offsets and indices are checked to be in range.
 *
 * Blocks: each dataset X has a sibling X_xxh3 (u64): the XXH3-64 of the little-endian values of
 * each block of rows, whose attribute block_rows (u64) is the rows of a chunk of X, about 256 KiB.
 * Blocks are read whole and kept, so that small ranges in sequence decode them once; memory is 1
 * MiB a dataset, or one block where that is more.
 *
 * Digest: XXH3-128 over, for each dataset of the schema that is present, in its order: its path,
 * NUL, its type (u8, u32, u64, f32), NUL, rank and dimensions as u64, its values; then for each of
 * the attributes format, format_version (as u32), tool, encoder: name, NUL, value, NUL. All numbers
 * little-endian.
 *
 * Limits: N and M below 2^32, M <= N, D <= 65536, H and W <= 4096, a row (picture, feature or line
 * of the basis) <= 16 MiB, a prompt or name <= 1 MiB; what a file claims must fit its length at
 * gzip's greatest ratio.
 *
 * Nothing here is collective; every rank opens the file by itself, read-only.
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
/* The split of that name; '-', '_' and ' ' are alike, and "val" is validation. -1 when there is
 * none. */
int t2i_dataset_split_find(const char *name);

typedef struct {
    char encoder[32];       /* "pca", "resnet18", "features" */
    uint64_t height, width; /* of the stored pictures; 0 without pictures */
    double scale;           /* of the encoder, kept as a float; 1 where it has none */
    char weights[T2I_HEX];  /* XXH3-128 of the encoder's weights file; "" where it has none */
} t2i_encoder_info;

typedef struct {
    uint64_t pairs, images, features; /* N, M, D */
    uint64_t prompt_bytes;            /* all prompts together */
    t2i_encoder_info encoder;
    int has_pixels, has_decoder;
    char tool[64];
    char digest[T2I_HEX];
} t2i_dataset_info;

typedef struct t2i_dataset t2i_dataset;

/* T2I_NOINPUT: missing; T2I_DATA: not HDF5, cut, another schema, sizes that contradict each other.
 * Here and in all that reads: T2I_IO when the disk gives no answer or the reader was killed. */
T2I_CHECKED t2i_status t2i_dataset_open(t2i_dataset **out, const char *path, t2i_error *err);
void t2i_dataset_close(t2i_dataset *dataset);
const t2i_dataset_info *t2i_dataset_get_info(const t2i_dataset *dataset);
const char *t2i_dataset_path(const t2i_dataset *dataset);

/* Ranges of rows; out is the caller's. first + count beyond the end is T2I_BUG. */
/* count + 1 offsets into the prompts' bytes, ascending. */
T2I_CHECKED t2i_status t2i_dataset_prompt_offsets(t2i_dataset *dataset, uint64_t first,
                                                  uint64_t count, uint64_t *out, t2i_error *err);
/* Bytes [first, first + count) of all prompts laid end to end. */
T2I_CHECKED t2i_status t2i_dataset_prompt_bytes(t2i_dataset *dataset, uint64_t first,
                                                uint64_t count, char *out, t2i_error *err);
/* Each of image, row, split may be NULL. Pictures are < M, splits < T2I_SPLITS. */
T2I_CHECKED t2i_status t2i_dataset_pairs(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                         uint32_t *image, uint32_t *row, uint8_t *split,
                                         t2i_error *err);
/* count x D floats, all finite. */
T2I_CHECKED t2i_status t2i_dataset_features(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                            float *out, t2i_error *err);
/* count x H x W x 3 bytes. */
T2I_CHECKED t2i_status t2i_dataset_pixels(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                          uint8_t *out, t2i_error *err);
T2I_CHECKED t2i_status t2i_dataset_groups(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                          uint32_t *out, t2i_error *err);
/* The name of one picture, newly allocated, NUL-terminated (a name with a NUL byte is T2I_DATA). */
T2I_CHECKED t2i_status t2i_dataset_image_name(t2i_dataset *dataset, uint64_t image, char **out,
                                              t2i_error *err);
/* Rows [first, first + count) of the basis: count x (H*W*3) floats; and the whole mean. */
T2I_CHECKED t2i_status t2i_dataset_basis(t2i_dataset *dataset, uint64_t first, uint64_t count,
                                         float *out, t2i_error *err);
T2I_CHECKED t2i_status t2i_dataset_mean(t2i_dataset *dataset, float *out, t2i_error *err);

/* The HDF5 library that is at work, and the one that this was built with: major, minor, release. */
void t2i_dataset_hdf5(unsigned running[3], unsigned built[3]);

/* Reads everything: every checksum, range, order (pairs sorted, pictures in order of first use by
 * row), UTF-8, and the digest. */
T2I_CHECKED t2i_status t2i_dataset_verify(t2i_dataset *dataset, t2i_error *err);

#endif
