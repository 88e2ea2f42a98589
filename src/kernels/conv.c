#include "kernels/conv.h"

#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "kernels/gemm.h"

enum {
    PART = T2I_CONV_PART,
    ROWS = 98, /* pixels per block (im2col): their windows and the products stay in the cache */
    TILES = 64 /* tiles per block (Winograd), likewise */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- maps ---- */

static size_t pitch(const t2i_map *map)
{
    return (map->width + 2 * map->border + 1) * map->channels;
}

t2i_status t2i_conv_map_new(t2i_map *out, size_t height, size_t width, size_t channels,
                            size_t border, t2i_error *err)
{
    *out = (t2i_map){height, width, channels, border, NULL};
    size_t rows = height + 2 * border + 1;
    out->data = t2i_alloc(rows * pitch(out), sizeof *out->data);
    if (out->data != NULL) return T2I_OK;
    t2i_status status = t2i_fail_memory(err, rows * pitch(out) * sizeof *out->data, "a picture");
    *out = (t2i_map){0};
    return status;
}

void t2i_conv_map_free(t2i_map *map)
{
    t2i_free(map->data);
    *map = (t2i_map){0};
}

float *t2i_conv_map_row(const t2i_map *map, size_t row)
{
    return map->data + (row + map->border) * pitch(map) + map->border * map->channels;
}

/* ---- weights ---- */

static int by_winograd(const t2i_conv *conv)
{
    return conv->kernel == 3 && conv->stride == 1 && conv->in % PART == 0;
}

/* Rows of the weight matrix: elements of a window. */
static size_t window(const t2i_conv *conv)
{
    return conv->kernel * conv->kernel * conv->in;
}

/* Channel o of a matrix (rows, out) whose panels are packed (gemm.h): where its row 0 is. */
static size_t column(size_t o, size_t rows)
{
    return o / T2I_PANEL * rows * T2I_PANEL + o % T2I_PANEL;
}

/* (window, out), packed: the kernel's rows and columns before the channels, as maps are. */
static void pack(const t2i_conv *conv, const float *weight, const double *scale)
{
    size_t area = conv->kernel * conv->kernel;
    for (size_t o = 0; o < conv->out; o++)
        for (size_t c = 0; c < conv->in; c++)
            for (size_t k = 0; k < area; k++)
                conv->weight[column(o, window(conv)) + (k * conv->in + c) * T2I_PANEL] =
                    (float)(weight[(o * conv->in + c) * area + k] * scale[o]);
}

/* G g of a column g of three: [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1] g. */
static void spread(double *to, size_t to_step, const double *g, size_t step)
{
    double ends = g[0] + g[2 * step];
    to[0] = g[0];
    to[to_step] = (ends + g[step]) / 2;
    to[2 * to_step] = (ends - g[step]) / 2;
    to[3 * to_step] = g[2 * step];
}

/* For each PART of the channels, 16 matrices (in, PART), packed: G g G' of each kernel g. */
static void pack_winograd(const t2i_conv *conv, const float *weight, const double *scale)
{
    for (size_t o = 0; o < conv->out; o++)
        for (size_t c = 0; c < conv->in; c++) {
            double g[9], half[12], u[16];
            for (size_t k = 0; k < 9; k++) g[k] = weight[(o * conv->in + c) * 9 + k] * scale[o];
            for (size_t j = 0; j < 3; j++) spread(half + j, 3, g + j, 3);
            for (size_t i = 0; i < 4; i++) spread(u + 4 * i, 1, half + 3 * i, 1);
            for (size_t k = 0; k < 16; k++)
                conv->weight[(o / PART * 16 + k) * conv->in * PART + column(o % PART, conv->in) +
                             c * T2I_PANEL] = (float)u[k];
        }
}

t2i_status t2i_conv_new(t2i_conv *conv, size_t in, size_t out, size_t kernel, size_t stride,
                        const float *weight, const double *scale, const double *bias,
                        t2i_error *err)
{
    T2I_ASSERT(out % PART == 0 && kernel % 2 == 1);
    *conv = (t2i_conv){in, out, kernel, stride, NULL, NULL};
    size_t count = out * (by_winograd(conv) ? 16 * in : window(conv));
    conv->weight = t2i_alloc(count, sizeof *conv->weight);
    conv->bias = t2i_alloc(out, sizeof *conv->bias);
    if (conv->weight == NULL || conv->bias == NULL) {
        t2i_conv_free(conv);
        return t2i_fail_memory(err, count * sizeof *conv->weight, "weights");
    }
    if (by_winograd(conv))
        pack_winograd(conv, weight, scale);
    else
        pack(conv, weight, scale);
    for (size_t o = 0; o < out; o++) conv->bias[o] = (float)bias[o];
    return T2I_OK;
}

void t2i_conv_free(t2i_conv *conv)
{
    t2i_free(conv->weight);
    t2i_free(conv->bias);
    *conv = (t2i_conv){0};
}

/* ---- running ---- */

/* Part of the channels of one pixel. */
static inline void finish(float *restrict out, const float *restrict y, const float *restrict bias,
                          int flags)
{
    for (size_t c = 0; c < PART; c++) {
        float x = y[c] + bias[c];
        if (flags & T2I_CONV_ADD) x += out[c];
        if (flags & T2I_CONV_RELU) x = x < 0 ? 0 : x;
        out[c] = x;
    }
}

/* Copies the windows of pixels [first, first + count) to rows (im2col). */
static void copy_windows(const t2i_conv *conv, const t2i_map *in, size_t width, size_t first,
                         size_t count, float *rows)
{
    size_t C = conv->in, across = conv->kernel * C, hang = conv->kernel / 2;
    for (size_t i = first; i < first + count; i++) {
        const float *from = t2i_conv_map_row(in, i / width * conv->stride) - hang * pitch(in) +
                            (i % width * conv->stride) * C - hang * C;
        for (size_t k = 0; k < conv->kernel; k++, rows += across, from += pitch(in))
            memcpy(rows, from, across * sizeof *rows);
    }
}

T2I_STATIC_KERNEL(void, finish_rows,
                  (t2i_map * out, const float *y, size_t first, size_t count, size_t part,
                   const float *bias, int flags),
                  (out, y, first, count, part, bias, flags))
{
    for (size_t i = 0; i < count; i++) {
        size_t row = (first + i) / out->width, column = (first + i) % out->width;
        finish(t2i_conv_map_row(out, row) + column * out->channels + part, y + i * PART,
               bias + part, flags);
    }
}

static void run_windows(const t2i_conv *conv, const t2i_map *in, t2i_map *out, int flags,
                        float *work)
{
    size_t pixels = out->height * out->width, K = window(conv);
    float *rows = work, *y = work + ROWS * K;
    for (size_t first = 0; first < pixels; first += ROWS) {
        size_t count = smaller(ROWS, pixels - first);
        copy_windows(conv, in, out->width, first, count, rows);
        for (size_t part = 0; part < conv->out; part += PART) {
            t2i_gemm(y, PART, rows, K, conv->weight + part * K, count, PART, K, NULL);
            finish_rows(out, y, first, count, part, conv->bias, flags);
        }
    }
}

/* B' x of part of the channels of four pixels: B' = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]. */
static inline void mix(float *restrict y0, float *restrict y1, float *restrict y2,
                       float *restrict y3, const float *x0, const float *x1, const float *x2,
                       const float *x3)
{
    for (size_t c = 0; c < PART; c++) {
        y0[c] = x0[c] - x2[c];
        y1[c] = x1[c] + x2[c];
        y2[c] = x2[c] - x1[c];
        y3[c] = x1[c] - x3[c];
    }
}

/* B' d B for a row of tiles: 4 x 4 pixels d, 2 apart. v: 16 matrices (all tiles, C), `next` floats
 * apart; x: first pixel of the first tile; its rows are `row` floats apart. */
T2I_STATIC_KERNEL(void, tiles_in,
                  (float *v, size_t next, const float *x, size_t row, size_t C, size_t tiles),
                  (v, next, x, row, C, tiles))
{
    float s[4][4][PART];
    for (size_t t = 0; t < tiles; t++, x += C)
        for (size_t part = 0; part < C; part += PART, v += PART, x += PART) {
            for (size_t j = 0; j < 4; j++) {
                const float *d = x + j * C;
                mix(s[0][j], s[1][j], s[2][j], s[3][j], d, d + row, d + 2 * row, d + 3 * row);
            }
            for (size_t i = 0; i < 4; i++) {
                float *to = v + 4 * i * next;
                mix(to, to + next, to + 2 * next, to + 3 * next, s[i][0], s[i][1], s[i][2],
                    s[i][3]);
            }
        }
}

/* A' m A of one tile, four pixels: A' = [1 1 1 0; 0 1 -1 -1]. m: 16 matrices, `next` apart. */
static inline void tile_out(float *restrict y, const float *restrict m, size_t next)
{
    for (size_t c = 0; c < PART; c++) {
        float s[2][4];
        for (size_t j = 0; j < 4; j++) {
            const float *from = m + j * next + c;
            float inner = from[4 * next], other = from[8 * next];
            s[0][j] = from[0] + inner + other;
            s[1][j] = inner - other - from[12 * next];
        }
        for (size_t i = 0; i < 2; i++) {
            y[2 * i * PART + c] = s[i][0] + s[i][1] + s[i][2];
            y[(2 * i + 1) * PART + c] = s[i][1] - s[i][2] - s[i][3];
        }
    }
}

/* Writes a row of tiles to two rows of out, clipped at the edges. */
T2I_STATIC_KERNEL(void, tiles_out,
                  (t2i_map * out, size_t row, size_t part, const float *m, size_t next,
                   const float *bias, int flags),
                  (out, row, part, m, next, bias, flags))
{
    float y[4 * PART];
    for (size_t column = 0; column < out->width; column += 2, m += PART) {
        tile_out(y, m, next);
        for (size_t i = 0; i < 2 && row + i < out->height; i++)
            for (size_t j = 0; j < 2 && column + j < out->width; j++)
                finish(t2i_conv_map_row(out, row + i) + (column + j) * out->channels + part,
                       y + (2 * i + j) * PART, bias + part, flags);
    }
}

static void run_winograd(const t2i_conv *conv, const t2i_map *in, t2i_map *out, int flags,
                         float *work)
{
    size_t C = conv->in, across = (out->width + 1) / 2, down = (out->height + 1) / 2;
    size_t step = across < TILES ? TILES / across : 1; /* rows of tiles */
    float *v = work, *m = work + 16 * step * across * C;
    for (size_t first = 0; first < down; first += step) {
        size_t rows = smaller(step, down - first), tiles = rows * across;
        for (size_t i = 0; i < rows; i++)
            tiles_in(v + i * across * C, tiles * C,
                     t2i_conv_map_row(in, 2 * (first + i)) - pitch(in) - C, pitch(in), C, across);
        for (size_t part = 0; part < conv->out; part += PART) {
            for (size_t k = 0; k < 16; k++)
                t2i_gemm(m + k * tiles * PART, PART, v + k * tiles * C, C,
                         conv->weight + (part * 16 + k * PART) * C, tiles, PART, C, NULL);
            for (size_t i = 0; i < rows; i++)
                tiles_out(out, 2 * (first + i), part, m + i * across * PART, tiles * PART,
                          conv->bias, flags);
        }
    }
}

size_t t2i_conv_work(const t2i_conv *conv, const t2i_map *out)
{
    size_t across = (out->width + 1) / 2, tiles = across < TILES ? TILES : across;
    return by_winograd(conv) ? 16 * tiles * (conv->in + PART) : ROWS * (window(conv) + PART);
}

void t2i_conv_run(const t2i_conv *conv, const t2i_map *in, t2i_map *out, int flags, float *work)
{
    T2I_ASSERT(in->channels == conv->in && out->channels == conv->out && in != out &&
               in->border >= conv->kernel / 2 &&
               out->height == (in->height - 1) / conv->stride + 1 &&
               out->width == (in->width - 1) / conv->stride + 1);
    if (by_winograd(conv))
        run_winograd(conv, in, out, flags, work);
    else
        run_windows(conv, in, out, flags, work);
}

T2I_STATIC_KERNEL(void, pool_row,
                  (float *restrict to, const float *restrict from, size_t row, size_t width,
                   size_t C),
                  (to, from, row, width, C))
{
    for (size_t j = 0; j < width; j++, to += C, from += 2 * C)
        for (size_t c = 0; c < C; c++) {
            float most = 0; /* nor do the zeros of the border change the maximum */
            for (size_t k = 0; k < 9; k++) {
                float x = from[k / 3 * row + k % 3 * C + c];
                most = x > most ? x : most;
            }
            to[c] = most;
        }
}

void t2i_conv_max_pool(const t2i_map *in, t2i_map *out)
{
    T2I_ASSERT(in->border >= 1 && in->channels == out->channels &&
               out->height == (in->height - 1) / 2 + 1 && out->width == (in->width - 1) / 2 + 1);
    for (size_t i = 0; i < out->height; i++)
        pool_row(t2i_conv_map_row(out, i), t2i_conv_map_row(in, 2 * i) - pitch(in) - in->channels,
                 pitch(in), out->width, in->channels);
}
