/* contact_sheet.h - draws rows of pictures with headings, labels and captions as one picture. */
#ifndef T2I_CONTACT_SHEET_H
#define T2I_CONTACT_SHEET_H

#include <stddef.h>
#include "base/error.h"
#include "retrieval/gallery.h"
#include "image/image.h"
#include "model/predict.h"

/* All borrowed. */
typedef struct {
    const t2i_image *picture; /* NULL or empty: a grey tile is drawn */
    const char *name, *note;  /* below the picture: name in up to 3 lines, note in 1; may be NULL */
} t2i_tile;

typedef struct {
    const char *title;
    const char *const *heading; /* (columns) above each column */
    size_t columns, rows;
    const char *const *label; /* (rows) text left of each row, wrapped */
    const t2i_tile *tile;     /* (rows, columns) */
} t2i_contact_sheet;

/* Enlarges small pictures by integer factors and reduces large ones, so that a tile has 128 to 256
 * pixels. Rows that exceed the largest picture are left out; a line at the bottom has their number.
 * T2I_SYSTEM. *out is empty on failure. */
T2I_CHECKED t2i_status t2i_contact_sheet_draw(t2i_image *out, const t2i_contact_sheet *sheet,
                                              t2i_error *err);

/* Where a sheet has its tiles: that of row r and column c has its top left corner at (left + c *
 * across, top + r * down), and is `tile` wide and high. */
typedef struct {
    size_t rows, columns, tile, left, top, across, down;
} t2i_contact_sheet_grid;

/* Draws a sheet and writes it as a PNG that also tells its grid (a tEXt chunk "t2i-grid"), whole or
 * not at all. */
T2I_CHECKED t2i_status t2i_contact_sheet_write(const t2i_contact_sheet *sheet, const char *path,
                                               t2i_error *err);
/* The grid of a PNG file in memory, and the picture that it holds; 0: it tells none, or none that
 * lies within the picture. */
int t2i_contact_sheet_read_grid(t2i_contact_sheet_grid *out, const t2i_image *sheet,
                                const void *png, size_t size);

/* Formats a distance as the note of a tile: "distance 1.8634". */
#define T2I_NOTE 32
void t2i_contact_sheet_distance(char note[T2I_NOTE], double distance);

/* Writes the samples of a training run as a PNG, one row per prompt: prompt, decoded (if the
 * dataset has a decoder), nearest, true. prediction (prompts, D): the predicted features; place
 * (prompts, dim): the prompts in the gallery's search space; truth (prompts): the true pictures.
 * The file is complete or is not written. */
T2I_CHECKED t2i_status t2i_contact_sheet_samples(const char *path, const char *title,
                                                 t2i_gallery *gallery, const t2i_prompt *prompt,
                                                 size_t prompts, const float *prediction,
                                                 const float *place, const uint32_t *truth,
                                                 t2i_error *err);

#endif
