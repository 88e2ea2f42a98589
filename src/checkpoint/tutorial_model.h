/* tutorial_model.h - the layout of the tutorial's model files (multimodal_model.pt,
 * text_to_image_model.pt), which torch.save wrote from a dict of state_dicts.
 *
 * The dict has config, tokenizer (char_to_int and int_to_char), positional_encoding (1, block, d),
 * one state_dict per module outside the layers, and one list per module of a layer, with one
 * state_dict per layer. checkpoint.h reads this layout and safetensors files by the same code; this
 * module has what is specific to the layout. Tensors have the flattened names of tensors.h:
 * "mha_qkv_linears.0.weight".
 */
#ifndef T2I_TUTORIAL_MODEL_H
#define T2I_TUTORIAL_MODEL_H

#include <stddef.h>
#include "checkpoint/checkpoint.h"
#include "base/error.h"
#include "base/string_table.h"
#include "formats/pyvalue.h"
#include "formats/tensors.h"

/* Does the tree have the entries that identify this layout? root may be NULL. */
int t2i_tutorial_model_is(const t2i_py *root);

/* Translates the model's name of a tensor to that of the file, and back. Returns 0 and leaves out
 * unchanged if no tensor has the name. */
int t2i_tutorial_model_name(const char *ours, char out[T2I_NAME_MAX]);
int t2i_tutorial_model_ours(const char *theirs, char out[T2I_NAME_MAX]);

/* Reads the sizes of the model. T2I_DATA; the message names the entry. */
T2I_CHECKED t2i_status t2i_tutorial_model_config(const t2i_py *root, const char *path,
                                                 t2i_config *out, t2i_error *err);
/* Reads the vocabulary. char_to_int and int_to_char must be inverse to each other and map onto
 * 0 .. size - 1. T2I_DATA; the message names the entry. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_tutorial_model_vocab(const t2i_py *root, const char *path, size_t size,
                                                t2i_vocab *out, t2i_error *err);
/* Compares the file's positional_encoding with that of the model. The tolerance at position p is
 * 1e-5 + p x 1.2e-7, because torch rounds the frequency of an angle to a float. T2I_DATA. */
T2I_CHECKED t2i_status t2i_tutorial_model_positions(t2i_tensors *file, const char *path,
                                                    const t2i_model *model, t2i_error *err);
/* Adds the names of entries that the model does not use. Tensors within known modules are not
 * examined. */
T2I_CHECKED t2i_status t2i_tutorial_model_unused(const t2i_py *root, t2i_string_table *out,
                                                 t2i_error *err);

/* Writes a model in this layout, atomically (fs.h). torch.load(..., weights_only=True) reads it,
 * and it has every key that the tutorial's code uses. Without a head if the checkpoint has none. */
T2I_CHECKED t2i_status t2i_tutorial_model_save(const t2i_checkpoint *checkpoint, const char *path,
                                               t2i_error *err);

#endif
