/* image_png.h - decodes and encodes PNG. */
#ifndef T2I_IMAGE_PNG_H
#define T2I_IMAGE_PNG_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"
#include "image/image_codec.h"

/* T2I_DATA if the file is damaged, cut off or over the limits of the source. *out is empty on
 * failure. */
T2I_CHECKED t2i_status t2i_image_png_decode(t2i_image *out, const t2i_image_codec_source *file,
                                            t2i_error *err);

/* Appends the picture as an RGB PNG without timestamps. */
T2I_CHECKED t2i_status t2i_image_png_encode(const t2i_image *image, t2i_text *out, t2i_error *err);

/* The same with a note: a tEXt chunk with that key and at most T2I_IMAGE_PNG_NOTE bytes of Latin-1.
 */
enum { T2I_IMAGE_PNG_NOTE = 200 };
T2I_CHECKED t2i_status t2i_image_png_encode_note(const t2i_image *image, const char *key,
                                                 const char *note, t2i_text *out, t2i_error *err);
/* note: the note with that key of a PNG in memory, truncated to T2I_IMAGE_PNG_NOTE bytes. Returns 0
 * if there is none. The file is untrusted. */
int t2i_image_png_find_note(const void *png, size_t size, const char *key,
                            char note[T2I_IMAGE_PNG_NOTE + 1]);

#endif
