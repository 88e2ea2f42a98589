/* tutorial_model.h - the layout of the tutorial's model files (multimodal_model.pt,
 * text_to_image_model.pt): what torch.save made of its dict of state_dicts.
 *
 * config, tokenizer (char_to_int and int_to_char), positional_encoding (1, block, d), a state_dict
 * for each module, lists of them with one entry a layer. checkpoint.h reads both kinds of files by
 * one path; here is what only this kind knows. Entries are named as tensors.h lays the tree flat:
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

/* Has the tree the entries that only such a file has? NULL is no tree. */
int t2i_tutorial_model_is(const t2i_py *root);

/* The file's name of a tensor of the model and the other way round; names that belong to none
 * give 0 and leave out as it is. */
int t2i_tutorial_model_name(const char *ours, char out[T2I_NAME_MAX]);
int t2i_tutorial_model_ours(const char *theirs, char out[T2I_NAME_MAX]);

/* The sizes. T2I_DATA with the entry named. */
T2I_CHECKED t2i_status t2i_tutorial_model_config(const t2i_py *root, const char *path,
                                                 t2i_config *out, t2i_error *err);
/* char_to_int and int_to_char must be the same one-to-one table onto 0 .. size - 1; T2I_DATA with
 * the entry named. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_tutorial_model_vocab(const t2i_py *root, const char *path, size_t size,
                                                t2i_vocab *out, t2i_error *err);
/* The file's positional_encoding against ours: within 1e-5, and a rounding of the angle's rate for
 * each position, as torch's own table is off by that much. T2I_DATA. */
T2I_CHECKED t2i_status t2i_tutorial_model_positions(t2i_tensors *file, const char *path,
                                                    const t2i_model *model, t2i_error *err);
/* Adds the entries that a model has no use for; tensors inside the modules above are not looked at.
 */
T2I_CHECKED t2i_status t2i_tutorial_model_unused(const t2i_py *root, t2i_string_table *out,
                                                 t2i_error *err);

/* Writes a model in this layout, whole or not at all: torch.load(..., weights_only=True) reads it,
 * and the tutorial's code finds every key. Without a head when the checkpoint has none. */
T2I_CHECKED t2i_status t2i_tutorial_model_save(const t2i_checkpoint *checkpoint, const char *path,
                                               t2i_error *err);

#endif
