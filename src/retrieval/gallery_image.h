/* gallery_image.h - pictures of a gallery as t2i_image. Apart from gallery.h, which the library
 * uses without picture files. */
#ifndef T2I_GALLERY_IMAGE_H
#define T2I_GALLERY_IMAGE_H

#include "image/image.h"
#include "retrieval/gallery.h"

/* Draws a prompt as drawing.h says, which also tells the arguments. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_gallery_draw(t2i_gallery *gallery, const float *prediction,
                                        const float *place, t2i_image *out, const char **drawn,
                                        t2i_error *err);
/* Reads a picture of the dataset. *out is empty on failure, and if the dataset has no pixels. */
T2I_CHECKED t2i_status t2i_gallery_picture(const t2i_gallery *gallery, size_t image, t2i_image *out,
                                           t2i_error *err);

#endif
