/* plot.h - draws line charts as pictures. */
#ifndef T2I_PLOT_H
#define T2I_PLOT_H

#include <stddef.h>
#include "base/error.h"
#include "image/image.h"

typedef struct {
    const char *label;   /* in the legend; NULL: not in it */
    const double *x, *y; /* (count) x ascending; a y that is not finite, or <= 0 on a log axis, is
                            a gap */
    size_t count;
    int markers; /* draw a dot at each point, for sparse series such as validation */
} t2i_series;

typedef struct {
    const char *title, *x_label, *y_label; /* NULL: none */
    int log_y;
    size_t width, height; /* pixels, at least 240 x 160; 0: 960 x 540 */
} t2i_plot;

/* Draws axes with ticks at round values (1, 2, 5 x 10^k; decades on a log axis, with minor grid
 * lines), grid, legend and series in distinguishable colours. Without points the chart has the text
 * "no data yet". A series with more points than pixel columns is drawn as a pale band, the range of
 * each column, and a line through the means of the columns (of the logarithms, on a log axis).
 * Values that exceed 1e300 count as not finite. T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_plot_draw(t2i_image *out, const t2i_plot *plot, const t2i_series *series,
                                     size_t count, t2i_error *err);

#endif
