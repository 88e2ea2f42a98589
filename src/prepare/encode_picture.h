/* encode_picture.h - what a build makes of a picture file: pixels to keep, and features.
 *
 * Pixels: the picture is resized so that its shorter side has `side` pixels, then the middle square
 * is cut out, as torchvision does; or, padded, so that its longer side has. ResNet-18 gets the
 * picture resized to 256 pixels and the middle 224 x 224, as in torchvision. Reasons:
 * docs/decisions/038-pictures.md. */
#ifndef T2I_ENCODE_PICTURE_H
#define T2I_ENCODE_PICTURE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "model/resnet.h"

/* What a build makes of a picture. */
typedef struct {
    size_t side; /* width and height of the pixels to keep */
    int pad;     /* 1: keep the whole picture, on the background; 0: the middle square */
    int upright; /* 1: turn pictures as their EXIF orientation says */
    int opaque;  /* 1: put transparent pixels on the background; 0: drop alpha, as torchvision */
    uint8_t background[3];
} t2i_picture_form;

/* Encodes the bytes of a picture file: pixels (side x side x 3) and, unless net is NULL, its
 * T2I_RESNET_FEATURES features. *found: bits of t2i_image_found. T2I_DATA and the reason if it
 * cannot be used; name is used in messages. */
T2I_CHECKED t2i_status t2i_encode_picture(const t2i_picture_form *form, t2i_resnet *net,
                                          const void *bytes, size_t size, const char *name,
                                          uint8_t *pixels, float *features, unsigned *found,
                                          t2i_error *why);

/* What there is to tell about the pictures of a build: numbers of pictures. */
typedef struct {
    size_t pictures, oblong, oriented, transparent, clipped, repaired;
} t2i_picture_notes;
/* Counts a picture; warns of the first T2I_BAD_SHOWN that libjpeg repaired. */
void t2i_encode_picture_note(t2i_picture_notes *notes, unsigned found, const char *name);
/* Logs a line for each number that is not 0: what was done, and how to change it. */
void t2i_encode_picture_tell(const t2i_picture_notes *notes, const t2i_picture_form *form);

#endif
