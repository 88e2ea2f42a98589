/* output.h - where t2i-generate writes its pictures, so that nothing is overwritten.
 *
 * A call writes a sheet and, where the dataset has a decoder, one drawing per prompt beside it:
 * NAME.png, NAME-drawn-1.png, NAME-drawn-2.png, ... NAME is given, or is made from the first
 * prompt; then -2, -3, ... is added until none of the files exists.
 */
#ifndef T2I_OUTPUT_H
#define T2I_OUTPUT_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

/* Appends a file name for these prompts (at least one), without a suffix: the letters and digits of
 * the first prompt, with '-' for all else; "and-N-more" for further ones. At most
 * T2I_OUTPUT_NAME bytes. */
enum { T2I_OUTPUT_NAME = 90 };
T2I_CHECKED t2i_status t2i_output_name(t2i_text *out, const char *const *prompt, size_t prompts,
                                       t2i_error *err);

/* All borrowed. */
typedef struct {
    const char *out; /* the sheet, or a folder for it; NULL: see run */
    const char *run; /* out NULL: the run whose folder `generated` is used if it can be written;
                        else, and if run is NULL, the current folder */
    int number;      /* 1: a name that is given is numbered, too, if it exists */
    int force;       /* 1: existing files are replaced */
    size_t drawings; /* number of drawings */
} t2i_output_options;

/* Refuses an `out` that cannot be written: T2I_USAGE for another suffix; T2I_CANTCREATE if it or
 * one of its drawings exists, unless it is numbered or replaced. */
T2I_CHECKED t2i_status t2i_output_check(const t2i_output_options *options, t2i_error *err);

/* *sheet: the path of the sheet, newly allocated. Creates the run's folder for it. */
T2I_CHECKED t2i_status t2i_output_choose(const t2i_output_options *options,
                                         const char *const *prompt, size_t prompts, char **sheet,
                                         t2i_error *err);
/* Returns the path of drawing `number` (from 1) of a sheet, which the caller frees; NULL without
 * memory. */
char *t2i_output_drawing(const char *sheet, size_t number, t2i_error *err);

/* Refuses an output that exists, unless force is 1. T2I_CANTCREATE. */
T2I_CHECKED t2i_status t2i_output_is_free(const char *path, int force, t2i_error *err);

#endif
