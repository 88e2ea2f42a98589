/* psnr.h - how close pictures come to the true ones, pixel by pixel.
 *
 * PSNR: 10 log10(255^2 / mean squared difference) over all pixels and channels of 8 bits, in dB;
 * identical pictures, whose PSNR is infinite, count as T2I_PSNR_MOST, which also caps the others.
 */
#ifndef T2I_PSNR_H
#define T2I_PSNR_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "retrieval/gallery.h"

#define T2I_PSNR_MOST 99.0 /* dB */

double t2i_psnr(const uint8_t *a, const uint8_t *b, size_t count);

/* Against pictures truth (count), of a gallery with pixels: of the decoded predictions (count, D)
 * into decoded (count), and of pictures other (count) into compared (count). decoded NULL: not
 * wanted (the gallery has no decoder); other and compared NULL: likewise. Holds about 64 MiB of
 * pictures at a time. */
T2I_CHECKED t2i_status t2i_psnr_of(t2i_gallery *gallery, const float *prediction,
                                   const uint32_t *truth, const uint32_t *other, size_t count,
                                   double *decoded, double *compared, t2i_error *err);

#endif
