/* eval, trained, generate: a model that answers everything alike (loaded_model_sample.h), whose
 * scores were worked out by hand. Pictures by distance to the prediction: 1, 0, 5 (equal to 0), 3,
 * 4, 2; to the mean training feature: 1, 3, 0, 5, 2, 4.
 */
#include "base/fs.h"
#include "base/log.h"
#include "picture.h"
#include "retrieval/eval.h"

#include <math.h>

#include "comm/comm.h"
#include "generate/generate.h"
#include "formats/json.h"
#include "checkpoint/run_folder.h"
#include "kernels/blas.h"
#include "retrieval/psnr.h"
#include "unit/retrieval/loaded_model_sample.h"

#define NEAR(a, b) CU_ASSERT(fabs((a) - (b)) < 1e-9)

static void make_files(void)
{
    t2i_dataset *dataset = NULL;
    write_dataset(data_file, 1, D);
    write_dataset(bare_file, 0, D);
    OK(t2i_dataset_open(&dataset, data_file, &err));
    if (dataset == NULL) return;
    write_model(model_file, t2i_dataset_get_info(dataset)->digest);
    write_job(data_file);
    t2i_dataset_close(dataset);
}

static double level(float value)
{
    return (double)byte_of(value);
}

/* Of a grey against picture m. */
static double psnr_of(double grey, size_t m)
{
    double sum = 0;
    for (int c = 0; c < 3; c++) sum += (level(colour[m][c]) - grey) * (level(colour[m][c]) - grey);
    return 10.0 * log10(255.0 * 255.0 * 3.0 / sum);
}

static t2i_eval_report scored;

static t2i_status evaluate(t2i_loaded_model *trained, int split, size_t sample)
{
    const t2i_eval_options options = {
        .split = split, .sample = sample, .seed = 1, .cache_bytes = 1 << 20};
    t2i_comm *comm;
    t2i_eval_report_free(&scored);
    OK(t2i_comm_alone(&comm, &err));
    t2i_status status = t2i_eval(comm, trained, &options, &scored, &err);
    t2i_comm_close(comm);
    return status;
}

/* The first result; the whole report stays until the next. */
static const t2i_eval_result *ask(const char *data, int split)
{
    t2i_loaded_model trained;
    OK(t2i_loaded_model_open(&trained, run_folder, data, &err));
    if (trained.dataset == NULL) return NULL;
    OK(evaluate(&trained, split, 0));
    t2i_loaded_model_close(&trained);
    return scored.results > 0 ? &scored.result[0] : NULL;
}

static void scores_validation(void)
{
    const t2i_eval_result *r = ask(NULL, T2I_DEFAULT_SPLIT);
    if (r == NULL) return;
    CU_ASSERT(scored.results == 1 && r->split == T2I_VALIDATION && r->gallery == PICTURES);
    CU_ASSERT(r->prompts == 2 && r->all_prompts == 2);
    CU_ASSERT(r->unknown == 2 && r->cut == 0);       /* "m" and "d" are not in the vocabulary */
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.r1, 0.0); /* ranks 4 and 5 */
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.r5, 1.0);
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.mrr, (0.25 + 0.2) / 2);
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.median_rank, 4.5);
    NEAR(r->method[T2I_BY_EUCLIDEAN].low.mrr, 0.2);
    NEAR(r->method[T2I_BY_EUCLIDEAN].high.mrr, 0.25);
    CU_ASSERT(r->has_training);
    NEAR(r->method[T2I_BY_MEAN].score.r5, 0.5); /* ranks 2 and 6 */
    NEAR(r->method[T2I_BY_MEAN].score.mrr, (0.5 + 1.0 / 6) / 2);
    NEAR(r->method[T2I_BY_MEAN].score.median_rank, 4.0);
    NEAR(r->method[T2I_BY_CONSTANT].score.mrr,
         (0.25 + 0.2) / 2); /* 0, 1, 2 once each, then 3, 4, 5 */
    NEAR(r->method[T2I_BY_TRIGRAMS].score.mrr, (0.25 + 0.2) / 2);
    NEAR(r->method[T2I_BY_TEXT_INDEX].score.mrr, (0.25 + 0.2) / 2); /* nothing; ta$ of 1 and 2 */
    /* the same ranks, 4 and 5: in pairs they differ in no resample */
    NEAR(r->minus_text_index[T2I_BY_EUCLIDEAN].low.mrr, 0.0);
    NEAR(r->minus_text_index[T2I_BY_EUCLIDEAN].high.mrr, 0.0);
    NEAR(r->random.r1, 1.0 / 6);
    NEAR(r->random.median_rank, 3.5);
    NEAR(r->decoded_psnr, (psnr_of(level(PREDICTED), 3) + psnr_of(level(PREDICTED), 4)) / 2);
    NEAR(r->nearest_psnr, (psnr_of(level(0.4f), 3) + psnr_of(level(0.4f), 4)) / 2);
    NEAR(r->spread, 0.0); /* whatever the prompt is */
    CU_ASSERT(r->hub[0].prompts == 2 && strcmp(r->hub[0].image, "one.png") == 0);
    CU_ASSERT(r->tied[0] == 0);
}

static void scores_others(void)
{
    const t2i_eval_result *r = ask(NULL, T2I_TRAIN);
    if (r == NULL) return;
    CU_ASSERT(r->prompts == 2); /* "beta" is one prompt, and both its pictures are right */
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.r1, 1.0 / 2); /* "alpha" 2, "beta" 1 */
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.mrr, 1.5 / 2);
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.median_rank, 1.5);
    NEAR(r->method[T2I_BY_TRIGRAMS].score.r1, 1.0);
    NEAR(r->method[T2I_BY_TEXT_INDEX].score.r1, 1.0);
    /* of two prompts drawn, none, one or both are "alpha", which the index finds and the model not
     */
    NEAR(r->minus_text_index[T2I_BY_EUCLIDEAN].score.r1, -0.5);
    NEAR(r->minus_text_index[T2I_BY_EUCLIDEAN].low.r1, -1.0);
    NEAR(r->minus_text_index[T2I_BY_EUCLIDEAN].high.r1, 0.0);
    NEAR(r->minus_text_index[T2I_BY_EUCLIDEAN].score.mrr, -0.25);
    NEAR(r->minus_text_index[T2I_BY_EUCLIDEAN].low.mrr, -0.5);
    NEAR(r->nearest_psnr, (psnr_of(level(0.4f), 0) + T2I_PSNR_MOST) / 2);
    CU_ASSERT(r->tied[0] == 1); /* 0 and 5 are equal */
    if ((r = ask(NULL, T2I_UNSEEN_PROMPTS)) == NULL) return;
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.mrr,
         1.0 / 3); /* as near as picture 0, which comes first */
    if ((r = ask(NULL, T2I_UNSEEN_PICTURES)) == NULL) return;
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.mrr, 1.0 / 4);
    /* behind 0, 1, 4 and 5, which lie in the prediction's direction */
    NEAR(r->method[T2I_BY_COSINE].score.mrr, 1.0 / 5);
    CU_ASSERT(isnan(r->spread)); /* one picture is no distance */
}

/* Every split at once says what each says alone. */
static void every_split(void)
{
    t2i_eval_report all;
    if (ask(NULL, T2I_ALL_SPLITS) == NULL) return;
    all = scored;
    scored = (t2i_eval_report){0};
    CU_ASSERT(all.results == T2I_SPLITS);
    for (size_t i = 0; i < all.results; i++) {
        t2i_text one = {0}, same = {0};
        t2i_eval_report part = {.results = 1, .result = {all.result[i]}};
        CU_ASSERT(all.result[i].split == (int)i);
        if (ask(NULL, (int)i) == NULL) break;
        OK(t2i_eval_json(&scored, 0, &one, &err));
        OK(t2i_eval_json(&part, 0, &same, &err));
        CU_ASSERT(one.data != NULL && same.data != NULL && strcmp(one.data, same.data) == 0);
        t2i_text_free(&one);
        t2i_text_free(&same);
    }
    t2i_eval_report_free(&all);
}

/* "beta" fits pictures 1 and 2: asked as a prompt of validation, where only 2 is right, 1 is left
 * out of the order 1, 0, 5, 3, 4, 2. One of two prompts is drawn. */
static void left_out(void)
{
    static const uint8_t split[PAIRS] = {0, 0, 1, 1, 1, 2, 3};
    char path[330];
    t2i_loaded_model trained;
    snprintf(path, sizeof path, "%s/shared.h5", folder);
    write_split_dataset(path, 1, D, split);
    const t2i_eval_result *r = ask(path, T2I_VALIDATION);
    if (r == NULL) return;
    CU_ASSERT(r->prompts == 3);
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.mrr,
         (1.0 / 5 + 0.25 + 0.2) / 3); /* beta, gamma, delta */
    NEAR(r->random.r1, (1.0 / 5 + 1.0 / 6 + 1.0 / 6) / 3);
    NEAR(r->method[T2I_BY_TRIGRAMS].score.r10, 1.0);
    OK(t2i_loaded_model_open(&trained, run_folder, path, &err));
    OK(evaluate(&trained, T2I_VALIDATION, 2));
    CU_ASSERT(scored.result[0].prompts == 2 && scored.result[0].all_prompts == 3);
    t2i_loaded_model_close(&trained);
}

/* All orders of the gallery, one by one. */
static void count_orders(size_t *order, size_t fixed, size_t *ranks, size_t *count)
{
    if (fixed == PICTURES) {
        for (size_t prompt = 0; prompt < 2; prompt++) {
            size_t at = 0;
            while (prompt == 0 ? order[at] != 0 : order[at] != 1 && order[at] != 2) at++;
            ranks[at + 1]++;
            ++*count;
        }
        return;
    }
    for (size_t i = fixed; i < PICTURES; i++) {
        size_t swap = order[i];
        order[i] = order[fixed];
        order[fixed] = swap;
        count_orders(order, fixed + 1, ranks, count);
        order[fixed] = order[i];
        order[i] = swap;
    }
}

static void random_order(void)
{
    size_t order[PICTURES] = {0, 1, 2, 3, 4, 5}, ranks[PICTURES + 1] = {0}, count = 0, sum = 0;
    double mrr = 0, median = 0;
    count_orders(order, 0, ranks, &count);
    CU_ASSERT(count == 2 * 720);
    for (size_t k = 1; k <= PICTURES; k++) {
        mrr += (double)ranks[k] / (double)k / (double)count;
        if (2 * sum < count && 2 * (sum + ranks[k]) >= count) median = (double)k;
        sum += ranks[k];
    }
    const t2i_eval_result *r = ask(NULL, T2I_TRAIN);
    if (r == NULL) return;
    NEAR(r->random.r1, (double)ranks[1] / (double)count);
    NEAR(r->random.r5, 1.0 - (double)ranks[6] / (double)count);
    NEAR(r->random.r10, 1.0);
    NEAR(r->random.mrr, mrr);
    NEAR(r->random.median_rank, median);
}

/* What opening the run says on stderr. */
static void said_at_open(const char *data, t2i_text *said)
{
    t2i_loaded_model trained;
    char path[330];
    snprintf(path, sizeof path, "%s/said", folder);
    int old = dup(STDERR_FILENO);
    FILE *file = fopen(path, "w");
    if (file == NULL || old < 0 || dup2(fileno(file), STDERR_FILENO) < 0) {
        CU_FAIL("cannot catch stderr");
        return;
    }
    t2i_status status = t2i_loaded_model_open(&trained, run_folder, data, &err);
    dup2(old, STDERR_FILENO);
    close(old);
    fclose(file);
    OK(status);
    t2i_loaded_model_close(&trained);
    OK(t2i_fs_read(path, 1 << 20, said, &err));
}

static void warns_of_another_dataset(void)
{
    t2i_text own = {0}, other = {0};
    said_at_open(NULL, &own);
    said_at_open(bare_file, &other);
    CU_ASSERT(own.size == 0);
    CU_ASSERT(other.data != NULL && strstr(other.data, "was trained on another dataset") != NULL);
    t2i_text_free(&own);
    t2i_text_free(&other);
}

static void without_pictures(void)
{
    const t2i_eval_result *r = ask(bare_file, T2I_DEFAULT_SPLIT);
    if (r == NULL) return;
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.mrr, (0.25 + 0.2) / 2);
    CU_ASSERT(isnan(r->decoded_psnr) && isnan(r->nearest_psnr) && isnan(r->ceiling_psnr));
    CU_ASSERT(r->drawn == 0 && isnan(r->drawn_psnr[T2I_DRAWING_FIRST]));
}

/* Questions that share pictures, in no order. */
static void psnrs(void)
{
    static const uint32_t truth[4] = {3, 0, 3, 1}, other[4] = {1, 4, 1, 1};
    t2i_dataset *dataset = NULL;
    t2i_gallery gallery;
    float prediction[4 * D];
    double decoded[4], compared[4];
    OK(t2i_dataset_open(&dataset, data_file, &err));
    if (dataset == NULL) return;
    t2i_gallery_open(&gallery, dataset);
    for (size_t i = 0; i < 4 * D; i++) prediction[i] = 0.1f * (float)(i / D) - 0.2f;
    OK(t2i_psnr_of(&gallery, prediction, truth, other, 4, decoded, compared, &err));
    for (size_t i = 0; i < 4; i++) {
        NEAR(decoded[i], psnr_of(level(0.3f + 0.1f * (float)i), truth[i]));
        if (i < 3) NEAR(compared[i], psnr_of(level(colour[other[i]][0]), truth[i]));
    }
    CU_ASSERT(compared[3] == T2I_PSNR_MOST);
    t2i_gallery_free(&gallery);
    t2i_dataset_close(dataset);
}

static void has_keys(const t2i_json *object, const char *const *key, size_t keys)
{
    const char *at = NULL;
    CU_ASSERT(t2i_json_size(object) == keys);
    for (size_t i = 0; i < keys; i++) {
        at = t2i_json_next_key(object, at);
        CU_ASSERT(at != NULL && strcmp(at, key[i]) == 0);
        if (at == NULL) return;
    }
}

static void reports(void)
{
    static const char *const keys[] = {
        "split",  "prompts",      "all_prompts",  "gallery",      "euclidean",  "cosine",
        "hybrid", "decoded_psnr", "ceiling_psnr", "nearest_psnr", "drawn_psnr", "drawn_by",
        "spread", "unknown",      "cut",          "baselines"};
    static const char *const scores[] = {
        "r1", "r5", "r10", "mrr", "median_rank", "ci", "hub", "tied", "minus_text_index"};
    t2i_text json = {0}, table = {0};
    t2i_json *parsed = NULL;
    if (ask(NULL, T2I_DEFAULT_SPLIT) == NULL) return;
    OK(t2i_eval_json(&scored, 0, &json, &err));
    OK(t2i_json_parse(&parsed, json.data, json.size, "the report", &err));
    const t2i_json *baselines = t2i_json_get(parsed, "baselines");
    has_keys(parsed, keys, sizeof keys / sizeof *keys);
    has_keys(t2i_json_get(parsed, "cosine"), scores, 9);
    has_keys(t2i_json_get(t2i_json_get(parsed, "cosine"), "minus_text_index"), scores, 6);
    has_keys(t2i_json_get(t2i_json_get(parsed, "cosine"), "ci"), scores, 5);
    has_keys(t2i_json_get(baselines, "random"), scores, 5);
    has_keys(t2i_json_get(baselines, "mean"), scores, 6);
    has_keys(t2i_json_get(baselines, "constant"), scores, 6);
    has_keys(t2i_json_get(baselines, "trigrams"), scores, 6);
    has_keys(t2i_json_get(baselines, "text_index"), scores, 6);
    OK(t2i_eval_table(&scored, &table, &err));
    CU_ASSERT(table.data != NULL && strstr(table.data, "Split 'validation': 2 prompts") != NULL);
    CU_ASSERT(table.data != NULL && strstr(table.data, "gain") != NULL);
    const char *first = "The model finds the right picture first for ";
    CU_ASSERT(table.data != NULL && strncmp(table.data, first, strlen(first)) == 0);
    CU_ASSERT(table.data != NULL &&
              strstr(table.data, "2 held-out prompts (split 'validation'; chance ") != NULL);
    CU_ASSERT(table.data != NULL && strstr(table.data, "\ndrawn: predicted features ") != NULL);
    CU_ASSERT(json.data != NULL && strstr(json.data, "\"drawn_by\": \"prediction\"") != NULL);
    CU_ASSERT(table.data != NULL && strstr(table.data, "nearest prompt") != NULL);
    CU_ASSERT(table.data != NULL && strstr(table.data, "\ntext index ") != NULL);
    CU_ASSERT(table.data != NULL && strstr(table.data, "cosine + index") == NULL);
    CU_ASSERT(table.data != NULL && strstr(table.data, "\ncosine less text index: R@1 ") != NULL);
    t2i_json_free(parsed);
    t2i_text_free(&json);
    t2i_text_free(&table);
    json = (t2i_text){0};
    OK(t2i_eval_json(&scored, 1, &json, &err));
    CU_ASSERT(json.data != NULL && json.data[0] == '[');
    t2i_text_free(&json);
}

static void warns(void)
{
    char name[] = "a\nb.png";
    t2i_eval_result r = {.split = T2I_TRAIN, .prompts = 200, .gallery = 4000, .spread = 0.4};
    t2i_text said = {0};
    r.hub[0] = (t2i_hub){name, 9};
    r.tied[1] = 1;
    OK(t2i_eval_warnings(&r, &said, &err));
    CU_ASSERT(said.size == 0);
    r.hub[0].prompts = 10;
    r.tied[1] = 2;
    r.spread = 0.04;
    r.cut = 3;
    r.unknown = 1;
    OK(t2i_eval_warnings(&r, &said, &err));
    CU_ASSERT(said.data != NULL &&
              strstr(said.data, "train: all predictions are nearly equal") != NULL);
    CU_ASSERT(strstr(said.data, "by Euclidean distance, 'a?b.png' is a hub") != NULL);
    CU_ASSERT(strstr(said.data, "it is first for 10 of 200") != NULL);
    CU_ASSERT(strstr(said.data, "t2i-generate --metric cosine or") != NULL);
    CU_ASSERT(strstr(said.data, "by cosine similarity, 2 of 200 prompts have a wrong") != NULL);
    CU_ASSERT(strstr(said.data, "1 of 200 prompts have characters") != NULL);
    CU_ASSERT(strstr(said.data, "3 of 200 prompts are longer") != NULL);
    said.size = 0;
    r = (t2i_eval_result){.prompts = 200,
                          .gallery = 4000,
                          .spread = 0.4,
                          .embed_dim = 2,
                          .hub = {{name, 10}, {name, 10}}};
    OK(t2i_eval_warnings(&r, &said, &err)); /* both orders are the same: one line */
    CU_ASSERT(said.data != NULL && strstr(said.data, "train: by cosine similarity") == said.data);
    CU_ASSERT(strstr(said.data, "does not fit\n") != NULL);
    CU_ASSERT(strstr(said.data, "Euclidean") == NULL);
    said.size = 0;
    r = (t2i_eval_result){.prompts = 200, .gallery = 12, .spread = NAN, .hub = {{name, 160}}};
    OK(t2i_eval_warnings(&r, &said, &err)); /* of twelve pictures each may be first for many */
    CU_ASSERT(said.size == 0);
    t2i_text_free(&said);
}

/* ---- generate ---- */

static int is_in_folder(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return t2i_fs_exists(path);
}

static t2i_text said; /* what was printed */

static t2i_status keep(const t2i_generate_options *options, const char *text, t2i_error *e)
{
    (void)options;
    return t2i_text_addf(&said, e, "%s", text);
}

static void generates(void)
{
    const char *const prompt[] = {"alpha", "beta and more"};
    const t2i_generate_options options = {
        .source = run_folder, .prompt = prompt, .prompts = 2, .top = 2, .json = 1, .print = keep};
    t2i_json *parsed = NULL;
    t2i_image decoded = {0};
    const char *text = "";
    OK(t2i_generate(&options, &err));
    OK(t2i_json_parse(&parsed, said.data, said.size, "the report", &err));
    const t2i_json *answer = t2i_json_at(parsed, 1), *near = t2i_json_get(answer, "nearest");
    CU_ASSERT(t2i_json_size(parsed) == 2 && t2i_json_size(near) == 2);
    CU_ASSERT(t2i_json_as_string(t2i_json_get(t2i_json_at(near, 1), "image"), &text, NULL));
    CU_ASSERT_STRING_EQUAL(text, "zero.png");
    /* of the six characters that the model reads, only the blank is unknown */
    CU_ASSERT(t2i_json_size(t2i_json_get(answer, "unknown")) == 1);
    CU_ASSERT(t2i_json_as_string(t2i_json_get(answer, "decoded"), &text, NULL));
    CU_ASSERT(strstr(text, "/run/generated/alpha-and-1-more-drawn-2.png") != NULL);
    OK(read_picture(&decoded, text, &err));
    CU_ASSERT(decoded.width == SIDE && decoded.rgb != NULL && decoded.rgb[77] == 89);
    CU_ASSERT(t2i_json_as_string(t2i_json_get(answer, "drawn"), &text, NULL));
    CU_ASSERT_STRING_EQUAL(text, "prediction");
    CU_ASSERT(is_in_folder("run/generated/alpha-and-1-more.png"));
    CU_ASSERT(is_in_folder("run/generated/alpha-and-1-more-drawn-1.png"));
    CU_ASSERT(!is_in_folder("run/generated/alpha-and-1-more-drawn-3.png"));
    t2i_image_free(&decoded);
    t2i_json_free(parsed);
    t2i_text_free(&said);
}

/* Picture 3, which no training pair has, is nearest; 2 is the nearest that trains, and is drawn. */
static void draws_what_trains(void)
{
    char path[330], sheet[330];
    const char *const prompt[] = {"alpha"};
    t2i_image decoded = {0};
    snprintf(path, sizeof path, "%s/space", folder);
    snprintf(sheet, sizeof sheet, "%s/found.png", folder);
    write_model_with(path, "", 2);
    const t2i_generate_options options = {.source = path,
                                          .data = data_file,
                                          .out = sheet,
                                          .prompt = prompt,
                                          .prompts = 1,
                                          .top = 1,
                                          .metric_of_run = 1,
                                          .print = keep};
    OK(t2i_generate(&options, &err));
    CU_ASSERT(said.data != NULL && strstr(said.data, "three.png\n") != NULL);
    CU_ASSERT(said.data != NULL && strstr(said.data, "\n      drawn: found picture\n") != NULL);
    CU_ASSERT(said.data != NULL && strstr(said.data, "\nCosine distance to ") != NULL);
    snprintf(sheet, sizeof sheet, "%s/found-drawn-1.png", folder);
    OK(read_picture(&decoded, sheet, &err));
    CU_ASSERT(decoded.rgb != NULL && decoded.rgb[77] == byte_of(0.7f));
    t2i_image_free(&decoded);
    t2i_text_free(&said);
}

/* ---- what does not go together ---- */

static void refuses(void)
{
    t2i_loaded_model trained;
    char narrow[330], both[800];
    FAILS(t2i_loaded_model_open(&trained, model_file, NULL, &err), T2I_USAGE, "--data");
    CU_ASSERT(trained.dataset == NULL && trained.path == NULL);
    snprintf(narrow, sizeof narrow, "%s/narrow.h5", folder);
    write_dataset(narrow, 0, D - 1);
    snprintf(both, sizeof both, "%s predicts 12 features, but the pictures of %s have 11",
             model_file, narrow);
    FAILS(t2i_loaded_model_open(&trained, run_folder, narrow, &err), T2I_DATA, both);
    write_job("/nonexistent/gone.h5");
    FAILS(t2i_loaded_model_open(&trained, run_folder, NULL, &err), T2I_NOINPUT,
          "run/job.ini names");
    OK(t2i_loaded_model_open(&trained, model_file, data_file, &err));
    t2i_loaded_model_close(&trained);
    CU_ASSERT(trained.dataset == NULL);
}

static void finds(const char *wanted)
{
    t2i_loaded_model trained;
    OK(t2i_loaded_model_open(&trained, run_folder, NULL, &err));
    CU_ASSERT(trained.dataset != NULL && strstr(t2i_dataset_path(trained.dataset), wanted) != NULL);
    t2i_loaded_model_close(&trained);
}

/* The dataset of the run is the one with its digest, wherever it is. */
static void looks_for_the_dataset(void)
{
    t2i_loaded_model trained;
    char started[800], path[330];
    write_job("data.h5"); /* above the run's folder */
    finds("/data.h5");
    write_job("shared.h5"); /* which has another digest */
    snprintf(started, sizeof started, "shared.h5 is not the dataset that %s was trained on",
             run_folder);
    FAILS(t2i_loaded_model_open(&trained, run_folder, NULL, &err), T2I_DATA, started);
    snprintf(path, sizeof path, "%s/run/job.ini", folder);
    snprintf(started, sizeof started, T2I_STARTED_IN "%s/none/..\ndata = none.h5\n", folder);
    OK(t2i_commit_file(path, started, strlen(started), &err));
    FAILS(t2i_loaded_model_open(&trained, run_folder, NULL, &err), T2I_NOINPUT, "none.h5, which");
    snprintf(started, sizeof started, T2I_STARTED_IN "%s/away\ndata = there.h5\n", folder);
    OK(t2i_commit_file(path, started, strlen(started), &err));
    snprintf(path, sizeof path, "%s/away", folder);
    OK(t2i_fs_mkdir(path, &err));
    snprintf(path, sizeof path, "%s/away/there.h5", folder);
    CU_ASSERT_EQUAL(rename(data_file, path), 0);
    finds("/away/there.h5");
    CU_ASSERT_EQUAL(rename(path, data_file), 0);
    snprintf(path, sizeof path, "%s/data.h5", run_folder);
    write_job("/nonexistent/data.h5");
    FAILS(t2i_loaded_model_open(&trained, run_folder, NULL, &err), T2I_NOINPUT, "data.h5, which");
    CU_ASSERT_EQUAL(rename(data_file, path), 0);
    finds("/run/data.h5");
    CU_ASSERT_EQUAL(rename(path, data_file), 0);
    write_job(data_file);
    finds(data_file);
}

static void metric_of_the_loss(void)
{
    t2i_checkpoint c = {.ours = 1};
    CU_ASSERT_EQUAL(t2i_loaded_model_metric(&c), T2I_EUCLIDEAN);
    c.run.options = (char[]){"{\"batch\": 3}"};
    CU_ASSERT_EQUAL(t2i_loaded_model_metric(&c), T2I_EUCLIDEAN);
    c.run.options = (char[]){"{\"batch\": 3, \"loss\": \"contrastive\"}"};
    CU_ASSERT_EQUAL(t2i_loaded_model_metric(&c), T2I_COSINE);
    c.run.options = (char[]){"{\"loss\""};
    CU_ASSERT_EQUAL(t2i_loaded_model_metric(&c), T2I_EUCLIDEAN);
    c.model.config.embed_dim = 2;
    CU_ASSERT_EQUAL(t2i_loaded_model_metric(&c), T2I_COSINE);
}

/* A prediction that is picture 3 itself, which no training row uses: there picture 2 is nearest. */
static void nearest_is_a_training_picture(void)
{
    t2i_loaded_model trained;
    OK(t2i_loaded_model_open(&trained, model_file, data_file, &err));
    if (trained.dataset == NULL) return;
    for (size_t d = 0; d < D; d++)
        trained.checkpoint.weights[trained.checkpoint.model.head_bias + d] =
            colour[3][d % 3] - 0.5f;
    OK(evaluate(&trained, T2I_UNSEEN_PICTURES, 0));
    const t2i_eval_result *r = &scored.result[0];
    NEAR(r->method[T2I_BY_EUCLIDEAN].score.r1, 1.0);
    NEAR(r->decoded_psnr, T2I_PSNR_MOST);
    NEAR(r->nearest_psnr, psnr_of(level(0.7f), 3));
    CU_ASSERT(r->hub[0].image == NULL && r->hub[0].prompts == 0);
    t2i_loaded_model_close(&trained);
    t2i_eval_report_free(&scored);
}

/* A decoder that knows only grey: a picture that equals the true one counts as what it decodes to.
 */
static void identical_pictures(void)
{
    t2i_loaded_model trained;
    OK(t2i_loaded_model_open(&trained, model_file, data_file, &err));
    if (trained.dataset == NULL) return;
    trained.gallery.basis = t2i_alloc(D * PIXELS, sizeof(float));
    trained.gallery.mean = t2i_alloc(PIXELS, sizeof(float));
    for (size_t i = 0; i < PIXELS; i++) trained.gallery.mean[i] = 0.5f;
    OK(evaluate(&trained, T2I_TRAIN, 0)); /* nearest is picture 1: right for "beta" */
    const t2i_eval_result *r = &scored.result[0];
    double grey = (psnr_of(level(0.5f), 0) + psnr_of(level(0.5f), 1)) / 2;
    NEAR(r->nearest_psnr, grey);
    NEAR(r->decoded_psnr, grey);
    NEAR(r->ceiling_psnr, grey);
    t2i_loaded_model_close(&trained);
    t2i_eval_report_free(&scored);
}

/* With embed_dim pictures are ranked in the search space: 3, 2, then the others, which are ties but
 * for rounding. The decoded picture is that of the predicted features. */
static void ranks_in_search_space(void)
{
    char path[330];
    t2i_loaded_model trained;
    snprintf(path, sizeof path, "%s/space", folder);
    write_model_with(path, "", 2);
    OK(t2i_loaded_model_open(&trained, path, data_file, &err));
    if (trained.dataset == NULL) return;
    OK(evaluate(&trained, T2I_ALL_SPLITS, 0));
    const t2i_eval_result *train = &scored.result[0], *pictures = &scored.result[3];
    CU_ASSERT(scored.results == T2I_SPLITS);
    for (int w = T2I_BY_EUCLIDEAN; w <= T2I_BY_COSINE; w++) {
        const t2i_scores *s = &train->method[w].score; /* "alpha" 3 to 6, "beta" 2 */
        NEAR(s->r1, 0.0);
        CU_ASSERT(s->mrr >= (1.0 / 6 + 0.5) / 2 - 1e-9 && s->mrr <= (1.0 / 3 + 0.5) / 2 + 1e-9);
        NEAR(pictures->method[w].score.r1, 1.0);
        CU_ASSERT(train->hub[w].prompts == 2 && strcmp(train->hub[w].image, "three.png") == 0);
    }
    NEAR(pictures->decoded_psnr, psnr_of(level(PREDICTED), 3));
    NEAR(pictures->nearest_psnr, psnr_of(level(0.7f), 3)); /* 2 is the nearest that trains */
    NEAR(pictures->ceiling_psnr, T2I_PSNR_MOST);           /* this decoder gives pictures back */
    CU_ASSERT(pictures->drawn == 1);
    NEAR(pictures->drawn_psnr[T2I_DRAWING_PREDICTION], psnr_of(level(PREDICTED), 3));
    NEAR(pictures->drawn_psnr[T2I_DRAWING_FIRST], psnr_of(level(0.7f), 3));
    NEAR(pictures->drawn_psnr[T2I_DRAWING_WEIGHTED], psnr_of(level(0.7f), 3)); /* far from 0, 1 */
    NEAR(pictures->drawn_psnr[T2I_DRAWING_SURE_FIRST], psnr_of(level(0.7f), 3));
    NEAR(pictures->drawn_psnr[T2I_DRAWING_MIXTURE], psnr_of(level(0.525f), 3));
    double mean = pictures->drawn_psnr[T2I_EVAL_MEAN_PICTURE]; /* 1.3 / 3, between two bytes */
    CU_ASSERT(fabs(mean - psnr_of(110, 3)) < 1e-9 || fabs(mean - psnr_of(111, 3)) < 1e-9);
    NEAR(scored.result[1].method[T2I_BY_MEAN].score.mrr, (0.5 + 1.0 / 6) / 2); /* by features */
    t2i_text text = {0};
    t2i_eval_report last = {.results = 1, .result = {*pictures}};
    OK(t2i_eval_table(&last, &text, &err));
    snprintf(path, sizeof path, "\ndrawn: first if sure, else mean  %8.2f dB\n",
             psnr_of(level(0.7f), 3));
    CU_ASSERT(text.data != NULL && strstr(text.data, path) != NULL);
    CU_ASSERT(text.data != NULL && strstr(text.data, "gain                                +0.00"));
    text.size = 0;
    last.result[0].prompts = 7; /* one of seven was drawn */
    OK(t2i_eval_table(&last, &text, &err));
    CU_ASSERT(text.data != NULL && strstr(text.data, " dB (1 prompts)\ndecoded: ") != NULL);
    CU_ASSERT(text.data != NULL && strstr(text.data, "+0.00 dB (1 prompts)\n") != NULL);
    text.size = 0;
    OK(t2i_eval_json(&last, 0, &text, &err));
    CU_ASSERT(text.data != NULL && strstr(text.data, "\"drawn_by\": \"sure_first\"") != NULL);
    t2i_text_free(&text);
    t2i_loaded_model_close(&trained);
    t2i_eval_report_free(&scored);
}

/* The same model with weight 1 for the text index. Pictures 0 to 2 have documents and share the
 * places of 2 (the second), 0 and 1. "alpha" is before 2 with ln 2 + 1 = 1.69 for the word and five
 * trigrams: sqrt(14) x 1.69 to the root is 2.52, more than its distance; "beta" finds 2. The others
 * keep their places. */
static void ranks_with_index(void)
{
    char path[330];
    t2i_loaded_model trained;
    t2i_checkpoint checkpoint;
    t2i_text json = {0}, table = {0};
    snprintf(path, sizeof path, "%s/space", folder);
    OK(t2i_checkpoint_load(&checkpoint, path, 0, 0, &err));
    CU_ASSERT(checkpoint.run.index_weight == 0.0);
    checkpoint.run.index_weight = 1.0;
    OK(t2i_checkpoint_save(&checkpoint, path, &err));
    t2i_checkpoint_free(&checkpoint);
    OK(t2i_loaded_model_open(&trained, path, data_file, &err));
    if (trained.dataset == NULL) return;
    CU_ASSERT(trained.checkpoint.run.index_weight == 1.0);
    OK(evaluate(&trained, T2I_ALL_SPLITS, 0));
    for (size_t i = 0; i < scored.results; i++) {
        const t2i_eval_result *r = &scored.result[i];
        const t2i_eval_method *hybrid = &r->method[T2I_BY_HYBRID];
        double cosine = r->method[T2I_BY_COSINE].score.mrr;
        CU_ASSERT(r->index_weight == 1.0);
        NEAR(hybrid->score.mrr, r->split == T2I_TRAIN ? 0.5 : cosine);
        NEAR(r->hybrid_minus_cosine.score.mrr, hybrid->score.mrr - cosine);
        if (r->split != T2I_TRAIN) continue;
        NEAR(hybrid->low.mrr, 0.5);
        NEAR(r->hybrid_minus_cosine.low.mrr, 0.0); /* "beta" twice */
        CU_ASSERT(r->hybrid_minus_cosine.high.mrr > 0.16);
        NEAR(r->hybrid_minus_text_index.score.mrr, -0.5);
        NEAR(r->hybrid_minus_text_index.high.mrr, -0.5);
    }
    OK(t2i_eval_json(&scored, 0, &json, &err));
    CU_ASSERT(json.data != NULL && strstr(json.data, "\"index_weight\": 1") != NULL);
    OK(t2i_eval_table(&scored, &table, &err));
    CU_ASSERT(table.data != NULL && strstr(table.data, "\ncosine + index ") != NULL);
    CU_ASSERT(table.data != NULL && strstr(table.data, "\ncosine + index less cosine: ") != NULL);
    t2i_text_free(&json);
    t2i_text_free(&table);
    t2i_loaded_model_close(&trained);
    t2i_eval_report_free(&scored);
}

/* A model whose weights went wild is refused, not ranked. */
static void not_finite(void)
{
    t2i_loaded_model trained;
    OK(t2i_loaded_model_open(&trained, model_file, data_file, &err));
    if (trained.dataset == NULL) return;
    trained.checkpoint.weights[trained.checkpoint.model.head_bias + 3] = NAN;
    FAILS(evaluate(&trained, T2I_DEFAULT_SPLIT, 0), T2I_DATA, "is not finite");
    CU_ASSERT(scored.results == 0);
    t2i_loaded_model_close(&trained);
}

int main(void)
{
    static const char *const made[] = {"run/generated/alpha-and-1-more.png",
                                       "run/generated/alpha-and-1-more-drawn-1.png",
                                       "run/generated/alpha-and-1-more-drawn-2.png",
                                       "run/generated",
                                       "away",
                                       "narrow.h5",
                                       "said",
                                       "shared.h5",
                                       "found.png",
                                       "found-drawn-1.png",
                                       "space"};
    static const t2i_test tests[] = {
        {"the sample's files", make_files},
        {"scores of the validation split", scores_validation},
        {"scores of the other splits", scores_others},
        {"every split at once", every_split},
        {"pictures of another split", left_out},
        {"a random order, by trying all", random_order},
        {"another dataset is warned of", warns_of_another_dataset},
        {"a dataset without pictures", without_pictures},
        {"PSNR of pictures", psnrs},
        {"reports", reports},
        {"warnings", warns},
        {"a run folder's pictures", generates},
        {"only pictures that train are drawn", draws_what_trains},
        {"what does not go together", refuses},
        {"the dataset of a run is looked for", looks_for_the_dataset},
        {"the metric of the loss", metric_of_the_loss},
        {"the nearest training picture", nearest_is_a_training_picture},
        {"pictures that equal the true one", identical_pictures},
        {"ranks in the search space", ranks_in_search_space},
        {"ranks with the text index", ranks_with_index},
        {"predictions that are not finite", not_finite},
    };
    t2i_log_program("t2i-test"); /* nothing is printed before */
    if (begin_folder("eval") != 0) return 1;
    t2i_blas_begin();
    int failed = t2i_test_main("eval", tests, sizeof tests / sizeof *tests);
    return failed | end_folder(made, sizeof made / sizeof *made);
}
