/* image_resize.c - Pillow's bilinear resize with antialiasing, in the same integer arithmetic. */
#include "image/image_resize.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

/* Weights of outputs first .. first + count - 1 along one axis: output i is the sum of
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

/* Weights of one output: a triangle of half-width `support` around its centre, normalised in double
 * and then rounded. Each step is that of Pillow, since a difference in the last bit changes pixels.
 */
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

/* Weights for `in` inputs and `out` outputs, of which count are needed from first. Empty on
 * failure. */
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

/* Weighted sum of pixels that are `stride` bytes apart, from p. */
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

/* Computes only the window: the whole enlargement of a very long picture might not fit memory. Rows
 * first, to bytes, then columns: the order affects the rounding (image.h). */
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
        !t2i_image_size_fits(width, height)) /* before weights are allocated */
        return t2i_image_new(out, width, height, err);
    return resize_window(out, in, (window){width, 0, width}, (window){height, 0, height}, err);
}

/* Half of the margin, rounded half to even as in Python. */
static window middle(size_t full, size_t crop)
{
    size_t spare = full - crop, half = spare / 2;
    return (window){full, half + (spare % 2 == 1 && half % 2 == 1), crop};
}

t2i_status t2i_image_resize_crop(t2i_image *out, const t2i_image *in, size_t side, size_t crop,
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

/* The shorter side of a padded picture, rounded as in Pillow; at least 1. */
static size_t shorter_side(size_t shorter, size_t longer, size_t side)
{
    double exact = (double)shorter / (double)longer * (double)side;
    return exact < 1.0 ? 1 : (size_t)rint(exact);
}

t2i_status t2i_image_resize_pad(t2i_image *out, const t2i_image *in, size_t side,
                                const uint8_t background[3], t2i_error *err)
{
    t2i_image small;
    size_t width = side, height = side;
    *out = (t2i_image){0};
    if (in->width > in->height)
        height = shorter_side(in->height, in->width, side);
    else if (in->height > in->width)
        width = shorter_side(in->width, in->height, side);
    T2I_TRY(t2i_image_resize(&small, in, width, height, err));
    t2i_status status = t2i_image_new(out, side, side, err);
    size_t x = middle(side, width).first, y = middle(side, height).first;
    for (size_t i = 0; status == T2I_OK && i < side * side; i++)
        memcpy(out->rgb + i * 3, background, 3);
    for (size_t j = 0; status == T2I_OK && j < height; j++)
        memcpy(out->rgb + ((y + j) * side + x) * 3, small.rgb + j * width * 3, width * 3);
    t2i_image_free(&small);
    return status;
}
