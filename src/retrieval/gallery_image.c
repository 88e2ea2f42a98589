#include "retrieval/gallery_image.h"

#include "retrieval/drawing.h"

t2i_status t2i_gallery_draw(t2i_gallery *gallery, const float *prediction, const float *place,
                            t2i_image *out, const char **drawn, t2i_error *err)
{
    T2I_TRY(t2i_image_new(out, gallery->width, gallery->height, err));
    t2i_status status = t2i_drawing_decode(gallery, prediction, place, out->rgb, drawn, err);
    if (status != T2I_OK) t2i_image_free(out);
    return status;
}

t2i_status t2i_gallery_picture(const t2i_gallery *gallery, size_t image, t2i_image *out,
                               t2i_error *err)
{
    *out = (t2i_image){0};
    if (!t2i_gallery_shows(gallery)) return T2I_OK;
    T2I_TRY(t2i_image_new(out, gallery->width, gallery->height, err));
    t2i_status status = t2i_dataset_pixels(gallery->dataset, image, 1, out->rgb, err);
    if (status != T2I_OK) t2i_image_free(out);
    return status;
}
