/* Hints for options that do not exist: names of other trainers, of our other programs, misspelt. */
#include "test.h"

#include "base/opts.h"
#include "base/option_names.h"
#include "train/train_options.h"

static const char *const own[] = {
    "help",  "version", "batch", "steps", "lr",        "weight-decay",
    "clip",  "eps",     "out",   "data",  "threads",   "checkpoint-every",
    "beta1", "init",    "json",  "quiet", "block-size"};

static const char *hint(const char *word, const char *dashes)
{
    static char out[400];
    t2i_option_names_hint(word, own, sizeof own / sizeof *own, dashes, out, sizeof out);
    return out;
}

static void test_hints(void)
{
    static const struct {
        const char *word, *says;
    } known[] = {
        {"--batch_size", ": did you mean '--batch'?"},
        {"--BATCH-SIZE", ": did you mean '--batch'?"},
        {"--epochs", ": did you mean '--steps'? (steps = epochs x training rows / batch)"},
        {"--learning_rate", ": did you mean '--lr'?"},
        {"--weight_decay", ": did you mean '--weight-decay'?"},
        {"--weight_decay=0.1", ": did you mean '--weight-decay'?"},
        {"--block_size", ": did you mean '--block-size'?"},
        {"--per_device_train_batch_size",
         ": did you mean '--batch'? (the batch of a step over all ranks, not per rank)"},
        {"--trainer.max_epochs", ": did you mean '--steps'? (steps = "},
        {"--optim.lr", ": did you mean '--lr'?"},
        {"-h", ": did you mean '--help'?"},
        {"-V", ": did you mean '--version'?"},
        {"-o", ": did you mean '--out'?"},
        {"-lr", ": did you mean '--lr'?"},
        {"\xe2\x80\x93"
         "batch",
         ": did you mean '--batch'?"}, /* an en dash */
        {"\xe2\x80\x94weight\xe2\x80\x90"
         "decay",
         ": did you mean '--weight-decay'?"},
        {"--batch,", ": did you mean '--batch'?"},
        {"--fp16", ": numbers are 32-bit floats"},
        {"--gpus", ": there is no GPU code"},
        {"--metric", ": it is an option of t2i-generate"},
        {"--pairs", ": it is an option of t2i-data"},
        {"--val-split", ": see '--validation' of t2i-data"},
        {"--bacth", ": did you mean '--batch'?"},
        {"--checkpoint-evry", ": did you mean '--checkpoint-every'?"},
        {"--checkpoint", ": did you mean '--init'?"}, /* the program here has no resume */
        {"--block", ": did you mean '--block-size'?"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *said = hint(known[i].word, "--");
        if (strncmp(said, known[i].says, strlen(known[i].says)) != 0)
            fprintf(stderr, "%s: '%s', not '%s'\n", known[i].word, said, known[i].says);
        CU_ASSERT(strncmp(said, known[i].says, strlen(known[i].says)) == 0);
    }
    CU_ASSERT_STRING_EQUAL(hint("batch_size", ""), ": did you mean 'batch'?");
    CU_ASSERT_STRING_EQUAL(hint("val-split", ""), ": see '--validation' of t2i-data");
}

/* Short words are near to everything: no guess is better than a wrong one. */
static void test_no_nonsense(void)
{
    static const char *const words[] = {"--x",   "-x",      "-z",     "--l",
                                        "--foo", "--tpu",   "--abc",  "--",
                                        "",      "--a-b-c", "--rust", "--quite-another"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        CU_ASSERT_STRING_EQUAL(hint(words[i], "--"), "");
    char lengthy[500];
    memset(lengthy, '_', sizeof lengthy);
    lengthy[sizeof lengthy - 1] = '\0';
    CU_ASSERT_STRING_EQUAL(hint(lengthy, "--"), "");
    char out[400], all[64][24];
    const char *names[64];
    /* whatever stands alone: one letter is never guessed by its shape */
    for (int i = 0; i < 26; i++) {
        snprintf(all[i], sizeof all[i], "%c%c", 'a' + i, 'a' + i);
        names[i] = all[i];
    }
    t2i_option_names_hint("--x", names, 26, "--", out, sizeof out);
    CU_ASSERT_STRING_EQUAL(out, "");
}

static int has(const char *list, const char *word, size_t size)
{
    for (size_t length; *list != '\0'; list += length + (list[length] == ' ')) {
        length = strcspn(list, " ");
        if (length == size && memcmp(list, word, size) == 0) return 1;
    }
    return 0;
}

static int exists(const char *word, size_t size)
{
    for (size_t i = 0; i < t2i_option_names_programs_count; i++)
        if (has(t2i_option_names_programs[i].options, word, size)) return 1;
    return has("help help-all version quiet verbose", word, size);
}

static void test_table(void)
{
    for (size_t i = 0; i < t2i_option_names_foreign_count; i++) {
        const t2i_foreign_option *f = &t2i_option_names_foreign[i];
        int good = strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(f->name) &&
                   (f->ours != NULL || f->note != NULL);
        for (size_t k = 0; k < i; k++)
            good = good && strcmp(t2i_option_names_foreign[k].name, f->name) != 0;
        for (const char *ours = f->ours; ours != NULL && *ours != '\0';) {
            size_t length = strcspn(ours, " ");
            good = good && exists(ours, length);
            ours += length + (ours[length] == ' ');
        }
        /* options that a note names, as "see --lr" */
        for (const char *at = f->note; at != NULL && (at = strstr(at, "--")) != NULL;) {
            at += 2;
            good = good && exists(at, strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-"));
        }
        if (!good) fprintf(stderr, "the row '%s' is wrong\n", f->name);
        CU_ASSERT(good);
    }
}

/* The list of t2i-train and t2i-doctor is that of the table; tests/e2e/cli.sh compares the others.
 */
static void test_programs(void)
{
    t2i_train_options options;
    t2i_error err;
    int json;
    char *words[] = {(char[]){"t2i-doctor"}};
    OK(t2i_train_options_parse_exam(&options, &json, 1, words, &err));
    const char *train = t2i_option_names_programs[0].options, *doctor = NULL;
    for (size_t i = 0; i < t2i_option_names_programs_count; i++)
        if (strcmp(t2i_option_names_programs[i].program, "t2i-doctor") == 0)
            doctor = t2i_option_names_programs[i].options;
    CU_ASSERT_STRING_EQUAL(t2i_option_names_programs[0].program, "t2i-train");
    CU_ASSERT_PTR_NOT_NULL_FATAL(doctor);
    size_t listed = 1;
    for (const char *c = train; *c != '\0'; c++) listed += *c == ' ';
    CU_ASSERT_EQUAL(listed + 1, options.opts.opts);
    for (size_t i = 0; i < options.opts.opts; i++) {
        const char *name = options.opts.opt[i].name;
        CU_ASSERT(has(doctor, name, strlen(name)));
        CU_ASSERT(has(train, name, strlen(name)) || strcmp(name, "json") == 0);
    }
    t2i_train_options_free(&options);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"names of other trainers and programs, and misspelt ones", test_hints},
        {"no guess where nothing is near", test_no_nonsense},
        {"every row leads to an option or gives a reason", test_table},
        {"the options of the programs", test_programs},
    };
    return t2i_test_main("option_names", tests, sizeof tests / sizeof *tests);
}
