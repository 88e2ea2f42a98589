/* t2i-data - makes datasets, and tells what is in them. */
#include <stdio.h>
#include <string.h>

#include "t2i/build.h"
#include "t2i/comm.h"
#include "t2i/cpu.h"
#include "t2i/emoji.h"
#include "t2i/encode.h"
#include "t2i/info.h"
#include "t2i/log.h"
#include "t2i/opts.h"
#include "t2i/reader.h"
#include "t2i/stop.h"
#include "t2i/preview.h"
#include "t2i/shapes.h"

#define PROGRAM "t2i-data"

typedef struct {
    char *out, *pairs, *images, *features, *encoder, *weights;
    char *locales, *with, *background, *font, *cldr;
    long dim, seed;
    double validation;
    int skip_bad, resume, json;
    int *started;     /* MPI */
    const char *file; /* the operand of info, verify, preview */
} settings;

static t2i_status run_seed(const settings *s, t2i_error *err)
{
    return t2i_seed(s->out, (size_t)s->dim, err);
}

static t2i_status run_shapes(const settings *s, t2i_error *err)
{
    return t2i_shapes(s->out, (uint64_t)s->seed, (size_t)s->dim, err);
}

static t2i_status run_emoji(const settings *s, t2i_error *err)
{
    const t2i_emoji_options options = {.out = s->out,
                                       .locales = s->locales,
                                       .with = s->with,
                                       .background = s->background,
                                       .font = s->font,
                                       .cldr = s->cldr,
                                       .dim = (size_t)s->dim,
                                       .seed = (uint64_t)s->seed};
    return t2i_emoji(&options, err);
}

/* The one command that several ranks can share; alone it does not need MPI. */
static t2i_status run_build(const settings *s, t2i_error *err)
{
    const t2i_build_options options = {.pairs = s->pairs,
                                       .images = s->images,
                                       .features = s->features,
                                       .out = s->out,
                                       .encoder = s->encoder,
                                       .weights = s->weights,
                                       .dim = (size_t)s->dim,
                                       .skip_bad = s->skip_bad,
                                       .resume = s->resume,
                                       .validation = s->validation,
                                       .seed = (uint64_t)s->seed};
    t2i_comm *comm;
    T2I_TRY(t2i_comm_launched() ? t2i_comm_open(&comm, NULL, NULL, err)
                                : t2i_comm_alone(&comm, err));
    *s->started = 1;
    t2i_log_rank(t2i_comm_rank(comm));
    t2i_status status = t2i_build(comm, &options, err);
    /* told before the end of one rank lets the launcher end the others */
    if (status != T2I_OK) t2i_log_error(err);
    t2i_comm_close(comm);
    return status;
}

/* Prints the text that something made, if it did, and frees it. */
static t2i_status tell(t2i_status status, t2i_text *text, t2i_error *err)
{
    if (status == T2I_OK) status = t2i_log_print(text->data, err);
    t2i_text_free(text);
    return status;
}

static t2i_status run_info(const settings *s, t2i_error *err)
{
    t2i_text text = {0};
    return tell(t2i_info(s->file, s->json, &text, err), &text, err);
}

static t2i_status run_verify(const settings *s, t2i_error *err)
{
    t2i_text text = {0};
    return tell(t2i_verify(s->file, &text, err), &text, err);
}

static t2i_status run_preview(const settings *s, t2i_error *err)
{
    return t2i_preview(s->file, s->out, err);
}

static const struct {
    const char *name;
    t2i_status (*run)(const settings *s, t2i_error *err);
    int makes;           /* a dataset, and so needs --out; else the operand is one */
    const char *options; /* those that it takes, each between blanks */
} verbs[] = {
    {"seed", run_seed, 1, " out dim "},
    {"shapes", run_shapes, 1, " out dim seed "},
    {"emoji", run_emoji, 1, " out dim seed locales with background font cldr "},
    {"build", run_build, 1,
     " out dim pairs images features encoder weights skip-bad resume validation seed "},
    {"info", run_info, 0, " json "},
    {"verify", run_verify, 0, " "},
    {"preview", run_preview, 0, " out "},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

/* ---- the command line ---- */

static t2i_status find_verb(const t2i_opts *opts, size_t *verb, t2i_error *err)
{
    const char *names[VERBS];
    for (size_t i = 0; i < VERBS; i++) names[i] = verbs[i].name;
    const char *word = opts->operands == 0 ? "" : opts->operand[0];
    const char *near = t2i_nearest_name(word, names, VERBS);
    for (*verb = 0; *verb < VERBS && strcmp(word, names[*verb]) != 0;) ++*verb;
    if (*verb < VERBS) return T2I_OK;
    if (opts->operands > 0 && near != NULL)
        return t2i_fail(err, T2I_USAGE, "there is no command \"%s\": is it \"%s\"?", word, near);
    return t2i_fail(err, T2I_USAGE,
                    "%s%s%s: seed, shapes, emoji, build, info, verify or preview; see --help",
                    opts->operands == 0 ? "say what to do" : "there is no command \"", word,
                    opts->operands == 0 ? "" : "\"");
}

static t2i_status check_options(const t2i_opts *opts, size_t verb, const settings *s,
                                t2i_error *err)
{
    const char *name = verbs[verb].name;
    for (size_t i = 0; i < opts->opts; i++) {
        char key[32];
        snprintf(key, sizeof key, " %s ", opts->opt[i].name);
        if (opts->opt[i].origin == T2I_FROM_COMMAND && strstr(verbs[verb].options, key) == NULL)
            return t2i_fail(err, T2I_USAGE, "%s takes no --%s; see --help", name,
                            opts->opt[i].name);
    }
    if (verbs[verb].makes && opts->operands > 1)
        return t2i_fail(err, T2I_USAGE, "what is \"%s\"? %s takes options only; see --help",
                        opts->operand[1], name);
    if (verbs[verb].makes && s->out == NULL)
        return t2i_fail(err, T2I_USAGE, "%s needs --out FILE.h5: the dataset to write", name);
    if (!verbs[verb].makes && opts->operands != 2)
        return t2i_fail(err, T2I_USAGE, "%s takes one dataset file: " PROGRAM " %s FILE.h5", name,
                        name);
    static const char *const shaping[] = {"dim", "encoder", "validation", "resume"};
    for (size_t i = 0; s->features != NULL && i < sizeof shaping / sizeof *shaping; i++)
        if (t2i_opts_find(opts, shaping[i])->origin == T2I_FROM_COMMAND)
            return t2i_fail(err, T2I_USAGE, "--features excludes --%s: they are taken as they are",
                            shaping[i]);
    if (strcmp(s->encoder, "resnet18") == 0 &&
        t2i_opts_find(opts, "dim")->origin == T2I_FROM_COMMAND)
        return t2i_fail(err, T2I_USAGE,
                        "--dim is for the encoder pca: resnet18 makes 512 features");
    return T2I_OK;
}

static t2i_status run(const t2i_opts *opts, settings *s, t2i_error *err)
{
    size_t verb;
    T2I_TRY(find_verb(opts, &verb, err));
    T2I_TRY(check_options(opts, verb, s, err));
    if (!verbs[verb].makes) s->file = opts->operand[1];
    if (t2i_opts_find(opts, "validation")->origin == T2I_FROM_DEFAULT) s->validation = -1;
    if (verbs[verb].run != run_build && t2i_comm_rank_before_start() > 0) return T2I_OK;
    return verbs[verb].run(s, err);
}

static t2i_status read_command(int argc, char **argv, int *started, t2i_error *err)
{
    settings s = {.started = started};
    const t2i_opt_kind number = T2I_OPT_INT, text = T2I_OPT_TEXT, on = T2I_OPT_SWITCH;
    t2i_opt table[] = {
        {"out", text, &s.out, NULL, 0, 0, NULL, "FILE",
         "The dataset to write; for preview the PNG, by default the dataset's name with .png.", 0},
        {"pairs", text, &s.pairs, NULL, 0, 0, NULL, "FILE",
         "build: the pairs. CSV with a header or JSONL by suffix (prompt, image_path, "
         "[split], [group]), else lines of prompt TAB file [TAB split].",
         0},
        {"images", text, &s.images, NULL, 0, 0, NULL, "FOLDER",
         "build: where the pictures (PNG, JPEG, WebP) are; by default beside the pairs file.", 0},
        {"features", text, &s.features, NULL, 0, 0, NULL, "FILE",
         "build: safetensors or .pt, a vector for each picture, used instead of the pictures.", 0},
        {"encoder", T2I_OPT_CHOICE, &s.encoder, "pca", 0, 0, "pca|resnet18", NULL,
         "build: what makes features of pictures. pca is fitted to the training pictures.", 0},
        {"weights", text, &s.weights, NULL, 0, 0, NULL, "FILE",
         "build: of resnet18, as torchvision's resnet18-*.pth or in safetensors.", 0},
        {"dim", number, &s.dim, "512", 1, 4096, NULL, NULL,
         "How many features pca makes of a picture, at most.", 0},
        {"validation", T2I_OPT_REAL, &s.validation, "0.1", 0, 0.9, NULL, NULL,
         "build: share of the pictures (of their groups) that is held out, where the pairs file "
         "names no split.",
         0},
        {"resume", on, &s.resume, NULL, 0, 0, NULL, NULL,
         "build: go on from the pictures that a build which was stopped has left in F.h5.parts.",
         0},
        {"skip-bad", on, &s.skip_bad, NULL, 0, 0, NULL, NULL,
         "build: leave bad rows out, instead of failing at the end.", 0},
        {"seed", number, &s.seed, "1", 0, 1e9, NULL, NULL,
         "shapes, emoji, build: chooses what is held out of training.", 0},
        {"locales", text, &s.locales, "en", 0, 0, NULL, "en,de|all",
         "emoji: the languages of the prompts, as CLDR's files are named.", 0},
        {"with", text, &s.with, NULL, 0, 0, NULL, "de,fr|all",
         "emoji: languages whose prompts are trained on too; what is held out stays that of "
         "--locales alone.",
         0},
        {"background", text, &s.background, "white", 0, 0, NULL, "#rrggbb",
         "emoji: the colour behind the pictures.", 0},
        {"font", text, &s.font, NULL, 0, 0, NULL, "FILE",
         "emoji: Noto Color Emoji with bitmaps; by default the system's.", 0},
        {"cldr", text, &s.cldr, NULL, 0, 0, NULL, "FOLDER",
         "emoji: CLDR's data, with the folders annotations and annotationsDerived; by default the "
         "system's.",
         0},
        {"json", on, &s.json, NULL, 0, 0, NULL, NULL, "info: print a JSON object.", 0},
    };
    t2i_opts opts = {
        .program = PROGRAM,
        .usage = "seed|shapes|emoji|build --out F.h5 [--key value]...\n" PROGRAM
                 " info|verify|preview F.h5 [--key value]...",
        .about =
            "Makes the dataset files that t2i-train reads, and looks into them.\n"
            "  seed     the tutorial's three pictures and seven prompts\n"
            "  shapes   1,296 coloured shapes with 6,480 captions, a fifth held out\n"
            "  emoji    3,600 emoji with their Unicode names in one or all languages\n"
            "  build    from your own pictures, or ready features, and prompts; under mpirun or "
            "srun pictures are shared out over the ranks\n"
            "  info     what is in a dataset\n"
            "  verify   is every byte of it sound?\n  preview  a sheet of its pictures, a PNG",
        .epilog = "Example: " PROGRAM " build --pairs pets.csv --images photos --out pets.h5\n"
                  "Exit codes: 0 done, 64 usage, 65 bad data, 66 input missing, 73 cannot create "
                  "output, 74 input/output error, 75 stopped early (build: run it again with "
                  "--resume).",
        .opt = table,
        .opts = sizeof table / sizeof *table,
    };
    t2i_status status = t2i_opts_parse(&opts, argc, argv, err);
    if (status == T2I_OK && (opts.help || opts.version))
        status = t2i_opts_answer(&opts, err);
    else if (status == T2I_OK)
        status = run(&opts, &s, err);
    t2i_opts_free(&opts);
    return status;
}

int main(int argc, char **argv)
{
    t2i_error err = {0};
    t2i_reader_begin();
    t2i_log_program(PROGRAM);
    t2i_stop_begin();
    t2i_cpu_set_rounding();
    int started = 0;
    t2i_log_rank(t2i_comm_rank_before_start());
    t2i_status status = read_command(argc, argv, &started, &err);
    if (status != T2I_OK && !started) {
        t2i_log_rank(t2i_comm_speaks_before_start() ? 0 : 1);
        t2i_log_error(&err);
    }
    t2i_reader_end();
    return (int)status;
}
