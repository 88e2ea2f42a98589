/* loaded_model.h - opens a trained model and its dataset, and checks that they fit together. */
#ifndef T2I_LOADED_MODEL_H
#define T2I_LOADED_MODEL_H

#include "checkpoint/checkpoint.h"
#include "dataset/dataset.h"
#include "base/error.h"
#include "retrieval/gallery.h"

typedef struct {
    char *path; /* owned: path of the model file */
    t2i_checkpoint checkpoint;
    t2i_dataset *dataset; /* owned */
    t2i_gallery gallery;  /* without features */
} t2i_loaded_model;

/* source: run folder or model file. data: dataset; NULL: the one that the run's job.ini names.
 * Warns if the dataset is not the one that the model was trained on; notes if the model file has no
 * checksums. T2I_USAGE when `data` is needed, T2I_DATA when the model predicts another number of
 * features, and the failures of opening both. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_loaded_model_open(t2i_loaded_model *out, const char *source,
                                             const char *data, t2i_error *err);
void t2i_loaded_model_close(t2i_loaded_model *trained);

/* The two halves of it, for who opens model and dataset otherwise: the path of the dataset, newly
 * allocated; and whether model and dataset go together, with what is to be said about them. */
T2I_CHECKED t2i_status t2i_loaded_model_dataset(const char *source, const char *data, char **path,
                                                t2i_error *err);
T2I_CHECKED t2i_status t2i_loaded_model_check(const t2i_checkpoint *checkpoint, const char *path,
                                              const t2i_dataset *dataset, t2i_error *err);

#endif
