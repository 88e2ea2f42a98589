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

/* source: run folder or model file. data: dataset; NULL: that of the run, which must be the one
 * that the model was trained on. Warns if `data` is not; notes if the model file has no checksums.
 * T2I_USAGE when `data` is needed, T2I_DATA when the model predicts another number of features, and
 * the failures of opening both. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_loaded_model_open(t2i_loaded_model *out, const char *source,
                                             const char *data, t2i_error *err);
void t2i_loaded_model_close(t2i_loaded_model *trained);

/* The two halves of it, for who opens model and dataset otherwise.
 *
 * *path: the dataset, newly allocated. Without `data` it is the first file with the digest that the
 * model was trained on (checkpoint->run.dataset; without one, the first file that exists) among
 * these: the path in the run's job.ini, from the current folder, from the folder in which the run
 * was started, and from the run's folder and each one above it; then its file name in the current
 * folder and in the run's. */
T2I_CHECKED t2i_status t2i_loaded_model_dataset(const char *source, const char *data,
                                                const t2i_checkpoint *checkpoint, char **path,
                                                t2i_error *err);
/* Whether model and dataset go together, with what is to be said about them. */
T2I_CHECKED t2i_status t2i_loaded_model_check(const t2i_checkpoint *checkpoint, const char *path,
                                              const t2i_dataset *dataset, t2i_error *err);

/* The metric of the loss that the model was trained with: cosine after contrastive. */
t2i_metric t2i_loaded_model_metric(const t2i_checkpoint *checkpoint);

#endif
