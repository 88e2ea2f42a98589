#include "tools/help.h"

#include "test.h"

typedef struct {
    long batch;
    double lr;
    int json;
    char *data, *schedule, *resume;
    t2i_opt row[6];
    t2i_opts opts;
} fixture;

static const t2i_command table[] = {
    {"make", "", 0, 0, "data batch", "data", "Makes something. It takes long.", NULL, 0},
    {"look", "F.h5", 1, 1, "", NULL, "Looks.", NULL, 0},
};

static void setup(fixture *f)
{
    const t2i_opt rows[] = {
        {"data", T2I_OPT_TEXT, &f->data, .argument = "a-name-that-is-long|FILE",
         .help = "Dataset file.", .group = "Files"},
        {"batch", T2I_OPT_INT, &f->batch, "4", 1, 1048576, .help = "Pairs a step. Of all ranks."},
        {"lr", T2I_OPT_REAL, &f->lr, "1e-4", 0, 10, .help = "Peak learning rate.", .group = "Rest",
         .rare = 1},
        {"json", T2I_OPT_SWITCH, &f->json, .help = "Print JSON."},
        {"schedule", T2I_OPT_CHOICE, &f->schedule, "constant", .choices = "constant|cosine",
         .help = "How the learning rate goes on after the warm-up, which precedes either."},
        {"resume", T2I_OPT_TEXT, &f->resume, "auto", .help = "What to go on from."},
    };
    *f = (fixture){0};
    memcpy(f->row, rows, sizeof rows);
    f->opts = (t2i_opts){.program = "t2i-test",
                         .summary = "tests",
                         .usage = "[JOB.ini] [--key value]...",
                         .about = "Tests something that is told in one paragraph, which is longer "
                                  "than one line of eighty columns.\n.A second: 'x' \\ y.",
                         .example = "t2i-test make --data x\nt2i-test look x",
                         .epilog = "A note.",
                         .opt = f->row,
                         .opts = 6};
}

#define GENERAL                                                                                    \
    "General:\n"                                                                                   \
    "  --quiet                 Print only results, warnings and errors.\n"                         \
    "  --verbose               Print more details.\n"                                              \
    "  --help                  Print this help; also -h.\n"                                        \
    "  --help-all              Print the complete help.\n"                                         \
    "  --version               Print the versions of the program and its libraries.\n"

static void everything(void)
{
    fixture f;
    t2i_error err;
    t2i_text out = {0};
    setup(&f);
    OK(t2i_help(&f.opts, 0, &out, &err));
    CU_ASSERT_STRING_EQUAL(
        out.data,
        "Usage: t2i-test [JOB.ini] [--key value]...\n\n"
        "Tests something that is told in one paragraph, which is longer than one line of\n"
        "eighty columns.\n.A second: 'x' \\ y.\n\n"
        "Files:\n"
        "  --data a-name-that-is-long|FILE\n"
        "                          Dataset file.\n"
        "  --batch N               Pairs a step. Of all ranks. (from 1 to 1048576;\n"
        "                          default 4)\n\n"
        "Rest:\n"
        "  --lr X                  Peak learning rate. (from 0 to 10; default 1e-4)\n"
        "  --json                  Print JSON.\n"
        "  --schedule WORD         How the learning rate goes on after the warm-up, which\n"
        "                          precedes either. (constant or cosine; default\n"
        "                          constant)\n"
        "  --resume TEXT           What to go on from. (default auto)\n\n" GENERAL
        "\nExample:\n  t2i-test make --data x\n  t2i-test look x\n\nA note.\n\n"
        "Exit codes: 0 done; 64 usage; 65 bad data; 66 input missing; 70 internal error;\n"
        "71 system error (MPI, memory); 73 cannot create output; 74 input/output error;\n"
        "75 stopped early, run the same command again to resume.\n");
    t2i_text_free(&out);
}

/* What does not fit a screen is shortened to the first sentences of the options that are not rare.
 */
static void in_short(void)
{
    fixture f;
    t2i_error err;
    t2i_text out = {0};
    char notes[200];
    memset(notes, '\n', 60);
    notes[60] = '\0';
    setup(&f);
    f.opts.epilog = notes;
    OK(t2i_help(&f.opts, 0, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "\n\nFiles:\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(out.data, "  --batch N               Pairs a step (4)\nRest:\n  --json"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "precedes either (constant or cosine;"));
    CU_ASSERT_PTR_NULL(strstr(out.data, "--lr"));
    CU_ASSERT_PTR_NULL(strstr(out.data, "Exit codes"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "--help-all has 1 more options"));
    out.size = 0;
    OK(t2i_help(&f.opts, 1, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "--lr X "));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "Exit codes"));
    t2i_text_free(&out);
}

/* Choices that the help names are not listed again; "constantly" is no choice. */
static void choices_in_help(void)
{
    fixture f;
    t2i_error err;
    t2i_text out = {0};
    setup(&f);
    f.row[4].help = "Constantly constant, or cosine.";
    OK(t2i_help(&f.opts, 1, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "Constantly constant, or cosine. (default constant)"));
    out.size = 0;
    f.row[4].help = "constantly, or cosine.";
    OK(t2i_help(&f.opts, 1, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "(constant or cosine; default"));
    t2i_text_free(&out);
}

static void of_commands(void)
{
    fixture f;
    t2i_error err;
    t2i_text out = {0};
    setup(&f);
    f.opts.command = table;
    f.opts.commands = 2;
    OK(t2i_help(&f.opts, 0, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "Usage: t2i-test COMMAND [--key value]...\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(out.data, "\nCommands:\n  make  Makes something\n  look  Looks\n"));
    CU_ASSERT_PTR_NULL(strstr(out.data, "--batch"));
    out.size = 0;
    f.opts.chosen = &table[0];
    OK(t2i_help(&f.opts, 0, &out, &err));
    CU_ASSERT_STRING_EQUAL(
        out.data, "Usage: t2i-test make --data a-name-that-is-long|FILE [--key value]...\n\n"
                  "Makes something. It takes long.\n\n"
                  "Files:\n"
                  "  --data a-name-that-is-long|FILE\n"
                  "                          Dataset file.\n"
                  "  --batch N               Pairs a step. Of all ranks. (from 1 to 1048576;\n"
                  "                          default 4)\n\n" GENERAL
                  "\nExample:\n  t2i-test make --data x\n");
    out.size = 0;
    f.opts.chosen = NULL;
    OK(t2i_help(&f.opts, 1, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "\n---- t2i-test look F.h5\n\nLooks.\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "  --batch N "));
    CU_ASSERT_PTR_NULL(strstr(out.data, "--lr")); /* no command takes it */
    t2i_text_free(&out);
}

static void manual(void)
{
    fixture f;
    t2i_error err;
    t2i_text out = {0};
    setup(&f);
    OK(t2i_help_man(&f.opts, &out, &err));
    CU_ASSERT_EQUAL(strncmp(out.data, ".TH T2I\\-TEST 1 \"", 17), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "\n.SH NAME\nt2i\\-test \\- tests\n.SH SYNOPSIS\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "columns.\n.PP\n\\&.A second: \\(aqx\\(aq \\e y.\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, ".SS Files\n.TP\n\\fB\\-\\-data\\fR \\fIa\\-name"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data,
                                  "\n.TP\n\\fB\\-\\-lr\\fR \\fIX\\fR\nPeak learning rate. "
                                  "(from 0 to 10; default 1e\\-4)\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "\n.SH EXIT STATUS\n.TP\n.B 0\ndone\n"));
    out.size = 0;
    f.opts.command = table;
    f.opts.commands = 2;
    OK(t2i_help_man(&f.opts, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, ".SH COMMANDS\n.SS make\nMakes something."));
    t2i_text_free(&out);
}

static void completion(void)
{
    fixture f;
    t2i_error err;
    t2i_text out = {0};
    setup(&f);
    OK(t2i_help_completion(&f.opts, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "t2i_words['t2i-test']=' --data --batch --lr --json "
                                            "--schedule --resume --quiet --verbose --help"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(out.data, "t2i_words['t2i-test --data']=' a-name-that-is-long'\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "t2i_words['t2i-test --lr']=' -'\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(out.data, "t2i_words['t2i-test --schedule']=' constant cosine'\n"));
    CU_ASSERT_PTR_NULL(strstr(out.data, "--json']"));
    out.size = 0;
    f.opts.command = table;
    f.opts.commands = 2;
    OK(t2i_help_completion(&f.opts, &out, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "t2i_words['t2i-test']=' make look --help"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "t2i_words['t2i-test make']=' --data --batch --quiet"));
    t2i_text_free(&out);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"everything", everything},
        {"in short", in_short},
        {"choices in the help", choices_in_help},
        {"of commands", of_commands},
        {"manual page", manual},
        {"completion", completion},
    };
    return t2i_test_main("help", tests, sizeof tests / sizeof *tests);
}
