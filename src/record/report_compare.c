/* report_compare.c - several runs on one page. */
#include <stdio.h>
#include <string.h>

#include "record/report_internal.h"
#include "base/log.h"

/* ---- what can be compared ---- */

typedef enum { OF_ANY, OF_DATASET, OF_LOSS } comparable; /* with runs of the same ... */

static const char *value_of(const t2i_report *r, const char *key)
{
    const report_option *option = t2i_report_find(r, key);
    return option == NULL ? "" : option->value;
}

static int have_same(const t2i_report *a, const t2i_report *b, comparable of)
{
    static const char *const key[] = {"contrastive-weight", "temperature", "negatives"};
    if (of == OF_ANY) return 1;
    if (strcmp(a->dataset, b->dataset) != 0) return 0;
    if (of == OF_DATASET) return 1;
    int same = t2i_report_by_mrr(a) == t2i_report_by_mrr(b);
    for (size_t i = 0; i < sizeof key / sizeof *key && t2i_report_by_mrr(a); i++)
        same = same && strcmp(value_of(a, key[i]), value_of(b, key[i])) == 0;
    return same;
}

/* The number of groups of comparable runs; group: that of each run, from 0. */
static size_t group_runs(t2i_report *const *run, size_t runs, comparable of,
                         size_t group[T2I_REPORT_RUNS])
{
    size_t groups = 0;
    for (size_t i = 0; i < runs; i++) {
        size_t first = 0;
        while (!have_same(run[first], run[i], of)) first++; /* at last the run itself */
        group[i] = first < i ? group[first] : groups++;
    }
    return groups;
}

static void put_warning(t2i_html *page, t2i_report *const *run, size_t runs)
{
    size_t group[T2I_REPORT_RUNS];
    size_t datasets = group_runs(run, runs, OF_DATASET, group),
           losses = group_runs(run, runs, OF_LOSS, group);
    if (datasets > 1)
        t2i_html_put(page,
                     "<p class=\"notice\">The runs have different datasets. Losses and scores "
                     "of different datasets cannot be compared; each dataset has its own "
                     "charts.</p>\n");
    if (losses > datasets)
        t2i_html_put(page,
                     "<p class=\"notice\">The runs have different loss functions. Their losses "
                     "cannot be compared and have their own charts; R@1, R@10 and MRR can be "
                     "compared.</p>\n");
}

/* ---- curves ---- */

static void put_curves(t2i_html *page, t2i_report *const *run, size_t runs)
{
    static const struct {
        report_curve curve;
        const char *title, *note;
        int log_y, dots;
        comparable of;
    } chart[] = {{CURVE_VALIDATION, "Validation loss", "all rows", 1, 1, OF_LOSS},
                 {CURVE_R10, "Validation R@10", "share of prompts whose picture is in the top ten",
                  0, 1, OF_DATASET},
                 {CURVE_MRR, "Validation MRR", "mean of 1/rank", 0, 1, OF_DATASET},
                 {CURVE_LOSS, "Training loss", "per batch", 1, 0, OF_LOSS},
                 {CURVE_SPEED, "Throughput", "training rows per second", 0, 0, OF_ANY},
                 {CURVE_RATE, "Learning rate", NULL, 0, 0, OF_ANY}};
    t2i_html_put(page, "<h2 id=\"curves\">Curves</h2>\n<div class=\"two\">\n");
    for (size_t k = 0; k < sizeof chart / sizeof *chart; k++) {
        size_t group[T2I_REPORT_RUNS], groups = group_runs(run, runs, chart[k].of, group);
        for (size_t g = 0; g < groups; g++) {
            t2i_chart_line line[T2I_REPORT_RUNS];
            size_t lines = 0;
            const t2i_report *one = NULL; /* of this group */
            char note[64];
            for (size_t i = 0; i < runs; i++)
                if (group[i] == g) {
                    one = run[i];
                    line[lines++] = (t2i_chart_line){run[i]->run, &run[i]->curve[chart[k].curve],
                                                     (int)i + 1, chart[k].dots};
                }
            int of_one_loss = chart[k].of == OF_LOSS && groups > 1;
            if (of_one_loss)
                snprintf(note, sizeof note, "%s, %s", chart[k].note,
                         t2i_report_by_mrr(one) ? "contrastive" : "mean squared error");
            t2i_chart_put(page, &(t2i_chart){.title = chart[k].title,
                                             .note = of_one_loss ? note : chart[k].note,
                                             .line = line,
                                             .lines = lines,
                                             .log_y = chart[k].log_y,
                                             .from_zero = !chart[k].log_y});
        }
    }
    t2i_html_put(page, "</div>\n");
}

/* ---- tables ---- */

/* The first row of a table whose other rows are cards on a narrow screen: each cell then names its
 * column. */
static void put_cell(t2i_html *page, const char *name)
{
    t2i_html_put(page, "<td class=\"n\" data-name=\"%s\">", name);
}

/* Empty if the curve has no points. */
static void put_number(t2i_html *page, const char *name, const t2i_curve *curve, const char *format,
                       double value)
{
    put_cell(page, name);
    if (curve->points > 0) t2i_html_put(page, format, value);
    t2i_html_put(page, "</td>");
}

static void put_figures(t2i_html *page, t2i_report *const *run, size_t runs)
{
    static const char *const column[] = {"step",        "loss",      "lowest validation loss",
                                         "best step",   "R@1, %",    "R@10, %",
                                         "highest MRR", "samples/s", "skipped",
                                         "time"};
    t2i_html_put(page, "<div class=\"wide\"><table class=\"cards\"><tr><th>run</th><th>state</th>");
    for (size_t k = 0; k < sizeof column / sizeof *column; k++)
        t2i_html_put(page, "<th class=\"n\">%s</th>", column[k]);
    t2i_html_put(page, "</tr>\n");
    for (size_t i = 0; i < runs; i++) {
        const t2i_report *r = run[i];
        const t2i_curve *c = r->curve;
        char took[32] = "";
        if (t2i_report_seconds(r) > 0.0) t2i_log_duration(t2i_report_seconds(r), took);
        t2i_html_put(page, "<tr><td><span class=\"key\"><span class=\"c%zu\">", i + 1);
        t2i_html_word(page, r->run);
        t2i_html_put(page, "</span></span></td><td data-name=\"state\">");
        t2i_html_word(page, r->state);
        t2i_html_put(page, "</td>");
        put_cell(page, column[0]);
        t2i_html_put(page, "%ld</td>", r->step);
        put_number(page, column[1], &c[CURVE_LOSS], "%#.4g", c[CURVE_LOSS].newest);
        put_number(page, column[2], &c[CURVE_VALIDATION], "%#.4g", c[CURVE_VALIDATION].lowest);
        put_cell(page, column[3]);
        if (r->best > 0) t2i_html_put(page, "%ld", r->best);
        t2i_html_put(page, "</td>");
        put_number(page, column[4], &c[CURVE_R1], "%.1f", 100 * c[CURVE_R1].newest);
        put_number(page, column[5], &c[CURVE_R10], "%.1f", 100 * c[CURVE_R10].newest);
        put_number(page, column[6], &c[CURVE_MRR], "%.3f", c[CURVE_MRR].highest);
        put_number(page, column[7], &c[CURVE_SPEED], "%.0f", c[CURVE_SPEED].newest);
        put_cell(page, column[8]);
        t2i_html_put(page, "%ld</td>", r->skipped);
        put_cell(page, column[9]);
        t2i_html_put(page, "%s</td></tr>\n", took);
    }
    t2i_html_put(page, "</table></div>\n");
}

static int differs(t2i_report *const *run, size_t runs, const char *key)
{
    for (size_t i = 1; i < runs; i++)
        if (strcmp(value_of(run[i], key), value_of(run[0], key)) != 0) return 1;
    return 0;
}

static void put_value(t2i_html *page, const t2i_report *r, const char *value)
{
    t2i_html_put(page, "<td data-name=\"");
    t2i_html_word(page, r->run);
    t2i_html_put(page, "\">");
    t2i_html_word(page, value);
    t2i_html_put(page, "</td>");
}

static void put_difference(t2i_html *page, t2i_report *const *run, size_t runs, const char *key)
{
    t2i_html_put(page, "<tr><th>");
    t2i_html_word(page, key);
    t2i_html_put(page, "</th>");
    for (size_t i = 0; i < runs; i++) put_value(page, run[i], value_of(run[i], key));
    t2i_html_put(page, "</tr>\n");
}

/* Lists once each option of any run whose values are not all equal. */
static void put_differences(t2i_html *page, t2i_report *const *run, size_t runs)
{
    size_t group[T2I_REPORT_RUNS];
    t2i_html_put(page, "<h2 id=\"options\">Options that differ</h2>\n<div class=\"wide\">"
                       "<table class=\"cards\"><tr><th>option</th>");
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
    if (group_runs(run, runs, OF_DATASET, group) > 1) {
        t2i_html_put(page, "<tr><th>dataset digest</th>");
        for (size_t i = 0; i < runs; i++) put_value(page, run[i], run[i]->dataset);
        t2i_html_put(page, "</tr>\n");
    }
    t2i_html_put(page, "</table></div>\n");
}

static void put_samples(t2i_html *page, t2i_report *const *run, size_t runs)
{
    for (size_t i = 0; i < runs; i++)
        if (run[i]->strips > 0) t2i_report_put_samples(page, run[i], 1);
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
        put_warning(&page, run, runs);
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
