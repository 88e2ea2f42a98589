/* onnx_model.h - a model as an ONNX file: prompts to features and to places in the search space.
 *
 * Inputs: `ids` (B, T) characters, padded at the end; `length` (B) characters of each prompt, at
 * most T; with n-grams `rows` (B, T + 1, 6), the rows of ngrams.h for each character and for the
 * space after the prompt, -1 for none. Outputs: `features` (B, D); with embed-dim `query` (B, E) of
 * length 1, and `picture.weight` (E, D), which places pictures. docs/pytorch.md has the function
 * that makes the inputs from prompts; what it needs is in the file's metadata.
 *
 * Weights have the names, shapes and bytes of a safetensors file, but ngram.weight has one more row
 * of zeros, which is the row -1.
 */
#ifndef T2I_ONNX_MODEL_H
#define T2I_ONNX_MODEL_H

#include "base/error.h"
#include "checkpoint/checkpoint.h"

/* Writes the model atomically (fs.h). The checkpoint must have a head. T2I_DATA if the file would
 * be over 2 GiB; T2I_CANTCREATE, T2I_IO, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_onnx_model_save(const t2i_checkpoint *checkpoint, const char *path,
                                           t2i_error *err);

#endif
