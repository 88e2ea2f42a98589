/* build.h - a dataset file from a user's own pairs, with pictures or with ready features. */
#ifndef T2I_BUILD_H
#define T2I_BUILD_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "base/error.h"

typedef struct {
    const char *pairs;    /* the pairs file (pairs.h) */
    const char *images;   /* folder that its picture names are relative to; NULL: its own */
    const char *features; /* a tensor a picture (tensors.h); NULL: pictures are read */
    const char *out;
    const char *encoder; /* "pca" or "resnet18" */
    const char *weights; /* of resnet18; NULL for pca */
    size_t dim;          /* pca: at most so many features */
    int skip_bad;
    int resume;        /* use what an earlier build of this dataset left in OUT.parts */
    double validation; /* share of the picture groups held out where the pairs name no split;
                          negative: not said, 0.1 */
    uint64_t seed;     /* chooses them */
} t2i_build_options;

/* Collective. Rank 0 reads the pairs and writes the file; decoding and encoding is shared out over
 * the ranks, a picture once however many prompts name it. The file does not depend on the number of
 * ranks. Every bad row is named in a warning (the first of them; all in OUT.bad.tsv); then, unless
 * skip_bad, they are an error.
 *
 * When no row names a split, floor(validation x groups) of the picture groups become the split
 * validation; pictures that look alike (the same 64 x 64 pixels) count as one group for that. With
 * ready features, a row without a split is for training. They are looked up by the picture's name
 * as given, its last part, and that without extension.
 *
 * T2I_NOINPUT, T2I_DATA, T2I_CANTCREATE, T2I_IO; T2I_STOPPED when told to stop (stop_signal.h)
 * while pictures were encoded. On failure no file is left under the final name; OUT.parts stays
 * when it holds something that `resume` can use. */
T2I_CHECKED t2i_status t2i_build(t2i_comm *comm, const t2i_build_options *options, t2i_error *err);

#endif
