#include "draw/axis.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

t2i_axis t2i_axis_new(int log, int whole)
{
    return (t2i_axis){.low = DBL_MAX, .high = -DBL_MAX, .log = log, .whole = whole};
}

int t2i_axis_used(const t2i_axis *a)
{
    return a->low <= a->high;
}

double t2i_axis_unit(const t2i_axis *a, double value)
{
    return a->log ? log10(value) : value;
}

double t2i_axis_place(const t2i_axis *a, double at)
{
    return (at - a->low) / (a->high - a->low);
}

void t2i_axis_include(t2i_axis *a, double value)
{
    double at = t2i_axis_unit(a, value);
    a->low = fmin(a->low, at);
    a->high = fmax(a->high, at);
    if (at != floor(at)) a->whole = 0;
}

/* 1, 2 or 5 times a power of ten, at least `least`. */
static double round_step(double least)
{
    double power = pow(10.0, floor(log10(least)));
    double digit = least / power;
    return (digit <= 1.0 ? 1.0 : digit <= 2.0 ? 2.0 : digit <= 5.0 ? 5.0 : 10.0) * power;
}

static void add_tick(t2i_axis *a, double at)
{
    double slack = (a->high - a->low) * 1e-9;
    if (a->ticks < T2I_TICKS && at >= a->low - slack && at <= a->high + slack)
        a->tick[a->ticks++] = at;
}

/* Ticks about `apart` pixels from each other. `widen` moves the ends to ticks; otherwise only a
 * start just above 0 is moved, to 0. */
static void linear_ticks(t2i_axis *a, long length, long apart, int widen)
{
    double least = fmax(fmax(fabs(a->low), fabs(a->high)) * 1e-9, 1e-300);
    if (a->high - a->low <= least) { /* all values equal: extend to both sides */
        double side = a->whole || a->low == 0.0 ? 1.0 : fabs(a->low) * 0.5;
        side = fmax(side, least * 4.0);
        a->low -= side;
        a->high += side;
    }
    double wanted = fmax(1.0, floor((double)length / (double)apart));
    a->step = round_step((a->high - a->low) / wanted);
    if (a->whole) a->step = fmax(a->step, 1.0);
    if (widen) {
        a->low = floor(a->low / a->step + 1e-9) * a->step;
        a->high = ceil(a->high / a->step - 1e-9) * a->step;
    } else if (a->low > 0.0 && a->low < 0.02 * a->high) {
        a->low = 0.0;
    }
    double first = ceil(a->low / a->step - 1e-9);
    for (int i = 0; i < T2I_TICKS; i++) add_tick(a, (first + i) * a->step);
}

static const double within[] = {0.0, 0.30102999566398120, 0.69897000433601880}; /* log10 of 1 2 5 */

/* The nearest of 1, 2, 5 x 10^k in that direction that is at least `away` from it. */
static double round_log(double at, int up, double away)
{
    double decade = floor(at), best = up ? decade + 1.0 : decade - 1.0;
    for (int k = -1; k <= 1; k++)
        for (int i = 0; i < 3; i++) {
            double mark = decade + k + within[i];
            if (up && mark >= at + away) best = fmin(best, mark);
            if (!up && mark <= at - away) best = fmax(best, mark);
        }
    return best;
}

static void log_ticks(t2i_axis *a, long length, long apart)
{
    double away = a->high - a->low < 1e-6 ? 0.05 : -1e-9;
    a->low = round_log(a->low, 0, away);
    a->high = round_log(a->high, 1, away);
    double wanted = fmax(1.0, floor((double)length / (double)apart));
    a->step = fmax(1.0, ceil((a->high - a->low) / wanted));
    /* With few decades 2 and 5 are ticks too; with less than one decade all digits are, if they
     * fit. */
    double decade = (double)length / (a->high - a->low); /* pixels */
    int all = decade * (1.0 - log10(9.0)) >= 18.0, some = decade * log10(2.0) >= 40.0;
    double first = floor(a->low / a->step) * a->step;
    for (int i = 0; i < T2I_TICKS; i++)
        for (int digit = 1; digit <= 9; digit++)
            if (digit == 1 || all || (some && (digit == 2 || digit == 5)))
                add_tick(a, first + i * a->step + log10(digit));
}

void t2i_axis_settle(t2i_axis *a, long length, long apart, int widen)
{
    if (a->log)
        log_ticks(a, length, apart);
    else
        linear_ticks(a, length, apart, widen);
}

/* Mantissa and a short exponent: 2.5e7, not 2.5e+07. */
static void format_power(char *text, size_t size, double value, int digits)
{
    snprintf(text, size, "%.*e", digits < 0 ? 0 : digits > 12 ? 12 : digits, value);
    char *to = strchr(text, 'e');
    if (to == NULL) return;
    char *from = ++to;
    if (*from == '-') to++;
    from++;
    while (*from == '0' && from[1] != '\0') from++;
    memmove(to, from, strlen(from) + 1);
}

void t2i_axis_format(const t2i_axis *a, double at, char *text, size_t size)
{
    double value = a->log ? pow(10.0, at) : at;
    double largest = fmax(fabs(a->low), fabs(a->high));
    double step = floor(log10(a->step) + 1e-9); /* position of the last digit that ticks need */
    if (value == 0.0)
        snprintf(text, size, "0");
    else if (a->log && at > -3.5 && at < 5.5)
        snprintf(text, size, "%.*f", at < -1e-9 ? (int)ceil(-at - 1e-9) : 0, value);
    else if (a->log)
        format_power(text, size, value, 0);
    else if (largest >= 1e7 || largest < 1e-3)
        format_power(text, size, value, (int)(floor(log10(fabs(value)) + 1e-9) - step));
    else
        snprintf(text, size, "%.*f", step < 0.0 ? (int)-step : 0, value);
}
