/* build.h - a dataset file from a user's own pairs, with pictures or with ready features. */
#ifndef T2I_BUILD_H
#define T2I_BUILD_H

#include <stddef.h>
#include "t2i/error.h"

typedef struct {
    const char *pairs;    /* the pairs file (pairs.h) */
    const char *images;   /* folder that its picture names are relative to; NULL: its own */
    const char *features; /* safetensors, one tensor a picture; NULL: pictures are read */
    const char *out;
    size_t dim; /* at most so many features, from pictures */
    int skip_bad;
} t2i_build_options;

/* Every bad row is named in a warning; then, unless skip_bad, they are an error. A row without a
 * split is for training. Ready features are looked up by the picture's name as given, its last
 * part, and that without extension. T2I_NOINPUT, T2I_DATA, T2I_CANTCREATE, T2I_IO; nothing is left
 * on failure. */
T2I_CHECKED t2i_status t2i_build(const t2i_build_options *options, t2i_error *err);

#endif
