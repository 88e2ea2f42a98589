#include "generate/explore.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "draw/html.h"
#include "generate/output.h"
#include "image/image_resize.h"
#include "model/predict.h"
#include "base/progress.h"
#include "dataset/prompts.h"
#include "retrieval/gallery_image.h"
#include "retrieval/loaded_model.h"

typedef struct {
    const t2i_generate_options *options;
    t2i_loaded_model model;
    t2i_packed_weights packed;
    t2i_prompts prompts;
    t2i_html page;
    size_t top, shown,
        own;         /* nearest pictures; prompts of the dataset and of the user on the page */
    float *features; /* D */
    float *place;    /* the prompt in the search space */
    t2i_metric metric;
    double *distance;     /* M */
    t2i_near *near;       /* top */
    t2i_fitting *fitting; /* room for the prompt with the most pairs */
    uint8_t *used;        /* M: 1 if the picture is on the page */
    size_t pictures;      /* number of pictures on the page */
} explorer;

static void free_explorer(explorer *x)
{
    t2i_free(x->features);
    t2i_free(x->place);
    t2i_free(x->distance);
    t2i_free(x->near);
    t2i_free(x->fitting);
    t2i_free(x->used);
    t2i_prompts_free(&x->prompts);
    t2i_html_free(&x->page);
    t2i_packed_weights_free(&x->packed);
    t2i_loaded_model_close(&x->model);
}

static t2i_status make_room(explorer *x, t2i_error *err)
{
    size_t M = x->model.gallery.images, most = 1;
    for (size_t p = 0; p < x->prompts.count; p++) {
        size_t pairs = x->prompts.first[p + 1] - x->prompts.first[p];
        if (pairs > most) most = pairs;
    }
    x->top = x->options->top < M ? x->options->top : M;
    x->features = t2i_alloc(x->model.gallery.features, sizeof *x->features);
    x->place = t2i_alloc(x->model.gallery.dim, sizeof *x->place);
    x->distance = t2i_alloc(M, sizeof *x->distance);
    x->near = t2i_alloc(x->top, sizeof *x->near);
    x->fitting = t2i_alloc(most, sizeof *x->fitting);
    x->used = t2i_alloc(M, 1);
    if (x->features == NULL || x->place == NULL || x->distance == NULL || x->near == NULL ||
        x->fitting == NULL || x->used == NULL)
        return t2i_fail_memory(err, M * sizeof *x->distance, "the page");
    return T2I_OK;
}

/* Reduces a picture to at most T2I_EXPLORE_SIDE pixels in width and height. */
static t2i_status make_small(t2i_image *picture, t2i_error *err)
{
    size_t side = picture->width > picture->height ? picture->width : picture->height;
    if (side <= T2I_EXPLORE_SIDE) return T2I_OK;
    size_t width = picture->width * T2I_EXPLORE_SIDE / side,
           height = picture->height * T2I_EXPLORE_SIDE / side;
    t2i_image small;
    T2I_TRY(t2i_image_resize(&small, picture, width > 0 ? width : 1, height > 0 ? height : 1, err));
    t2i_image_free(picture);
    *picture = small;
    return T2I_OK;
}

static t2i_status put_drawing(explorer *x, t2i_error *err)
{
    t2i_image drawn;
    const char *from;
    T2I_TRY(t2i_gallery_draw(&x->model.gallery, x->features, x->place, &drawn, &from, err));
    t2i_status status = make_small(&drawn, err);
    if (status == T2I_OK) {
        t2i_html_put(&x->page, "<figure><i style=\"background-image:url(");
        t2i_html_picture(&x->page, &drawn);
        t2i_html_put(&x->page, ")\"></i>drawn");
        if (x->model.gallery.trains != NULL) t2i_html_put(&x->page, ":<br/>%s", from);
        t2i_html_put(&x->page, "</figure>");
    }
    t2i_image_free(&drawn);
    return status;
}

static int is_right(const explorer *x, size_t fitting, size_t image)
{
    for (size_t i = 0; i < fitting; i++)
        if (x->fitting[i].image == image) return 1;
    return 0;
}

/* A name of a file that may break after punctuation, as it often has no blanks. */
static void put_name(t2i_html *page, const char *name)
{
    for (size_t size; *name != '\0'; name += size) {
        size = strcspn(name, "-_/");
        size += name[size] != '\0';
        t2i_html_text(page, name, size);
        t2i_html_put(page, "<wbr/>");
    }
}

static t2i_status put_near(explorer *x, size_t k, size_t fitting, t2i_error *err)
{
    char *name = NULL;
    size_t image = x->near[k].image;
    T2I_TRY(t2i_dataset_image_name(x->model.dataset, image, &name, err));
    t2i_html_put(&x->page, "<figure%s>", is_right(x, fitting, image) ? " class=\"right\"" : "");
    t2i_html_put(&x->page, "<i class=\"p%zu\"></i>%.4f<br/>", image, x->near[k].distance);
    put_name(&x->page, name);
    t2i_html_put(&x->page, "</figure>");
    x->pictures += !x->used[image];
    x->used[image] = 1;
    t2i_free(name);
    return T2I_OK;
}

/* Writes the rank of the nearest picture that fits the prompt. */
static void put_rank(explorer *x, size_t fitting)
{
    size_t M = x->model.gallery.images, rank = 1;
    if (fitting == 0) return;
    double best = x->distance[x->fitting[0].image];
    for (size_t i = 1; i < fitting; i++)
        if (x->distance[x->fitting[i].image] < best) best = x->distance[x->fitting[i].image];
    for (size_t m = 0; m < M; m++) rank += x->distance[m] < best;
    t2i_html_put(&x->page, ", right picture: no. %zu of %zu", rank, M);
}

/* fitting: number of right pictures in x->fitting; note: origin of the prompt. */
static t2i_status put_answer(explorer *x, t2i_prompt prompt, size_t fitting, const char *note,
                             t2i_error *err)
{
    t2i_gallery *gallery = &x->model.gallery;
    T2I_TRY(t2i_predict_packed(&x->packed, &x->model.checkpoint.vocab, &prompt, 1, x->features,
                               x->place, NULL, err));
    t2i_gallery_distances(gallery, x->metric, x->place, 1, x->distance);
    t2i_gallery_nearest(x->distance, gallery->images, x->top, x->near);
    t2i_html_put(&x->page, "<section class=\"answer\"><h3>");
    if (prompt.size == 0)
        t2i_html_put(&x->page, "(empty prompt)");
    else
        t2i_html_text(&x->page, prompt.bytes, prompt.size);
    t2i_html_put(&x->page, " <small>%s", note);
    put_rank(x, fitting);
    t2i_html_put(&x->page, "</small></h3><div class=\"row\">");
    if (t2i_gallery_decodes(gallery)) T2I_TRY(put_drawing(x, err));
    for (size_t k = 0; k < x->top; k++) T2I_TRY(put_near(x, k, fitting, err));
    t2i_html_put(&x->page, "</div></section>\n");
    return T2I_OK;
}

static t2i_status put_dataset(explorer *x, t2i_error *err)
{
    size_t count = x->prompts.count,
           some = count < T2I_EXPLORE_PROMPTS ? count : T2I_EXPLORE_PROMPTS;
    t2i_text text = {0};
    t2i_status status = T2I_OK;
    t2i_progress progress;
    t2i_progress_begin(&progress, "predicting");
    for (size_t i = 0; i < some && status == T2I_OK; i++) {
        size_t p = i * count / some, pair = x->prompts.first[p];
        if (x->pictures + x->top > T2I_EXPLORE_PICTURES) break;
        status = t2i_prompts_text(x->model.dataset, pair, &text, err);
        int split = x->prompts.split[pair];
        size_t fitting = t2i_prompts_fitting(&x->prompts, p, split, x->fitting);
        if (status == T2I_OK)
            status = put_answer(x, (t2i_prompt){text.data, text.size}, fitting,
                                t2i_dataset_split_names[split], err);
        x->shown++;
        t2i_progress_at(&progress, (double)(i + 1) / (double)some);
    }
    t2i_progress_end(&progress);
    t2i_text_free(&text);
    return status;
}

static t2i_status put_own(explorer *x, t2i_error *err)
{
    for (size_t i = 0; i < x->options->prompts; i++) {
        const char *text = x->options->prompt[i];
        const t2i_prompt prompt = {text, strlen(text)};
        T2I_TRY(put_answer(x, prompt, 0, "your prompt", err));
        x->own++;
    }
    return T2I_OK;
}

/* Writes each picture once, however many prompts show it. */
static t2i_status put_pictures(explorer *x, t2i_error *err)
{
    const t2i_gallery *gallery = &x->model.gallery;
    t2i_status status = T2I_OK;
    t2i_html_put(&x->page, "<style>\n");
    for (size_t m = 0; m < gallery->images && t2i_gallery_shows(gallery) && status == T2I_OK; m++) {
        t2i_image picture;
        if (!x->used[m]) continue;
        T2I_TRY(t2i_gallery_picture(gallery, m, &picture, err));
        status = make_small(&picture, err);
        if (status == T2I_OK) {
            t2i_html_put(&x->page, ".row .p%zu{background-image:url(", m);
            t2i_html_picture(&x->page, &picture);
            t2i_html_put(&x->page, ")}\n");
        }
        t2i_image_free(&picture);
    }
    t2i_html_put(&x->page, "</style>\n");
    return status;
}

static void put_head(explorer *x)
{
    t2i_html_begin(&x->page, "Generated and nearest pictures");
    t2i_html_put(&x->page, "<h1>");
    t2i_html_word(&x->page, x->options->source);
    t2i_html_put(
        &x->page,
        "</h1>\n<p class=\"pale\">Pictures drawn by the model of step %ld, and the nearest of %zu "
        "pictures by %s distance. Pictures that fit the prompt are "
        "<span class=\"right\">green</span>.</p>\n"
        "<div class=\"ask\"><input type=\"search\" placeholder=\"type to filter the "
        "prompts\" aria-label=\"filter\" hidden=\"hidden\"/> <small "
        "id=\"count\"></small></div>\n",
        x->model.checkpoint.run.step, x->model.gallery.images,
        x->metric == T2I_COSINE ? "cosine" : "Euclidean");
    t2i_html_put(&x->page,
                 "<p id=\"none\" hidden=\"hidden\">No prompt on this page has all of these "
                 "words. Type fewer or other words, or ask the model: <code>t2i-generate ");
    t2i_html_word(&x->page, x->options->source);
    t2i_html_put(&x->page, " &quot;<span id=\"asked\"></span>&quot;</code></p>\n");
}

static t2i_status explore(explorer *x, const char *path, t2i_error *err)
{
    T2I_TRY(t2i_output_is_free(path, x->options->force, err));
    T2I_TRY(t2i_loaded_model_open(&x->model, x->options->source, x->options->data, err));
    x->metric = x->options->metric_of_run ? t2i_loaded_model_metric(&x->model.checkpoint)
                                          : x->options->metric;
    T2I_TRY(t2i_packed_weights_of(&x->packed, &x->model.checkpoint.model,
                                  x->model.checkpoint.weights, err));
    T2I_TRY(t2i_gallery_load(&x->model.gallery, &x->packed, err));
    T2I_TRY(t2i_prompts_new(&x->prompts, x->model.dataset, err));
    T2I_TRY(make_room(x, err));
    put_head(x);
    T2I_TRY(put_own(x, err));
    T2I_TRY(put_dataset(x, err));
    t2i_html_put(&x->page,
                 "<p class=\"pale\">The page has %zu of the %zu distinct prompts and %zu of the "
                 "%zu pictures of the dataset.</p>\n",
                 x->shown, x->prompts.count, x->pictures, x->model.gallery.images);
    T2I_TRY(put_pictures(x, err));
    t2i_html_end(&x->page);
    double size = (double)x->page.text.size / 1e6;
    T2I_TRY(t2i_html_write(&x->page, path, err));
    t2i_log_note(
        "wrote %s: %.1f MB, %zu prompts of yours, %zu of %zu prompts and %zu of %zu pictures of "
        "the dataset",
        path, size, x->own, x->shown, x->prompts.count, x->pictures, x->model.gallery.images);
    return T2I_OK;
}

t2i_status t2i_explore(const t2i_generate_options *options, const char *path, t2i_error *err)
{
    explorer x = {.options = options};
    t2i_status status = explore(&x, path, err);
    free_explorer(&x);
    return status;
}
