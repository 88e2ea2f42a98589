#include "record/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "record/report_internal.h"
#include "record/events.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

static const char *const part_name[] = {"data", "compute", "sync", "checkpoint"};
static const char *const part_meaning[] = {
    "reading rows and features", "forward and backward pass, and the update",
    "summing gradients over the ranks, and waiting for the slowest one",
    "saving checkpoints and writing this page"};
enum { PARTS = 4, ROWS = 40 }; /* members of t2i_seconds; maximum rows of a table of values */

/* ---- words ---- */

void t2i_report_words_begin(t2i_html *page)
{
    t2i_html_put(page, "<dl class=\"words\">\n");
}

void t2i_report_put_word(t2i_html *page, const char *word, const char *meaning)
{
    t2i_html_put(page, "<div><dt>%s</dt> <dd>%s</dd></div>\n", word, meaning);
}

void t2i_report_words_end(t2i_html *page)
{
    t2i_html_put(page, "</dl>\n");
}

int t2i_report_by_mrr(const t2i_report *r)
{
    const report_option *loss = t2i_report_find(r, "loss");
    return loss != NULL && strcmp(loss->value, "contrastive") == 0;
}

/* ---- the top ---- */

void t2i_report_put_tile(t2i_html *page, const char *name, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    t2i_html_put(page, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, text);
}

static void put_head(t2i_html *page, const t2i_report *r)
{
    char now[32] = "";
    time_t clock = time(NULL);
    struct tm utc;
    if (gmtime_r(&clock, &utc) != NULL) strftime(now, sizeof now, "%Y-%m-%d %H:%M UTC", &utc);
    t2i_html_put(page, "<h1>");
    t2i_html_word(page, r->run);
    if (r->state[0] != '\0') {
        t2i_html_put(page, " <span class=\"state ");
        t2i_html_word(page, r->state);
        t2i_html_put(page, "\">");
        t2i_html_word(page, r->state);
        t2i_html_put(page, "</span>");
    }
    t2i_html_put(page, "</h1>\n<p class=\"pale\">As of %s", now);
    if (r->message[0] != '\0') {
        t2i_html_put(page, ": ");
        t2i_html_word(page, r->message);
    }
    t2i_html_put(page, "</p>\n");
}

/* A validation after the last step that does not count for the best model. */
static void put_passed_over(t2i_html *page, const t2i_report *r)
{
    const t2i_curve *loss = &r->curve[CURVE_VALIDATION], *mrr = &r->curve[CURVE_MRR];
    int better = t2i_report_by_mrr(r) ? mrr->points > 0 && mrr->newest > r->best_mrr
                                      : loss->points > 0 && loss->newest < r->best_loss;
    if (r->best > 0 && better)
        t2i_html_put(
            page,
            "<p class=\"pale\">The last validation is better than that of step %ld, which "
            "is in best.safetensors: only validations at multiples of validate-every count "
            "for it. The weights of the last step are in model.safetensors.</p>\n",
            r->best);
}

/* The words of the tiles that this page has. */
static void put_tile_words(t2i_html *page, const t2i_report *r)
{
    t2i_report_words_begin(page);
    if (r->best > 0)
        t2i_report_put_word(
            page, "best step",
            t2i_report_by_mrr(r)
                ? "its model is in best.safetensors: the highest MRR of a validation"
                : "its model is in best.safetensors: the lowest loss of a validation");
    if (r->curve[CURVE_R10].points > 0) {
        t2i_report_put_word(page, "R@1, R@10",
                            "share of the validation prompts whose picture ranks first, or among "
                            "the first ten");
        t2i_report_put_word(page, "MRR", "mean of 1/rank: 1 if every picture ranks first");
    }
    t2i_report_put_word(page, "samples/s", "training rows per second, over all ranks");
    if (r->tokens > 0.0)
        t2i_report_put_word(page, "tokens saved",
                            "characters not computed again, because several prompts of a step "
                            "begin alike; the result is the same");
    if (r->skipped > 0)
        t2i_report_put_word(page, "skipped steps",
                            "steps without an update: the loss or the gradient was not finite, or "
                            "skip-spikes refused it");
    t2i_report_words_end(page);
}

static void put_tiles(t2i_html *page, const t2i_report *r)
{
    const t2i_curve *c = r->curve;
    const report_option *steps = t2i_report_find(r, "steps");
    char took[32];
    t2i_html_put(page, "<dl class=\"tiles\">\n");
    t2i_html_put(page, "<div><dt>step</dt><dd>%ld <small>of ",
                 r->step > r->told ? r->step : r->told);
    t2i_html_word(page, steps == NULL ? "?" : steps->value);
    t2i_html_put(page, "</small></dd></div>\n");
    if (c[CURVE_LOSS].points > 0) t2i_report_put_tile(page, "loss", "%.4g", c[CURVE_LOSS].newest);
    if (r->best > 0 && t2i_report_by_mrr(r))
        t2i_report_put_tile(page, "best step", "%ld <small>MRR %.3f</small>", r->best, r->best_mrr);
    else if (r->best > 0)
        t2i_report_put_tile(page, "best step", "%ld <small>loss %.3g</small>", r->best,
                            r->best_loss);
    if (c[CURVE_VALIDATION].points > 0)
        t2i_report_put_tile(page, "validation loss", "%.4g", c[CURVE_VALIDATION].newest);
    if (c[CURVE_R10].points > 0)
        t2i_report_put_tile(page, "R@1, R@10", "%.1f, %.1f %%", 100 * c[CURVE_R1].newest,
                            100 * c[CURVE_R10].newest);
    if (c[CURVE_MRR].points > 0) t2i_report_put_tile(page, "MRR", "%.3f", c[CURVE_MRR].newest);
    if (c[CURVE_SPEED].points > 0)
        t2i_report_put_tile(page, "samples/s", "%.0f <small>max. %.0f</small>",
                            c[CURVE_SPEED].newest, c[CURVE_SPEED].highest);
    if (t2i_report_seconds(r) > 0.0)
        t2i_report_put_tile(page, "time", "%s", t2i_log_duration(t2i_report_seconds(r), took));
    if (r->tokens > 0.0)
        t2i_report_put_tile(page, "tokens saved", "%.0f %%", 100 * r->saved / r->tokens);
    if (r->skipped > 0)
        t2i_report_put_tile(page, "skipped steps", "<span class=\"warning\">%ld</span>",
                            r->skipped);
    t2i_html_put(page, "</dl>\n");
    put_passed_over(page, r);
    put_tile_words(page, r);
}

/* ---- curves ---- */

static void put_curves(t2i_html *page, const t2i_report *r)
{
    const t2i_curve *c = r->curve;
    const t2i_chart_line loss[] = {{"training (per batch)", &c[CURVE_LOSS], 1, 0},
                                   {"validation (all rows)", &c[CURVE_VALIDATION], 2, 1}};
    const t2i_chart_line scores[] = {
        {"R@1", &c[CURVE_R1], 1, 1}, {"R@10", &c[CURVE_R10], 3, 1}, {"MRR", &c[CURVE_MRR], 2, 1}};
    const t2i_chart_line norm[] = {{"norm", &c[CURVE_NORM], 4, 0}};
    const t2i_chart_line rate[] = {{"lr", &c[CURVE_RATE], 8, 0}};
    const char *mean = c[CURVE_LOSS].share > 1 ? "mean and range, by step" : "by step";
    t2i_html_put(page, "<h2 id=\"loss\">Loss and scores</h2>\n");
    t2i_chart_put(page, &(t2i_chart){.title = "Loss",
                                     .note = mean,
                                     .line = loss,
                                     .lines = c[CURVE_VALIDATION].points > 0 ? 2 : 1,
                                     .log_y = 1});
    if (c[CURVE_R10].points > 0)
        t2i_chart_put(
            page, &(t2i_chart){
                      .title = "Validation retrieval", .line = scores, .lines = 3, .from_zero = 1});
    t2i_html_put(page, "<div class=\"two\">\n");
    t2i_chart_put(page,
                  &(t2i_chart){.title = "Gradient norm", .line = norm, .lines = 1, .log_y = 1});
    t2i_chart_put(page,
                  &(t2i_chart){.title = "Learning rate", .line = rate, .lines = 1, .from_zero = 1});
    t2i_html_put(page, "</div>\n");
}

static void put_row(t2i_html *page, const t2i_report *r, const report_curve *column, size_t columns,
                    size_t bin)
{
    t2i_html_put(page, "<tr>");
    for (size_t k = 0; k < columns; k++) {
        const t2i_curve *c = &r->curve[column[k]];
        double unit = column[k] == CURVE_R1 || column[k] == CURVE_R10 ? 100 : 1; /* percent */
        if (k == 0) t2i_html_put(page, "<td class=\"n\">%.0f</td>", c->bin[bin].last);
        if (bin < c->bins)
            t2i_html_put(page, "<td class=\"n\">%.5g</td>", unit * t2i_chart_bin_y(&c->bin[bin]));
        else
            t2i_html_put(page, "<td></td>");
    }
    t2i_html_put(page, "</tr>\n");
}

/* A table of curves that have common points, with at most ROWS rows. */
static void put_table(t2i_html *page, const t2i_report *r, const char *title, const char *heads,
                      const report_curve *column, size_t columns)
{
    size_t bins = r->curve[column[0]].bins, rows = bins < ROWS ? bins : ROWS;
    if (rows == 0) return;
    t2i_html_put(page,
                 "<h3>%s</h3><div class=\"wide\"><table><tr><th class=\"n\">step</th>%s</tr>\n",
                 title, heads);
    for (size_t i = 0; i < rows; i++)
        put_row(page, r, column, columns, rows == 1 ? 0 : i * (bins - 1) / (rows - 1));
    t2i_html_put(page, "</table></div>\n");
}

static void put_values(t2i_html *page, const t2i_report *r)
{
    static const report_curve step[] = {CURVE_RATE, CURVE_NORM, CURVE_SPEED}, loss[] = {CURVE_LOSS},
                              validation[] = {CURVE_VALIDATION, CURVE_R1, CURVE_R10, CURVE_MRR};
    t2i_html_put(page, "<details><summary>Values as tables</summary>\n");
    put_table(page, r, "Validation",
              "<th class=\"n\">loss</th><th class=\"n\">R@1, %</th><th class=\"n\">R@10, %</th><th "
              "class=\"n\">MRR</th>",
              validation, 4);
    t2i_html_put(page, "<div class=\"two\"><div>");
    put_table(page, r, "Training loss", "<th class=\"n\">loss</th>", loss, 1);
    t2i_html_put(page, "</div><div>");
    put_table(page, r, "Steps",
              "<th class=\"n\">lr</th><th class=\"n\">norm</th><th class=\"n\">samples/s</th>",
              step, 3);
    t2i_html_put(page, "</div></div></details>\n");
}

/* ---- speed ---- */

static void put_bar(t2i_html *page, const double seconds[PARTS], double most)
{
    t2i_html_put(page, "<div class=\"bar\">");
    for (int k = 0; k < PARTS && most > 0.0; k++)
        t2i_html_put(page, "<i class=\"c%d\" style=\"width:%.2f%%\"></i>", k + 1,
                     100.0 * seconds[k] / most);
    t2i_html_put(page, "</div>");
}

/* Reads [rank, data, compute, sync, checkpoint]; returns 0 if row is anything else. */
static int read_rank(const t2i_json *row, double *rank, double seconds[PARTS])
{
    int good = t2i_json_as_real(t2i_json_at(row, 0), rank);
    for (size_t k = 0; k < PARTS; k++)
        good = good && t2i_json_as_real(t2i_json_at(row, k + 1), &seconds[k]) &&
               seconds[k] >= 0.0 && seconds[k] < 1e12;
    return good;
}

static void put_ranks(t2i_html *page, const t2i_report *r)
{
    const t2i_json *rows = t2i_json_get(r->ranks, "seconds");
    size_t count = t2i_json_size(rows);
    double rank, seconds[PARTS], most = r->elapsed;
    if (count == 0) return;
    for (size_t i = 0; i < count; i++)
        if (read_rank(t2i_json_at(rows, i), &rank, seconds))
            for (int k = 0; k < PARTS; k++)
                if (seconds[k] > most) most = seconds[k];
    t2i_html_put(page,
                 "<h3>By rank</h3><p class=\"pale\">Seconds in the latest session (%.1f s in "
                 "total). The rest was spent on start-up, validation and samples.</p>\n"
                 "<div class=\"wide\"><table><tr><th class=\"n\">rank</th><th></th>",
                 r->elapsed);
    for (int k = 0; k < PARTS; k++)
        t2i_html_put(page, "<th class=\"n\" title=\"%s\">%s</th>", part_meaning[k], part_name[k]);
    t2i_html_put(page, "</tr>\n");
    for (size_t i = 0; i < count && i < T2I_EVENTS_RANKS; i++) {
        if (!read_rank(t2i_json_at(rows, i), &rank, seconds)) continue;
        t2i_html_put(page, "<tr><td class=\"n\">%.0f</td><td class=\"full\">", rank);
        put_bar(page, seconds, most);
        t2i_html_put(page, "</td>");
        for (int k = 0; k < PARTS; k++) t2i_html_put(page, "<td class=\"n\">%.1f</td>", seconds[k]);
        t2i_html_put(page, "</tr>\n");
    }
    t2i_html_put(page, "</table></div>\n");
}

static void put_speed(t2i_html *page, const t2i_report *r)
{
    const t2i_chart_line speed[] = {{"samples/s", &r->curve[CURVE_SPEED], 3, 0}};
    t2i_chart_line part[PARTS];
    for (int k = 0; k < PARTS; k++)
        part[k] = (t2i_chart_line){part_name[k], &r->curve[CURVE_DATA + k], k + 1, 0};
    t2i_html_put(page, "<h2 id=\"speed\">Speed and time</h2>\n<div class=\"two\">\n");
    t2i_chart_put(page,
                  &(t2i_chart){.title = "Throughput", .line = speed, .lines = 1, .from_zero = 1});
    t2i_chart_put(page, &(t2i_chart){.title = "Time of rank 0",
                                     .note = "percent",
                                     .line = part,
                                     .lines = PARTS,
                                     .stacked = 1});
    t2i_html_put(page, "</div>\n");
    t2i_report_words_begin(page);
    for (int k = 0; k < PARTS; k++) t2i_report_put_word(page, part_name[k], part_meaning[k]);
    t2i_report_words_end(page);
    put_ranks(page, r);
}

/* ---- configuration and environment ---- */

static void put_option(t2i_html *page, const report_option *option)
{
    t2i_html_put(page, "<tr><td>");
    t2i_html_word(page, option->key);
    t2i_html_put(page, "</td><td>");
    t2i_html_word(page, option->value);
    t2i_html_put(page, "</td><td class=\"pale\">");
    t2i_html_word(page, option->origin[0] == '\0' ? "default" : option->origin);
    t2i_html_put(page, "</td></tr>\n");
}

static void put_options(t2i_html *page, const t2i_report *r)
{
    static const char head[] =
        "<div class=\"wide\"><table><tr><th>option</th><th>value</th><th>source</th></tr>\n";
    size_t defaults = 0;
    t2i_html_put(page, "<h2 id=\"options\">Configuration</h2>\n");
    if (r->options == 0) {
        t2i_html_put(page, "<p class=\"none\">no job.ini in the run folder</p>\n");
        return;
    }
    t2i_html_put(page, "%s", head);
    for (size_t i = 0; i < r->options; i++) {
        defaults += r->option[i].origin[0] == '\0';
        if (r->option[i].origin[0] != '\0') put_option(page, &r->option[i]);
    }
    t2i_html_put(page,
                 "</table></div>\n<details><summary>%zu options with default values</summary>%s",
                 defaults, head);
    for (size_t i = 0; i < r->options; i++)
        if (r->option[i].origin[0] == '\0') put_option(page, &r->option[i]);
    t2i_html_put(page, "</table></div></details>\n");
}

/* A row of the environment: a string or number of the latest start event. */
static void put_fact(t2i_html *page, const t2i_report *r, const char *key, const char *name)
{
    const t2i_json *value = t2i_json_get(r->start, key);
    const char *text;
    int64_t number;
    if (t2i_json_as_string(value, &text, NULL) && text[0] != '\0') {
        t2i_html_put(page, "<tr><th>%s</th><td>", name);
        t2i_html_word(page, text);
        t2i_html_put(page, "</td></tr>\n");
    } else if (t2i_json_as_integer(value, &number))
        t2i_html_put(page, "<tr><th>%s</th><td>%lld</td></tr>\n", name, (long long)number);
}

static void put_nodes(t2i_html *page, const t2i_report *r)
{
    const t2i_json *nodes = t2i_json_get(r->start, "nodes");
    t2i_html_put(page, "<tr><th>nodes</th><td>");
    for (size_t i = 0; i < t2i_json_size(nodes); i++) {
        const char *host = "?";
        int64_t ranks = 0;
        t2i_json_as_string(t2i_json_get(t2i_json_at(nodes, i), "host"), &host, NULL);
        t2i_json_as_integer(t2i_json_get(t2i_json_at(nodes, i), "ranks"), &ranks);
        if (i > 0) t2i_html_put(page, ", ");
        t2i_html_word(page, host);
        t2i_html_put(page, " (%lld)", (long long)ranks);
    }
    t2i_html_put(page, "</td></tr>\n");
}

static void put_environment(t2i_html *page, const t2i_report *r)
{
    static const char *const fact[][2] = {{"time", "started"},
                                          {"ranks", "ranks"},
                                          {"threads", "threads per rank"},
                                          {"shards", "shards"},
                                          {"cores", "cores of rank 0"},
                                          {"vectors", "vector instructions"},
                                          {"processor", "processor"},
                                          {"system", "system"},
                                          {"version", "t2i-train"},
                                          {"mpi", "MPI"},
                                          {"blas", "BLAS"},
                                          {"hdf5", "HDF5"}};
    t2i_html_put(page, "<h2 id=\"environment\">Environment</h2>\n");
    if (r->start == NULL)
        t2i_html_put(page, "<p class=\"none\">no start is recorded in events.jsonl</p>\n");
    t2i_html_put(page, "<table>\n");
    for (size_t i = 0; r->start != NULL && i < sizeof fact / sizeof *fact; i++)
        put_fact(page, r, fact[i][0], fact[i][1]);
    if (r->start != NULL) put_nodes(page, r);
    if (r->own > 0.0)
        t2i_html_put(page,
                     "<tr><th>memory of rank 0</th><td>%.0f MB private, %.0f MB shared</td></tr>\n",
                     r->own / 1e6, r->shared / 1e6);
    if (r->dataset[0] != '\0') {
        t2i_html_put(page, "<tr><th>dataset digest</th><td>");
        t2i_html_word(page, r->dataset);
        t2i_html_put(page, "</td></tr>\n");
    }
    t2i_html_put(page, "</table>\n");
}

static void put_events(t2i_html *page, const t2i_report *r)
{
    t2i_html_put(page, "<h2 id=\"events\">Events</h2>\n");
    if (r->strange > 0)
        t2i_html_put(page, "<p class=\"pale\">%ld line%s of the logs could not be read.</p>\n",
                     r->strange, r->strange == 1 ? "" : "s");
    if (r->events == 0) {
        t2i_html_put(page, "<p class=\"none\">none</p>\n");
        return;
    }
    t2i_html_put(page, "<div class=\"wide\"><table><tr><th>time (UTC)</th><th "
                       "class=\"n\">step</th><th></th></tr>\n");
    for (size_t i = 0; i < r->events; i++) {
        const report_event *event = &r->event[i];
        if (i == REPORT_FIRST && r->left_out > 0)
            t2i_html_put(page,
                         "<tr><td></td><td></td><td class=\"none\">%zu events omitted</td></tr>\n",
                         r->left_out);
        t2i_html_put(page, "<tr><td class=\"time\">");
        t2i_html_word(page, event->time);
        t2i_html_put(page, "</td><td class=\"n\">%ld</td><td class=\"%s\">", event->step,
                     strcmp(event->kind, "warning") == 0 ? "warning" : "said");
        t2i_html_word(page, event->text);
        t2i_html_put(page, "</td></tr>\n");
    }
    t2i_html_put(page, "</table></div>\n");
}

static void put_page(t2i_html *page, const t2i_report *r)
{
    char title[300];
    snprintf(title, sizeof title, "%.200s - t2i-train", r->run);
    t2i_html_begin(page, title);
    put_head(page, r);
    put_tiles(page, r);
    put_curves(page, r);
    put_values(page, r);
    t2i_report_put_samples(page, r, 0);
    put_speed(page, r);
    put_events(page, r);
    put_options(page, r);
    put_environment(page, r);
    t2i_html_end(page);
}

t2i_status t2i_report_write(t2i_report *r, const t2i_run_status *status, const char *path,
                            t2i_error *err)
{
    t2i_html page = {0};
    T2I_TRY(t2i_report_read(r, status, err));
    char *own = t2i_fs_join(r->run, "report.html", err);
    if (own == NULL) return T2I_SYSTEM;
    put_page(&page, r);
    t2i_status written = t2i_html_write(&page, path == NULL ? own : path, err);
    t2i_free(own);
    return written;
}
