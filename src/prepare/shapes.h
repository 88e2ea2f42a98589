/* shapes.h - the built-in datasets: captioned coloured shapes, and the tutorial's three pictures.
 *
 * Shapes: every combination of colour, shape, size and place is one picture on white, and every
 * picture has one caption per template. A caption names all four properties, so it determines its
 * picture. A fifth of the combinations is held out with all their captions (split "unseen
 * pictures").
 */
#ifndef T2I_SHAPES_H
#define T2I_SHAPES_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum {
    T2I_SHAPES_COLOURS = 8,
    T2I_SHAPES_KINDS = 6,
    T2I_SHAPES_SIZES = 3,
    T2I_SHAPES_PLACES = 9,
    T2I_SHAPES_CAPTIONS = 5, /* of each picture */
    T2I_SHAPES_IMAGES =
        T2I_SHAPES_COLOURS * T2I_SHAPES_KINDS * T2I_SHAPES_SIZES * T2I_SHAPES_PLACES,
    T2I_SHAPES_PAIRS = T2I_SHAPES_IMAGES * T2I_SHAPES_CAPTIONS,
    T2I_SHAPES_TEXT = 96 /* buffer size for a caption or a name */
};

/* Pixels (T2I_PICTURE bytes, encode_dataset.h), name and captions of picture `number`. */
void t2i_shapes_draw(size_t number, uint8_t *pixels);
void t2i_shapes_name(size_t number, char out[T2I_SHAPES_TEXT]);
void t2i_shapes_caption(size_t number, size_t which, char out[T2I_SHAPES_TEXT]);

/* Sets the split of each pair (number: picture x T2I_SHAPES_CAPTIONS + caption). A fifth of the
 * pictures is unseen; every pair of properties and every (shape, size, place) still occurs at least
 * twice in training. A twentieth of the other captions is validation. Depends on the seed alone. */
void t2i_shapes_split(uint64_t seed, uint8_t split[T2I_SHAPES_PAIRS]);

/* Write the shapes and the tutorial's dataset. Failures of t2i_encode_dataset_pca, T2I_SYSTEM. */
T2I_CHECKED t2i_status t2i_shapes(const char *out, uint64_t seed, size_t dim, t2i_error *err);
T2I_CHECKED t2i_status t2i_shapes_seed(const char *out, size_t dim, t2i_error *err);

#endif
