/* psnr.h - peak signal-to-noise ratio of pictures.
 *
 * PSNR = 10 log10(255^2 / mean squared difference) over all pixels and channels of 8 bits, in dB.
 * It is limited to T2I_PSNR_MOST, which is also the value for equal pictures.
 */
#ifndef T2I_PSNR_H
#define T2I_PSNR_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "retrieval/gallery.h"

#define T2I_PSNR_MOST 99.0 /* dB */

/* a, b (count): bytes of two pictures. */
double t2i_psnr(const uint8_t *a, const uint8_t *b, size_t count);

/* PSNR against the pictures truth (count) of a gallery with pixels: decoded (count) of the decoded
 * predictions (count, D), compared (count) of the pictures other (count). decoded = NULL skips the
 * first (the gallery has no decoder), compared = NULL the second. Uses about 64 MiB. T2I_SYSTEM,
 * and the failures of reading. */
T2I_CHECKED t2i_status t2i_psnr_of(t2i_gallery *gallery, const float *prediction,
                                   const uint32_t *truth, const uint32_t *other, size_t count,
                                   double *decoded, double *compared, t2i_error *err);

#endif
