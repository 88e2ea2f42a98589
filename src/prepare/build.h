/* build.h - builds a dataset from a user's pairs, with pictures or with ready features. */
#ifndef T2I_BUILD_H
#define T2I_BUILD_H

#include <stddef.h>
#include <stdint.h>
#include "comm/comm.h"
#include "base/error.h"
#include "lists/list.h"

typedef struct {
    const char *pairs;        /* the source (source.h) */
    const char *from;         /* its kind, or "auto" */
    t2i_list_columns columns; /* names of columns and keys; NULL: found by their usual names */
    const char *images;   /* folder that file names in a list are relative to; NULL: the source's */
    const char *features; /* ready_features.h; NULL: read pictures */
    const char *out;
    const char *encoder;     /* "pca" or "resnet18" */
    const char *weights;     /* weights file of resnet18; NULL for pca */
    size_t dim;              /* pca: upper limit of the number of features */
    size_t size;             /* width and height of stored pictures, 16 to 256 */
    const char *fit;         /* "crop" or "pad" */
    const char *orientation; /* "exif" or "ignore"; NULL: exif for pca, ignore for resnet18 */
    const char *background;  /* a colour or "none"; NULL: white for pca, none for resnet18 */
    int skip_bad;
    int resume;        /* use the results of an earlier build in OUT.parts */
    double validation; /* share of the picture groups held out where no row names a split;
                          negative: not given, 0.1 is used */
    uint64_t seed;     /* random seed of the split */
} t2i_build_options;

/* Collective. Rank 0 reads the pairs and writes the dataset. All ranks decode and encode pictures,
 * each picture once, however many prompts name it. The file does not depend on the number of ranks.
 * The first T2I_BAD_SHOWN bad rows are warnings; all bad rows are listed in OUT.bad.tsv. Bad rows
 * are an error unless skip_bad is set.
 *
 * If no row names a split, floor(validation x groups) of the picture groups become the validation
 * split. Pictures with the same stored pixels count as one group there. With ready features, a row
 * without a split is a training row; ready_features.h says which features are whose.
 *
 * Returns T2I_USAGE, T2I_NOINPUT, T2I_DATA, T2I_CANTCREATE, T2I_IO or T2I_SYSTEM; T2I_STOPPED when
 * a stop signal (stop_signal.h) arrives while pictures are encoded. On failure no file exists under
 * the final name; OUT.parts is kept if it holds results that `resume` can use. */
T2I_CHECKED t2i_status t2i_build(t2i_comm *comm, const t2i_build_options *options, t2i_error *err);

#endif
