#include "prepare/preview.h"

#include <stdio.h>
#include <string.h>

#include "draw/canvas.h"
#include "dataset/dataset.h"
#include "image/image.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "image/image_file.h"
#include "image/image_resize.h"

enum {
    COLUMNS = 10, /* upper limit */
    COLUMNS_MIN = 4,
    ROWS = 6,
    SIDE = 128, /* of a shown picture, in pixels */
    CELL = 152,
    LINES = 4, /* of a prompt */
    MARGIN = 24,
    CELL_HEIGHT = SIDE + 6 + LINES * T2I_FONT_HEIGHT + 14,
    HEAD_HEIGHT = 2 * T2I_FONT_HEIGHT + T2I_FONT_HEIGHT + 20, /* title and subtitle */
    SPLIT_HEIGHT = T2I_FONT_HEIGHT + 14,
    PROMPT_SHOWN = 400 /* bytes of a prompt that are read */
};
static const uint32_t INK = 0x202428, PALE = 0x6a7078, RULE = 0xd5d8dc;

typedef struct {
    t2i_dataset *dataset;
    const t2i_dataset_info *info;
    uint64_t pairs[T2I_SPLITS];
    size_t rows[T2I_SPLITS]; /* of the sheet */
    size_t columns;
    uint32_t *image; /* of each pair */
    uint8_t *split;
    uint64_t *begin; /* M + 1: where the pairs of each picture begin in `order` */
    uint32_t *order; /* pairs of one split, by picture */
    uint32_t *used;  /* pictures of that split */
    uint8_t *pixels; /* one picture */
    t2i_image sheet;
} preview;

/* ---- what to show ---- */

/* Gives one row to each split that has pairs, then each further row to the split with the most
 * pairs per row. */
static void share_rows(preview *p)
{
    size_t rows = 0;
    p->columns = COLUMNS_MIN;
    for (int s = 0; s < T2I_SPLITS; s++) {
        if (p->pairs[s] == 0) continue;
        p->rows[s] = 1;
        rows++;
        if (p->pairs[s] > p->columns)
            p->columns = p->pairs[s] < COLUMNS ? (size_t)p->pairs[s] : COLUMNS;
    }
    for (; rows < ROWS; rows++) {
        int best = -1;
        double most = 0;
        for (int s = 0; s < T2I_SPLITS; s++) {
            if (p->pairs[s] <= p->rows[s] * p->columns) continue;
            double each = (double)p->pairs[s] / (double)p->rows[s];
            if (each > most) most = each, best = s;
        }
        if (best < 0) return;
        p->rows[best]++;
    }
}

/* Orders the pairs of the split by picture; returns the number of its pictures. */
static size_t order_pairs(preview *p, int split)
{
    uint64_t pairs = p->info->pairs, images = p->info->images;
    size_t count = 0;
    memset(p->begin, 0, (size_t)(images + 1) * sizeof *p->begin);
    for (uint64_t i = 0; i < pairs; i++)
        if (p->split[i] == split) p->begin[p->image[i] + 1]++;
    for (uint64_t m = 0; m < images; m++) {
        if (p->begin[m + 1] > 0) p->used[count++] = (uint32_t)m;
        p->begin[m + 1] += p->begin[m];
    }
    for (uint64_t i = 0; i < pairs; i++)
        if (p->split[i] == split) p->order[p->begin[p->image[i]]++] = (uint32_t)i;
    for (uint64_t m = images; m > 0; m--)
        p->begin[m] = p->begin[m - 1]; /* undo the shift by the filling */
    p->begin[0] = 0;
    return count;
}

/* Pair k of the `cells` pairs to show. All pictures if they fit; otherwise one random picture from
 * each of `cells` equal parts, so that regular data is sampled evenly. The prompt of a picture
 * changes with k. */
static uint32_t choose(const preview *p, int split, size_t pictures, size_t k, size_t cells)
{
    if (p->pairs[split] <= cells) return p->order[k];
    double chance = t2i_rng_uniform(0, (uint64_t)split, k);
    size_t part = (size_t)(((double)k + chance) * (double)pictures / (double)cells);
    size_t at = pictures < cells ? k % pictures : part < pictures ? part : pictures - 1;
    size_t turn = pictures >= cells ? k : k / pictures;
    uint32_t picture = p->used[at];
    uint64_t prompts = p->begin[picture + 1] - p->begin[picture];
    return p->order[p->begin[picture] + turn % prompts];
}

/* ---- drawing ---- */

static t2i_status draw_picture(preview *p, uint32_t picture, long x, long y, t2i_error *err)
{
    size_t width = (size_t)p->info->encoder.width, height = (size_t)p->info->encoder.height;
    t2i_image whole = {.width = width, .height = height, .rgb = p->pixels}, small;
    size_t longer = width > height ? width : height;
    T2I_TRY(t2i_dataset_pixels(p->dataset, picture, 1, p->pixels, err));
    if (longer <= SIDE) {
        size_t factor = SIDE / longer;
        t2i_canvas_paste_scaled(&p->sheet, &whole, x, y, factor);
        t2i_canvas_frame(&p->sheet, x - 1, y - 1, (long)(width * factor) + 2,
                         (long)(height * factor) + 2, RULE);
        return T2I_OK;
    }
    size_t w = width * SIDE / longer, h = height * SIDE / longer;
    T2I_TRY(t2i_image_resize(&small, &whole, w > 0 ? w : 1, h > 0 ? h : 1, err));
    t2i_canvas_paste(&p->sheet, &small, x, y);
    t2i_canvas_frame(&p->sheet, x - 1, y - 1, (long)small.width + 2, (long)small.height + 2, RULE);
    t2i_image_free(&small);
    return T2I_OK;
}

static t2i_status draw_prompt(preview *p, uint32_t pair, long x, long y, t2i_error *err)
{
    uint64_t at[2];
    char text[PROMPT_SHOWN + 1] = "";
    T2I_TRY(t2i_dataset_prompt_offsets(p->dataset, pair, 1, at, err));
    uint64_t size = at[1] - at[0] < PROMPT_SHOWN ? at[1] - at[0] : PROMPT_SHOWN;
    T2I_TRY(t2i_dataset_prompt_bytes(p->dataset, at[0], size, text, err));
    size_t whole = t2i_utf8_valid(text, (size_t)size); /* the limit may have cut a character */
    text[whole] = '\0';
    for (size_t i = 0; i < whole; i++)
        if (text[i] == '\n' || text[i] == '\r' || text[i] == '\t' || text[i] == '\0') text[i] = ' ';
    if (size == 0)
        t2i_canvas_text_box(&p->sheet, x, y, SIDE, LINES, "(empty)", PALE);
    else
        t2i_canvas_text_box(&p->sheet, x, y, SIDE, LINES, text, INK);
    return T2I_OK;
}

static t2i_status draw_split(preview *p, int split, long *y, t2i_error *err)
{
    char text[160];
    size_t pictures = order_pairs(p, split);
    size_t cells = p->rows[split] * p->columns;
    if (p->pairs[split] < cells) cells = (size_t)p->pairs[split];
    snprintf(text, sizeof text, "%s: %llu pair%s, %zu picture%s", t2i_dataset_split_names[split],
             (unsigned long long)p->pairs[split], p->pairs[split] == 1 ? "" : "s", pictures,
             pictures == 1 ? "" : "s");
    t2i_canvas_fill(&p->sheet, MARGIN, *y, (long)p->sheet.width - 2 * MARGIN, 1, RULE);
    t2i_canvas_text(&p->sheet, MARGIN, *y + 7, text, 1, PALE);
    *y += SPLIT_HEIGHT;
    for (size_t k = 0; k < cells; k++) {
        uint32_t pair = choose(p, split, pictures, k, cells);
        long x = MARGIN + (long)(k % p->columns) * CELL;
        long top = *y + (long)(k / p->columns) * CELL_HEIGHT;
        T2I_TRY(draw_picture(p, p->image[pair], x + 1, top, err));
        T2I_TRY(draw_prompt(p, pair, x, top + SIDE + 6, err));
    }
    *y += (long)p->rows[split] * CELL_HEIGHT;
    return T2I_OK;
}

static t2i_status draw(preview *p, t2i_error *err)
{
    size_t height = HEAD_HEIGHT + MARGIN;
    for (int s = 0; s < T2I_SPLITS; s++)
        if (p->rows[s] > 0) height += SPLIT_HEIGHT + p->rows[s] * CELL_HEIGHT;
    T2I_TRY(t2i_image_new(&p->sheet, 2 * MARGIN + p->columns * CELL - (CELL - SIDE), height, err));
    char text[256];
    const char *path = t2i_dataset_path(p->dataset), *slash = strrchr(path, '/');
    t2i_canvas_text(&p->sheet, MARGIN, 16, slash == NULL ? path : slash + 1, 2, INK);
    snprintf(text, sizeof text, "%llu pairs, %llu pictures of %llu x %llu, %llu features by %s",
             (unsigned long long)p->info->pairs, (unsigned long long)p->info->images,
             (unsigned long long)p->info->encoder.width,
             (unsigned long long)p->info->encoder.height, (unsigned long long)p->info->features,
             p->info->encoder.encoder);
    t2i_canvas_text(&p->sheet, MARGIN, 16 + 2 * T2I_FONT_HEIGHT, text, 1, PALE);
    long y = HEAD_HEIGHT + 12;
    for (int s = 0; s < T2I_SPLITS; s++)
        if (p->rows[s] > 0) T2I_TRY(draw_split(p, s, &y, err));
    return T2I_OK;
}

/* ---- */

static t2i_status load(preview *p, t2i_error *err)
{
    const t2i_dataset_info *info = p->info;
    size_t pairs = (size_t)info->pairs, images = (size_t)info->images;
    if (!info->has_pixels)
        return t2i_fail(err, T2I_DATA,
                        "%s has no pictures to show: it was built from ready features",
                        t2i_dataset_path(p->dataset));
    p->image = t2i_alloc(pairs, sizeof *p->image);
    p->split = t2i_alloc(pairs, sizeof *p->split);
    p->order = t2i_alloc(pairs, sizeof *p->order);
    p->used = t2i_alloc(images, sizeof *p->used);
    p->begin = t2i_alloc(images + 1, sizeof *p->begin);
    p->pixels = t2i_alloc((size_t)(info->encoder.width * info->encoder.height), 3);
    if (p->image == NULL || p->split == NULL || p->order == NULL || p->used == NULL ||
        p->begin == NULL || p->pixels == NULL)
        return t2i_fail_memory(err, pairs * 9 + images * 12, "the pairs");
    T2I_TRY(t2i_dataset_pairs(p->dataset, 0, pairs, p->image, NULL, p->split, err));
    for (size_t i = 0; i < pairs; i++) p->pairs[p->split[i]]++;
    share_rows(p);
    return T2I_OK;
}

static t2i_status write_sheet(const preview *p, const char *path, const char *out, t2i_error *err)
{
    t2i_text name = {0};
    if (out == NULL) {
        const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
        int stem =
            dot == NULL || (slash != NULL && dot < slash) ? (int)strlen(path) : (int)(dot - path);
        T2I_TRY(t2i_text_addf(&name, err, "%.*s.png", stem, path));
    }
    const char *target = out == NULL ? name.data : out;
    t2i_status status = t2i_fs_keep_input(path, "--out", target, err);
    if (status == T2I_OK) status = t2i_image_file_write(&p->sheet, target, err);
    if (status == T2I_OK) t2i_log_note("wrote %s", target);
    t2i_text_free(&name);
    return status;
}

t2i_status t2i_preview(const char *path, const char *out, t2i_error *err)
{
    preview p = {.dataset = NULL};
    if (out != NULL) T2I_TRY(t2i_image_file_check_suffix(out, err));
    T2I_TRY(t2i_dataset_open(&p.dataset, path, err));
    p.info = t2i_dataset_get_info(p.dataset);
    t2i_status status = load(&p, err);
    if (status == T2I_OK) status = draw(&p, err);
    if (status == T2I_OK) status = write_sheet(&p, path, out, err);
    t2i_free(p.image);
    t2i_free(p.split);
    t2i_free(p.order);
    t2i_free(p.used);
    t2i_free(p.begin);
    t2i_free(p.pixels);
    t2i_image_free(&p.sheet);
    t2i_dataset_close(p.dataset);
    return status;
}
