/* pictures.c - small picture files of every kind against what Pillow makes of them, byte
 * for byte; then the same files cut and damaged. pictures/make.py made them.
 *
 * libjpeg-turbo and libwebp gave the same bytes in all versions tried (2.1.5 and 3.2.0; 1.2.4 and
 * 1.6.0); should yours differ by one in a lossy file, look at its notes before at this code.
 */
#include <dirent.h>

#include "test.h"
#include "picture.h"
#include "base/fs.h"
#include "image/image.h"
#include "base/text.h"
#include "image/image_file.h"

#define FOLDER "tests/golden/pictures"
enum { PICTURES = 128 };

/* Compares the picture, read in this way, with FOLDER/expected/NAME.png. */
static void check_picture(const char *name, const char *expected, const t2i_image_how *how,
                          unsigned *found)
{
    t2i_error err;
    t2i_text file = {0};
    t2i_image ours, theirs;
    char path[600];
    snprintf(path, sizeof path, FOLDER "/%s", name);
    OK(t2i_image_file_load(&file, path, &err));
    OK(t2i_image_file_decode(&ours, file.data, file.size, path, how, found, &err));
    snprintf(path, sizeof path, FOLDER "/%s/%s.png", expected, name);
    OK(read_picture(&theirs, path, &err));
    size_t size = theirs.width * theirs.height * 3, wrong = 0;
    int alike = ours.width == theirs.width && ours.height == theirs.height;
    if (alike)
        for (size_t i = 0; i < size; i++) wrong += ours.rgb[i] != theirs.rgb[i];
    if (!alike || wrong > 0)
        fprintf(stderr, "%s/%s: %zu of %zu values differ\n", expected, name, wrong, size);
    CU_ASSERT(alike && wrong == 0);
    t2i_text_free(&file);
    t2i_image_free(&ours);
    t2i_image_free(&theirs);
}

/* Is the picture expected in this folder? */
static int is_expected(const char *folder, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, FOLDER "/%s/%s.png", folder, name);
    return t2i_fs_exists(path);
}

static void as_pillow(void)
{
    static const uint8_t ground[3] = {10, 200, 90};
    const t2i_image_how upright = {.upright = 1}, on_ground = {.background = ground};
    int count = 0, turned = 0, put = 0;
    DIR *folder = opendir(FOLDER);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name, *dot = strrchr(name, '.');
        unsigned found;
        if (!is_expected("expected", name)) continue;
        check_picture(name, "expected", NULL, &found);
        CU_ASSERT_EQUAL((found & T2I_IMAGE_ORIENTED) != 0, is_expected("upright", name));
        /* Pillow has no alpha in 16-bit grey and mistakes the transparent grey of 2 and 4 bits; we
         * have none in BMP */
        if (strcmp(dot, ".bmp") != 0 &&
            (strncmp(name, "grey_", 5) != 0 || strcmp(dot, ".png") != 0))
            CU_ASSERT_EQUAL((found & T2I_IMAGE_TRANSPARENT) != 0, is_expected("on_ground", name));
        if (is_expected("upright", name)) {
            check_picture(name, "upright", &upright, &found);
            turned++;
        }
        if (is_expected("on_ground", name)) {
            check_picture(name, "on_ground", &on_ground, &found);
            put++;
        }
        count++;
    }
    if (folder != NULL) closedir(folder);
    CU_ASSERT_EQUAL(count, PICTURES);
    CU_ASSERT_EQUAL(turned, 12);
    CU_ASSERT_EQUAL(put, 26);
}

/* One of each way through the readers. */
static const char *const samples[] = {
    "grey.jpg",          "420_progressive.jpg", "cmyk.jpg",      "restart.jpg",
    "one.webp",          "lossy_alpha.webp",    "lossless.webp", "animated.webp",
    "frame_inside.webp", "palette_4.png",       "turned_6.jpg",  "frame_inside_clear.gif",
    "interlaced.gif",    "os2_4.bmp",           "565.bmp",       "v5.bmp",
    "palette_4.tif",     "tiled_deflate.tif",   "tiff_lzw.tif",  "rgba_16.tif"};

static void load(t2i_text *file, const char *name)
{
    t2i_error err;
    char path[600];
    snprintf(path, sizeof path, FOLDER "/%s", name);
    OK(t2i_fs_read(path, 1 << 20, file, &err));
}

static int same_pixels(const t2i_image *a, const t2i_image *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->rgb, b->rgb, a->width * a->height * 3) == 0;
}

static void cut(void)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        t2i_text file = {0};
        t2i_error err;
        t2i_image image, whole;
        load(&file, samples[i]);
        OK(t2i_image_file_decode(&whole, file.data, file.size, "whole", NULL, NULL, &err));
        for (size_t size = 0; size < file.size; size++) {
            /* A copy of just that size, so that the sanitizer sees a read beyond it. */
            char *part = t2i_alloc(size, 1);
            if (size > 0) memcpy(part, file.data, size);
            t2i_status status = t2i_image_file_decode(&image, part, size, "part", NULL, NULL, &err);
            /* all pixels may be there when a mark of the end is missing */
            CU_ASSERT(status == T2I_OK
                          ? same_pixels(&image, &whole)
                          : status == T2I_DATA && strncmp(err.text, "part is ", 8) == 0);
            CU_ASSERT((status == T2I_OK) == (image.rgb != NULL));
            CU_ASSERT(status != T2I_OK || size + 8 > file.size);
            t2i_image_free(&image);
            t2i_free(part);
        }
        t2i_image_free(&whole);
        t2i_text_free(&file);
    }
}

/* JPEGs that are cut and then end properly: told if a pixel differs. */
static void repaired(void)
{
    static const char *const jpegs[] = {"420.jpg", "420_progressive.jpg", "grey_progressive.jpg",
                                        "restart.jpg", "cmyk.jpg"};
    for (size_t i = 0; i < sizeof jpegs / sizeof *jpegs; i++) {
        t2i_text file = {0};
        t2i_error err;
        t2i_image whole, image;
        unsigned found, told = 0;
        load(&file, jpegs[i]);
        OK(t2i_image_file_decode(&whole, file.data, file.size, "whole", NULL, &found, &err));
        CU_ASSERT_EQUAL(found & T2I_IMAGE_REPAIRED, 0);
        for (size_t size = file.size - 2; size-- > 2;) {
            memcpy(file.data + size, "\xff\xd9", 2);
            if (t2i_image_file_decode(&image, file.data, size + 2, "part", NULL, &found, &err) !=
                T2I_OK)
                continue;
            told += (found & T2I_IMAGE_REPAIRED) != 0;
            CU_ASSERT((found & T2I_IMAGE_REPAIRED) != 0 || same_pixels(&image, &whole));
            t2i_image_free(&image);
        }
        CU_ASSERT(told > 300);
        t2i_image_free(&whole);
        t2i_text_free(&file);
    }
}

/* Whatever the bytes, a read succeeds, or fails with T2I_DATA and an empty picture. */
static void damaged(void)
{
    const t2i_image_how small = {.area_max = 1 << 16};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        t2i_text file = {0};
        load(&file, samples[i]);
        for (size_t bit = 0; bit < file.size * 8; bit++) {
            t2i_error err = {0};
            t2i_image image;
            file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
            t2i_status status =
                t2i_image_file_decode(&image, file.data, file.size, "made", &small, NULL, &err);
            CU_ASSERT(status == T2I_OK || status == T2I_DATA);
            CU_ASSERT((status == T2I_OK) == (image.rgb != NULL));
            CU_ASSERT(status == T2I_OK || strncmp(err.text, "made ", 5) == 0);
            t2i_image_free(&image);
            file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
        }
        t2i_text_free(&file);
    }
}

/* The file's last scan over and over. */
static void repeat_scan(t2i_text *out, const t2i_text *file, int times)
{
    size_t at = file->size - 2;
    while (at > 0 && memcmp(file->data + at, "\xff\xda", 2) != 0) at--;
    CU_ASSERT(at > 0);
    t2i_status status = t2i_text_add(out, file->data, at, NULL);
    for (int i = 0; i < times && status == T2I_OK; i++)
        status = t2i_text_add(out, file->data + at, file->size - 2 - at, NULL);
    if (status == T2I_OK) status = t2i_text_add(out, "\xff\xd9", 2, NULL);
    CU_ASSERT_EQUAL(status, T2I_OK);
}

static void scans(void)
{
    t2i_error err;
    t2i_image image;
    t2i_text file = {0}, few = {0}, many = {0};
    load(&file, "grey_progressive.jpg");
    repeat_scan(&few, &file, 40);
    repeat_scan(&many, &file, 600);
    OK(t2i_image_file_decode(&image, few.data, few.size, "few", NULL, NULL, &err));
    const size_t area = image.width * image.height;
    t2i_image_free(&image);
    FAILS(t2i_image_file_decode(&image, many.data, many.size, "many", NULL, NULL, &err), T2I_DATA,
          "many is a JPEG with too many scans (501 so far)");
    /* for a picture as large as may be, fewer are too many */
    const t2i_image_how how = {.area_max = area};
    FAILS(t2i_image_file_decode(&image, few.data, few.size, "few", &how, NULL, &err), T2I_DATA,
          "too many scans (33 so far)");
    CU_ASSERT_PTR_NULL(image.rgb);
    t2i_text_free(&file);
    t2i_text_free(&few);
    t2i_text_free(&many);
}

static void refuse(const char *bytes, size_t size, const char *part)
{
    t2i_error err;
    t2i_image image;
    size_t calls = t2i_alloc_calls();
    FAILS(t2i_image_file_decode(&image, bytes, size, "big", NULL, NULL, &err), T2I_DATA, part);
    CU_ASSERT_EQUAL(t2i_alloc_calls(), calls); /* refused before memory is taken */
    CU_ASSERT_PTR_NULL(image.rgb);
}

static void limits(void)
{
    /* a header and the start of a scan: 40000 x 25000 */
    static const char jpeg[] =
        "\xff\xd8\xff\xc0\0\x0b\x08\x61\xa8\x9c\x40\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0";
    /* VP8X: a canvas of 2^24 x 2^24, which is 16 Mi x 16 Mi, and 16383 x 16383 */
    static const char wide[] = "RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff";
    static const char large[] = "RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xfe\x3f\0\xfe\x3f\0";
    static const char lossless[] = "RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0/\xfe\xbf\xff\x0f";
    refuse(jpeg, sizeof jpeg - 1, "big has 40000 x 25000 pixels, over the limit of 32768 per side");
    refuse(wide, sizeof wide - 1, "big is ");
    refuse(large, sizeof large - 1, "big has 16383 x 16383 pixels, over the limit");
    refuse(lossless, sizeof lossless, "big has 16383 x 16383 pixels, over the limit");
}

/* Parts of no bytes, each of which costs libwebp memory. */
static void parts(void)
{
    t2i_error err;
    t2i_image image;
    t2i_text file = {0}, many = {0};
    load(&file, "one.webp");
    OK(t2i_text_add(&many, "RIFF    WEBPVP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0", 30, &err));
    for (int i = 0; i < 70000; i++) OK(t2i_text_add(&many, "XXXX\0\0\0", 8, &err));
    OK(t2i_text_add(&many, file.data + 12, file.size - 12, &err));
    for (int i = 0; i < 4; i++) many.data[4 + i] = (char)((many.size - 8) >> 8 * i);
    FAILS(t2i_image_file_decode(&image, many.data, many.size, "a", NULL, NULL, &err), T2I_DATA,
          "too many chunks");
    t2i_text_free(&file);
    t2i_text_free(&many);
}

static void unusual(void)
{
    t2i_error err;
    t2i_image image;
    t2i_text file = {0};
    load(&file, "grey.jpg");
    size_t at = 0;
    while (at + 8 < file.size && memcmp(file.data + at, "\xff\xc0", 2) != 0) at++;
    file.data[at + 4] = 12; /* bits */
    FAILS(t2i_image_file_decode(&image, file.data, file.size, "a", NULL, NULL, &err), T2I_DATA,
          "a is a JPEG of an unsupported kind (Unsupported JPEG data precision 12)");
    file.data[at + 4] = 8;
    file.data[at + 1] = '\xc3'; /* lossless */
    FAILS(t2i_image_file_decode(&image, file.data, file.size, "a", NULL, NULL, &err), T2I_DATA,
          "unsupported kind");
    t2i_text_free(&file);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"all pictures as Pillow reads them", as_pillow},
        {"cut files are refused", cut},
        {"JPEGs that end early are told", repaired},
        {"damaged files do no harm", damaged},
        {"JPEGs of endless scans are refused", scans},
        {"WebPs of endless parts are refused", parts},
        {"sizes over the limits are refused before memory is taken", limits},
        {"JPEGs that libjpeg does not read", unusual},
    };
    return t2i_test_main("golden/pictures", tests, sizeof tests / sizeof *tests);
}
