#include "retrieval/contact_sheet.h"

#include <stdio.h>
#include <string.h>

#include "base/commit.h"
#include "draw/canvas.h"
#include "base/fs.h"
#include "base/mem.h"
#include "retrieval/gallery_image.h"
#include "base/text.h"
#include "image/image_file.h"
#include "image/image_png.h"
#include "image/image_resize.h"

enum {
    MARGIN = 24,
    GAP = 20,         /* between tiles */
    LABEL = 224,      /* width of the column of labels */
    TILE_LEAST = 128, /* least width and height of a tile */
    TILE_MOST = 256,  /* greatest width and height of a tile */
    NAME_LINES = 3,
    CAPTION_LINES = NAME_LINES + 1, /* one line for the note */
    LINE = T2I_FONT_HEIGHT,
    INK = 0x1c1c1c,
    PALE = 0x6a6a6a,
    FAINT = 0x9a9a9a,
    RULE = 0xdcdcdc,
    EMPTY = 0xe6e6e6
};

typedef struct {
    size_t factor; /* factor of enlargement */
    size_t tile;   /* greatest width and height of a picture after that */
    size_t top;    /* y of the first row */
    size_t row;    /* height of a row */
    size_t rows;   /* rows that are drawn */
    size_t title_scale;
    size_t width, height;
} layout;

static size_t largest_side(const t2i_contact_sheet *sheet)
{
    size_t side = 0;
    for (size_t i = 0; i < sheet->rows * sheet->columns; i++) {
        const t2i_image *picture = sheet->tile[i].picture;
        if (picture == NULL || picture->rgb == NULL) continue;
        if (picture->width > side) side = picture->width;
        if (picture->height > side) side = picture->height;
    }
    return side;
}

static layout lay_out(const t2i_contact_sheet *sheet)
{
    layout p = {.factor = 1, .tile = TILE_LEAST};
    size_t side = largest_side(sheet);
    if (side > 0 && side < TILE_LEAST) p.factor = (TILE_LEAST + side - 1) / side;
    if (side * p.factor > TILE_LEAST)
        p.tile = side * p.factor < TILE_MOST ? side * p.factor : TILE_MOST;
    p.width = MARGIN + LABEL + sheet->columns * (GAP + p.tile) + MARGIN;
    long inner = (long)(p.width - 2 * MARGIN);
    p.title_scale = t2i_canvas_text_width(sheet->title, 2) <= inner ? 2 : 1;
    int two = p.title_scale == 2 || t2i_canvas_text_width(sheet->title, 1) > inner; /* lines */
    p.top = MARGIN + (two ? 2 : 1) * LINE + GAP + LINE + GAP / 2;
    p.row = GAP / 2 + p.tile + 8 + CAPTION_LINES * LINE + GAP / 2;
    size_t most = T2I_IMAGE_AREA_MAX / p.width;
    if (most > T2I_IMAGE_SIDE_MAX) most = T2I_IMAGE_SIDE_MAX;
    size_t fit = most > p.top + 2 * MARGIN ? (most - p.top - 2 * MARGIN) / p.row : 0;
    p.rows = sheet->rows < fit ? sheet->rows : fit;
    p.height = p.top + p.rows * p.row + MARGIN + (p.rows < sheet->rows ? LINE : 0);
    return p;
}

/* Draws a picture in the middle of a square of side p->tile at (x, y). */
static t2i_status draw_picture(t2i_image *out, const layout *p, const t2i_image *picture, long x,
                               long y, t2i_error *err)
{
    static const char none[] = "no picture";
    if (picture == NULL || picture->rgb == NULL) {
        t2i_canvas_fill(out, x, y, (long)p->tile, (long)p->tile, EMPTY);
        t2i_canvas_text(out, x + ((long)p->tile - t2i_canvas_text_width(none, 1)) / 2,
                        y + ((long)p->tile - LINE) / 2, none, 1, FAINT);
        return T2I_OK;
    }
    t2i_image small = {0};
    size_t width = picture->width * p->factor, height = picture->height * p->factor;
    size_t side = width > height ? width : height;
    if (side > p->tile) { /* larger than the largest tile, so the factor is 1 */
        width = width * p->tile / side > 0 ? width * p->tile / side : 1;
        height = height * p->tile / side > 0 ? height * p->tile / side : 1;
        T2I_TRY(t2i_image_resize(&small, picture, width, height, err));
    }
    x += (long)(p->tile - width) / 2;
    y += (long)(p->tile - height) / 2;
    if (small.rgb != NULL)
        t2i_canvas_paste(out, &small, x, y);
    else
        t2i_canvas_paste_scaled(out, picture, x, y, p->factor);
    t2i_canvas_frame(out, x - 1, y - 1, (long)width + 2, (long)height + 2, RULE);
    t2i_image_free(&small);
    return T2I_OK;
}

static t2i_status draw_row(t2i_image *out, const layout *p, const t2i_contact_sheet *sheet,
                           size_t row, t2i_error *err)
{
    long y = (long)(p->top + row * p->row), tile = (long)p->tile;
    t2i_canvas_fill(out, MARGIN, y, (long)p->width - 2 * MARGIN, 1, RULE);
    y += GAP / 2;
    int blank = sheet->label[row][strspn(sheet->label[row], " ")] == '\0';
    t2i_canvas_text_box(out, MARGIN, y, LABEL, p->tile / LINE,
                        blank ? "(empty prompt)" : sheet->label[row], blank ? PALE : INK);
    for (size_t c = 0; c < sheet->columns; c++) {
        const t2i_tile *t = &sheet->tile[row * sheet->columns + c];
        long x = MARGIN + LABEL + GAP + (long)c * (tile + GAP), below = y + tile + 8;
        T2I_TRY(draw_picture(out, p, t->picture, x, y, err));
        if (t->name != NULL)
            below = t2i_canvas_text_box(out, x, below, tile, NAME_LINES, t->name, INK);
        if (t->note != NULL) t2i_canvas_text_box(out, x, below, tile, 1, t->note, PALE);
    }
    return T2I_OK;
}

t2i_status t2i_contact_sheet_draw(t2i_image *out, const t2i_contact_sheet *sheet, t2i_error *err)
{
    layout p = lay_out(sheet);
    T2I_TRY(t2i_image_new(out, p.width, p.height, err));
    long inner = (long)p.width - 2 * MARGIN;
    if (p.title_scale == 2)
        t2i_canvas_text(out, MARGIN, MARGIN, sheet->title, 2, INK);
    else
        t2i_canvas_text_box(out, MARGIN, MARGIN, inner, 2, sheet->title, INK);
    for (size_t c = 0; c < sheet->columns; c++)
        t2i_canvas_text_box(out, MARGIN + LABEL + GAP + (long)(c * (p.tile + GAP)),
                            (long)p.top - LINE - 6, (long)p.tile, 1, sheet->heading[c], PALE);
    t2i_status status = T2I_OK;
    for (size_t r = 0; r < p.rows && status == T2I_OK; r++)
        status = draw_row(out, &p, sheet, r, err);
    if (p.rows < sheet->rows) {
        char more[64];
        snprintf(more, sizeof more, "... and %zu more", sheet->rows - p.rows);
        t2i_canvas_text(out, MARGIN, (long)(p.height - MARGIN / 2 - LINE), more, 1, PALE);
    }
    if (status != T2I_OK) t2i_image_free(out);
    return status;
}

/* ---- where its pictures are ---- */

static const char grid_key[] = "t2i-grid";
static const char grid_form[] = "rows %9zu columns %9zu tile %9zu left %9zu top %9zu across %9zu "
                                "down %9zu";

t2i_status t2i_contact_sheet_write(const t2i_contact_sheet *sheet, const char *path, t2i_error *err)
{
    const layout p = lay_out(sheet);
    char note[T2I_IMAGE_PNG_NOTE];
    t2i_image picture;
    t2i_text file = {0};
    snprintf(note, sizeof note, "rows %zu columns %zu tile %zu left %d top %zu across %zu down %zu",
             p.rows, sheet->columns, p.tile, MARGIN + LABEL + GAP, p.top + GAP / 2, p.tile + GAP,
             p.row);
    T2I_TRY(t2i_contact_sheet_draw(&picture, sheet, err));
    t2i_status status = t2i_image_png_encode_note(&picture, grid_key, note, &file, err);
    if (status == T2I_OK) status = t2i_commit_file(path, file.data, file.size, err);
    t2i_text_free(&file);
    t2i_image_free(&picture);
    return status;
}

/* Do `count` tiles fit into `room` pixels? */
static int tiles_fit(size_t from, size_t count, size_t apart, size_t tile, size_t room)
{
    return count > 0 && count <= room && apart >= tile && tile > 0 && from <= room &&
           apart <= room && from + (count - 1) * apart + tile <= room;
}

int t2i_contact_sheet_read_grid(t2i_contact_sheet_grid *out, const t2i_image *sheet,
                                const void *png, size_t size)
{
    char note[T2I_IMAGE_PNG_NOTE + 1];
    t2i_contact_sheet_grid g;
    if (!t2i_image_png_find_note(png, size, grid_key, note) ||
        sscanf(note, grid_form, &g.rows, &g.columns, &g.tile, &g.left, &g.top, &g.across,
               &g.down) != 7 ||
        !tiles_fit(g.left, g.columns, g.across, g.tile, sheet->width) ||
        !tiles_fit(g.top, g.rows, g.down, g.tile, sheet->height))
        return 0;
    *out = g;
    return 1;
}

void t2i_contact_sheet_distance(char note[T2I_NOTE], double distance)
{
    snprintf(note, T2I_NOTE, distance < 100.0 ? "distance %.4f" : "distance %.5g", distance);
}

/* ---- samples of a training run ---- */

enum { DECODED, NEAREST, TRUE, SAMPLES };

/* Memory owned by a row of samples. */
typedef struct {
    t2i_image picture[SAMPLES];
    char *label, *nearest, *truth;
    char note[T2I_NOTE];
    const char *drawn; /* what DECODED is drawn from; NULL if models of this kind have one way */
} sample;

static void free_samples(sample *row, size_t rows)
{
    for (size_t i = 0; row != NULL && i < rows; i++) {
        for (size_t k = 0; k < SAMPLES; k++) t2i_image_free(&row[i].picture[k]);
        t2i_free(row[i].label);
        t2i_free(row[i].nearest);
        t2i_free(row[i].truth);
    }
    t2i_free(row);
}

static t2i_status fill_sample(sample *row, t2i_gallery *gallery, t2i_prompt prompt,
                              const float *prediction, const float *place, size_t truth,
                              double *distance, t2i_error *err)
{
    t2i_near near;
    row->label = t2i_alloc(prompt.size + 1, 1);
    if (row->label == NULL) return t2i_fail_memory(err, prompt.size, "a label");
    memcpy(row->label, prompt.bytes, prompt.size);
    t2i_gallery_distances(gallery, T2I_EUCLIDEAN, place, 1, distance);
    t2i_gallery_nearest(distance, gallery->images, 1, &near);
    t2i_contact_sheet_distance(row->note, near.distance);
    if (t2i_gallery_decodes(gallery))
        T2I_TRY(
            t2i_gallery_draw(gallery, prediction, place, &row->picture[DECODED], &row->drawn, err));
    if (gallery->trains == NULL) row->drawn = NULL;
    T2I_TRY(t2i_gallery_picture(gallery, near.image, &row->picture[NEAREST], err));
    T2I_TRY(t2i_gallery_picture(gallery, truth, &row->picture[TRUE], err));
    T2I_TRY(t2i_dataset_image_name(gallery->dataset, near.image, &row->nearest, err));
    return t2i_dataset_image_name(gallery->dataset, truth, &row->truth, err);
}

static t2i_status write_samples(const char *path, const char *title, const sample *row, size_t rows,
                                int decodes, t2i_error *err)
{
    static const char *const heading[SAMPLES] = {"decoded", "nearest", "true"};
    size_t from = decodes ? DECODED : NEAREST, columns = SAMPLES - from;
    const char **label = t2i_alloc(rows, sizeof *label);
    t2i_tile *tile = t2i_alloc(rows * columns, sizeof *tile);
    t2i_status status = T2I_OK;
    for (size_t i = 0; label != NULL && tile != NULL && i < rows; i++) {
        const t2i_tile all[SAMPLES] = {{&row[i].picture[DECODED], row[i].drawn, NULL},
                                       {&row[i].picture[NEAREST], row[i].nearest, row[i].note},
                                       {&row[i].picture[TRUE], row[i].truth, NULL}};
        label[i] = row[i].label;
        memcpy(tile + i * columns, all + from, columns * sizeof *tile);
    }
    const t2i_contact_sheet sheet = {title, heading + from, columns, rows, label, tile};
    if (label == NULL || tile == NULL)
        status = t2i_fail_memory(err, rows * SAMPLES * sizeof *tile, "a sheet");
    else
        status = t2i_contact_sheet_write(&sheet, path, err);
    t2i_free(label);
    t2i_free(tile);
    return status;
}

t2i_status t2i_contact_sheet_samples(const char *path, const char *title, t2i_gallery *gallery,
                                     const t2i_prompt *prompt, size_t prompts,
                                     const float *prediction, const float *place,
                                     const uint32_t *truth, t2i_error *err)
{
    sample *row = t2i_alloc(prompts, sizeof *row);
    double *distance = t2i_alloc(gallery->images, sizeof *distance);
    t2i_status status = row == NULL || distance == NULL
                            ? t2i_fail_memory(err, gallery->images * sizeof *distance, "a sheet")
                            : T2I_OK;
    for (size_t i = 0; i < prompts && status == T2I_OK; i++)
        status = fill_sample(&row[i], gallery, prompt[i], prediction + i * gallery->features,
                             place + i * gallery->dim, truth[i], distance, err);
    if (status == T2I_OK)
        status = write_samples(path, title, row, prompts, t2i_gallery_decodes(gallery), err);
    free_samples(row, prompts);
    t2i_free(distance);
    return status;
}
