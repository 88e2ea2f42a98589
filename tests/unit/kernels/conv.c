/* conv: convolutions of all kinds that ResNet-18 has, and odd ones, against loops in double. */
#include "kernels/conv.h"

#include <math.h>

#include "test.h"
#include "kernels/blas.h"
#include "base/rng.h"

static t2i_error err;

typedef struct {
    size_t in, out, kernel, stride, height, width, border;
} shape;

static t2i_map new_map(size_t height, size_t width, size_t channels, size_t border)
{
    t2i_map map;
    OK(t2i_conv_map_new(&map, height, width, channels, border, &err));
    return map;
}

static void fill(t2i_map *map, uint64_t key)
{
    for (size_t y = 0; y < map->height; y++)
        for (size_t i = 0; i < map->width * map->channels; i++)
            t2i_conv_map_row(map, y)[i] = (float)t2i_rng_normal(key, y, i);
}

/* A pixel's number; 0 outside. */
static double at(const t2i_map *map, size_t y, size_t x, size_t c)
{
    if (y >= map->height || x >= map->width) return 0; /* before the first: very large */
    return t2i_conv_map_row(map, y)[x * map->channels + c];
}

static double naive(const shape *s, const t2i_map *in, const float *weight, size_t y, size_t x,
                    size_t o)
{
    double sum = 0;
    for (size_t c = 0; c < s->in; c++)
        for (size_t i = 0; i < s->kernel; i++)
            for (size_t j = 0; j < s->kernel; j++)
                sum +=
                    weight[((o * s->in + c) * s->kernel + i) * s->kernel + j] *
                    at(in, y * s->stride + i - s->kernel / 2, x * s->stride + j - s->kernel / 2, c);
    return sum;
}

static void check(const shape *s, const t2i_map *in, const t2i_map *before, const t2i_map *out,
                  const float *weight, const double *scale, const double *bias, int flags)
{
    double worst = 0, most = 0;
    for (size_t y = 0; y < out->height; y++)
        for (size_t x = 0; x < out->width; x++)
            for (size_t o = 0; o < s->out; o += 7) { /* the naive loops are slow */
                double sum = scale[o] * naive(s, in, weight, y, x, o) + bias[o];
                if (flags & T2I_CONV_ADD) sum += at(before, y, x, o);
                if (flags & T2I_CONV_RELU) sum = fmax(sum, 0);
                worst = fmax(worst, fabs(sum - at(out, y, x, o)));
                most = fmax(most, fabs(sum));
            }
    if (!(worst <= 1e-6 * most))
        fprintf(stderr, "%zu -> %zu, kernel %zu, stride %zu, flags %d: %g of %g\n", s->in, s->out,
                s->kernel, s->stride, flags, worst, most);
    CU_ASSERT(worst <= 1e-6 * most);
}

/* Whatever was written, the border must still be zeros. */
static int border_is_zero(const t2i_map *map)
{
    size_t row = (map->width + 2 * map->border + 1) * map->channels;
    size_t total = (map->height + 2 * map->border + 1) * row, inside = 0, all = 0;
    for (size_t i = 0; i < total; i++) all += map->data[i] != 0;
    for (size_t y = 0; y < map->height; y++)
        for (size_t i = 0; i < map->width * map->channels; i++)
            inside += t2i_conv_map_row(map, y)[i] != 0;
    return all == inside;
}

static void try_shape(const shape *s)
{
    size_t height = (s->height - 1) / s->stride + 1, width = (s->width - 1) / s->stride + 1;
    size_t count = s->out * s->in * s->kernel * s->kernel;
    float *weight = t2i_alloc(count, sizeof *weight), *work;
    double scale[512], bias[512];
    for (size_t i = 0; i < count; i++) weight[i] = (float)t2i_rng_normal(2, 0, i);
    for (size_t o = 0; o < s->out; o++) {
        scale[o] = t2i_rng_normal(3, 0, o) * 0.1;
        bias[o] = t2i_rng_normal(3, 1, o);
    }
    t2i_conv conv;
    OK(t2i_conv_new(&conv, s->in, s->out, s->kernel, s->stride, weight, scale, bias, &err));
    t2i_map in = new_map(s->height, s->width, s->in, s->border);
    t2i_map out = new_map(height, width, s->out, 2), before = new_map(height, width, s->out, 0);
    work = t2i_alloc(t2i_conv_work(&conv, &out), sizeof *work);
    fill(&in, 4);
    fill(&before, 5);
    for (int flags = 0; flags < 4; flags++) {
        fill(&out, 5);
        size_t calls = t2i_alloc_calls();
        t2i_conv_run(&conv, &in, &out, flags, work);
        CU_ASSERT_EQUAL(t2i_alloc_calls(), calls);
        check(s, &in, &before, &out, weight, scale, bias, flags);
        CU_ASSERT(border_is_zero(&out));
    }
    t2i_free(work);
    t2i_free(weight);
    t2i_conv_map_free(&in);
    t2i_conv_map_free(&out);
    t2i_conv_map_free(&before);
    t2i_conv_free(&conv);
}

static void as_naive(void)
{
    static const shape shapes[] = {
        {1, 64, 1, 1, 4, 5, 0},
        {3, 64, 7, 2, 12, 10, 3},
        {3, 64, 7, 2, 13, 11, 4},
        {5, 64, 3, 1, 11, 13, 1},
        {64, 64, 1, 2, 7, 6, 1},
        {128, 64, 3, 2, 23, 20, 1},
        {64, 128, 3, 2, 5, 6, 2},
        {23, 128, 3, 2, 23, 20, 1},
        {256, 128, 1, 2, 14, 14, 1},
        {2, 64, 5, 3, 9, 10, 2},
        /* Winograd's: odd and even, one pixel, wider than a block of tiles, several blocks */
        {64, 64, 3, 1, 6, 8, 1},
        {64, 128, 3, 1, 7, 7, 1},
        {128, 64, 3, 1, 1, 1, 1},
        {64, 64, 3, 1, 3, 131, 1},
        {64, 64, 3, 1, 21, 30, 2},
        {320, 64, 3, 1, 14, 14, 1},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) try_shape(&shapes[i]);
}

/* Numbers that one can add up by hand: a kernel of ones over 1 .. 9. */
static void by_hand(void)
{
    static const float expected[9] = {12, 21, 16, 27, 45, 33, 24, 39, 28};
    static const size_t channels[] = {1, 64}; /* both ways */
    static float ones[64 * 64 * 9];
    static double scale[64], bias[64];
    for (size_t i = 0; i < 64 * 64 * 9; i++) ones[i] = 1;
    for (size_t i = 0; i < 64; i++) {
        scale[i] = 1;
        bias[i] = -20 * (double)i;
    }
    for (size_t k = 0; k < 2; k++) {
        size_t C = channels[k];
        t2i_conv conv;
        t2i_map in = new_map(3, 3, C, 1), out = new_map(3, 3, 64, 1);
        OK(t2i_conv_new(&conv, C, 64, 3, 1, ones, scale, bias, &err));
        float *work = t2i_alloc(t2i_conv_work(&conv, &out), sizeof *work);
        for (size_t i = 0; i < 9 * C; i++)
            t2i_conv_map_row(&in, i / C / 3)[i % (3 * C)] = (float)(i / C + 1);
        t2i_conv_run(&conv, &in, &out, T2I_CONV_RELU, work);
        for (size_t i = 0; i < 9; i++)
            for (size_t o = 0; o < 64; o++)
                CU_ASSERT(at(&out, i / 3, i % 3, o) ==
                          fmax((double)C * expected[i] - 20 * (double)o, 0));
        t2i_free(work);
        t2i_conv_map_free(&in);
        t2i_conv_map_free(&out);
        t2i_conv_free(&conv);
    }
}

/* What is not a number must not become a zero on the way. */
static void not_a_number(void)
{
    static float ones[64];
    static double scale[64], bias[64];
    t2i_conv conv;
    t2i_map in = new_map(2, 2, 1, 0), out = new_map(2, 2, 64, 0);
    for (size_t i = 0; i < 64; i++) scale[i] = ones[i] = 1;
    OK(t2i_conv_new(&conv, 1, 64, 1, 1, ones, scale, bias, &err));
    float *work = t2i_alloc(t2i_conv_work(&conv, &out), sizeof *work);
    t2i_conv_map_row(&in, 1)[0] = NAN;
    t2i_conv_run(&conv, &in, &out, T2I_CONV_RELU, work);
    CU_ASSERT(isnan(at(&out, 1, 0, 63)) && at(&out, 1, 1, 63) == 0);
    t2i_free(work);
    t2i_conv_map_free(&in);
    t2i_conv_map_free(&out);
    t2i_conv_free(&conv);
}

static void pooling(void)
{
    static const size_t sizes[][2] = {{6, 8}, {7, 5}, {1, 1}};
    for (size_t k = 0; k < 3; k++) {
        t2i_map in = new_map(sizes[k][0], sizes[k][1], 19, 1);
        t2i_map out = new_map((sizes[k][0] + 1) / 2, (sizes[k][1] + 1) / 2, 19, 1);
        fill(&in, 6);
        for (size_t y = 0; y < in.height; y++)
            for (size_t i = 0; i < in.width * 19; i++)
                t2i_conv_map_row(&in, y)[i] = fmaxf(t2i_conv_map_row(&in, y)[i], 0);
        t2i_conv_max_pool(&in, &out);
        for (size_t y = 0; y < out.height; y++)
            for (size_t x = 0; x < out.width; x++)
                for (size_t c = 0; c < 19; c++) {
                    double most = 0;
                    for (size_t n = 0; n < 9; n++)
                        most = fmax(most, at(&in, 2 * y + n / 3 - 1, 2 * x + n % 3 - 1, c));
                    CU_ASSERT(at(&out, y, x, c) == most);
                }
        CU_ASSERT(border_is_zero(&out));
        t2i_conv_map_free(&in);
        t2i_conv_map_free(&out);
    }
}

int main(void)
{
    static const t2i_test tests[] = {{"as loops in double", as_naive},
                                     {"sums by hand", by_hand},
                                     {"not a number stays", not_a_number},
                                     {"max-pool", pooling}};
    t2i_blas_begin();
    return t2i_test_main("conv", tests, sizeof tests / sizeof *tests);
}
