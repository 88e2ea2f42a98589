/* generate.h - nearest pictures and decoded pictures for prompts (t2i-generate).
 *
 * Prints the answers, then writes a contact sheet with each decoded picture beside it (output.h).
 * Uses the library (t2i/t2i.h), and no MPI.
 */
#ifndef T2I_GENERATE_H
#define T2I_GENERATE_H

#include <stddef.h>
#include "base/error.h"
#include "draw/terminal.h"
#include "base/text.h"

/* All borrowed. */
typedef struct t2i_generate_options {
    const char *source;        /* run folder or model file */
    const char *data;          /* dataset; NULL: that of the run (loaded_model.h) */
    const char *const *prompt; /* checked by prompt_list.h */
    size_t prompts;            /* at least 1 */
    size_t top;                /* nearest pictures to list, at least 1; limited by the gallery */
    t2i_metric metric;
    int metric_of_run; /* 1: the metric of the loss that the model was trained with instead */
    int with_index;    /* 1: order the pictures by model and text index together (hybrid_search.h),
                          with the cosine metric */
    const char *out;   /* the sheet or a folder for it; NULL: see output.h */
    const char *vectors;   /* .npy file for the predicted features, (prompts, features); NULL: none.
                              Pictures are then written only if `out` is given. */
    int force;             /* 1: existing files are replaced */
    int json;              /* report as a JSON array, else as text */
    t2i_pictures pictures; /* pictures in the text report */
    /* Prints a part of the report: t2i_generate_print */
    t2i_status (*print)(const struct t2i_generate_options *options, const char *text,
                        t2i_error *err);
} t2i_generate_options;

/* Answers all prompts. If files cannot be written, the answers are printed nevertheless.
 * T2I_CANTCREATE if they exist; the failures of t2i_loaded_model_open and of writing. */
T2I_CHECKED t2i_status t2i_generate(const t2i_generate_options *options, t2i_error *err);

/* Prints on standard output. T2I_IO. */
T2I_CHECKED t2i_status t2i_generate_print(const t2i_generate_options *options, const char *text,
                                          t2i_error *err);

/* Interactive: reads prompts from standard input, one per line, until an empty line or its end, and
 * answers each. Warns about a line that is not a prompt. Ignores the prompts of the options. */
T2I_CHECKED t2i_status t2i_generate_interactive(const t2i_generate_options *options,
                                                t2i_error *err);

#endif
