/* model_show.h - what is in model files, checkpoints and other files of tensors. */
#ifndef T2I_MODEL_SHOW_H
#define T2I_MODEL_SHOW_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

/* Adds a report on each file or run folder to *out: what it is, whether its digests match,
 * configuration, vocabulary, the run that it comes from, its tensors with their range; of a torch
 * file that is no model of ours the other values too. json: an array with an object a file. The
 * failures of t2i_model_file_open; what was added before stays. */
T2I_CHECKED t2i_status t2i_model_show(const char *const *files, size_t count, int json,
                                      t2i_text *out, t2i_error *err);

#endif
