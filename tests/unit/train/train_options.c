/* The keys of t2i-train: defaults, what must be given, what goes together, and which of them make a
 * result. */
#include "test.h"

#include <limits.h>

#include "scratch.h"
#include "base/commit.h"
#include "train/train_options.h"
#include "formats/json.h"

static t2i_error err;

enum { WORDS = 16 };

static t2i_status parse(t2i_train_options *options, const char *const words[WORDS])
{
    char *argv[WORDS + 2] = {"t2i-train"};
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = t2i_strdup(words[argc - 1]);
    }
    t2i_status status = t2i_train_options_parse(options, argc, argv, &err);
    /* operands are borrowed from argv: only the error text is looked at where there are any */
    for (int i = 1; i < argc; i++) t2i_free(argv[i]);
    return status;
}

#define PARSE(options, ...) parse(options, (const char *const[WORDS]){__VA_ARGS__, NULL})

static void refused(const char *const words[WORDS], t2i_status status, const char *part)
{
    t2i_train_options options;
    FAILS(parse(&options, words), status, part);
    t2i_train_options_free(&options);
}

static void test_defaults(void)
{
    t2i_train_options options;
    OK(PARSE(&options, "--data", "d.h5", "--out", "runs/a"));
    CU_ASSERT_STRING_EQUAL(options.data, "d.h5");
    CU_ASSERT_STRING_EQUAL(options.out, "runs/a");
    /* the tutorial's */
    CU_ASSERT_TRUE(options.lr == 1e-4 && options.beta1 == 0.9 && options.beta2 == 0.999 &&
                   options.eps == 1e-8);
    CU_ASSERT_TRUE(options.weight_decay == 0.01 && options.batch == 4 && options.steps == 5000 &&
                   options.clip == 0.0);
    CU_ASSERT_TRUE(options.d_model == 64 && options.heads == 4 && options.layers == 3 &&
                   options.d_ff == 256 && options.block_size == 64);
    CU_ASSERT_TRUE(options.schedule == T2I_SCHEDULE_CONSTANT && options.loss == T2I_LOSS_MSE &&
                   options.sampler == T2I_SHARDED && options.resume == T2I_RESUME_AUTO);
    CU_ASSERT_TRUE(options.trie && !options.tensorboard && options.resume_path == NULL &&
                   options.sampler_path == NULL);
    CU_ASSERT_TRUE(options.init == NULL && options.warmup == 0 && options.shards == 0 &&
                   options.max_time == 0.0 && !options.dry_run);
    CU_ASSERT_TRUE(t2i_train_options_gave(&options, "data") &&
                   t2i_train_options_gave(&options, "out") &&
                   !t2i_train_options_gave(&options, "lr"));
    t2i_train_options_free(&options);
}

static void test_words(void)
{
    t2i_train_options options;
    OK(PARSE(&options, "--data", "d", "--out", "o", "--loss", "contrastive", "--trie", "off",
             "--resume", "never", "--sampler", "uniform"));
    CU_ASSERT_TRUE(options.loss == T2I_LOSS_CONTRASTIVE && !options.trie &&
                   options.resume == T2I_RESUME_NEVER && options.sampler == T2I_UNIFORM);
    CU_ASSERT_TRUE(options.resume_path == NULL && options.sampler_path == NULL);
    t2i_train_options_free(&options);
    OK(PARSE(&options, "--data", "d", "--out", "o", "--tensorboard", "on", "--resume", "runs/a",
             "--sampler", "rows.txt"));
    CU_ASSERT_TRUE(options.tensorboard && options.resume == T2I_RESUME_NAMED &&
                   options.sampler == T2I_SAMPLER_FILE);
    CU_ASSERT_STRING_EQUAL(options.resume_path, "runs/a");
    CU_ASSERT_STRING_EQUAL(options.sampler_path, "rows.txt");
    t2i_train_options_free(&options);
}

static void test_job_file(void)
{
    t2i_train_options options;
    const char *file = in_scratch("a.ini");
    static const char text[] = "data = d.h5\nout = o\nlr = 0.5\nbatch = 32\nschedule = cosine\n";
    OK(t2i_commit_file(file, text, sizeof text - 1, &err));
    OK(PARSE(&options, file, "--batch", "64"));
    CU_ASSERT_TRUE(options.lr == 0.5 && options.batch == 64 &&
                   options.schedule == T2I_SCHEDULE_COSINE);
    CU_ASSERT_TRUE(t2i_train_options_gave(&options, "lr") &&
                   t2i_train_options_gave(&options, "batch") &&
                   !t2i_train_options_gave(&options, "seed"));
    t2i_train_options_free(&options);
    refused((const char *const[WORDS]){"none.ini"}, T2I_NOINPUT, "none.ini");
    unlink(file);
}

static void test_refused(void)
{
    refused((const char *const[WORDS]){"--out", "o"}, T2I_USAGE, "data is not given");
    refused((const char *const[WORDS]){"--data", "d"}, T2I_USAGE, "out is not given");
    refused(
        (const char *const[WORDS]){"--data", "d", "--out", "o", "--lr", "0.1", "--min-lr", "0.2"},
        T2I_USAGE, "min-lr 0.2 is above lr 0.1");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "--heads", "5"}, T2I_USAGE,
            "d-model 64 is not a multiple of heads 5");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "stray"}, T2I_USAGE,
            "'stray' is neither a job file (*.ini) nor a --key");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "--bacth", "5"}, T2I_USAGE,
            "batch");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "--batch", "0"}, T2I_USAGE,
            "batch");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "--beta1", "1"}, T2I_USAGE,
            "beta1");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "--steps", "0"}, T2I_USAGE,
            "steps");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "--seed", "-1"}, T2I_USAGE,
            "seed");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "--schedule", "linear"},
            T2I_USAGE, "schedule");
    refused((const char *const[WORDS]){"--data", "d", "--out", "o", "--lr", "nan"}, T2I_USAGE,
            "lr");
}

static void test_lenient(void)
{
    t2i_train_options options;
    OK(PARSE(&options, "--data", "d", "--dry-run")); /* writes nothing, so needs no folder */
    CU_ASSERT_TRUE(options.dry_run && options.out == NULL);
    t2i_train_options_free(&options);
    OK(PARSE(&options, "--help")); /* needs nothing */
    CU_ASSERT_TRUE(options.opts.asked == T2I_ASK_HELP);
    t2i_train_options_free(&options);
    OK(PARSE(&options, "--version"));
    CU_ASSERT_TRUE(options.opts.asked == T2I_ASK_VERSION);
    t2i_train_options_free(&options);
    OK(PARSE(&options, "--data", "d", "--out", "o", "--lr", "0.1", "--min-lr", "0.1"));
    t2i_train_options_free(&options);
}

/* ---- what changes a result ---- */

static char *result_of(const char *const words[WORDS], const char *sampler)
{
    t2i_train_options options;
    char *text = NULL;
    OK(parse(&options, words));
    OK(t2i_train_options_result_options(&options, sampler, &text, &err));
    t2i_train_options_free(&options);
    return text;
}

#define RESULT(sampler, ...)                                                                       \
    result_of((const char *const[WORDS]){"--data", "d", "--out", "o", __VA_ARGS__}, sampler)

static int has_key(const char *options, const char *key, const char *value)
{
    t2i_json *json = NULL;
    const char *found = NULL;
    OK(t2i_json_parse(&json, options, strlen(options), "options", &err));
    int has = t2i_json_as_string(t2i_json_get(json, key), &found, NULL) &&
              (value == NULL || strcmp(found, value) == 0);
    t2i_json_free(json);
    return has;
}

static void test_result_options(void)
{
    static const char *const keys[] = {"batch",  "lr",           "schedule", "warmup",
                                       "min-lr", "weight-decay", "beta1",    "beta2",
                                       "eps",    "clip",         "seed",     "sampler"};
    static const char *const others[] = {"data",      "out",  "steps",    "shards",
                                         "log-every", "keep", "max-time", "d-model"};
    char *constant = RESULT("sharded", "--seed", "7"),
         *cosine = RESULT("file:abc", "--schedule", "cosine");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        CU_ASSERT_TRUE(has_key(constant, keys[i], NULL));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CU_ASSERT_FALSE(has_key(constant, others[i], NULL));
    CU_ASSERT_TRUE(has_key(constant, "seed", "7") && has_key(constant, "sampler", "sharded"));
    CU_ASSERT_TRUE(has_key(cosine, "steps", "5000") && has_key(cosine, "sampler", "file:abc"));
    t2i_free(constant);
    t2i_free(cosine);
}

static void expect_same(char *a, char *b)
{
    OK(t2i_train_options_same_result(a, b, "runs/x", "runs/x", &err));
    t2i_free(a);
    t2i_free(b);
}

static void expect_other(char *a, char *b, const char *part)
{
    FAILS(t2i_train_options_same_result(a, b, "runs/x", "runs/x", &err), T2I_USAGE, part);
    CU_ASSERT_PTR_EQUAL(strstr(err.text, "runs/x"), err.text);
    t2i_free(a);
    t2i_free(b);
}

static void test_same_result(void)
{
    expect_same(RESULT("sharded", NULL), RESULT("sharded", NULL));
    expect_same(RESULT("sharded", "--lr", "0.001"),
                RESULT("sharded", "--lr", "1e-3")); /* written otherwise */
    expect_same(RESULT("sharded", "--steps", "10", "--keep", "5"),
                RESULT("sharded", "--steps", "20", "--log-every", "1"));
    expect_other(RESULT("sharded", "--lr", "0.001"), RESULT("sharded", "--lr", "0.002"),
                 "there lr is 0.001, here it is 0.002. To resume it, give the same values; to "
                 "change them, start a new run in another out, with --init runs/x for its weights");
    expect_other(RESULT("sharded", "--lr", "0.001", "--clip", "1"),
                 RESULT("uniform", "--lr", "0.002", "--augment", "0.5"),
                 "there lr is 0.001, here it is 0.002 (other values, too: clip, sampler, augment)");
    expect_other(RESULT("sharded", NULL), RESULT("sharded", "--augment", "0.5"),
                 "there augment is 0, here it is 0.5"); /* not in the object if it is off */
    expect_other(RESULT("sharded", NULL), RESULT("uniform", NULL),
                 "there sampler is sharded, here it is uniform");
    expect_other(RESULT("sharded", "--schedule", "cosine", "--steps", "10"),
                 RESULT("sharded", "--schedule", "cosine", "--steps", "20"),
                 "there steps is 10, here it is 20. To resume it, give the same values (a cosine "
                 "schedule is made for its steps)");
    expect_other(RESULT("sharded", NULL), RESULT("sharded", "--schedule", "cosine"),
                 "schedule is constant");
    /* each key by itself */
    static const char *const keys[][2] = {
        {"batch", "5"},        {"warmup", "3"},  {"min-lr", "1e-5"},
        {"weight-decay", "0"}, {"beta1", "0.5"}, {"beta2", "0.5"},
        {"eps", "1e-3"},       {"clip", "1"},    {"seed", "9"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char option[40], part[60];
        snprintf(option, sizeof option, "--%s", keys[i][0]);
        snprintf(part, sizeof part, "there %s is ", keys[i][0]);
        expect_other(RESULT("sharded", NULL), RESULT("sharded", option, keys[i][1]), part);
    }
    /* options that one of them lacks, as after a new version */
    expect_other(t2i_strdup("{\"a\":\"1\"}"), t2i_strdup("{\"a\":\"1\",\"new\":\"2\"}"),
                 "there new is not set, here it is 2");
    expect_other(t2i_strdup("{\"old\":\"2\",\"a\":\"1\"}"), t2i_strdup("{\"a\":\"1\"}"),
                 "there old is 2, here it is not set");
    expect_same(t2i_strdup("{\"a\":\"1\",\"b\":\"2\"}"), t2i_strdup("{\"b\":\"2\",\"a\":\"1\"}"));
    FAILS(t2i_train_options_same_result("{", "{}", "runs/x", "runs/x", &err), T2I_DATA, "runs/x");
}

int main(void)
{
    static const t2i_test tests[] = {
        {"defaults", test_defaults},
        {"words as enums and switches", test_words},
        {"a job file, and the command line over it", test_job_file},
        {"what is missing, wrong or does not go together", test_refused},
        {"what may be left out", test_lenient},
        {"options that change the result", test_result_options},
        {"the key that differs is named", test_same_result},
    };
    if (scratch_begin("train_options") != 0) return 1;
    int failed = t2i_test_main("train_options", tests, sizeof tests / sizeof *tests);
    scratch_end();
    return failed;
}
