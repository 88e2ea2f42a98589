/* model_convert.h - models from one kind of file into another. */
#ifndef T2I_MODEL_CONVERT_H
#define T2I_MODEL_CONVERT_H

#include "base/error.h"

/* Writes the model of a run folder or of any model file to `to`: safetensors or the tutorial's .pt
 * by its suffix. AdamW's moments are left out; what a run remembers goes into safetensors only.
 * Whole or not at all. Notes what the target cannot hold or the source had beyond the model, and
 * what was written. T2I_USAGE for another suffix, or when `to` is the file that is read. */
T2I_CHECKED t2i_status t2i_model_convert_export(const char *run_or_file, const char *to,
                                                t2i_error *err);
/* The same, to safetensors only: what a file from elsewhere becomes. */
T2I_CHECKED t2i_status t2i_model_convert_import(const char *file, const char *to, t2i_error *err);

#endif
