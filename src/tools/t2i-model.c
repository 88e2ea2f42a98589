/* t2i-model - model and checkpoint files: what is in them, are they sound, how do they differ, and
 * from one kind into another. */
#include <stdio.h>
#include <string.h>

#include "t2i/cpu.h"
#include "t2i/log.h"
#include "t2i/model_convert.h"
#include "t2i/model_diff.h"
#include "t2i/model_show.h"
#include "t2i/model_verify.h"
#include "t2i/opts.h"
#include "t2i/stop.h"

#define PROGRAM "t2i-model"

typedef struct {
    const char *const *file; /* the operands after the command */
    size_t files;
    char *to;
    int json;
} settings;

static t2i_status run_show(const settings *s, t2i_error *err)
{
    t2i_text text = {0};
    t2i_error ignored;
    t2i_status status = t2i_model_show(s->file, s->files, s->json, &text, err);
    if (status == T2I_OK)
        status = t2i_log_print(text.data, err);
    else if (text.data != NULL && t2i_log_print(text.data, &ignored) != T2I_OK)
        status = T2I_IO; /* the files before the bad one */
    t2i_text_free(&text);
    return status;
}

static t2i_status run_verify(const settings *s, t2i_error *err)
{
    return t2i_model_verify(s->file, s->files, err);
}

static t2i_status run_diff(const settings *s, t2i_error *err)
{
    t2i_text text = {0};
    size_t differences;
    t2i_status status = t2i_model_diff(s->file[0], s->file[1], &text, &differences, err);
    if (status == T2I_OK) status = t2i_log_print(text.data, err);
    t2i_text_free(&text);
    if (status == T2I_OK && differences > 0)
        return t2i_fail(err, T2I_DATA, "%s and %s differ", s->file[0], s->file[1]);
    return status;
}

static t2i_status run_export(const settings *s, t2i_error *err)
{
    return t2i_model_export(s->file[0], s->to, err);
}

static t2i_status run_import(const settings *s, t2i_error *err)
{
    return t2i_model_import(s->file[0], s->to, err);
}

static const struct {
    const char *name;
    t2i_status (*run)(const settings *s, t2i_error *err);
    size_t least, most; /* files */
    const char *option; /* the one that it takes */
    const char *usage;
} verbs[] = {
    {"show", run_show, 1, 1000, "json", "show FILE|RUN... [--json]"},
    {"verify", run_verify, 1, 100000, NULL, "verify FILE|RUN..."},
    {"diff", run_diff, 2, 2, NULL, "diff A B"},
    {"export", run_export, 1, 1, "to", "export RUN|MODEL --to F.pt|F.safetensors"},
    {"import", run_import, 1, 1, "to", "import F.pt --to F.safetensors"},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static t2i_status find_verb(const t2i_opts *opts, size_t *verb, t2i_error *err)
{
    const char *names[VERBS];
    for (size_t i = 0; i < VERBS; i++) names[i] = verbs[i].name;
    const char *word = opts->operands == 0 ? "" : opts->operand[0];
    for (*verb = 0; *verb < VERBS && strcmp(word, names[*verb]) != 0;) ++*verb;
    if (*verb < VERBS) return T2I_OK;
    if (opts->operands == 0)
        return t2i_fail(err, T2I_USAGE,
                        "say what to do: show, verify, diff, export or import; see --help");
    const char *near = t2i_nearest_name(word, names, VERBS);
    if (near != NULL)
        return t2i_fail(err, T2I_USAGE, "there is no command \"%s\": is it \"%s\"?", word, near);
    return t2i_fail(err, T2I_USAGE,
                    "there is no command \"%s\": show, verify, diff, export or import; see --help",
                    word);
}

static t2i_status run(const t2i_opts *opts, settings *s, t2i_error *err)
{
    size_t verb;
    T2I_TRY(find_verb(opts, &verb, err));
    for (size_t i = 0; i < opts->opts; i++)
        if (opts->opt[i].origin == T2I_FROM_COMMAND &&
            (verbs[verb].option == NULL || strcmp(opts->opt[i].name, verbs[verb].option) != 0))
            return t2i_fail(err, T2I_USAGE, "%s takes no --%s; see --help", verbs[verb].name,
                            opts->opt[i].name);
    s->file = opts->operand + 1;
    s->files = opts->operands - 1;
    if (s->files < verbs[verb].least || s->files > verbs[verb].most)
        return t2i_fail(err, T2I_USAGE, "%s takes %s: " PROGRAM " %s", verbs[verb].name,
                        verbs[verb].most == 1   ? "one file"
                        : verbs[verb].most == 2 ? "two files"
                                                : "one file or more",
                        verbs[verb].usage);
    if (verbs[verb].option != NULL && strcmp(verbs[verb].option, "to") == 0 && s->to == NULL)
        return t2i_fail(err, T2I_USAGE, "%s needs --to, the file to write: " PROGRAM " %s",
                        verbs[verb].name, verbs[verb].usage);
    return verbs[verb].run(s, err);
}

static t2i_status read_command(int argc, char **argv, t2i_error *err)
{
    settings s = {0};
    t2i_opt table[] = {
        {.name = "to",
         .kind = T2I_OPT_TEXT,
         .value = &s.to,
         .argument = "FILE",
         .help = "export, import: the file to write; its suffix says of which kind. It is written "
                 "whole or not at all."},
        {.name = "json",
         .kind = T2I_OPT_SWITCH,
         .value = &s.json,
         .help = "show: print a JSON array with one object a file, and nothing else, on standard "
                 "output."},
    };
    t2i_opts opts = {
        .program = PROGRAM,
        .usage = "show FILE|RUN... [--json]\n" PROGRAM " verify FILE|RUN...\n" PROGRAM
                 " diff A B\n" PROGRAM " export RUN|MODEL --to F.pt|F.safetensors\n" PROGRAM
                 " import F.pt --to F.safetensors",
        .about =
            "Looks into model files and turns one kind into another. A RUN folder stands for its "
            "model, or its newest checkpoint while there is none.\n"
            "  show    configuration, vocabulary, run and tensors of a model; the tensors of any "
            "other .safetensors, .pt or .pth file\n"
            "  verify  is every byte as it was written? Of a RUN all its models and checkpoints\n"
            "  diff    what two models, of whatever kind, do not have in common; largest "
            "differences first, relative to the tensor's largest number. AdamW's moments and a "
            "run's state that only one of them has do not count\n"
            "  export  a model without AdamW's moments: .safetensors keeps what the run remembers, "
            ".pt is the tutorial's layout, which torch.load reads\n"
            "  import  a tutorial's .pt, or another model file, into .safetensors",
        .epilog = "Exit codes: 0 done, sound, equal; 64 usage; 65 bad data, damaged (verify), "
                  "different (diff); 66 input missing; 73 cannot create output; 74 input/output "
                  "error.\n"
                  "Examples: " PROGRAM " show runs/shapes\n"
                  "          " PROGRAM " export runs/shapes --to text_to_image_model.pt\n"
                  "          " PROGRAM " diff runs/a runs/b/checkpoints/step-500.safetensors",
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
    t2i_log_program(PROGRAM);
    t2i_stop_begin();
    t2i_cpu_set_rounding();
    t2i_status status = read_command(argc, argv, &err);
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
