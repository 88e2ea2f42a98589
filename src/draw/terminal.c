#include "draw/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "draw/html.h"
#include "image/image_png.h"
#include "image/image_resize.h"

enum { CHUNK = 4096 }; /* bytes of base64 per command of the kitty protocol */

static int is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

t2i_pictures t2i_terminal_pictures(void)
{
    const char *term = getenv("TERM");
    if (!isatty(STDOUT_FILENO) || is_set("NO_COLOR") || term == NULL || term[0] == '\0' ||
        strcmp(term, "dumb") == 0)
        return T2I_NO_PICTURES;
    if (is_set("TMUX") || is_set("STY")) return T2I_HALF_BLOCKS;
    int kitty = is_set("KITTY_WINDOW_ID") || strcmp(term, "xterm-kitty") == 0 ||
                strcmp(term, "xterm-ghostty") == 0;
    return kitty ? T2I_KITTY : T2I_HALF_BLOCKS;
}

/* ---- half-blocks ---- */

/* A line of a small picture: the upper pixel is the foreground, the lower the background colour. */
static t2i_status add_cells(t2i_text *out, const t2i_image *small, size_t line, t2i_error *err)
{
    const uint8_t *upper = small->rgb + 2 * line * small->width * 3,
                  *lower = upper + small->width * 3;
    for (size_t x = 0; x < 3 * small->width; x += 3)
        T2I_TRY(t2i_text_addf(out, err, "\033[38;2;%d;%d;%d;48;2;%d;%d;%dm\xe2\x96\x80", upper[x],
                              upper[x + 1], upper[x + 2], lower[x], lower[x + 1], lower[x + 2]));
    return t2i_text_addf(out, err, "\033[0m%*s", T2I_CELLS_STEP - T2I_CELLS_WIDE, "");
}

/* Appends each line of a picture to line[i]. */
static t2i_status add_blocks(t2i_text line[T2I_CELLS_HIGH], const t2i_image *picture,
                             t2i_error *err)
{
    t2i_image small = {0};
    t2i_status status = T2I_OK;
    if (picture->rgb != NULL)
        status = t2i_image_resize(&small, picture, T2I_CELLS_WIDE, 2 * T2I_CELLS_HIGH, err);
    for (size_t i = 0; i < T2I_CELLS_HIGH && status == T2I_OK; i++)
        status = picture->rgb == NULL ? t2i_text_addf(&line[i], err, "%*s", T2I_CELLS_STEP, "")
                                      : add_cells(&line[i], &small, i, err);
    t2i_image_free(&small);
    return status;
}

static t2i_status half_blocks(t2i_text *out, const t2i_image *const *picture, size_t count,
                              t2i_error *err)
{
    t2i_text line[T2I_CELLS_HIGH] = {0};
    t2i_status status = T2I_OK;
    for (size_t i = 0; i < count && status == T2I_OK; i++)
        status = add_blocks(line, picture[i], err);
    for (size_t i = 0; i < T2I_CELLS_HIGH; i++) {
        if (status == T2I_OK) status = t2i_text_add(out, line[i].data, line[i].size, err);
        if (status == T2I_OK) status = t2i_text_add(out, "\n", 1, err);
        t2i_text_free(&line[i]);
    }
    return status;
}

/* ---- kitty ---- */

/* a=T: show; f=100: PNG; C=1: do not move the cursor; q=2: no reply. */
static t2i_status add_kitty(t2i_text *out, const t2i_text *base64, t2i_error *err)
{
    for (size_t at = 0; at < base64->size; at += CHUNK) {
        size_t left = base64->size - at, size = left < CHUNK ? left : CHUNK;
        if (at == 0)
            T2I_TRY(t2i_text_addf(out, err, "\033_Ga=T,f=100,C=1,q=2,c=%d,r=%d,m=%d;",
                                  T2I_CELLS_WIDE, T2I_CELLS_HIGH, left > CHUNK));
        else
            T2I_TRY(t2i_text_addf(out, err, "\033_Gm=%d;", left > CHUNK));
        T2I_TRY(t2i_text_add(out, base64->data + at, size, err));
        T2I_TRY(t2i_text_add(out, "\033\\", 2, err));
    }
    return T2I_OK;
}

static t2i_status kitty(t2i_text *out, const t2i_image *const *picture, size_t count,
                        t2i_error *err)
{
    /* makes room below first, because scrolling would move the pictures */
    for (size_t i = 0; i < T2I_CELLS_HIGH; i++) T2I_TRY(t2i_text_add(out, "\n", 1, err));
    T2I_TRY(t2i_text_addf(out, err, "\033[%dA", T2I_CELLS_HIGH));
    for (size_t i = 0; i < count; i++) {
        t2i_text png = {0}, base64 = {0};
        t2i_status status = T2I_OK;
        if (picture[i]->rgb != NULL) status = t2i_image_png_encode(picture[i], &png, err);
        if (status == T2I_OK) status = t2i_html_base64(&base64, png.data, png.size, err);
        if (status == T2I_OK) status = add_kitty(out, &base64, err);
        t2i_text_free(&png);
        t2i_text_free(&base64);
        T2I_TRY(status);
        T2I_TRY(t2i_text_addf(out, err, "\033[%dC", T2I_CELLS_STEP));
    }
    return t2i_text_addf(out, err, "\r\033[%dB", T2I_CELLS_HIGH);
}

t2i_status t2i_terminal_row(t2i_text *out, t2i_pictures how, const t2i_image *const *picture,
                            size_t count, t2i_error *err)
{
    if (how == T2I_KITTY) return kitty(out, picture, count, err);
    return how == T2I_HALF_BLOCKS ? half_blocks(out, picture, count, err) : T2I_OK;
}
