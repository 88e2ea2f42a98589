#include "prepare/encode_picture.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "image/image_file.h"
#include "image/image_resize.h"
#include "lists/pairs.h"

enum { RESIZED = 256 }; /* torchvision's Resize before its CenterCrop(224) */

static t2i_status run_resnet(t2i_resnet *net, const t2i_image *whole, float *features,
                             t2i_error *why)
{
    t2i_image fitted;
    T2I_TRY(t2i_image_resize_crop(&fitted, whole, RESIZED, T2I_RESNET_SIDE, why));
    t2i_resnet_encode(net, fitted.rgb, features, NULL);
    t2i_image_free(&fitted);
    for (size_t i = 0; i < T2I_RESNET_FEATURES; i++)
        if (!isfinite(features[i]))
            return t2i_fail(why, T2I_DATA, "feature %zu is not finite with these weights", i);
    return T2I_OK;
}

static t2i_status encode(const t2i_picture_form *form, t2i_resnet *net, const t2i_image *whole,
                         uint8_t *pixels, float *features, t2i_error *why)
{
    t2i_image fitted;
    if (form->pad)
        T2I_TRY(t2i_image_resize_pad(&fitted, whole, form->side, form->background, why));
    else
        T2I_TRY(t2i_image_resize_crop(&fitted, whole, form->side, form->side, why));
    memcpy(pixels, fitted.rgb, form->side * form->side * 3);
    t2i_image_free(&fitted);
    return net == NULL ? T2I_OK : run_resnet(net, whole, features, why);
}

t2i_status t2i_encode_picture(const t2i_picture_form *form, t2i_resnet *net, const void *bytes,
                              size_t size, const char *name, uint8_t *pixels, float *features,
                              unsigned *found, t2i_error *why)
{
    t2i_image whole;
    const t2i_image_how how = {.upright = form->upright,
                               .background = form->opaque ? form->background : NULL};
    T2I_TRY(t2i_image_file_decode(&whole, bytes, size, name, &how, found, why));
    t2i_status status = encode(form, net, &whole, pixels, features, why);
    t2i_image_free(&whole);
    return status;
}

/* ---- what there is to tell ---- */

void t2i_encode_picture_note(t2i_picture_notes *notes, unsigned found, const char *name)
{
    notes->pictures++;
    notes->oblong += (found & T2I_IMAGE_OBLONG) != 0;
    notes->oriented += (found & T2I_IMAGE_ORIENTED) != 0;
    notes->transparent += (found & T2I_IMAGE_TRANSPARENT) != 0;
    notes->clipped += (found & T2I_IMAGE_CLIPPED) != 0;
    notes->repaired += (found & T2I_IMAGE_REPAIRED) != 0;
    if ((found & T2I_IMAGE_REPAIRED) != 0 && notes->repaired <= T2I_BAD_SHOWN)
        t2i_log_warn("%s is a JPEG with damaged data: the damaged parts are filled in", name);
}

void t2i_encode_picture_tell(const t2i_picture_notes *n, const t2i_picture_form *form)
{
    const uint8_t *b = form->background;
    if (n->repaired > 0)
        t2i_log_warn("%zu of %zu pictures are JPEGs with damaged data; they are kept, as in "
                     "Pillow: copy them again, or leave their rows out",
                     n->repaired, n->pictures);
    if (n->clipped > 0)
        t2i_log_warn("%zu of %zu pictures are 16-bit grey; values above 255 are white, as in "
                     "Pillow: convert them to 8 bits, for example `mogrify -depth 8 *.png`",
                     n->clipped, n->pictures);
    if (n->oblong > 0)
        t2i_log_note("%zu of %zu pictures are not square: %s", n->oblong, n->pictures,
                     form->pad ? "they are padded (--fit crop keeps the middle square)"
                               : "the middle square is kept (--fit pad keeps all)");
    if (n->oriented > 0)
        t2i_log_note("%zu of %zu pictures have an EXIF orientation: %s", n->oriented, n->pictures,
                     form->upright ? "they are turned upright (--orientation ignore keeps them as "
                                     "stored)"
                                   : "it is ignored (--orientation exif turns them upright)");
    if (n->transparent > 0 && form->opaque)
        t2i_log_note("%zu of %zu pictures have transparent parts: they are put on #%02x%02x%02x "
                     "(--background changes it)",
                     n->transparent, n->pictures, b[0], b[1], b[2]);
    else if (n->transparent > 0)
        t2i_log_note("%zu of %zu pictures have transparent parts: transparency is dropped, as in "
                     "torchvision (--background white puts them on white)",
                     n->transparent, n->pictures);
}
