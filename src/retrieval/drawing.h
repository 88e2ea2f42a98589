/* drawing.h - the features that a prompt is drawn with: the predicted ones, or those of the
 * training pictures that are nearest to the prompt in the search space.
 *
 * Only training pictures may be given: the gallery also has pictures that the model never saw, and
 * a drawing made of these would copy the answer.
 *
 * A picture's weight is the softmax of cosine similarity / T2I_DRAWING_TEMPERATURE over the
 * T2I_DRAWING_PICTURES nearest. Constants were chosen on validation prompts of English emoji:
 * docs/decisions/034-drawing.md.
 */
#ifndef T2I_DRAWING_H
#define T2I_DRAWING_H

#include <stddef.h>
#include "base/error.h"
#include "retrieval/gallery.h"

enum { T2I_DRAWING_PICTURES = 20 };
#define T2I_DRAWING_TEMPERATURE 0.05 /* that of the loss, by default */
#define T2I_DRAWING_SURE        0.2  /* weight from which the first picture is drawn alone */

typedef enum {
    T2I_DRAWING_PREDICTION, /* the predicted features */
    T2I_DRAWING_FIRST,      /* the nearest picture */
    T2I_DRAWING_WEIGHTED,   /* the weighted mean of the nearest pictures */
    T2I_DRAWING_SURE_FIRST, /* the nearest picture if its weight is large enough; else their mean */
    T2I_DRAWING_MIXTURE,    /* the mean of prediction and weighted mean */
    T2I_DRAWINGS
} t2i_drawing;

/* out (D): the features to draw. prediction (D): the predicted ones; near (count): the nearest
 * training pictures by cosine, nearest first, 1..T2I_DRAWING_PICTURES; feature (count, D): theirs.
 */
void t2i_drawing_features(t2i_drawing way, const float *prediction, const t2i_near *near,
                          const float *feature, size_t count, size_t D, float *out);

/* Inserts a picture into near (*count, at most T2I_DRAWING_PICTURES), nearest first, if it is
 * nearer than the last one. Pictures come in ascending order. */
void t2i_drawing_insert(t2i_near *near, size_t *count, size_t image, double distance);

/* The way that all programs draw: T2I_DRAWING_SURE_FIRST for models with a search space of their
 * own (embed_dim), the prediction for others, and where there are no training pictures. */
t2i_drawing t2i_drawing_rule(int own_space);

/* Draws a prompt by the rule. rgb (H, W, 3); the gallery is loaded for the model and decodes.
 * prediction (D): the predicted features; place (dim): the prompt in the search space. *drawn:
 * "prediction", "found picture" or "mean of found pictures". T2I_SYSTEM, and the failures of
 * reading. */
T2I_CHECKED t2i_status t2i_drawing_decode(t2i_gallery *gallery, const float *prediction,
                                          const float *place, uint8_t *rgb, const char **drawn,
                                          t2i_error *err);

#endif
