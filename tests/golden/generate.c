/* generate.c - the tutorial's final weights, asked through our own files: predictions and distances
 * as PyTorch printed them (tests/golden/seed/), "a blue square shape" -> blue_square.png.
 */
#include "generate/generate.h"
#include "dataset/dataset_writer.h"

#include <math.h>
#include <unistd.h>

#include "test.h"
#include "picture.h"
#include "checkpoint/checkpoint.h"
#include "retrieval/eval.h"
#include "base/fs.h"
#include "formats/json.h"
#include "model/predict.h"
#include "formats/safetensors.h"
#include "retrieval/loaded_model.h"

#define SEED  "tests/golden/seed/"
#define QUERY "a blue square shape"
enum { D = 512, PICTURES = 3, PAIRS_MOST = 16, TENSORS_MOST = 64 };

static t2i_error err;
static char folder[256], model_file[300], data_file[300], sheet_file[300];

/* ---- the files, made of golden's parts ---- */

/* The weights "final.NAME" with the configuration and vocabulary of the initial ones. */
static void write_model(void)
{
    t2i_st *initial = NULL, *final = NULL;
    t2i_st_part part[TENSORS_MOST] = {{0}};
    float *data[TENSORS_MOST] = {0};
    size_t parts = 0;
    OK(t2i_st_open(&initial, SEED "initial.safetensors", &err));
    OK(t2i_st_open(&final, SEED "final.safetensors", &err));
    if (initial == NULL || final == NULL) return;
    for (size_t i = 0; i < t2i_st_tensors(final) && parts < TENSORS_MOST; i++) {
        const t2i_st_tensor *t = t2i_st_at(final, i);
        if (strncmp(t->name, "final.", 6) != 0) continue;
        data[parts] = t2i_alloc((size_t)t->count, sizeof(float));
        OK(t2i_st_floats(final, t, data[parts], &err));
        part[parts] = (t2i_st_part){.name = t->name + 6, .dims = t->dims, .data = data[parts]};
        memcpy(part[parts].dim, t->dim, sizeof t->dim);
        parts++;
    }
    t2i_json *meta = t2i_json_object();
    t2i_json_set_string(meta, "t2i.config", t2i_st_meta(initial, "t2i.config"));
    t2i_json_set_string(meta, "t2i.vocab", t2i_st_meta(initial, "t2i.vocab"));
    OK(t2i_st_save(model_file, part, parts, meta, &err));
    t2i_json_free(meta);
    for (size_t i = 0; i < parts; i++) t2i_free(data[i]);
    t2i_st_close(initial);
    t2i_st_close(final);
}

static void write_features(t2i_dataset_writer *out, const char *const *name, size_t images)
{
    t2i_st *st = NULL;
    OK(t2i_st_open(&st, SEED "features.safetensors", &err));
    for (size_t i = 0; st != NULL && i < images; i++) {
        char key[64];
        float feature[D];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(name[i], "."), name[i]);
        const t2i_st_tensor *t = t2i_st_find(st, key);
        CU_ASSERT(t != NULL && t->count == D);
        if (t == NULL || t->count != D) continue;
        OK(t2i_st_floats(st, t, feature, &err));
        OK(t2i_dataset_writer_put_features(out, 1, feature, &err));
    }
    t2i_st_close(st);
}

static void write_dataset(void)
{
    t2i_text text = {0}, prompts = {0};
    uint64_t offset[PAIRS_MOST + 1] = {0};
    uint32_t image[PAIRS_MOST], row[PAIRS_MOST], group[PICTURES] = {0, 1, 2};
    uint8_t split[PAIRS_MOST] = {0};
    const char *name[PICTURES + 1];
    t2i_pairs pairs = {0};
    OK(t2i_fs_read(SEED "pairs.tsv", 1 << 20, &text, &err));
    for (char *line = strtok(text.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *tab = strchr(line, '\t');
        size_t n = pairs.pairs, k = 0;
        if (tab == NULL || n == PAIRS_MOST) break;
        OK(t2i_text_add(&prompts, line, (size_t)(tab - line), &err));
        offset[n + 1] = prompts.size;
        while (k < pairs.images && strcmp(name[k], tab + 1) != 0) k++;
        if (k == pairs.images && pairs.images < PICTURES) name[pairs.images++] = tab + 1;
        image[n] = (uint32_t)k;
        row[n] = (uint32_t)n;
        pairs.pairs++;
    }
    pairs = (t2i_pairs){pairs.pairs, pairs.images, prompts.data, offset, image,
                        row,         split,        name,         group};
    const t2i_encoder_info encoder = {"features", 0, 0, 1, ""};
    t2i_dataset_writer *out = NULL;
    OK(t2i_dataset_writer_create(&out, data_file, "test", &pairs, D, &encoder, &err));
    if (out != NULL) {
        write_features(out, name, pairs.images);
        OK(t2i_dataset_writer_commit(out, &err));
    }
    t2i_text_free(&text);
    t2i_text_free(&prompts);
}

/* ---- comparing ---- */

/* Largest difference, relative to the largest entry of what is right. */
static double difference(const float *ours, const float *right)
{
    double most = 0.0, largest = 0.0;
    for (size_t i = 0; i < D; i++) {
        most = fmax(most, fabs((double)ours[i] - (double)right[i]));
        largest = fmax(largest, fabs((double)right[i]));
    }
    return most / largest;
}

static void predicts(const t2i_loaded_model *trained, const char *prompt, const char *file,
                     const char *tensor)
{
    const t2i_checkpoint *c = &trained->checkpoint;
    t2i_st *st = NULL;
    float ours[D], right[D];
    t2i_encoded encoded;
    OK(t2i_st_open(&st, file, &err));
    if (st == NULL) return;
    if (prompt == NULL) prompt = t2i_st_meta(st, tensor);
    const t2i_st_tensor *t = t2i_st_find(st, tensor);
    CU_ASSERT(t != NULL && t->count == D && prompt != NULL);
    if (t != NULL && t->count == D && prompt != NULL) {
        const t2i_prompt p = {prompt, strlen(prompt)};
        OK(t2i_st_floats(st, t, right, &err));
        t2i_packed_weights packed;
        OK(t2i_packed_weights_of(&packed, &c->model, c->weights, &err));
        OK(t2i_predict_packed(&packed, &c->vocab, &p, 1, ours, NULL, &encoded, &err));
        t2i_packed_weights_free(&packed);
        if (!(difference(ours, right) < 1e-5)) {
            fprintf(stderr, "%s: off by %g\n", tensor, difference(ours, right));
            CU_FAIL("a prediction differs from PyTorch's");
        }
        CU_ASSERT((encoded.unknown > 0) == (strstr(tensor, "unknown") != NULL));
        CU_ASSERT((encoded.cut > 0) == (strcmp(tensor, "long") == 0));
    }
    t2i_st_close(st);
}

static void predictions(void)
{
    t2i_loaded_model trained;
    OK(t2i_loaded_model_open(&trained, model_file, data_file, &err));
    if (trained.dataset == NULL) return;
    CU_ASSERT(!trained.checkpoint.ours);
    predicts(&trained, QUERY, SEED "final.safetensors", "prediction");
    predicts(&trained, NULL, SEED "edge.safetensors", "empty");
    predicts(&trained, NULL, SEED "edge.safetensors", "unknown");
    predicts(&trained, NULL, SEED "edge.safetensors", "first_unknown");
    predicts(&trained, NULL, SEED "edge.safetensors", "long");
    t2i_loaded_model_close(&trained);
}

static t2i_text said;    /* what was printed */
static int before_sheet; /* 1: the first of it before the sheet was there */

static t2i_status keep(const t2i_generate_options *options, const char *text, t2i_error *e)
{
    if (said.size == 0) before_sheet = !t2i_fs_exists(options->out);
    return t2i_text_addf(&said, e, "%s", text);
}

static t2i_generate_options query(const char *const *prompt, size_t prompts, t2i_metric metric)
{
    return (t2i_generate_options){.source = model_file,
                                  .data = data_file,
                                  .prompt = prompt,
                                  .prompts = prompts,
                                  .top = 5, /* there are three */
                                  .metric = metric,
                                  .out = sheet_file,
                                  .force = 1,
                                  .json = 1,
                                  .print = keep};
}

/* The golden cosine distances are 1 - similarity in float32, hence the absolute term. */
static void compare(const t2i_json *answer, const t2i_json *right, const char *metric,
                    double absolute)
{
    const t2i_json *nearest = t2i_json_get(answer, "nearest");
    CU_ASSERT(t2i_json_size(answer) == 6 && t2i_json_size(nearest) == PICTURES);
    for (size_t k = 0; k < PICTURES; k++) {
        const t2i_json *ours = t2i_json_at(nearest, k), *theirs = t2i_json_at(right, k);
        const char *name = "", *their_name = NULL;
        double distance = -1.0, their_distance = 0.0;
        CU_ASSERT(t2i_json_as_string(t2i_json_get(ours, "image"), &name, NULL));
        CU_ASSERT(t2i_json_as_string(t2i_json_get(theirs, "image"), &their_name, NULL));
        CU_ASSERT(t2i_json_as_real(t2i_json_get(ours, "distance"), &distance));
        CU_ASSERT(t2i_json_as_real(t2i_json_get(theirs, metric), &their_distance));
        CU_ASSERT(their_name != NULL && strcmp(name, their_name) == 0);
        if (!(fabs(distance - their_distance) <= 1e-5 * their_distance + absolute)) {
            fprintf(stderr, "%s %s: %.9g, not %.9g\n", name, metric, distance, their_distance);
            CU_FAIL("a distance differs from PyTorch's");
        }
    }
}

static void nearest(void)
{
    t2i_text expected = {0};
    t2i_json *right = NULL;
    OK(t2i_fs_read(SEED "expected.json", 1 << 20, &expected, &err));
    OK(t2i_json_parse(&right, expected.data, expected.size, "expected.json", &err));
    for (int metric = T2I_EUCLIDEAN; metric <= T2I_COSINE; metric++) {
        const char *const prompt[] = {QUERY};
        const char *name = metric == T2I_COSINE ? "cosine" : "euclidean", *got = "";
        t2i_generate_options options = query(prompt, 1, (t2i_metric)metric);
        t2i_json *ours = NULL;
        OK(t2i_generate(&options, &err));
        OK(t2i_json_parse(&ours, said.data, said.size, "the report", &err));
        CU_ASSERT(t2i_json_size(ours) == 1);
        const t2i_json *answer = t2i_json_at(ours, 0);
        compare(answer, t2i_json_get(right, "nearest"), name, metric == T2I_COSINE ? 2e-7 : 0.0);
        CU_ASSERT(t2i_json_as_string(t2i_json_get(answer, "metric"), &got, NULL));
        CU_ASSERT_STRING_EQUAL(got, name);
        CU_ASSERT(t2i_json_get(answer, "decoded") != NULL);
        CU_ASSERT(!t2i_json_as_string(t2i_json_get(answer, "decoded"), &got, NULL));
        t2i_json_free(ours);
        t2i_text_free(&said);
    }
    t2i_json_free(right);
    t2i_text_free(&expected);
}

static void unknown_characters(void)
{
    const char *const prompt[] = {"a r\xc3\xa9"
                                  "d squ\xe2\x80\x8b"
                                  "\xc3\xa9re",
                                  "a"};
    t2i_generate_options options = query(prompt, 2, T2I_EUCLIDEAN);
    t2i_json *ours = NULL;
    const char *first = "", *second = "";
    OK(t2i_generate(&options, &err));
    OK(t2i_json_parse(&ours, said.data, said.size, "the report", &err));
    const t2i_json *unknown = t2i_json_get(t2i_json_at(ours, 0), "unknown");
    CU_ASSERT(t2i_json_size(unknown) == 2);
    CU_ASSERT(t2i_json_as_string(t2i_json_at(unknown, 0), &first, NULL));
    CU_ASSERT(t2i_json_as_string(t2i_json_at(unknown, 1), &second, NULL));
    CU_ASSERT_STRING_EQUAL(first, "\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(second, "\xe2\x80\x8b");
    CU_ASSERT(t2i_json_is_array(t2i_json_get(t2i_json_at(ours, 1), "unknown")));
    CU_ASSERT(t2i_json_size(t2i_json_get(t2i_json_at(ours, 1), "unknown")) == 0);
    t2i_json_free(ours);
    t2i_text_free(&said);
}

static void report_for_people(void)
{
    const char *const prompt[] = {QUERY};
    t2i_generate_options options = query(prompt, 1, T2I_EUCLIDEAN);
    t2i_image sheet = {0};
    options.json = 0;
    options.top = 1;
    unlink(sheet_file);
    OK(t2i_generate(&options, &err));
    CU_ASSERT(before_sheet);
    CU_ASSERT(said.data != NULL && strstr(said.data, QUERY) != NULL);
    CU_ASSERT(said.data != NULL && strstr(said.data, "1.8634  blue_square.png") != NULL);
    CU_ASSERT(said.data != NULL && strstr(said.data, "red_square.png") == NULL);
    CU_ASSERT(said.data != NULL && strstr(said.data, sheet_file) != NULL);
    OK(read_picture(&sheet, sheet_file, &err));
    t2i_image_free(&sheet);
    t2i_text_free(&said);
}

/* The run has learnt its seven prompts by heart. */
static void evaluates(void)
{
    t2i_loaded_model trained;
    t2i_eval_report report;
    t2i_eval_options options = {.split = T2I_DEFAULT_SPLIT, .seed = 1, .cache_bytes = 1 << 20};
    t2i_comm *comm;
    OK(t2i_loaded_model_open(&trained, model_file, data_file, &err));
    if (trained.dataset == NULL) return;
    OK(t2i_comm_alone(&comm, &err));
    OK(t2i_eval(comm, &trained, &options, &report, &err));
    const t2i_eval_result *r = &report.result[0];
    CU_ASSERT(r->split == T2I_TRAIN && r->prompts == 7 && r->gallery == PICTURES);
    CU_ASSERT(r->method[T2I_BY_EUCLIDEAN].score.r1 == 1.0 &&
              r->method[T2I_BY_COSINE].score.mrr == 1.0);
    CU_ASSERT(isnan(r->decoded_psnr) && isnan(r->nearest_psnr));
    t2i_eval_report_free(&report);
    options.split = T2I_UNSEEN_PROMPTS;
    FAILS(t2i_eval(comm, &trained, &options, &report, &err), T2I_DATA, "train (7)");
    t2i_comm_close(comm);
    t2i_loaded_model_close(&trained);
}

static void bad_input(void)
{
    const char *const good[] = {QUERY};
    t2i_generate_options options = query(good, 1, T2I_EUCLIDEAN);
    options.data = NULL;
    FAILS(t2i_generate(&options, &err), T2I_USAGE, "--data");
    options = query(good, 1, T2I_EUCLIDEAN);
    options.data = "/nonexistent/d.h5";
    FAILS(t2i_generate(&options, &err), T2I_NOINPUT, "d.h5");
    options = query(good, 1, T2I_EUCLIDEAN);
    options.source = "/nonexistent/model.safetensors";
    FAILS(t2i_generate(&options, &err), T2I_NOINPUT, "model.safetensors");
    options.source = data_file;
    FAILS(t2i_generate(&options, &err), T2I_DATA, "data.h5");
    options = query(good, 1, T2I_EUCLIDEAN);
    options.out = "/nonexistent/sheet.png";
    CU_ASSERT(said.size == 0);
    FAILS(t2i_generate(&options, &err), T2I_CANTCREATE, "sheet.png");
    CU_ASSERT(said.data != NULL && strstr(said.data, "blue_square.png") != NULL);
    t2i_text_free(&said);
    options.out = sheet_file;
    options.force = 0;
    FAILS(t2i_generate(&options, &err), T2I_CANTCREATE, "sheet.png exists");
    CU_ASSERT(said.size == 0);
    options.out = "sheet.gif";
    FAILS(t2i_generate(&options, &err), T2I_USAGE, "let the name end in .png");
    t2i_text_free(&said);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"golden's weights as a model file", write_model},
        {"golden's features as a dataset", write_dataset},
        {"predictions as PyTorch made them", predictions},
        {"nearest pictures and distances", nearest},
        {"unknown characters are named", unknown_characters},
        {"lines for people", report_for_people},
        {"a learnt run scores 1", evaluates},
        {"bad input", bad_input},
    };
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/t2i-generate-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(model_file, sizeof model_file, "%s/model.safetensors", folder);
    snprintf(data_file, sizeof data_file, "%s/data.h5", folder);
    snprintf(sheet_file, sizeof sheet_file, "%s/sheet.png", folder);
    int failed = t2i_test_main("golden/generate", tests, sizeof tests / sizeof *tests);
    if (getenv("T2I_KEEP") == NULL) {
        unlink(model_file);
        unlink(data_file);
        unlink(sheet_file);
        if (rmdir(folder) != 0) failed = 1;
    }
    return failed;
}
