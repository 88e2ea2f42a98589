/* image_png.h - PNG in and out. */
#ifndef T2I_IMAGE_PNG_H
#define T2I_IMAGE_PNG_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"
#include "image/image_codec.h"

/* T2I_DATA when it is damaged, cut or over the limits of the source. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_image_png_decode(t2i_image *out, const t2i_image_codec_source *file,
                                            t2i_error *err);

/* Appends the picture as an RGB PNG without time stamps. */
T2I_CHECKED t2i_status t2i_image_png_encode(const t2i_image *image, t2i_text *out, t2i_error *err);

/* The same with a text (a tEXt chunk of that key, at most T2I_IMAGE_PNG_NOTE bytes of Latin-1). */
enum { T2I_IMAGE_PNG_NOTE = 200 };
T2I_CHECKED t2i_status t2i_image_png_encode_note(const t2i_image *image, const char *key,
                                                 const char *note, t2i_text *out, t2i_error *err);
/* That text of a PNG in memory, cut to T2I_IMAGE_PNG_NOTE bytes; 0 when there is none. Nothing in
 * the file is trusted. */
int t2i_image_png_find_note(const void *png, size_t size, const char *key,
                            char note[T2I_IMAGE_PNG_NOTE + 1]);

#endif
