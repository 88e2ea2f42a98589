/* generate.h - nearest pictures and decoded pictures for prompts (t2i-generate).
 *
 * Writes a contact sheet, and each decoded picture beside it as STEM-1.png, STEM-2.png, ... (STEM:
 * the name of the sheet without .png). Uses the library (t2i/t2i.h), and no MPI.
 */
#ifndef T2I_GENERATE_H
#define T2I_GENERATE_H

#include <stddef.h>
#include "base/error.h"
#include "draw/terminal.h"
#include "base/text.h"

/* All borrowed. */
typedef struct {
    const char *source; /* run folder or model file */
    const char *data;   /* dataset; NULL: the dataset that the run's job.ini names */
    const char *const *prompt;
    size_t prompts;
    size_t top; /* nearest pictures to list, at least 1; limited by the gallery */
    t2i_metric metric;
    int with_index;  /* 1: order the pictures by model and text index together (hybrid_search.h) */
    const char *out; /* the sheet; NULL: generated.png in the run folder, or in the current folder
                        for a model file */
    int json;        /* report as a JSON array, else as text */
    t2i_pictures pictures; /* pictures in the text report */
} t2i_generate_options;

/* Appends the report for standard output. T2I_USAGE for a prompt that is not UTF-8; the failures of
 * t2i_loaded_model_open and of writing. */
T2I_CHECKED t2i_status t2i_generate(const t2i_generate_options *options, t2i_text *report,
                                    t2i_error *err);

/* Prints a report. T2I_IO. */
T2I_CHECKED t2i_status t2i_generate_print(const t2i_generate_options *options, const char *report,
                                          t2i_error *err);

/* Interactive: reads prompts from standard input, one per line, until its end, and prints the
 * report of each. Warns about a line that is not UTF-8. Ignores the prompts of the options. */
T2I_CHECKED t2i_status t2i_generate_interactive(const t2i_generate_options *options,
                                                t2i_error *err);

#endif
