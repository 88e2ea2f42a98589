/* axis.h - the range of a chart's axis, its round ticks and their labels, for pictures (plot.h) and
 * pages (chart.h) alike.
 */
#ifndef T2I_AXIS_H
#define T2I_AXIS_H

#include <stddef.h>

enum { T2I_TICKS = 64 }; /* room for labelled ticks of one axis; far fewer are made */

/* low, high, step and tick are in its own units: log10 of the value on a log axis. */
typedef struct {
    double low, high, step;
    double tick[T2I_TICKS];
    int ticks;
    int log, whole; /* whole: all values are integers, so ticks are too */
} t2i_axis;

/* An axis that nothing lies on; whole: as long as only integers come. */
t2i_axis t2i_axis_new(int log, int whole);
/* Has something been included? */
int t2i_axis_used(const t2i_axis *axis);
/* A value as the axis counts it. */
double t2i_axis_unit(const t2i_axis *axis, double value);
/* Makes room for a value: finite, below 1e300, and above 0 on a log axis. */
void t2i_axis_include(t2i_axis *axis, double value);

/* Gives a used axis, `length` pixels long, its ticks at round values (1, 2, 5 x 10^k; decades on a
 * log axis), about `apart` pixels from each other. widen: the ends are moved to ticks, as those of
 * a log axis always are; otherwise only a start just above 0 is moved, to 0. */
void t2i_axis_settle(t2i_axis *axis, long length, long apart, int widen);

/* Where `at` lies between the ends, 0..1. */
double t2i_axis_place(const t2i_axis *axis, double at);
/* A tick's label. */
void t2i_axis_format(const t2i_axis *axis, double at, char *text, size_t size);

#endif
