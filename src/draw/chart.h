/* chart.h - curves of any length in bounded memory, and SVG charts of them for HTML pages.
 */
#ifndef T2I_CHART_H
#define T2I_CHART_H

#include <stddef.h>
#include "draw/html.h"

enum { T2I_CURVE_BINS = 512 };

/* Consecutive points: x of the first and the last; sum, minimum and maximum of y. */
typedef struct {
    double first, last, sum, low, high;
    long count;
} t2i_bin;

/* {0} is an empty curve. Up to T2I_CURVE_BINS points are stored exactly. With more points, every
 * bin but the last holds the same number of points, a power of two. */
typedef struct {
    t2i_bin bin[T2I_CURVE_BINS];
    size_t bins;
    long share; /* points per full bin */
    long points;
    double newest;     /* last y */
    double lowest, at; /* lowest y, and its x */
    double highest;    /* highest y */
} t2i_curve;

/* Adds a point. x must not decrease. Values that are not finite or exceed 1e300 are ignored. */
void t2i_chart_curve_add(t2i_curve *curve, double x, double y);
/* Middle x and mean y of a bin. */
double t2i_chart_bin_x(const t2i_bin *bin);
double t2i_chart_bin_y(const t2i_bin *bin);

typedef struct {
    const char *name; /* untrusted text */
    const t2i_curve *curve;
    int colour; /* 1..8, see html_style.h */
    int dots;   /* draw a dot at every point */
} t2i_chart_line;

typedef struct {
    const char *title, *note; /* trusted markup; note may be NULL */
    const t2i_chart_line *line;
    size_t lines;
    int log_y;
    int from_zero; /* the y axis begins at 0 */
    int stacked;   /* stacked areas: shares of the sum in percent; all lines have the same x */
} t2i_chart;

/* Appends a figure: axes with ticks, grid, legend, and lines of bin means over bands of bin ranges.
 * Without points it is a short text. */
void t2i_chart_put(t2i_html *page, const t2i_chart *chart);

#endif
