/* merge.h - puts datasets of one encoder together.
 *
 * Rows follow one another as if the lists of the datasets had been joined; a picture that has the
 * same name and the same pixels (or features) in two datasets becomes one, and its groups too.
 * Splits stay. Features of ResNet-18 and ready ones are copied, and a decoder is fitted again; pca
 * is fitted again to the training pictures of all datasets, as t2i-data build would do.
 * One dataset is open at a time; prompts and names are held in memory.
 */
#ifndef T2I_MERGE_H
#define T2I_MERGE_H

#include <stddef.h>
#include "base/error.h"

/* dim: upper limit of the features of pca. Warns of pictures that train and are held out. T2I_USAGE
 * if `out` is one of the inputs; T2I_NOINPUT; T2I_DATA, also when the encoders differ;
 * T2I_CANTCREATE, T2I_IO, T2I_SYSTEM. No file is left on failure. */
T2I_CHECKED t2i_status t2i_merge(const char *const *paths, size_t count, const char *out,
                                 size_t dim, t2i_error *err);

#endif
