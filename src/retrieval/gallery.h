/* gallery.h - the pictures of a dataset: nearest neighbours of a prompt, and decoded predictions.
 *
 * t2i_gallery_load places all pictures in the search space (search_space.h), in memory: M x dim
 * floats. Prompts are compared with pictures there; pictures are drawn from the D features. Names
 * and pixels are read on demand, the decoder at its first use. Distances and decoded pixels are
 * sums in a fixed order: they depend neither on the number of prompts in a call nor on the
 * processor. search.h finds the same neighbours without all pictures in memory. t2i_metric and
 * t2i_near: t2i/t2i.h.
 */
#ifndef T2I_GALLERY_H
#define T2I_GALLERY_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "model/packed_weights.h"

typedef struct {
    t2i_dataset *dataset;                   /* borrowed: outlives the gallery */
    size_t images, features, height, width; /* M, D, H, W */
    size_t dim;                             /* of the search space; D before t2i_gallery_load */
    float *place;    /* owned: (M, dim) the pictures; NULL before t2i_gallery_load */
    double *length;  /* owned: (M) their Euclidean lengths; NULL likewise */
    uint8_t *trains; /* owned: one bit per picture: 1 if a training pair has it; NULL unless loaded
                        for a model with a search space of its own, and the dataset decodes */
    float *basis, *mean; /* owned: the decoder; NULL before its first use */
} t2i_gallery;

/* Opens a gallery without pictures in memory. Cannot fail. */
void t2i_gallery_open(t2i_gallery *out, t2i_dataset *dataset);
/* Places the pictures in the search space of a model that predicts as many features as they have;
 * packed NULL: in the space of the features. Replaces what was loaded before. Features are read in
 * blocks, so that memory holds M x dim floats. T2I_SYSTEM, and the failures of reading; the gallery
 * then has no pictures in memory. */
T2I_CHECKED t2i_status t2i_gallery_load(t2i_gallery *gallery, const t2i_packed_weights *packed,
                                        t2i_error *err);
/* Both. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_gallery_new(t2i_gallery *out, t2i_dataset *dataset,
                                       const t2i_packed_weights *packed, t2i_error *err);
void t2i_gallery_free(t2i_gallery *gallery);

/* Euclidean length of x (D); distance of x and y (D) with these lengths, bit for bit as
 * t2i_gallery_distances computes it. */
double t2i_gallery_length(const float *x, size_t D);
double t2i_gallery_distance(t2i_metric metric, const float *x, double x_length, const float *y,
                            double y_length, size_t D);

/* distance (count, M): distances of prompts (count, dim) to every picture, at least 0. All prompts
 * are finite, and the gallery is loaded. */
void t2i_gallery_distances(const t2i_gallery *gallery, t2i_metric metric, const float *prompt,
                           size_t count, double *distance);

/* out (top): the `top` (1..images) smallest of the distances (images), ascending; of equal ones the
 * lower number comes first. */
void t2i_gallery_nearest(const double *distance, size_t images, size_t top, t2i_near *out);

/* True if the dataset has a decoder; true if it has pixels. */
int t2i_gallery_decodes(const t2i_gallery *gallery);
int t2i_gallery_shows(const t2i_gallery *gallery);

/* rgb (count, H, W, 3): pictures of feature vectors (count, D): pixel = mean + feature x basis,
 * clamped to 0..1, rounded to 8 bits. Requires t2i_gallery_decodes. */
T2I_CHECKED t2i_status t2i_gallery_decode(t2i_gallery *gallery, const float *feature, size_t count,
                                          uint8_t *rgb, t2i_error *err);

#endif
