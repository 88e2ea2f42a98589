/* axis.h - range, ticks and labels of the axis of a chart, for pictures (plot.h) and pages
 * (chart.h).
 */
#ifndef T2I_AXIS_H
#define T2I_AXIS_H

#include <stddef.h>

enum { T2I_TICKS = 64 }; /* upper limit of the ticks of an axis */

/* low, high, step and tick are in units of the axis: log10 of the value on a log axis. */
typedef struct {
    double low, high, step;
    double tick[T2I_TICKS];
    int ticks;
    int log, whole; /* whole: all values are integers, so all ticks are */
} t2i_axis;

/* An axis without values. whole: ticks are integers as long as all values are. */
t2i_axis t2i_axis_new(int log, int whole);
/* True if a value was included. */
int t2i_axis_used(const t2i_axis *axis);
/* A value in units of the axis. */
double t2i_axis_unit(const t2i_axis *axis, double value);
/* Extends the range to a value: finite, below 1e300 in magnitude, and above 0 on a log axis. */
void t2i_axis_include(t2i_axis *axis, double value);

/* Places the ticks of an axis that has values and is `length` pixels long: at round values (1, 2,
 * 5 x 10^k; decades on a log axis), about `apart` pixels from each other. widen: moves the ends to
 * ticks, which a log axis always does; otherwise only a start just above 0 is moved, to 0. */
void t2i_axis_settle(t2i_axis *axis, long length, long apart, int widen);

/* Position of `at`, in units of the axis, between the ends: 0..1. */
double t2i_axis_place(const t2i_axis *axis, double at);
/* Writes the label of a tick. */
void t2i_axis_format(const t2i_axis *axis, double at, char *text, size_t size);

#endif
