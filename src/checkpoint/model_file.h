/* model_file.h - opens a file of tensors for inspection: its kind, the model in it, and its
 * tensors.
 *
 * It is the common part of t2i-model show, verify and diff, for our files, for the tutorial's
 * layout and for any other safetensors or torch file.
 */
#ifndef T2I_MODEL_FILE_H
#define T2I_MODEL_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "checkpoint/checkpoint.h"
#include "checkpoint/run_folder.h"
#include "base/error.h"
#include "formats/tensors.h"

typedef struct {
    char *path; /* owned: path of the file; for a run folder, of the model in it */
    t2i_tensors *file;
    uint64_t size; /* bytes */
    t2i_file_kind kind;
    t2i_checkpoint model; /* with moments; empty if the file is not a model */
    float *number;        /* owned: values of the tensor that was read last */
    size_t room;
} t2i_model_file;

/* Opens a file, or the model of a run folder. The failures of t2i_run_folder_model,
 * t2i_tensors_open and, for models, t2i_checkpoint_load. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_model_file_open(t2i_model_file *out, const char *run_or_file,
                                           t2i_error *err);
void t2i_model_file_close(t2i_model_file *file);

int t2i_model_file_is_model(const t2i_model_file *file);
/* True if the file holds the state of its run. Imported and foreign models do not. */
int t2i_model_file_has_run(const t2i_model_file *file);
/* "a checkpoint of t2i-train", "a torch file", ... */
const char *t2i_model_file_kind_name(const t2i_model_file *file);

/* Name of a tensor in our naming; its name in the file if it is not a tensor of a model. Uses
 * `room` as a buffer. */
const char *t2i_model_file_name(const t2i_model_file *file, const t2i_tensor_info *tensor,
                                char room[T2I_NAME_MAX]);

/* Reads the values of a tensor, borrowed until the next call. *out is NULL if they are not
 * floating-point numbers. T2I_DATA when the tensor claims more values than the file has bytes. */
T2I_CHECKED t2i_status t2i_model_file_floats(t2i_model_file *file, const t2i_tensor_info *tensor,
                                             const float **out, t2i_error *err);

#endif
