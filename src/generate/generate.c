#include "generate/generate.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/commit.h"
#include "base/fs.h"
#include "formats/json.h"
#include "formats/npy.h"
#include "generate/output.h"
#include "generate/prompt_list.h"
#include "base/log.h"
#include "base/mem.h"
#include "image/image_file.h"
#include "library/library_internal.h"
#include "retrieval/contact_sheet.h"
#include "retrieval/hybrid_search.h"
#include "retrieval/loaded_model.h"

/* Results of one prompt. */
typedef struct {
    char *unknown;     /* distinct unknown characters */
    t2i_near *near;    /* top */
    double *score;     /* top; NULL without the text index: near[k].distance orders the pictures */
    double *in_index;  /* top; likewise: scores of the index alone, NaN without a document */
    const char **name; /* top; the index's */
    t2i_image *shown;  /* top; empty if the dataset has no pixels */
    t2i_image decoded; /* empty if the dataset has no decoder */
    char *file;        /* of the decoded picture; NULL before it is written */
    const char *drawn; /* what it is drawn from (drawing.h); NULL without a decoder */
} answer;

/* Prompts whose pictures stay in memory: as many rows as a sheet has at most, and more. */
enum { KEPT = 256 };

typedef struct {
    const t2i_generate_options *options;
    t2i_predictor *model;
    t2i_index *index;
    const t2i_index_info *pictures;
    t2i_text_index text_index; /* with_index; else empty */
    t2i_hybrid_search hybrid;  /* likewise */
    double weight;             /* of the text index */
    t2i_metric metric;
    size_t top;
    t2i_output_options output;
    char *sheet;     /* path of the sheet; NULL before it is written */
    float *features; /* (prompts, D) */
    float *place;    /* (prompts, place_size) */
    answer *answer;  /* prompts */
} session;

static void free_answers(session *s)
{
    for (size_t i = 0; s->answer != NULL && i < s->options->prompts; i++) {
        answer *a = &s->answer[i];
        for (size_t k = 0; a->shown != NULL && k < s->top; k++) t2i_image_free(&a->shown[k]);
        t2i_image_free(&a->decoded);
        t2i_free(a->unknown);
        t2i_free(a->near);
        t2i_free(a->score);
        t2i_free(a->in_index);
        t2i_free(a->name);
        t2i_free(a->shown);
        t2i_free(a->file);
    }
    t2i_free(s->answer);
    t2i_free(s->features);
    t2i_free(s->place);
    t2i_free(s->sheet);
    s->answer = NULL;
    s->features = NULL;
    s->place = NULL;
    s->sheet = NULL;
}

/* ---- unknown characters ---- */

static t2i_status warn_unknown(const session *s, size_t number, const char *unknown, t2i_error *err)
{
    const t2i_vocab *vocab = &t2i_predictor_checkpoint(s->model)->vocab;
    t2i_text list = {0};
    t2i_status status = T2I_OK;
    uint32_t code = 0;
    for (size_t at = 0, length, size = strlen(unknown); at < size && status == T2I_OK;
         at += length) {
        length = t2i_utf8_decode(unknown + at, size - at, &code);
        const char *comma = at == 0 ? "" : ", ";
        status = t2i_utf8_is_visible(code)
                     ? t2i_text_addf(&list, err, "%s'%.*s'", comma, (int)length, unknown + at)
                     : t2i_text_addf(&list, err, "%sU+%04X", comma, (unsigned)code);
    }
    if (status == T2I_OK)
        t2i_log_warn(
            "prompt %zu has characters that are not in the model's vocabulary: %s (read as %s)",
            number, list.data, vocab->name[vocab->unknown]);
    t2i_text_free(&list);
    return status;
}

static t2i_status warn_about_prompts(session *s, t2i_error *err)
{
    size_t limit = t2i_predictor_get_info(s->model)->prompt_length, cut;
    for (size_t i = 0; i < s->options->prompts; i++) {
        const char *prompt = s->options->prompt[i];
        char *unknown = s->answer[i].unknown = t2i_alloc(strlen(prompt) + 1, 1);
        if (unknown == NULL) return t2i_fail_memory(err, strlen(prompt), "a prompt");
        T2I_TRY(t2i_predictor_examine(s->model, prompt, &cut, unknown, err));
        if (cut > 0)
            t2i_log_warn("prompt %zu is truncated to its first %zu characters, the model's "
                         "block-size; %zu are left out",
                         i + 1, limit, cut);
        if (unknown[0] != '\0') T2I_TRY(warn_unknown(s, i + 1, unknown, err));
    }
    return T2I_OK;
}

/* ---- answers ---- */

static t2i_status make_room(session *s, t2i_error *err)
{
    size_t n = s->options->prompts, D = s->pictures->features;
    s->features = t2i_alloc(n, D * sizeof *s->features);
    s->place = t2i_alloc(n, s->pictures->place_size * sizeof *s->place);
    s->answer = t2i_alloc(n, sizeof *s->answer);
    if (s->features == NULL || s->place == NULL || s->answer == NULL)
        return t2i_fail_memory(err, n * D * sizeof *s->features, "the predictions");
    for (size_t i = 0; i < n; i++) {
        answer *a = &s->answer[i];
        a->near = t2i_alloc(s->top, sizeof *a->near);
        a->name = t2i_alloc(s->top, sizeof *a->name);
        a->shown = t2i_alloc(s->top, sizeof *a->shown);
        if (a->near == NULL || a->name == NULL || a->shown == NULL)
            return t2i_fail_memory(err, s->top * sizeof *a->shown, "the nearest pictures");
    }
    return T2I_OK;
}

/* Draws prompt i. */
static t2i_status draw(const session *s, size_t i, answer *a, t2i_error *err)
{
    T2I_TRY(t2i_image_new(&a->decoded, s->pictures->width, s->pictures->height, err));
    return t2i_index_draw(s->index, s->features + i * s->pictures->features,
                          s->place + i * s->pictures->place_size, a->decoded.rgb, &a->drawn, err);
}

/* Reads the name of a nearest picture and, if the dataset has any, its pixels. */
static t2i_status show(const session *s, answer *a, size_t k, t2i_error *err)
{
    size_t image = a->near[k].image;
    T2I_TRY(t2i_index_name(s->index, image, &a->name[k], err));
    if (!s->pictures->has_pixels) return T2I_OK;
    T2I_TRY(t2i_image_new(&a->shown[k], s->pictures->width, s->pictures->height, err));
    return t2i_index_picture(s->index, image, a->shown[k].rgb, err);
}

/* Finds the pictures of prompt i by model and text index. */
static t2i_status find_with_index(session *s, size_t i, answer *a, t2i_error *err)
{
    const char *prompt = s->options->prompt[i];
    const t2i_hybrid_search *hybrid = &s->hybrid;
    a->score = t2i_alloc(s->top, sizeof *a->score);
    a->in_index = t2i_alloc(s->top, sizeof *a->in_index);
    if (a->score == NULL || a->in_index == NULL)
        return t2i_fail_memory(err, s->top * sizeof *a->score, "the nearest pictures");
    T2I_TRY(t2i_hybrid_search_ask(&s->hybrid, prompt, strlen(prompt),
                                  s->place + i * s->pictures->place_size, err));
    T2I_TRY(t2i_hybrid_search_first(hybrid, s->weight, s->top, a->near, err));
    for (size_t k = 0; k < s->top; k++) {
        size_t image = a->near[k].image;
        a->score[k] = t2i_hybrid_search_score(hybrid, s->weight, image);
        a->in_index[k] = t2i_text_index_has(&s->text_index, image) ? hybrid->text[image] : NAN;
    }
    return T2I_OK;
}

static t2i_status find_nearest(session *s, size_t i, answer *a, t2i_error *err)
{
    const float *place = s->place + i * s->pictures->place_size;
    if (s->options->with_index) return find_with_index(s, i, a, err);
    return t2i_index_nearest_places(s->index, s->metric, place, 1, s->top, a->near, err);
}

/* Finds the answer to prompt i. */
static t2i_status find_answer(session *s, size_t i, t2i_error *err)
{
    answer *a = &s->answer[i];
    T2I_TRY(find_nearest(s, i, a, err));
    if (s->pictures->has_decoder) T2I_TRY(draw(s, i, a, err));
    for (size_t k = 0; k < s->top; k++) T2I_TRY(show(s, a, k, err));
    return T2I_OK;
}

static void forget_pictures(const session *s, answer *a)
{
    for (size_t k = 0; k < s->top; k++) t2i_image_free(&a->shown[k]);
    t2i_image_free(&a->decoded);
}

/* ---- the sheet ---- */

/* What orders the pictures: for titles. */
static const char *order_name(const session *s)
{
    if (s->options->with_index) return "cosine similarity and text index";
    return s->metric == T2I_COSINE ? "cosine distance" : "Euclidean distance";
}

/* The score of a picture with the text index, else its distance. */
static double shown_value(const answer *a, size_t k)
{
    return a->score != NULL ? a->score[k] : a->near[k].distance;
}

/* Texts of the sheet. */
typedef struct {
    char title[160];
    const char **heading;   /* columns */
    t2i_tile *tile;         /* (prompts, columns) */
    char (*word)[T2I_NOTE]; /* ranks, then distances */
} words;

/* May drawings be made in more than one way? */
static int has_choice(const session *s)
{
    return t2i_predictor_checkpoint(s->model)->model.config.embed_dim > 0;
}

static void fill_words(const session *s, words *w, size_t columns, size_t from)
{
    char(*rank)[T2I_NOTE] = w->word, (*distance)[T2I_NOTE] = w->word + s->top;
    snprintf(w->title, sizeof w->title, "The nearest of %zu pictures, by %s", s->pictures->pictures,
             order_name(s));
    if (from > 0) w->heading[0] = "decoded";
    for (size_t k = 0; k < s->top; k++) {
        snprintf(rank[k], sizeof rank[k], k == 0 ? "nearest" : "%zu", k + 1);
        w->heading[from + k] = rank[k];
    }
    for (size_t i = 0; i < s->options->prompts; i++) {
        const answer *a = &s->answer[i];
        t2i_tile *tile = w->tile + i * columns;
        if (from > 0) tile[0] = (t2i_tile){&a->decoded, has_choice(s) ? a->drawn : NULL, NULL};
        for (size_t k = 0; k < s->top; k++, distance++) {
            if (a->score != NULL)
                snprintf(*distance, sizeof *distance, "score %.4f", a->score[k]);
            else
                t2i_contact_sheet_distance(*distance, a->near[k].distance);
            tile[from + k] = (t2i_tile){&a->shown[k], a->name[k], *distance};
        }
    }
}

static t2i_status write_sheet(const session *s, const char *path, t2i_error *err)
{
    size_t from = s->pictures->has_decoder ? 1 : 0, columns = from + s->top,
           n = s->options->prompts;
    words w = {.heading = t2i_alloc(columns, sizeof *w.heading),
               .tile = t2i_alloc(n * columns, sizeof *w.tile),
               .word = t2i_alloc((n + 1) * s->top, sizeof *w.word)};
    t2i_image picture = {0};
    t2i_status status;
    if (w.heading == NULL || w.tile == NULL || w.word == NULL) {
        status = t2i_fail_memory(err, n * columns * sizeof *w.tile, "the sheet");
    } else {
        fill_words(s, &w, columns, from);
        const t2i_contact_sheet sheet = {w.title, w.heading,          columns,
                                         n,       s->options->prompt, w.tile};
        status = t2i_contact_sheet_draw(&picture, &sheet, err);
        if (status == T2I_OK) status = t2i_image_file_write(&picture, path, err);
    }
    t2i_image_free(&picture);
    t2i_free(w.heading);
    t2i_free(w.tile);
    t2i_free(w.word);
    return status;
}

/* ---- files ---- */

/* Writes the predicted features. */
static t2i_status write_vectors(const session *s, t2i_error *err)
{
    size_t n = s->options->prompts, D = s->pictures->features;
    char header[T2I_NPY_HEADER];
    t2i_fs_out out;
    t2i_npy_header(header, n, D);
    T2I_TRY(t2i_fs_out_open(&out, s->options->vectors, err));
    t2i_status status = t2i_fs_out_write(&out, header, sizeof header, err);
    if (status == T2I_OK)
        status = t2i_fs_out_write(&out, s->features, n * D * sizeof *s->features, err);
    if (status == T2I_OK) return t2i_commit(&out, err);
    t2i_fs_out_drop(&out);
    return status;
}

static t2i_status write_drawing(const session *s, const char *sheet, size_t i, t2i_error *err)
{
    answer *a = &s->answer[i];
    int again = a->decoded.rgb == NULL; /* it was not kept */
    char *path = t2i_output_drawing(sheet, i + 1, err);
    t2i_status status = path == NULL ? T2I_SYSTEM : T2I_OK;
    if (status == T2I_OK && again) status = draw(s, i, a, err);
    if (status == T2I_OK) status = t2i_image_file_write(&a->decoded, path, err);
    if (again) t2i_image_free(&a->decoded);
    if (status == T2I_OK)
        a->file = path;
    else
        t2i_free(path);
    return status;
}

static t2i_status write_files(session *s, t2i_error *err)
{
    const t2i_generate_options *o = s->options;
    char *sheet;
    if (o->vectors != NULL) T2I_TRY(write_vectors(s, err));
    if (o->vectors != NULL && o->out == NULL) return T2I_OK;
    T2I_TRY(t2i_output_choose(&s->output, o->prompt, o->prompts, &sheet, err));
    t2i_status status = T2I_OK;
    for (size_t i = 0; i < s->output.drawings && status == T2I_OK; i++)
        status = write_drawing(s, sheet, i, err);
    if (status == T2I_OK) status = write_sheet(s, sheet, err);
    if (status == T2I_OK)
        s->sheet = sheet;
    else
        t2i_free(sheet);
    return status;
}

/* ---- the report ---- */

static t2i_json *answer_json(const session *s, size_t number)
{
    const answer *a = &s->answer[number];
    t2i_json *object = t2i_json_object(), *nearest = t2i_json_array(), *unknown = t2i_json_array();
    uint32_t code;
    for (size_t k = 0; k < s->top; k++) {
        t2i_json *near = t2i_json_object();
        t2i_json_set_string(near, "image", a->name[k]);
        t2i_json_set_real(near, "distance", a->near[k].distance);
        if (a->score != NULL) t2i_json_set_real(near, "index", a->in_index[k]);
        if (a->score != NULL) t2i_json_set_real(near, "score", a->score[k]);
        t2i_json_append(nearest, near);
    }
    for (size_t at = 0, length, size = strlen(a->unknown); at < size; at += length) {
        length = t2i_utf8_decode(a->unknown + at, size - at, &code);
        t2i_json_append(unknown, t2i_json_string(a->unknown + at, length));
    }
    t2i_json_set_string(object, "prompt", s->options->prompt[number]);
    t2i_json_set_string(object, "metric", s->metric == T2I_COSINE ? "cosine" : "euclidean");
    if (s->options->with_index) t2i_json_set_real(object, "index_weight", s->weight);
    t2i_json_set(object, "nearest", nearest);
    t2i_json_set(object, "decoded",
                 a->file == NULL ? t2i_json_null() : t2i_json_string(a->file, strlen(a->file)));
    t2i_json_set(object, "drawn",
                 a->drawn == NULL ? t2i_json_null() : t2i_json_string(a->drawn, strlen(a->drawn)));
    t2i_json_set(object, "unknown", unknown);
    return object;
}

static t2i_status report_json(const session *s, t2i_text *report, t2i_error *err)
{
    char *text = NULL;
    t2i_json *array = t2i_json_array();
    for (size_t i = 0; i < s->options->prompts; i++) t2i_json_append(array, answer_json(s, i));
    t2i_status status = t2i_json_text(array, 2, &text, err);
    t2i_json_free(array);
    if (status == T2I_OK) status = t2i_text_addf(report, err, "%s\n", text);
    t2i_free(text);
    return status;
}

/* Shows the decoded picture and as many of the nearest as fit into 80 columns. */
static t2i_status show_pictures(const session *s, const answer *a, t2i_text *report, t2i_error *err)
{
    enum { MOST = 4 };
    const t2i_image *picture[MOST];
    size_t count = 0, drawn = s->pictures->has_decoder ? 1 : 0;
    if (s->options->pictures == T2I_NO_PICTURES) return T2I_OK;
    if (drawn) picture[count++] = &a->decoded;
    for (size_t k = 0; k < s->top && count < MOST; k++) picture[count++] = &a->shown[k];
    T2I_TRY(t2i_terminal_row(report, s->options->pictures, picture, count, err));
    if (drawn) T2I_TRY(t2i_text_addf(report, err, "%-*s", T2I_CELLS_STEP, "drawn"));
    for (size_t k = 1; k + drawn <= count; k++)
        T2I_TRY(t2i_text_addf(report, err, "%-*zu", T2I_CELLS_STEP, k));
    return t2i_text_addf(report, err, "\n");
}

static t2i_status add_line(t2i_text *report, const char *before, const char *path, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(report, err, "%s", before));
    T2I_TRY(t2i_text_add_plain(report, path, strlen(path), err));
    return t2i_text_addf(report, err, "\n");
}

static t2i_status report_answer(const session *s, size_t i, t2i_text *report, t2i_error *err)
{
    const answer *a = &s->answer[i];
    const char *prompt = s->options->prompt[i];
    T2I_TRY(t2i_text_addf(report, err, "\""));
    T2I_TRY(t2i_text_add_plain(report, prompt, strlen(prompt), err));
    T2I_TRY(t2i_text_addf(report, err, "\"\n"));
    T2I_TRY(show_pictures(s, a, report, err));
    for (size_t k = 0; k < s->top; k++) {
        T2I_TRY(t2i_text_addf(report, err, "%4zu  %10.4f  ", k + 1, shown_value(a, k)));
        T2I_TRY(t2i_text_add_plain(report, a->name[k], strlen(a->name[k]), err));
        T2I_TRY(t2i_text_addf(report, err, "\n"));
    }
    if (a->drawn != NULL && has_choice(s))
        T2I_TRY(add_line(report, "      drawn: ", a->drawn, err));
    return t2i_text_addf(report, err, "\n");
}

static t2i_status report_order(const session *s, t2i_text *report, t2i_error *err)
{
    if (s->options->with_index)
        return t2i_text_addf(report, err,
                             "Score among %zu pictures: cosine similarity + %.10g x text index.\n",
                             s->pictures->pictures, s->weight);
    return t2i_text_addf(report, err, "%s distance to %zu pictures.\n",
                         s->metric == T2I_COSINE ? "Cosine" : "Euclidean", s->pictures->pictures);
}

/* Says where the files are. */
static t2i_status report_files(const session *s, t2i_text *report, t2i_error *err)
{
    size_t last = s->output.drawings;
    if (s->options->vectors != NULL)
        T2I_TRY(add_line(report, "Vectors: ", s->options->vectors, err));
    if (s->sheet == NULL) return T2I_OK;
    T2I_TRY(add_line(report, "Sheet: ", s->sheet, err));
    if (last == 0) return T2I_OK;
    T2I_TRY(add_line(report, last == 1 ? "Drawing: " : "First drawing: ", s->answer[0].file, err));
    return last == 1 ? T2I_OK : add_line(report, "Last drawing: ", s->answer[last - 1].file, err);
}

/* The text index of the dataset, and its weight in the model. */
static t2i_status open_text_index(session *s, t2i_error *err)
{
    t2i_prompts prompts;
    t2i_dataset *dataset = t2i_index_dataset(s->index);
    s->weight = t2i_predictor_checkpoint(s->model)->run.index_weight;
    if (!(s->weight > 0.0))
        return t2i_fail(err, T2I_USAGE,
                        "--index on: %s has no weight for the text index: t2i-train saves one in "
                        "model.safetensors with loss = contrastive, if the index improves the "
                        "scores of the validation prompts",
                        t2i_predictor_get_info(s->model)->path);
    T2I_TRY(t2i_prompts_new(&prompts, dataset, err));
    t2i_status status = t2i_text_index_new(&s->text_index, dataset, &prompts, err);
    t2i_prompts_free(&prompts);
    T2I_TRY(status);
    return t2i_hybrid_search_new(&s->hybrid, t2i_index_gallery(s->index), &s->text_index, err);
}

static t2i_status open_session(session *s, t2i_error *err)
{
    const t2i_generate_options *o = s->options;
    char *path;
    T2I_TRY(t2i_predictor_open(&s->model, o->source, err));
    const t2i_checkpoint *checkpoint = t2i_predictor_checkpoint(s->model);
    T2I_TRY(t2i_loaded_model_dataset(o->source, o->data, checkpoint, &path, err));
    t2i_status status = t2i_index_open_for(&s->index, path, s->model, err);
    t2i_free(path);
    T2I_TRY(status);
    s->pictures = t2i_index_get_info(s->index);
    s->top = o->top < s->pictures->pictures ? o->top : s->pictures->pictures;
    s->metric = o->metric_of_run ? t2i_loaded_model_metric(checkpoint) : o->metric;
    if (o->with_index) s->metric = T2I_COSINE;
    T2I_TRY(t2i_loaded_model_check(checkpoint, t2i_predictor_get_info(s->model)->path,
                                   t2i_index_dataset(s->index), err));
    return o->with_index ? open_text_index(s, err) : T2I_OK;
}

static void close_session(session *s)
{
    t2i_hybrid_search_free(&s->hybrid);
    t2i_text_index_free(&s->text_index);
    t2i_index_close(s->index);
    t2i_predictor_close(s->model);
}

/* Where the pictures of a call go. */
static t2i_output_options output_options(const t2i_generate_options *o, int number)
{
    return (t2i_output_options){.out = o->out,
                                .run = t2i_fs_is_folder(o->source) ? o->source : NULL,
                                .number = number,
                                .force = o->force,
                                .drawings = o->prompts};
}

/* Prints a text and empties it. */
static t2i_status say(const session *s, t2i_text *text, t2i_error *err)
{
    t2i_status status = text->size == 0 ? T2I_OK : s->options->print(s->options, text->data, err);
    t2i_text_free(text);
    return status;
}

static t2i_status say_answers(session *s, t2i_text *text, t2i_error *err)
{
    for (size_t i = 0; i < s->options->prompts; i++) {
        T2I_TRY(find_answer(s, i, err));
        if (!s->options->json) T2I_TRY(report_answer(s, i, text, err));
        if (i >= KEPT) forget_pictures(s, &s->answer[i]);
        if (!s->options->json) T2I_TRY(say(s, text, err));
    }
    if (s->options->json) return T2I_OK;
    T2I_TRY(report_order(s, text, err));
    return say(s, text, err);
}

/* Prints the answers, whether or not the files can be written: text before they are written, JSON,
 * which names them, after. */
static t2i_status answer_all(session *s, t2i_text *text, t2i_error *err)
{
    const t2i_generate_options *o = s->options;
    T2I_TRY(make_room(s, err));
    if (!s->pictures->has_decoder) s->output.drawings = 0;
    T2I_TRY(t2i_predictor_place(s->model, o->prompt, o->prompts, s->features, s->place, err));
    T2I_TRY(warn_about_prompts(s, err));
    T2I_TRY(say_answers(s, text, err));
    t2i_error why;
    t2i_status written = write_files(s, &why), status = T2I_OK;
    if (o->json)
        status = report_json(s, text, err);
    else if (written == T2I_OK)
        status = report_files(s, text, err);
    if (status == T2I_OK) status = say(s, text, err);
    if (status == T2I_OK && written != T2I_OK) status = t2i_fail(err, written, "%s", why.text);
    return status;
}

static t2i_status answer_prompts(session *s, t2i_error *err)
{
    t2i_text text = {0};
    t2i_status status = answer_all(s, &text, err);
    t2i_text_free(&text);
    free_answers(s);
    return status;
}

static t2i_status keep_inputs(const t2i_generate_options *o, t2i_error *err)
{
    const char *const inputs[] = {o->source, o->data};
    for (int i = 0; i < 2; i++) {
        T2I_TRY(t2i_fs_keep_input(inputs[i], "--out", o->out, err));
        T2I_TRY(t2i_fs_keep_input(inputs[i], "--vectors", o->vectors, err));
    }
    return T2I_OK;
}

t2i_status t2i_generate(const t2i_generate_options *options, t2i_error *err)
{
    T2I_ASSERT(options->top >= 1 && options->prompts >= 1);
    session s = {.options = options, .output = output_options(options, 0)};
    t2i_status status = keep_inputs(options, err);
    if (status == T2I_OK) status = t2i_output_check(&s.output, err);
    if (status == T2I_OK && options->vectors != NULL)
        status = t2i_output_is_free(options->vectors, options->force, err);
    if (status == T2I_OK) status = open_session(&s, err);
    if (status == T2I_OK) status = answer_prompts(&s, err);
    close_session(&s);
    return status;
}

t2i_status t2i_generate_print(const t2i_generate_options *options, const char *text, t2i_error *err)
{
    return options->pictures == T2I_NO_PICTURES ? t2i_log_print(text, err)
                                                : t2i_log_print_drawing(text, err);
}

/* Answers one line of input, without its line end. */
static t2i_status answer_line(session *s, const char *line, t2i_error *err)
{
    const t2i_generate_options *all = s->options;
    t2i_generate_options options = *all;
    t2i_error why;
    options.prompt = &line;
    options.prompts = 1;
    if (t2i_prompt_list_check(line, "the prompt", &why) != T2I_OK) {
        t2i_log_warn("%s", why.text);
        return T2I_OK;
    }
    s->options = &options;
    s->output = output_options(&options, 1);
    t2i_status status = answer_prompts(s, err);
    s->options = all;
    if (status != T2I_CANTCREATE) return status;
    t2i_log_warn("%s", err->text);
    return T2I_OK;
}

t2i_status t2i_generate_interactive(const t2i_generate_options *options, t2i_error *err)
{
    T2I_ASSERT(options->top >= 1);
    session s = {.options = options, .output = output_options(options, 1)};
    char line[4096];
    t2i_status status = t2i_output_check(&s.output, err);
    if (status == T2I_OK) status = open_session(&s, err);
    if (status == T2I_OK) t2i_log_note("type a prompt; an empty line or Ctrl-D ends");
    while (status == T2I_OK) {
        status = t2i_log_print("prompt> ", err);
        if (status != T2I_OK || fgets(line, sizeof line, stdin) == NULL) break;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0') break;
        status = answer_line(&s, line, err);
    }
    if (status == T2I_OK) status = t2i_log_print("\n", err);
    close_session(&s);
    return status;
}
