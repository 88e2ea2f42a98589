/* image.c - PNG in and out through libpng's row interface, and Pillow's bilinear resize.
 *
 * Why rows: png_image_* reads with limits and messages that are not ours. The size is taken from
 * the header by hand first, so that a lying file costs no memory and is named in words; libpng then
 * reads the same bytes under the same limits.
 */
#include "t2i/image.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include "t2i/fs.h"
#include "t2i/mem.h"
#include "t2i/text.h"

#define FILE_MAX     ((size_t)640 << 20) /* bytes: the largest picture at 16 bits RGBA, and a bit */
#define CHUNK_MAX    ((size_t)16 << 20)  /* bytes of one chunk that is not pixels */
#define DEFLATE_MAX  1032u               /* bytes that one byte of deflate can stand for, at most */
#define HEADER_BYTES 29u                 /* signature, then IHDR up to its last field */

void t2i_image_free(t2i_image *image)
{
    t2i_free(image->rgb);
    *image = (t2i_image){0};
}

static int size_fits(uint64_t width, uint64_t height)
{
    return width <= T2I_IMAGE_SIDE_MAX && height <= T2I_IMAGE_SIDE_MAX &&
           width * height <= T2I_IMAGE_AREA_MAX;
}

t2i_status t2i_image_new(t2i_image *out, size_t width, size_t height, t2i_error *err)
{
    *out = (t2i_image){0};
    if (width == 0 || height == 0 || !size_fits(width, height))
        return t2i_fail(err, T2I_DATA,
                        "a picture of %zu x %zu pixels cannot be made: the limit is 1 to %u a side "
                        "and %u in all",
                        width, height, T2I_IMAGE_SIDE_MAX, T2I_IMAGE_AREA_MAX);
    uint8_t *rgb = t2i_alloc(width * height, 3);
    if (rgb == NULL) return t2i_fail_memory(err, width * height * 3, "a picture");
    memset(rgb, 255, width * height * 3);
    *out = (t2i_image){width, height, rgb};
    return T2I_OK;
}

/* All that changes between setjmp and longjmp lives here, in the caller's frame, so that no local
 * variable has to be volatile. */
typedef struct {
    png_structp png;
    png_infop info;
    const uint8_t *bytes; /* reading: what is left of the file */
    size_t size;
    t2i_text *text; /* writing: where it goes */
    t2i_image image;
    char why[128]; /* libpng's words */
} codec;

static void on_error(png_structp png, png_const_charp why)
{
    codec *c = png_get_error_ptr(png);
    snprintf(c->why, sizeof c->why, "%s", why);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
    codec *c = png_get_io_ptr(png);
    if (size > c->size) png_error(png, "it ends too early");
    memcpy(to, c->bytes, size);
    c->bytes += size;
    c->size -= size;
}

static void on_write(png_structp png, png_bytep from, size_t size)
{
    codec *c = png_get_io_ptr(png);
    if (t2i_text_add(c->text, from, size, NULL) != T2I_OK) png_error(png, "out of memory");
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Whatever the file holds becomes 8-bit RGB. No gamma: Pillow knows none. */
static void ask_for_rgb(codec *c)
{
    int type = png_get_color_type(c->png, c->info);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(c->png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(c->png);
    if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(c->png);
    png_set_strip_16(c->png);
    png_set_strip_alpha(c->png);
}

/* 0, or -1 with c->why filled. */
static int read_rows(codec *c)
{
    if (setjmp(png_jmpbuf(c->png)) != 0) return -1;
    png_set_read_fn(c->png, c, on_read);
    png_set_user_limits(c->png, T2I_IMAGE_SIDE_MAX, T2I_IMAGE_SIDE_MAX);
    png_set_chunk_cache_max(c->png, 16);
    png_set_chunk_malloc_max(c->png, CHUNK_MAX);
    /* Text, profiles and the rest are skipped unread: nothing to unpack, nothing to go wrong. */
    png_set_keep_unknown_chunks(c->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(c->png, c->info);
    ask_for_rgb(c);
    int passes = png_set_interlace_handling(c->png);
    png_read_update_info(c->png, c->info);
    if (png_get_image_width(c->png, c->info) != c->image.width ||
        png_get_image_height(c->png, c->info) != c->image.height ||
        png_get_rowbytes(c->png, c->info) != c->image.width * 3)
        png_error(c->png, "its header contradicts itself");
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < c->image.height; y++)
            png_read_row(c->png, c->image.rgb + y * c->image.width * 3, NULL);
    png_read_end(c->png, NULL);
    return 0;
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static t2i_status refuse_format(const uint8_t *b, size_t size, const char *name, t2i_error *err)
{
    static const struct {
        const char *magic, *what;
    } known[] = {
        {"\xff\xd8\xff", "a JPEG"}, {"RIFF", "a WebP"}, {"GIF8", "a GIF"}, {"BM", "a BMP"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i].magic);
        if (size >= length && memcmp(b, known[i].magic, length) == 0)
            return t2i_fail(err, T2I_DATA, "%s is no PNG but looks like %s: convert it to PNG",
                            name, known[i].what);
    }
    return t2i_fail(err, T2I_DATA, "%s is no PNG picture: convert it to PNG or leave it out", name);
}

/* Size by the header, after every check that needs no memory. */
static t2i_status read_header(const uint8_t *b, size_t size, const char *name, size_t *width,
                              size_t *height, t2i_error *err)
{
    static const uint8_t channels[8] = {1, 0, 3, 1, 2, 0, 4, 0}; /* by colour type */
    if (size == 0) return t2i_fail(err, T2I_DATA, "%s is empty", name);
    if (png_sig_cmp(b, 0, size < 8 ? size : 8) != 0) return refuse_format(b, size, name, err);
    if (size < HEADER_BYTES) return t2i_fail(err, T2I_DATA, "%s is cut off: copy it again", name);
    uint64_t w = big_endian(b + 16), h = big_endian(b + 20);
    if (memcmp(b + 12, "IHDR", 4) != 0 || w == 0 || h == 0)
        return t2i_fail(err, T2I_DATA, "%s has a damaged PNG header: copy it again", name);
    if (!size_fits(w, h))
        return t2i_fail(
            err, T2I_DATA,
            "%s has %llu x %llu pixels, over the limit of %u a side and %u in all: make "
            "it smaller",
            name, (unsigned long long)w, (unsigned long long)h, T2I_IMAGE_SIDE_MAX,
            T2I_IMAGE_AREA_MAX);
    uint64_t bits = w * h * b[24] * channels[b[25] & 7];
    if (bits / 8 / DEFLATE_MAX > size)
        return t2i_fail(err, T2I_DATA,
                        "%s is cut off: %zu bytes cannot hold its %llu x %llu pixels", name, size,
                        (unsigned long long)w, (unsigned long long)h);
    *width = (size_t)w;
    *height = (size_t)h;
    return T2I_OK;
}

t2i_status t2i_image_decode(t2i_image *out, const void *bytes, size_t size, const char *name,
                            t2i_error *err)
{
    size_t width = 0, height = 0;
    *out = (t2i_image){0};
    T2I_TRY(read_header(bytes, size, name, &width, &height, err));
    codec c = {.bytes = bytes, .size = size};
    T2I_TRY(t2i_image_new(&c.image, width, height, err));

    c.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &c, on_error, on_warning);
    c.info = c.png == NULL ? NULL : png_create_info_struct(c.png);
    t2i_status status = T2I_OK;
    if (c.info == NULL)
        status = t2i_fail_memory(err, size, "libpng");
    else if (read_rows(&c) != 0)
        status = t2i_fail(err, T2I_DATA, "%s is a damaged PNG (%s): copy it again or leave it out",
                          name, c.why);
    png_destroy_read_struct(&c.png, &c.info, NULL);
    if (status == T2I_OK)
        *out = c.image;
    else
        t2i_image_free(&c.image);
    return status;
}

t2i_status t2i_image_read(t2i_image *out, const char *path, t2i_error *err)
{
    t2i_text file = {0};
    *out = (t2i_image){0};
    t2i_status status = t2i_fs_read(path, FILE_MAX, &file, err);
    if (status == T2I_OK) status = t2i_image_decode(out, file.data, file.size, path, err);
    t2i_text_free(&file);
    return status;
}

static int write_rows(codec *c)
{
    if (setjmp(png_jmpbuf(c->png)) != 0) return -1;
    png_set_write_fn(c->png, c, on_write, on_flush);
    png_set_IHDR(c->png, c->info, (png_uint_32)c->image.width, (png_uint_32)c->image.height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(c->png, c->info);
    for (size_t y = 0; y < c->image.height; y++)
        png_write_row(c->png, c->image.rgb + y * c->image.width * 3);
    png_write_end(c->png, NULL);
    return 0;
}

t2i_status t2i_image_encode(const t2i_image *image, t2i_text *out, t2i_error *err)
{
    T2I_ASSERT(image->rgb != NULL);
    codec c = {.image = *image, .text = out};
    c.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &c, on_error, on_warning);
    c.info = c.png == NULL ? NULL : png_create_info_struct(c.png);
    t2i_status status = T2I_OK;
    if (c.info == NULL)
        status = t2i_fail_memory(err, sizeof c, "libpng");
    else if (write_rows(&c) != 0)
        status = t2i_fail(err, T2I_SYSTEM, "cannot encode a picture of %zu x %zu pixels: %s",
                          image->width, image->height, c.why);
    png_destroy_write_struct(&c.png, &c.info);
    return status;
}

t2i_status t2i_image_write(const t2i_image *image, const char *path, t2i_error *err)
{
    t2i_text file = {0};
    t2i_status status = t2i_image_encode(image, &file, err);
    if (status == T2I_OK) status = t2i_fs_write(path, file.data, file.size, err);
    t2i_text_free(&file);
    return status;
}

/* How outputs first .. first + count - 1 of one axis are made of inputs: output i is the sum of
 * weight[i * taps + k] * input[from[i] + k] over k < used[i], in units of 2^-WEIGHT_BITS. */
#define WEIGHT_BITS 22
typedef struct {
    size_t *from, *used;
    int32_t *weight;
    size_t count, taps;
} axis;

static void axis_free(axis *a)
{
    t2i_free(a->from);
    t2i_free(a->used);
    t2i_free(a->weight);
    *a = (axis){0};
}

/* One output's weights: a triangle of half-width `support` around its centre, normalised in double,
 * then rounded, each step as Pillow does it, since one last bit shows in the pixels. */
static void axis_weigh(axis *a, size_t i, size_t in, double centre, double support, double *w)
{
    double low = centre - support + 0.5, high = centre + support + 0.5, sum = 0.0;
    size_t from = low < 0.0 ? 0 : (size_t)low;
    size_t to = high > (double)in ? in : (size_t)high;
    for (size_t k = 0; k < to - from; k++) {
        double at = fabs(((double)(k + from) - centre + 0.5) * (1.0 / support));
        w[k] = at < 1.0 ? 1.0 - at : 0.0;
        sum += w[k];
    }
    for (size_t k = 0; k < to - from; k++) {
        if (sum != 0.0) w[k] /= sum;
        a->weight[i * a->taps + k] = (int32_t)(0.5 + w[k] * (1 << WEIGHT_BITS));
    }
    a->from[i] = from;
    a->used[i] = to - from;
}

/* in inputs become out outputs, of which count are wanted from first on. Empty on failure. */
static t2i_status axis_new(axis *a, size_t in, size_t out, size_t first, size_t count,
                           t2i_error *err)
{
    double scale = (double)in / (double)out, support = scale < 1.0 ? 1.0 : scale;
    a->count = count;
    a->taps = (size_t)ceil(support) * 2 + 1;
    a->from = t2i_alloc(count, sizeof *a->from);
    a->used = t2i_alloc(count, sizeof *a->used);
    a->weight = t2i_alloc(count * a->taps, sizeof *a->weight);
    double *w = t2i_alloc(a->taps, sizeof *w);
    t2i_status status = T2I_OK;
    if (a->from == NULL || a->used == NULL || a->weight == NULL || w == NULL)
        status = t2i_fail_memory(err, count * a->taps * sizeof *a->weight, "resizing weights");
    else
        for (size_t i = 0; i < count; i++)
            axis_weigh(a, i, in, ((double)(first + i) + 0.5) * scale, support, w);
    t2i_free(w);
    if (status != T2I_OK) axis_free(a);
    return status;
}

/* Weighs pixels that lie `stride` bytes apart, the first at p. */
static void weigh(uint8_t *to, const uint8_t *p, size_t stride, const int32_t *w, size_t count)
{
    int32_t r = 1 << (WEIGHT_BITS - 1), g = r, b = r;
    for (size_t k = 0; k < count; k++, p += stride) {
        r += p[0] * w[k];
        g += p[1] * w[k];
        b += p[2] * w[k];
    }
    const int32_t sum[3] = {r >> WEIGHT_BITS, g >> WEIGHT_BITS, b >> WEIGHT_BITS};
    for (int c = 0; c < 3; c++) to[c] = sum[c] > 255 ? 255 : (uint8_t)sum[c];
}

/* Only the window is computed: of a very long picture the whole enlargement would not fit. Across
 * first, into bytes, then down: the order shows in the rounding (image.h). */
static t2i_status resample(t2i_image *out, const t2i_image *in, const axis *x, const axis *y,
                           t2i_error *err)
{
    size_t top = y->from[0], bottom = y->from[y->count - 1] + y->used[y->count - 1];
    size_t stride = x->count * 3;
    uint8_t *rows = t2i_alloc(bottom - top, stride);
    if (rows == NULL) return t2i_fail_memory(err, (bottom - top) * stride, "resizing");
    t2i_status status = t2i_image_new(out, x->count, y->count, err);
    if (status == T2I_OK) {
        for (size_t j = top; j < bottom; j++)
            for (size_t i = 0; i < x->count; i++)
                weigh(rows + (j - top) * stride + i * 3, in->rgb + (j * in->width + x->from[i]) * 3,
                      3, x->weight + i * x->taps, x->used[i]);
        for (size_t j = 0; j < y->count; j++)
            for (size_t i = 0; i < x->count; i++)
                weigh(out->rgb + (j * x->count + i) * 3, rows + (y->from[j] - top) * stride + i * 3,
                      stride, y->weight + j * y->taps, y->used[j]);
    }
    t2i_free(rows);
    return status;
}

/* A window of the resized picture. */
typedef struct {
    size_t full, first, count;
} window;

static t2i_status resize_window(t2i_image *out, const t2i_image *in, window across, window down,
                                t2i_error *err)
{
    axis x = {0}, y = {0};
    *out = (t2i_image){0};
    T2I_ASSERT(in->rgb != NULL);
    t2i_status status = axis_new(&x, in->width, across.full, across.first, across.count, err);
    if (status == T2I_OK) status = axis_new(&y, in->height, down.full, down.first, down.count, err);
    if (status == T2I_OK) status = resample(out, in, &x, &y, err);
    axis_free(&x);
    axis_free(&y);
    return status;
}

t2i_status t2i_image_resize(t2i_image *out, const t2i_image *in, size_t width, size_t height,
                            t2i_error *err)
{
    *out = (t2i_image){0};
    if (width == 0 || height == 0 ||
        !size_fits(width, height)) /* before weights are taken for it */
        return t2i_image_new(out, width, height, err);
    return resize_window(out, in, (window){width, 0, width}, (window){height, 0, height}, err);
}

/* Half of what is cut away, half-pixels to the even side as Python rounds. */
static window middle(size_t full, size_t crop)
{
    size_t spare = full - crop, half = spare / 2;
    return (window){full, half + (spare % 2 == 1 && half % 2 == 1), crop};
}

t2i_status t2i_image_fit(t2i_image *out, const t2i_image *in, size_t side, size_t crop,
                         t2i_error *err)
{
    T2I_ASSERT(crop >= 1 && crop <= side && side <= T2I_IMAGE_SIDE_MAX);
    size_t width = side, height = side;
    if (in->width <= in->height)
        height = side * in->height / in->width;
    else
        width = side * in->width / in->height;
    return resize_window(out, in, middle(width, crop), middle(height, crop), err);
}
