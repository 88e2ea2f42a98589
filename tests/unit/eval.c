/* eval, trained, generate: a model that answers everything alike (trained_sample.h), whose scores
 * were worked out by hand. Pictures by distance to the prediction: 1, 0, 5 (equal to 0), 3, 4, 2;
 * to the mean training feature: 1, 3, 0, 5, 2, 4.
 */
#include "t2i/eval.h"

#include <math.h>

#include "t2i/generate.h"
#include "t2i/json.h"
#include "trained_sample.h"

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

static int ask(t2i_eval_result *result, const char *data, int split)
{
    t2i_trained trained;
    OK(t2i_trained_open(&trained, run_folder, data, &err));
    if (trained.dataset == NULL) return 0;
    OK(t2i_eval(&trained, split, result, &err));
    t2i_trained_close(&trained);
    return 1;
}

static void scores_validation(void)
{
    t2i_eval_result r;
    if (!ask(&r, NULL, -1)) return;
    CU_ASSERT(r.split == T2I_VALIDATION && r.prompts == 2 && r.gallery == PICTURES);
    CU_ASSERT(r.unknown == 2 && r.cut == 0); /* "m" and "d" are not in the vocabulary */
    NEAR(r.euclidean.r1, 0.0);               /* ranks 4 and 5 */
    NEAR(r.euclidean.r5, 1.0);
    NEAR(r.euclidean.mrr, (0.25 + 0.2) / 2);
    NEAR(r.euclidean.median_rank, 4.5);
    CU_ASSERT(r.has_mean);
    NEAR(r.mean.r5, 0.5); /* ranks 2 and 6 */
    NEAR(r.mean.mrr, (0.5 + 1.0 / 6) / 2);
    NEAR(r.mean.median_rank, 4.0);
    NEAR(r.random.r1, 1.0 / 6);
    NEAR(r.random.median_rank, 3.5);
    NEAR(r.decoded_psnr, (psnr_of(level(PREDICTED), 3) + psnr_of(level(PREDICTED), 4)) / 2);
    NEAR(r.nearest_psnr, (psnr_of(level(0.4f), 3) + psnr_of(level(0.4f), 4)) / 2);
}

static void scores_others(void)
{
    t2i_eval_result r;
    if (!ask(&r, NULL, T2I_TRAIN)) return;
    CU_ASSERT(r.prompts == 3);
    NEAR(r.euclidean.r1, 2.0 / 3); /* "alpha" 2; "beta" twice 1: both its pictures are right */
    NEAR(r.euclidean.mrr, 2.5 / 3);
    NEAR(r.euclidean.median_rank, 1.0);
    NEAR(r.nearest_psnr, (psnr_of(level(0.4f), 0) + T2I_PSNR_MOST + psnr_of(level(0.4f), 2)) / 3);
    if (!ask(&r, NULL, T2I_UNSEEN_PROMPTS)) return;
    NEAR(r.euclidean.mrr, 1.0 / 3); /* as near as picture 0, which comes first */
    if (!ask(&r, NULL, T2I_UNSEEN_PICTURES)) return;
    NEAR(r.euclidean.mrr, 1.0 / 4);
    NEAR(r.cosine.mrr, 1.0 / 5); /* behind 0, 1, 4 and 5, which lie in the prediction's direction */
}

/* All orders of the gallery, one by one. */
static void count_orders(size_t *order, size_t fixed, size_t *ranks, size_t *count)
{
    if (fixed == PICTURES) {
        for (size_t row = 0; row < 3; row++) {
            size_t at = 0;
            while (row == 0 ? order[at] != 0 : order[at] != 1 && order[at] != 2) at++;
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
    t2i_eval_result r;
    count_orders(order, 0, ranks, &count);
    CU_ASSERT(count == 3 * 720);
    for (size_t k = 1; k <= PICTURES; k++) {
        mrr += (double)ranks[k] / (double)k / (double)count;
        if (2 * sum < count && 2 * (sum + ranks[k]) >= count) median = (double)k;
        sum += ranks[k];
    }
    if (!ask(&r, NULL, T2I_TRAIN)) return;
    NEAR(r.random.r1, (double)ranks[1] / (double)count);
    NEAR(r.random.r5, 1.0 - (double)ranks[6] / (double)count);
    NEAR(r.random.r10, 1.0);
    NEAR(r.random.mrr, mrr);
    NEAR(r.random.median_rank, median);
}

/* What opening the run says on stderr. */
static void said_at_open(const char *data, t2i_text *said)
{
    t2i_trained trained;
    char path[330];
    snprintf(path, sizeof path, "%s/said", folder);
    int old = dup(STDERR_FILENO);
    FILE *file = fopen(path, "w");
    if (file == NULL || old < 0 || dup2(fileno(file), STDERR_FILENO) < 0) {
        CU_FAIL("cannot catch stderr");
        return;
    }
    t2i_status status = t2i_trained_open(&trained, run_folder, data, &err);
    dup2(old, STDERR_FILENO);
    close(old);
    fclose(file);
    OK(status);
    t2i_trained_close(&trained);
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
    t2i_eval_result r;
    if (!ask(&r, bare_file, -1)) return;
    NEAR(r.euclidean.mrr, (0.25 + 0.2) / 2);
    CU_ASSERT(isnan(r.decoded_psnr) && isnan(r.nearest_psnr));
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
    static const char *const keys[] = {"split",  "prompts",      "gallery",      "euclidean",
                                       "cosine", "decoded_psnr", "nearest_psnr", "baselines"};
    static const char *const scores[] = {"r1", "r5", "r10", "mrr", "median_rank"};
    t2i_eval_result r;
    t2i_text json = {0}, table = {0};
    t2i_json *parsed = NULL;
    if (!ask(&r, NULL, -1)) return;
    OK(t2i_eval_json(&r, &json, &err));
    OK(t2i_json_parse(&parsed, json.data, json.size, "the report", &err));
    has_keys(parsed, keys, sizeof keys / sizeof *keys);
    has_keys(t2i_json_get(parsed, "cosine"), scores, 5);
    has_keys(t2i_json_get(t2i_json_get(parsed, "baselines"), "random"), scores, 5);
    has_keys(t2i_json_get(t2i_json_get(parsed, "baselines"), "mean"), scores, 5);
    OK(t2i_eval_table(&r, &table, &err));
    CU_ASSERT(table.data != NULL && strstr(table.data, "Split 'validation': 2 prompts") != NULL);
    CU_ASSERT(table.data != NULL && strstr(table.data, "gain") != NULL);
    t2i_json_free(parsed);
    t2i_text_free(&json);
    t2i_text_free(&table);
}

/* ---- generate ---- */

static int is_in_folder(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return t2i_fs_exists(path);
}

static void generates(void)
{
    const char *const prompt[] = {"alpha", "beta and more"};
    const t2i_generate_options options = {
        .source = run_folder, .prompt = prompt, .prompts = 2, .top = 2, .json = 1};
    t2i_text report = {0};
    t2i_json *parsed = NULL;
    t2i_image decoded = {0};
    const char *text = "";
    OK(t2i_generate(&options, &report, &err));
    OK(t2i_json_parse(&parsed, report.data, report.size, "the report", &err));
    const t2i_json *answer = t2i_json_at(parsed, 1), *near = t2i_json_get(answer, "nearest");
    CU_ASSERT(t2i_json_size(parsed) == 2 && t2i_json_size(near) == 2);
    CU_ASSERT(t2i_json_as_string(t2i_json_get(t2i_json_at(near, 1), "image"), &text, NULL));
    CU_ASSERT_STRING_EQUAL(text, "zero.png");
    /* of the six characters that the model reads, only the blank is unknown */
    CU_ASSERT(t2i_json_size(t2i_json_get(answer, "unknown")) == 1);
    CU_ASSERT(t2i_json_as_string(t2i_json_get(answer, "decoded"), &text, NULL));
    CU_ASSERT(strstr(text, "/run/generated-2.png") != NULL);
    OK(t2i_image_read(&decoded, text, &err));
    CU_ASSERT(decoded.width == SIDE && decoded.rgb != NULL && decoded.rgb[77] == 89);
    CU_ASSERT(is_in_folder("run/generated.png") && is_in_folder("run/generated-1.png"));
    CU_ASSERT(!is_in_folder("run/generated-3.png"));
    t2i_image_free(&decoded);
    t2i_json_free(parsed);
    t2i_text_free(&report);
}

/* ---- what does not go together ---- */

static void refuses(void)
{
    t2i_trained trained;
    char narrow[330], both[800];
    FAILS(t2i_trained_open(&trained, model_file, NULL, &err), T2I_USAGE, "--data");
    CU_ASSERT(trained.dataset == NULL && trained.path == NULL);
    snprintf(narrow, sizeof narrow, "%s/narrow.h5", folder);
    write_dataset(narrow, 0, D - 1);
    snprintf(both, sizeof both, "%s predicts 12 features, but the pictures of %s have 11",
             model_file, narrow);
    FAILS(t2i_trained_open(&trained, run_folder, narrow, &err), T2I_DATA, both);
    write_job("/nonexistent/gone.h5");
    FAILS(t2i_trained_open(&trained, run_folder, NULL, &err), T2I_NOINPUT, "run/job.ini names");
    OK(t2i_trained_open(&trained, model_file, data_file, &err));
    t2i_trained_close(&trained);
    CU_ASSERT(trained.dataset == NULL);
}

/* A prediction that is picture 3 itself, which no training row uses: there picture 2 is nearest. */
static void nearest_is_a_training_picture(void)
{
    t2i_trained trained;
    t2i_eval_result r;
    OK(t2i_trained_open(&trained, model_file, data_file, &err));
    if (trained.dataset == NULL) return;
    for (size_t d = 0; d < D; d++)
        trained.checkpoint.weights[trained.checkpoint.model.head_bias + d] =
            colour[3][d % 3] - 0.5f;
    OK(t2i_eval(&trained, T2I_UNSEEN_PICTURES, &r, &err));
    NEAR(r.euclidean.r1, 1.0);
    NEAR(r.decoded_psnr, T2I_PSNR_MOST);
    NEAR(r.nearest_psnr, psnr_of(level(0.7f), 3));
    t2i_trained_close(&trained);
}

/* A model whose weights went wild is refused, not ranked. */
static void not_finite(void)
{
    t2i_trained trained;
    t2i_eval_result result;
    OK(t2i_trained_open(&trained, model_file, data_file, &err));
    if (trained.dataset == NULL) return;
    trained.checkpoint.weights[trained.checkpoint.model.head_bias + 3] = NAN;
    FAILS(t2i_eval(&trained, -1, &result, &err), T2I_DATA, "not a finite number");
    t2i_trained_close(&trained);
}

int main(void)
{
    static const char *const made[] = {"run/generated.png", "run/generated-1.png",
                                       "run/generated-2.png", "narrow.h5", "said"};
    static const t2i_test tests[] = {
        {"the sample's files", make_files},
        {"scores of the validation split", scores_validation},
        {"scores of the other splits", scores_others},
        {"a random order, by trying all", random_order},
        {"another dataset is warned of", warns_of_another_dataset},
        {"a dataset without pictures", without_pictures},
        {"reports", reports},
        {"a run folder's pictures", generates},
        {"what does not go together", refuses},
        {"the nearest training picture", nearest_is_a_training_picture},
        {"predictions that are not finite", not_finite},
    };
    if (begin_folder("eval") != 0) return 1;
    int failed = t2i_test_main("eval", tests, sizeof tests / sizeof *tests);
    return failed | end_folder(made, sizeof made / sizeof *made);
}
