/* report_compare.c - several runs on one page. */
#include <string.h>

#include "record/report_internal.h"
#include "base/log.h"

static void put_curves(t2i_html *page, t2i_report *const *run, size_t runs)
{
    static const struct {
        report_curve curve;
        const char *title, *note;
        int log_y, dots;
    } chart[] = {
        {CURVE_VALIDATION, "Validation loss", "all rows", 1, 1},
        {CURVE_R10, "Validation R@10", "share of prompts whose picture is in the top ten", 0, 1},
        {CURVE_MRR, "Validation MRR", "mean of 1/rank", 0, 1},
        {CURVE_LOSS, "Training loss", "per batch", 1, 0},
        {CURVE_SPEED, "Throughput", "samples/s", 0, 0},
        {CURVE_RATE, "Learning rate", NULL, 0, 0}};
    t2i_chart_line line[T2I_REPORT_RUNS];
    t2i_html_put(page, "<h2 id=\"curves\">Curves</h2>\n<div class=\"two\">\n");
    for (size_t k = 0; k < sizeof chart / sizeof *chart; k++) {
        for (size_t i = 0; i < runs; i++)
            line[i] = (t2i_chart_line){run[i]->run, &run[i]->curve[chart[k].curve], (int)i + 1,
                                       chart[k].dots};
        t2i_chart_put(page, &(t2i_chart){.title = chart[k].title,
                                         .note = chart[k].note,
                                         .line = line,
                                         .lines = runs,
                                         .log_y = chart[k].log_y,
                                         .from_zero = !chart[k].log_y});
    }
    t2i_html_put(page, "</div>\n");
}

/* A table cell; empty if the curve has no points. */
static void put_number(t2i_html *page, const t2i_curve *curve, double value)
{
    if (curve->points > 0)
        t2i_html_put(page, "<td class=\"n\">%.4g</td>", value);
    else
        t2i_html_put(page, "<td></td>");
}

static void put_figures(t2i_html *page, t2i_report *const *run, size_t runs)
{
    t2i_html_put(page,
                 "<div class=\"wide\"><table><tr><th>run</th><th>state</th><th "
                 "class=\"n\">step</th><th class=\"n\">loss</th><th class=\"n\">lowest "
                 "validation loss</th><th class=\"n\">R@1, %%</th><th class=\"n\">R@10, %%</th><th "
                 "class=\"n\">best MRR</th><th class=\"n\">samples/s</th><th "
                 "class=\"n\">skipped</th><th class=\"n\">time</th></tr>\n");
    for (size_t i = 0; i < runs; i++) {
        const t2i_report *r = run[i];
        const t2i_curve *c = r->curve;
        char took[32] = "";
        if (t2i_report_seconds(r) > 0.0) t2i_log_duration(t2i_report_seconds(r), took);
        t2i_html_put(page, "<tr><td><span class=\"key\"><span class=\"c%zu\">", i + 1);
        t2i_html_word(page, r->run);
        t2i_html_put(page, "</span></span></td><td>");
        t2i_html_word(page, r->state);
        t2i_html_put(page, "</td><td class=\"n\">%ld</td>", r->step);
        put_number(page, &c[CURVE_LOSS], c[CURVE_LOSS].newest);
        put_number(page, &c[CURVE_VALIDATION], c[CURVE_VALIDATION].lowest);
        put_number(page, &c[CURVE_R1], 100 * c[CURVE_R1].newest);
        put_number(page, &c[CURVE_R10], 100 * c[CURVE_R10].newest);
        put_number(page, &c[CURVE_MRR], c[CURVE_MRR].highest);
        put_number(page, &c[CURVE_SPEED], c[CURVE_SPEED].newest);
        t2i_html_put(page, "<td class=\"n\">%ld</td><td class=\"n\">%s</td></tr>\n", r->skipped,
                     took);
    }
    t2i_html_put(page, "</table></div>\n");
}

static const char *value_of(const t2i_report *r, const char *key)
{
    const report_option *option = t2i_report_find(r, key);
    return option == NULL ? "" : option->value;
}

static int differs(t2i_report *const *run, size_t runs, const char *key)
{
    for (size_t i = 1; i < runs; i++)
        if (strcmp(value_of(run[i], key), value_of(run[0], key)) != 0) return 1;
    return 0;
}

static void put_difference(t2i_html *page, t2i_report *const *run, size_t runs, const char *key)
{
    t2i_html_put(page, "<tr><th>");
    t2i_html_word(page, key);
    t2i_html_put(page, "</th>");
    for (size_t i = 0; i < runs; i++) {
        t2i_html_put(page, "<td>");
        t2i_html_word(page, value_of(run[i], key));
        t2i_html_put(page, "</td>");
    }
    t2i_html_put(page, "</tr>\n");
}

/* Lists once each option of any run whose values are not all equal. */
static void put_differences(t2i_html *page, t2i_report *const *run, size_t runs)
{
    t2i_html_put(page, "<h2 id=\"options\">Options that differ</h2>\n<div class=\"wide\">"
                       "<table><tr><th>option</th>");
    for (size_t i = 0; i < runs; i++) {
        t2i_html_put(page, "<th>");
        t2i_html_word(page, run[i]->run);
        t2i_html_put(page, "</th>");
    }
    t2i_html_put(page, "</tr>\n");
    for (size_t i = 0; i < runs; i++)
        for (size_t k = 0; k < run[i]->options; k++) {
            const char *key = run[i]->option[k].key;
            int before = 0;
            for (size_t j = 0; j < i; j++) before = before || t2i_report_find(run[j], key) != NULL;
            if (!before && differs(run, runs, key)) put_difference(page, run, runs, key);
        }
    t2i_html_put(page, "</table></div>\n");
}

static void put_samples(t2i_html *page, t2i_report *const *run, size_t runs)
{
    for (size_t i = 0; i < runs; i++) {
        if (run[i]->strips == 0) continue;
        t2i_html_put(page, "<h2>");
        t2i_html_word(page, run[i]->run);
        t2i_html_put(page, "</h2>\n");
        t2i_report_put_samples(page, run[i]);
    }
}

t2i_status t2i_report_compare(const char *const *name, size_t runs, const char *path,
                              t2i_error *err)
{
    t2i_report *run[T2I_REPORT_RUNS] = {0};
    t2i_status status = T2I_OK;
    T2I_ASSERT(runs >= 1 && runs <= T2I_REPORT_RUNS);
    for (size_t i = 0; i < runs && status == T2I_OK; i++) {
        status = t2i_report_open(&run[i], name[i], err);
        if (status == T2I_OK) status = t2i_report_read(run[i], NULL, err);
    }
    if (status == T2I_OK) {
        t2i_html page = {0};
        t2i_html_begin(&page, "Runs compared - t2i-train");
        t2i_html_put(&page, "<h1>%zu runs compared</h1>\n", runs);
        put_figures(&page, run, runs);
        put_curves(&page, run, runs);
        put_differences(&page, run, runs);
        put_samples(&page, run, runs);
        t2i_html_end(&page);
        status = t2i_html_write(&page, path, err);
    }
    for (size_t i = 0; i < runs; i++) t2i_report_close(run[i]);
    return status;
}
