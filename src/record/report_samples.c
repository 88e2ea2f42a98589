/* report_samples.c - the samples of a run side by side: one row per prompt, one column per step. */
#include "image/image_file.h"
#include "image/image_resize.h"
#include "record/report_internal.h"

#include <stdio.h>
#include <string.h>

#include "draw/canvas.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/run_folder.h"
#include "base/fs.h"
#include "base/mem.h"
#include "retrieval/contact_sheet.h"

enum { SIDE = 64, MOST = 16 << 20 }; /* pixels of a picture in the page; maximum bytes of a sheet */

static void free_strip(report_strip *strip)
{
    for (size_t i = 0; i < REPORT_ROWS; i++)
        for (size_t k = 0; k < 3; k++) t2i_html_free(&strip->picture[i][k]);
    *strip = (report_strip){0};
}

void t2i_report_free_samples(t2i_report *r)
{
    for (size_t i = 0; i < r->strips; i++) free_strip(&r->strip[i]);
    r->strips = 0;
}

/* Extracts a picture of the sheet, scaled to SIDE pixels, as a piece of a page. */
static t2i_status cut_picture(t2i_html *out, const t2i_image *sheet, size_t x, size_t y,
                              size_t tile, t2i_error *err)
{
    t2i_image whole, small = {0};
    T2I_TRY(t2i_image_new(&whole, tile, tile, err));
    for (size_t row = 0; row < tile; row++)
        memcpy(whole.rgb + row * tile * 3, sheet->rgb + ((y + row) * sheet->width + x) * 3,
               tile * 3);
    t2i_status status = t2i_image_resize(&small, &whole, SIDE, SIDE, err);
    if (status == T2I_OK) {
        t2i_html_put(out, "<img width=\"%d\" height=\"%d\" alt=\"\" src=\"", SIDE, SIDE);
        t2i_html_picture(out, &small);
        t2i_html_put(out, "\"/>");
        status = out->status;
        if (status != T2I_OK) *err = out->err;
    }
    t2i_image_free(&whole);
    t2i_image_free(&small);
    return status;
}

/* A file that is not a sheet, or does not record its grid (version 1.0), yields no rows.
 */
static t2i_status read_strip(report_strip *strip, const char *run, long step, t2i_error *err)
{
    char name[64];
    t2i_image sheet = {0};
    t2i_contact_sheet_grid grid;
    t2i_error ignored;
    t2i_text file = {0};
    *strip = (report_strip){.step = step};
    snprintf(name, sizeof name, "samples/step-%ld.png", step);
    char *path = t2i_fs_join(run, name, err);
    if (path == NULL) return T2I_SYSTEM;
    t2i_status status = T2I_OK;
    if (t2i_fs_read(path, MOST, &file, &ignored) == T2I_OK &&
        t2i_image_file_decode(&sheet, file.data, file.size, path, NULL, NULL, &ignored) == T2I_OK &&
        t2i_contact_sheet_read_grid(&grid, &sheet, file.data, file.size) && grid.columns >= 2 &&
        grid.columns <= 3) {
        strip->rows = grid.rows < REPORT_ROWS ? grid.rows : REPORT_ROWS;
        strip->columns = grid.columns;
    }
    for (size_t i = 0; status == T2I_OK && i < strip->rows * strip->columns; i++) {
        size_t row = i / strip->columns, column = i % strip->columns;
        status = cut_picture(&strip->picture[row][column], &sheet, grid.left + column * grid.across,
                             grid.top + row * grid.down, grid.tile, err);
    }
    t2i_image_free(&sheet);
    t2i_text_free(&file);
    t2i_free(path);
    if (status != T2I_OK) free_strip(strip);
    return status;
}

/* Is sheet i of n, oldest first, shown? Chosen are every 2^k-th and the newest. k grows with n, so
 * that few sheets are read twice. */
static int chosen(size_t i, size_t n)
{
    size_t every = 1;
    while ((n + every - 1) / every > REPORT_STRIPS - 1) every *= 2;
    return i % every == 0 || i + 1 == n;
}

/* Moves the strip of that step out of the report, if it is there. */
static int take_strip(report_strip *out, t2i_report *r, long step)
{
    for (size_t i = 0; i < r->strips; i++)
        if (r->strip[i].step == step && r->strip[i].rows > 0) {
            *out = r->strip[i];
            r->strip[i] = (report_strip){0};
            return 1;
        }
    return 0;
}

t2i_status t2i_report_read_samples(t2i_report *r, t2i_error *err)
{
    long *step = NULL;
    size_t count = 0, strips = 0;
    t2i_error ignored;
    t2i_status status = t2i_run_folder_samples(r->run, &step, &count, &ignored);
    if (status == T2I_SYSTEM) return t2i_fail(err, status, "%s", ignored.text);
    report_strip *strip = t2i_alloc(REPORT_STRIPS, sizeof *strip);
    if (strip == NULL) {
        t2i_free(step);
        return t2i_fail_memory(err, REPORT_STRIPS * sizeof *strip, "the samples");
    }
    status = T2I_OK;
    for (size_t i = 0; i < count && status == T2I_OK; i++) {
        long at = step[count - 1 - i]; /* the list has the newest first */
        if (!chosen(i, count)) continue;
        if (!take_strip(&strip[strips], r, at))
            status = read_strip(&strip[strips], r->run, at, err);
        if (status == T2I_OK && strip[strips].rows > 0) strips++;
    }
    t2i_report_free_samples(r);
    memcpy(r->strip, strip, strips * sizeof *strip);
    r->strips = strips;
    r->sheets = count;
    t2i_free(strip);
    t2i_free(step);
    return status;
}

/* ---- on the page ---- */

static void put_column(t2i_html *page, const report_strip *strip, size_t column, const char *name)
{
    t2i_html_put(page, "<div><b>");
    if (name != NULL)
        t2i_html_put(page, "%s", name);
    else
        t2i_html_put(page, "step %ld", strip->step);
    t2i_html_put(page, "</b>");
    for (size_t row = 0; row < strip->rows; row++) {
        const t2i_html *picture = &strip->picture[row][column];
        if (picture->text.size > 0) t2i_html_put(page, "%s", picture->text.data);
    }
    t2i_html_put(page, "</div>\n");
}

static void put_prompts(t2i_html *page, const t2i_report *r, size_t rows)
{
    const t2i_json *prompts = t2i_json_get(r->prompts, "prompts");
    t2i_html_put(page, "<div class=\"said\"><b>prompt</b>");
    for (size_t row = 0; row < rows; row++) {
        const char *text = NULL;
        size_t size = 0;
        t2i_html_put(page, "<span>");
        if (!t2i_json_as_string(t2i_json_at(prompts, row), &text, &size))
            t2i_html_put(page, "<i>%zu</i>", row + 1);
        else if (size == 0)
            t2i_html_put(page, "<i>(empty prompt)</i>");
        else
            t2i_html_text(page, text, size);
        t2i_html_put(page, "</span>");
    }
    t2i_html_put(page, "</div>\n");
}

/* The heading, with the run's name where several runs are on the page. */
static void put_heading(t2i_html *page, const t2i_report *r, int several)
{
    t2i_html_put(page, several ? "<h2>Samples of " : "<h2 id=\"samples\">Samples over time");
    if (several) t2i_html_word(page, r->run);
    t2i_html_put(page, "</h2>\n");
}

void t2i_report_put_samples(t2i_html *page, const t2i_report *r, int several)
{
    if (r->sheets > 0) put_heading(page, r, several);
    if (r->strips == 0 && r->sheets > 0)
        t2i_html_put(page,
                     "<p class=\"none\">%zu sheet%s in samples/, not shown: sheets of t2i-train "
                     "1.0 do not record the positions of "
                     "their pictures</p>\n",
                     r->sheets, r->sheets == 1 ? "" : "s");
    if (r->strips == 0) return;
    const report_strip *newest = &r->strip[r->strips - 1];
    int draws = newest->columns == 3;
    t2i_html_put(page,
                 "<p class=\"pale\">Pictures that the model %s "
                 "for the same prompts at different steps (%zu of %zu sheets in samples/).</p>\n"
                 "<div class=\"strips\">",
                 draws ? "draws" : "retrieves", r->strips, r->sheets);
    put_prompts(page, r, newest->rows);
    for (size_t i = 0; i < r->strips; i++) put_column(page, &r->strip[i], 0, NULL);
    if (draws) put_column(page, newest, 1, "nearest");
    put_column(page, newest, newest->columns - 1, "true");
    t2i_html_put(page, "</div>\n");
}
