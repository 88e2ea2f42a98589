/* canvas.c - clipped drawing on RGB pictures. */
#include "draw/canvas.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include "draw/typeset.h"

/* Intersection [*from, *to) of start .. start + length with 0 .. limit. */
static void clip(long start, long length, size_t limit, long *from, long *to)
{
    long end = start > LONG_MAX - (length > 0 ? length : 0) ? LONG_MAX : start + length;
    *from = start < 0 ? 0 : start;
    *to = end > (long)limit ? (long)limit : end;
}

static uint8_t *pixel(const t2i_image *image, long x, long y)
{
    return image->rgb + ((size_t)y * image->width + (size_t)x) * 3;
}

static void unpack(uint32_t colour, uint8_t rgb[3])
{
    rgb[0] = (uint8_t)(colour >> 16);
    rgb[1] = (uint8_t)(colour >> 8);
    rgb[2] = (uint8_t)colour;
}

void t2i_canvas_fill(t2i_image *image, long x, long y, long width, long height, uint32_t colour)
{
    uint8_t rgb[3];
    long x0, x1, y0, y1;
    if (width <= 0 || height <= 0) return;
    unpack(colour, rgb);
    clip(x, width, image->width, &x0, &x1);
    clip(y, height, image->height, &y0, &y1);
    for (long j = y0; j < y1; j++)
        for (long i = x0; i < x1; i++) memcpy(pixel(image, i, j), rgb, 3);
}

void t2i_canvas_frame(t2i_image *image, long x, long y, long width, long height, uint32_t colour)
{
    if (width <= 0 || height <= 0 || x > LONG_MAX - width || y > LONG_MAX - height) return;
    t2i_canvas_fill(image, x, y, width, 1, colour);
    t2i_canvas_fill(image, x, y + height - 1, width, 1, colour);
    t2i_canvas_fill(image, x, y, 1, height, colour);
    t2i_canvas_fill(image, x + width - 1, y, 1, height, colour);
}

static void blend(uint8_t *p, const uint8_t rgb[3], double cover)
{
    for (int c = 0; c < 3; c++) p[c] = (uint8_t)(p[c] + (rgb[c] - p[c]) * cover + 0.5);
}

/* Narrows the interval [*t0, *t1] of t to low <= start + t * step <= high. */
static void narrow(double start, double step, double low, double high, double *t0, double *t1)
{
    if (step == 0.0) {
        if (start < low || start > high) *t1 = -1.0;
        return;
    }
    double a = (low - start) / step, b = (high - start) / step;
    *t0 = fmax(*t0, fmin(a, b));
    *t1 = fmin(*t1, fmax(a, b));
}

#define FAR 1e9 /* limit of coordinates: clipping is exact to a millionth of a pixel up to here */

/* Clips the ends to the picture plus a margin, so that distant ends cost nothing. Returns 0 if the
 * line is outside. */
static int clip_line(const t2i_image *image, double margin, double from[2], double to[2])
{
    const double limit[2] = {(double)image->width, (double)image->height};
    double t0 = 0.0, t1 = 1.0, step[2];
    for (int k = 0; k < 2; k++) {
        step[k] = to[k] - from[k];
        if (!(fabs(from[k]) <= FAR && fabs(to[k]) <= FAR)) return 0;
        narrow(from[k], step[k], -margin, limit[k] + margin, &t0, &t1);
    }
    if (t0 > t1) return 0;
    for (int k = 0; k < 2; k++) {
        to[k] = from[k] + t1 * step[k];
        from[k] += t0 * step[k];
    }
    return 1;
}

/* A pixel is covered as far as it lies within half the thickness of the segment. */
void t2i_canvas_line(t2i_image *image, double x0, double y0, double x1, double y1, double thickness,
                     uint32_t colour)
{
    uint8_t rgb[3];
    double a[2] = {x0, y0}, b[2] = {x1, y1}, reach = thickness / 2.0 + 0.5;
    /* The margin includes the round ends, so that clipping is not visible. */
    if (!(thickness > 0.0) || !isfinite(thickness) || !clip_line(image, 2.0 * reach, a, b)) return;
    unpack(colour, rgb);
    double dx = b[0] - a[0], dy = b[1] - a[1], length2 = dx * dx + dy * dy;
    double slope = dy == 0.0 ? 0.0 : dx / dy;
    double half = reach * sqrt(1.0 + slope * slope);
    double top = fmax(0.0, floor(fmin(a[1], b[1]) - reach));
    double bottom = fmin((double)image->height - 1.0, ceil(fmax(a[1], b[1]) + reach));
    for (double y = top; y <= bottom; y++) {
        /* the pixels of this row that the line can reach */
        double at = a[0] + (y - a[1]) * slope, end = fmin(a[0], b[0]) - reach;
        double first = fmax(0.0, floor(dy == 0.0 ? end : fmax(end, at - half)));
        end = fmax(a[0], b[0]) + reach;
        double last =
            fmin((double)image->width - 1.0, ceil(dy == 0.0 ? end : fmin(end, at + half)));
        for (double x = first; x <= last; x++) {
            double t = length2 == 0.0 ? 0.0 : ((x - a[0]) * dx + (y - a[1]) * dy) / length2;
            t = t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
            double cover = reach - hypot(x - a[0] - t * dx, y - a[1] - t * dy);
            if (cover > 0.0) blend(pixel(image, (long)x, (long)y), rgb, fmin(cover, 1.0));
        }
    }
}

void t2i_canvas_paste(t2i_image *image, const t2i_image *from, long x, long y)
{
    t2i_canvas_paste_scaled(image, from, x, y, 1);
}

void t2i_canvas_paste_scaled(t2i_image *image, const t2i_image *from, long x, long y, size_t factor)
{
    long x0, x1, y0, y1;
    T2I_ASSERT(factor >= 1 && factor <= T2I_IMAGE_SIDE_MAX);
    clip(x, (long)(from->width * factor), image->width, &x0, &x1);
    clip(y, (long)(from->height * factor), image->height, &y0, &y1);
    for (long j = y0; j < y1; j++)
        for (long i = x0; i < x1; i++)
            memcpy(pixel(image, i, j), pixel(from, (i - x) / (long)factor, (j - y) / (long)factor),
                   3);
}

/* Where text may be drawn, in pixels. Marks that are piled up end here. */
typedef struct {
    long left, right, top, bottom;
} frame;

static void draw_built_in(t2i_image *image, long x, long y, uint32_t code, long scale,
                          uint32_t colour)
{
    uint8_t rows[T2I_FONT_HEIGHT];
    if (!t2i_font_rows(code, rows)) {
        t2i_canvas_frame(image, x + scale, y + 3 * scale, 6 * scale, 9 * scale, colour);
        return;
    }
    for (long r = 0; r < T2I_FONT_HEIGHT; r++)
        for (long c = 0; c < T2I_FONT_WIDTH; c++)
            if (rows[r] >> (7 - c) & 1)
                t2i_canvas_fill(image, x + c * scale, y + r * scale, scale, scale, colour);
}

/* x, y: where the glyph starts on its base line, in 1/64 pixel. */
static void draw_outline(t2i_image *image, const frame *in, const t2i_glyph *g, long x, long y,
                         long size, uint32_t colour)
{
    uint8_t rgb[3];
    long x0, x1, y0, y1, left = x >> 6;
    t2i_glyph_pixels p = t2i_typeface_render(g->face, g->id, size, x & 63);
    unpack(colour, rgb);
    left += p.left;
    long top = (y >> 6) + p.top;
    clip(left, p.width, image->width, &x0, &x1);
    clip(top, p.height, image->height, &y0, &y1);
    for (long j = y0 > in->top ? y0 : in->top; j < y1 && j < in->bottom; j++)
        for (long i = x0 > in->left ? x0 : in->left; i < x1 && i < in->right; i++) {
            unsigned cover = p.cover[(j - top) * p.pitch + i - left];
            if (cover > 0) blend(pixel(image, i, j), rgb, cover / 255.0);
        }
}

/* Draws the glyphs [from, to) with top left corner (x, y). Returns the x coordinate after them. */
static long draw_glyphs(t2i_image *image, long x, long y, long right, const t2i_typeset *t,
                        size_t from, size_t to, size_t scale, uint32_t colour)
{
    size_t order[T2I_TYPESET_MAX];
    long s = (long)scale, at = x * 64, base = (y + T2I_TYPESET_BASE * s) * 64;
    frame in = {x - 2 * s, right, y - 3 * s, y + (T2I_FONT_HEIGHT + 3) * s};
    t2i_typeset_order(t, from, to, order);
    for (size_t i = 0; i < to - from; i++) {
        const t2i_glyph *g = &t->glyph[order[i]];
        if (g->face == T2I_TYPEFACE_NONE)
            draw_built_in(image, (at + 32) >> 6, y, g->id, s, colour);
        else
            draw_outline(image, &in, g, at + g->x, base - g->y, T2I_TYPESET_EM * s, colour);
        at += g->advance;
    }
    return x + t2i_typeset_width(t, from, to);
}

long t2i_canvas_text(t2i_image *image, long x, long y, const char *utf8, size_t scale,
                     uint32_t colour)
{
    t2i_typeset t;
    T2I_ASSERT(scale >= 1 && scale <= T2I_IMAGE_SIDE_MAX);
    t2i_typeset_text(&t, utf8, scale);
    return draw_glyphs(image, x, y, LONG_MAX, &t, 0, t.glyphs, scale, colour);
}

long t2i_canvas_text_width(const char *utf8, size_t scale)
{
    t2i_typeset t;
    t2i_typeset_text(&t, utf8, scale);
    return t2i_typeset_width(&t, 0, t.glyphs);
}

/* The last line of a text that goes on: as much as fits beside three dots, which stand where the
 * text goes on. */
static void draw_cut(t2i_image *image, long x, long y, long width, const t2i_typeset *t,
                     size_t from, uint32_t colour)
{
    t2i_typeset dots;
    size_t to;
    t2i_typeset_text(&dots, "...", 1);
    while (dots.glyphs > 0 && t2i_typeset_width(&dots, 0, dots.glyphs) > width) dots.glyphs--;
    long all = t2i_typeset_width(&dots, 0, dots.glyphs), room = width - all;
    (void)t2i_typeset_line(t, &from, &to, room, 1);
    long used = t2i_typeset_width(t, from, to);
    if (used > room) { /* not even one character */
        to = from;
        used = 0;
    }
    if (t->leftwards) {
        draw_glyphs(image, x + room - used, y, x + width, &dots, 0, dots.glyphs, 1, colour);
        draw_glyphs(image, x + width - used, y, x + width + 2, t, from, to, 1, colour);
    } else {
        x = draw_glyphs(image, x, y, x + width + 2, t, from, to, 1, colour);
        draw_glyphs(image, x, y, LONG_MAX, &dots, 0, dots.glyphs, 1, colour);
    }
}

long t2i_canvas_text_box(t2i_image *image, long x, long y, long width, size_t lines,
                         const char *utf8, uint32_t colour)
{
    t2i_typeset t;
    if (width < T2I_FONT_WIDTH) return y;
    t2i_typeset_text(&t, utf8, 1);
    for (size_t line = 0, from = 0, to; line < lines; line++, y += T2I_FONT_HEIGHT) {
        size_t next = t2i_typeset_line(&t, &from, &to, width, 0);
        if (from == t.glyphs) break;
        if (line + 1 == lines && (next < t.glyphs || t.cut)) {
            draw_cut(image, x, y, width, &t, from, colour);
        } else {
            long free = width - t2i_typeset_width(&t, from, to);
            long left = t.leftwards && lines > 1 ? x + free : x;
            draw_glyphs(image, left, y, x + width + 2, &t, from, to, 1, colour);
        }
        from = next;
    }
    return y;
}
