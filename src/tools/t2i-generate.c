/* t2i-generate - nearest pictures, decoded pictures and a contact sheet for prompts. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "base/cpu.h"
#include "base/fs.h"
#include "generate/explore.h"
#include "generate/generate.h"
#include "generate/prompt_list.h"
#include "base/log.h"
#include "base/opts.h"
#include "base/stop_signal.h"
#include "dataset/reader.h"

#define PROGRAM "t2i-generate"

typedef struct {
    char *data, *metric, *index, *out, *html, *prompts, *vectors;
    long top;
    int json, force;
} settings;

/* What cannot be asked. interactive: prompts will be typed. */
static t2i_status check(const t2i_opts *opts, const settings *s, int interactive, t2i_error *err)
{
    if (opts->operands == 0 ||
        (opts->operands == 1 && s->prompts == NULL && s->html == NULL && !interactive))
        return t2i_fail(
            err, T2I_USAGE,
            "give a run folder or model file, then one or more prompts in quotes (see --help)");
    const char *last = opts->operand[opts->operands - 1];
    if (opts->operands > 1 && !t2i_fs_exists(opts->operand[0]) && t2i_fs_exists(last))
        return t2i_fail(err, T2I_USAGE,
                        "the run folder or model file comes first, then the prompts: t2i-generate "
                        "%.200s \"%.200s\"",
                        last, opts->operand[0]);
    if (s->html != NULL && strcmp(s->index, "on") == 0)
        return t2i_fail(err, T2I_USAGE, "--html excludes --index on");
    if (s->html != NULL && (s->json || s->out != NULL || s->vectors != NULL))
        return t2i_fail(err, T2I_USAGE, "--html excludes --json, --out and --vectors");
    if (s->vectors != NULL && interactive)
        return t2i_fail(err, T2I_USAGE, "--vectors: give the prompts in quotes, or --prompts FILE");
    if (s->vectors != NULL && !t2i_text_ends(s->vectors, ".npy"))
        return t2i_fail(err, T2I_USAGE, "--vectors %s: let the name end in .npy", s->vectors);
    return T2I_OK;
}

static t2i_status generate(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    int interactive = opts->operands == 1 && s->prompts == NULL && s->html == NULL && !s->json &&
                      isatty(STDIN_FILENO);
    t2i_prompt_list list = {0};
    T2I_TRY(check(opts, s, interactive, err));
    if (!interactive)
        T2I_TRY(t2i_prompt_list_new(&list, opts->operand + 1, opts->operands - 1, s->prompts, err));
    const t2i_generate_options options = {
        .source = opts->operand[0],
        .data = s->data,
        .prompt = list.prompt,
        .prompts = list.prompts,
        .top = (size_t)s->top,
        .metric = strcmp(s->metric, "cosine") == 0 ? T2I_COSINE : T2I_EUCLIDEAN,
        .metric_of_run = strcmp(s->metric, "auto") == 0,
        .with_index = strcmp(s->index, "on") == 0,
        .out = s->out,
        .vectors = s->vectors,
        .force = s->force,
        .json = s->json,
        .pictures = t2i_terminal_pictures(),
        .print = t2i_generate_print};
    t2i_status status = s->html != NULL ? t2i_explore(&options, s->html, err)
                        : interactive   ? t2i_generate_interactive(&options, err)
                                        : t2i_generate(&options, err);
    t2i_prompt_list_free(&list);
    return status;
}

static t2i_status run(int argc, char **argv, t2i_error *err)
{
    settings s = {0};
    t2i_opt table[] = {
        {.name = "data",
         .kind = T2I_OPT_TEXT,
         .value = &s.data,
         .argument = "F.h5",
         .help = "Dataset whose pictures are searched. Required with a model file; a run folder "
                 "names its own."},
        {.name = "prompts",
         .kind = T2I_OPT_TEXT,
         .value = &s.prompts,
         .argument = "FILE",
         .help = "File with further prompts, one per line; - for standard input."},
        {.name = "top",
         .kind = T2I_OPT_INT,
         .value = &s.top,
         .preset = "5",
         .min = 1,
         .max = 100,
         .argument = "K",
         .help = "Number of nearest pictures per prompt."},
        {.name = "metric",
         .kind = T2I_OPT_CHOICE,
         .value = &s.metric,
         .preset = "auto",
         .choices = "auto|euclidean|cosine",
         .help = "Distance between a prompt and a picture in the model's search space, by default "
                 "that of the features; cosine is 1 - similarity. auto: cosine for models trained "
                 "with loss = contrastive, else euclidean."},
        {.name = "index",
         .kind = T2I_OPT_CHOICE,
         .value = &s.index,
         .preset = "off",
         .choices = "on|off",
         .help = "Hybrid search: order the pictures by cosine similarity plus the score of a text "
                 "index (TF-IDF of the words and trigrams of each picture's training prompts) "
                 "times the weight in the model file (t2i-model show: index weight). --metric has "
                 "no effect then."},
        {.name = "out",
         .kind = T2I_OPT_TEXT,
         .value = &s.out,
         .argument = "FILE",
         .help = "Contact sheet to write, as PNG, JPEG or WebP by its suffix; decoded pictures are "
                 "written beside it as NAME-drawn-1.png, NAME-drawn-2.png, ... A folder: the name "
                 "is made from the prompt. By default it is in the folder generated of the run, or "
                 "in the current folder for a model file or if the run cannot be written."},
        {.name = "force",
         .kind = T2I_OPT_SWITCH,
         .value = &s.force,
         .help = "Replace existing files. Otherwise a given name that exists is refused, and names "
                 "made from prompts get -2, -3, ..."},
        {.name = "vectors",
         .kind = T2I_OPT_TEXT,
         .value = &s.vectors,
         .argument = "OUT.npy",
         .help = "Write the predicted features as float32, one row per prompt, in NumPy's format. "
                 "Pictures are then written only with --out."},
        {.name = "html",
         .kind = T2I_OPT_TEXT,
         .value = &s.html,
         .argument = "PAGE.html",
         .help = "Write an HTML page to explore the run instead of a contact sheet. It shows the "
                 "given prompts and up to 400 of the dataset's, filtered as you type, with "
                 "drawings and nearest pictures; it needs no server."},
        {.name = "json",
         .kind = T2I_OPT_SWITCH,
         .value = &s.json,
         .help = "Print only a JSON array, with one object per prompt, on standard output."},
    };
    t2i_opts opts = {
        .program = PROGRAM,
        .summary = "draws and retrieves pictures by prompt",
        .usage = "RUN|MODEL [PROMPT...] [--key value]...",
        .about =
            "Predicts the features of a picture for each prompt. Lists the pictures of the dataset "
            "that are nearest to the prediction, decodes the prediction to a picture if the "
            "dataset's encoder is invertible, and writes a contact sheet. RUN is a run folder, "
            "MODEL a model or checkpoint file. On a terminal, pictures are displayed (unless "
            "NO_COLOR is set), and prompts are read interactively if none is given.",
        .example = PROGRAM " runs/shapes \"a small red circle\" \"a large blue star\" --top 3",
        .opt = table,
        .opts = sizeof table / sizeof *table,
        .run = generate,
        .git = T2I_GIT,
    };
    return t2i_cli_run(&opts, argc, argv, &s, err);
}

int main(int argc, char **argv)
{
    t2i_error err = {0};
    t2i_log_program(PROGRAM);
    t2i_stop_signal_begin();
    t2i_cpu_set_rounding();
    t2i_status status = run(argc, argv, &err);
    if (status != T2I_OK) t2i_log_error(&err);
    t2i_reader_end();
    return (int)status;
}
