/* loaded_model.h - a trained model beside the dataset that it is asked about.
 *
 * Why: generation and evaluation begin alike: find the model, find its dataset, see that they fit
 * together and say what could not be verified.
 */
#ifndef T2I_LOADED_MODEL_H
#define T2I_LOADED_MODEL_H

#include "checkpoint/checkpoint.h"
#include "dataset/dataset.h"
#include "base/error.h"
#include "retrieval/gallery.h"

typedef struct {
    char *path; /* owned: the model file that was read */
    t2i_checkpoint checkpoint;
    t2i_dataset *dataset; /* owned */
    t2i_gallery gallery;  /* without features */
} t2i_loaded_model;

/* source: a run folder or a model file. data: the dataset; NULL: the one that the run's job.ini
 * names. T2I_USAGE when there is no way to know the dataset, T2I_DATA when its features are not
 * what the model predicts. Warns when the dataset is another than the model was trained on, notes
 * when the model is not verified. Empty on failure. */
T2I_CHECKED t2i_status t2i_loaded_model_open(t2i_loaded_model *out, const char *source,
                                             const char *data, t2i_error *err);
void t2i_loaded_model_close(t2i_loaded_model *trained);

#endif
