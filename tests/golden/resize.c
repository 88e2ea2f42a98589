/* resize.c - our resize and crop against what Pillow and torchvision made of the same pictures,
 * byte for byte. The pictures are odd on purpose: alpha, palette, 1 bit, one pixel, very wide, very
 * small.
 */
#include "image/image.h"
#include "image/image_resize.h"

#include "test.h"
#include "picture.h"

#define FOLDER "tests/golden/resnet18"

static const char *const pictures[] = {
    "alpha_60x40", "big_900x40",           "bit_90x70",    "blue_square", "green_circle",
    "grey_50x50",  "grey_alpha_20x45",     "half_256x257", "one_1x1",     "palette_30x30",
    "red_square",  "palette_colour_47x33", "tall_31x77",   "tiny_3x2",    "wide_500x333",
};

static void same_as_pillow(void)
{
    t2i_error err;
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        char path[256];
        t2i_image in, ours, theirs;
        snprintf(path, sizeof path, FOLDER "/images/%s.png", pictures[i]);
        OK(read_picture(&in, path, &err));
        snprintf(path, sizeof path, FOLDER "/resized/%s.png", pictures[i]);
        OK(read_picture(&theirs, path, &err));
        if (in.rgb == NULL || theirs.rgb == NULL) continue; /* said above */
        OK(t2i_image_resize_crop(&ours, &in, 256, 224, &err));
        CU_ASSERT(ours.width == 224 && ours.height == 224);
        CU_ASSERT(theirs.width == 224 && theirs.height == 224);
        if (memcmp(ours.rgb, theirs.rgb, 224 * 224 * 3) != 0) {
            fprintf(stderr, "%s differs\n", pictures[i]);
            CU_FAIL("a resized picture differs from Pillow's");
        }
        t2i_image_free(&in);
        t2i_image_free(&ours);
        t2i_image_free(&theirs);
    }
}

int main(void)
{
    static const t2i_test tests[] = {{"all pictures as Pillow resizes them", same_as_pillow}};
    return t2i_test_main("golden/resize", tests, sizeof tests / sizeof *tests);
}
