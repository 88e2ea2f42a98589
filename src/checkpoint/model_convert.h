/* model_convert.h - converts models between file formats. */
#ifndef T2I_MODEL_CONVERT_H
#define T2I_MODEL_CONVERT_H

#include "base/error.h"

/* Writes the model of a run folder or of a model file to `to`: as safetensors, in the tutorial's
 * layout (.pt, .pth) or as ONNX (.onnx), by the suffix of `to`. AdamW's moments are left out; the
 * state of the run is kept in safetensors only. The file is written atomically. Notes what the
 * target cannot hold, what the source holds beyond the model, and what was written. T2I_USAGE for
 * another suffix, or when `to` is the source or a checkpoint; T2I_CANTCREATE; the failures of
 * t2i_checkpoint_load. */
T2I_CHECKED t2i_status t2i_model_convert_export(const char *run_or_file, const char *to,
                                                t2i_error *err);
/* The same from a file only, to safetensors only: imports a model of another program. */
T2I_CHECKED t2i_status t2i_model_convert_import(const char *file, const char *to, t2i_error *err);

#endif
