/* gallery.h - a dataset's pictures as answers: which are nearest to a prediction, and what a
 * prediction looks like.
 *
 * Features are held in memory (M x D floats) where they were loaded, as every prompt is compared
 * with all of them; names and pixels are read when asked for, the decoder at its first use.
 * Distances and decoded pixels are sums in a written-out order: they depend neither on the number
 * of predictions in a call nor on the processor. search.h finds the same without holding all.
 */
#ifndef T2I_GALLERY_H
#define T2I_GALLERY_H

#include <stddef.h>
#include <stdint.h>
#include "dataset/dataset.h"
#include "base/error.h"
#include "image/image.h"

/* Euclidean: length of the difference. Cosine: 1 - similarity; 1 when either has no length. */
typedef enum { T2I_EUCLIDEAN, T2I_COSINE } t2i_metric;

typedef struct {
    t2i_dataset *dataset;                   /* borrowed: outlives the gallery */
    size_t images, features, height, width; /* M, D, H, W */
    float *feature;                         /* owned: (M, D); NULL before they were loaded */
    double *length;      /* owned: Euclidean lengths of the features, with them */
    float *basis, *mean; /* owned: the decoder; NULL before it was used */
} t2i_gallery;

/* Without features. */
void t2i_gallery_open(t2i_gallery *out, t2i_dataset *dataset);
/* Reads the features. */
T2I_CHECKED t2i_status t2i_gallery_load(t2i_gallery *gallery, t2i_error *err);
/* Both. Empty on failure. */
T2I_CHECKED t2i_status t2i_gallery_new(t2i_gallery *out, t2i_dataset *dataset, t2i_error *err);
void t2i_gallery_free(t2i_gallery *gallery);

/* Euclidean length of x (D); distance of x and y (D) of these lengths: what
 * t2i_gallery_distances gives, to the bit. */
double t2i_length(const float *x, size_t D);
double t2i_distance(t2i_metric metric, const float *x, double x_length, const float *y,
                    double y_length, size_t D);

/* distance (count, M) of predictions (count, D), all finite, to every picture; never below 0. Only
 * where the features were loaded. */
void t2i_gallery_distances(const t2i_gallery *gallery, t2i_metric metric, const float *prediction,
                           size_t count, double *distance);

typedef struct {
    size_t image;
    double distance;
} t2i_near;

/* The `top` (1..images) smallest distances, best first; of equal ones the lower number comes first.
 */
void t2i_nearest(const double *distance, size_t images, size_t top, t2i_near *out);

/* Does the dataset bring a decoder, and pixels? */
int t2i_gallery_decodes(const t2i_gallery *gallery);
int t2i_gallery_shows(const t2i_gallery *gallery);

/* Pictures (count, H, W, 3) of feature vectors (count, D): pixel = mean + feature x basis, clamped
 * to 0..1, rounded to 8 bits. Only where t2i_gallery_decodes. */
T2I_CHECKED t2i_status t2i_gallery_decode(t2i_gallery *gallery, const float *feature, size_t count,
                                          uint8_t *rgb, t2i_error *err);
/* The same for one, as a picture. Empty on failure. */
T2I_CHECKED t2i_status t2i_gallery_draw(t2i_gallery *gallery, const float *feature, t2i_image *out,
                                        t2i_error *err);
/* A picture of the dataset; empty on failure, and where the dataset has no pixels. */
T2I_CHECKED t2i_status t2i_gallery_picture(const t2i_gallery *gallery, size_t image, t2i_image *out,
                                           t2i_error *err);

#endif
