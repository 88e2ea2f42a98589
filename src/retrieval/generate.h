/* generate.h - what t2i-generate does: prompts in, nearest pictures and decoded pictures out.
 *
 * Writes the sheet, and beside it each decoded picture by itself as STEM-1.png, STEM-2.png, ...
 * (STEM: the sheet's name without .png). Never needs MPI.
 */
#ifndef T2I_GENERATE_H
#define T2I_GENERATE_H

#include <stddef.h>
#include "base/error.h"
#include "retrieval/gallery.h"
#include "draw/terminal.h"
#include "base/text.h"

/* All borrowed. */
typedef struct {
    const char *source; /* run folder or model file */
    const char *data;   /* dataset; NULL: the run's */
    const char *const *prompt;
    size_t prompts;
    size_t top; /* nearest pictures to name, 1 or more; at most all are */
    t2i_metric metric;
    const char *out; /* the sheet; NULL: generated.png in the run folder, or in the current one for
                        a model file */
    int json;        /* the report is design.md's array, else lines for people */
    t2i_pictures pictures; /* in the report for people */
} t2i_generate_options;

/* Appends the report, for stdout. T2I_USAGE for a prompt that is not UTF-8. */
T2I_CHECKED t2i_status t2i_generate(const t2i_generate_options *options, t2i_text *report,
                                    t2i_error *err);

/* Reads prompts from standard input, a line each, until it ends, and prints what t2i_generate says
 * to each; a line that is no prompt is said to be none. The options' own prompts are not looked at.
 */
T2I_CHECKED t2i_status t2i_generate_asked(const t2i_generate_options *options, t2i_error *err);

#endif
