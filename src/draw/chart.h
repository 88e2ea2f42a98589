/* chart.h - curves of any length in bounded memory, and charts of them for a page.
 */
#ifndef T2I_CHART_H
#define T2I_CHART_H

#include <stddef.h>
#include "draw/html.h"

enum { T2I_CURVE_BINS = 512 };

/* Points that follow one another; x of the first and the last. */
typedef struct {
    double first, last, sum, low, high;
    long count;
} t2i_bin;

/* {0} is an empty one. Up to T2I_CURVE_BINS points are kept as they are; of more, every bin holds
 * the same number of them (a power of two), but for the last one. */
typedef struct {
    t2i_bin bin[T2I_CURVE_BINS];
    size_t bins;
    long share; /* points of a full bin */
    long points;
    double newest;     /* the last y, */
    double lowest, at; /* the lowest, and its x; */
    double highest;    /* the highest */
} t2i_curve;

/* x must not descend. Values that are not finite or beyond 1e300 are left out. */
void t2i_chart_curve_add(t2i_curve *curve, double x, double y);
/* The middle of a bin, and its mean. */
double t2i_chart_bin_x(const t2i_bin *bin);
double t2i_chart_bin_y(const t2i_bin *bin);

typedef struct {
    const char *name; /* anybody's text */
    const t2i_curve *curve;
    int colour; /* 1..8: see html_style.h */
    int dots;   /* a dot at every point */
} t2i_chart_line;

typedef struct {
    const char *title, *note; /* markup of ours; note may be NULL */
    const t2i_chart_line *line;
    size_t lines;
    int log_y;
    int from_zero; /* the axis begins at 0 */
    int stacked;   /* each line lies on the one before, as shares of their sum in percent; all have
                      the same x */
} t2i_chart;

/* A figure: axes with ticks, grid, legend, lines with the range of what a bin holds behind them.
 * Nothing but a word when there is no point. */
void t2i_chart_put(t2i_html *page, const t2i_chart *chart);

#endif
