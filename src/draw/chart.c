#include "draw/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draw/axis.h"

enum {
    WIDTH = 640, /* width in pixels that ticks are placed for; the page may scale the chart */
    HEIGHT = 240,
    UNITS = 1000 /* width and height of the drawing in SVG units */
};

/* ---- curves ---- */

static void merge(t2i_bin *into, const t2i_bin *next)
{
    into->last = next->last;
    into->sum += next->sum;
    into->low = fmin(into->low, next->low);
    into->high = fmax(into->high, next->high);
    into->count += next->count;
}

void t2i_chart_curve_add(t2i_curve *c, double x, double y)
{
    if (!(fabs(x) < 1e300) || !(fabs(y) < 1e300)) return;
    const t2i_bin one = {x, x, y, y, y, 1};
    if (c->bins == 0) c->share = 1;
    if (c->bins == T2I_CURVE_BINS && c->bin[c->bins - 1].count == c->share) {
        for (size_t i = 0; i < T2I_CURVE_BINS; i += 2) {
            c->bin[i / 2] = c->bin[i];
            merge(&c->bin[i / 2], &c->bin[i + 1]);
        }
        c->bins /= 2;
        c->share *= 2;
    }
    if (c->bins > 0 && c->bin[c->bins - 1].count < c->share)
        merge(&c->bin[c->bins - 1], &one);
    else
        c->bin[c->bins++] = one;
    if (c->points == 0 || y < c->lowest) {
        c->lowest = y;
        c->at = x;
    }
    if (c->points == 0 || y > c->highest) c->highest = y;
    c->newest = y;
    c->points++;
}

double t2i_chart_bin_x(const t2i_bin *bin)
{
    return (bin->first + bin->last) / 2.0;
}

double t2i_chart_bin_y(const t2i_bin *bin)
{
    return bin->sum / (double)bin->count;
}

/* ---- charts ---- */

typedef struct {
    t2i_html *page;
    const t2i_chart *chart;
    t2i_axis x, y;
} drawing;

/* On a log axis a bin is drawn if its minimum and mean are above 0. */
static int drawn(const drawing *d, const t2i_bin *bin)
{
    return !d->y.log || bin->low > 0.0;
}

static double across(const drawing *d, double x)
{
    return UNITS * t2i_axis_place(&d->x, x);
}

static double down(const drawing *d, double y)
{
    return UNITS - UNITS * t2i_axis_place(&d->y, t2i_axis_unit(&d->y, y));
}

static void find_ranges(drawing *d)
{
    const t2i_chart *chart = d->chart;
    d->x = t2i_axis_new(0, 1);
    d->y = t2i_axis_new(chart->log_y, 0);
    for (size_t k = 0; k < chart->lines; k++)
        for (size_t i = 0; i < chart->line[k].curve->bins; i++) {
            const t2i_bin *bin = &chart->line[k].curve->bin[i];
            if (!drawn(d, bin)) continue;
            t2i_axis_include(&d->x, bin->first);
            t2i_axis_include(&d->x, bin->last);
            t2i_axis_include(&d->y, bin->low);
            t2i_axis_include(&d->y, bin->high);
        }
    if (!t2i_axis_used(&d->x)) return;
    if (chart->stacked) d->y = (t2i_axis){.low = 0.0, .high = 100.0};
    if (chart->from_zero) t2i_axis_include(&d->y, 0.0);
    t2i_axis_settle(&d->x, WIDTH, 90, 0);
    t2i_axis_settle(&d->y, HEIGHT, 40, 1);
}

static void put_key(const drawing *d)
{
    t2i_html_put(d->page, "<span class=\"key\">");
    for (size_t k = 0; k < d->chart->lines; k++) {
        const t2i_chart_line *line = &d->chart->line[k];
        t2i_html_put(d->page, "<span class=\"c%d\">", line->colour);
        t2i_html_word(d->page, line->name);
        t2i_html_put(d->page, "</span> ");
    }
    t2i_html_put(d->page, "</span>");
}

static void put_grid(const drawing *d)
{
    t2i_html_put(d->page, "<path class=\"grid\" d=\"");
    for (int i = 0; i < d->y.ticks; i++)
        t2i_html_put(d->page, "M0 %.1fH%d", UNITS - UNITS * t2i_axis_place(&d->y, d->y.tick[i]),
                     UNITS);
    for (int i = 0; i < d->x.ticks; i++)
        t2i_html_put(d->page, "M%.1f 0V%d", across(d, d->x.tick[i]), UNITS);
    t2i_html_put(d->page, "\"/>");
}

static void put_labels(const drawing *d)
{
    char text[64];
    for (int i = 0; i < d->y.ticks; i++) {
        t2i_axis_format(&d->y, d->y.tick[i], text, sizeof text);
        t2i_html_put(d->page, "<span class=\"y\" style=\"top:%.2f%%\">%s</span>",
                     100.0 - 100.0 * t2i_axis_place(&d->y, d->y.tick[i]), text);
    }
    for (int i = 0; i < d->x.ticks; i++) {
        t2i_axis_format(&d->x, d->x.tick[i], text, sizeof text);
        t2i_html_put(d->page, "<span class=\"x\" style=\"left:%.2f%%\">%s</span>",
                     100.0 * t2i_axis_place(&d->x, d->x.tick[i]), text);
    }
}

/* Draws the range of each bin. */
static void put_band(const drawing *d, const t2i_chart_line *line)
{
    const t2i_curve *c = line->curve;
    if (c->share <= 1) return;
    t2i_html_put(d->page, "<path class=\"band c%d\" d=\"", line->colour);
    const char *pen = "M";
    for (size_t i = 0; i < c->bins; i++)
        if (drawn(d, &c->bin[i])) {
            t2i_html_put(d->page, "%s%.1f %.1f", pen, across(d, t2i_chart_bin_x(&c->bin[i])),
                         down(d, c->bin[i].high));
            pen = "L";
        }
    for (size_t i = c->bins; i-- > 0;)
        if (drawn(d, &c->bin[i]))
            t2i_html_put(d->page, "L%.1f %.1f", across(d, t2i_chart_bin_x(&c->bin[i])),
                         down(d, c->bin[i].low));
    t2i_html_put(d->page, "\"/>");
}

static void put_line(const drawing *d, const t2i_chart_line *line)
{
    const t2i_curve *c = line->curve;
    const char *pen = "M";
    t2i_html_put(d->page, "<path class=\"line c%d\" d=\"", line->colour);
    for (size_t i = 0; i < c->bins; i++)
        if (drawn(d, &c->bin[i])) {
            t2i_html_put(d->page, "%s%.1f %.1f", pen, across(d, t2i_chart_bin_x(&c->bin[i])),
                         down(d, t2i_chart_bin_y(&c->bin[i])));
            pen = "L";
        }
    if (c->points == 1) t2i_html_put(d->page, "h0");
    t2i_html_put(d->page, "\"/>");
    if (!line->dots) return;
    t2i_html_put(d->page, "<path class=\"dots c%d\" d=\"", line->colour);
    for (size_t i = 0; i < c->bins; i++)
        if (drawn(d, &c->bin[i]))
            t2i_html_put(d->page, "M%.1f %.1fh0", across(d, t2i_chart_bin_x(&c->bin[i])),
                         down(d, t2i_chart_bin_y(&c->bin[i])));
    t2i_html_put(d->page, "\"/>");
}

/* Sum of the means of the first lines up to this one, in percent of the sum of all. */
static double stacked(const t2i_chart *chart, size_t line, size_t bin)
{
    double below = 0.0, all = 0.0;
    for (size_t k = 0; k < chart->lines; k++) {
        all += chart->line[k].curve->bin[bin].sum;
        if (k <= line) below = all;
    }
    return all > 0.0 ? 100.0 * below / all : 0.0;
}

/* Draws the last area first, so that each one covers the lower part of those before. */
static void put_stack(const drawing *d)
{
    for (size_t k = d->chart->lines; k-- > 0;) {
        const t2i_curve *c = d->chart->line[k].curve;
        t2i_html_put(d->page, "<path class=\"area c%d\" d=\"M0 %d", d->chart->line[k].colour,
                     UNITS);
        for (size_t i = 0; i < c->bins; i++) {
            double y = down(d, stacked(d->chart, k, i));
            if (i == 0) t2i_html_put(d->page, "L0 %.1f", y);
            t2i_html_put(d->page, "L%.1f %.1f", across(d, t2i_chart_bin_x(&c->bin[i])), y);
            if (i + 1 == c->bins) t2i_html_put(d->page, "L%d %.1f", UNITS, y);
        }
        t2i_html_put(d->page, "L%d %dZ\"/>", UNITS, UNITS);
    }
}

/* Writes the values, for the script that shows those under the pointer. */
static void put_values(const drawing *d, size_t k)
{
    const t2i_chart_line *line = &d->chart->line[k];
    t2i_html_put(d->page, "<data class=\"c%d\" data-name=\"", line->colour);
    t2i_html_word(d->page, line->name);
    t2i_html_put(d->page, "\" data-v=\"");
    for (size_t i = 0; i < line->curve->bins; i++) {
        const t2i_bin *bin = &line->curve->bin[i];
        double y = t2i_chart_bin_y(bin);
        if (d->chart->stacked)
            y = stacked(d->chart, k, i) - (k == 0 ? 0.0 : stacked(d->chart, k - 1, i));
        t2i_html_put(d->page, "%s%.9g %.5g", i == 0 ? "" : ";", floor(t2i_chart_bin_x(bin)), y);
    }
    t2i_html_put(d->page, "\"></data>");
}

void t2i_chart_put(t2i_html *page, const t2i_chart *chart)
{
    drawing d = {.page = page, .chart = chart};
    find_ranges(&d);
    t2i_html_put(page, "<figure><figcaption><b>%s</b> ", chart->title);
    if (!t2i_axis_used(&d.x)) {
        t2i_html_put(page, "</figcaption><p class=\"none\">nothing logged yet</p></figure>\n");
        return;
    }
    if (chart->note != NULL) t2i_html_put(page, "<small>%s</small> ", chart->note);
    put_key(&d);
    t2i_html_put(page,
                 "</figcaption><div class=\"plot\" data-low=\"%.9g\" data-high=\"%.9g\"%s>"
                 "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
                 "aria-label=\"%s\">",
                 d.x.low, d.x.high, chart->stacked ? " data-unit=\" %\"" : "", UNITS, UNITS,
                 chart->title);
    if (chart->stacked) put_stack(&d);
    put_grid(&d);
    for (size_t k = 0; k < chart->lines && !chart->stacked; k++) put_band(&d, &chart->line[k]);
    for (size_t k = 0; k < chart->lines && !chart->stacked; k++) put_line(&d, &chart->line[k]);
    t2i_html_put(page, "</svg>");
    put_labels(&d);
    for (size_t k = 0; k < chart->lines; k++) put_values(&d, k);
    t2i_html_put(page, "</div></figure>\n");
}
