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

/* Formats a distance as the note of a tile: "distance 1.8634". */
#define T2I_NOTE 32
void t2i_contact_sheet_distance(char note[T2I_NOTE], double distance);

/* Writes the samples of a training run as a PNG, one row per prompt: prompt, decoded (if the
 * dataset has a decoder), nearest, true. prediction (prompts, D); truth (prompts): the true
 * pictures. The file is complete or is not written. */
T2I_CHECKED t2i_status t2i_contact_sheet_samples(const char *path, const char *title,
                                                 t2i_gallery *gallery, const t2i_prompt *prompt,
                                                 size_t prompts, const float *prediction,
                                                 const uint32_t *truth, t2i_error *err);

/* Layout of a sheet of t2i_contact_sheet_samples: the top left corner of the picture in row r and
 * column c is (left + c * across, top + r * down). */
typedef struct {
    size_t rows, columns; /* the last column is the true one; 3 columns with decoded pictures */
    size_t tile, left, top, across, down;
} t2i_contact_sheet_grid;
/* Returns 0 if no such sheet has that size. */
int t2i_contact_sheet_find_grid(size_t width, size_t height, t2i_contact_sheet_grid *out);

#endif
