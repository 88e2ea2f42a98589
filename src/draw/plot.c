/* plot.c - line charts: ranges and ticks, then axes and grid, then the series. */
#include "draw/plot.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "draw/axis.h"
#include "draw/canvas.h"

#define PAD   20 /* pixels from the edge of the picture to text */
#define ROW   22 /* height of a line of text */
#define GAP   8  /* between an axis and its labels */
#define DARK  0x1f2933u
#define GREY  0x5f6b7au
#define AXIS  0x9aa5b1u
#define GRID  0xdde2e8u
#define MINOR 0xf0f2f5u
#define LINE  1.8

/* Colours of Okabe and Ito, which colour-blind readers can distinguish, without yellow, which is
 * too pale for lines. */
static const uint32_t palette[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7,
                                   0xe69f00, 0x56b4e9, 0x000000};

/* An axis and its position on the picture. */
typedef struct {
    t2i_axis a;
    long start, length; /* in pixels; length is negative upwards */
} axis;

typedef struct {
    t2i_image *image;
    const t2i_plot *plot;
    const t2i_series *series;
    size_t count;
    axis x, y;
} chart;

static double place(const axis *a, double at)
{
    return (double)a->start + t2i_axis_place(&a->a, at) * (double)a->length;
}

/* Values near the limit of double are gaps like infinite ones, as their differences overflow. */
static int usable(const chart *c, const t2i_series *s, size_t i)
{
    return fabs(s->x[i]) < 1e300 && fabs(s->y[i]) < 1e300 && (!c->y.a.log || s->y[i] > 0.0);
}

/* Finds the ranges of the data; returns 0 if there is no point. */
static int find_ranges(chart *c)
{
    c->x.a = t2i_axis_new(0, 1);
    c->y.a = t2i_axis_new(c->plot->log_y, 0);
    for (size_t k = 0; k < c->count; k++)
        for (size_t i = 0; i < c->series[k].count; i++)
            if (usable(c, &c->series[k], i)) {
                t2i_axis_include(&c->x.a, c->series[k].x[i]);
                t2i_axis_include(&c->y.a, c->series[k].y[i]);
            }
    return t2i_axis_used(&c->x.a);
}

static long widest_tick(const t2i_axis *a)
{
    char text[64];
    long widest = 0;
    for (int i = 0; i < a->ticks; i++) {
        t2i_axis_format(a, a->tick[i], text, sizeof text);
        long width = t2i_canvas_text_width(text, 1);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static int has_text(const char *text)
{
    return text != NULL && *text != '\0';
}

static uint32_t colour_of(size_t series)
{
    return palette[series % (sizeof palette / sizeof *palette)];
}

static void dot(const chart *c, double x, double y, double size, uint32_t colour)
{
    t2i_canvas_line(c->image, x, y, x, y, size, colour);
}

/* Draws the legend from left to right in rows, as long as half of the picture is left for the
 * chart. Returns the y coordinate below. */
static long draw_legend(const chart *c, long y)
{
    long x = PAD, right = (long)c->image->width - PAD;
    int used = 0;
    for (size_t k = 0; k < c->count; k++) {
        if (!has_text(c->series[k].label)) continue;
        long width = 24 + GAP + t2i_canvas_text_width(c->series[k].label, 1) + 24;
        if (used && x + width - 24 > right) {
            x = PAD;
            y += ROW;
        }
        if (y + 2 * ROW > (long)c->image->height / 2) return y;
        double middle = (double)y + 7.5;
        t2i_canvas_line(c->image, (double)x + 1, middle, (double)x + 22, middle, 3, colour_of(k));
        if (c->series[k].markers) dot(c, (double)x + 11.5, middle, 8, colour_of(k));
        t2i_canvas_text_box(c->image, x + 24 + GAP, y, right - x - 24 - GAP, 1, c->series[k].label,
                            DARK);
        x += width;
        used = 1;
    }
    return used ? y + ROW : y;
}

/* Draws title, legend and y label. Returns the y coordinate below. */
static long draw_head(const chart *c)
{
    long y = PAD - 4, width = (long)c->image->width - 2 * PAD;
    int large = c->image->height >= 240 && has_text(c->plot->title) &&
                t2i_canvas_text_width(c->plot->title, 2) <= width;
    if (large) {
        t2i_canvas_text(c->image, PAD, y, c->plot->title, 2, DARK);
        y += ROW + 20;
    } else if (has_text(c->plot->title)) {
        t2i_canvas_text_box(c->image, PAD, y, width, 1, c->plot->title, DARK);
        y += ROW + 4;
    }
    y = draw_legend(c, y);
    if (has_text(c->plot->y_label)) {
        t2i_canvas_text_box(c->image, PAD, y, width, 1, c->plot->y_label, GREY);
        y += ROW;
    }
    return y + 4;
}

/* Positions the axes and, with data, their ticks. The width of the y labels moves the x axis. */
static void lay_out(chart *c, long top, int data)
{
    long right = (long)c->image->width - PAD - 8;
    long foot = PAD + T2I_FONT_HEIGHT + GAP + (has_text(c->plot->x_label) ? ROW : 0);
    c->y.start = (long)c->image->height - foot;
    c->y.length = top - c->y.start;
    if (data) t2i_axis_settle(&c->y.a, -c->y.length, 40, 1);
    c->x.start = PAD + widest_tick(&c->y.a) + GAP;
    c->x.length = right - c->x.start;
    if (data) t2i_axis_settle(&c->x.a, c->x.length, 100, 0);
}

static void horizontal(const chart *c, double at, uint32_t colour)
{
    t2i_canvas_fill(c->image, c->x.start, lround(place(&c->y, at)), c->x.length + 1, 1, colour);
}

/* Lines at 2 .. 9 of each decade, or at the decades between ticks that skip some. */
static void draw_minor_grid(const chart *c)
{
    const t2i_axis *a = &c->y.a;
    if (!a->log || a->high - a->low > 200.0) return;
    for (double decade = floor(a->low); decade < a->high; decade++)
        for (int k = 1; k <= (a->step > 1.0 ? 1 : 9); k++) {
            double at = decade + log10(k);
            if (at > a->low && at < a->high) horizontal(c, at, MINOR);
        }
}

static void draw_axes(const chart *c)
{
    char text[64];
    long bottom = c->y.start, after = 0;
    draw_minor_grid(c);
    for (int i = 0; i < c->y.a.ticks; i++) {
        t2i_axis_format(&c->y.a, c->y.a.tick[i], text, sizeof text);
        horizontal(c, c->y.a.tick[i], GRID);
        t2i_canvas_text(c->image, c->x.start - GAP - t2i_canvas_text_width(text, 1),
                        lround(place(&c->y, c->y.a.tick[i])) - 7, text, 1, GREY);
    }
    for (int i = 0; i < c->x.a.ticks; i++) {
        long x = lround(place(&c->x, c->x.a.tick[i]));
        t2i_axis_format(&c->x.a, c->x.a.tick[i], text, sizeof text);
        long width = t2i_canvas_text_width(text, 1);
        t2i_canvas_fill(c->image, x, bottom + c->y.length, 1, -c->y.length, GRID);
        t2i_canvas_fill(c->image, x, bottom, 1, 5, AXIS);
        if (x - width / 2 < after) continue; /* would overlap the label before */
        t2i_canvas_text(c->image, x - width / 2, bottom + GAP, text, 1, GREY);
        after = x - width / 2 + width + 12;
    }
    t2i_canvas_fill(c->image, c->x.start, bottom, c->x.length + 1, 1, AXIS);
    if (!has_text(c->plot->x_label)) return;
    long width = t2i_canvas_text_width(c->plot->x_label, 1);
    width = width > c->x.length ? c->x.length : width;
    t2i_canvas_text_box(c->image, c->x.start + (c->x.length - width) / 2, bottom + GAP + ROW,
                        width + T2I_FONT_WIDTH - 1, 1, c->plot->x_label, GREY);
}

/* A line that is drawn vertex by vertex. */
typedef struct {
    double x, y;
    size_t count; /* vertices since the last gap */
} pen;

static void pen_up(const chart *c, pen *p, uint32_t colour)
{
    if (p->count == 1)
        dot(c, p->x, p->y, 4, colour); /* a single point would be invisible otherwise */
    p->count = 0;
}

static void pen_to(const chart *c, pen *p, double x, double y, uint32_t colour)
{
    if (p->count > 0) t2i_canvas_line(c->image, p->x, p->y, x, y, LINE, colour);
    *p = (pen){x, y, p->count + 1};
}

static void draw_points(const chart *c, size_t k)
{
    const t2i_series *s = &c->series[k];
    pen p = {0};
    for (size_t i = 0; i < s->count; i++) {
        if (!usable(c, s, i)) {
            pen_up(c, &p, colour_of(k));
            continue;
        }
        double x = place(&c->x, s->x[i]), y = place(&c->y, t2i_axis_unit(&c->y.a, s->y[i]));
        pen_to(c, &p, x, y, colour_of(k));
        if (s->markers) dot(c, x, y, 7, colour_of(k));
    }
    pen_up(c, &p, colour_of(k));
}

/* The colour at a quarter of its strength on white. */
static uint32_t pale(uint32_t colour)
{
    uint32_t out = 0;
    for (int shift = 0; shift <= 16; shift += 8)
        out |= (255 - (255 - (colour >> shift & 255)) / 4) << shift;
    return out;
}

/* The points in one column of pixels. */
typedef struct {
    long x;
    double low, high, sum;
    size_t count;
} column;

/* Ends a column: draws its range, or its mean as the next vertex of the line. */
static void draw_column(const chart *c, column *col, pen *line, uint32_t colour)
{
    if (col->count == 0) return;
    if (line == NULL)
        t2i_canvas_fill(c->image, col->x, lround(col->low), 1,
                        lround(col->high) - lround(col->low) + 1, pale(colour));
    else
        pen_to(c, line, (double)col->x, col->sum / (double)col->count, colour);
    col->count = 0;
}

/* Draws a series with more points than columns: ranges if `line` is NULL, else means. */
static void draw_columns(const chart *c, size_t k, pen *line)
{
    const t2i_series *s = &c->series[k];
    uint32_t colour = colour_of(k);
    column col = {0};
    for (size_t i = 0; i < s->count; i++) {
        if (!usable(c, s, i)) {
            draw_column(c, &col, line, colour);
            if (line != NULL) pen_up(c, line, colour);
            continue;
        }
        double y = place(&c->y, t2i_axis_unit(&c->y.a, s->y[i]));
        long x = lround(place(&c->x, s->x[i]));
        if (x != col.x) draw_column(c, &col, line, colour);
        if (col.count == 0) col = (column){x, y, y, 0.0, 0};
        col.low = fmin(col.low, y);
        col.high = fmax(col.high, y);
        col.sum += y;
        col.count++;
    }
    draw_column(c, &col, line, colour);
    if (line != NULL) pen_up(c, line, colour);
}

static void draw_series(const chart *c)
{
    /* Layers from below: pale ranges, means of dense series, other series. */
    for (int layer = 0; layer < 3; layer++)
        for (size_t k = 0; k < c->count; k++) {
            int dense = c->series[k].count > (size_t)c->x.length;
            if (dense && layer == 0) draw_columns(c, k, NULL);
            if (dense && layer == 1) draw_columns(c, k, &(pen){0});
            if (!dense && layer == 2) draw_points(c, k);
        }
}

t2i_status t2i_plot_draw(t2i_image *out, const t2i_plot *plot, const t2i_series *series,
                         size_t count, t2i_error *err)
{
    static const char nothing[] = "no data yet";
    size_t width = plot->width == 0 ? 960 : plot->width;
    size_t height = plot->height == 0 ? 540 : plot->height;
    chart c = {.image = out, .plot = plot, .series = series, .count = count};
    T2I_ASSERT(width >= 240 && height >= 160);
    T2I_TRY(t2i_image_new(out, width, height, err));
    int data = find_ranges(&c);
    lay_out(&c, draw_head(&c), data);
    draw_axes(&c);
    if (data)
        draw_series(&c);
    else
        t2i_canvas_text(out, c.x.start + (c.x.length - t2i_canvas_text_width(nothing, 1)) / 2,
                        c.y.start + c.y.length / 2 - 8, nothing, 1, GREY);
    return T2I_OK;
}
