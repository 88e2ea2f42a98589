/* t2i-model - shows, verifies, compares and converts model and checkpoint files; writes reports. */
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "base/cpu.h"
#include "base/log.h"
#include "checkpoint/model_convert.h"
#include "checkpoint/model_diff.h"
#include "checkpoint/model_show.h"
#include "checkpoint/model_verify.h"
#include "base/opts.h"
#include "record/report.h"
#include "base/stop_signal.h"

#define PROGRAM "t2i-model"

typedef struct {
    char *to, *out;
    int json;
} settings;

static t2i_status run_show(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    t2i_text text = {0};
    t2i_error ignored;
    t2i_status status = t2i_model_show(opts->operand, opts->operands, s->json, &text, err);
    if (status == T2I_OK)
        status = t2i_log_print(text.data, err);
    else if (text.data != NULL && t2i_log_print(text.data, &ignored) == T2I_IO)
        status = T2I_IO; /* files before the bad one are still shown */
    t2i_text_free(&text);
    return status;
}

static t2i_status run_verify(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    (void)settings_;
    return t2i_model_verify(opts->operand, opts->operands, err);
}

static t2i_status run_diff(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    (void)settings_;
    const char *a = opts->operand[0], *b = opts->operand[1];
    t2i_text text = {0};
    size_t differences;
    t2i_status status = t2i_model_diff(a, b, &text, &differences, err);
    if (status == T2I_OK) status = t2i_log_print(text.data, err);
    t2i_text_free(&text);
    if (status == T2I_OK && differences > 0)
        return t2i_fail(err, T2I_DATA, "%s and %s differ", a, b);
    return status;
}

static t2i_status run_export(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    return t2i_model_convert_export(opts->operand[0], s->to, err);
}

static t2i_status run_import(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    return t2i_model_convert_import(opts->operand[0], s->to, err);
}

static t2i_status run_report(const t2i_opts *opts, void *settings_, t2i_error *err)
{
    const settings *s = settings_;
    t2i_report *report;
    if (opts->operands > 1 && s->out == NULL)
        return t2i_fail(err, T2I_USAGE, "a report of several runs needs --out PAGE.html");
    if (opts->operands > 1) return t2i_report_compare(opts->operand, opts->operands, s->out, err);
    T2I_TRY(t2i_report_open(&report, opts->operand[0], err));
    t2i_status status = t2i_report_write(report, NULL, s->out, err);
    t2i_report_close(report);
    return status;
}

static const t2i_command commands[] = {
    {"show", "FILE|RUN...", 1, 1000, "json", NULL,
     "Shows the contents of model files. For a model: configuration, vocabulary, run state and "
     "tensors; for any other .safetensors, .pt or .pth file: its tensors.",
     run_show, 0},
    {"verify", "FILE|RUN...", 1, 100000, "", NULL,
     "Verifies the integrity of model files. For a RUN, of all its models and checkpoints, and of "
     "its log, in which the first edited line is named. A damaged file gives exit code 65.",
     run_verify, 0},
    {"diff", "A B", 2, 2, "", NULL,
     "Compares two models of any format. Lists the largest differences first, relative to the "
     "tensor's largest absolute value; the exit code is 65 if the models differ. AdamW's moments "
     "and run state that only one of them has do not count.",
     run_diff, 0},
    {"export", "RUN|MODEL", 1, 1, "to", "to",
     "Writes a model without AdamW's moments. .safetensors keeps the run state; .pt has the "
     "tutorial's layout, which torch.load reads; .onnx is a graph from prompts to predictions, for "
     "onnxruntime and others.",
     run_export, 0},
    {"import", "F.pt", 1, 1, "to", "to",
     "Converts the tutorial's .pt, or another model file, to .safetensors.", run_import, 0},
    {"report", "RUN...", 1, T2I_REPORT_RUNS, "out", NULL,
     "Writes an HTML report of one run, or a comparison of several. For one run it is the "
     "report.html in its folder, written again. For several it shows their curves in common "
     "charts, their results, and the options in which they differ.",
     run_report, 0},
};

static t2i_status read_command(int argc, char **argv, t2i_error *err)
{
    settings s = {0};
    t2i_opt table[] = {
        {"to", T2I_OPT_TEXT, &s.to, .argument = "FILE",
         .help = "File to write; the suffix (.safetensors, .pt or, for export, .onnx) selects the "
                 "format. The file is written completely or not at all."},
        {"out", T2I_OPT_TEXT, &s.out, .argument = "PAGE.html",
         .help = "HTML page to write; for one run by default report.html in its folder."},
        {"json", T2I_OPT_SWITCH, &s.json,
         .help = "Print only a JSON array, with one object per file, on standard output."},
    };
    t2i_opts opts = {
        .program = PROGRAM,
        .summary = "inspects, verifies, compares and converts model files",
        .about =
            "Inspects, verifies, compares and converts model and checkpoint files. A RUN folder "
            "stands for its model, or for its newest checkpoint while it has no model.",
        .example =
            PROGRAM " show runs/shapes\n" PROGRAM " report runs/a runs/b --out both.html\n" PROGRAM
                    " export runs/shapes --to text_to_image_model.pt\n" PROGRAM
                    " diff runs/a runs/b/checkpoints/step-500.safetensors",
        .opt = table,
        .opts = sizeof table / sizeof *table,
        .command = commands,
        .commands = sizeof commands / sizeof *commands,
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
    t2i_status status = read_command(argc, argv, &err);
    if (status != T2I_OK) t2i_log_error(&err);
    return (int)status;
}
