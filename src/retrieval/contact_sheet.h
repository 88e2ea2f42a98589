/* contact_sheet.h - contact sheets: rows of pictures with headings, labels and captions, as one
 * PNG. */
#ifndef T2I_CONTACT_SHEET_H
#define T2I_CONTACT_SHEET_H

#include <stddef.h>
#include "base/error.h"
#include "retrieval/gallery.h"
#include "image/image.h"
#include "model/predict.h"

/* All borrowed. */
typedef struct {
    const t2i_image *picture; /* NULL or empty: a grey tile stands in its place */
    const char *name, *note; /* below it: name in three lines at most, note in one; NULL: nothing */
} t2i_tile;

typedef struct {
    const char *title;
    const char *const *heading; /* above each column of tiles */
    size_t columns, rows;
    const char *const *label; /* left of each row; wraps */
    const t2i_tile *tile;     /* (rows, columns) */
} t2i_contact_sheet;

/* Small pictures are enlarged by whole factors, large ones made smaller, so that a tile has 128 to
 * 256 pixels. Rows beyond what a picture may hold are left out, and a line at the bottom says how
 * many. Empty on failure. */
T2I_CHECKED t2i_status t2i_contact_sheet_draw(t2i_image *out, const t2i_contact_sheet *sheet,
                                              t2i_error *err);

/* "distance 1.8634", as a tile's note. */
#define T2I_NOTE 32
void t2i_contact_sheet_distance(char note[T2I_NOTE], double distance);

/* What training shows of itself: a row a prompt: prompt | decoded (where the dataset has a decoder)
 * | nearest | true. prediction (prompts, D); truth: the picture of each prompt. Written whole or
 * not at all. */
T2I_CHECKED t2i_status t2i_contact_sheet_samples(const char *path, const char *title,
                                                 t2i_gallery *gallery, const t2i_prompt *prompt,
                                                 size_t prompts, const float *prediction,
                                                 const uint32_t *truth, t2i_error *err);

/* Where a sheet of t2i_contact_sheet_samples has its pictures: that of row r and column c has its
 * top left corner at (left + c * across, top + r * down). */
typedef struct {
    size_t rows, columns; /* of the columns the last is the true one; 3 with decoded pictures */
    size_t tile, left, top, across, down;
} t2i_contact_sheet_grid;
/* 0 when a picture of that size is no such sheet. */
int t2i_contact_sheet_find_grid(size_t width, size_t height, t2i_contact_sheet_grid *out);

#endif
