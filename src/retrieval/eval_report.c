#include <math.h>
#include <stdio.h>
#include <string.h>

#include "retrieval/eval.h"
#include "formats/json.h"
#include "base/mem.h"

static const struct {
    const char *key, *title, *distance;
} methods[T2I_METHODS] = {
    {"euclidean", "euclidean", "Euclidean distance"},
    {"cosine", "cosine", "cosine similarity"},
    {"mean", "mean feature", NULL},
    {"constant", "best constant", NULL},
    {"trigrams", "nearest prompt", NULL},
    {"text_index", "text index", NULL},
    {"hybrid", "cosine + index", NULL},
};

static const struct {
    const char *key, *title;
} ways[T2I_EVAL_WAYS] = {
    {"prediction", "predicted features"},      {"first", "first training picture"},
    {"weighted", "weighted mean of pictures"}, {"sure_first", "first if sure, else mean"},
    {"mixture", "prediction and mean"},        {"mean", "mean training feature"},
};

/* ---- warnings ---- */

#define COLLAPSED 0.05 /* upper limit of the spread of a collapsed model */

/* A picture is a hub if it is wrongly first for at least one prompt in twenty, and for at least ten
 * times as many as if all pictures were first equally often. */
static int is_hub(const t2i_eval_result *r, const t2i_hub *hub)
{
    double times = (double)hub->prompts, prompts = (double)r->prompts;
    return hub->prompts >= 3 && times >= 0.05 * prompts &&
           times >= 10.0 * prompts / (double)r->gallery;
}

/* With embed_dim all vectors have length 1: both distances order the pictures equally. */
static t2i_status warn_by(const t2i_eval_result *r, int metric, t2i_text *out, t2i_error *err)
{
    if (r->embed_dim > 0 && metric == T2I_BY_EUCLIDEAN) return T2I_OK;
    const t2i_hub *hub = &r->hub[metric];
    const char *by = methods[metric].distance, *split = t2i_dataset_split_names[r->split];
    if (is_hub(r, hub)) {
        T2I_TRY(t2i_text_addf(out, err, "%s: by %s, '", split, by));
        T2I_TRY(t2i_text_add_plain(out, hub->image, strlen(hub->image), err));
        T2I_TRY(t2i_text_addf(out, err,
                              "' is a hub: it is first for %zu of %zu prompts that it does not fit",
                              hub->prompts, r->prompts));
        if (r->embed_dim == 0)
            T2I_TRY(t2i_text_addf(out, err,
                                  "; t2i-generate --metric %s or training with loss = contrastive "
                                  "may help",
                                  methods[!metric].key));
        T2I_TRY(t2i_text_add(out, "\n", 1, err));
    }
    if (r->tied[metric] > 0 && 100 * r->tied[metric] >= r->prompts)
        T2I_TRY(
            t2i_text_addf(out, err,
                          "%s: by %s, %zu of %zu prompts have a wrong picture exactly as close as "
                          "the right one: such ties are in the order of the dataset\n",
                          split, by, r->tied[metric], r->prompts));
    return T2I_OK;
}

t2i_status t2i_eval_warnings(const t2i_eval_result *r, t2i_text *out, t2i_error *err)
{
    const char *split = t2i_dataset_split_names[r->split];
    if (r->prompts > 1 && r->spread < COLLAPSED)
        T2I_TRY(t2i_text_addf(
            out, err,
            "%s: all predictions are nearly equal (their spread is %.2g of that of the "
            "right pictures): the model has collapsed or has not learnt yet\n",
            split, r->spread));
    for (int metric = T2I_BY_EUCLIDEAN; metric <= T2I_BY_COSINE; metric++)
        T2I_TRY(warn_by(r, metric, out, err));
    if (r->unknown > 0)
        T2I_TRY(t2i_text_addf(out, err,
                              "%s: %zu of %zu prompts have characters that are not in the model's "
                              "vocabulary\n",
                              split, r->unknown, r->prompts));
    if (r->cut > 0)
        T2I_TRY(
            t2i_text_addf(out, err,
                          "%s: %zu of %zu prompts are longer than the model's block-size and were "
                          "truncated\n",
                          split, r->cut, r->prompts));
    return T2I_OK;
}

/* The way in which programs draw with this model: of ways. */
static t2i_drawing rule_of(const t2i_eval_result *r)
{
    return t2i_drawing_rule(r->embed_dim > 0 && r->drawn > 0);
}

/* ---- JSON ---- */

static t2i_json *scores_json(t2i_scores score)
{
    t2i_json *object = t2i_json_object();
    for (size_t k = 0; k < T2I_SCORE_KINDS; k++)
        t2i_json_set_real(object, t2i_scores_names[k], *t2i_scores_at(&score, k));
    return object;
}

static t2i_json *method_json(const t2i_eval_method *method)
{
    t2i_eval_method w = *method;
    t2i_json *object = scores_json(w.score), *ci = t2i_json_object();
    for (size_t k = 0; k < T2I_SCORE_KINDS; k++) {
        t2i_json *pair = t2i_json_array();
        t2i_json_append(pair, t2i_json_real(*t2i_scores_at(&w.low, k)));
        t2i_json_append(pair, t2i_json_real(*t2i_scores_at(&w.high, k)));
        t2i_json_set(ci, t2i_scores_names[k], pair);
    }
    t2i_json_set(object, "ci", ci);
    return object;
}

static t2i_json *model_json(const t2i_eval_result *r, int metric)
{
    t2i_json *object = method_json(&r->method[metric]), *hub = t2i_json_null();
    if (r->hub[metric].image != NULL) {
        hub = t2i_json_object();
        t2i_json_set_string(hub, "image", r->hub[metric].image);
        t2i_json_set_real(hub, "share", (double)r->hub[metric].prompts / (double)r->prompts);
    }
    t2i_json_set(object, "hub", hub);
    t2i_json_set_integer(object, "tied", (int64_t)r->tied[metric]);
    t2i_json_set(object, "minus_text_index",
                 r->has_training ? method_json(&r->minus_text_index[metric]) : t2i_json_null());
    return object;
}

static t2i_json *hybrid_json(const t2i_eval_result *r)
{
    if (!(r->index_weight > 0.0)) return t2i_json_null();
    t2i_json *object = method_json(&r->method[T2I_BY_HYBRID]);
    t2i_json_set_real(object, "index_weight", r->index_weight);
    t2i_json_set(object, "minus_text_index", method_json(&r->hybrid_minus_text_index));
    t2i_json_set(object, "minus_cosine", method_json(&r->hybrid_minus_cosine));
    return object;
}

static t2i_json *drawn_json(const t2i_eval_result *r)
{
    if (r->drawn == 0) return t2i_json_null();
    t2i_json *object = t2i_json_object();
    t2i_json_set_integer(object, "prompts", (int64_t)r->drawn);
    for (size_t way = 0; way < T2I_EVAL_WAYS; way++)
        t2i_json_set_real(object, ways[way].key, r->drawn_psnr[way]);
    return object;
}

static t2i_json *result_json(const t2i_eval_result *r)
{
    t2i_json *object = t2i_json_object(), *baselines = t2i_json_object();
    t2i_json_set_string(object, "split", t2i_dataset_split_names[r->split]);
    t2i_json_set_integer(object, "prompts", (int64_t)r->prompts);
    t2i_json_set_integer(object, "all_prompts", (int64_t)r->all_prompts);
    t2i_json_set_integer(object, "gallery", (int64_t)r->gallery);
    for (int w = T2I_BY_EUCLIDEAN; w <= T2I_BY_COSINE; w++)
        t2i_json_set(object, methods[w].key, model_json(r, w));
    t2i_json_set(object, methods[T2I_BY_HYBRID].key, hybrid_json(r));
    t2i_json_set_real(object, "decoded_psnr", r->decoded_psnr);
    t2i_json_set_real(object, "ceiling_psnr", r->ceiling_psnr);
    t2i_json_set_real(object, "nearest_psnr", r->nearest_psnr);
    t2i_json_set(object, "drawn_psnr", drawn_json(r));
    t2i_json_set(object, "drawn_by",
                 isnan(r->decoded_psnr)
                     ? t2i_json_null()
                     : t2i_json_string(ways[rule_of(r)].key, strlen(ways[rule_of(r)].key)));
    t2i_json_set_real(object, "spread", r->spread);
    t2i_json_set_integer(object, "unknown", (int64_t)r->unknown);
    t2i_json_set_integer(object, "cut", (int64_t)r->cut);
    t2i_json_set(baselines, "random", scores_json(r->random));
    for (int w = T2I_BY_MEAN; w <= T2I_BY_TEXT_INDEX; w++)
        t2i_json_set(baselines, methods[w].key,
                     r->has_training ? method_json(&r->method[w]) : t2i_json_null());
    t2i_json_set(object, "baselines", baselines);
    return object;
}

t2i_status t2i_eval_json(const t2i_eval_report *report, int as_array, t2i_text *out, t2i_error *err)
{
    char *text = NULL;
    t2i_json *all = as_array ? t2i_json_array() : result_json(&report->result[0]);
    for (size_t i = 0; as_array && i < report->results; i++)
        t2i_json_append(all, result_json(&report->result[i]));
    t2i_status status = t2i_json_text(all, 2, &text, err);
    t2i_json_free(all);
    if (status == T2I_OK) status = t2i_text_addf(out, err, "%s\n", text);
    t2i_free(text);
    return status;
}

/* ---- tables ---- */

/* Formats a fraction in percent: "20.4", but "100". */
static void percent(char out[16], double part)
{
    snprintf(out, 16, part < 0.9995 ? "%.1f" : "%.0f", 100 * part);
}

/* Appends fractions in percent: "20.4 (17.0-23.9)". */
static t2i_status add_part(t2i_text *out, const t2i_eval_method *method, double score, double low,
                           double high, t2i_error *err)
{
    char text[48] = "", from[16], to[16];
    percent(from, low);
    percent(to, high);
    if (method != NULL) snprintf(text, sizeof text, "(%s-%s)", from, to);
    return t2i_text_addf(out, err, " %5.1f %-11s", 100 * score, text);
}

/* method: NULL if there are no intervals. */
static t2i_status add_row(t2i_text *out, const char *name, const t2i_scores *s,
                          const t2i_eval_method *method, t2i_error *err)
{
    char mrr[48] = "", median[48] = "";
    t2i_scores low = {0}, high = {0};
    if (method != NULL) {
        low = method->low;
        high = method->high;
        snprintf(mrr, sizeof mrr, "(%.3f-%.3f)", low.mrr, high.mrr);
        snprintf(median, sizeof median, " (%.10g-%.10g)", low.median_rank, high.median_rank);
    }
    T2I_TRY(t2i_text_addf(out, err, "%-14s", name));
    T2I_TRY(add_part(out, method, s->r1, low.r1, high.r1, err));
    T2I_TRY(add_part(out, method, s->r5, low.r5, high.r5, err));
    T2I_TRY(add_part(out, method, s->r10, low.r10, high.r10, err));
    return t2i_text_addf(out, err, " %.3f %-13s %.10g%s\n", s->mrr, mrr, s->median_rank, median);
}

/* Scores of one method less those of another: "R@10 +1.2 (-0.5..+2.9) points". */
static t2i_status add_difference(const t2i_eval_method *d, const char *name, t2i_text *out,
                                 t2i_error *err)
{
    return t2i_text_addf(out, err,
                         "%s: R@1 %+.1f (%+.1f..%+.1f), R@10 %+.1f (%+.1f..%+.1f) points, "
                         "MRR %+.3f (%+.3f..%+.3f)\n",
                         name, 100 * d->score.r1, 100 * d->low.r1, 100 * d->high.r1,
                         100 * d->score.r10, 100 * d->low.r10, 100 * d->high.r10, d->score.mrr,
                         d->low.mrr, d->high.mrr);
}

static t2i_status add_line(t2i_text *out, const char *title, double psnr, t2i_error *err)
{
    return isnan(psnr) ? T2I_OK : t2i_text_addf(out, err, "%-32s %8.2f dB\n", title, psnr);
}

/* First what programs draw. The gain is over the nearest training picture, for the same prompts,
 * whose number is given if it is not all. */
static t2i_status add_psnr(const t2i_eval_result *r, t2i_text *out, t2i_error *err)
{
    char title[64], some[48] = "";
    t2i_drawing rule = rule_of(r);
    int found = rule != T2I_DRAWING_PREDICTION;
    double drawn = found ? r->drawn_psnr[rule] : r->decoded_psnr,
           nearest = found ? r->drawn_psnr[T2I_DRAWING_FIRST] : r->nearest_psnr;
    if (isnan(r->decoded_psnr) && isnan(r->nearest_psnr)) return T2I_OK;
    T2I_TRY(t2i_text_addf(out, err, "\nPSNR against the true picture (mean over the prompts)\n"));
    snprintf(title, sizeof title, "drawn: %s", ways[rule].title);
    if (found && r->drawn < r->prompts) snprintf(some, sizeof some, " (%zu prompts)", r->drawn);
    if (!isnan(drawn)) T2I_TRY(t2i_text_addf(out, err, "%-32s %8.2f dB%s\n", title, drawn, some));
    if (found) T2I_TRY(add_line(out, "decoded: predicted features", r->decoded_psnr, err));
    T2I_TRY(add_line(out, "ceiling: true features", r->ceiling_psnr, err));
    T2I_TRY(add_line(out, "nearest training picture", r->nearest_psnr, err));
    if (isnan(drawn) || isnan(nearest)) return T2I_OK;
    return t2i_text_addf(out, err, "%-32s %+8.2f dB%s\n", "gain", drawn - nearest, some);
}

static t2i_status add_drawn(const t2i_eval_result *r, t2i_text *out, t2i_error *err)
{
    if (r->drawn == 0) return T2I_OK;
    T2I_TRY(t2i_text_addf(out, err, "\nPSNR of ways to draw (decoded features, %zu prompts)\n",
                          r->drawn));
    for (size_t way = 0; way < T2I_EVAL_WAYS; way++)
        T2I_TRY(add_line(out, ways[way].title, r->drawn_psnr[way], err));
    return T2I_OK;
}

static t2i_status add_result(const t2i_eval_result *r, t2i_text *out, t2i_error *err)
{
    T2I_TRY(t2i_text_addf(out, err, "Split '%s': %zu prompts", t2i_dataset_split_names[r->split],
                          r->prompts));
    if (r->prompts < r->all_prompts)
        T2I_TRY(t2i_text_addf(out, err, " (drawn from %zu)", r->all_prompts));
    T2I_TRY(
        t2i_text_addf(out, err, ", gallery of all %zu pictures of the dataset.\n\n", r->gallery));
    T2I_TRY(t2i_text_addf(out, err, "%-14s %-17s %-17s %-17s %-19s %s\n", "", "R@1 %", "R@5 %",
                          "R@10 %", "MRR", "median rank"));
    for (int w = 0; w < T2I_METHODS; w++)
        if (w == T2I_BY_HYBRID ? r->index_weight > 0.0 : w <= T2I_BY_COSINE || r->has_training)
            T2I_TRY(add_row(out, methods[w].title, &r->method[w].score, &r->method[w], err));
    T2I_TRY(add_row(out, "random order", &r->random, NULL, err));
    if (r->has_training)
        T2I_TRY(add_difference(&r->minus_text_index[T2I_BY_COSINE], "cosine less text index", out,
                               err));
    if (r->index_weight > 0.0) {
        T2I_TRY(add_difference(&r->hybrid_minus_text_index, "cosine + index less text index", out,
                               err));
        T2I_TRY(add_difference(&r->hybrid_minus_cosine, "cosine + index less cosine", out, err));
    }
    T2I_TRY(add_psnr(r, out, err));
    return add_drawn(r, out, err);
}

/* Two digits: "67", "0.077"; what is not all is not 100. */
static void about(char out[16], double part)
{
    double value = 100 * part;
    snprintf(out, 16, value > 99 && value < 100 ? "%.2f" : value >= 10 ? "%.0f" : "%.2g", value);
}

static t2i_status add_sentence(const t2i_eval_result *r, t2i_text *out, t2i_error *err)
{
    char found[16], chance[16];
    about(found, r->method[r->metric].score.r1);
    about(chance, r->random.r1);
    return t2i_text_addf(out, err,
                         "The model finds the right picture first for %s %% of %zu %s (split "
                         "'%s'; chance %s %%).\n",
                         found, r->prompts,
                         r->split == T2I_TRAIN ? "training prompts" : "held-out prompts",
                         t2i_dataset_split_names[r->split], chance);
}

t2i_status t2i_eval_table(const t2i_eval_report *report, t2i_text *out, t2i_error *err)
{
    for (int trains = 0; trains <= 1; trains++)
        for (size_t i = 0; i < report->results; i++)
            if ((report->result[i].split == T2I_TRAIN) == trains)
                T2I_TRY(add_sentence(&report->result[i], out, err));
    T2I_TRY(t2i_text_addf(out, err, "\n"));
    for (size_t i = 0; i < report->results; i++) {
        T2I_TRY(add_result(&report->result[i], out, err));
        T2I_TRY(t2i_text_addf(out, err, "\n"));
    }
    return t2i_text_addf(out, err,
                         "In parentheses: 95 %% confidence intervals. A prompt with several right "
                         "pictures counts once, by the first of them.\n");
}
