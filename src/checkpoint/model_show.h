/* model_show.h - prints the contents of model files, checkpoints and other files of tensors. */
#ifndef T2I_MODEL_SHOW_H
#define T2I_MODEL_SHOW_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

/* Appends a report on each file or run folder to *out: kind, whether it is verified by digests,
 * configuration, vocabulary, state of its run, and tensors with their ranges; for a torch file that
 * is not a model, its other values too. json: an array with one object per file. The failures of
 * t2i_model_file_open; *out keeps the reports of earlier files. */
T2I_CHECKED t2i_status t2i_model_show(const char *const *files, size_t count, int json,
                                      t2i_text *out, t2i_error *err);

#endif
