/* model_diff.h - compares two models, or two files of tensors. */
#ifndef T2I_MODEL_DIFF_H
#define T2I_MODEL_DIFF_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

/* Appends a report to *out: differences of configuration, vocabulary and run state, tensors that
 * only one file has, tensors with different shapes, and the largest differences of values, in
 * descending order. Two models are compared as models in any file format; otherwise tensors are
 * compared by name. Run state and AdamW's moments that only one model has are mentioned but do not
 * count. *differences: number of differences that count; t2i-model diff exits with 65 (T2I_DATA) if
 * it is not 0. The failures of t2i_model_file_open. */
T2I_CHECKED t2i_status t2i_model_diff(const char *a, const char *b, t2i_text *out,
                                      size_t *differences, t2i_error *err);

#endif
