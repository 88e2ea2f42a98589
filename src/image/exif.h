/* exif.h - reads single values of a TIFF directory, which EXIF data is too.
 *
 * Why not libexif: one number is needed, from data that is checked before each access.
 */
#ifndef T2I_EXIF_H
#define T2I_EXIF_H

#include <stddef.h>
#include <stdint.h>

enum { T2I_EXIF_SUBFILE = 254, T2I_EXIF_COMPRESSION = 259, T2I_EXIF_ORIENTATION = 274 };

/* First value of `tag`, a SHORT or LONG, in the first directory of TIFF data ("II*", "MM", ...);
 * `missing` if there is none. The bytes are untrusted. */
uint32_t t2i_exif_value(const void *tiff, size_t size, unsigned tag, uint32_t missing);

/* Tags of that directory, with in *bytes the sum of the bytes of their values, as far as these lie
 * within the data. Many tags may name the same bytes. */
size_t t2i_exif_tags(const void *tiff, size_t size, uint64_t *bytes);

/* Orientation 1 to 8 of EXIF data with or without the leading "Exif\0\0"; 1 (upright) if it holds
 * none. */
unsigned t2i_exif_orientation(const void *exif, size_t size);

#endif
