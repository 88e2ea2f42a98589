#include "base/opts.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <unistd.h>

#include "base/commit.h"
#include "test.h"

/* One program's table, as a tool would have it. */
typedef struct {
    long batch, seed;
    double lr;
    int json;
    char *data, *schedule, *resume;
    t2i_opt row[7];
    t2i_opts opts;
    char folder[256], path[300];
} fixture;

static void setup(fixture *f)
{
    *f = (fixture){0};
    const t2i_opt rows[] = {
        {"data", T2I_OPT_TEXT, &f->data, .argument = "FILE", .help = "Dataset file."},
        {"batch", T2I_OPT_INT, &f->batch, "4", 1, 1048576, .help = "Pairs a step."},
        {"seed", T2I_OPT_INT, &f->seed, "0", 0, (double)LONG_MAX, .help = "Seed."},
        {"lr", T2I_OPT_REAL, &f->lr, "1e-4", 0, 10, .help = "Peak learning rate."},
        {"json", T2I_OPT_SWITCH, &f->json, .help = "Print JSON."},
        {"schedule", T2I_OPT_CHOICE, &f->schedule, "constant", .choices = "constant|cosine",
         .help = "How the learning rate goes on after the warm-up, which precedes either."},
        {"resume", T2I_OPT_TEXT, &f->resume, "auto", .help = "What to go on from."},
    };
    memcpy(f->row, rows, sizeof rows);
    f->opts = (t2i_opts){.program = "t2i-test",
                         .usage = "[JOB.ini] [--key value]...",
                         .about = "Tests.",
                         .opt = f->row,
                         .opts = 7,
                         .takes_job = 1};
    const char *base = getenv("TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%.200s/opts.XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(f->folder) == NULL) CU_FAIL("mkdtemp");
    snprintf(f->path, sizeof f->path, "%s/a.ini", f->folder);
}

static void teardown(fixture *f)
{
    t2i_opts_free(&f->opts);
    unlink(f->path);
    if (rmdir(f->folder) != 0) CU_FAIL("something was left behind");
}

/* Parses words, of which "@" stands for the job file. */
static t2i_status parse(fixture *f, t2i_error *err, const char *const *words)
{
    char *argv[16] = {(char[]){"t2i-test"}};
    int argc = 1;
    for (; *words != NULL; words++)
        argv[argc++] = strcmp(*words, "@") == 0 ? f->path : (char *)(size_t)*words;
    t2i_opts_free(&f->opts);
    return t2i_opts_parse(&f->opts, argc, argv, err);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static t2i_status job_bytes(fixture *f, t2i_error *err, const void *bytes, size_t size)
{
    T2I_TRY(t2i_commit_file(f->path, bytes, size, err));
    return parse(f, err, WORDS("@"));
}

static t2i_status job(fixture *f, t2i_error *err, const char *text)
{
    return job_bytes(f, err, text, strlen(text));
}

static void defaults(void)
{
    fixture f;
    t2i_error err;
    setup(&f);
    f.batch = 99;
    OK(parse(&f, &err, WORDS(NULL)));
    CU_ASSERT_EQUAL(f.batch, 4);
    CU_ASSERT_EQUAL(f.lr, 1e-4);
    CU_ASSERT_EQUAL(f.json, 0);
    CU_ASSERT_PTR_NULL(f.data);
    CU_ASSERT_STRING_EQUAL(f.schedule, "constant");
    CU_ASSERT_STRING_EQUAL(f.resume, "auto");
    CU_ASSERT_EQUAL(t2i_opts_find(&f.opts, "lr")->origin, T2I_FROM_DEFAULT);
    f.row[1].preset = "0";
    FAILS(parse(&f, &err, WORDS(NULL)), T2I_BUG, "the default of --batch must be a whole number");
    f.row[1].preset = NULL;
    FAILS(parse(&f, &err, WORDS(NULL)), T2I_BUG, "--batch");
    teardown(&f);
}

static void command_line(void)
{
    fixture f;
    t2i_error err;
    setup(&f);
    OK(parse(&f, &err,
             WORDS("one", "--batch", "8", "--lr=2.5e-1", "two", "--json", "--data", "-", "--",
                   "--batch", "-x")));
    CU_ASSERT_EQUAL(f.batch, 8);
    CU_ASSERT_EQUAL(f.lr, 0.25);
    CU_ASSERT_EQUAL(f.json, 1);
    CU_ASSERT_STRING_EQUAL(f.data, "-");
    CU_ASSERT_EQUAL(f.opts.operands, 4);
    CU_ASSERT_STRING_EQUAL(f.opts.operand[1], "two");
    CU_ASSERT_STRING_EQUAL(f.opts.operand[2], "--batch");
    CU_ASSERT_STRING_EQUAL(f.opts.operand[3], "-x");
    CU_ASSERT_EQUAL(t2i_opts_find(&f.opts, "lr")->origin, T2I_FROM_COMMAND);
    OK(parse(&f, &err, WORDS("--batch", "8", "--batch=9", "--resume=", "--data=--x", "--data=")));
    CU_ASSERT_EQUAL(f.batch, 9);
    CU_ASSERT_STRING_EQUAL(f.resume, ""); /* it has a preset: empty is not missing */
    CU_ASSERT_PTR_NULL(f.data);
    OK(parse(&f, &err, WORDS("--seed", "9223372036854775807")));
    CU_ASSERT_EQUAL(f.seed, LONG_MAX);
    f.opts.takes_job = 0;
    OK(parse(&f, &err, WORDS("no.ini")));
    CU_ASSERT_PTR_NULL(f.opts.job);
    CU_ASSERT_EQUAL(f.opts.operands, 1);
    teardown(&f);
}

static void command_line_errors(void)
{
    static const struct {
        const char *word, *next, *says;
    } bad[] = {
        {"--batch", "0", "--batch must be a whole number from 1 to 1048576, not '0'"},
        {"--batch", "1048577", "not '1048577'"},
        {"--batch", "99999999999999999999", "--batch must be"},
        {"--batch", "1e3", "--batch must be"},
        {"--batch", "0x10", "--batch must be"},
        {"--batch", " 4", "--batch must be"},
        {"--batch", "4 ", "--batch must be"},
        {"--batch", "", "not ''"},
        {"--batch", "-", "--batch must be"},
        {"--seed", "-1", "--seed must be a whole number from 0 up, not '-1'"},
        {"--seed", "9223372036854775808", "--seed must be"},
        {"--lr", "nan", "--lr must be a number from 0 to 10, not 'nan'"},
        {"--lr", "inf", "--lr must be"},
        {"--lr", "0x1p-3", "--lr must be"},
        {"--lr", "1e999", "--lr must be"},
        {"--lr", "0,1", "--lr must be"},
        {"--lr", "1e", "--lr must be"},
        {"--lr", "1.2.3", "--lr must be"},
        {"--lr", "10.1", "--lr must be"},
        {"--lr=", NULL, "not ''"},
        {"--schedule", "cosin",
         "--schedule must be constant or cosine, not 'cosin': did you mean 'cosine'?"},
        {"--schedule", "", "--schedule must be"},
        {"--schedule", "constant|cosine", "--schedule must be"},
        {"--json=true", NULL, "--json takes no value"},
        {"--help=x", NULL, "--help takes no value"},
        {"--lr", NULL, "--lr needs a value"},
        {"--lr", "--json", "--lr needs a value"},
        {"--lrr", "1", "unknown option '--lrr': did you mean '--lr'?"},
        {"--bathc=1", NULL, "unknown option '--bathc': did you mean '--batch'?"},
        {"--hlep", NULL, "did you mean '--help'?"},
        {"--quite-another", NULL, "unknown option '--quite-another' (--help-all lists all)"},
        {"--=x", NULL, "unknown option '--'"},
        {"-q", NULL, "unknown option '-q': options have long names: did you mean '--quiet'?"},
        {"-V", NULL, "did you mean '--version'?"},
        {"-x", NULL, "put '--' before other words that begin with '-'"},
        {"--lr", "--json", "--lr needs a value: a number from 0 to 10"},
        {"--data", NULL, "--data needs a value: --data FILE"},
        {"--resume", NULL, "--resume needs a value: a text"},
        {"--batch_size=4", NULL, "unknown option '--batch_size': did you mean '--batch'?"},
        {"\xe2\x80\x93"
         "batch",
         "4",
         "unknown option '\xe2\x80\x93"
         "batch': did you mean '--batch'?"},
        {"--lr", "1e-3,", "not '1e-3,': did you mean '0.001'?"},
        {"--lr", "0,1", "not '0,1': did you mean '0.1'?"},
        {"--lr", "0,001", "not '0,001': did you mean '0.001'?"},
        {"--lr", "50%", "did you mean '0.5'?"},
        {"--lr",
         "\xe2\x80\x9c"
         "1e\xe2\x88\x92"
         "3\xe2\x80\x9d",
         "did you mean '0.001'?"},
        {"--batch", "64.0", "did you mean '64'?"},
        {"--batch", "1e4", "did you mean '10000'?"},
        {"--batch", "10k", "did you mean '10000'?"},
        {"--batch", "1M", "did you mean '1000000'?"},
        {"--batch", "1,000", "did you mean '1000'?"},
        {"--batch", "10_000", "did you mean '10000'?"},
        {"--batch", "'64'", "did you mean '64'?"},
        {"--batch=", NULL, "not '': it is empty; no blank may follow '='"},
        {"--schedule", "COSINE", "did you mean 'cosine'?"},
        {"--data", "~/d.h5", "--data must be without '~', which only a shell replaces"},
        {"--data", "$HOME/d.h5", "--data must be without variables"},
        {"--data", "${A}", "--data must be without variables"},
        {"--data", "'d.h5'", "--data must be without quotes around it, not 'd.h5'"},
        {"--data",
         "\xe2\x80\x9c"
         "d.h5\xe2\x80\x9d",
         "--data must be without quotes around it"},
        {"--data", "s3://a/b", "--data must be a file of this machine: nothing is downloaded"},
        {"--data", "a\nb", "--data must be text without control characters, not 'a?b'"},
        {"--data", "a\xff", "--data must be UTF-8"},
        {"--data", " a", "that a job file can hold"},
        {"--data", "a ", "that a job file can hold"},
        {"--data", "a ;b", "that a job file can hold"},
        {"--data", ";b", "that a job file can hold"},
    };
    fixture f;
    t2i_error err;
    setup(&f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(parse(&f, &err, WORDS(bad[i].word, bad[i].next)), T2I_USAGE, bad[i].says);
    /* No guess that is out of range, has two meanings or is no whole number. */
    static const char *const none[][2] = {
        {"--batch", "2M"},   {"--batch", "6.5"}, {"--lr", "1,500"},
        {"--batch", "four"}, {"--lr", "10k"},    {"--lr", "nan"},
        {"--schedule", "x"}, {"--batch", "-64"}, {"--lr", "1e999"}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        FAILS(parse(&f, &err, WORDS(none[i][0], none[i][1])), T2I_USAGE, none[i][1]);
        CU_ASSERT_PTR_NULL(strstr(err.text, "did you mean"));
    }
    /* Nor are these refused. */
    OK(parse(&f, &err, WORDS("--data", "~x", "--resume", "$", "\xe2\x80\x93 a red cat")));
    OK(parse(&f, &err,
             WORDS("--data", "\"a", "--resume", "'", "--",
                   "\xe2\x80\x93"
                   "batch")));
    OK(parse(&f, &err,
             WORDS("--data", "a://b/~/$HOME",
                   "\xe2\x80\x93"
                   "batches")));
    /* Three choices, and a range that is open below or on both sides. */
    f.row[5].choices = "constant|cosine|linear";
    FAILS(parse(&f, &err, WORDS("--schedule", "x")), T2I_USAGE, "constant, cosine or linear, not");
    f.row[3].min = -DBL_MAX;
    FAILS(parse(&f, &err, WORDS("--lr", "11")), T2I_USAGE, "must be a number up to 10, not '11'");
    f.row[3].max = DBL_MAX;
    FAILS(parse(&f, &err, WORDS("--lr", "x")), T2I_USAGE, "--lr must be a number, not 'x'");
    f.row[3].max = HUGE_VAL;
    FAILS(parse(&f, &err, WORDS("--lr", "1e999")), T2I_USAGE, "--lr must be a number");
    teardown(&f);
}

static void help_stops(void)
{
    fixture f;
    t2i_error err;
    setup(&f);
    OK(parse(&f, &err, WORDS("missing.ini", "--help", "--nonsense")));
    CU_ASSERT_EQUAL(f.opts.asked, T2I_ASK_HELP);
    OK(parse(&f, &err, WORDS("-h", "--nonsense")));
    CU_ASSERT_EQUAL(f.opts.asked, T2I_ASK_HELP);
    OK(parse(&f, &err, WORDS("--json", "--version")));
    CU_ASSERT_EQUAL(f.opts.asked, T2I_ASK_VERSION);
    OK(parse(&f, &err, WORDS("--help-all")));
    CU_ASSERT_EQUAL(f.opts.asked, T2I_ASK_ALL);
    OK(parse(&f, &err, WORDS(NULL)));
    CU_ASSERT_EQUAL(f.opts.asked, T2I_ASK_NOTHING);
    CU_ASSERT_EQUAL(f.opts.level, T2I_NORMAL);
    OK(parse(&f, &err, WORDS("--verbose", "--quiet")));
    CU_ASSERT_EQUAL(f.opts.level, T2I_QUIET);
    OK(parse(&f, &err, WORDS("--verbose")));
    CU_ASSERT_EQUAL(f.opts.level, T2I_VERBOSE);
    FAILS(parse(&f, &err, WORDS("--quiet=1")), T2I_USAGE, "--quiet takes no value");
    teardown(&f);
}

static void job_file(void)
{
    fixture f;
    t2i_error err;
    setup(&f);
    OK(job(&f, &err,
           "\xef\xbb\xbf# comment\n[train]\r\nlr = 2e-3 ; comment\r\n  batch=16\n\n; lr = 7\n"
           "[other]\n\tjson : true\nschedule = cosine\ndata = caf\xc3\xa9 = #1;x"));
    CU_ASSERT_EQUAL(f.lr, 2e-3);
    CU_ASSERT_EQUAL(f.batch, 16);
    CU_ASSERT_EQUAL(f.json, 1);
    CU_ASSERT_STRING_EQUAL(f.schedule, "cosine");
    CU_ASSERT_STRING_EQUAL(f.data, "caf\xc3\xa9 = #1;x");
    CU_ASSERT_STRING_EQUAL(f.opts.job, f.path);
    CU_ASSERT_EQUAL(t2i_opts_find(&f.opts, "lr")->origin, T2I_FROM_JOB);
    /* The command line wins, wherever it stands. */
    OK(parse(&f, &err, WORDS("--lr", "1", "@", "--schedule=constant", "second.ini")));
    CU_ASSERT_EQUAL(f.lr, 1.0);
    CU_ASSERT_STRING_EQUAL(f.schedule, "constant");
    CU_ASSERT_EQUAL(f.batch, 16);
    CU_ASSERT_EQUAL(f.opts.operands, 1);
    CU_ASSERT_EQUAL(t2i_opts_find(&f.opts, "lr")->origin, T2I_FROM_COMMAND);
    OK(job(&f, &err, ""));
    OK(job(&f, &err, "data =\nresume =\njson = false"));
    CU_ASSERT_PTR_NULL(f.data);
    CU_ASSERT_STRING_EQUAL(f.resume, "");
    teardown(&f);
}

static void job_file_errors(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"\n\nlrr = 1\n", "/a.ini:3: unknown key 'lrr': did you mean 'lr'?"},
        {"hlep = 1\n", ":1: unknown key 'hlep' (--help-all lists all)"},
        {"help = true\n", ":1: unknown key 'help'"},
        {"batch = 0\n", "/a.ini:1: batch must be a whole number from 1 to 1048576, not '0'"},
        {"batch =\n", ":1: batch must be a whole number from 1 to 1048576, not ''"},
        {"lr = 1 # no comment\n", ":1: lr must be a number from 0 to 10, not '1 # no comment'"},
        {"json = yes\n", ":1: json must be true or false, not 'yes': did you mean 'true'?"},
        {"batch_size = 4\n", ":1: unknown key 'batch_size': did you mean 'batch'?"},
        {"lr = 1e-3 # peak\n", "not '1e-3 # peak': did you mean '0.001'?"},
        {"lr = \"0.1\"\n", "did you mean '0.1'?"},
        {"data = \"d.h5\"\n", ":1: data must be without quotes around it, not \"d.h5\""},
        {"data = ~/d.h5\n", ":1: data must be without '~'"},
        {"lr = 1\n[b]\nlr = 1\n", ":3: lr is already set on line 1"},
        {"data = a\n  b\n", ":2: neither 'key = value'"},
        {"data = a\n\f\vlr = 1\nx\n", ":3: neither 'key = value'"},
        {"lr = 1\nnonsense\nlrr = 1\n", ":2: neither 'key = value'"},
        {"lr = 1\nlrr = 1\nnonsense\n", ":2: unknown key 'lrr'"},
        {"[train\nlr = 1", ":1: neither"},
        {"= 1\n", ":1: unknown key ''"},
        {"data = a\tb\n", ":1: data must be text without control characters"},
        {"lr = 1\nx\xe9 = 2\n", ":2: the line is not UTF-8"},
    };
    fixture f;
    t2i_error err;
    setup(&f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(job(&f, &err, bad[i].text), T2I_USAGE, bad[i].says);
    FAILS(job_bytes(&f, &err, "lr = 1\nseed = 1\0\n", 17), T2I_USAGE, ":2: the line holds a NUL");
    /* An overridden value is checked too; a wrong command line comes first. */
    OK(t2i_commit_file(f.path, "lr = x\n", 7, &err));
    FAILS(parse(&f, &err, WORDS("@", "--lr", "1")), T2I_USAGE, ":1: lr must be a number");
    FAILS(parse(&f, &err, WORDS("@", "--lr", "y")), T2I_USAGE, "--lr must be a number");
    FAILS(parse(&f, &err, WORDS("/nowhere/b.ini")), T2I_NOINPUT, "/nowhere/b.ini");
    char *big = t2i_alloc((1 << 20) + 1, 1);
    memset(big, '\n', (1 << 20) + 1);
    OK(job_bytes(&f, &err, big, 1 << 20));
    FAILS(job_bytes(&f, &err, big, (1 << 20) + 1), T2I_DATA, "a.ini");
    t2i_free(big);
    teardown(&f);
}

/* inih would cut these lines at 200 bytes and take the rest for something else. */
static void long_lines(void)
{
    fixture f;
    t2i_error err;
    char value[1200], text[8000];
    setup(&f);
    /* A pattern at every offset, so that every kind of character is met where a line is cut. */
    for (size_t lead = 0; lead < 30; lead++) {
        const char *pattern = "/a=b:[c]#d;e \xc3\xa9";
        memset(value, '/', lead);
        value[lead] = '\0';
        while (strlen(value) < 1100) memcpy(value + strlen(value), pattern, strlen(pattern) + 1);
        snprintf(text, sizeof text, "lr = 1\n data = %s ; %s\nbatch = 7 ; %s\n# %s\nseed = 5\n",
                 value, value, value, value);
        OK(job(&f, &err, text));
        CU_ASSERT(f.data != NULL && strcmp(f.data, value) == 0);
        CU_ASSERT_EQUAL(f.batch, 7);
        CU_ASSERT_EQUAL(f.seed, 5);
    }
    memset(value, 'x', 500);
    value[500] = '\0';
    snprintf(text, sizeof text, "\xef\xbb\xbf# %s\nlr = 1\n", value);
    OK(job(&f, &err, text));
    /* Errors behind a long line still name their line. */
    snprintf(text, sizeof text, "data = %s\n[%s\nlr = 1\n", value, value);
    FAILS(job(&f, &err, text), T2I_USAGE, "/a.ini:2: neither");
    snprintf(text, sizeof text, "data = %s\nnonsense\nlr = 1\n", value);
    FAILS(job(&f, &err, text), T2I_USAGE, "/a.ini:2: neither");
    snprintf(text, sizeof text, "data = %s\nlr = x\n", value);
    FAILS(job(&f, &err, text), T2I_USAGE, "/a.ini:2: lr must be");
    snprintf(text, sizeof text, "seed = 1\n%s\n", value);
    FAILS(job(&f, &err, text), T2I_USAGE, "/a.ini:2:");
    memset(value, '#', sizeof value);
    snprintf(text, sizeof text, "seed = 1\ndata = a%.*s\n", 400, value);
    FAILS(job(&f, &err, text), T2I_USAGE, "/a.ini:2: the line is too long");
    teardown(&f);
}

static void echo(void)
{
    static const double real[] = {0.1, 1.0 / 3, 1e-4, 5e-324, 9.999999999999999, 3, 0};
    fixture f;
    t2i_error err;
    setup(&f);
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        char number[40];
        t2i_text out = {0};
        snprintf(number, sizeof number, "%.17g", real[i]);
        OK(parse(&f, &err,
                 WORDS("--lr", number, "--data", "x\xc3\xa9 = 1", "--resume=", "--json")));
        OK(t2i_opts_echo(&f.opts, &out, &err));
        if (i == 0)
            CU_ASSERT_STRING_EQUAL(out.data, "; from the command line\ndata = x\xc3\xa9 = 1\n"
                                             "batch = 4\nseed = 0\n"
                                             "; from the command line\nlr = 0.1\n"
                                             "; from the command line\njson = true\n"
                                             "schedule = constant\n"
                                             "; from the command line\nresume = \n");
        OK(job_bytes(&f, &err, out.data, out.size));
        CU_ASSERT_EQUAL(f.lr, real[i]);
        CU_ASSERT_EQUAL(f.json, 1);
        CU_ASSERT_STRING_EQUAL(f.data, "x\xc3\xa9 = 1");
        CU_ASSERT_STRING_EQUAL(f.resume, "");
        out.size = 0;
        OK(t2i_opts_echo(&f.opts, &out, &err));
        CU_ASSERT_PTR_NOT_NULL(strstr(out.data, "; from the job file\nlr ="));
        t2i_text_free(&out);
    }
    t2i_text out = {0};
    OK(parse(&f, &err, WORDS(NULL)));
    OK(t2i_opts_value(t2i_opts_find(&f.opts, "data"), &out, &err));
    CU_ASSERT(out.data != NULL && *out.data == '\0');
    OK(t2i_opts_value(t2i_opts_find(&f.opts, "lr"), &out, &err));
    CU_ASSERT_STRING_EQUAL(out.data, "0.0001");
    t2i_text_free(&out);
    teardown(&f);
}

static void commands(void)
{
    static const t2i_command table[] = {
        {"make", "", 0, 0, "data batch", "data", "Makes. More.", NULL, 0},
        {"look", "F.h5", 1, 1, "json", NULL, "Looks.", NULL, 0},
        {"compare", "A B", 2, 2, "", NULL, "Compares.", NULL, 0},
    };
    static const struct {
        const char *word[4], *says;
    } bad[] = {
        {{NULL}, "give a command: make, look or compare (see --help)"},
        {{"loko", "x"}, "unknown command 'loko': did you mean 'look'?"},
        {{"frobnicate"}, "unknown command 'frobnicate': make, look or compare (see --help)"},
        {{""}, "give a command: "},
        {{"look", "a", "--data", "x"},
         "look takes no --data (see t2i-test look --help); it is an option of make"},
        {{"look"}, "look takes one file: t2i-test look F.h5 [--key value]..."},
        {{"look", "a", "b"}, "look takes one file"},
        {{"compare", "a"}, "compare takes two files: t2i-test compare A B"},
        {{"make"}, "make needs --data: t2i-test make --data FILE [--key value]..."},
        {{"make", "x", "--data=a"}, "unexpected 'x': make takes options only"},
    };
    fixture f;
    t2i_error err;
    setup(&f);
    f.opts.command = table;
    f.opts.commands = 3;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(
            parse(&f, &err, WORDS(bad[i].word[0], bad[i].word[1], bad[i].word[2], bad[i].word[3])),
            T2I_USAGE, bad[i].says);
    OK(parse(&f, &err, WORDS("--json", "look", "a")));
    CU_ASSERT_PTR_EQUAL(f.opts.chosen, &table[1]);
    CU_ASSERT_EQUAL(f.opts.operands, 1);
    CU_ASSERT_STRING_EQUAL(f.opts.operand[0], "a");
    OK(parse(&f, &err, WORDS("make", "--help")));
    CU_ASSERT_PTR_EQUAL(f.opts.chosen, &table[0]);
    OK(parse(&f, &err, WORDS("--help", "compare")));
    CU_ASSERT_PTR_EQUAL(f.opts.chosen, &table[2]);
    OK(parse(&f, &err, WORDS("--help")));
    CU_ASSERT_PTR_NULL(f.opts.chosen);
    CU_ASSERT_TRUE(t2i_opts_takes(&table[0], "batch"));
    CU_ASSERT_FALSE(t2i_opts_takes(&table[0], "bat"));
    CU_ASSERT_FALSE(t2i_opts_takes(&table[0], "atch"));
    teardown(&f);
}

int main(void)
{
    static const t2i_test tests[] = {
        {"defaults", defaults},
        {"command line", command_line},
        {"command line errors", command_line_errors},
        {"--help and --version stop parsing", help_stops},
        {"job file", job_file},
        {"job file errors", job_file_errors},
        {"long lines", long_lines},
        {"echo reads back", echo},
        {"commands", commands},
    };
    return t2i_test_main("opts", tests, sizeof tests / sizeof *tests);
}
