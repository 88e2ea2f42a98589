/* model_diff.h - what two models, or two files of tensors, do not have in common. */
#ifndef T2I_MODEL_DIFF_H
#define T2I_MODEL_DIFF_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

/* Adds a report to *out: configuration, vocabulary, run state, tensors that only one has, tensors
 * of other shapes, and the largest differences between numbers, worst first. Two models are
 * compared as models whatever their files' kinds; else tensors are compared by their names. A run's
 * state and AdamW's moments that only one of two models has are mentioned and do not count.
 * *differences: of all that does. The failures of t2i_model_file_open. */
T2I_CHECKED t2i_status t2i_model_diff(const char *a, const char *b, t2i_text *out,
                                      size_t *differences, t2i_error *err);

#endif
