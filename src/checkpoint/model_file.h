/* model_file.h - a file of tensors, opened to be looked at: what it is, the model in it when it is
 * one, and its tensors' names and numbers.
 *
 * Why: showing, verifying and comparing begin alike, for our files, the tutorial's and any other
 * safetensors or torch file.
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
    char *path; /* owned: the file; of a run folder, the model in it */
    t2i_tensors *file;
    uint64_t size; /* bytes */
    t2i_file_kind kind;
    t2i_checkpoint model; /* with moments; empty when the file is no model */
    float *number;        /* owned: the tensor that was read last */
    size_t room;
} t2i_model_file;

/* The failures of t2i_run_folder_model, t2i_tensors_open and, for models, t2i_checkpoint_load.
 * Empty on failure. */
T2I_CHECKED t2i_status t2i_model_file_open(t2i_model_file *out, const char *run_or_file,
                                           t2i_error *err);
void t2i_model_file_close(t2i_model_file *file);

int t2i_model_file_is_model(const t2i_model_file *file);
/* Does it know the run that it comes from? (Not when it was imported, nor from elsewhere.) */
int t2i_model_file_has_run(const t2i_model_file *file);
/* "a checkpoint of t2i-train", "a torch file", ... */
const char *t2i_model_file_kind_name(const t2i_model_file *file);

/* A tensor's name as our models have it; that of the file when it is none of a model. room is
 * where it may be put. */
const char *t2i_model_file_name(const t2i_model_file *file, const t2i_tensor_info *tensor,
                                char room[T2I_NAME_MAX]);

/* A tensor's numbers, borrowed until the next call; NULL in *out when they are no floating-point
 * numbers. T2I_DATA when it claims more of them than the file has bytes. */
T2I_CHECKED t2i_status t2i_model_file_floats(t2i_model_file *file, const t2i_tensor_info *tensor,
                                             const float **out, t2i_error *err);

#endif
